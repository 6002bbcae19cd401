//! Growth of the native stack, so that the depth limit is met before its end.

/// Stack that must be left before a nested evaluation begins. Between two looks at the stack the
/// evaluator nests at most some dozens of frames of a few hundred bytes.
const RED_ZONE: usize = 512 * 1024;
/// Size of the pieces that the stack grows by.
const SEGMENT: usize = 16 * 1024 * 1024;

/// Runs a function with enough stack.
pub(crate) fn guarded<T>(run: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(RED_ZONE, SEGMENT, run)
}
