//! Golden digests: these values are formats. When one changes, stores and caches are lost, and
//! the version in the encoding's domain string has to change with it.
//!
//! The nouns' encodings are also written out by hand here, from the text of the specification.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use cbuild_drv::{
    Action, ActionKey, Assemble, ContentHash, Derivation, Digest, DrvId, Exec, Fetch, FetchKind,
    FileEntry, HashAlgorithm, Input, Layer, Name, OutputName, Segment, StorePath, System, Template,
    Texts, Tree,
};

/// Bytes of an encoding, built by hand.
#[derive(Clone, Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn domain(text: &str) -> Self {
        Self::default().text(text)
    }
    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
    fn int(self, value: u64) -> Self {
        self.raw(&value.to_le_bytes())
    }
    fn text(self, text: &str) -> Self {
        self.int(text.len() as u64).raw(text.as_bytes())
    }
    fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn golden(digest: Digest, text: &str) {
    assert_eq!(digest.to_text(), text);
}

fn object(text: &str) -> StorePath {
    StorePath::of_content(&name(text), &Digest::of(text.as_bytes()), false, &BTreeSet::new())
}

#[test]
fn digest_text() {
    // The hash of nothing, as published with BLAKE3's test vectors.
    let empty = Digest::of(b"");
    let hex: String = empty.0.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
    golden(empty, "v4jutopv7gq2nicajxvdnxgjjgn4wjojvxarfn6mtkj4vza7gjra");
    golden(Digest([0; 32]), &"a".repeat(52));
    golden(Digest([255; 32]), &("7".repeat(51) + "q"));
    assert_eq!(Digest::parse(&empty.to_text()), Ok(empty));
    for bad in ["", "a", &"a".repeat(51), &"a".repeat(53), &("7".repeat(52)), &"A".repeat(52)] {
        assert!(Digest::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn trees() {
    let content = Digest::of(b"hello\n");
    let file = Tree::File { executable: true, size: 6, content, own: Vec::new() };
    let by_hand = Bytes::domain("cbuild-tree-1").raw(&[0, 1]).int(6).raw(&content.0).digest();
    assert_eq!(file.digest(), by_hand);
    golden(file.digest(), "7h4bv2vzuzpsldrsh7acrvhf22ixxr3cikkmu6ahr2i4u4w5oswq");
    let link = Tree::Symlink { target: b"to/there".to_vec(), own: Vec::new() };
    assert_eq!(link.digest(), Bytes::domain("cbuild-tree-1").raw(&[1]).text("to/there").digest());
    golden(link.digest(), "enacgukzhdiyfcil4bf7kaw4wncnoollwxzjpospwqson6bgqbua");
    let children = BTreeMap::from([(b"b".to_vec(), link.clone()), (b"a".to_vec(), file.clone())]);
    let folder = Tree::Directory(children);
    let by_hand = Bytes::domain("cbuild-tree-1")
        .raw(&[2])
        .int(2)
        .text("a")
        .raw(&file.digest().0)
        .text("b")
        .raw(&link.digest().0)
        .digest();
    assert_eq!(folder.digest(), by_hand);
    golden(folder.digest(), "cyyye536mqxujyaeoubnnd6pvqx7hjscv2dqpid4xb3xlsggemcq");
    golden(
        Tree::Directory(BTreeMap::new()).digest(),
        "5jseypcwjorjnmqfigi5cfit5dl6rgdhbq23s7jbeduppzl2llsq",
    );
}

#[test]
fn trees_with_own_digests() {
    let zeroed = [b"a".as_slice(), &[0; 52], b"b", &[0; 52]].concat();
    let content = Digest::of(&zeroed);
    let file = |own: &[u64]| Tree::File { executable: false, size: 106, content, own: own.into() };
    let by_hand = Bytes::domain("cbuild-tree-1").raw(&[3, 0]).int(106).raw(&content.0);
    let by_hand = by_hand.int(2).int(1).int(54).digest();
    assert_eq!(file(&[1, 54]).digest(), by_hand);
    golden(by_hand, "vuryffaql5n457yqop2ertur3jrwl6fjio2bhrupvqgtxjf22mta");
    let link = |own: &[u64]| Tree::Symlink { target: zeroed.clone(), own: own.into() };
    let by_hand = Bytes::domain("cbuild-tree-1").raw(&[4]).int(106).raw(&zeroed).int(1).int(54);
    assert_eq!(link(&[54]).digest(), by_hand.digest());
    golden(by_hand.digest(), "jrqe5xo6e2vgeyiwg4pzy74g3kd6wpbqcyghmxqf6a6ec4wziyoa");
    // Every set of places is another tree; the first format had one digest for all of them.
    let places: [&[u64]; 4] = [&[], &[1], &[54], &[1, 54]];
    for tree in [&file as &dyn Fn(&[u64]) -> Tree, &link] {
        let distinct: BTreeSet<Digest> = places.iter().map(|own| tree(own).digest()).collect();
        assert_eq!(distinct.len(), places.len());
        let old = places.iter().map(|own| tree(own).digest_without_places());
        assert_eq!(old.collect::<BTreeSet<_>>(), BTreeSet::from([tree(&[]).digest()]));
    }
    let inside = Tree::Directory(BTreeMap::from([(b"f".to_vec(), file(&[1]))]));
    assert_ne!(inside.digest(), inside.digest_without_places());
}

#[test]
fn store_paths() {
    let tree = Digest::of(b"tree");
    let references = BTreeSet::from([object("one"), object("two")]);
    let path = StorePath::of_content(&name("thing-1.0"), &tree, true, &references);
    let mut by_hand =
        Bytes::domain("cbuild-store-path-1").text("thing-1.0").raw(&tree.0).raw(&[1]).int(2);
    for reference in &references {
        by_hand = by_hand.text(&reference.base_name());
    }
    assert_eq!(path.digest(), &by_hand.digest());
    golden(*path.digest(), "rlhirw3zg4bjfvntvby3so7zuve62zogxse7yutzvr3kylt57oua");
    let key = ActionKey(Digest::of(b"action"));
    let scratch = StorePath::scratch(&key, &OutputName::out(), &name("thing-1.0"));
    let by_hand = Bytes::domain("cbuild-scratch-path-1").raw(&key.0.0).text("out").digest();
    assert_eq!(scratch.digest(), &by_hand);
    golden(*scratch.digest(), "oudokaftwcowcvli63v5li5wi44464bwz2fbn5y4gdrckmfeh4la");
    let text = format!("/cbuild/store/{}-thing-1.0", path.digest());
    assert_eq!(path.to_string(), text);
    assert_eq!(StorePath::parse(&text), Ok(path.clone()));
    assert_eq!(StorePath::parse(&path.base_name()), Ok(path.clone()));
    let digest = path.digest();
    for bad in [String::new(), digest.to_string(), format!("{digest}-"), format!("{digest}-a/b")] {
        assert!(StorePath::parse(&bad).is_err(), "{bad}");
    }
}

fn fetch(urls: &[&str], kind: FetchKind) -> Derivation<Input> {
    let hash = ContentHash::new(HashAlgorithm::Sha256, vec![7; 32]).unwrap();
    let urls = urls.iter().map(|url| (*url).to_owned()).collect();
    derivation("source", Action::Fetch(Fetch { urls, hash, kind }))
}

fn derivation<R>(text: &str, action: Action<R>) -> Derivation<R> {
    Derivation {
        name: name(text),
        system: System::new("x86_64-linux").unwrap(),
        outputs: BTreeSet::from([OutputName::out()]),
        action,
    }
}

fn exec() -> Derivation<Input> {
    let source = Input::Output {
        drv: fetch(&[], FetchKind::Archive { strip: 1 }).id(),
        output: OutputName::out(),
    };
    let shell = Input::Object(object("shell"));
    let program = [Segment::Reference(shell.clone()), Segment::Text("/bin/sh".to_owned())];
    let script = [
        Segment::Text("cp -r ".to_owned()),
        Segment::Reference(source),
        Segment::Text(" ".to_owned()),
        Segment::Output(OutputName::out()),
    ];
    derivation(
        "thing",
        Action::Exec(Exec {
            root: Some(Input::Object(object("root"))),
            program: program.into_iter().collect(),
            args: vec![Template::from("-e"), script.into_iter().collect()],
            env: Texts::from([("LANG".to_owned(), Template::from("C"))]),
            files: Texts::from([("a/b".to_owned(), Template::from("text"))]),
            inputs: BTreeSet::from([shell]),
            forbidden: BTreeSet::new(),
            limits: cbuild_drv::StepLimits::default(),
        }),
    )
}

fn assemble() -> Derivation<Input> {
    let source = Input::Object(object("layer"));
    let file = FileEntry { text: Template::from("text"), executable: true };
    let layer = Layer { source, from: "usr".to_owned(), into: String::new() };
    derivation(
        "tree",
        Action::Assemble(Assemble {
            layers: vec![layer],
            exclude: vec!["**/*.a".to_owned()],
            links: BTreeMap::from([("bin".to_owned(), Template::from("usr/bin"))]),
            files: BTreeMap::from([("etc/file".to_owned(), file)]),
            directories: BTreeSet::from(["tmp".to_owned()]),
        }),
    )
}

fn resolved(derivation: &Derivation<Input>) -> ActionKey {
    resolve(derivation).action_key()
}

fn resolve(derivation: &Derivation<Input>) -> Derivation<StorePath> {
    let resolve = &mut |input: &Input| match input {
        Input::Object(path) => Ok::<_, std::convert::Infallible>(path.clone()),
        Input::Output { .. } => Ok(object("source")),
    };
    match derivation.try_map(resolve) {
        Ok(resolved) => resolved,
    }
}

#[test]
fn records_are_what_keys_are_the_hash_of() {
    for derivation in [fetch(&[], FetchKind::Archive { strip: 1 }), exec(), assemble()] {
        let derivation = resolve(&derivation);
        let record = derivation.to_record();
        assert_eq!(ActionKey(Digest::of(&record)), derivation.action_key());
        let decoded = cbuild_drv::record::decode(&record).unwrap();
        assert_eq!(decoded.action, derivation.action);
        assert_eq!((&decoded.name, &decoded.outputs), (&derivation.name, &derivation.outputs));
        for length in 0..record.len() {
            assert!(cbuild_drv::record::decode(&record[..length]).is_err(), "{length}");
        }
    }
    let by_hand = Bytes::domain("cbuild-action-1").text("source").raw(&[1]).text("sha256");
    let by_hand = by_hand.int(32).raw(&[7; 32]).raw(&[1]).int(1);
    let archive = fetch(&["https://example.org/a.tar"], FetchKind::Archive { strip: 1 });
    assert_eq!(resolve(&archive).to_record(), by_hand.0);
}

#[test]
fn records_in_another_form_are_refused() {
    use cbuild_drv::RecordError;
    let decode = |bytes: &Bytes| cbuild_drv::record::decode(&bytes.0).unwrap_err();
    assert_eq!(decode(&Bytes::domain("cbuild-action-2")), RecordError::Domain);
    let record = Bytes(resolve(&exec()).to_record());
    // A program's record may go on with what is forbidden, but not with nothing that is.
    assert!(matches!(decode(&record.clone().raw(&[0])), RecordError::End(_)));
    assert_eq!(decode(&record.clone().int(0)), RecordError::NotCanonical);
    let mut strict = resolve(&exec());
    if let Action::Exec(exec) = &mut strict.action {
        exec.forbidden = exec.inputs.clone();
    }
    let decoded = cbuild_drv::record::decode(&strict.to_record()).unwrap();
    assert_eq!(decoded, strict);
    assert_ne!(strict.action_key(), resolve(&exec()).action_key());
    let assembly = Bytes(resolve(&assemble()).to_record());
    assert_eq!(decode(&assembly.raw(&[0])), RecordError::NotCanonical);
    // Directories of an assembly that are not in ascending order.
    let empty = Bytes::domain("cbuild-action-1").text("t").raw(&[2]).int(0).int(0).int(0).int(0);
    let decoded = cbuild_drv::record::decode(&empty.clone().int(2).text("a").text("b").0);
    assert!(decoded.is_ok(), "{decoded:?}");
    assert_eq!(decode(&empty.int(2).text("b").text("a")), RecordError::NotCanonical);
    let huge = Bytes::domain("cbuild-action-1").int(u64::MAX);
    assert!(matches!(decode(&huge), RecordError::End(_)));
}

proptest::proptest! {
    #[test]
    fn damaged_records_are_refused_or_canonical(at in 0..400usize, byte: u8) {
        let mut record = resolve(&exec()).to_record();
        let at = at % record.len();
        record[at] = byte;
        if let Ok(decoded) = cbuild_drv::record::decode(&record) {
            proptest::prop_assert_eq!(decoded.to_record(), record);
        }
    }
}

#[test]
fn derivations() {
    let archive = fetch(&["https://example.org/a.tar"], FetchKind::Archive { strip: 1 });
    let by_hand = Bytes::domain("cbuild-derivation-1")
        .text("source")
        .raw(&[1])
        .text("sha256")
        .int(32)
        .raw(&[7; 32])
        .raw(&[1])
        .int(1)
        .digest();
    assert_eq!(archive.id(), DrvId(by_hand));
    assert_eq!(archive.id(), fetch(&[], FetchKind::Archive { strip: 1 }).id());
    golden(archive.id().0, "cg2fhc6nt4azgxvmhlu5yyn4lelregxb3bzzmn2oegjiirxaa73a");
    let file = fetch(&[], FetchKind::File { executable: false });
    golden(file.id().0, "shp7jbgx53akbevjcbq4ntqu7g5zflwn676i2j74wabqfwgsisoa");
    golden(exec().id().0, "wehdmajvxvntiqpqkolsfejkjslvqylowthqi2soulhydyhryzza");
    golden(assemble().id().0, "xhzo7r45rjlm2th6dpcpfwzkri7kzvn4vg6nrqn26a6apv5gbteq");
    golden(resolved(&archive).0, "rhcjn735qpgqtm6u23ciwrrf4rlrvvsn55bikyyiucotuioag5ra");
    golden(resolved(&exec()).0, "73gkc2jv3metfbqekmopkx5ui2cv62fav4vxn2vf5bn2wxdaucxa");
    golden(resolved(&assemble()).0, "v645flaa2e35u7rn4fcvna22lo73tjsymigk556mzi3nw5yq5xva");
}

#[test]
fn content_hashes() {
    let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let base64 = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let hash = ContentHash::parse(base64).unwrap();
    assert_eq!((hash.to_string(), hash.to_hex()), (base64.to_owned(), hex.to_owned()));
    assert_eq!(ContentHash::parse(&format!("sha256-{hex}")), Ok(hash.clone()));
    assert_eq!(ContentHash::parse(&format!("sha256-{}", hex.to_uppercase())), Ok(hash));
    for algorithm in HashAlgorithm::ALL {
        let hash = ContentHash::new(algorithm, vec![0xa5; algorithm.byte_len()]).unwrap();
        assert_eq!(ContentHash::parse(&hash.to_string()), Ok(hash.clone()));
        let text = format!("{}-{}", algorithm.name(), hash.to_hex());
        assert_eq!(ContentHash::parse(&text), Ok(hash));
    }
    for (bad, why) in [
        ("", "`` does not start with sha256-, sha512- or blake3-"),
        ("md5-AAAA", "`md5-AAAA` does not start with sha256-, sha512- or blake3-"),
        ("sha256-!", "the digits after `sha256-` are neither base 64 nor hexadecimal"),
        ("sha256-AAAA", "a sha256 hash has 32 bytes, this one has 3"),
        // Unpadded base 64, and stray bits at its end.
        (
            "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
            "the digits after `sha256-` are neither base 64 nor hexadecimal",
        ),
        (
            "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=",
            "the digits after `sha256-` are neither base 64 nor hexadecimal",
        ),
    ] {
        assert_eq!(ContentHash::parse(bad).unwrap_err().to_string(), why);
    }
}

#[test]
fn names() {
    for good in ["a", "_", "7zip", "redis-7.0.15", "a+b=c", &"x".repeat(180)] {
        assert_eq!(name(good).as_str(), good);
    }
    for bad in ["", ".a", "-a", "a/b", "a b", "ä", "a\n", &"x".repeat(181)] {
        assert!(Name::new(bad).is_err(), "{bad:?}");
    }
}
