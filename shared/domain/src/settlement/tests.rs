use super::{explore::World, *};
use crate::{
    booking::{Refund, RefundStatus},
    money::Money,
    time::SignedDuration,
};

/// What the test booking costs.
const TOTAL_MINOR: i64 = 25_600;
pub(crate) const STARTED_AT: &str = "2026-11-22T15:01:00Z";
const EXPIRES_AT: &str = "2026-11-22T15:10:00Z";

pub(crate) fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Two seats, untouched since they were held, but for the status.
pub(crate) fn booking(status: Status) -> Booking {
    let line = |seat: &str| crate::booking::SeatLine {
        seat: seat.parse().unwrap(),
        category: "silver".parse().unwrap(),
        price_minor: TOTAL_MINOR / 2,
    };
    Booking {
        id: "bkg_00000000000080008000000000000001".parse().unwrap(),
        buyer: "ada".parse().unwrap(),
        email: None,
        show: "shw_00000000000070008000000000000001".parse().unwrap(),
        seats: vec![line("A:1:1"), line("A:1:2")],
        areas: Vec::new(),
        currency: "INR".parse().unwrap(),
        status,
        created_at: instant("2026-11-22T15:00:00Z"),
        expires_at: instant(EXPIRES_AT),
        due_at: Some(instant(EXPIRES_AT)),
        payment: crate::booking::Payment::default(),
        refund: None,
        substitute: crate::booking::Substitute::default(),
        offered: false,
        dispute: None,
        code: None,
        admission: None,
        fingerprint: [0; 16],
        version: 1,
    }
}

/// The booking's intent, for exactly what it costs.
pub(super) fn intent(status: IntentStatus) -> Intent {
    Intent {
        id: "pi_1".parse().unwrap(),
        status,
        amount: Money::new(TOTAL_MINOR, "INR".parse().unwrap()),
        booking: None,
        client_secret: None,
    }
}

const INTENT_STATUSES: [IntentStatus; 6] = [
    IntentStatus::RequiresPayment,
    IntentStatus::RequiresAction,
    IntentStatus::Processing,
    IntentStatus::Authorised,
    IntentStatus::Captured,
    IntentStatus::Cancelled,
];

const NOTHING: Tried = Tried { reclaim: false, captures_refused: 0 };
const EVERYTHING: Tried = Tried { reclaim: true, captures_refused: CAPTURES_REFUSED_MAX };

/// One row of the table of everything that `next` may be asked.
struct Row {
    booking: Booking,
    known: Known,
    cause: Cause,
    tried: Tried,
    now: Timestamp,
    step: Step,
}

impl Row {
    fn status(&self) -> Option<IntentStatus> {
        match &self.known {
            Known::NotAsked => None,
            Known::Is(intent) => Some(intent.status),
        }
    }

    fn matches(&self) -> bool {
        matches!(&self.known, Known::Is(intent) if matches(&self.booking, intent))
    }

    fn is(&self, statuses: &[IntentStatus]) -> bool {
        self.status().is_some_and(|status| statuses.contains(&status))
    }

    fn pends(&self) -> bool {
        self.booking.status == Status::Pending
    }

    fn owes(&self) -> bool {
        self.booking.refund.is_some_and(|refund| refund.status == RefundStatus::Pending)
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { booking, known, cause, tried, now, step } = self;
        let (status, payment, refund, due) = (booking.status, &booking.payment, booking.refund, booking.due_at);
        write!(f, "{status:?} {payment:?} {refund:?} due {due:?} known {known:?} {cause:?} ")?;
        write!(f, "{tried:?} at {now} → {step:?}")
    }
}

/// Every booking that the protocol can lead to, and some that it cannot.
fn bookings() -> Vec<Booking> {
    let reasons = [
        Reason::Expired,
        Reason::Released,
        Reason::PaymentFailed,
        Reason::Buyer,
        Reason::ShowCancelled,
        Reason::SeatsLost,
    ];
    let statuses = [Status::Pending, Status::Confirmed].into_iter().chain(reasons.map(Status::Cancelled));
    let refunds = [None, Some(RefundStatus::Pending), Some(RefundStatus::Done)];
    let mut all = Vec::new();
    for status in statuses {
        for bits in 0..64u8 {
            for refund in refunds {
                let bit = |n: u8| bits >> n & 1 == 1;
                let (started, recorded, closing, captured) = (bit(0), bit(1), bit(2), bit(3));
                // Nothing of a payment without its beginning, and no capture without an intent.
                if !started && (recorded || closing || captured || bit(4)) || captured && !recorded {
                    continue;
                }
                let cancelled = matches!(status, Status::Cancelled(_));
                let may_refund = recorded && (cancelled || captured);
                if refund.is_some() && !may_refund || captured && status == Status::Pending {
                    continue;
                }
                let mut booking = booking(status);
                booking.payment.started_at = started.then(|| instant(STARTED_AT));
                booking.payment.intent = recorded.then(|| "pi_1".parse().unwrap());
                booking.payment.closing = closing;
                booking.payment.captured_at = captured.then(|| instant(STARTED_AT));
                booking.payment.failures =
                    (0..if bit(4) { 3 } else { 0 }).map(|n| format!("e{n}").parse().unwrap()).collect();
                booking.due_at = bit(5).then_some(booking.expires_at);
                booking.refund = refund.map(|status| Refund { amount_minor: TOTAL_MINOR, percent: 100, status });
                all.push(booking);
            }
        }
    }
    all
}

fn rows() -> Vec<Row> {
    let other = Money::new(TOTAL_MINOR - 1, "INR".parse().unwrap());
    let mut knowns = vec![Known::NotAsked];
    for status in INTENT_STATUSES {
        knowns.push(Known::Is(intent(status)));
        knowns.push(Known::Is(Intent { amount: other, ..intent(status) }));
    }
    let mut rows = Vec::new();
    for booking in bookings() {
        for known in &knowns {
            for cause in [Cause::Hint, Cause::Due, Cause::Release, Cause::CallOff] {
                for (tried, seconds) in [(NOTHING, -1), (NOTHING, 0), (NOTHING, 1), (EVERYTHING, 1)] {
                    let now = shift(booking.expires_at, SignedDuration::from_secs(seconds));
                    let step = next(&booking, known, cause, tried, now);
                    rows.push(Row { booking: booking.clone(), known: known.clone(), cause, tried, now, step });
                }
            }
        }
    }
    rows
}

/// Demands `holds` of every row.
fn always(holds: impl Fn(&Row) -> bool) {
    let rows = rows();
    assert!(rows.len() > 50_000, "only {} rows", rows.len());
    let broken = rows.iter().find(|row| !holds(row));
    assert!(broken.is_none(), "{}", broken.unwrap());
}

/// Demands that `step` is taken only where `allowed`, and somewhere at all.
fn only(step: impl Fn(&Step) -> bool, allowed: impl Fn(&Row) -> bool) {
    let rows = rows();
    let mut taken = rows.iter().filter(|row| step(&row.step)).peekable();
    assert!(taken.peek().is_some(), "no row takes this step");
    let broken = taken.find(|row| !allowed(row));
    assert!(broken.is_none(), "{}", broken.unwrap());
}

#[test]
fn seats_are_released_only_when_no_payment_was_started_or_the_fence_is_up_and_the_intent_is_dead() {
    only(
        |step| matches!(step, Step::Release(_)),
        |row| {
            let payment = &row.booking.payment;
            let dead = payment.closing && row.is(&[IntentStatus::Cancelled]);
            row.pends() && (payment.started_at.is_none() || dead)
        },
    );
}

#[test]
fn a_live_hold_ends_only_by_its_buyer_or_its_third_failure() {
    always(|row| {
        let live = row.pends() && !row.booking.is_overdue(row.now) && !row.booking.payment.closing;
        let wanted = matches!(row.cause, Cause::Release | Cause::CallOff)
            || row.booking.payment.failures.len() >= PAYMENT_FAILURES_MAX;
        !live || wanted || !matches!(row.step, Step::Release(_) | Step::Close | Step::Cancel | Step::Extend { .. })
    });
}

#[test]
fn a_hint_alone_ends_nothing() {
    always(|row| {
        let hinted = row.pends() && row.cause == Cause::Hint && row.booking.payment.failures.is_empty();
        !hinted || matches!(row.step, Step::Rest | Step::Ask | Step::Confirm | Step::Alarm(_))
    });
}

#[test]
fn nothing_is_confirmed_or_extended_behind_the_fence() {
    only(
        |step| matches!(step, Step::Confirm | Step::Extend { .. } | Step::Close),
        |row| row.pends() && row.booking.payment.started_at.is_some() && !row.booking.payment.closing,
    );
}

#[test]
fn seats_are_sold_only_for_money_of_exactly_their_price() {
    only(
        |step| *step == Step::Confirm,
        |row| row.is(&[IntentStatus::Authorised, IntentStatus::Captured]) && row.matches(),
    );
}

#[test]
fn the_fence_comes_down_only_for_money_that_is_taken() {
    only(
        |step| *step == Step::Reopen,
        |row| row.pends() && row.booking.payment.closing && row.is(&[IntentStatus::Captured]) && row.matches(),
    );
}

#[test]
fn only_what_processes_is_extended_and_by_half_a_minute() {
    only(|step| matches!(step, Step::Extend { .. }), |row| row.is(&[IntentStatus::Processing]));
    always(|row| match row.step {
        Step::Extend { until, .. } => until == shift(row.now, PROCESSING_RECHECK),
        _ => true,
    });
}

#[test]
fn money_is_captured_only_for_seats_that_are_sold() {
    let unpaid = |row: &Row| row.booking.status == Status::Confirmed && row.booking.payment.captured_at.is_none();
    only(|step| *step == Step::Capture, |row| unpaid(row) && row.is(&[IntentStatus::Authorised]));
    only(|step| *step == Step::RecordCapture, |row| unpaid(row) && row.is(&[IntentStatus::Captured]));
    only(|step| *step == Step::TakeBack, |row| unpaid(row) && row.is(&[IntentStatus::Cancelled]));
}

#[test]
fn a_sale_whose_capture_is_not_recorded_never_rests() {
    always(|row| {
        let unpaid = row.booking.status == Status::Confirmed && row.booking.payment.captured_at.is_none();
        !unpaid || row.step != Step::Rest
    });
}

#[test]
fn the_intent_of_a_sale_is_cancelled_only_where_it_cannot_be_captured_and_that_of_a_hold_only_behind_the_fence() {
    let open = [IntentStatus::RequiresPayment, IntentStatus::RequiresAction, IntentStatus::Authorised];
    only(
        |step| *step == Step::Cancel,
        |row| match row.booking.status {
            Status::Confirmed => row.tried == EVERYTHING && row.is(&[IntentStatus::Authorised]),
            Status::Pending => row.booking.payment.closing && row.is(&open),
            Status::Cancelled(_) => row.is(&open),
        },
    );
}

#[test]
fn an_intent_is_created_for_cancelling_only_where_none_was_recorded() {
    only(
        |step| *step == Step::Create,
        |row| {
            let payment = &row.booking.payment;
            payment.started_at.is_some() && payment.intent.is_none() && (!row.pends() || payment.closing)
        },
    );
}

#[test]
fn an_overdue_hold_rests_only_while_the_provider_processes_its_payment() {
    always(|row| {
        let over = row.pends() && row.cause != Cause::Hint && row.booking.is_overdue(row.now);
        !over || row.step != Step::Rest || row.is(&[IntentStatus::Processing])
    });
}

#[test]
fn seats_are_taken_again_only_for_an_expired_hold_that_is_paid_in_full() {
    only(
        |step| *step == Step::Reclaim,
        |row| {
            let expired = row.booking.status == Status::Cancelled(Reason::Expired);
            let paid = row.is(&[IntentStatus::Authorised, IntentStatus::Captured]) && row.matches();
            expired && paid && !row.tried.reclaim && row.booking.refund.is_none()
        },
    );
}

#[test]
fn money_without_seats_is_never_kept() {
    always(|row| {
        let payment = &row.booking.payment;
        let cancelled = matches!(row.booking.status, Status::Cancelled(_));
        let lost =
            cancelled && row.booking.refund.is_none() && payment.started_at.is_some() && payment.captured_at.is_none();
        let settles = match row.status() {
            Some(IntentStatus::Captured) => matches!(row.step, Step::OweRefund | Step::Reclaim),
            Some(IntentStatus::Authorised) => matches!(row.step, Step::Cancel | Step::Reclaim | Step::LoseSeats),
            _ => true,
        };
        !lost || settles
    });
}

#[test]
fn an_owed_refund_rests_only_while_the_provider_is_still_processing_and_settles_only_when_done() {
    always(|row| {
        let waits = row.is(&[IntentStatus::Processing]);
        !row.owes() || !matches!(row.step, Step::Settle | Step::OweRefund) && (row.step != Step::Rest || waits)
    });
    only(|step| *step == Step::Refund, |row| row.owes() && row.is(&[IntentStatus::Captured]));
    only(|step| *step == Step::RecordRefund, |row| row.owes() && row.is(&[IntentStatus::Cancelled]));
}

#[test]
fn the_books_are_closed_only_once_nobody_is_owed_anything() {
    only(
        |step| *step == Step::Settle,
        |row| {
            let payment = &row.booking.payment;
            let refunded = row.booking.refund.is_some_and(|refund| refund.status == RefundStatus::Done);
            let dead = row.is(&[IntentStatus::Cancelled]);
            let settled = payment.started_at.is_none() || payment.captured_at.is_some() || refunded || dead;
            matches!(row.booking.status, Status::Cancelled(_)) && row.booking.due_at.is_some() && settled
        },
    );
}

#[test]
fn a_late_payment_without_seats_is_recorded_before_its_authorisation_is_let_go() {
    only(
        |step| *step == Step::LoseSeats,
        |row| row.booking.status == Status::Cancelled(Reason::Expired) && row.is(&[IntentStatus::Authorised]),
    );
    always(|row| {
        let late = row.booking.status == Status::Cancelled(Reason::Expired)
            && row.is(&[IntentStatus::Authorised])
            && row.booking.payment.started_at.is_some()
            && row.booking.payment.captured_at.is_none()
            && row.booking.refund.is_none();
        !late || matches!(row.step, Step::Reclaim | Step::LoseSeats)
    });
}

#[test]
fn the_reason_says_why_it_ended() {
    let overdue = instant("2026-11-22T15:11:00Z");
    let dead = Known::Is(intent(IntentStatus::Cancelled));
    let mut closing = booking(Status::Pending);
    closing.payment.started_at = Some(instant(STARTED_AT));
    closing.payment.closing = true;
    let mut failed = closing.clone();
    failed.payment.failures = ["e1", "e2", "e3"].map(|id| id.parse().unwrap()).into();
    let cases = [
        (booking(Status::Pending), Cause::Due, Reason::Expired),
        (booking(Status::Pending), Cause::Release, Reason::Released),
        (closing.clone(), Cause::Due, Reason::Expired),
        (closing.clone(), Cause::Release, Reason::Released),
        (closing, Cause::CallOff, Reason::ShowCancelled),
        (failed.clone(), Cause::Hint, Reason::PaymentFailed),
        (failed.clone(), Cause::Due, Reason::PaymentFailed),
        (failed, Cause::Release, Reason::PaymentFailed),
    ];
    for (booking, cause, reason) in cases {
        assert_eq!(next(&booking, &dead, cause, NOTHING, overdue), Step::Release(reason), "{cause:?} {reason:?}");
    }
}

#[test]
fn a_payment_that_processes_for_too_long_raises_an_alarm_and_still_keeps_its_seats() {
    let mut waiting = booking(Status::Pending);
    waiting.payment.started_at = Some(instant(STARTED_AT));
    let known = Known::Is(intent(IntentStatus::Processing));
    for (now, alarm) in
        [("2026-11-22T16:00:59Z", false), ("2026-11-22T16:01:00Z", true), ("2026-11-23T16:01:00Z", true)]
    {
        let until = shift(instant(now), PROCESSING_RECHECK);
        assert_eq!(next(&waiting, &known, Cause::Due, NOTHING, instant(now)), Step::Extend { until, alarm }, "{now}");
    }
}

#[test]
fn the_margin_for_clocks_that_differ_is_kept() {
    let hold = booking(Status::Pending);
    for (now, step) in [
        ("2026-11-22T15:10:00Z", Step::Rest),
        ("2026-11-22T15:10:00.499Z", Step::Rest),
        ("2026-11-22T15:10:00.5Z", Step::Release(Reason::Expired)),
    ] {
        assert_eq!(next(&hold, &Known::NotAsked, Cause::Due, NOTHING, instant(now)), step, "{now}");
    }
}

const LIFE: World = World {
    bookings: 1,
    slots: 2,
    fails: true,
    deletes: true,
    organises: false,
    lapses: false,
    refuses: false,
    breaks_its_word: false,
    takes_at_once: false,
    decide: next,
};

/// Explores, and demands that the world is about as large as it was when this was written: a way on that is cut off by
/// mistake would prove nothing.
fn holds(world: World, states_min: usize) {
    let states = world.explore().unwrap_or_else(|wrong| panic!("{wrong}"));
    println!("{states} states");
    assert!(states >= states_min, "only {states} states");
}

#[test]
fn one_bookings_life_always_balances() {
    holds(LIFE, 500_000);
}

#[test]
fn one_bookings_life_with_three_at_work_always_balances() {
    holds(World { slots: 3, fails: false, deletes: false, ..LIFE }, 80_000);
}

#[test]
fn two_buyers_after_one_seat_always_balance() {
    holds(World { bookings: 2, fails: false, deletes: false, ..LIFE }, 80_000);
}

#[test]
fn authorisations_that_lapse_always_balance() {
    holds(World { lapses: true, ..LIFE }, 800_000);
}

#[test]
fn authorisations_that_cannot_be_captured_always_balance() {
    holds(World { refuses: true, ..LIFE }, 800_000);
}

#[test]
fn organisers_who_give_back_part_and_then_all_always_balance() {
    holds(World { organises: true, fails: false, ..LIFE }, 50_000);
}

#[test]
fn a_provider_that_takes_at_once_always_balances() {
    holds(World { takes_at_once: true, ..LIFE }, 600_000);
}

#[test]
fn a_provider_that_lets_a_cancelled_payment_through_always_balances() {
    for takes_at_once in [false, true] {
        holds(World { breaks_its_word: true, takes_at_once, ..LIFE }, 700_000);
        holds(
            World { breaks_its_word: true, takes_at_once, bookings: 2, fails: false, deletes: false, ..LIFE },
            300_000,
        );
    }
}

/// The exploration finds what is wrong with a protocol that lacks one of its parts.
#[test]
fn each_part_of_the_protocol_is_needed() {
    type Sabotage = (&'static str, World);
    let cases: [Sabotage; 8] = [
        (
            "never asking about what is due",
            World {
                decide: |b, k, c, r, now| match next(b, k, c, r, now) {
                    Step::Ask if c == Cause::Due => Step::Rest,
                    step => step,
                },
                ..LIFE
            },
        ),
        (
            "no fence",
            World {
                decide: |b, k, c, r, now| match next(b, k, c, r, now) {
                    Step::Close => Step::Cancel,
                    step => step,
                },
                ..LIFE
            },
        ),
        (
            "a capture that is not recorded",
            World {
                decide: |b, k, c, r, now| match next(b, k, c, r, now) {
                    Step::RecordCapture => Step::Rest,
                    step => step,
                },
                ..LIFE
            },
        ),
        (
            "a lapsed authorisation that keeps its seats",
            World {
                lapses: true,
                decide: |b, k, c, r, now| match next(b, k, c, r, now) {
                    Step::TakeBack => Step::Rest,
                    step => step,
                },
                ..LIFE
            },
        ),
        (
            "a sale that cannot be captured and is given up without cancelling its authorisation",
            World {
                refuses: true,
                decide: |b, k, c, r, now| match next(b, k, c, r, now) {
                    Step::Cancel if b.status == Status::Confirmed => Step::TakeBack,
                    step => step,
                },
                ..LIFE
            },
        ),
        (
            "an unrecorded intent that is forgotten",
            World {
                decide: |b, k, c, r, now| match next(b, k, c, r, now) {
                    Step::Create => Step::Rest,
                    step => step,
                },
                ..LIFE
            },
        ),
        (
            "a late payment that nobody lets go",
            World {
                breaks_its_word: true,
                decide: |b, k, c, r, now| match next(b, k, c, r, now) {
                    Step::LoseSeats | Step::Reclaim => Step::Rest,
                    step => step,
                },
                ..LIFE
            },
        ),
        (
            "money that stays taken",
            World {
                takes_at_once: true,
                decide: |b, k, c, r, now| match next(b, k, c, r, now) {
                    Step::Reopen => Step::Release(Reason::Expired),
                    step => step,
                },
                ..LIFE
            },
        ),
    ];
    for (what, world) in cases {
        assert!(world.explore().is_err(), "{what} goes unnoticed");
    }
}
