//! How far a pass over the books is: what is kept between runs, so that nothing is skipped.

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    ids::{EventId, IntentId, ShowId, UserId},
    time::{SignedDuration, shift},
};

/// How far back the pass over young intents goes.
const YOUNG_WINDOW: SignedDuration = SignedDuration::from_hours(2);
/// How far back the pass over everything goes.
const ALL_WINDOW: SignedDuration = SignedDuration::from_hours(100 * 24);
/// A pass over everything begins this long after the one before it did, at the earliest.
const ALL_EVERY: SignedDuration = SignedDuration::from_hours(23);

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The intents of the last hours, and the places of their bookings.
    Young,
    /// The intents of the last 100 days, and every show that has not been over for longer.
    All,
}

impl Scope {
    /// As orders, reports and keys have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Young => "young",
            Self::All => "all",
        }
    }
}

/// A show's place in the walk over all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowPlace {
    /// The day it starts, by UTC: `2026-11-22`.
    pub day: String,
    /// Its event.
    pub event: EventId,
    /// Which.
    pub show: ShowId,
}

/// A place among a show's buyers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuyersPlace {
    /// The show.
    pub at: ShowPlace,
    /// Which shard of its buyers.
    pub shard: u16,
    /// The last buyer who is done.
    pub after: Option<UserId>,
}

/// A place among a show's rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowsPlace {
    /// The show.
    pub at: ShowPlace,
    /// Number of the section in its plan.
    pub section: usize,
    /// Number of the first row that is not done.
    pub row: usize,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Position {
    /// A page of the provider's intents, behind this one.
    Intents(Option<IntentId>),
    /// The next show, behind this one.
    Shows(Option<ShowPlace>),
    /// Some buyers of a show.
    Buyers(BuyersPlace),
    /// Some rows of a show.
    Rows(RowsPlace),
}

/// One pass over the books, which may take several runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// When it began.
    pub began_at: Timestamp,
    /// Intents that were made before are not looked at.
    pub since: Timestamp,
    /// Bookings that were captured before have had their intent looked up by an earlier pass: what is taken stays taken,
    /// and what is given back is seen in the list of intents.
    pub captured_since: Option<Timestamp>,
    /// What comes next.
    pub position: Position,
}

/// What is kept between runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassState {
    /// When the last pass that came to its end began.
    pub completed: Option<Timestamp>,
    /// The pass that has not come to its end.
    pub open: Option<Pass>,
}

/// The pass to go on with, or a new one; `None` when the last one will do. `again` begins a new one in any case.
#[must_use]
pub fn begin(scope: Scope, state: &PassState, again: bool, now: Timestamp) -> Option<Pass> {
    if let Some(open) = state.open.as_ref().filter(|_| !again) {
        return Some(open.clone());
    }
    let recent = |completed: Timestamp| now < shift(completed, ALL_EVERY);
    if scope == Scope::All && !again && state.completed.is_some_and(recent) {
        return None;
    }
    let back = |at: Timestamp, window: SignedDuration| shift(at, -window);
    let since = match scope {
        // From where the last one began, so that an outage of any length leaves no gap.
        Scope::Young => back(state.completed.map_or(now, |completed| completed.min(now)), YOUNG_WINDOW),
        Scope::All => back(now, ALL_WINDOW),
    };
    Some(Pass {
        began_at: now,
        since: since.max(back(now, ALL_WINDOW)),
        captured_since: state.completed.map(|completed| back(completed, YOUNG_WINDOW)),
        position: Position::Intents(None),
    })
}

impl Pass {
    /// Shows that were over before are not looked at.
    #[must_use]
    pub fn shows_since(&self) -> Timestamp {
        shift(self.began_at, -ALL_WINDOW)
    }
}
