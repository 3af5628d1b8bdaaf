//! What a buyer who cancels gets back.

use crate::{
    Timestamp,
    booking::{Booking, Refund, RefundStatus},
    time::SignedDuration,
};

/// From this long before the show on, and more, all is given back.
pub const FULL_NOTICE: SignedDuration = SignedDuration::from_hours(24);
/// From this long before the show on, half is given back.
pub const HALF_NOTICE: SignedDuration = SignedDuration::from_hours(4);

/// The share that a cancellation at `now` of a show at `starts_at` gives back.
#[must_use]
pub fn percent(starts_at: Timestamp, now: Timestamp) -> u8 {
    let notice = starts_at.duration_since(now);
    match notice {
        _ if notice >= FULL_NOTICE => 100,
        _ if notice >= HALF_NOTICE => 50,
        _ => 0,
    }
}

/// The refund of `booking` by the policy. Nothing to give back is done at once.
#[must_use]
pub fn by_policy(booking: &Booking, starts_at: Timestamp, now: Timestamp) -> Refund {
    let percent = percent(starts_at, now);
    let amount_minor = booking.total().percent(percent).map_or(0, |part| part.amount_minor);
    let status = if amount_minor > 0 { RefundStatus::Pending } else { RefundStatus::Done };
    Refund { amount_minor, percent, status }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_are_a_day_and_four_hours() {
        let starts_at: Timestamp = "2026-12-24T19:00:00Z".parse().unwrap();
        let cases = [
            ("2026-12-01T00:00:00Z", 100),
            ("2026-12-23T19:00:00Z", 100),
            ("2026-12-23T19:00:00.001Z", 50),
            ("2026-12-24T15:00:00Z", 50),
            ("2026-12-24T15:00:00.001Z", 0),
            ("2026-12-25T00:00:00Z", 0),
        ];
        for (now, share) in cases {
            assert_eq!(percent(starts_at, now.parse().unwrap()), share, "{now}");
        }
    }
}
