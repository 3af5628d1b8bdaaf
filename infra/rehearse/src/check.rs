//! Proves from a history that the sale was right, or names what was not. Nothing here asks the platform anything: who
//! has the file can check it again.
//!
//! A call is an interval, from being sent to being answered; its effect is somewhere inside. A check only objects to what
//! no choice of moments inside the intervals explains, so it never cries wolf, and it objects to everything that none
//! explains.

mod lives;
mod money;
mod queue;
mod seats;

use crate::history::History;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What must be true.
    pub claim: &'static str,
    /// How it stands.
    pub finding: Finding,
}

/// How a claim stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is true of everything that was looked at.
    Proved {
        /// What was looked at.
        of: String,
    },
    /// It is not.
    Violated {
        /// Each time.
        how: Vec<String>,
    },
    /// It could not be looked at.
    NotChecked {
        /// Why.
        why: &'static str,
    },
}

impl Verdict {
    /// Of a check that went through everything.
    fn new(claim: &'static str, of: String, how: Vec<String>) -> Self {
        let finding = if how.is_empty() { Finding::Proved { of } } else { Finding::Violated { how } };
        Self { claim, finding }
    }

    fn not_checked(claim: &'static str, why: &'static str) -> Self {
        Self { claim, finding: Finding::NotChecked { why } }
    }

    /// What is wrong; nothing where nothing is.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        match &self.finding {
            Finding::Violated { how } => how,
            Finding::Proved { .. } | Finding::NotChecked { .. } => &[],
        }
    }
}

/// Every check.
#[must_use]
pub fn check(history: &History) -> Vec<Verdict> {
    let lives = lives::lives(history);
    vec![
        seats::no_seat_twice(history, &lives),
        seats::all_or_nothing(history, &lives),
        seats::one_click_one_booking(history),
        seats::cap_held(history, &lives),
        seats::refusals_are_exact(history, &lives),
        queue::one_place_each(history),
        queue::draw_is_fair(history),
        queue::in_order(history),
        queue::by_right_only(history),
        seats::sold_out(history, &lives),
        seats::map_is_true(history, &lives),
        money::is_right(history, &lives),
    ]
}

/// Microseconds as people read them.
fn seconds(at: u64) -> String {
    format!("{}.{:03} s", at / 1_000_000, at % 1_000_000 / 1_000)
}
