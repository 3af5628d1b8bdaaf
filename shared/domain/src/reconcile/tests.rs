use proptest::prelude::*;

use super::*;
use crate::{
    Timestamp,
    booking::{Booking, Reason, Refund, RefundStatus, Status},
    hold::{Taken, Tally},
    ids::UserId,
    money::Money,
    payment::{Intent, IntentStatus, ProviderRefund},
    settlement::{
        Cause,
        tests::{STARTED_AT, booking, instant},
    },
    time::{SignedDuration, shift},
};

const TOTAL: i64 = 25_600;
const EXPIRED: Status = Status::Cancelled(Reason::Expired);
const BY_BUYER: Status = Status::Cancelled(Reason::Buyer);

fn rupees(minor: i64) -> Money {
    Money::new(minor, "INR".parse().unwrap())
}

/// Its payment has begun and its intent is recorded.
fn begun(status: Status) -> Booking {
    let mut booking = booking(status);
    booking.payment.started_at = Some(instant(STARTED_AT));
    booking.payment.intent = Some("pi_1".parse().unwrap());
    if !matches!(status, Status::Pending) {
        booking.due_at = None;
    }
    booking
}

fn paid(status: Status) -> Booking {
    let mut booking = begun(status);
    booking.payment.captured_at = Some(instant(STARTED_AT));
    booking
}

fn refunded(mut booking: Booking, minor: i64, status: RefundStatus) -> Booking {
    booking.refund = Some(Refund { amount_minor: minor, percent: 50, status });
    booking
}

fn seen(status: IntentStatus) -> Seen {
    let booking = booking(Status::Pending);
    let intent = Intent {
        id: "pi_1".parse().unwrap(),
        status,
        amount: rupees(TOTAL),
        booking: Some(booking.id),
        client_secret: None,
    };
    let received = (status == Captured).then(|| rupees(TOTAL));
    Seen { intent, received, refunds: Refunds::Sum(rupees(0)) }
}

fn given(parts: &[(i64, bool)]) -> Seen {
    let of = Some(booking(Status::Pending).id);
    let refund = |&(minor, accepted)| ProviderRefund { amount: rupees(minor), booking: of, accepted };
    Seen { refunds: Refunds::Each(parts.iter().map(refund).collect()), ..seen(Captured) }
}

fn in_time() -> Timestamp {
    instant("2026-11-22T15:05:00Z")
}

fn drive(cause: Cause, kind: Kind) -> Verdict {
    Verdict::Drive { cause, kind }
}

#[track_caller]
fn says(verdict: &Verdict, booking: &Booking, seen: &Seen) {
    assert_eq!(compare(Some(booking), seen, in_time()), *verdict, "{booking:?} {seen:?}");
}

use IntentStatus::{Authorised, Cancelled, Captured, Processing, RequiresAction, RequiresPayment};
use Verdict::{Agrees, Found, Look, OweAgain};

#[test]
fn an_intent_without_our_mark_is_not_ours() {
    let mut foreign = seen(Captured);
    foreign.intent.booking = None;
    assert_eq!(compare(None, &foreign, in_time()), Verdict::Foreign);
}

#[test]
fn an_intent_of_no_booking_is_found_while_there_is_or_may_be_money_in_it() {
    let of_none = |seen: &Seen| compare(None, seen, in_time());
    for status in [RequiresPayment, RequiresAction, Processing, Authorised, Captured] {
        assert_eq!(of_none(&seen(status)), Found(Kind::BookingAbsent), "{status:?}");
    }
    assert_eq!(of_none(&seen(Cancelled)), Agrees);
    assert_eq!(of_none(&Seen { refunds: Refunds::Untold, ..seen(Captured) }), Look);
    assert_eq!(of_none(&Seen { refunds: Refunds::Sum(rupees(TOTAL)), ..seen(Captured) }), Agrees, "given back");
    assert_eq!(of_none(&given(&[(TOTAL, false), (TOTAL - 1, true)])), Found(Kind::BookingAbsent));
    assert_eq!(of_none(&given(&[(TOTAL - 1, true), (1, true)])), Agrees);
}

#[test]
fn a_second_intent_is_found_unless_it_is_only_not_written_down_yet() {
    let mut other = seen(Captured);
    other.intent.id = "pi_2".parse().unwrap();
    for status in [Status::Pending, Status::Confirmed, EXPIRED] {
        says(&Found(Kind::SecondIntent), &begun(status), &other);
    }
    other.intent.status = Cancelled;
    says(&Agrees, &begun(Status::Confirmed), &other);
    let mut half = begun(Status::Pending);
    half.payment.intent = None;
    says(&Agrees, &half, &seen(RequiresPayment));
    half.payment.closing = true;
    says(&drive(Cause::Due, Kind::SecondIntent), &half, &seen(RequiresPayment));
    half.status = EXPIRED;
    says(&Found(Kind::SecondIntent), &half, &seen(RequiresPayment));
}

#[test]
fn an_intent_is_for_what_its_booking_costs_and_taken_whole() {
    let mut other = seen(Captured);
    other.intent.amount = rupees(TOTAL - 1);
    other.received = Some(rupees(TOTAL - 1));
    says(&Found(Kind::AmountDiffers), &paid(Status::Confirmed), &other);
    let euros = Money::new(TOTAL, "EUR".parse().unwrap());
    for status in [RequiresPayment, Authorised] {
        let mut other = seen(status);
        other.intent.amount = euros;
        says(&Found(Kind::AmountDiffers), &begun(Status::Pending), &other);
    }
    let part = Seen { received: Some(rupees(100)), ..seen(Captured) };
    says(&Found(Kind::AmountDiffers), &paid(Status::Confirmed), &part);
    says(&Found(Kind::AmountDiffers), &begun(EXPIRED), &part);
    says(&Agrees, &begun(EXPIRED), &Seen { refunds: Refunds::Sum(rupees(100)), ..part });
    let mut gone = seen(Cancelled);
    gone.intent.amount = rupees(1);
    says(&Agrees, &begun(EXPIRED), &gone);
}

#[test]
fn a_hold_waits_for_its_payment_and_a_payment_finds_its_hold() {
    let hold = begun(Status::Pending);
    for status in [RequiresPayment, RequiresAction, Processing, Cancelled] {
        says(&Agrees, &hold, &seen(status));
    }
    says(&drive(Cause::Hint, Kind::AuthorisedNotSold), &hold, &seen(Authorised));
    says(&drive(Cause::Hint, Kind::TakenNotSold), &hold, &seen(Captured));
    let over = shift(hold.expires_at, SignedDuration::from_secs(1));
    let late = |status| compare(Some(&hold), &seen(status), over);
    assert_eq!(late(Authorised), drive(Cause::Due, Kind::AuthorisedNotSold));
    assert_eq!(late(RequiresPayment), drive(Cause::Due, Kind::NotReleased));
    assert_eq!(late(Cancelled), drive(Cause::Due, Kind::NotReleased));
    assert_eq!(late(Processing), Agrees);
}

#[test]
fn what_is_sold_is_captured() {
    for status in [Authorised, Captured, Cancelled] {
        says(&drive(Cause::Due, Kind::NotCaptured), &begun(Status::Confirmed), &seen(status));
    }
    for status in [RequiresPayment, RequiresAction, Processing] {
        says(&Found(Kind::NotCaptured), &begun(Status::Confirmed), &seen(status));
    }
    says(&Agrees, &paid(Status::Confirmed), &seen(Captured));
    for status in [RequiresPayment, RequiresAction, Processing, Authorised, Cancelled] {
        says(&Found(Kind::NotCaptured), &paid(Status::Confirmed), &seen(status));
        says(&Found(Kind::NotCaptured), &paid(BY_BUYER), &seen(status));
    }
}

#[test]
fn what_is_over_has_no_money_that_nobody_owes() {
    says(&Agrees, &begun(EXPIRED), &seen(Cancelled));
    says(&Agrees, &begun(EXPIRED), &seen(Processing));
    says(&drive(Cause::Due, Kind::AuthorisedNotSold), &begun(EXPIRED), &seen(Authorised));
    says(&drive(Cause::Due, Kind::TakenNotSold), &begun(EXPIRED), &seen(Captured));
    for status in [RequiresPayment, RequiresAction] {
        says(&Found(Kind::OpenAfterEnd), &begun(EXPIRED), &seen(status));
        let due = Booking { due_at: Some(in_time()), ..begun(EXPIRED) };
        says(&drive(Cause::Due, Kind::OpenAfterEnd), &due, &seen(status));
    }
    let owed = refunded(begun(EXPIRED), TOTAL, RefundStatus::Pending);
    says(&drive(Cause::Due, Kind::RefundOpen), &owed, &seen(Cancelled));
}

#[test]
fn what_was_given_back_is_what_the_books_say() {
    let (owed, done) = (RefundStatus::Pending, RefundStatus::Done);
    let cancelled = |minor, status| refunded(paid(BY_BUYER), minor, status);
    let cases = [
        (paid(BY_BUYER), given(&[]), Agrees),
        (cancelled(0, done), given(&[]), Agrees),
        (cancelled(500, done), given(&[(500, true)]), Agrees),
        (cancelled(500, done), given(&[(200, true), (300, true), (500, false)]), Agrees),
        (refunded(paid(Status::Confirmed), 200, done), given(&[(200, true)]), Agrees),
        (refunded(begun(EXPIRED), TOTAL, done), given(&[(TOTAL, true)]), Agrees),
        (cancelled(500, done), given(&[(499, true)]), OweAgain(Kind::RefundedLess)),
        (cancelled(500, done), given(&[(500, false)]), OweAgain(Kind::RefundRefused)),
        (cancelled(500, done), given(&[(501, true)]), Found(Kind::RefundedMore)),
        (cancelled(500, owed), given(&[(501, true)]), Found(Kind::RefundedMore)),
        (paid(Status::Confirmed), given(&[(1, true)]), Found(Kind::RefundedMore)),
        (cancelled(500, owed), given(&[]), drive(Cause::Due, Kind::RefundOpen)),
        (cancelled(500, owed), given(&[(200, true)]), drive(Cause::Due, Kind::RefundOpen)),
        (cancelled(500, owed), given(&[(500, true)]), drive(Cause::Due, Kind::RefundOpen)),
        (cancelled(500, owed), given(&[(500, false)]), drive(Cause::Due, Kind::RefundRefused)),
    ];
    for (booking, seen, verdict) in cases {
        says(&verdict, &booking, &seen);
    }
    // The list tells only sums: what is not plainly nothing is looked at one by one.
    says(&Agrees, &paid(Status::Confirmed), &seen(Captured));
    says(&Look, &cancelled(500, done), &seen(Captured));
    says(&Look, &paid(Status::Confirmed), &Seen { refunds: Refunds::Sum(rupees(1)), ..seen(Captured) });
    says(&Look, &paid(Status::Confirmed), &Seen { refunds: Refunds::Untold, ..seen(Captured) });
}

fn statuses() -> impl Strategy<Value = IntentStatus> {
    prop::sample::select(vec![RequiresPayment, RequiresAction, Processing, Authorised, Captured, Cancelled])
}

fn bookings() -> impl Strategy<Value = Booking> {
    let status = prop::sample::select(vec![Status::Pending, Status::Confirmed, EXPIRED, BY_BUYER]);
    let refund = prop::option::of((0..=TOTAL, any::<bool>()));
    (status, any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), refund).prop_map(
        |(status, recorded, captured, closing, due, refund)| {
            let mut booking = begun(status);
            booking.payment.intent = booking.payment.intent.filter(|_| recorded);
            booking.payment.captured_at = captured.then(|| instant(STARTED_AT));
            booking.payment.closing = closing;
            booking.due_at = due.then(in_time);
            booking.refund = refund.map(|(amount_minor, done)| {
                let status = if done { RefundStatus::Done } else { RefundStatus::Pending };
                Refund { amount_minor, percent: 50, status }
            });
            booking
        },
    )
}

proptest! {
    /// Whatever the two books say: where they are said to agree, what was taken is sold, given back, or kept by policy.
    #[test]
    fn agreement_means_that_the_money_is_where_the_booking_says(
        booking in bookings(),
        status in statuses(),
        parts in prop::collection::vec((1..TOTAL, any::<bool>()), 0..4),
    ) {
        let mut seen = given(&parts);
        seen.intent.status = status;
        seen.received = (status == Captured).then(|| rupees(TOTAL));
        if compare(Some(&booking), &seen, in_time()) != Agrees {
            return Ok(());
        }
        let back: i64 = parts.iter().filter(|(_, accepted)| *accepted).map(|(minor, _)| minor).sum();
        let kept = seen.received.map_or(0, |received| received.amount_minor - back);
        let recorded = booking.payment.intent.is_some();
        if recorded && status == Captured {
            prop_assert!(booking.payment.captured_at.is_some() || booking.refund.is_some());
            prop_assert_eq!(kept, TOTAL - booking.refund.map_or(0, |refund| refund.amount_minor));
            prop_assert!(booking.refund.is_none_or(|refund| refund.status == RefundStatus::Done));
            prop_assert!(booking.status != Status::Pending);
        }
        if !recorded && status == Captured {
            prop_assert!(kept <= 0 || booking.status == Status::Pending);
        }
        prop_assert!(status != Authorised || booking.status == Status::Pending && !recorded);
        prop_assert!(booking.status != Status::Confirmed || !recorded || status == Captured);
    }

    /// Nothing is looked up for ever: once each refund is known, there is an answer.
    #[test]
    fn whoever_has_looked_need_not_look_again(booking in bookings(), status in statuses(), minor in 1..TOTAL) {
        let mut seen = given(&[(minor, true)]);
        seen.intent.status = status;
        prop_assert_ne!(compare(Some(&booking), &seen, in_time()), Look);
    }
}

fn places(booking: Option<Booking>, taken: fn(crate::ids::BookingId) -> Taken) -> Places {
    let id = self::booking(Status::Pending).id;
    let seats = ["A:1:1", "A:1:2"].map(|seat| (seat.parse().unwrap(), taken(id)));
    let tally = Tally { total: 2, bookings: vec![(id, 2)], ..Tally::default() };
    Places { booking, tally: Some(tally), seats: seats.to_vec() }
}

fn kinds(places: &Places) -> Vec<Kind> {
    let known = booking(Status::Pending);
    check(known.show, known.id, Some(&known.buyer), places).into_iter().map(|(kind, _)| kind).collect()
}

#[test]
fn a_booking_has_its_seats_and_its_part_of_the_tally_or_nothing() {
    let (held, sold): (fn(_) -> _, fn(_) -> _) = (Taken::Held, Taken::Sold);
    let nothing = |status| Places { booking: Some(booking(status)), ..Places::default() };
    assert_eq!(kinds(&places(Some(booking(Status::Pending)), held)), []);
    assert_eq!(kinds(&places(Some(booking(Status::Confirmed)), sold)), []);
    assert_eq!(kinds(&nothing(EXPIRED)), []);
    let missing = [Kind::SeatMissing, Kind::SeatMissing];
    assert_eq!(kinds(&places(Some(booking(Status::Pending)), sold)), missing);
    assert_eq!(kinds(&places(Some(booking(Status::Confirmed)), held)), missing);
    let stray = [Kind::SeatStray, Kind::SeatStray, Kind::TallyDiffers];
    assert_eq!(kinds(&places(Some(booking(EXPIRED)), held)), stray);
    assert_eq!(kinds(&places(None, sold)), stray);
    assert_eq!(kinds(&nothing(Status::Confirmed)), [Kind::SeatMissing, Kind::SeatMissing, Kind::TallyDiffers]);
}

#[test]
fn each_single_slip_is_seen() {
    let good = places(Some(booking(Status::Confirmed)), Taken::Sold);
    let id = booking(Status::Pending).id;
    let slip = |change: &dyn Fn(&mut Places)| {
        let mut bad = good.clone();
        change(&mut bad);
        kinds(&bad)
    };
    assert_eq!(slip(&|bad| drop(bad.seats.pop())), [Kind::SeatMissing]);
    assert_eq!(slip(&|bad| bad.seats[0].1 = Taken::Blocked), [Kind::SeatMissing]);
    assert_eq!(slip(&|bad| bad.seats.push(("A:1:9".parse().unwrap(), Taken::Sold(id)))), [Kind::SeatStray]);
    assert_eq!(slip(&|bad| bad.tally = None), [Kind::TallyDiffers]);
    assert_eq!(slip(&|bad| bad.tally.as_mut().unwrap().total = 3), [Kind::TallyDiffers]);
    assert_eq!(slip(&|bad| bad.tally.as_mut().unwrap().bookings[0].1 = 1), [Kind::TallyDiffers]);
    let elsewhere = |bad: &mut Places| {
        bad.booking.as_mut().unwrap().show = "shw_00000000000070008000000000000009".parse().unwrap();
    };
    assert_eq!(slip(&elsewhere), [Kind::SeatStray, Kind::SeatStray, Kind::TallyDiffers]);
    let bob: UserId = "bob".parse().unwrap();
    let known = booking(Status::Pending);
    assert_eq!(check(known.show, known.id, Some(&bob), &good)[0].0, Kind::TallyDiffers, "not his");
}

#[test]
fn a_seat_and_a_tally_agree_with_their_booking_exactly_when_nothing_is_wrong() {
    let show = booking(Status::Pending).show;
    let buyer = booking(Status::Pending).buyer;
    let all = [None, Some(Status::Pending), Some(Status::Confirmed), Some(EXPIRED)];
    for status in all {
        for taken in [Taken::Held as fn(_) -> _, Taken::Sold] {
            let id = booking(Status::Pending).id;
            let booking = status.map(booking);
            let places = places(booking.clone(), taken);
            let seats = places.seats.iter().all(|(seat, taken)| seat_agrees(show, seat, *taken, booking.as_ref()));
            let tally = tally_agrees(show, &buyer, places.tally.as_ref(), id, booking.as_ref());
            assert_eq!(seats && tally, kinds(&places).is_empty(), "{status:?}");
        }
    }
    assert!(seat_agrees(show, &"A:1:1".parse().unwrap(), Taken::Blocked, None));
}

#[test]
fn a_pass_goes_on_where_it_was_and_begins_where_the_last_one_leaves_no_gap() {
    let now = instant("2026-11-22T15:00:00Z");
    let hours = |hours: i64| shift(now, SignedDuration::from_hours(hours));
    let none = PassState::default();
    let young = begin(Scope::Young, &none, false, now).unwrap();
    assert_eq!((young.since, young.captured_since, &young.position), (hours(-2), None, &Position::Intents(None)));
    let after_outage = PassState { completed: Some(hours(-30)), open: None };
    assert_eq!(begin(Scope::Young, &after_outage, false, now).unwrap().since, hours(-32));
    let ages_ago = PassState { completed: Some(hours(-24 * 400)), open: None };
    assert_eq!(begin(Scope::Young, &ages_ago, false, now).unwrap().since, hours(-2400), "never further than all");

    let open = PassState { completed: Some(hours(-1)), open: Some(young.clone()) };
    assert_eq!(begin(Scope::All, &open, false, now), Some(young));
    let again = begin(Scope::All, &open, true, now).unwrap();
    assert_eq!((again.began_at, again.since, again.captured_since), (now, hours(-2400), Some(hours(-3))));
    let done = |ago: i64| PassState { completed: Some(hours(-ago)), open: None };
    assert_eq!(begin(Scope::All, &done(22), false, now), None, "once a night");
    assert!(begin(Scope::All, &done(23), false, now).is_some());
    assert!(begin(Scope::All, &done(22), true, now).is_some());
}

#[test]
fn every_kind_has_a_word_and_something_to_do() {
    let words: std::collections::BTreeSet<String> = Kind::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(words.len(), Kind::ALL.len());
    assert!(words.contains("second-intent"));
    assert!(Kind::ALL.iter().all(|kind| kind.todo().ends_with('.')));
}
