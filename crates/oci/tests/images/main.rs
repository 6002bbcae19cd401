//! Images packed from real stores: their bytes, what real clients make of them, and what
//! happens to damaged ones.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![expect(clippy::disallowed_methods, reason = "listings are sorted before they are compared")]

mod broken;
mod clients;
mod fixture;
mod golden;
mod others;
mod refused;
