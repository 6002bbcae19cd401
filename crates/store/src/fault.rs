//! Points at which tests kill the process, to see what a later one makes of it.

/// Ends the process at once, without any clean-up, when the environment asks for this point.
#[cfg(debug_assertions)]
#[expect(clippy::disallowed_methods, reason = "not in release builds")]
pub(crate) fn point(name: &str) {
    use rustix::process::{Signal, getpid, kill_process};
    if std::env::var_os("CBUILD_STORE_FAULT").is_some_and(|wanted| wanted == *name) {
        let _ = kill_process(getpid(), Signal::KILL);
    }
}

/// Does nothing in a release build.
#[cfg(not(debug_assertions))]
pub(crate) fn point(_name: &str) {}
