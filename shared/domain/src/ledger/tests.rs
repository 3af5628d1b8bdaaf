//! The steps of one change each, and lives of any length that must add up.

use proptest::prelude::*;

use super::{
    account::{Account, Sums, UNBALANCED_TOLD_MAX, Unsummable},
    *,
};
use crate::{
    booking::Refund,
    settlement::tests::{STARTED_AT, booking, instant},
};

const AT: &str = "2026-11-22T15:02:00Z";
const CAPTURED_AT: &str = "2026-11-22T15:01:30.25Z";

/// What happened, as told in one line.
fn told(old: Option<&Booking>, new: &Booking) -> Vec<(Kind, i64, Who)> {
    let entries = steps(old, new, instant(AT));
    assert!(entries.iter().all(|entry| (entry.booking, entry.version) == (new.id, new.version)));
    entries.into_iter().map(|entry| (entry.kind, entry.amount_minor, entry.who)).collect()
}

fn total() -> i64 {
    booking(Status::Pending).total().amount_minor
}

fn started() -> Booking {
    let mut started = booking(Status::Pending);
    started.payment.started_at = Some(instant(STARTED_AT));
    started
}

fn paid() -> Booking {
    let mut paid = Booking { status: Status::Confirmed, ..started() };
    paid.payment.intent = "pi_1".parse().ok();
    paid.payment.captured_at = Some(instant(CAPTURED_AT));
    paid
}

fn with_refund(booking: &Booking, amount_minor: i64, status: RefundStatus) -> Booking {
    Booking { refund: Some(Refund { amount_minor, percent: 50, status }), ..booking.clone() }
}

fn with_dispute(booking: &Booking, amount_minor: i64, status: DisputeStatus) -> Booking {
    Booking { dispute: Some(Dispute { amount_minor, status }), ..booking.clone() }
}

#[test]
fn a_sale_is_four_entries_and_a_hold_is_none() {
    let held = booking(Status::Pending);
    assert_eq!(told(None, &held), []);
    assert_eq!(told(Some(&held), &started()), [(Kind::PaymentStarted, total(), Who::Buyer)]);
    let mut recorded = started();
    recorded.payment.intent = "pi_1".parse().ok();
    assert_eq!(told(Some(&started()), &recorded), [(Kind::IntentRecorded, total(), Who::System)]);
    let mut failed = recorded.clone();
    failed.payment.failures = vec!["evt_1".parse().unwrap()];
    assert_eq!(told(Some(&recorded), &failed), [(Kind::PaymentFailed, total(), Who::Provider)]);
    let sold = Booking { status: Status::Confirmed, ..failed.clone() };
    assert_eq!(told(Some(&failed), &sold), [(Kind::Sold, total(), Who::Provider)]);
    let captured = Booking { payment: paid().payment, ..sold.clone() };
    assert_eq!(told(Some(&sold), &captured), [(Kind::Captured, total(), Who::System)]);
    assert_eq!(told(Some(&captured), &Booking { due_at: None, ..captured.clone() }), [], "nothing about money");
}

#[test]
fn an_entry_says_when_by_what_name_and_why() {
    let entries = steps(Some(&started()), &paid(), instant(AT));
    let at: Vec<_> = entries.iter().map(|entry| (entry.kind, entry.at.to_string())).collect();
    let told = [(Kind::IntentRecorded, AT), (Kind::Sold, AT), (Kind::Captured, CAPTURED_AT)];
    assert_eq!(at, told.map(|(kind, at)| (kind, at.to_owned())), "the booking's own time, where it has one");
    assert!(entries.iter().all(|entry| entry.intent == paid().payment.intent && entry.reason.is_none()));
    let cancelled = Booking { status: Status::Cancelled(Reason::ShowCancelled), ..paid() };
    let entries = steps(Some(&paid()), &cancelled, instant(AT));
    assert_eq!(entries[0].reason, Some(Reason::ShowCancelled));
    assert_eq!(entries, steps(Some(&paid()), &cancelled, instant(AT)), "the same change, the same entries");
}

#[test]
fn an_end_is_told_where_somebody_had_begun_to_pay() {
    let expired = |booking: Booking| Booking { status: Status::Cancelled(Reason::Expired), ..booking };
    let held = booking(Status::Pending);
    assert_eq!(told(Some(&held), &expired(held.clone())), [], "nobody's money was near");
    assert_eq!(told(Some(&started()), &expired(started())), [(Kind::Cancelled, 0, Who::System)]);
    assert_eq!(told(Some(&expired(started())), &expired(started())), []);
    for (reason, who) in [
        (Reason::Released, Who::Buyer),
        (Reason::PaymentFailed, Who::Provider),
        (Reason::SeatsLost, Who::System),
        (Reason::ShowCancelled, Who::Organiser),
    ] {
        let over = Booking { status: Status::Cancelled(reason), ..started() };
        assert_eq!(told(Some(&started()), &over), [(Kind::Cancelled, 0, who)]);
    }
    let sold = Booking { status: Status::Confirmed, ..started() };
    let lapsed = Booking { status: Status::Cancelled(Reason::PaymentFailed), ..started() };
    assert_eq!(told(Some(&sold), &lapsed), [(Kind::SaleTakenBack, total(), Who::Provider)]);
    assert_eq!(told(Some(&expired(started())), &sold), [(Kind::Sold, total(), Who::Provider)], "paid after all");
}

#[test]
fn refunds_tell_all_that_is_owed_and_all_that_is_back() {
    let over = |reason| Booking { status: Status::Cancelled(reason), ..paid() };
    let owed = with_refund(&over(Reason::Buyer), 60, RefundStatus::Pending);
    let cancelled = [(Kind::Cancelled, total(), Who::Buyer), (Kind::RefundOwed, 60, Who::Buyer)];
    assert_eq!(told(Some(&paid()), &owed), cancelled);
    let done = with_refund(&owed, 60, RefundStatus::Done);
    assert_eq!(told(Some(&owed), &done), [(Kind::RefundDone, 60, Who::Provider)]);
    let more = with_refund(&owed, 90, RefundStatus::Pending);
    assert_eq!(told(Some(&done), &more), [(Kind::RefundOwed, 90, Who::Organiser)]);
    let all = with_refund(&owed, 90, RefundStatus::Done);
    assert_eq!(told(Some(&more), &all), [(Kind::RefundDone, 90, Who::Provider)]);
    assert_eq!(told(Some(&all), &more), [(Kind::RefundFailed, 90, Who::Provider)], "the bank could not deliver it");
    // Without a show's end or a buyer's wish it is the organiser who gives back.
    let kind = with_refund(&paid(), 30, RefundStatus::Pending);
    assert_eq!(told(Some(&paid()), &kind), [(Kind::RefundOwed, 30, Who::Organiser)]);
    let none = with_refund(&over(Reason::Buyer), 0, RefundStatus::Done);
    assert_eq!(told(Some(&paid()), &none), [(Kind::Cancelled, total(), Who::Buyer)], "by a policy of 0 %");
}

#[test]
fn money_that_came_too_late_was_taken_all_the_same() {
    let expired = Booking { status: Status::Cancelled(Reason::Expired), ..started() };
    let owed = with_refund(&expired, total(), RefundStatus::Pending);
    let steps = [(Kind::Captured, total(), Who::System), (Kind::RefundOwed, total(), Who::System)];
    assert_eq!(told(Some(&expired), &owed), steps);
}

#[test]
fn a_dispute_is_opened_goes_on_and_is_closed() {
    use DisputeStatus::{Lost, NeedsResponse, UnderReview, Won};
    let states = [None, Some((80, NeedsResponse)), Some((80, UnderReview)), Some((80, Lost)), Some((80, Won))];
    let of = |state: Option<(i64, DisputeStatus)>| match state {
        Some((amount, status)) => with_dispute(&paid(), amount, status),
        None => paid(),
    };
    let cases: [(usize, usize, &[Kind]); 9] = [
        (0, 1, &[Kind::Disputed]),
        (1, 1, &[]),
        (1, 2, &[Kind::DisputeChanged]),
        (2, 3, &[Kind::DisputeClosed]),
        (2, 4, &[Kind::DisputeClosed]),
        (3, 4, &[Kind::DisputeClosed]),
        (4, 1, &[Kind::Disputed]),
        (0, 3, &[Kind::Disputed, Kind::DisputeClosed]),
        (0, 0, &[]),
    ];
    for (before, after, kinds) in cases {
        let (old, new) = (of(states[before]), of(states[after]));
        let entries = steps(Some(&old), &new, instant(AT));
        assert_eq!(entries.iter().map(|entry| entry.kind).collect::<Vec<_>>(), kinds, "{before} to {after}");
        assert!(
            entries.iter().all(|entry| entry.dispute == new.dispute.map(|it| it.status) && entry.amount_minor == 80)
        );
    }
}

/// What may happen to a booking; each does nothing where it cannot.
#[derive(Clone, Copy, Debug)]
enum Act {
    Start,
    Record,
    Fail,
    Sell,
    Capture,
    TakeBack,
    End(Reason),
    Cancel(Reason, u8),
    /// Taken though no seats are left.
    OweLate,
    /// An organiser gives this much of the rest back.
    Give(u8),
    Refund,
    /// What was given back did not arrive.
    FailRefund,
    Dispute(i64, DisputeStatus),
}

fn acts() -> impl Strategy<Value = Act> {
    let statuses =
        vec![DisputeStatus::NeedsResponse, DisputeStatus::UnderReview, DisputeStatus::Lost, DisputeStatus::Won];
    let ends = vec![Reason::Expired, Reason::Released, Reason::PaymentFailed, Reason::SeatsLost];
    prop_oneof![
        3 => Just(Act::Start),
        3 => Just(Act::Record),
        1 => Just(Act::Fail),
        5 => Just(Act::Sell),
        5 => Just(Act::Capture),
        1 => Just(Act::TakeBack),
        1 => proptest::sample::select(ends).prop_map(Act::End),
        2 => (proptest::sample::select(vec![Reason::Buyer, Reason::ShowCancelled]), 0_u8..=100)
            .prop_map(|(reason, percent)| Act::Cancel(reason, percent)),
        1 => Just(Act::OweLate),
        2 => (1_u8..=100).prop_map(Act::Give),
        4 => Just(Act::Refund),
        1 => Just(Act::FailRefund),
        1 => (1_i64..1_000, proptest::sample::select(statuses))
            .prop_map(|(amount, status)| Act::Dispute(amount, status)),
    ]
}

/// A booking, and what the provider gave back of it, which its image alone does not always say.
#[derive(Clone)]
struct Life {
    booking: Booking,
    back: i64,
}

impl Life {
    fn part(&self, percent: u8) -> i64 {
        let left = total() - self.booking.refund.map_or(0, |refund| refund.amount_minor);
        left * i64::from(percent) / 100
    }

    fn owe(&mut self, more: i64) {
        let amount_minor = self.booking.refund.map_or(0, |refund| refund.amount_minor) + more;
        let status = if amount_minor > self.back { RefundStatus::Pending } else { RefundStatus::Done };
        self.booking.refund = Some(Refund { amount_minor, percent: 0, status });
    }

    /// Whether it could be done.
    fn apply(&mut self, act: Act) -> bool {
        let status = self.booking.status;
        let payment = &mut self.booking.payment;
        let captured = payment.captured_at.is_some();
        match (act, status) {
            (Act::Start, Status::Pending) => payment.started_at = Some(instant(STARTED_AT)),
            (Act::Record, Status::Pending) if payment.started_at.is_some() => payment.intent = "pi_1".parse().ok(),
            (Act::Fail, Status::Pending) if payment.intent.is_some() => {
                payment.failures.push(format!("evt_{}", self.booking.version).parse().unwrap());
            }
            (Act::Sell, Status::Pending) if payment.intent.is_some() => self.booking.status = Status::Confirmed,
            (Act::Sell, Status::Cancelled(Reason::Expired))
                if payment.intent.is_some() && self.booking.refund.is_none() =>
            {
                self.booking.status = Status::Confirmed;
            }
            (Act::Capture, Status::Confirmed) => payment.captured_at = Some(instant(CAPTURED_AT)),
            (Act::TakeBack, Status::Confirmed) if !captured => {
                self.booking.status = Status::Cancelled(Reason::PaymentFailed);
            }
            (Act::End(reason), Status::Pending) => self.booking.status = Status::Cancelled(reason),
            (Act::Cancel(reason, percent), Status::Confirmed) if captured => {
                self.booking.status = Status::Cancelled(reason);
                self.owe(self.part(percent));
            }
            (Act::OweLate, Status::Cancelled(_))
                if payment.intent.is_some() && !captured && self.booking.refund.is_none() =>
            {
                self.owe(total());
            }
            (Act::Give(percent), Status::Confirmed | Status::Cancelled(_)) if captured => self.owe(self.part(percent)),
            (Act::Refund, _) => {
                let Some(refund) = &mut self.booking.refund else { return false };
                refund.status = RefundStatus::Done;
                self.back = refund.amount_minor;
            }
            (Act::FailRefund, _) => {
                let Some(refund) = self.booking.refund.as_mut().filter(|_| self.back > 0) else { return false };
                if refund.status == RefundStatus::Pending {
                    return false;
                }
                refund.status = RefundStatus::Pending;
                self.back = 0;
            }
            (Act::Dispute(amount_minor, status), _) if captured => {
                self.booking.dispute = Some(Dispute { amount_minor, status });
            }
            _ => return false,
        }
        self.booking.version += 1;
        true
    }

    fn account(&self) -> Account {
        let booking = &self.booking;
        let taken = booking.payment.captured_at.is_some() || booking.refund.is_some();
        let is = |yes: bool| if yes { total() } else { 0 };
        Account {
            tickets: is(booking.status == Status::Confirmed),
            cancelled: is(booking.payment.captured_at.is_some() && booking.status != Status::Confirmed),
            captured: is(taken),
            owed_in_all: booking.refund.map_or(0, |refund| refund.amount_minor),
            refunded: self.back,
            dispute: booking.dispute.map(|dispute| (dispute.amount_minor, dispute.status)),
        }
    }
}

/// Any life: its entries, and how it is at the end.
fn lived(acts: &[Act]) -> (Vec<Entry>, Life) {
    let mut life = Life { booking: booking(Status::Pending), back: 0 };
    let mut entries = steps(None, &life.booking, instant(AT));
    for &act in acts {
        let before = life.clone();
        if life.apply(act) {
            entries.extend(steps(Some(&before.booking), &life.booking, instant(AT)));
            let account = Account::of(&entries).expect("it fits");
            assert!(account.is_balanced(), "after {act:?}: {account:?} of {:?}", life.booking);
        }
    }
    (entries, life)
}

proptest! {
    /// Whatever happens to a booking, at every moment its entries say what it says, in any order and any number of
    /// times, and add up.
    #[test]
    fn the_entries_of_any_life_add_up_to_what_the_booking_is(
        acts in proptest::collection::vec(acts(), 0..30),
        again in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
        seed in any::<u64>(),
    ) {
        let (entries, life) = lived(&acts);
        prop_assert_eq!(Account::of(&entries), Some(life.account()), "{:?}", life.booking);
        let mut shuffled = entries.clone();
        if !entries.is_empty() {
            shuffled.extend(again.iter().map(|index| index.get(&entries).clone()));
        }
        shuffled.sort_by_key(|entry| (entry.version ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        prop_assert_eq!(Account::of(&shuffled), Account::of(&entries));
        let mut names: Vec<_> = entries.iter().map(|entry| (entry.version, entry.kind)).collect();
        names.sort_unstable();
        names.dedup();
        prop_assert_eq!(names.len(), entries.len(), "each entry has a name of its own");
    }
}

/// An entry that is lost is seen, unless what is left is a life that could be.
#[test]
fn a_lost_entry_does_not_add_up() {
    let acts = [Act::Start, Act::Record, Act::Sell, Act::Capture, Act::Cancel(Reason::Buyer, 50), Act::Refund];
    let (entries, _) = lived(&acts);
    let unseen = [Kind::PaymentStarted, Kind::IntentRecorded, Kind::Cancelled, Kind::RefundDone];
    for lost in &entries {
        let rest = entries.iter().filter(|entry| entry.kind != lost.kind);
        let account = Account::of(rest).expect("it fits");
        assert_eq!(account.is_balanced(), unseen.contains(&lost.kind), "without {}: {account:?}", lost.kind);
    }
}

#[test]
fn a_show_adds_up_booking_by_booking() {
    let buyer = [Act::Start, Act::Record, Act::Sell, Act::Capture];
    let cancelled = [&buyer[..], &[Act::Cancel(Reason::Buyer, 50)]].concat();
    let refunded = [&cancelled[..], &[Act::Refund]].concat();
    let disputed = [&buyer[..], &[Act::Dispute(7, DisputeStatus::NeedsResponse)]].concat();
    let lost = [&buyer[..], &[Act::Dispute(9, DisputeStatus::Lost)]].concat();
    let lives: [&[Act]; 7] =
        [&buyer, &cancelled, &refunded, &disputed, &lost, &buyer[..3], &[Act::Start, Act::End(Reason::Expired)]];
    let mut sums = Sums::new(booking(Status::Pending).currency);
    for acts in lives {
        let (entries, life) = lived(acts);
        sums.add(life.booking.id, &entries).unwrap();
    }
    let (total, half) = (total(), total() / 2);
    assert_eq!((sums.captured, sums.standing, sums.kept), (5 * total, 3 * total, 2 * half));
    assert_eq!((sums.refunded, sums.refunds_owed, sums.authorised), (half, half, total));
    assert_eq!((sums.disputed, sums.disputes_lost), (7, 9));
    let counts = &sums.bookings;
    assert_eq!((counts.paid, counts.authorised, counts.cancelled, counts.unpaid, counts.disputed), (3, 1, 2, 1, 1));
    assert!(sums.is_balanced());
    assert_eq!(sums.captured, sums.standing + sums.kept + sums.refunded + sums.refunds_owed);
    let twice = sums.clone().plus(sums.clone()).unwrap();
    assert_eq!((twice.captured, twice.bookings.paid), (10 * total, 6));
}

#[test]
fn who_is_charged_without_a_ticket_or_a_refund_is_seen_and_named() {
    let (entries, life) = lived(&[Act::Start, Act::Record, Act::Sell, Act::Capture]);
    let unsold: Vec<Entry> = entries.iter().filter(|entry| entry.kind != Kind::Sold).cloned().collect();
    let mut sums = Sums::new(life.booking.currency);
    for _ in 0..UNBALANCED_TOLD_MAX + 5 {
        sums.add(life.booking.id, &unsold).unwrap();
    }
    assert_eq!((sums.unbalanced, sums.is_balanced()), (25, false));
    assert_eq!(sums.unbalanced_first, vec![life.booking.id; UNBALANCED_TOLD_MAX]);
    let more = sums.clone().plus(sums).unwrap();
    assert_eq!((more.unbalanced, more.unbalanced_first.len()), (50, UNBALANCED_TOLD_MAX));
}

#[test]
fn what_cannot_be_added_is_an_error_and_never_left_out() {
    let (entries, life) = lived(&[Act::Start, Act::Record, Act::Sell, Act::Capture]);
    let id = life.booking.id;
    let mut sums = Sums::new("EUR".parse().unwrap());
    assert_eq!(sums.add(id, &entries), Err(Unsummable(id)), "another currency");
    let mut huge = entries.clone();
    for entry in &mut huge {
        entry.amount_minor = i64::MAX;
    }
    let mut sums = Sums::new(life.booking.currency);
    sums.add(id, &huge).unwrap();
    assert_eq!(sums.add(id, &huge), Err(Unsummable(id)), "the sum does not fit");
    let full = Sums { captured: i64::MAX, ..Sums::new(life.booking.currency) };
    assert_eq!(full.clone().plus(full.clone()), None);
    assert_eq!(full.plus(Sums::new("EUR".parse().unwrap())), None);
}
