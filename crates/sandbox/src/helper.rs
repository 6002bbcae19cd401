//! The helper: the single-threaded process between caller and sandbox.

/// Becomes the sandbox helper if this process was started as one, and then never returns.
/// Otherwise returns at once.
///
/// Every program that calls [`spawn`](crate::spawn) or [`probe`](crate::probe) calls this first in
/// its `main`, before it starts threads or reads its arguments.
pub fn helper_main_if_requested() {
    if crate::running::is_helper_call(std::env::args_os()) {
        std::process::exit(125);
    }
}
