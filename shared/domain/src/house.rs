//! House seats: taken off sale by the organiser, for a channel or for nobody yet, a range at a time.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ids::{RowId, SeatId, SeatName, SectionId, ShowId},
    plan::Section,
};

/// Ranges of one job, at most.
pub const RANGES_MAX: usize = 100;

/// Who gives house seats away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// Whoever comes to the counter.
    BoxOffice,
    /// Who pays for the evening.
    Sponsor,
    /// Who puts it on.
    Promoter,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 3] = [Self::BoxOffice, Self::Sponsor, Self::Promoter];
}

/// How many seats are allocated to each channel. Those of the house that are nobody's yet are not among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocated([u32; Channel::ALL.len()]);

impl Allocated {
    /// So many in each, in the order of [`Channel::ALL`].
    #[must_use]
    pub const fn new(seats: [u32; Channel::ALL.len()]) -> Self {
        Self(seats)
    }

    /// In the order of [`Channel::ALL`].
    #[must_use]
    pub const fn seats(self) -> [u32; Channel::ALL.len()] {
        self.0
    }

    /// All of them.
    #[must_use]
    pub fn total(self) -> u32 {
        self.0.iter().sum()
    }
}

impl FromIterator<Channel> for Allocated {
    fn from_iter<T: IntoIterator<Item = Channel>>(seats: T) -> Self {
        let mut counts = Self::default();
        for channel in seats {
            for (known, count) in Channel::ALL.into_iter().zip(&mut counts.0) {
                *count += u32::from(known == channel);
            }
        }
        counts
    }
}

impl std::ops::Add for Allocated {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
        self
    }
}

/// Seats of a section: all of it, of a row of it, or from one seat of a row to another in plan order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Range {
    /// The section.
    pub section_id: SectionId,
    /// Only this row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<RowId>,
    /// From this seat of the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<SeatName>,
    /// To this one, which is part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<SeatName>,
}

impl Range {
    /// Its seats in plan order. `None` when `section` has no such row or seat, or the range ends before it begins.
    #[must_use]
    pub fn seats(&self, section: &Section) -> Option<Vec<SeatId>> {
        let Some(row) = &self.row else {
            let all = self.from.is_none() && self.to.is_none();
            return all.then(|| section.seats().map(|(id, _)| id).collect());
        };
        let row = section.row(row)?;
        let number = |name: &SeatName| row.seats.iter().position(|seat| seat.name == *name);
        let first = self.from.as_ref().map_or(Some(0), number)?;
        let last = self.to.as_ref().map_or(row.seats.len().checked_sub(1), number)?;
        let id = |name: &SeatName| SeatId { section: section.id.clone(), row: row.id.clone(), seat: name.clone() };
        let seats = row.seats.get(first..=last)?;
        (!seats.is_empty()).then(|| seats.iter().map(|seat| id(&seat.name)).collect())
    }
}

/// What is done with the seats of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "a", content = "c")]
pub enum Order {
    /// Free ones are taken off sale.
    Block,
    /// Free ones are taken off sale, and those that are off sale are the channel's, whosever they were.
    Allocate(Channel),
    /// Those that are off sale are put on sale.
    Release,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// Seat after seat is done.
    Running,
    /// A buyer has one of the seats: what was done is undone.
    Undoing,
    /// All is done.
    Done,
    /// Nothing is.
    Undone,
}

/// Work on many house seats: all of them or, in the end, none. A few at a time, each step one transaction that moves the job
/// with the seats, so that whoever goes on knows exactly how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Of which show.
    #[serde(rename = "h")]
    pub show: ShowId,
    /// Which.
    #[serde(rename = "i")]
    pub id: Uuid,
    /// What is done.
    #[serde(rename = "o")]
    pub order: Order,
    /// Where.
    #[serde(rename = "r")]
    pub ranges: Vec<Range>,
    /// Seats there.
    #[serde(rename = "t")]
    pub total: u32,
    /// So many of them, from the first on, are done.
    #[serde(rename = "d")]
    pub done: u32,
    /// How far it is.
    #[serde(rename = "p")]
    pub progress: Progress,
    /// Seats that a buyer had.
    #[serde(rename = "u", default, skip_serializing_if = "Vec::is_empty")]
    pub unavailable: Vec<SeatId>,
    /// One more with each step.
    #[serde(rename = "v")]
    pub version: u64,
}

impl Job {
    /// Whether anything is left to do.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.progress, Progress::Done | Progress::Undone)
    }

    /// The numbers of the seats of the next step of at most `most`, in the order of the ranges.
    #[must_use]
    pub fn next(&self, most: u32) -> std::ops::Range<u32> {
        match self.progress {
            Progress::Running => self.done..self.total.min(self.done.saturating_add(most)),
            Progress::Undoing => self.done.saturating_sub(most)..self.done,
            Progress::Done | Progress::Undone => self.done..self.done,
        }
    }

    /// The same once the seats of `step` are done, or undone.
    #[must_use]
    pub fn after(&self, step: &std::ops::Range<u32>) -> Self {
        let (done, progress) = match self.progress {
            Progress::Running if step.end >= self.total => (step.end, Progress::Done),
            Progress::Undoing if step.start == 0 => (0, Progress::Undone),
            Progress::Undoing => (step.start, Progress::Undoing),
            progress => (step.end, progress),
        };
        Self { done, progress, version: self.version + 1, ..self.clone() }
    }

    /// The same once buyers were found to have these seats.
    #[must_use]
    pub fn refused(&self, unavailable: Vec<SeatId>) -> Self {
        let progress = if self.done == 0 { Progress::Undone } else { Progress::Undoing };
        Self { progress, unavailable, version: self.version + 1, ..self.clone() }
    }
}
