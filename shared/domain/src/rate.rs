//! How often somebody may do something: a token bucket, as a rule without a clock.

use std::time::Duration;

/// Calls at once, for each call a second that is allowed in the long run.
pub const BURST_SECONDS: u32 = 4;
/// Parts of a token: a millisecond brings `per_second` of them.
const PARTS: u64 = 1_000;

/// So many in the long run, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    per_second: u32,
    burst: u32,
}

impl Rate {
    /// `per_second` in the long run and [`BURST_SECONDS`] times as many at once; `None` for 0: no limit.
    #[must_use]
    pub const fn new(per_second: u32) -> Option<Self> {
        if per_second == 0 {
            return None;
        }
        Some(Self { per_second, burst: per_second.saturating_mul(BURST_SECONDS) })
    }

    /// How many at once.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }

    fn parts_max(self) -> u64 {
        u64::from(self.burst) * PARTS
    }
}

/// What is left of one caller's allowance. Times are since any fixed moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    parts: u64,
    at: Duration,
}

impl Bucket {
    /// Nothing was done yet.
    #[must_use]
    pub fn full(rate: Rate, now: Duration) -> Self {
        Self { parts: rate.parts_max(), at: now }
    }

    /// What has come back by `now`.
    fn refilled(self, rate: Rate, now: Duration) -> Self {
        let passed_ms = now.saturating_sub(self.at).as_millis();
        let back = u64::try_from(passed_ms).unwrap_or(u64::MAX).saturating_mul(u64::from(rate.per_second));
        // What is less than a millisecond is not lost: it counts the next time.
        let at = self.at.saturating_add(Duration::from_millis(u64::try_from(passed_ms).unwrap_or(u64::MAX)));
        Self { parts: self.parts.saturating_add(back).min(rate.parts_max()), at }
    }

    /// One more at `now`: how many more there could be at once after it.
    ///
    /// # Errors
    /// There is none left: how long until there is one.
    pub fn take(&mut self, rate: Rate, now: Duration) -> Result<u32, Duration> {
        *self = self.refilled(rate, now);
        match self.parts.checked_sub(PARTS) {
            Some(left) => {
                self.parts = left;
                Ok(u32::try_from(left / PARTS).unwrap_or(u32::MAX))
            }
            None => Err(Duration::from_millis((PARTS - self.parts).div_ceil(u64::from(rate.per_second)))),
        }
    }

    /// Whether all has come back by `now`: forgetting such a bucket changes nothing.
    #[must_use]
    pub fn is_full(self, rate: Rate, now: Duration) -> bool {
        self.refilled(rate, now).parts == rate.parts_max()
    }

    /// Whether nothing is left at `now`.
    #[must_use]
    pub fn is_empty(self, rate: Rate, now: Duration) -> bool {
        self.refilled(rate, now).parts < PARTS
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_then_one_at_a_time_as_they_come_back() {
        let rate = Rate::new(5).unwrap();
        let mut bucket = Bucket::full(rate, ms(0));
        let lefts: Vec<_> = (0..20).map(|_| bucket.take(rate, ms(0)).unwrap()).collect();
        assert_eq!(lefts, (0..20).rev().collect::<Vec<_>>());
        assert_eq!(bucket.take(rate, ms(0)), Err(ms(200)));
        assert_eq!(bucket.take(rate, ms(150)), Err(ms(50)));
        assert_eq!(bucket.take(rate, ms(200)), Ok(0));
        assert!(bucket.is_empty(rate, ms(399)) && !bucket.is_empty(rate, ms(400)));
        assert!(!bucket.is_full(rate, ms(4_199)) && bucket.is_full(rate, ms(4_200)));
    }

    #[test]
    fn nothing_a_second_is_no_limit() {
        assert_eq!(Rate::new(0), None);
        assert_eq!(Rate::new(u32::MAX).unwrap().burst(), u32::MAX);
    }

    #[test]
    fn a_clock_that_stands_still_or_runs_back_gives_nothing() {
        let rate = Rate::new(1).unwrap();
        let mut bucket = Bucket::full(rate, ms(10_000));
        assert!((0..4).all(|_| bucket.take(rate, ms(10_000)).is_ok()));
        assert!(bucket.take(rate, ms(0)).is_err());
        assert!(bucket.take(rate, ms(10_000)).is_err());
    }

    proptest! {
        /// Whatever the pace: never more than the burst and what has come back since.
        #[test]
        fn no_pace_gets_more_than_the_rate(per_second in 1..50u32, pauses in prop::collection::vec(0..400u64, 1..200)) {
            let rate = Rate::new(per_second).unwrap();
            let mut bucket = Bucket::full(rate, ms(0));
            let (mut now, mut taken) = (0, 0u64);
            for pause in pauses {
                now += pause;
                match bucket.take(rate, ms(now)) {
                    Ok(_) => taken += 1,
                    Err(wait) => {
                        // Who waits as long as they are told is served.
                        prop_assert!(wait > Duration::ZERO);
                        let mut patient = bucket;
                        prop_assert!(patient.take(rate, ms(now) + wait).is_ok());
                    }
                }
                prop_assert!(taken <= u64::from(rate.burst()) + now * u64::from(per_second) / 1_000);
            }
        }
    }
}
