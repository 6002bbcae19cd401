//! The commands, and what each works on.

/// Which store a command works on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The common one.
    Common,
    /// A copy of the common one, for what changes it.
    Copy,
    /// An empty one.
    Empty,
    /// One in which another process holds the right to change it.
    Held,
    /// One in which another process writes to the index, and does not end.
    Busy,
    /// A copy of one whose objects nothing holds.
    Garbage,
}

/// A command, and what is special about it.
pub(super) struct Subject {
    /// Its words, for the report.
    pub(super) name: &'static str,
    /// Its arguments, in which `@` is the folder of this run, and `PORT` that of a silent server.
    pub(super) words: &'static str,
    pub(super) place: Place,
    /// Exit codes that are right when nobody stops it.
    pub(super) codes: &'static [i32],
    /// Whether it waits for input that does not come.
    pub(super) listens: bool,
    /// Whether nobody reads what it prints.
    pub(super) is_unread: bool,
}

/// A command that ends well with code 0.
const fn subject(name: &'static str, words: &'static str, place: Place) -> Subject {
    Subject { name, words, place, codes: &[0], listens: false, is_unread: false }
}

const fn unread(subject: Subject) -> Subject {
    Subject { is_unread: true, ..subject }
}

const fn listening(subject: Subject) -> Subject {
    Subject { listens: true, ..subject }
}

const fn ending(subject: Subject, codes: &'static [i32]) -> Subject {
    Subject { codes, ..subject }
}

const ADD: &str = "mod --dir @/module add example.org/other/v1@1.0.0 file://@/other-1.0.0.tar";
const UPDATE: &str = "mod --dir @/module update example.org/lib/v1@1.1.0";
const PUBLISH: &str = "mod --dir @/module publish oci://127.0.0.1:PORT/app:1.0.0";

/// Every command, and of builds every part.
pub(super) const SUBJECTS: &[Subject] = {
    use Place::{Busy, Common, Copy, Empty, Garbage, Held};
    &[
        subject("check", "--no-cache check @/source/main.cbuild", Common),
        ending(subject("fmt --check", "fmt --check @/source", Common), &[0, 1]),
        subject("fmt", "fmt @/messy", Common),
        subject("eval", "eval @/slow", Common),
        unread(subject("eval, not read", "eval @/slow:printed", Common)),
        ending(subject("check, many errors", "--no-cache check @/wrong/main.cbuild", Common), &[2]),
        subject("test", "test @/slow", Common),
        subject("doc", "doc @/source -o @/out/doc", Common),
        listening(subject("lsp", "lsp", Common)),
        listening(subject("repl", "repl", Common)),
        subject("explain", "explain", Common),
        subject("graph", "--no-cache graph @/many", Common),
        unread(subject("graph, not read", "--no-cache graph @/many", Common)),
        ending(subject("why depends", "--no-cache why depends @/many @/many:one", Common), &[0, 1]),
        subject("why uncached", "--no-cache why uncached @/many", Common),
        subject("why rebuilt", "--no-cache why rebuilt @/many", Common),
        ending(subject("why differs", "why differs @/out/link @/out/link", Common), &[0, 1, 2]),
        subject("build, planned", "--no-cache build --dry-run @/many", Common),
        subject("build, objects", "build @/many", Empty),
        subject("build, steps", "build @/steps", Common),
        subject("build, a program", "build @/steps:sleeps", Common),
        subject("build, large output", "build @/steps:large", Common),
        subject("build, sparse output", "build @/steps:sparse", Common),
        ending(subject("build --check", "build --check=vary @/fixed", Common), &[0, 1]),
        ending(subject("debug", "debug @/steps:fails -- /cbuild/none", Common), &[1]),
        subject("log", "log @/fixed", Common),
        subject("fetch", "fetch @/silent", Common),
        subject("image export", "image export @/image -o @/out/image.tar", Common),
        subject("image inspect", "image inspect @/image.tar", Common),
        subject("lock", "lock @/module", Empty),
        subject("mod add", ADD, Empty),
        subject("mod remove", "mod --dir @/module remove lib", Common),
        subject("mod update", UPDATE, Empty),
        subject("mod vendor", "mod --dir @/module vendor", Empty),
        subject("mod publish", PUBLISH, Common),
        subject("mirrors list", "mirrors list", Common),
        subject("mirrors detect", "mirrors detect", Common),
        subject("mirrors set", "mirrors set one https://example.org/", Common),
        subject("store add", "store add @/tree", Common),
        subject("store add, locked", "store add @/slow", Held),
        subject("store add, index busy", "store add @/slow", Busy),
        subject("store gc", "store gc", Garbage),
        subject("store verify", "store verify", Common),
        subject("store verify --rebuild-index", "store verify --rebuild-index", Copy),
        subject("store repair", "store repair", Common),
        subject("store optimise", "store optimise", Copy),
        subject("store export", "store export @/out/link -o @/out/export", Common),
        unread(subject("store export, not read", "store export @/out/link -o -", Common)),
        subject("store import", "store import @/export", Empty),
        subject("store ls", "store ls", Common),
        unread(subject("store ls, not read", "store ls", Common)),
        subject("store info", "store info", Common),
        subject("store history", "store history -n 1000000", Common),
        subject("store roots", "store roots", Common),
    ]
};
