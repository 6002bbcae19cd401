//! The checker seen from outside: programs in, diagnostics and typed core out.

mod accepted;
mod broken;
mod files;
mod packages;
mod rejected;
mod std_library;
