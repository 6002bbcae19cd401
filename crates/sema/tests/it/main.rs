//! The checker seen from outside: programs in, diagnostics and typed core out.

mod accepted;
mod broken;
mod files;
mod lowered;
mod packages;
mod rejected;
mod spec;
mod std_library;
