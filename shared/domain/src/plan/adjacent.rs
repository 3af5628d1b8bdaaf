//! Which seats of a row are side by side.

#![expect(clippy::float_arithmetic, reason = "distances on a plan")]

use std::ops::Range;

use crate::plan::{Row, Seat};

/// Seats further apart than this many times the row's closest pair have an aisle between them.
const AISLE_FACTOR: f64 = 1.9;

impl Row {
    /// The row between its aisles, as ranges of seat numbers: seats that follow each other in one are side by side.
    #[must_use]
    pub fn stretches(&self) -> Vec<Range<usize>> {
        let apart = |a: &Seat, b: &Seat| (a.x - b.x).hypot(a.y - b.y);
        let gaps: Vec<f64> = self.seats.windows(2).map(|pair| apart(&pair[0], &pair[1])).collect();
        let closest = gaps.iter().copied().fold(f64::INFINITY, f64::min);
        let aisles = gaps.iter().enumerate().filter(|(_, gap)| **gap > AISLE_FACTOR * closest).map(|(at, _)| at + 1);
        let ends = aisles.chain(std::iter::once(self.seats.len()));
        let from_to = |from: &mut usize, to: usize| Some(std::mem::replace(from, to)..to);
        ends.scan(0, from_to).filter(|stretch| !stretch.is_empty()).collect()
    }

    /// Seats side by side that are all free: as many as there are, each with the stretch that it is in.
    pub fn runs(&self, is_free: impl Fn(usize) -> bool) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for stretch in self.stretches() {
            let mut open: Option<usize> = None;
            for seat in stretch.start..=stretch.end {
                let free = seat < stretch.end && is_free(seat);
                match open {
                    Some(start) if !free => {
                        runs.push(Run { seats: start..seat, stretch: stretch.clone() });
                        open = None;
                    }
                    None if free => open = Some(seat),
                    _ => {}
                }
            }
        }
        runs
    }
}

/// Free seats side by side, up to a seat that is taken or the end of their stretch on either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Their numbers in the row.
    pub seats: Range<usize>,
    /// The stretch between aisles that they are in.
    pub stretch: Range<usize>,
}

impl Run {
    /// The taken seats at its ends: one, two, or none where the stretch ends with it.
    pub fn walls(&self) -> impl Iterator<Item = usize> {
        let before = (self.seats.start > self.stretch.start).then(|| self.seats.start - 1);
        let behind = (self.seats.end < self.stretch.end).then_some(self.seats.end);
        before.into_iter().chain(behind)
    }
}
