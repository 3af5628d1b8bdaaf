//! Best available: adjacent seats near the middle of the front, leaving no single seat behind where that can be avoided.

#![expect(clippy::float_arithmetic, reason = "distances on a plan")]

use sha2::{Digest as _, Sha256};

use crate::{
    Refusal,
    booking::PLACES_PER_HOLD_MAX,
    ids::{CategoryId, SeatId, SectionId},
    plan::{Row, Seat, Section},
};

/// Seats further apart than this many times the row's closest pair have an aisle between them.
const AISLE_FACTOR: f64 = 1.9;

/// What a buyer asks for without naming seats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// How many seats, side by side.
    pub quantity: u32,
    /// Only of this category.
    pub category: Option<CategoryId>,
    /// Only in this section.
    pub section: Option<SectionId>,
    /// With a wheelchair place among them. Without it, those places are left to who needs them.
    pub accessible: bool,
}

impl Ask {
    /// Checks the number.
    ///
    /// # Errors
    /// [`Refusal::BadRequest`] unless it is 1 to [`PLACES_PER_HOLD_MAX`].
    pub fn check(&self) -> Result<(), Refusal> {
        if (1..=PLACES_PER_HOLD_MAX).contains(&self.quantity) {
            return Ok(());
        }
        Err(Refusal::BadRequest(format!("quantity is a number from 1 to {PLACES_PER_HOLD_MAX}")))
    }

    /// A digest of all that is asked for: the same key with another ask is another request.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 16] {
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&Sha256::digest(format!("best {self:?}"))[..16]);
        fingerprint
    }

    fn suits(&self, seat: &Seat) -> bool {
        let category = self.category.as_ref().is_none_or(|category| *category == seat.category);
        category && (self.accessible || !(seat.accessible || seat.companion))
    }
}

/// A block of seats and how good it is: less is better.
struct Block {
    row: usize,
    start: usize,
    badness: (usize, usize),
}

/// The best block of `section`, by `is_free(row, seat index)`; `None` when it has none.
#[must_use]
pub fn best_block(section: &Section, ask: &Ask, is_free: impl Fn(&Row, usize) -> bool) -> Option<Vec<SeatId>> {
    let quantity = usize::try_from(ask.quantity).ok().filter(|&quantity| quantity > 0)?;
    let rows = section.rows.iter().enumerate();
    let blocks = rows.flat_map(|(index, row)| blocks(index, row, quantity, ask, &is_free));
    let best = blocks.min_by_key(|block| block.badness)?;
    let row = &section.rows[best.row];
    let seats = row.seats[best.start..best.start + quantity].iter();
    let id = |seat: &Seat| SeatId { section: section.id.clone(), row: row.id.clone(), seat: seat.name.clone() };
    Some(seats.map(id).collect())
}

/// Every block of a row that suits `ask`, as seat numbers.
pub(crate) fn fitting(row: &Row, ask: &Ask, is_free: impl Fn(&Row, usize) -> bool) -> Vec<std::ops::Range<usize>> {
    let Some(quantity) = usize::try_from(ask.quantity).ok().filter(|&quantity| quantity > 0) else { return Vec::new() };
    blocks(0, row, quantity, ask, &is_free).into_iter().map(|block| block.start..block.start + quantity).collect()
}

fn blocks(index: usize, row: &Row, quantity: usize, ask: &Ask, is_free: &impl Fn(&Row, usize) -> bool) -> Vec<Block> {
    let mut found = Vec::new();
    for (from, to) in runs(row, |seat| is_free(row, seat)) {
        for start in from..=to.saturating_sub(quantity) {
            let end = start + quantity;
            let seats = &row.seats[start..end.min(row.seats.len())];
            let enough = end <= to && (!ask.accessible || seats.iter().any(|seat| seat.accessible));
            if enough && seats.iter().all(|seat| ask.suits(seat)) {
                let singles = usize::from(start - from == 1) + usize::from(to - end == 1);
                // In half seats, so that an even block can sit in the very middle.
                let aside = (2 * start + quantity).abs_diff(row.seats.len());
                found.push(Block { row: index, start, badness: (singles, 4 * index * index + aside * aside) });
            }
        }
    }
    found
}

/// Stretches of adjacent free seats, as half-open ranges of indexes.
fn runs(row: &Row, is_free: impl Fn(usize) -> bool) -> Vec<(usize, usize)> {
    let apart = |a: &Seat, b: &Seat| (a.x - b.x).hypot(a.y - b.y);
    let closest = row.seats.windows(2).map(|pair| apart(&pair[0], &pair[1])).fold(f64::INFINITY, f64::min);
    let mut runs = Vec::new();
    let mut from = 0;
    for index in 0..=row.seats.len() {
        let taken = index == row.seats.len() || !is_free(index);
        let aisle = !taken && index > from && apart(&row.seats[index - 1], &row.seats[index]) > AISLE_FACTOR * closest;
        if taken || aisle {
            if index > from {
                runs.push((from, index));
            }
            from = if taken { index + 1 } else { index };
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn section(rows: &[usize]) -> Section {
        let seat = |index: usize| Seat {
            name: (index + 1).to_string().parse().unwrap(),
            label: (index + 1).to_string(),
            x: f64::from(u32::try_from(index).unwrap()),
            y: 0.0,
            category: "a".parse().unwrap(),
            accessible: false,
            companion: false,
            obstructed_view: false,
        };
        let rows = rows.iter().enumerate().map(|(index, &seats)| Row {
            id: format!("r{index}").parse().unwrap(),
            label: format!("{index}"),
            seats: (0..seats).map(seat).collect(),
        });
        Section { id: "s".parse().unwrap(), name: "S".to_owned(), rows: rows.collect() }
    }

    fn ask(quantity: u32) -> Ask {
        Ask { quantity, category: None, section: None, accessible: false }
    }

    fn texts(block: Option<Vec<SeatId>>) -> Vec<String> {
        block.unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_empty_house_gives_the_middle_of_the_front() {
        let block = best_block(&section(&[10, 10]), &ask(2), |_, _| true);
        assert_eq!(texts(block), ["s:r0:5", "s:r0:6"]);
    }

    #[test]
    fn no_single_seat_is_left_where_that_can_be_avoided() {
        // Five free seats: the middle two would leave a single on one side.
        let block = best_block(&section(&[5]), &ask(2), |_, _| true);
        assert_eq!(texts(block), ["s:r0:1", "s:r0:2"]);
        // Where every choice leaves one, one is taken all the same.
        assert_eq!(texts(best_block(&section(&[3]), &ask(2), |_, _| true)).len(), 2);
    }

    #[test]
    fn an_aisle_divides_a_row() {
        let mut section = section(&[4]);
        for seat in &mut section.rows[0].seats[2..] {
            seat.x += 5.0;
        }
        assert_eq!(best_block(&section, &ask(3), |_, _| true), None);
        assert_eq!(texts(best_block(&section, &ask(2), |_, _| true)).len(), 2);
    }

    #[test]
    fn wheelchair_places_are_given_only_to_who_asks() {
        let mut section = section(&[3]);
        section.rows[0].seats[0].accessible = true;
        section.rows[0].seats[1].companion = true;
        assert_eq!(best_block(&section, &ask(2), |_, _| true), None);
        let with = Ask { accessible: true, ..ask(2) };
        assert_eq!(texts(best_block(&section, &with, |_, _| true)), ["s:r0:1", "s:r0:2"]);
    }

    proptest! {
        #[test]
        fn a_block_is_free_and_adjacent_and_found_whenever_there_is_one(
            free in proptest::collection::vec(any::<bool>(), 1..24), quantity in 1u32..6,
        ) {
            let section = section(&[free.len()]);
            let wanted = usize::try_from(quantity).unwrap();
            let exists = free.windows(wanted).any(|window| window.iter().all(|&free| free));
            let block = best_block(&section, &ask(quantity), |_, seat| free[seat]);
            prop_assert_eq!(block.is_some(), exists);
            let numbers: Vec<usize> =
                block.unwrap_or_default().iter().map(|seat| seat.seat.as_str().parse().unwrap()).collect();
            prop_assert!(numbers.iter().all(|number| free[number - 1]));
            prop_assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
        }
    }
}
