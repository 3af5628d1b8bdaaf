//! What is given back of what was paid: by the show's policy when a buyer cancels, part of it when the organiser says so,
//! all of it when the show is called off.
//!
//! A booking's refund is one running total. Whatever is added to it is owed until the provider has given back as much.

use serde::{Deserialize, Serialize};

use crate::{
    Fault, Refusal, Timestamp,
    booking::{Booking, Refund, RefundStatus},
    money::Money,
    payment::ProviderRefund,
    time::SignedDuration,
};

/// Steps of a policy, at most.
pub const STEPS_MAX: usize = 8;
/// The longest notice a policy may ask for, in hours: a year.
pub const HOURS_MAX: u32 = 24 * 366;
/// Refunds of one booking that the provider accepted and that failed later, before a person must look.
pub const FAILED_MAX: usize = 3;

/// One step of a policy: who cancels at least so long before the show gets this share back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// Before the show's start.
    pub hours_before: u32,
    /// Of what was paid and not given back yet.
    pub percent: u8,
}

/// A show's rule for buyers who cancel. Later than its last step nothing is given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Policy(Vec<Step>);

/// All of it until a day before, half until four hours before.
impl Default for Policy {
    fn default() -> Self {
        Self(vec![Step { hours_before: 24, percent: 100 }, Step { hours_before: 4, percent: 50 }])
    }
}

impl Policy {
    /// The policy of these steps. No step at all means that nothing is ever given back.
    ///
    /// # Errors
    /// What is wrong with them: shares above 100 %, a later step that gives as much as an earlier one, too many steps.
    pub fn new(steps: Vec<Step>) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        if steps.len() > STEPS_MAX {
            faults.push(Fault::new("/refundPolicy", format!("at most {STEPS_MAX} steps")));
        }
        for (number, step) in steps.iter().enumerate() {
            let mut fault = |name: &str, detail: &str| {
                faults.push(Fault::new(format!("/refundPolicy/{number}/{name}"), detail));
            };
            if !(1..=100).contains(&step.percent) {
                fault("percent", "a share is from 1 to 100");
            }
            if step.hours_before > HOURS_MAX {
                fault("hoursBefore", "at most a year");
            }
            let before = number.checked_sub(1).map(|before| steps[before]);
            if before.is_some_and(|before| before.hours_before <= step.hours_before) {
                fault("hoursBefore", "each step is closer to the show than the one before it");
            }
            if before.is_some_and(|before| before.percent <= step.percent) {
                fault("percent", "each step gives back less than the one before it");
            }
        }
        if faults.is_empty() { Ok(Self(steps)) } else { Err(faults) }
    }

    /// Its steps, the longest notice first.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The share that a cancellation at `now` of a show at `starts_at` gives back.
    #[must_use]
    pub fn percent(&self, starts_at: Timestamp, now: Timestamp) -> u8 {
        let notice = starts_at.duration_since(now);
        let step = self.0.iter().find(|step| notice >= SignedDuration::from_hours(i64::from(step.hours_before)));
        step.map_or(0, |step| step.percent)
    }
}

/// What was given back of `booking` so far, or is owed, in minor units.
fn given(booking: &Booking) -> i64 {
    booking.refund.map_or(0, |refund| refund.amount_minor)
}

/// `booking`'s refund with `more` on top.
fn grown(booking: &Booking, more: i64, percent: u8) -> Refund {
    let owes = more > 0 || booking.owes_refund();
    let status = if owes { RefundStatus::Pending } else { RefundStatus::Done };
    Refund { amount_minor: given(booking).saturating_add(more), percent, status }
}

/// The refund of `booking` when its buyer cancels: of what is left of the price, the policy's share.
#[must_use]
pub fn by_policy(booking: &Booking, policy: &Policy, starts_at: Timestamp, now: Timestamp) -> Refund {
    let percent = policy.percent(starts_at, now);
    let left = Money::new(booking.total().amount_minor - given(booking), booking.currency);
    grown(booking, left.percent(percent).map_or(0, |part| part.amount_minor), percent)
}

/// The refund of `booking` when its show is called off: all of it.
#[must_use]
pub fn in_full(booking: &Booking) -> Refund {
    grown(booking, booking.total().amount_minor - given(booking), 100)
}

/// The refund of a paid `booking` when its organiser gives `part` back and leaves it its seats.
///
/// # Errors
/// [`Refusal::NotPaid`]; [`Refusal::Invalid`] for another currency, for nothing, and for all that is left or more: who
/// gives everything back cancels.
pub fn in_part(booking: &Booking, part: Money) -> Result<Refund, Refusal> {
    if !booking.is_paid() {
        return Err(Refusal::NotPaid);
    }
    let fault = |pointer: &str, detail: String| Err(Refusal::Invalid(vec![Fault::new(pointer, detail)]));
    let total = booking.total();
    if part.currency != total.currency {
        return fault("/amount/currency", format!("it was paid in {}", total.currency.code()));
    }
    let left = total.amount_minor - given(booking);
    if !(1..left).contains(&part.amount_minor) {
        let left = Money::new(left, total.currency);
        return fault("/amount/amountMinor", format!("from 1 to less than the {left} that are left of the price"));
    }
    let sum = i128::from(given(booking) + part.amount_minor) * 100 / i128::from(total.amount_minor);
    Ok(grown(booking, part.amount_minor, u8::try_from(sum).unwrap_or(100)))
}

/// What is left to do about a booking's refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Debt {
    /// The provider has given back as much as is owed.
    Paid,
    /// This much is missing.
    Owed {
        /// To be given back in one refund.
        rest: Money,
        /// How many refunds of the booking the provider lists. It is part of the next one's idempotency key, so two who
        /// see the same list give the rest back once.
        made: usize,
    },
    /// One refund after the other fails: a person must look.
    Stuck,
}

/// Compares what `booking` owes with `refunds`, the provider's list for its intent. Those of somebody else do not count.
#[must_use]
pub fn debt(booking: &Booking, refunds: &[ProviderRefund]) -> Debt {
    let rest = given(booking).saturating_sub(given_back(booking, refunds));
    let ours = || refunds.iter().filter(|refund| refund.booking == Some(booking.id));
    if rest <= 0 {
        return Debt::Paid;
    }
    if ours().filter(|refund| !refund.accepted).count() >= FAILED_MAX {
        return Debt::Stuck;
    }
    Debt::Owed { rest: Money::new(rest, booking.currency), made: ours().count() }
}

/// What the buyer of `booking` has back, in minor units, by the provider's list for its intent.
#[must_use]
pub fn given_back(booking: &Booking, refunds: &[ProviderRefund]) -> i64 {
    let back = refunds.iter().filter(|refund| refund.booking == Some(booking.id) && refund.accepted);
    back.fold(0, |sum, refund| sum.saturating_add(refund.amount.amount_minor))
}

#[cfg(test)]
mod totals;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{booking::Status, settlement::tests::booking};

    const STARTS_AT: &str = "2026-12-24T19:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn paid(refund: Option<(i64, RefundStatus)>) -> Booking {
        let mut booking = booking(Status::Confirmed);
        booking.payment.captured_at = Some(booking.created_at);
        booking.refund = refund.map(|(amount_minor, status)| Refund { amount_minor, percent: 1, status });
        booking
    }

    fn step(hours_before: u32, percent: u8) -> Step {
        Step { hours_before, percent }
    }

    #[test]
    fn unless_a_show_says_otherwise_the_steps_are_a_day_and_four_hours() {
        let cases = [
            ("2026-12-01T00:00:00Z", 100),
            ("2026-12-23T19:00:00Z", 100),
            ("2026-12-23T19:00:00.001Z", 50),
            ("2026-12-24T15:00:00Z", 50),
            ("2026-12-24T15:00:00.001Z", 0),
            ("2026-12-25T00:00:00Z", 0),
        ];
        for (now, share) in cases {
            assert_eq!(Policy::default().percent(at(STARTS_AT), at(now)), share, "{now}");
        }
    }

    #[test]
    fn a_show_has_its_own_steps_or_none() {
        let policy = Policy::new(vec![step(72, 90), step(0, 10)]).unwrap();
        assert_eq!(policy.percent(at(STARTS_AT), at("2026-12-21T19:00:00Z")), 90);
        assert_eq!(policy.percent(at(STARTS_AT), at(STARTS_AT)), 10);
        assert_eq!(policy.percent(at(STARTS_AT), at("2026-12-24T19:00:01Z")), 0);
        assert_eq!(Policy::new(vec![]).unwrap().percent(at(STARTS_AT), at("2020-01-01T00:00:00Z")), 0);
    }

    #[test]
    fn a_policy_that_makes_no_sense_names_each_fault() {
        let faults =
            |steps: Vec<Step>| Policy::new(steps).unwrap_err().into_iter().map(|f| f.pointer).collect::<Vec<_>>();
        assert_eq!(faults(vec![step(24, 101)]), ["/refundPolicy/0/percent"]);
        assert_eq!(faults(vec![step(24, 0)]), ["/refundPolicy/0/percent"]);
        assert_eq!(faults(vec![step(HOURS_MAX + 1, 1)]), ["/refundPolicy/0/hoursBefore"]);
        assert_eq!(faults(vec![step(4, 50), step(24, 40)]), ["/refundPolicy/1/hoursBefore"]);
        assert_eq!(faults(vec![step(24, 50), step(4, 50)]), ["/refundPolicy/1/percent"]);
        let many = (0..=8).map(|n| step(100 - n, 100 - u8::try_from(n).unwrap())).collect();
        assert_eq!(faults(many), ["/refundPolicy"]);
    }

    #[test]
    fn what_was_given_back_before_is_not_given_back_again() {
        let (early, late) = (at("2026-12-01T00:00:00Z"), at("2026-12-24T18:00:00Z"));
        let total = paid(None).total().amount_minor;
        let by = |booking: &Booking, now| by_policy(booking, &Policy::default(), at(STARTS_AT), now);
        let done = RefundStatus::Done;
        let pending = RefundStatus::Pending;
        assert_eq!((by(&paid(None), early).amount_minor, by(&paid(None), early).status), (total, pending));
        assert_eq!(by(&paid(Some((600, done))), early).amount_minor, total);
        let half = by(&paid(Some((600, done))), at("2026-12-24T10:00:00Z"));
        assert_eq!(half.amount_minor, 600 + (total - 600) / 2);
        // Nothing more is given back; what is still owed stays owed.
        assert_eq!((by(&paid(None), late).amount_minor, by(&paid(None), late).status), (0, done));
        assert_eq!(by(&paid(Some((600, done))), late).status, done);
        assert_eq!(
            (by(&paid(Some((600, pending))), late).amount_minor, by(&paid(Some((600, pending))), late).status),
            (600, pending)
        );
        assert_eq!(in_full(&paid(Some((600, done)))), Refund { amount_minor: total, percent: 100, status: pending });
        assert_eq!(in_full(&paid(Some((total, done)))).status, done);
    }

    #[test]
    fn part_of_the_price_is_less_than_what_is_left_of_it() {
        let booking = paid(Some((600, RefundStatus::Done)));
        let left = booking.total().amount_minor - 600;
        let money = |minor| Money::new(minor, booking.currency);
        let grown = in_part(&booking, money(left - 1)).unwrap();
        assert_eq!((grown.amount_minor, grown.status), (booking.total().amount_minor - 1, RefundStatus::Pending));
        assert_eq!(grown.percent, 99);
        for minor in [-1, 0, left, left + 1, i64::MAX] {
            assert!(matches!(in_part(&booking, money(minor)), Err(Refusal::Invalid(_))), "{minor}");
        }
        let foreign = in_part(&booking, Money::new(1, "EUR".parse().unwrap()));
        assert!(matches!(foreign, Err(Refusal::Invalid(faults)) if faults[0].pointer == "/amount/currency"));
        assert_eq!(in_part(&crate::settlement::tests::booking(Status::Confirmed), money(1)), Err(Refusal::NotPaid));
    }
}
