//! Which seats of a section are free, as two bits a seat. A hint for maps: the seat's own item decides.

use std::collections::BTreeMap;

use crate::{
    Timestamp,
    house::Allocated,
    ids::{RowId, SeatName},
    plan::{Row, Section},
    time::{SignedDuration, shift},
};

/// What the map shows of a seat; the two bits of its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeatState {
    /// `00`
    Free,
    /// `01`
    Held,
    /// `10`
    Sold,
    /// `11`
    Blocked,
}

impl SeatState {
    /// The two bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Free => 0b00,
            Self::Held => 0b01,
            Self::Sold => 0b10,
            Self::Blocked => 0b11,
        }
    }

    /// The state of the two lowest bits of `bits`.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b00 => Self::Free,
            0b01 => Self::Held,
            0b10 => Self::Sold,
            _ => Self::Blocked,
        }
    }
}

/// How many seats are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// On hold.
    pub held: u32,
    /// Sold.
    pub sold: u32,
    /// Not for sale.
    pub blocked: u32,
}

impl Counts {
    /// Seats that are not free.
    #[must_use]
    pub const fn taken(self) -> u32 {
        self.held + self.sold + self.blocked
    }
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { held: self.held + other.held, sold: self.sold + other.sold, blocked: self.blocked + other.blocked }
    }
}

/// One row's seats, packed: plan order, two bits a seat, most significant bits first, the last byte padded with zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackedRow {
    /// The bits.
    pub bits: Vec<u8>,
    /// Their sum.
    pub counts: Counts,
    /// Which of the blocked are whose.
    pub allocated: Allocated,
    /// The stream position this was read at; replaced only by a later one.
    pub sequence: String,
}

/// What `project` keeps of a section: the rows that were ever touched. A row that is absent is all free.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SectionAvailability {
    /// By row.
    pub rows: BTreeMap<RowId, PackedRow>,
    /// One more with every change of a row.
    pub version: u64,
    /// When a row last changed.
    pub changed_at: Option<Timestamp>,
}

/// How long a section of the map that was found to be as its seats are, and was not written since, is believed to be so: a
/// change that never arrived leaves no trace in it. A little less than a day, so that it is a daily matter however exactly
/// the clock calls.
pub const CHECKED_FOR: SignedDuration = SignedDuration::from_hours(23);

/// What was found when a section of the map was last compared with its seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The version that was right; `None` if it was not.
    pub version: Option<u64>,
    /// When the comparison began.
    pub at: Timestamp,
}

impl Checked {
    /// Whether a section that has this version now has to be compared again.
    #[must_use]
    pub fn is_due(self, version: u64, now: Timestamp) -> bool {
        self.version != Some(version) || now >= shift(self.at, CHECKED_FOR)
    }
}

/// Appends two-bit states to a byte string, most significant bits first.
#[derive(Default)]
struct Packer {
    bytes: Vec<u8>,
    seats: usize,
}

impl Packer {
    fn push(&mut self, state: SeatState) {
        let place = self.seats % 4;
        if place == 0 {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= state.bits() << (6 - 2 * place);
        }
        self.seats += 1;
    }
}

/// The state of seat number `index` of a packed row; free beyond its end.
#[must_use]
pub fn state_at(bits: &[u8], index: usize) -> SeatState {
    bits.get(index / 4).map_or(SeatState::Free, |byte| SeatState::from_bits(byte >> (6 - 2 * (index % 4))))
}

/// How many seats of a packed row are in each state; what is beyond its last seat is free and not counted.
#[must_use]
pub fn count(bits: &[u8]) -> Counts {
    let mut counts = Counts::default();
    for index in 0..bits.len() * 4 {
        match state_at(bits, index) {
            SeatState::Free => {}
            SeatState::Held => counts.held += 1,
            SeatState::Sold => counts.sold += 1,
            SeatState::Blocked => counts.blocked += 1,
        }
    }
    counts
}

/// Packs a row whose seats not in `states` are free, and none of them allocated.
#[must_use]
pub fn pack(row: &Row, states: &BTreeMap<SeatName, SeatState>, sequence: String) -> PackedRow {
    let mut packer = Packer::default();
    for seat in &row.seats {
        packer.push(states.get(&seat.name).copied().unwrap_or(SeatState::Free));
    }
    PackedRow { counts: count(&packer.bytes), allocated: Allocated::default(), bits: packer.bytes, sequence }
}

impl SectionAvailability {
    /// What is allocated to channels, the sum over the rows.
    #[must_use]
    pub fn allocated(&self) -> Allocated {
        self.rows.values().fold(Allocated::default(), |sum, row| sum + row.allocated)
    }

    /// The sum over the rows.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.rows.values().fold(Counts::default(), |sum, row| sum + row.counts)
    }

    /// All seats of `section`, packed in plan order without gaps between rows.
    #[must_use]
    pub fn packed(&self, section: &Section) -> Vec<u8> {
        let mut packer = Packer::default();
        for row in &section.rows {
            let bits = self.rows.get(&row.id).map_or(&[][..], |packed| &packed.bits);
            for index in 0..row.seats.len() {
                packer.push(state_at(bits, index));
            }
        }
        packer.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::Seat;

    const STATES: [SeatState; 4] = [SeatState::Free, SeatState::Held, SeatState::Sold, SeatState::Blocked];

    fn row(id: usize, seats: usize) -> Row {
        let seat = |n: usize| Seat {
            name: n.to_string().parse().unwrap(),
            label: n.to_string(),
            x: 0.0,
            y: 0.0,
            category: "standard".parse().unwrap(),
            accessible: false,
            companion: false,
            obstructed_view: false,
        };
        Row {
            id: format!("r{id}").parse().unwrap(),
            label: id.to_string(),
            whole: false,
            seats: (0..seats).map(seat).collect(),
        }
    }

    fn section(rows: &[Vec<SeatState>]) -> Section {
        let rows = rows.iter().enumerate().map(|(id, states)| row(id, states.len())).collect();
        Section { id: "A".parse().unwrap(), name: "A".to_owned(), rows }
    }

    fn packed(row: &Row, states: &[SeatState]) -> PackedRow {
        let taken = row.seats.iter().zip(states).filter(|(_, state)| **state != SeatState::Free);
        pack(row, &taken.map(|(seat, state)| (seat.name.clone(), *state)).collect(), "1".to_owned())
    }

    #[test]
    fn bits_stand_most_significant_first() {
        let row = row(0, 5);
        let states = [SeatState::Held, SeatState::Sold, SeatState::Blocked, SeatState::Free, SeatState::Blocked];
        let packed = packed(&row, &states);
        assert_eq!(packed.bits, [0b01_10_11_00, 0b11_00_00_00]);
        assert_eq!(packed.counts, Counts { held: 1, sold: 1, blocked: 2 });
    }

    #[test]
    fn a_seat_that_the_plan_does_not_have_is_not_counted() {
        let states = BTreeMap::from([("99".parse().unwrap(), SeatState::Sold)]);
        assert_eq!(pack(&row(0, 3), &states, String::new()).counts, Counts::default());
    }

    #[test]
    fn what_was_right_is_believed_for_a_day_while_nobody_writes_it() {
        let at = "2026-11-22T15:00:00Z".parse().unwrap();
        let after = |minutes| shift(at, SignedDuration::from_mins(minutes));
        let right = Checked { version: Some(7), at };
        assert!(!right.is_due(7, after(60)));
        assert!(right.is_due(8, after(60)), "written since");
        assert!(right.is_due(6, after(60)), "lost, and begun anew");
        assert!(!right.is_due(7, after(22 * 60 + 59)));
        assert!(right.is_due(7, after(23 * 60)), "once a day");
        assert!(Checked { version: None, at }.is_due(0, after(0)), "what is wrong is looked at until it is not");
    }

    proptest! {
        /// Against the naive model: a list of states a row, concatenated.
        #[test]
        fn a_section_packs_like_the_list_of_its_seats(
            rows in prop::collection::vec(prop::collection::vec(prop::sample::select(&STATES[..]), 0..13), 0..6),
            touched in prop::collection::vec(any::<bool>(), 6),
        ) {
            let section = section(&rows);
            let mut availability = SectionAvailability::default();
            let mut model = Vec::new();
            for ((row, states), touched) in section.rows.iter().zip(&rows).zip(touched) {
                if touched {
                    availability.rows.insert(row.id.clone(), packed(row, states));
                }
                model.extend(states.iter().map(|state| if touched { *state } else { SeatState::Free }));
            }
            let bits = availability.packed(&section);
            prop_assert_eq!(bits.len(), model.len().div_ceil(4));
            for (index, state) in model.iter().enumerate() {
                prop_assert_eq!(state_at(&bits, index), *state);
            }
            let of = |wanted: SeatState| u32::try_from(model.iter().filter(|state| **state == wanted).count()).unwrap();
            let expected = Counts { held: of(SeatState::Held), sold: of(SeatState::Sold), blocked: of(SeatState::Blocked) };
            prop_assert_eq!(availability.counts(), expected);
            prop_assert_eq!(count(&bits), expected);
        }
    }
}
