//! Waits between tries.

use std::time::Duration;

/// `first`, then twice as long each time, at most `longest`.
#[must_use]
pub(crate) fn wait(tries: u32, first: Duration, longest: Duration) -> Duration {
    let factor = 2_u32.saturating_pow(tries.saturating_sub(1));
    first.saturating_mul(factor).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_are_bounded() {
        let millis = |tries| wait(tries, Duration::from_millis(100), Duration::from_secs(1)).as_millis();
        assert_eq!([1, 2, 3, 4, 5, 1000].map(millis), [100, 200, 400, 800, 1000, 1000]);
    }
}
