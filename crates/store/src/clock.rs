//! The one place where the store looks at the clock: times of registration and of builds.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970 (UTC).
#[expect(
    clippy::disallowed_methods,
    reason = "registration times are shown to people and never hashed"
)]
pub(crate) fn unix_now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}
