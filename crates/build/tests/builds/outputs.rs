//! What builders see and what becomes of their outputs.

use std::collections::BTreeSet;

use cbuild_build::{Outcome, StepError, Target};
use cbuild_drv::{Action, Assemble, DrvId, Input, Layer, StorePath};

use crate::world::{World, empty, out, output, text_file, tree};

pub(crate) fn a_program_makes_its_output() {
    let mut world = World::new();
    let hello = world.sh("hello", "mkdir $out; echo 'Hello!' > $out/greeting", &[]);
    let places = world.build(&[hello]).unwrap();
    assert_eq!(std::fs::read_to_string(places[0].join("greeting")).unwrap(), "Hello!\n");
    let expected = [
        ("busybox-root".to_owned(), Outcome::Assembled),
        ("busybox.deb".to_owned(), Outcome::Fetched),
        ("hello".to_owned(), Outcome::Built),
    ];
    assert_eq!(world.finished(), expected);
    assert!(world.store.verify(&cbuild_store::VerifyOptions::default()).unwrap().is_clean());
}

pub(crate) fn several_outputs_refer_to_each_other() {
    let mut world = World::new();
    let script = "mkdir $lib; echo code > $lib/x.so; echo \"$lib/x.so\" > $out; echo doc > $doc";
    let drv = world.script("multi", &["out", "lib", "doc"], script, &[]);
    let drv = world.graph.add(drv);
    let top = world.sh(
        "top",
        "cat {{out}} > $out; cat {{lib}}/x.so {{doc}} >> $out",
        &[
            ("out", out(drv)),
            ("lib", Input::Output { drv, output: output("lib") }),
            ("doc", Input::Output { drv, output: output("doc") }),
        ],
    );
    let text = world.built_text(top);
    let lib = world.path(drv, "lib");
    assert_eq!(text, format!("{lib}/x.so\ncode\ndoc\n"));
    assert_eq!(lib.name().as_str(), "multi-lib");
    assert_eq!(world.path(drv, "out").name().as_str(), "multi");
    let info = world.store.info(&world.path(drv, "out")).unwrap().unwrap();
    assert_eq!(info.references, BTreeSet::from([lib]));
    assert!(!info.self_reference);
}

pub(crate) fn self_references_are_rewritten() {
    let mut world = World::new();
    let drv =
        world.sh("self", "mkdir $out; echo $out > $out/me; echo {{output:out}} > $out/too", &[]);
    let places = world.build(&[drv]).unwrap();
    let path = world.path(drv, "out");
    for name in ["me", "too"] {
        let text = std::fs::read_to_string(places[0].join(name)).unwrap();
        assert_eq!(text, format!("{path}\n"));
    }
    assert!(world.store.info(&path).unwrap().unwrap().self_reference);
}

pub(crate) fn only_what_occurs_is_a_reference() {
    let mut world = World::new();
    let deep = world.sh("deep", "echo deep > $out", &[]);
    let kept = world.sh("kept", "echo {{deep}} > $out", &[("deep", out(deep))]);
    let unused = world.sh("unused", "echo unused > $out", &[]);
    let drv = world.sh(
        "user",
        "cat {{kept}} > $out; cat {{unused}}",
        &[("kept", out(kept)), ("unused", out(unused))],
    );
    world.build(&[drv]).unwrap();
    // The text names `deep`, which is no input of its own but in the closure of one.
    let info = world.store.info(&world.path(drv, "out")).unwrap().unwrap();
    assert_eq!(info.references, BTreeSet::from([world.path(deep, "out")]));
}

pub(crate) fn outputs_in_a_circle_are_refused() {
    let mut world = World::new();
    let drv = world.script("circle", &["out", "lib"], "echo $lib > $out; echo $out > $lib", &[]);
    let drv = world.graph.add(drv);
    let error = world.build(&[drv]).unwrap_err();
    assert_eq!(error.code(), "E0610");
    assert_eq!(error.exit_class().code(), 1);
}

pub(crate) fn the_environment_is_fixed() {
    let mut world = World::new();
    world.options.cores = std::num::NonZeroUsize::new(3).unwrap();
    let mut drv = world.script("env", &["out"], "env | sort > $out; echo $0 $# $PWD >> $out", &[]);
    if let Action::Exec(exec) = &mut drv.action {
        exec.env.insert("TERM".to_owned(), "mine".into());
        exec.env.insert("extra".to_owned(), "a b".into());
        exec.args.push("x y".into());
    }
    let drv = world.graph.add(drv);
    let text = world.built_text(drv);
    let own = world.path(drv, "out").to_string();
    let text = text.replace(&own, "OWN");
    let expected = "CBUILD_CORES=3
HOME=/homeless
LANG=C.UTF-8
LC_ALL=C.UTF-8
MAKEFLAGS=-j --jobserver-auth=198,199
PATH=/usr/bin:/bin
PWD=/build
SHELL=/bin/sh
SHLVL=1
SOURCE_DATE_EPOCH=1
TERM=mine
TMPDIR=/tmp
TZ=UTC
ZERO_AR_DATE=1
extra=a b
out=OWN
build.sh 1 /build
";
    assert_eq!(text, expected);
}

pub(crate) fn only_the_closure_is_visible() {
    let mut world = World::new();
    let (a, b) = (world.sh("a", "echo a > $out", &[]), world.sh("b", "echo b > $out", &[]));
    let c = world.sh("c", "echo {{a}} > $out", &[("a", out(a))]);
    let script = "ls /cbuild/store > $out; ls /build /tmp >> $out; : {{c}}
        if echo x > {{c}}; then echo writable >> $out; fi
        stat -c %a /build /tmp build.sh >> $out";
    let drv = world.sh("look", script, &[("c", out(c))]);
    world.build(&[b]).unwrap();
    let text = world.built_text(drv);
    let mut store: Vec<String> =
        [world.path(a, "out"), world.path(c, "out")].iter().map(StorePath::base_name).collect();
    let root: Vec<&str> = text.lines().filter(|line| line.ends_with("-busybox-root")).collect();
    assert_eq!(root.len(), 1);
    store.push(root[0].to_owned());
    // `ls` runs after the shell has created `$out`.
    store.push(world.path(drv, "out").base_name());
    store.sort();
    let mut seen: Vec<String> = text.lines().take(4).map(str::to_owned).collect();
    // The output has its path from before registration in the listing, which is rewritten.
    seen.sort();
    assert_eq!(seen, store);
    let rest: Vec<&str> = text.lines().skip(4).collect();
    assert_eq!(rest, ["/build:", "build.sh", "", "/tmp:", "755", "1777", "644"]);
}

pub(crate) fn build_paths_depend_on_the_action_alone() {
    let logged = || {
        let mut world = World::new();
        let drv = world.sh("fails", "echo $out; exit 9", &[]);
        let error = world.build(&[drv]).unwrap_err();
        let cbuild_build::RunError::Steps { failures, .. } = error else { panic!("{error}") };
        assert!(matches!(failures[0].error, StepError::Builder { .. }));
        failures[0].error.log().unwrap().lines.clone()
    };
    let (first, second) = (logged(), logged());
    assert_eq!(first, second);
    assert!(first[0].starts_with("/cbuild/store/") && first[0].ends_with("-fails"), "{first:?}");
}

pub(crate) fn assemblies_are_registered_with_their_references() {
    let mut world = World::new();
    let program = world.sh("program", "mkdir -p $out/bin; echo run > $out/bin/p", &[]);
    let file = world.graph.add(text_file("note", "see {{p}}/bin/p\n", &[("p", out(program))]));
    let layer = Layer { source: out(program), from: String::new(), into: "usr".to_owned() };
    let mut spec = Assemble { layers: vec![layer], ..empty() };
    spec.links.insert(
        "note".to_owned(),
        [cbuild_drv::Segment::Reference(out(file))].into_iter().collect(),
    );
    let drv = world.graph.add(tree("tree", spec));
    world.build(&[drv, file]).unwrap();
    let info = world.store.info(&world.path(drv, "out")).unwrap().unwrap();
    assert_eq!(info.references, BTreeSet::from([world.path(file, "out")]));
    assert_eq!(
        info.path.to_string(),
        "/cbuild/store/2pkmczicvgxitqcblpeorj4lneo7crh7pcmjzz5kj4owctdnlnmq-tree"
    );
    let note = world.store.info(&world.path(file, "out")).unwrap().unwrap();
    assert_eq!(note.references, BTreeSet::from([world.path(program, "out")]));
    assert_eq!(world.text(file, "out"), format!("see {}/bin/p\n", world.path(program, "out")));
    let target = Target { drv, output: output("lib") };
    let none = |_| {};
    let builder = cbuild_build::Builder::new(
        &world.store,
        &world.graph,
        &world.fetcher,
        world.options.clone(),
        &none,
    );
    assert_eq!(builder.build(&[target]).unwrap_err().code(), "E0521");
}

/// Builders work in folders that others have used; they must not be able to tell.
pub(crate) fn a_builder_finds_nothing_of_others() {
    let mut world = World::new();
    world.options.jobs = std::num::NonZeroUsize::MIN;
    let look = "ls -a /build /cbuild/store | sort -u; stat -c '%a %U %h %s' /build /cbuild/store;
        for i in /build /cbuild/store; do [ $(stat -c %Y $i) -gt 1000 ] || echo an old folder; done";
    let dirt = [
        ":",
        "echo x > left; echo said",
        "chmod 700 .",
        "mkdir -p a/b; chmod 0 a/b",
        "chmod 777 /cbuild/store",
        "for i in $(seq 400); do echo > long-name-that-makes-the-folder-grow-$i; done; rm long*",
        "busybox touch -d @7 /build /cbuild/store",
        ":",
    ];
    let mut last = None;
    let mut seen = BTreeSet::new();
    for (number, dirt) in dirt.iter().enumerate() {
        // No files of its own, so that the folder can be clean afterwards; each waits for the one
        // before, by an input whose text it does not keep.
        let script = format!("({look}) | grep -v cbuild-step > $out; {dirt} # {number}");
        let mut drv = world.script(&format!("cbuild-step-{number}"), &["out"], "", &[]);
        let Action::Exec(exec) = &mut drv.action else { panic!("a program") };
        exec.files.clear();
        exec.args = vec!["-c".into(), script.as_str().into()];
        exec.inputs.extend(last.map(out));
        let drv = world.graph.add(drv);
        world.build(&[drv]).unwrap();
        seen.insert(world.text(drv, "out"));
        last = Some(drv);
    }
    assert_eq!(seen.len(), 1, "{seen:#?}");
    let usual = "busybox-root\n755 builder 2 ";
    assert!(seen.iter().all(|text| text.contains(usual)), "{seen:#?}");
    // All in one run as well, where folders are handed from step to step.
    let other = World::new();
    let world = World { graph: world.graph, ..other };
    world_in_one_run(world, last, &seen);
}

/// An input that is a link is no mount point: a builder can put something else in its place.
pub(crate) fn a_replaced_link_hurts_nobody_else() {
    let mut world = World::new();
    world.options.jobs = std::num::NonZeroUsize::MIN;
    let link = world.sh("link", "ln -s the-target $out", &[]);
    let look = "busybox readlink {{link}} > $out";
    let mut last = Vec::new();
    for (number, evil) in ["echo x > {{link}}", "mkdir {{link}}", "ln -s other {{link}}"]
        .into_iter()
        .flat_map(|evil| [format!("; rm {{{{link}}}}; {evil}"), String::new()])
        .enumerate()
    {
        let mut drv = world.script(&format!("step-{number}"), &["out"], "", &[]);
        let text = world.script(
            "x",
            &["out"],
            &format!("{look}{evil} # {number}"),
            &[("link", out(link))],
        );
        let (Action::Exec(exec), Action::Exec(text)) = (&mut drv.action, text.action) else {
            panic!("programs");
        };
        exec.args = vec!["-euc".into(), text.files.iter().next().unwrap().1.clone()];
        exec.files.clear();
        exec.inputs.extend(last.last().copied().map(out));
        last.push(world.graph.add(drv));
    }
    assert!(world.build(&last[5..]).is_ok_and(|built| built.len() == 1));
    for drv in last {
        assert_eq!(world.text(drv, "out"), "the-target\n");
    }
}

fn world_in_one_run(mut world: World, last: Option<DrvId>, seen: &BTreeSet<String>) {
    world.options.jobs = std::num::NonZeroUsize::MIN;
    let Some(last) = last else { return };
    assert_eq!(BTreeSet::from([world.built_text(last)]), *seen);
    let cut_off = world.finished().iter().filter(|(_, o)| *o == Outcome::CutOff).count();
    assert_eq!(cut_off, 0);
}

/// What an image or an installation of a runtime output takes along: neither headers nor compiler.
pub(crate) fn only_the_runtime_output_is_in_the_closure() {
    let mut world = World::new();
    let compiler = world.sh("compiler", "echo cc > $out", &[]);
    let script = "echo code > $lib; mkdir $out $dev; echo $lib > $out/app; \
                  echo $lib {{cc}} > $dev/flags; echo header > $dev/app.h";
    let drv = world.script("app", &["out", "dev", "lib"], script, &[("cc", out(compiler))]);
    let drv = world.graph.add(drv);
    world.build(&[drv]).unwrap();
    let (app, lib, dev) = (world.path(drv, "out"), world.path(drv, "lib"), world.path(drv, "dev"));
    let closure =
        |path: &cbuild_drv::StorePath| world.store.closure(std::slice::from_ref(path)).unwrap();
    assert_eq!(closure(&app), BTreeSet::from([app.clone(), lib.clone()]));
    assert_eq!(closure(&dev), BTreeSet::from([dev.clone(), lib, world.path(compiler, "out")]));
}

pub(crate) fn forbidden_references_are_named() {
    let mut world = World::new();
    let compiler = world.sh("compiler", "echo cc > $out", &[]);
    let library = world.sh("library", "echo {{cc}} > $out", &[("cc", out(compiler))]);
    let harmless = world.sh("harmless", "echo > $out", &[]);
    let holes = [("cc", out(compiler)), ("library", out(library)), ("harmless", out(harmless))];
    let forbid = |world: &mut World, name: &str, script: &str| {
        let mut drv = world.script(name, &["out", "dev"], script, &holes);
        let cbuild_drv::Action::Exec(exec) = &mut drv.action else { panic!() };
        exec.forbidden = BTreeSet::from([out(compiler)]);
        world.graph.add(drv)
    };
    let rest = "# {{cc}} {{library}} {{harmless}}";
    let fine =
        forbid(&mut world, "fine", &format!("echo {{{{harmless}}}} > $out; echo > $dev {rest}"));
    world.build(&[fine]).unwrap();
    let scripts = [
        ("mkdir $out $dev; echo {{harmless}} > $out/a; ln -s {{library}} $out/b", "out", "`b`"),
        ("echo > $out; mkdir -p $dev/x; echo x{{cc}}x > $dev/x/flags", "dev", "`x/flags`"),
    ];
    for (number, (script, wanted, place)) in scripts.into_iter().enumerate() {
        let bad = forbid(&mut world, &format!("bad{number}"), &format!("{script} {rest}"));
        let error = world.build(&[bad]).unwrap_err();
        let cbuild_build::RunError::Steps { failures, .. } = &error else { panic!("{error}") };
        let failure = &failures[0].error;
        assert_eq!(failure.code(), "E0508");
        let text = failure.to_string();
        assert!(text.contains(&format!("the output `{wanted}`")), "{text}");
        assert!(text.contains(place), "{text}");
        let chain = match wanted {
            "out" => format!("{} -> {}", world.path(library, "out"), world.path(compiler, "out")),
            _ => world.path(compiler, "out").to_string(),
        };
        assert!(text.ends_with(&format!(": {chain}")), "{text}");
        assert!(failure.help().unwrap().contains("let the build not write"));
        // Nothing of it was registered.
        assert!(world.store.outputs_of(&bad).unwrap().unwrap_or_default().is_empty());
    }
}
