#![expect(clippy::float_arithmetic, reason = "distances on a plan")]

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const SEAT_UNITS: u32 = 2;
const ROW_UNITS: u32 = 3;

/// Rows drawn one under the other: `.` a seat that is free, `x` one that is taken, `w` a free wheelchair place, `c` a free
/// place beside one; a space is an aisle.
fn drawn(id: &str, rows: &[String], y: u32) -> (Section, HashSet<SeatId>) {
    let mut section = Section { id: id.parse().unwrap(), name: id.to_owned(), rows: Vec::new() };
    let mut free = HashSet::new();
    for (number, drawing) in (0u32..).zip(rows) {
        let mut row =
            Row { id: format!("r{number}").parse().unwrap(), label: String::new(), whole: false, seats: vec![] };
        for (x, state) in (0u32..).zip(drawing.chars()).filter(|(_, state)| *state != ' ') {
            let seat = Seat {
                name: (row.seats.len() + 1).to_string().parse().unwrap(),
                label: String::new(),
                x: f64::from(x * SEAT_UNITS),
                y: f64::from(y + number * ROW_UNITS),
                category: "a".parse().unwrap(),
                accessible: state == 'w',
                companion: state == 'c',
                obstructed_view: false,
            };
            if state != 'x' {
                free.insert(SeatId { section: section.id.clone(), row: row.id.clone(), seat: seat.name.clone() });
            }
            row.seats.push(seat);
        }
        section.rows.push(row);
    }
    (section, free)
}

fn ask(quantity: u32) -> Ask {
    Ask { quantity, categories: None, section: None, accessible: false, split: false }
}

fn id(section: &Section, row: &Row, seat: usize) -> SeatId {
    SeatId { section: section.id.clone(), row: row.id.clone(), seat: row.seats[seat].name.clone() }
}

fn best(rows: &[&str], ask: &Ask) -> Vec<String> {
    let rows: Vec<String> = rows.iter().map(|row| (*row).to_owned()).collect();
    let (section, free) = drawn("s", &rows, 0);
    let block = best_block(&section, ask, |row, seat| free.contains(&id(&section, row, seat)));
    block.unwrap_or_default().iter().map(|seat| format!("{}:{}", seat.row, seat.seat)).collect()
}

#[test]
fn a_price_is_a_bound_on_categories() {
    let prices =
        [("stalls", 500), ("circle", 300), ("gods", 100)].map(|(id, minor)| (id.parse().unwrap(), minor)).into();
    let request = |category: Option<&str>, max_price_minor| Request {
        quantity: 2,
        category: category.map(|id| id.parse().unwrap()),
        section: None,
        max_price_minor,
        accessible: false,
        split: false,
    };
    let found = |category, most| {
        let categories = request(category, most).ask(&prices).categories.unwrap();
        categories.into_iter().map(|it| it.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(found(None, None), "circle gods stalls");
    assert_eq!(found(None, Some(300)), "circle gods");
    assert_eq!(found(Some("stalls"), None), "stalls");
    assert_eq!(found(Some("stalls"), Some(499)), "");
    assert_ne!(request(None, Some(1)).fingerprint(), request(None, Some(2)).fingerprint());
    let none = Request { quantity: 0, ..request(None, None) };
    assert!(matches!(none.ask(&prices).check(), Err(Refusal::BadRequest(_))));
}

#[test]
fn an_empty_house_gives_the_middle_of_the_front() {
    assert_eq!(best(&["..........", ".........."], &ask(2)), ["r0:5", "r0:6"]);
}

#[test]
fn no_single_seat_is_left_where_that_can_be_avoided() {
    // Five free seats: the middle two would leave a single on one side.
    assert_eq!(best(&["....."], &ask(2)), ["r0:1", "r0:2"]);
    // Another row leaves none.
    assert_eq!(best(&["...", "xx.."], &ask(2)), ["r1:3", "r1:4"]);
    // Where every choice leaves one, one is taken all the same.
    assert_eq!(best(&["..."], &ask(2)).len(), 2);
}

#[test]
fn an_aisle_divides_a_row() {
    assert_eq!(best(&[".. .."], &ask(3)), [""; 0]);
    assert_eq!(best(&[".. .."], &ask(2)).len(), 2);
}

#[test]
fn wheelchair_places_are_given_only_to_who_asks_and_with_the_place_beside_them() {
    assert_eq!(best(&["wc."], &ask(2)), [""; 0]);
    let with = |quantity| Ask { accessible: true, ..ask(quantity) };
    assert_eq!(best(&["wc."], &with(2)), ["r0:1", "r0:2"]);
    assert_eq!(best(&["..w.wc"], &with(2)), ["r0:5", "r0:6"], "though others are nearer");
    assert_eq!(best(&["wcw.", "wc..."], &with(3)), ["r1:1", "r1:2", "r1:3"], "one wheelchair place is enough");
    assert_eq!(best(&["w."], &with(2)).len(), 2, "nobody's place is beside it: better than none");
}

#[test]
fn a_table_is_taken_whole_by_as_many_as_it_seats() {
    let (mut section, _) = drawn("s", &["....".to_owned()], 0);
    section.rows[0].whole = true;
    assert_eq!(best_block(&section, &ask(2), |_, _| true), None);
    assert_eq!(best_block(&section, &ask(4), |_, seat| seat > 0), None);
    assert_eq!(best_block(&section, &ask(4), |_, _| true).map(|seats| seats.len()), Some(4));
}

#[test]
fn rows_are_split_only_when_that_is_asked_for_and_needed() {
    let rows = ["..xx..", "xx...x"];
    assert_eq!(best(&rows, &ask(5)), [""; 0]);
    let apart = |quantity| Ask { split: true, ..ask(quantity) };
    assert_eq!(best(&rows, &apart(5)), ["r1:3", "r1:4", "r1:5", "r0:5", "r0:6"]);
    assert_eq!(best(&rows, &apart(3)), ["r1:3", "r1:4", "r1:5"]);
    assert_eq!(best(&["..x..", "xxxxx"], &apart(4)), ["r0:1", "r0:2", "r0:4", "r0:5"], "two and two, nobody alone");
    assert_eq!(best(&rows, &apart(8)), [""; 0], "seven are free");
}

/// Whether no aisle is between two seats of a row that follow each other.
fn is_beside(row: &Row, a: usize, b: usize) -> bool {
    let gaps = row.seats.windows(2).map(|pair| pair[1].x - pair[0].x);
    (row.seats[a].x - row.seats[b].x).abs() < gaps.fold(f64::INFINITY, f64::min) * 1.9
}

#[test]
fn choices_are_as_good_but_for_the_distance_and_share_no_seat() {
    let (section, _) = drawn("s", &["......".to_owned(), "......".to_owned(), "...".to_owned()], 0);
    let picks = |choices| {
        let ask = ask(2);
        let mut search = Search::new(&ask, None).with_choices(choices);
        search.look(&section, |_, _| true);
        (0..4).map(|pick| search.clone().found(pick).unwrap()).collect::<Vec<_>>()
    };
    assert!(picks(1).iter().all(|seats| *seats == picks(1)[0]));
    let seats: Vec<SeatId> = picks(4).concat();
    assert_eq!(seats.iter().collect::<HashSet<_>>().len(), 8);
    assert_eq!(seats[..2], picks(1)[0]);
}

/// What may be had, found by trying every seat as a beginning: with the singles that taking it would make, counted over
/// the whole plan before and after.
fn every_block(sections: &[(Section, HashSet<SeatId>)], quantity: usize, focus: Point) -> Vec<(i64, f64)> {
    let singles = |section: &Section, free: &HashSet<SeatId>| {
        let neighbour = |row: &Row, at: usize, other: Option<usize>| {
            let other = other.filter(|&other| other < row.seats.len());
            other.is_some_and(|other| is_beside(row, at, other) && free.contains(&id(section, row, other)))
        };
        let mut count = 0i64;
        for row in &section.rows {
            for at in (0..row.seats.len()).filter(|&at| free.contains(&id(section, row, at))) {
                count += i64::from(!neighbour(row, at, at.checked_sub(1)) && !neighbour(row, at, Some(at + 1)));
            }
        }
        count
    };
    let mut found = Vec::new();
    for (section, free) in sections {
        for row in &section.rows {
            for first in 0..row.seats.len() {
                let seats: Vec<usize> = (first..row.seats.len()).take(quantity).collect();
                let near = |pair: &[usize]| is_beside(row, pair[0], pair[1]);
                let is_common = |seat: &Seat| !(seat.accessible || seat.companion);
                let good = |&at: &usize| free.contains(&id(section, row, at)) && is_common(&row.seats[at]);
                if seats.len() < quantity || !seats.windows(2).all(near) || !seats.iter().all(good) {
                    continue;
                }
                let mut left = free.clone();
                for &at in &seats {
                    assert!(left.remove(&id(section, row, at)));
                }
                let x = middle(&row.seats[first..first + seats.len()]).0;
                let made = singles(section, &left) - singles(section, free);
                found.push((made, (x - focus.0).hypot(row.seats[first].y - focus.1)));
            }
        }
    }
    found
}

/// Where a section begins, from `focus`.
fn nearest_of(section: &Section, focus: Point) -> f64 {
    let seats = section.rows.iter().flat_map(|row| &row.seats);
    seats.map(|seat| (seat.x - focus.0).hypot(seat.y - focus.1)).fold(f64::INFINITY, f64::min)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Against brute force: seats are found whenever there are any; they leave a single seat only where every choice
    /// would; and of those that leave as few, none is nearer. Sections that begin further away are not looked at for it.
    #[test]
    fn what_is_best_is_what_trying_everything_finds(
        sections in prop::collection::vec(prop::collection::vec("[.x wc]{1,8}", 1..4), 1..4),
        quantity in 1u32..5,
        focus in (0u32..16, 0u32..40),
    ) {
        let focus = (f64::from(focus.0), f64::from(focus.1));
        let mut sections: Vec<_> = (0u32..).zip(&sections).map(|(n, rows)| drawn(&format!("s{n}"), rows, n * 12)).collect();
        let mut every = every_block(&sections, usize::try_from(quantity).unwrap(), focus);
        for (singles, _) in &mut every {
            *singles = (*singles).max(0);
        }
        every.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        sections.sort_by(|a, b| nearest_of(&a.0, focus).total_cmp(&nearest_of(&b.0, focus)));
        let ask = ask(quantity);
        let mut search = Search::new(&ask, Some(focus));
        for (section, free) in &sections {
            // The middle of a block may be nearer than the nearest seat, but not by more than half a row.
            if search.is_over(nearest_of(section, focus) - 4.0 * f64::from(SEAT_UNITS)) {
                break;
            }
            search.look(section, |row, seat| free.contains(&id(section, row, seat)));
        }
        let badness = search.best.first().map(|(badness, _)| *badness);
        prop_assert_eq!(badness.is_some(), !every.is_empty());
        let Some(seats) = search.found(0) else { return Ok(()) };
        let (section, free) = sections.iter().find(|(section, _)| section.id == seats[0].section).unwrap();
        prop_assert!(seats.iter().all(|seat| free.contains(seat)));
        let taken = vec![(section.clone(), seats.iter().cloned().collect::<HashSet<_>>())];
        prop_assert_eq!(every_block(&taken, seats.len(), focus).len(), 1, "side by side: {:?}", seats);
        let badness = badness.unwrap();
        prop_assert_eq!(i64::try_from(badness.singles).unwrap(), every[0].0);
        prop_assert!((badness.distance - every[0].1).abs() < 1e-9, "{badness:?} {every:?}");
    }

    /// Split or not, whoever asks for no more than there is gets it, of what is free, once.
    #[test]
    fn split_rows_give_whatever_is_left(rows in prop::collection::vec("[.x ]{1,8}", 1..4), quantity in 1u32..10) {
        let (section, free) = drawn("s", &rows, 0);
        let ask = Ask { split: true, ..ask(quantity) };
        let found = best_block(&section, &ask, |row, seat| free.contains(&id(&section, row, seat)));
        let wanted = usize::try_from(quantity).unwrap();
        prop_assert_eq!(found.is_some(), free.len() >= wanted);
        let seats: HashSet<SeatId> = found.unwrap_or_default().into_iter().collect();
        prop_assert!(seats.is_empty() || seats.len() == wanted);
        prop_assert!(seats.is_subset(&free));
    }
}
