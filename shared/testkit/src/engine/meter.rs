//! What the table was asked and what AWS would have billed: counted, so that noise cannot hide a regression.
#![allow(clippy::float_arithmetic, reason = "units come in halves, and no money is near")]

use std::{
    collections::BTreeMap,
    ops::{Add, Sub},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use dynoxide::{actions::transact_write_items::TransactWriteItem, types::ConsumedCapacity};

/// A write unit covers this many bytes.
const WRITE_UNIT_BYTES: usize = 1024;
/// A write inside a transaction costs this many units where a plain one costs one.
const TRANSACTION_FACTOR: usize = 2;

/// Calls and capacity units, indexes included.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Calls that reached the table.
    pub calls: u64,
    /// Of these, calls that it refused: failed conditions, cancelled transactions.
    pub refused: u64,
    /// Write units. A refused write costs what its items would have. NaN on an engine that does not tell them rightly:
    /// no comparison with it holds, so no budget is kept by accident.
    pub write_units: f64,
    /// Read units, or NaN.
    pub read_units: f64,
}

impl Tally {
    /// A call of which nobody tells the units.
    pub(super) const UNTOLD: Self = Self { calls: 0, refused: 0, write_units: f64::NAN, read_units: f64::NAN };
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            refused: self.refused + other.refused,
            write_units: self.write_units + other.write_units,
            read_units: self.read_units + other.read_units,
        }
    }
}

impl Sub for Tally {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            calls: self.calls - other.calls,
            refused: self.refused - other.refused,
            write_units: self.write_units - other.write_units,
            read_units: self.read_units - other.read_units,
        }
    }
}

/// Tallies by operation, such as `TransactWriteItems`.
#[derive(Debug, Default)]
pub struct Meter {
    arrivals: AtomicU64,
    tallies: Mutex<BTreeMap<String, Tally>>,
}

impl Meter {
    /// Everything so far.
    #[must_use]
    pub fn total(&self) -> Tally {
        self.by_operation().into_values().fold(Tally::default(), Add::add)
    }

    /// One operation so far.
    #[must_use]
    pub fn of(&self, operation: &str) -> Tally {
        self.by_operation().get(operation).copied().unwrap_or_default()
    }

    /// Every operation so far.
    #[must_use]
    pub fn by_operation(&self) -> BTreeMap<String, Tally> {
        self.tallies.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// The number of the call that arrives now: how many came before it, lost ones included.
    pub(super) fn arrived(&self) -> u64 {
        self.arrivals.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn add(&self, operation: &str, tally: Tally) {
        let mut tallies = self.tallies.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match tallies.get_mut(operation) {
            Some(sum) => *sum = *sum + tally,
            None => drop(tallies.insert(operation.to_owned(), tally)),
        }
    }
}

/// Units as the engine reports them: one sum, or one for each table.
pub(super) trait Capacity {
    fn units(&self) -> f64;
}

impl Capacity for Option<ConsumedCapacity> {
    fn units(&self) -> f64 {
        self.as_ref().map_or(0.0, |capacity| capacity.capacity_units)
    }
}

impl Capacity for Option<Vec<ConsumedCapacity>> {
    fn units(&self) -> f64 {
        self.iter().flatten().map(|capacity| capacity.capacity_units).sum()
    }
}

/// What a cancelled transaction costs: every action at full price. The engine does not say, AWS bills it.
/// Of updates and deletes the item's size is not known here; Usher's are below one unit.
pub(super) fn cancelled_units(actions: &[TransactWriteItem]) -> f64 {
    let put = |action: &TransactWriteItem| action.put.as_ref().map_or(1, |put| dynoxide::types::item_size(&put.item));
    let units: usize = actions.iter().map(|action| put(action).div_ceil(WRITE_UNIT_BYTES) * TRANSACTION_FACTOR).sum();
    u32::try_from(units).map_or(f64::MAX, f64::from)
}
