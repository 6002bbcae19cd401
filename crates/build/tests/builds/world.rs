//! A store, a graph and the steps that tests are made of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use cbuild_build::{Builder, Event, Options, Outcome, RunError, Target};
use cbuild_drv::{
    Action, Assemble, ContentHash, Derivation, DrvId, Exec, Fetch, FetchKind, FileEntry, Graph,
    Input, Layer, Name, OutputName, Segment, StorePath, System, Template,
};
use cbuild_fetch::{Fetcher, MirrorSource, Mirrors};
use cbuild_store::Store;

/// Debian 12's package, by hash.
const BUSYBOX_URL: &str =
    "mirror://debian/pool/main/b/busybox/busybox-static_1.35.0-4+deb12u1+b1_amd64.deb";
const BUSYBOX_HASH: &str =
    "sha256-3d3fdbe91d4660c873e14b092c213fe81c1da6362daa236eb25d0171eb108744";

/// Programs that the root has, each a link to busybox.
const APPLETS: [&str; 19] = [
    "sh", "cat", "chmod", "cp", "echo", "env", "false", "find", "grep", "head", "kill", "ls",
    "mkdir", "rm", "seq", "sleep", "sort", "stat", "true",
];

/// A store in a temporary folder, a graph, and what happened.
pub(crate) struct World {
    pub(crate) _folder: Option<tempfile::TempDir>,
    pub(crate) root: PathBuf,
    pub(crate) store: Store,
    pub(crate) graph: Graph,
    pub(crate) fetcher: Fetcher,
    pub(crate) options: Options,
    pub(crate) events: Mutex<Vec<Event>>,
    pub(crate) busybox: DrvId,
}

/// What holes of a test's script are replaced by, named in braces.
pub(crate) type Holes<'a> = &'a [(&'a str, Input)];

pub(crate) fn out(drv: DrvId) -> Input {
    Input::Output { drv, output: OutputName::out() }
}

pub(crate) fn output(name: &str) -> OutputName {
    OutputName::new(name).unwrap()
}

fn offline(options: cbuild_fetch::Options) -> cbuild_fetch::Options {
    cbuild_fetch::Options { offline: true, ..options }
}

/// The package on this machine; downloaded by the first test that needs it.
fn busybox_file() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let place = folder.join("busybox-static-1.35.0-4.deb");
        if !place.exists() {
            let source = MirrorSource::File(folder.join("mirrors.toml"));
            let fetcher = Fetcher::new(source, cbuild_fetch::Options::default());
            let part = folder.join(format!("busybox-{}.deb", std::process::id()));
            let fetch = Fetch {
                urls: vec![BUSYBOX_URL.to_owned()],
                hash: ContentHash::parse(BUSYBOX_HASH).unwrap(),
                kind: FetchKind::File { executable: false },
            };
            fetcher.fetch(&fetch, &part, &mut |_| {}).unwrap();
            std::fs::rename(part, &place).unwrap();
        }
        place
    })
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        Self { _folder: Some(folder), ..Self::at(&root) }
    }

    /// A second view of a store, as another process has it.
    pub(crate) fn at(root: &Path) -> Self {
        let mut graph = Graph::default();
        let url = format!("file://{}", busybox_file().display());
        let kind = FetchKind::Archive { strip: 0 };
        let deb = graph.add(fetch("busybox.deb", &[&url], BUSYBOX_HASH, kind));
        let mut links = BTreeMap::from([("usr/bin".to_owned(), Template::from("../bin"))]);
        for applet in APPLETS {
            links.insert(format!("bin/{applet}"), Template::from("busybox"));
        }
        let layer =
            Layer { source: out(deb), from: "bin/busybox".into(), into: "bin/busybox".into() };
        let busybox =
            graph.add(tree("busybox-root", Assemble { layers: vec![layer], links, ..empty() }));
        let table = MirrorSource::Table(Mirrors::default());
        Self {
            _folder: None,
            root: root.to_owned(),
            store: Store::open(root).unwrap(),
            graph,
            fetcher: Fetcher::new(table, offline(cbuild_fetch::Options::default())),
            options: Options::default(),
            events: Mutex::default(),
            busybox,
        }
    }

    /// A step that runs a script in busybox's shell.
    pub(crate) fn sh(&mut self, name: &str, script: &str, holes: Holes<'_>) -> DrvId {
        let drv = self.script(name, &["out"], script, holes);
        self.graph.add(drv)
    }

    /// The derivation of such a step, for tests that change it.
    pub(crate) fn script(
        &self,
        name: &str,
        outputs: &[&str],
        script: &str,
        holes: Holes<'_>,
    ) -> Derivation<Input> {
        Derivation {
            name: Name::new(name).unwrap(),
            system: System::new(format!("{}-linux", std::env::consts::ARCH)).unwrap(),
            outputs: outputs.iter().map(|name| output(name)).collect(),
            action: Action::Exec(Exec {
                root: Some(out(self.busybox)),
                program: Template::from("/bin/sh"),
                args: vec![Template::from("-eu"), Template::from("build.sh")],
                env: cbuild_drv::Texts::new(),
                files: cbuild_drv::Texts::from([("build.sh".to_owned(), filled(script, holes))]),
                inputs: BTreeSet::new(),
                forbidden: BTreeSet::new(),
                limits: cbuild_drv::StepLimits::default(),
            }),
        }
    }

    /// A composition of links to the given inputs, by name.
    pub(crate) fn links(&mut self, name: &str, links: Vec<(String, Input)>) -> DrvId {
        let template = |input| Template::from_iter([cbuild_drv::Segment::Reference(input)]);
        let links = links.into_iter().map(|(name, input)| (name, template(input))).collect();
        self.graph.add(tree(name, Assemble { links, ..empty() }))
    }

    pub(crate) fn build(&self, targets: &[DrvId]) -> Result<Vec<PathBuf>, RunError> {
        self.events.lock().unwrap().clear();
        let targets: Vec<Target> = targets.iter().map(|&drv| Target::out(drv)).collect();
        let send = |event: Event| self.events.lock().unwrap().push(event);
        let builder =
            Builder::new(&self.store, &self.graph, &self.fetcher, self.options.clone(), &send);
        let built = builder.build(&targets)?;
        Ok(targets.iter().map(|target| self.store.physical(&built[target])).collect())
    }

    /// The store path of an output of a step that has been built.
    #[track_caller]
    pub(crate) fn path(&self, drv: DrvId, name: &str) -> StorePath {
        let outputs = self.store.outputs_of(&drv).unwrap().expect("the step was built");
        outputs[&output(name)].clone()
    }

    /// The content of an output that is a file.
    #[track_caller]
    pub(crate) fn text(&self, drv: DrvId, name: &str) -> String {
        let place = self.store.physical(&self.path(drv, name));
        std::fs::read_to_string(place).unwrap()
    }

    /// Builds one step and gives the text of its output.
    #[track_caller]
    pub(crate) fn built_text(&self, drv: DrvId) -> String {
        if let Err(error) = self.build(&[drv]) {
            panic!("{}", described(&error));
        }
        self.text(drv, "out")
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// Names and outcomes of the steps that were finished, sorted.
    pub(crate) fn finished(&self) -> Vec<(String, Outcome)> {
        let mut finished: Vec<_> = self
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Finished { name, outcome, .. } => Some((name.to_string(), outcome)),
                _ => None,
            })
            .collect();
        finished.sort();
        finished
    }

    /// Finished steps apart from those that make busybox's root.
    pub(crate) fn finished_own(&self) -> Vec<(String, Outcome)> {
        let mut finished = self.finished();
        finished.retain(|(name, _)| !name.starts_with("busybox"));
        finished
    }
}

/// An error with all that belongs to it, for messages of failing tests.
pub(crate) fn described(error: &RunError) -> String {
    let RunError::Steps { failures, .. } = error else { return error.to_string() };
    let one = |failure: &cbuild_build::BuildFailure| {
        let log = failure.error.log().map(|log| log.lines.join("\n")).unwrap_or_default();
        format!("{} [{}]\n{log}\n", failure, failure.error.code())
    };
    failures.iter().map(one).collect()
}

/// A script with its holes as references; `{{output:NAME}}` is an own output.
fn filled(script: &str, holes: Holes<'_>) -> Template<Input> {
    let mut template = Template::default();
    let mut rest = script;
    while let Some(start) = rest.find("{{") {
        let end = start + rest[start..].find("}}").expect("a hole ends");
        let name = &rest[start + 2..end];
        template.push(Segment::Text(rest[..start].to_owned()));
        template.push(match name.strip_prefix("output:") {
            Some(name) => Segment::Output(output(name)),
            None => {
                let hole = holes.iter().find(|(known, _)| *known == name);
                Segment::Reference(hole.expect("the hole is given").1.clone())
            }
        });
        rest = &rest[end + 2..];
    }
    template.push(Segment::Text(rest.to_owned()));
    template
}

pub(crate) fn empty() -> Assemble<Input> {
    Assemble {
        layers: Vec::new(),
        exclude: Vec::new(),
        links: BTreeMap::new(),
        files: BTreeMap::new(),
        directories: BTreeSet::new(),
    }
}

pub(crate) fn tree(name: &str, spec: Assemble<Input>) -> Derivation<Input> {
    Derivation {
        name: Name::new(name).unwrap(),
        system: System::new("x86_64-linux").unwrap(),
        outputs: BTreeSet::from([OutputName::out()]),
        action: Action::Assemble(spec),
    }
}

pub(crate) fn text_file(name: &str, text: &str, holes: Holes<'_>) -> Derivation<Input> {
    let entry = FileEntry { text: filled(text, holes), executable: false };
    tree(name, Assemble { files: BTreeMap::from([(String::new(), entry)]), ..empty() })
}

pub(crate) fn fetch(name: &str, urls: &[&str], hash: &str, kind: FetchKind) -> Derivation<Input> {
    Derivation {
        name: Name::new(name).unwrap(),
        system: System::new("x86_64-linux").unwrap(),
        outputs: BTreeSet::from([OutputName::out()]),
        action: Action::Fetch(Fetch {
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            hash: ContentHash::parse(hash).unwrap(),
            kind,
        }),
    }
}
