//! Each check objects to what it must, and to nothing else: a sale that was right, and that sale with one thing planted.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use rehearse::{
    check::{Finding, check},
    history::{
        Booking, Call, Charge, End, History, Micros, NOBODY, Outcome, Pass, SeatState, Seen, Stage, Status, Step, Who,
        Wish,
    },
};

const PRICE: i64 = 500;
const HOLD: Micros = 60_000_000;
const SECOND: Micros = 1_000_000;

fn booking(id: &str, status: Status, seats: &[&str], ends: Micros) -> Outcome {
    let total = PRICE * i64::try_from(seats.len()).unwrap();
    let seats = seats.iter().map(|&seat| seat.to_owned()).collect();
    Outcome::Ok(Seen::Booking(Booking { id: id.to_owned(), status, seats, total, ends }))
}

fn call(who: Who, at: Micros, step: Step, outcome: Outcome) -> Call {
    Call { who, invoked: at * SECOND, ended: at * SECOND + SECOND / 2, step, outcome }
}

fn hold(who: Who, at: Micros, seats: &[&str], id: &str) -> Call {
    held(who, at, &format!("key of {id}"), seats, booking(id, Status::Pending, seats, at * SECOND + HOLD))
}

fn held(who: Who, at: Micros, key: &str, seats: &[&str], outcome: Outcome) -> Call {
    let wish = Wish::Seats(seats.iter().map(|&seat| seat.to_owned()).collect());
    call(who, at, Step::Hold { key: key.to_owned(), wish, pass: Pass::Own }, outcome)
}

fn refused(who: Who, at: Micros, seats: &[&str], named: &[&str]) -> Call {
    let named = named.iter().map(|&seat| seat.to_owned()).collect();
    let outcome = Outcome::Refused { status: 409, reason: "seat-unavailable".to_owned(), seats: named };
    held(who, at, &format!("key {at}"), seats, outcome)
}

fn look(who: Who, at: Micros, id: &str, status: Status, seats: &[&str]) -> Call {
    call(who, at, Step::Look { booking: id.to_owned() }, booking(id, status, seats, HOLD))
}

fn release(who: Who, at: Micros, id: &str, seats: &[&str]) -> Call {
    call(who, at, Step::Release { booking: id.to_owned() }, booking(id, Status::Cancelled, seats, HOLD))
}

fn join(who: Who, at: Micros, place: &str) -> Call {
    let seen = Seen::Place { place: place.to_owned(), position: None };
    call(who, at, Step::Join, Outcome::Ok(seen))
}

/// SHA-256 of `abc`, the secret here.
const COMMITMENT: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn serving(at: Micros, place: &str) -> Call {
    told(at, Some(place), Some("abc"))
}

fn told(at: Micros, serving: Option<&str>, secret: Option<&str>) -> Call {
    let seen = Seen::Queue {
        phase: "OPEN".to_owned(),
        serving: serving.map(str::to_owned),
        joined: 3,
        commitment: COMMITMENT.to_owned(),
        secret: secret.map(str::to_owned),
    };
    call(NOBODY, at, Step::Queue, Outcome::Ok(seen))
}

fn admitted(who: Who, at: Micros) -> Call {
    call(who, at, Step::Admission, Outcome::Ok(Seen::Admission { until: at * SECOND + 600 * SECOND }))
}

/// Four seats. Person 1 buys two; person 2 holds one and lets it go, is refused one of person 1's; person 3 buys the two
/// that are left, one of them after person 2.
fn right() -> History {
    let seats = ["h:a:1", "h:a:2", "h:a:3", "h:a:4"];
    let calls = vec![
        told(0, None, None),
        join(1, 1, "1-p-1"),
        join(2, 3, "1-p-2"),
        join(3, 5, "1-p-3"),
        serving(6, "1-p-2"),
        admitted(1, 7),
        admitted(2, 8),
        serving(9, "1-p-3"),
        admitted(3, 10),
        hold(1, 11, &seats[..2], "b1"),
        hold(2, 12, &[seats[2]], "b2"),
        refused(3, 13, &[seats[2], seats[3]], &[seats[2]]),
        look(1, 14, "b1", Status::Confirmed, &seats[..2]),
        refused(2, 15, &[seats[1]], &[seats[1]]),
        release(2, 16, "b2", &[seats[2]]),
        hold(3, 17, &seats[2..], "b3"),
        look(3, 18, "b3", Status::Confirmed, &seats[2..]),
        serving(30, "1-p-3"),
    ];
    let charge = |booking: &str| Charge { booking: booking.to_owned(), captured: 2 * PRICE, refunded: 0 };
    let map = seats.map(|seat| (seat.to_owned(), SeatState::Sold)).into();
    let end = End {
        at: 40 * SECOND,
        map,
        charges: Some(vec![charge("b1"), charge("b3")]),
        captured: Some(4 * PRICE),
        unserved: 1,
    };
    let stage = Stage {
        show: "shw_1".to_owned(),
        currency: "INR".to_owned(),
        seats: seats.map(|seat| (seat.to_owned(), PRICE)).into(),
        cap: 3,
        gated: true,
        opens: 0,
        exclusive: true,
        people: 3,
    };
    History { stage, calls, end }
}

/// The claims that a history breaks.
fn broken(history: &History) -> Vec<&'static str> {
    let verdicts = check(history).into_iter();
    verdicts.filter(|verdict| !verdict.violations().is_empty()).map(|verdict| verdict.claim).collect()
}

#[track_caller]
fn plant(claim: &str, change: impl FnOnce(&mut History)) {
    let mut history = right();
    change(&mut history);
    let broken = broken(&history);
    assert!(broken.contains(&claim), "{claim} is not among {broken:?}");
}

/// Puts calls where they belong in time.
fn add(history: &mut History, calls: impl IntoIterator<Item = Call>) {
    history.calls.extend(calls);
    history.calls.sort_by_key(|call| call.ended);
}

#[test]
fn a_sale_that_was_right_is_proved_right_in_everything() {
    for verdict in check(&right()) {
        assert!(matches!(verdict.finding, Finding::Proved { .. }), "{verdict:?}");
    }
}

#[test]
fn a_seat_that_is_held_twice_is_found() {
    plant("no seat is held or sold twice", |history| add(history, [hold(2, 13, &["h:a:1"], "b9")]));
}

#[test]
fn a_seat_that_is_sold_twice_is_found_however_late_it_is_seen() {
    plant("no seat is held or sold twice", |history| {
        add(history, [look(2, 39, "b9", Status::Confirmed, &["h:a:1"])]);
    });
}

#[test]
fn a_hold_that_ends_before_its_time_is_found_by_the_next_holder() {
    // Nobody released b2, and its minute was not over.
    plant("no seat is held or sold twice", |history| {
        history.calls.retain(|call| !matches!(call.step, Step::Release { .. }));
    });
}

#[test]
fn a_hold_whose_minute_is_over_may_be_somebody_elses() {
    let mut history = right();
    history.calls.retain(|call| !matches!(&call.step, Step::Release { .. }));
    for call in &mut history.calls {
        if call.invoked >= 17 * SECOND && call.who == 3 {
            call.invoked += 60 * SECOND;
            call.ended += 60 * SECOND;
        }
    }
    add(&mut history, [look(2, 80, "b2", Status::Cancelled, &["h:a:3"]), serving(85, "1-p-3")]);
    assert_eq!(broken(&history), [""; 0]);
}

#[test]
fn a_late_payment_that_finds_its_seats_again_is_right_unless_they_were_sold_meanwhile() {
    let mut history = right();
    // b2 runs out, and is paid a little later: nobody had the seat in between.
    history.calls.retain(|call| call.who != 3 || call.invoked < 11 * SECOND);
    history.calls.retain(|call| !matches!(call.step, Step::Release { .. }));
    add(&mut history, [hold(1, 75, &["h:a:3"], "b4"), release(1, 77, "b4", &["h:a:3"])]);
    add(&mut history, [look(2, 80, "b2", Status::Confirmed, &["h:a:3"])]);
    history.end.map.insert("h:a:4".to_owned(), SeatState::Free);
    history.end.charges = Some(vec![
        Charge { booking: "b1".to_owned(), captured: 2 * PRICE, refunded: 0 },
        Charge { booking: "b2".to_owned(), captured: PRICE, refunded: 0 },
    ]);
    history.end.captured = Some(3 * PRICE);
    history.end.unserved = 0;
    assert_eq!(broken(&history), [""; 0]);
    add(&mut history, [hold(1, 90, &["h:a:3"], "b5")]);
    assert!(broken(&history).contains(&"no seat is held or sold twice"));
}

#[test]
fn half_a_hold_is_found() {
    plant("a hold is all or nothing", |history| {
        let half = booking("b9", Status::Pending, &["h:a:3"], 100 * SECOND);
        add(history, [held(2, 20, "half", &["h:a:3", "h:a:4"], half)]);
    });
    plant("a hold is all or nothing", |history| {
        let half = booking("b9", Status::Pending, &["h:a:3"], 100 * SECOND);
        let step = Step::Hold { key: "best".to_owned(), wish: Wish::Best(2), pass: Pass::Own };
        add(history, [call(2, 20, step, half)]);
    });
}

#[test]
fn a_booking_that_loses_a_seat_is_found() {
    plant("a hold is all or nothing", |history| add(history, [look(1, 25, "b1", Status::Confirmed, &["h:a:1"])]));
}

#[test]
fn a_refusal_that_names_what_nobody_asked_for_is_found() {
    plant("a hold is all or nothing", |history| add(history, [refused(2, 20, &["h:a:1"], &["h:a:2"])]));
    plant("a hold is all or nothing", |history| add(history, [refused(2, 20, &["h:a:1"], &[])]));
}

#[test]
fn a_double_click_that_makes_two_bookings_is_found() {
    plant("one key is one booking", |history| {
        let second = booking("b9", Status::Pending, &["h:a:3"], HOLD);
        add(history, [held(2, 12, "key of b2", &["h:a:3"], second)]);
    });
    plant("one key is one booking", |history| {
        let same = booking("b2", Status::Pending, &["h:a:3"], HOLD);
        add(history, [held(2, 12, "another key", &["h:a:3"], same)]);
    });
}

#[test]
fn a_double_click_that_makes_one_booking_is_right() {
    let mut history = right();
    let same = booking("b2", Status::Pending, &["h:a:3"], 12 * SECOND + HOLD);
    add(&mut history, [held(2, 12, "key of b2", &["h:a:3"], same)]);
    assert_eq!(broken(&history), [""; 0]);
}

#[test]
fn a_fourth_place_is_found() {
    plant("nobody has more than the cap", |history| history.stage.cap = 1);
    plant("nobody has more than the cap", |history| {
        history.calls.retain(|call| call.who != 3 || call.invoked < 11 * SECOND);
        add(history, [hold(1, 20, &["h:a:3", "h:a:4"], "b9")]);
    });
}

#[test]
fn a_refusal_of_a_free_seat_is_found() {
    plant("nobody is refused a seat that was free", |history| add(history, [refused(2, 8, &["h:a:1"], &["h:a:1"])]));
    // Given back before it was asked for.
    plant("nobody is refused a seat that was free", |history| {
        history.calls.retain(|call| call.who != 3 || call.invoked < 17 * SECOND);
        add(history, [refused(3, 17, &["h:a:3"], &["h:a:3"])]);
    });
}

#[test]
fn a_seat_may_be_refused_because_of_a_hold_whose_answer_was_lost() {
    let mut history = right();
    let lost = Outcome::Unknown { why: "reset".to_owned() };
    add(&mut history, [held(1, 7, "lost", &["h:a:1"], lost), refused(2, 8, &["h:a:1"], &["h:a:1"])]);
    assert_eq!(broken(&history), [""; 0]);
}

#[test]
fn seats_that_are_left_although_somebody_wanted_them_are_found() {
    let mut history = right();
    history.calls.retain(|call| call.who != 3 || call.invoked < 17 * SECOND);
    for seat in ["h:a:3", "h:a:4"] {
        history.end.map.insert(seat.to_owned(), SeatState::Free);
    }
    history.end.charges.as_mut().unwrap().pop();
    history.end.captured = Some(2 * PRICE);
    assert_eq!(broken(&history), ["exactly the seats there are are sold"]);
    history.end.unserved = 0;
    assert_eq!(broken(&history), [""; 0]);
}

#[test]
fn a_seat_that_does_not_exist_is_found() {
    plant("exactly the seats there are are sold", |history| {
        add(history, [look(2, 25, "b9", Status::Confirmed, &["h:z:1"])]);
    });
}

#[test]
fn a_map_that_says_something_else_is_found() {
    for state in [SeatState::Free, SeatState::Held, SeatState::Blocked] {
        plant("the map in the end is what was sold", |history| {
            history.end.map.insert("h:a:1".to_owned(), state);
        });
    }
    plant("the map in the end is what was sold", |history| {
        history.end.map.remove("h:a:1");
    });
}

#[test]
fn money_that_is_not_the_price_is_found() {
    const CLAIM: &str = "captured money is the price of the sold seats";
    let charges = |history: &mut History, change: fn(&mut Vec<Charge>)| change(history.end.charges.as_mut().unwrap());
    plant(CLAIM, |history| charges(history, |charges| charges[0].captured -= 1));
    plant(CLAIM, |history| charges(history, |charges| drop(charges.pop())));
    plant(CLAIM, |history| charges(history, |charges| charges.push(charges[0].clone())));
    plant(CLAIM, |history| {
        charges(history, |charges| {
            charges.push(Charge { booking: "b2".to_owned(), captured: PRICE, refunded: 0 });
        });
    });
    plant(CLAIM, |history| charges(history, |charges| charges[0].refunded = charges[0].captured));
    plant(CLAIM, |history| history.end.captured = Some(4 * PRICE + 1));
    plant(CLAIM, |history| {
        history.stage.seats.insert("h:a:1".to_owned(), PRICE + 1);
    });
}

#[test]
fn money_that_was_taken_and_given_back_is_right() {
    let mut history = right();
    let back = Charge { booking: "b2".to_owned(), captured: PRICE, refunded: PRICE };
    history.end.charges.as_mut().unwrap().push(back);
    assert_eq!(broken(&history), [""; 0]);
}

#[test]
fn a_place_that_changes_or_is_shared_is_found() {
    const CLAIM: &str = "everybody has one place in the queue, and keeps it";
    plant(CLAIM, |history| add(history, [join(1, 20, "1-p-9")]));
    plant(CLAIM, |history| add(history, [join(4, 20, "1-p-1")]));
}

#[test]
fn whoever_is_let_in_before_their_turn_is_found() {
    const CLAIM: &str = "nobody is admitted out of order";
    plant(CLAIM, |history| {
        add(history, [join(4, 20, "1-p-4"), admitted(4, 21)]);
    });
    plant(CLAIM, |history| add(history, [admitted(4, 21)]));
}

#[test]
fn whoever_came_later_and_is_before_is_found() {
    plant("nobody is admitted out of order", |history| add(history, [join(4, 20, "1-p-0")]));
}

#[test]
fn a_draw_that_is_not_what_was_committed_to_is_found() {
    const CLAIM: &str = "the draw is the one that was committed to";
    plant(CLAIM, |history| add(history, [told(25, Some("1-p-3"), Some("another"))]));
    plant(CLAIM, |history| {
        let mut other = told(25, Some("1-p-3"), Some("abc"));
        if let Outcome::Ok(Seen::Queue { commitment, .. }) = &mut other.outcome {
            *commitment = "0".repeat(64);
        }
        add(history, [other]);
    });
    // Told before the opening: the secret, a position, a place in the line.
    plant(CLAIM, |history| history.stage.opens = 100 * SECOND);
    plant(CLAIM, |history| {
        history.stage.opens = SECOND * 5 / 2;
        let seen = Seen::Place { place: "0-p-1".to_owned(), position: Some(1) };
        history.calls[1] = call(1, 1, Step::Join, Outcome::Ok(seen));
    });
    // Came after the opening, and is in the draw.
    plant(CLAIM, |history| add(history, [join(4, 20, "0-p-4")]));
}

#[test]
fn early_people_come_in_the_order_of_the_draw() {
    let mut history = right();
    // Person 1 came before the opening, and their turn is what was drawn for them.
    history.stage.opens = SECOND * 5 / 2;
    history.calls[1] = join(1, 1, "0-p-1");
    assert_eq!(broken(&history), [""; 0]);
    for call in &mut history.calls {
        if let Outcome::Ok(Seen::Queue { serving, .. }) = &mut call.outcome {
            *serving = Some("0-0000000000000-00000000000000000000000000000000".to_owned());
        }
    }
    assert!(broken(&history).contains(&"nobody is admitted out of order"));
}

#[test]
fn a_threshold_that_moves_back_is_found() {
    plant("nobody is admitted out of order", |history| add(history, [serving(20, "1-p-1")]));
}

#[test]
fn a_hold_without_an_admission_is_found() {
    const CLAIM: &str = "nobody holds without an admission of their own";
    for wrong in [Pass::None, Pass::Stolen, Pass::Forged, Pass::Spent] {
        plant(CLAIM, |history| {
            for call in &mut history.calls {
                if let Step::Hold { pass, .. } = &mut call.step {
                    *pass = wrong;
                }
            }
        });
    }
    plant(CLAIM, |history| history.calls.retain(|call| call.step != Step::Admission));
    // Too late for it.
    plant(CLAIM, |history| {
        for call in &mut history.calls {
            if let Outcome::Ok(Seen::Admission { until }) = &mut call.outcome {
                *until = 5 * SECOND;
            }
        }
    });
}

#[test]
fn what_cannot_be_looked_at_is_not_proved() {
    let mut history = right();
    history.stage.gated = false;
    history.stage.exclusive = false;
    history.end.charges = None;
    history.end.captured = None;
    let open = check(&history).into_iter().filter(|verdict| matches!(verdict.finding, Finding::NotChecked { .. }));
    assert_eq!(open.count(), 6);
}
