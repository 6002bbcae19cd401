//! Programs that must check.
