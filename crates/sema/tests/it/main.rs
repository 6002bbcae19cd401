//! The checker seen from outside: programs in, diagnostics and typed core out.

#![expect(
    clippy::disallowed_methods,
    reason = "tests read the corpus, the specification and the standard library, and measure time"
)]

mod accepted;
mod broken;
mod files;
mod kinds;
mod lowered;
mod matches;
mod packages;
mod partial;
mod programs;
mod rejected;
mod robust;
mod spec;
mod std_library;
