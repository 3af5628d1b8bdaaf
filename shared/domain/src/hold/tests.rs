use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{booking::Reason, catalogue::WaitingRoom};

const CAP: u32 = 6;
const TERMS: Terms = Terms::within(CAP);

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    instant("2026-11-22T15:00:00Z")
}

fn seat(number: u32) -> SeatId {
    format!("A:1:{number}").parse().unwrap()
}

fn area(name: &str) -> AreaId {
    name.parse().unwrap()
}

fn id(number: u32) -> BookingId {
    format!("bkg_0000000000008000800000000000{number:04x}").parse().unwrap()
}

fn seats(numbers: impl IntoIterator<Item = u32>) -> Vec<SeatId> {
    numbers.into_iter().map(seat).collect()
}

fn show() -> Show {
    let price = |category: &str, minor| (category.parse().unwrap(), minor);
    Show {
        id: "shw_00000000000070008000000000000001".parse().unwrap(),
        event: "evt_00000000000070008000000000000001".parse().unwrap(),
        venue: "ven_00000000000070008000000000000001".parse().unwrap(),
        plan_version: 1,
        owner: "organiser".parse().unwrap(),
        starts_at: instant("2026-12-01T19:00:00Z"),
        time_zone: "Asia/Kolkata".to_owned(),
        on_sale_at: instant("2026-11-22T12:00:00Z"),
        status: ShowStatus::OnSale,
        currency: "INR".parse().unwrap(),
        prices: BTreeMap::from([price("silver", 12_800), price("standing", 10_000)]),
        max_seats_per_buyer: None,
        hold_ttl_seconds: None,
        waiting_room: WaitingRoom::default(),
        refund_policy: crate::refund::Policy::default(),
        orphan_rule: crate::orphan::OrphanRule::default(),
        overbooking_percent: 0,
        wishes: crate::waitlist::Wishes::default(),
        created_at: now(),
        version: 1,
    }
}

fn claimant(number: u32) -> Claimant {
    let ttl = SignedDuration::from_mins(10);
    Claimant { id: id(number), buyer: "ada".parse().unwrap(), email: None, ttl, cap: CAP, code: None, admission: None }
}

/// Row A:1 has seats 1 to 20, all silver; seat 13 is of a category without a price; the pit is in shard 3.
fn decide_on(wish: &Wish, claimant: Claimant) -> Result<Booking, Refusal> {
    let categories = |seat: &SeatId| {
        let number: u32 = seat.seat.as_str().parse().ok()?;
        let category = if number == 13 { "gold" } else { "silver" };
        (1..=20).contains(&number).then(|| category.parse().unwrap())
    };
    let areas = |area: &AreaId| (area.as_str() == "pit").then(|| ("standing".parse().unwrap(), 3));
    decide(&show(), wish, claimant, categories, areas, now())
}

fn held(number: u32, numbers: impl IntoIterator<Item = u32>) -> Booking {
    decide_on(&Wish::new(seats(numbers), vec![]).unwrap(), claimant(number)).unwrap()
}

#[test]
fn a_wish_is_for_one_to_ten_places_and_nothing_twice() {
    let pit = |quantity| (area("pit"), quantity);
    let cases = [
        (seats([]), vec![], false),
        (seats([1]), vec![], true),
        (seats(1..=10), vec![], true),
        (seats(1..=11), vec![], false),
        (seats([1, 2, 1]), vec![], false),
        (seats([]), vec![pit(10)], true),
        (seats([]), vec![pit(11)], false),
        (seats([]), vec![pit(0)], false),
        (seats([1]), vec![pit(0)], false),
        (seats(1..=4), vec![pit(6)], true),
        (seats(1..=5), vec![pit(6)], false),
        (seats([]), vec![pit(1), pit(2)], false),
        (seats([]), vec![pit(1), (area("hill"), 2)], true),
        (seats([]), vec![pit(u32::MAX), (area("hill"), u32::MAX)], false),
    ];
    for (seats, areas, good) in cases {
        let wish = Wish::new(seats.clone(), areas.clone());
        assert_eq!(wish.is_ok(), good, "{seats:?} {areas:?}");
        assert!(good || matches!(wish, Err(Refusal::BadRequest(_))), "{wish:?}");
    }
}

#[test]
fn another_wish_has_another_fingerprint() {
    let wishes = [
        Wish::new(seats([1, 2]), vec![]),
        Wish::new(seats([2, 1]), vec![]),
        Wish::new(seats([1]), vec![]),
        Wish::new(seats([1, 2]), vec![(area("pit"), 1)]),
        Wish::new(seats([1, 2]), vec![(area("pit"), 2)]),
        Wish::new(seats([12]), vec![]),
        Wish::new(seats([]), vec![(area("pit"), 1)]),
    ];
    let fingerprints: Vec<[u8; 16]> = wishes.iter().map(|wish| wish.as_ref().unwrap().fingerprint()).collect();
    for (n, one) in fingerprints.iter().enumerate() {
        assert_eq!(fingerprints.iter().filter(|other| *other == one).count(), 1, "wish {n}");
    }
    assert_eq!(Wish::new(seats([1, 2]), vec![]).unwrap().fingerprint(), fingerprints[0]);
}

#[test]
fn a_show_sells_from_its_opening_to_its_start_unless_somebody_stops_it() {
    let (early, open, late) = ("2026-11-22T11:59:59Z", "2026-11-22T12:00:00Z", "2026-12-01T19:00:00Z");
    let ahead = Err(Refusal::NotOnSale { on_sale_at: Some(instant(open)) });
    let over = Err(Refusal::NotOnSale { on_sale_at: None });
    let cases = [
        (ShowStatus::OnSale, early, ahead.clone()),
        (ShowStatus::OnSale, open, Ok(())),
        (ShowStatus::OnSale, "2026-12-01T18:59:59Z", Ok(())),
        (ShowStatus::OnSale, late, over.clone()),
        (ShowStatus::Paused, early, ahead),
        (ShowStatus::Paused, open, Err(Refusal::SalesPaused)),
        (ShowStatus::Paused, late, over.clone()),
        (ShowStatus::Closed, open, over.clone()),
        (ShowStatus::Closed, early, over.clone()),
        (ShowStatus::Cancelled, open, over),
    ];
    for (status, at, expected) in cases {
        assert_eq!(check_on_sale(&Show { status, ..show() }, None, instant(at)), expected, "{status:?} at {at}");
    }
}

#[test]
fn a_show_with_a_waiting_room_sells_to_whoever_is_let_in() {
    let gated = Show { waiting_room: WaitingRoom { enabled: true, ..WaitingRoom::default() }, ..show() };
    let until = |at: &str| Admission { id: AdmissionId(5), expires_at: instant(at) };
    let (live, over) = (until("2026-11-22T15:00:01Z"), until("2026-11-22T15:00:00Z"));
    assert_eq!(now(), instant("2026-11-22T15:00:00Z"));
    assert_eq!(check_on_sale(&gated, Some(&live), now()), Ok(()));
    for refused in [None, Some(&over)] {
        assert_eq!(check_on_sale(&gated, refused, now()), Err(Refusal::AdmissionRequired));
    }
    let paused = Show { status: ShowStatus::Paused, ..gated };
    assert_eq!(check_on_sale(&paused, Some(&live), now()), Err(Refusal::SalesPaused));
}

#[test]
fn the_table_must_know_the_admission_too() {
    let claim = held(1, [5]);
    let terms = Terms::under(CAP, AdmissionId(5), now());
    let tally = |id, at: &str, spent| {
        let admission = Some(Admission { id: AdmissionId(id), expires_at: instant(at) });
        Tally { admission, spent, ..Tally::default() }
    };
    let verdict = |tally: Tally| {
        let permitted = terms.permit(&tally, 1);
        (permitted, judge(&claim, &terms, &Obstacles { tally: Some(tally), ..Obstacles::default() }, &[], now()))
    };
    assert_eq!(verdict(tally(5, "2026-11-22T15:00:01Z", false)), (true, Verdict::Again));
    let refused = (false, Verdict::Refuse(Refusal::AdmissionRequired));
    for (what, tally) in [
        ("revoked", Tally::default()),
        ("expired", tally(5, "2026-11-22T15:00:00Z", false)),
        ("spent", tally(5, "2026-11-22T15:00:01Z", true)),
        ("another", tally(6, "2026-11-22T15:00:01Z", false)),
    ] {
        assert_eq!(verdict(tally), refused, "{what}");
    }
    let full = Tally { total: CAP, ..tally(5, "2026-11-22T15:00:00Z", false) };
    assert_eq!(verdict(full), refused, "whoever may not be here is not told of a limit");
}

#[test]
fn a_hold_has_the_prices_of_its_moment_and_ends_in_time() {
    let booking = decide_on(&Wish::new(seats([2, 1]), vec![(area("pit"), 3)]).unwrap(), claimant(1)).unwrap();
    assert_eq!(booking.seats.iter().map(|line| line.seat.clone()).collect::<Vec<_>>(), seats([2, 1]), "request order");
    assert_eq!(booking.total().amount_minor, 2 * 12_800 + 3 * 10_000);
    assert_eq!(booking.areas[0].shard, 3);
    let ends = instant("2026-11-22T15:10:00Z");
    assert_eq!((booking.status, booking.expires_at, booking.due_at), (Status::Pending, ends, Some(ends)));
    assert_eq!((booking.places(), booking.version), (5, 1));
}

#[test]
fn all_that_the_plan_lacks_is_named() {
    let wish = Wish::new(seats([1, 21, 13, 99]), vec![(area("moon"), 1)]).unwrap();
    let named = ["A:1:21", "A:1:13", "A:1:99", "moon"].map(str::to_owned).to_vec();
    assert_eq!(decide_on(&wish, claimant(1)), Err(Refusal::UnknownSeat(named)));
}

#[test]
fn a_wish_beyond_the_cap_is_refused_before_the_table_is_asked() {
    let wish = Wish::new(seats(1..=6), vec![(area("pit"), 1)]).unwrap();
    assert_eq!(decide_on(&wish, claimant(1)), Err(Refusal::BuyerLimit { limit: CAP, held: 0 }));
}

/// A holder of seat `number` in each state that a claimer may find it in.
fn holder(number: u32, status: Status, overdue: bool) -> Booking {
    let mut booking = held(number, [number]);
    booking.status = status;
    if overdue {
        booking.expires_at = shift(now(), SignedDuration::from_secs(-1));
    }
    booking
}

fn met_seats(met: &[(u32, Taken)]) -> Obstacles {
    Obstacles { seats: met.iter().map(|&(number, taken)| (seat(number), taken)).collect(), ..Obstacles::default() }
}

fn unavailable(numbers: &[u32]) -> Verdict {
    Verdict::Refuse(Refusal::SeatUnavailable(numbers.iter().map(|&n| Unavailable::Seat(seat(n))).collect()))
}

#[test]
fn a_seat_is_refused_ended_or_tried_again_by_what_has_become_of_its_holder() {
    let claim = held(1, [5, 6]);
    let holders = [
        holder(2, Status::Pending, false),
        holder(3, Status::Pending, true),
        holder(4, Status::Cancelled(Reason::Released), true),
        holder(5, Status::Confirmed, true),
    ];
    let held_by = |n| Taken::Held(id(n));
    let cases = [
        ("a live hold", vec![(5, held_by(2))], unavailable(&[5])),
        ("a hold nobody can read", vec![(5, held_by(9))], unavailable(&[5])),
        ("an overdue hold", vec![(5, held_by(3))], Verdict::End(vec![id(3)])),
        ("a hold that is gone since", vec![(5, held_by(4))], Verdict::Again),
        ("a hold that is sold since", vec![(5, held_by(5))], Verdict::Again),
        ("a sale", vec![(5, Taken::Sold(id(5)))], unavailable(&[5])),
        ("a house seat", vec![(6, Taken::Blocked)], unavailable(&[6])),
        ("in request order", vec![(6, Taken::Blocked), (5, held_by(2))], unavailable(&[5, 6])),
        (
            "one overdue, one live: only the live one is named",
            vec![(5, held_by(3)), (6, held_by(2))],
            unavailable(&[6]),
        ),
        ("two of one overdue hold", vec![(5, held_by(3)), (6, held_by(3))], Verdict::End(vec![id(3)])),
        ("one gone, one overdue", vec![(5, held_by(4)), (6, held_by(3))], Verdict::End(vec![id(3)])),
        ("nothing", vec![], Verdict::Again),
    ];
    for (what, met, verdict) in cases {
        assert_eq!(judge(&claim, &TERMS, &met_seats(&met), &holders, now()), verdict, "{what}");
    }
}

#[test]
fn an_earlier_grant_is_judged_before_all_else() {
    let claim = held(1, [5]);
    let mut met = met_seats(&[(5, Taken::Held(claim.id))]);
    met.own = Some(claim.clone());
    met.tally = Some(Tally { total: CAP, bookings: vec![(claim.id, CAP)], ..Tally::default() });
    let mut ended = claim.clone();
    ended.status = Status::Cancelled(Reason::Expired);
    for own in [claim.clone(), ended] {
        met.own = Some(own.clone());
        assert_eq!(judge(&claim, &TERMS, &met, &[], now()), Verdict::Replay(Box::new(own)), "whatever became of it");
    }
    met.own = Some(Booking { fingerprint: [9; 16], ..claim.clone() });
    assert_eq!(judge(&claim, &TERMS, &met, &[], now()), Verdict::Refuse(Refusal::IdempotencyMismatch));
}

#[test]
fn the_cap_is_judged_before_the_seats_and_lets_go_of_the_buyers_own_overdue_holds() {
    let claim = held(1, [5, 6]);
    let tally = |total| Some(Tally { total, bookings: vec![(id(2), 2), (id(3), total - 2)], ..Tally::default() });
    let taken = met_seats(&[(5, Taken::Sold(id(9)))]);
    let full = Obstacles { tally: tally(5), ..taken.clone() };
    let live = [holder(2, Status::Pending, false), holder(3, Status::Confirmed, true)];
    let refused = Verdict::Refuse(Refusal::BuyerLimit { limit: CAP, held: 5 });
    assert_eq!(judge(&claim, &TERMS, &full, &live, now()), refused);
    let overdue = [holder(2, Status::Pending, true), holder(3, Status::Confirmed, true)];
    assert_eq!(judge(&claim, &TERMS, &full, &overdue, now()), Verdict::End(vec![id(2)]), "a sale is not let go");
    let room = Obstacles { tally: tally(4), ..taken };
    assert_eq!(judge(&claim, &TERMS, &room, &overdue, now()), unavailable(&[5]), "four and two are six");
}

#[test]
fn an_area_that_lacks_places_is_looked_for_in_its_other_shards_after_the_seats() {
    let claim = held(1, [5]);
    let met = |seats: Obstacles| Obstacles { areas: vec![(area("pit"), 3, 0)], ..seats };
    let shards = Verdict::OtherShards(vec![area("pit")]);
    assert_eq!(judge(&claim, &TERMS, &met(Obstacles::default()), &[], now()), shards);
    assert_eq!(judge(&claim, &TERMS, &met(met_seats(&[(5, Taken::Blocked)])), &[], now()), unavailable(&[5]));
}

#[test]
fn the_bookings_to_read_are_the_holders_and_the_buyers_own_when_the_cap_refuses() {
    let claim = held(1, [5, 6, 7]);
    let mut met = met_seats(&[(5, Taken::Held(id(4))), (6, Taken::Sold(id(3))), (7, Taken::Held(id(4)))]);
    assert_eq!(met.holders(&claim, &TERMS), [id(4)]);
    met.tally = Some(Tally { total: 3, bookings: vec![(id(2), 3)], ..Tally::default() });
    assert_eq!(met.holders(&claim, &TERMS), [id(4)], "three and three are six");
    met.tally = Some(Tally { total: 4, bookings: vec![(id(2), 4)], ..Tally::default() });
    assert_eq!(met.holders(&claim, &TERMS), [id(2), id(4)]);
    assert!(Obstacles::default().is_empty() && !met.is_empty());
}

proptest! {
    #[test]
    fn a_spread_takes_exactly_what_is_wanted_and_never_more_than_a_shard_has(
        left in proptest::collection::vec(0u32..20, 0..20),
        quantity in 1u32..=20,
    ) {
        let shards: Vec<(u16, u32)> = (0u16..).zip(left.iter().copied()).collect();
        match spread(&shards, quantity) {
            None => prop_assert!(left.iter().sum::<u32>() < quantity),
            Some(parts) => {
                prop_assert_eq!(parts.iter().map(|&(_, part)| part).sum::<u32>(), quantity);
                for &(shard, part) in &parts {
                    prop_assert!(part > 0 && part <= left[usize::from(shard)]);
                    prop_assert_eq!(parts.iter().filter(|&&(other, _)| other == shard).count(), 1);
                }
                // One shard is enough whenever one has enough.
                let enough = left.iter().any(|&places| places >= quantity);
                prop_assert_eq!(parts.len() == 1, enough);
            }
        }
    }
}
