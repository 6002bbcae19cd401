//! Linux sandbox: a plain specification in, an exit status out.
//!
//! [`Launcher::spawn`] runs one program in new user, mount, pid, network, ipc, uts and cgroup namespaces,
//! on a fresh root that holds only what the [`SandboxSpec`] binds into it. It works for root and
//! for an ordinary user alike, always through a user namespace.
//!
//! Four processes take part, see `book/src/sandbox.md`:
//!
//! 1. the caller, which may have many threads and therefore cannot set up namespaces itself;
//! 2. the *zygote* of a [`Launcher`]: the caller's own executable, started once more through
//!    `/proc/self/exe`, which forks a helper for each sandbox;
//! 3. the *helper*, which enters the namespaces, enforces the time limits and reports the result;
//! 4. the sandbox's *init*, process 1 of the new pid namespace, which builds the root and starts
//!    the builder. When it ends the kernel kills whatever the builder left behind.
//!
//! Because of 2., a program that uses this crate calls [`helper_main_if_requested`] first in
//! its `main`.
//!
//! This crate is the only one with `unsafe`. It knows nothing of derivations, of a store or of
//! the language: paths, limits and an exit status are all it sees.

mod base;
mod diagnosis;
mod disk;
mod error;
mod filter;
mod group;
mod helper;
mod huge_pages;
mod init;
mod launcher;
mod mounts;
mod network;
mod privileges;
mod program;
mod root;
mod running;
mod spec;
#[expect(
    unsafe_code,
    reason = "the only place of the workspace where system calls are made by hand"
)]
mod sys;
mod terminal;
mod usage;
mod wire;
mod zygote;

pub use diagnosis::{Cause, Facts, Unavailable, diagnose, probe};
pub use error::{Error, SetupFailure, SpecError, Step};
pub use huge_pages::give_up_huge_pages;
pub use launcher::Launcher;
pub use running::{Exit, Killer, Running, Status, spawn};
pub use spec::{Bind, Limits, MAX_DESCRIPTORS, SandboxSpec, Tmp};
pub use terminal::receive_terminal;
pub use zygote::helper_main_if_requested;
