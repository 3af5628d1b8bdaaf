//! The live map: what can be watched, and how often it is told.
//!
//! Changes come one by one and are told by the window. Whoever has written a change asks [`tell_at`] whether a telling
//! that will see it is under way already; if not, they have to send one. What is told is read when it is told, so the
//! last change is always in one.

use std::fmt;

use crate::{
    Timestamp,
    ids::{SectionId, ShowId},
    time::{SignedDuration, shift},
};

/// A section is told at most once in this time: two messages a second.
pub const SECTION_WINDOW: SignedDuration = SignedDuration::from_millis(500);
/// A show's counts are told at most once in this time.
pub const COUNTS_WINDOW: SignedDuration = SignedDuration::from_secs(1);
/// How far the clocks of two functions may be apart. AWS keeps them within a few milliseconds.
pub const CLOCK_SKEW_MAX: SignedDuration = SignedDuration::from_millis(100);
/// A connection ends after this long: API Gateway's own limit.
pub const CONNECTION_LIFETIME: SignedDuration = SignedDuration::from_hours(2);
/// Sections that one connection may follow.
pub const SECTIONS_MAX: usize = 64;

/// Something that is watched and told as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// The seats of one section.
    Section(ShowId, SectionId),
    /// The counts of all sections and areas.
    Counts(ShowId),
}

impl Topic {
    /// The show it is about.
    #[must_use]
    pub const fn show(&self) -> ShowId {
        match self {
            Self::Section(show, _) | Self::Counts(show) => *show,
        }
    }

    /// The section, where it is one.
    #[must_use]
    pub const fn section(&self) -> Option<&SectionId> {
        match self {
            Self::Section(_, section) => Some(section),
            Self::Counts(_) => None,
        }
    }

    /// It is told at most once in this time.
    #[must_use]
    pub const fn window(&self) -> SignedDuration {
        match self {
            Self::Section(..) => SECTION_WINDOW,
            Self::Counts(_) => COUNTS_WINDOW,
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Section(show, section) => write!(f, "section {section} of {show}"),
            Self::Counts(show) => write!(f, "counts of {show}"),
        }
    }
}

/// When a change that was written before `now` has to be told; `None` if the telling at `told_at`, the latest that was
/// promised, will see it. That one reads after its moment by its own clock, hence the skew.
#[must_use]
pub fn tell_at(topic: &Topic, told_at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    match told_at {
        Some(told_at) if told_at >= shift(now, CLOCK_SKEW_MAX) => None,
        Some(told_at) => Some(shift(told_at, topic.window()).max(now)),
        None => Some(now),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::{from_millis, millis};

    const START: i64 = 1_800_000_000_000;

    fn at(millis: i64) -> Timestamp {
        from_millis(START + millis).unwrap()
    }

    fn section() -> Topic {
        Topic::Section("shw_00000000000070008000000000000001".parse().unwrap(), "A".parse().unwrap())
    }

    #[test]
    fn the_first_change_is_told_at_once_and_the_next_ones_by_the_window() {
        let topic = section();
        let cases = [
            (None, 0, Some(0)),
            // Told long ago.
            (Some(0), 500, Some(500)),
            (Some(0), 9_000, Some(9_000)),
            // Told just now: this change was perhaps too late for it.
            (Some(0), 0, Some(500)),
            (Some(0), 200, Some(500)),
            // A telling is promised, and comes surely later than this change.
            (Some(500), 200, None),
            (Some(500), 400, None),
            // Perhaps too late for it.
            (Some(500), 401, Some(1_000)),
        ];
        for (told_at, now, expected) in cases {
            assert_eq!(tell_at(&topic, told_at.map(at), at(now)), expected.map(at), "{told_at:?} {now}");
        }
        assert_eq!(tell_at(&Topic::Counts(topic.show()), Some(at(0)), at(1)), Some(at(1_000)));
    }

    proptest! {
        /// Writers and readers whose clocks are apart by as much as may be: no change is left untold, and no telling is
        /// nearer to the one before than the window.
        #[test]
        fn the_last_change_is_told_and_never_too_often(
            pauses in prop::collection::vec(0i64..700, 1..60),
            skews in prop::collection::vec(-50i64..=50, 60),
            reader_skew in -50i64..=50,
        ) {
            let (mut true_now, mut promised, mut tellings) = (0, None, Vec::new());
            let mut changes = Vec::new();
            for (pause, skew) in pauses.iter().zip(&skews) {
                true_now += pause;
                changes.push(true_now);
                if let Some(told_at) = tell_at(&section(), promised, at(true_now + skew)) {
                    promised = Some(told_at);
                    // Read once the reader's clock is there, and never before it was sent.
                    let due = millis(told_at) - START;
                    tellings.push((due, (due - reader_skew).max(true_now)));
                }
            }
            for change in changes {
                prop_assert!(tellings.iter().any(|&(_, read_at)| read_at >= change), "{change} is in none of {tellings:?}");
            }
            for pair in tellings.windows(2) {
                prop_assert!(pair[1].0 - pair[0].0 >= 500, "{tellings:?}");
            }
        }
    }
}
