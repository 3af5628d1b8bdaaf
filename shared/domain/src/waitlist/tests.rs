use std::{collections::HashSet, sync::Arc};

use proptest::prelude::*;

use super::{
    house::{Found, House, awaited_in},
    *,
};
use crate::{
    availability::{SeatState, SectionAvailability, pack},
    booking::Reason,
    ids::SeatId,
    plan::{Row, Seat, Section},
    settlement::tests::booking,
};

fn instant(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap()
}

fn wish(quantity: u32, category: Option<&str>) -> Wish {
    Wish { quantity, category: category.map(|it| it.parse().unwrap()), accessible: false }
}

fn accessible(quantity: u32) -> Wish {
    Wish { accessible: true, ..wish(quantity, None) }
}

fn new(buyer: &str, wish: Wish, ms: i64) -> Entry {
    Entry {
        show: "shw_00000000000070008000000000000001".parse().unwrap(),
        starts_at: instant(9_000_000),
        buyer: buyer.parse().unwrap(),
        email: None,
        wish,
        joined_at: instant(ms),
        state: State::Waiting,
        version: 1,
    }
}

fn id(number: u8) -> BookingId {
    format!("bkg_000000000000800080000000000000{number:02x}").parse().unwrap()
}

#[test]
fn a_name_keeps_its_place_while_it_waits_and_comes_last_once_it_was_off() {
    let first = new("ada", wish(2, None), 1_000);
    assert_eq!(join(None, first.clone()), Ok(Step::Write(first.clone())));
    assert_eq!(join(Some(&first), new("ada", wish(2, None), 5_000)), Ok(Step::Stands(first.clone())));
    let Ok(Step::Write(other)) = join(Some(&first), new("ada", wish(1, None), 5_000)) else { panic!() };
    assert_eq!(
        (other.joined_at, other.wish.quantity, other.version),
        (instant(1_000), 1, 2),
        "another wish, same place"
    );
    let offered = first.offered(id(1));
    assert_eq!(join(Some(&offered), first.clone()), Ok(Step::Stands(offered.clone())));
    assert_eq!(join(Some(&offered), new("ada", wish(1, None), 5_000)), Err(Refusal::OfferOpen(id(1))));
    for state in [State::Left, State::Lapsed(id(1)), State::Fulfilled(id(1))] {
        let ended = Entry { state, version: 3, ..first.clone() };
        let Ok(Step::Write(again)) = join(Some(&ended), new("ada", wish(2, None), 5_000)) else { panic!("{state:?}") };
        assert_eq!((again.joined_at, again.state, again.version), (instant(5_000), State::Waiting, 4), "{state:?}");
        // By a clock that is behind, still later than before: another arrival is another offer.
        let Ok(Step::Write(again)) = join(Some(&ended), new("ada", wish(2, None), 500)) else { panic!("{state:?}") };
        assert_eq!(again.joined_at, instant(1_001));
        assert_ne!(again.booking_id(b"secret"), ended.booking_id(b"secret"));
    }
}

#[test]
fn a_name_is_taken_off_unless_an_offer_is_open() {
    let waiting = new("ada", wish(2, None), 1_000);
    let Ok(Step::Write(left)) = leave(&waiting) else { panic!() };
    assert_eq!((left.state, left.version), (State::Left, 2));
    assert_eq!(leave(&left), Ok(Step::Stands(left.clone())));
    assert_eq!(leave(&waiting.offered(id(1))), Err(Refusal::OfferOpen(id(1))));
}

#[test]
fn an_offer_becomes_what_its_booking_became() {
    let offered = new("ada", wish(2, None), 1_000).offered(id(1));
    let after = |booking: Option<Booking>| settled(&offered, booking.as_ref()).map(|entry| entry.state);
    let mut refunded = booking(Status::Cancelled(Reason::Buyer));
    refunded.payment.captured_at = Some(instant(2_000));
    let cases = [
        (Some(booking(Status::Pending)), None),
        (Some(booking(Status::Confirmed)), Some(State::Fulfilled(id(1)))),
        (Some(refunded), Some(State::Fulfilled(id(1)))),
        (Some(booking(Status::Cancelled(Reason::Expired))), Some(State::Lapsed(id(1)))),
        (Some(booking(Status::Cancelled(Reason::Released))), Some(State::Lapsed(id(1)))),
        (Some(booking(Status::Cancelled(Reason::PaymentFailed))), Some(State::Lapsed(id(1)))),
        (None, Some(State::Lapsed(id(1)))),
    ];
    for (booking, expected) in cases {
        assert_eq!(after(booking.clone()), expected, "{booking:?}");
    }
    assert_eq!(settled(&new("ada", wish(2, None), 1_000), None), None, "what is no offer does not end like one");
}

#[test]
fn wishes_say_each_thing_once() {
    let all: Wishes = [wish(2, Some("a")), wish(4, Some("a")), wish(3, Some("b"))].into_iter().collect();
    assert_eq!(all.iter().cloned().collect::<Vec<_>>(), [wish(2, Some("a")), wish(3, Some("b"))]);
    for (asked, covered) in [
        (wish(2, Some("a")), true),
        (wish(5, Some("a")), true),
        (wish(1, Some("a")), false),
        (wish(2, None), false),
        (wish(2, Some("c")), false),
        (accessible(2), false),
    ] {
        assert_eq!(all.cover(&asked), covered, "{asked:?}");
    }
    let mut all = all;
    all.add(wish(1, None));
    assert_eq!(all.iter().cloned().collect::<Vec<_>>(), [wish(1, None)], "one of any kind says all of it");
    assert!(all.await_places(&"a".parse().unwrap(), 1) && !all.await_places(&"a".parse().unwrap(), 0));
    // A smaller block with a wheelchair place need not be part of a larger one.
    let both: Wishes = [accessible(2), accessible(3)].into_iter().collect();
    assert_eq!(both.iter().count(), 2);
}

fn section(id: &str, rows: &[&str]) -> Section {
    // A letter is a seat's category; an upper-case one is a wheelchair place.
    let seat = |(number, letter): (usize, char)| Seat {
        name: number.to_string().parse().unwrap(),
        label: number.to_string(),
        x: f64::from(u32::try_from(number).unwrap()),
        y: 0.0,
        category: letter.to_ascii_lowercase().to_string().parse().unwrap(),
        accessible: letter.is_ascii_uppercase(),
        companion: false,
        obstructed_view: false,
    };
    let row = |(number, seats): (usize, &&str)| Row {
        id: number.to_string().parse().unwrap(),
        label: number.to_string(),
        whole: false,
        seats: seats.chars().enumerate().map(seat).collect(),
    };
    Section { id: id.parse().unwrap(), name: id.to_owned(), rows: rows.iter().enumerate().map(row).collect() }
}

/// The map of `section`, where only the seats in `free` are free.
fn states(section: &Section, free: impl Fn(usize, usize) -> bool) -> SectionAvailability {
    let mut states = SectionAvailability::default();
    for (number, row) in section.rows.iter().enumerate() {
        let sold = row.seats.iter().enumerate().filter(|(seat, _)| !free(number, *seat));
        let sold = sold.map(|(_, seat)| (seat.name.clone(), SeatState::Sold)).collect();
        states.rows.insert(row.id.clone(), pack(row, &sold, String::new()));
    }
    states
}

fn house(section: &Section, free: impl Fn(usize, usize) -> bool) -> House {
    let mut house = House::default();
    house.add_section(Arc::new(section.clone()), &states(section, free), &HashSet::new());
    house
}

fn seats(found: Option<Found>) -> Vec<String> {
    match found {
        Some(Found::Seats(seats)) => seats.iter().map(ToString::to_string).collect(),
        Some(Found::Places(area, quantity)) => vec![format!("{area}×{quantity}")],
        None => Vec::new(),
    }
}

#[test]
fn a_house_gives_blocks_then_places_and_nothing_twice() {
    let section = section("s", &["aab", "aa"]);
    let mut house = house(&section, |row, _| row == 0);
    house.add_area("pit".parse().unwrap(), "b".parse().unwrap(), 3);
    for (wanted, expected) in [
        (wish(2, Some("b")), vec!["pit×2"]),
        (wish(2, Some("a")), vec!["s:0:0", "s:0:1"]),
        (wish(2, None), vec![]),
        (wish(1, Some("b")), vec!["s:0:2"]),
        (wish(1, Some("b")), vec!["pit×1"]),
        (wish(1, Some("b")), vec![]),
    ] {
        let found = house.find(&wanted);
        if let Some(found) = &found {
            house.take(found);
        }
        assert_eq!(seats(found), expected, "{wanted:?}");
    }
    assert!(!house.fits_any(&[wish(1, None)].into_iter().collect()));
}

#[test]
fn what_came_back_a_moment_ago_is_free_whatever_the_map_shows() {
    let section = section("s", &["aa"]);
    let mut house = House::default();
    let freed: HashSet<SeatId> = ["s:0:1".parse().unwrap()].into();
    house.add_section(Arc::new(section.clone()), &states(&section, |_, _| false), &freed);
    assert_eq!(seats(house.find(&wish(1, None))), ["s:0:1"]);
    house.take_seat(&"s:0:1".parse().unwrap());
    assert!(!house.fits_any(&[wish(1, None)].into_iter().collect()), "and it is taken like any other");
}

#[test]
fn what_nobody_waits_for_is_on_sale() {
    let section = section("s", &["aaa", "Ab"]);
    // Two free seats side by side and a single one; a wheelchair place and one beside it.
    let house = house(&section, |row, seat| row == 1 || seat != 1);
    for (waiting, asked, on_sale) in [
        (vec![], wish(1, None), true),
        (vec![wish(1, None)], wish(1, None), false),
        (vec![wish(2, Some("a"))], wish(1, Some("a")), true),
        (vec![wish(1, Some("a"))], wish(1, Some("b")), true),
        (vec![wish(1, Some("b"))], wish(1, Some("b")), false),
        (vec![wish(1, None)], accessible(1), true),
        (vec![accessible(2)], accessible(1), false),
        (vec![accessible(2)], wish(1, Some("a")), true),
        (vec![], wish(4, None), false),
    ] {
        let wishes: Wishes = waiting.iter().cloned().collect();
        assert_eq!(house.sells(&asked, &wishes), on_sale, "{waiting:?} wait, {asked:?}");
    }
}

/// Every run of `quantity` free seats in a row of `free`, by trying them all.
fn blocks(free: &[bool], quantity: usize) -> Vec<std::ops::Range<usize>> {
    (0..=free.len().saturating_sub(quantity))
        .map(|from| from..from + quantity)
        .filter(|block| block.end <= free.len() && free[block.clone()].iter().all(|&free| free))
        .collect()
}

proptest! {
    /// Against the list of all blocks: whoever comes first among those that what is left fits is served, from what is
    /// left, and is given nothing that somebody else was given.
    #[test]
    fn the_first_who_fits_is_served_and_no_seat_twice(
        free in prop::collection::vec(any::<bool>(), 1..16), wanted in prop::collection::vec(1u32..5, 0..8),
    ) {
        let section = section("s", &["a".repeat(free.len()).as_str()]);
        let mut house = house(&section, |_, seat| free[seat]);
        let mut left = free;
        for quantity in wanted {
            let exists = !blocks(&left, usize::try_from(quantity).unwrap()).is_empty();
            let found = house.find(&wish(quantity, None));
            prop_assert_eq!(found.is_some(), exists, "{} of {:?}", quantity, &left);
            let Some(Found::Seats(seats)) = found else { continue };
            house.take(&Found::Seats(seats.clone()));
            prop_assert_eq!(seats.len(), usize::try_from(quantity).unwrap());
            for seat in seats {
                let number: usize = seat.seat.as_str().parse().unwrap();
                prop_assert!(std::mem::replace(&mut left[number], false), "{} was given before", number);
            }
        }
    }

    /// Against the list of all blocks: a seat is kept when it is in one that somebody waits for, and only then. So what
    /// is kept can always be offered, and what is not kept could not be.
    #[test]
    fn a_seat_is_kept_exactly_when_somebody_could_be_given_it(
        free in prop::collection::vec(any::<bool>(), 1..16), wanted in prop::collection::vec(1u32..6, 0..4),
    ) {
        let section = section("s", &["a".repeat(free.len()).as_str()]);
        let wishes: Wishes = wanted.iter().map(|&quantity| wish(quantity, None)).collect();
        let kept = awaited_in(&section.rows[0], &wishes, |seat| free[seat]);
        let mut expected = vec![false; free.len()];
        for block in wanted.iter().flat_map(|&quantity| blocks(&free, usize::try_from(quantity).unwrap())) {
            expected[block].fill(true);
        }
        prop_assert_eq!(kept, expected);
        let sells = |quantity| house(&section, |_, seat| free[seat]).sells(&wish(quantity, None), &wishes);
        for quantity in wanted {
            prop_assert!(!sells(quantity), "what somebody waits for is not on sale");
        }
    }
}
