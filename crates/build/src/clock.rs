//! The only place of this crate that reads clocks. What is read goes to the build history and to
//! progress, never into a result.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A moment to measure durations from.
#[expect(clippy::disallowed_methods, reason = "durations are shown and recorded, not built from")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970 (UTC).
#[expect(clippy::disallowed_methods, reason = "the build history tells when a build started")]
pub(crate) fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
