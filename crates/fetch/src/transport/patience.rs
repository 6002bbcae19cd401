//! How long a server may take: for a sign of life, for a piece of work, and in all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::Cause;
use crate::limits::Limits;

/// Time that a transfer has taken, over all its parts; clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spent(Arc<AtomicU64>);

impl Spent {
    /// Adds a time, and gives the sum.
    fn add(&self, time: Duration) -> Duration {
        let more = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.0.fetch_add(more, Ordering::Relaxed).saturating_add(more))
    }
}

/// Watches one exchange. Only time that is spent waiting for the server counts: a disk that is slow, or a
/// process that was stopped, is no fault of the server.
pub(super) struct Patience {
    limits: Limits,
    /// Bytes that went to the server or came from it.
    pub(super) moved: Arc<AtomicU64>,
    seen: u64,
    silent: Duration,
    /// Start of the span over which the rate is taken.
    span: Duration,
    span_bytes: u64,
    spent: Spent,
    /// Whether bytes are expected to flow, and not only an answer to begin.
    pub(super) flowing: bool,
}

impl Patience {
    /// `spent` is what the transfer has taken before.
    pub(super) fn new(limits: &Limits, spent: &Spent) -> Self {
        let zero = Duration::ZERO;
        let (limits, moved) = (limits.clone(), Arc::default());
        let (seen, span_bytes) = (0, 0);
        Self {
            limits,
            moved,
            seen,
            silent: zero,
            span: zero,
            span_bytes,
            spent: spent.clone(),
            flowing: false,
        }
    }

    /// Notes bytes that came.
    pub(super) fn came(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes a time that was spent waiting.
    ///
    /// # Errors
    /// The limit that is passed.
    pub(super) fn waited(&mut self, time: Duration) -> Result<(), Cause> {
        let Limits { silence, least_rate, rate_span, transfer, .. } = self.limits;
        let moved = self.moved.load(Ordering::Relaxed);
        let fresh = moved - self.seen;
        self.seen = moved;
        self.silent = if fresh > 0 { Duration::ZERO } else { self.silent + time };
        let total = self.spent.add(time);
        if self.silent > silence {
            return Err(Cause::Silent(silence));
        }
        if total > transfer {
            return Err(Cause::Endless(transfer));
        }
        if self.flowing {
            self.span += time;
            self.span_bytes += fresh;
            if self.span >= rate_span {
                let rate = self.span_bytes as f64 / self.span.as_secs_f64();
                if rate < least_rate as f64 {
                    return Err(Cause::Slow { least: least_rate, span: rate_span });
                }
                (self.span, self.span_bytes) = (Duration::ZERO, 0);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn patience() -> Patience {
        let limits = Limits {
            silence: 3 * SECOND,
            least_rate: 100,
            rate_span: 10 * SECOND,
            ..Limits::default()
        };
        Patience { flowing: true, ..Patience::new(&limits, &Spent::default()) }
    }

    #[test]
    fn silence_is_counted_from_the_last_byte() {
        let mut patience = patience();
        for _ in 0..3 {
            patience.waited(SECOND).unwrap();
        }
        patience.came(1000);
        for _ in 0..4 {
            patience.waited(SECOND).unwrap();
        }
        assert!(matches!(patience.waited(SECOND), Err(Cause::Silent(_))));
    }

    #[test]
    fn a_byte_a_second_is_too_slow_and_a_hundred_are_not() {
        for (bytes, is_slow) in [(1, true), (99, true), (100, false)] {
            let mut patience = patience();
            let mut passed = (0..60).map(|_| {
                patience.came(bytes);
                patience.waited(SECOND)
            });
            let slow = passed.any(|passed| matches!(passed, Err(Cause::Slow { .. })));
            assert_eq!(slow, is_slow, "{bytes}");
        }
    }

    #[test]
    fn before_bytes_flow_only_silence_and_the_whole_count() {
        let limits = Limits { silence: 100 * SECOND, transfer: 50 * SECOND, ..Limits::default() };
        let spent = Spent::default();
        let mut patience = Patience::new(&limits, &spent);
        assert!((0..50).all(|_| patience.waited(SECOND).is_ok()));
        assert!(matches!(patience.waited(SECOND), Err(Cause::Endless(_))));
        // One that goes on has no more time.
        let mut patience = Patience::new(&limits, &spent);
        assert!(matches!(patience.waited(SECOND), Err(Cause::Endless(_))));
    }
}
