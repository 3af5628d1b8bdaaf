//! Which seats of a section are free, as two bits a seat. A hint for maps: the seat's own item decides.

use std::collections::BTreeMap;

use crate::{
    Timestamp,
    ids::{RowId, SeatName},
    plan::{Row, Section},
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

/// Packs a row whose seats not in `states` are free.
#[must_use]
pub fn pack(row: &Row, states: &BTreeMap<SeatName, SeatState>, sequence: String) -> PackedRow {
    let mut packer = Packer::default();
    let mut counts = Counts::default();
    for seat in &row.seats {
        let state = states.get(&seat.name).copied().unwrap_or(SeatState::Free);
        match state {
            SeatState::Free => {}
            SeatState::Held => counts.held += 1,
            SeatState::Sold => counts.sold += 1,
            SeatState::Blocked => counts.blocked += 1,
        }
        packer.push(state);
    }
    PackedRow { bits: packer.bytes, counts, sequence }
}

impl SectionAvailability {
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
