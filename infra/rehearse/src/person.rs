//! Who comes, and what kind of person that is: all decided before anybody comes.

use std::time::Duration;

use crate::{draw::Draw, history::Who};

/// Programs among a hundred who come.
const BOTS_PERCENT: u64 = 5;
/// People who go away half-way, among a hundred who come.
const LEAVERS_PERCENT: u64 = 30;
/// People who were there before the opening, among a hundred.
const EARLY_PERCENT: u64 = 60;
/// People who never give up, among a hundred. Behind a waiting room everybody waits.
const PERSISTENT_PERCENT: u64 = 60;
/// People who click twice, among a hundred.
const DOUBLE_CLICKS_PERCENT: u64 = 10;
/// People who let the server choose, among a hundred.
const BEST_PERCENT: u64 = 20;
/// People whose first card is refused, among a hundred.
const REFUSED_CARDS_PERCENT: u64 = 3;
/// People who reload the page and join again, among a hundred.
const REFRESHERS_PERCENT: u64 = 20;
/// Reloads of one of them, at most.
const RELOADS_MAX: u64 = 3;
/// Refusals after which somebody who is not persistent gives up, at most.
const TRIES_MAX: u64 = 6;
/// The longest time that people take to think, in milliseconds.
const THINKING_MS_MAX: u64 = 1_500;
/// How early the first ones come, at most.
const EARLY_MAX: Duration = Duration::from_secs(30);

/// Somebody.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// Their number, from 1.
    pub(crate) who: Who,
    /// When they come, after the first who may.
    pub(crate) comes: Duration,
    /// Places that they want.
    pub(crate) places: u32,
    /// They let the server choose.
    pub(crate) best: bool,
    /// They send everything twice at once.
    pub(crate) double_clicks: bool,
    /// How often they join again.
    pub(crate) reloads: u64,
    /// Refusals until they give up; without, they never do.
    pub(crate) tries: Option<u64>,
    /// Where they go away.
    pub(crate) leaves: Option<Leave>,
    /// Their first card is refused.
    pub(crate) card_refused: bool,
    /// What they are after, if they are no honest buyer.
    pub(crate) trick: Option<Trick>,
    /// What they decide on the way.
    pub(crate) draw: Draw,
}

/// Where somebody goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// In the queue.
    Queue,
    /// At the map.
    Map,
    /// With places held, telling nobody.
    Hold,
    /// With places held, giving them back.
    Release,
    /// With the payment begun.
    Payment,
}

/// What a program tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trick {
    /// Holds without an admission.
    WalkIn,
    /// Holds with somebody else's.
    Steal,
    /// Holds with one that it made up.
    Forge,
    /// Joins again and again.
    JoinMany,
    /// Holds more than the cap, in several calls at once.
    Grab,
    /// Uses one key for different seats.
    ReuseKey,
}

impl Person {
    /// How long they think now.
    pub(crate) fn thinks(&mut self) -> Duration {
        Duration::from_millis(100 + self.draw.below(THINKING_MS_MAX - 100))
    }
}

/// How long before the opening the first ones come.
pub(crate) fn early(seconds: u64, gated: bool) -> Duration {
    if gated { (Duration::from_secs(seconds) / 3).min(EARLY_MAX) } else { Duration::ZERO }
}

/// Everybody, in the order in which they come. `seconds` after the opening the last one is there.
pub(crate) fn crowd(seed: u64, people: u32, seconds: u64, gated: bool) -> Vec<Person> {
    let mut crowd: Vec<Person> = (1..=people).map(|who| person(seed, who, seconds, gated)).collect();
    crowd.sort_by_key(|person| (person.comes, person.who));
    crowd
}

fn person(seed: u64, who: Who, seconds: u64, gated: bool) -> Person {
    const LEAVES: [Leave; 5] = [Leave::Queue, Leave::Map, Leave::Hold, Leave::Release, Leave::Payment];
    const TRICKS: [Trick; 6] =
        [Trick::WalkIn, Trick::Steal, Trick::Forge, Trick::JoinMany, Trick::Grab, Trick::ReuseKey];
    let mut draw = Draw::new(seed, who);
    let kind = draw.below(100);
    let trick = (kind < BOTS_PERCENT).then(|| if gated { TRICKS[draw.index(6)] } else { TRICKS[4 + draw.index(2)] });
    let leaver = trick.is_none() && kind < BOTS_PERCENT + LEAVERS_PERCENT;
    let leaves = leaver.then(|| if gated { LEAVES[draw.index(5)] } else { LEAVES[1 + draw.index(4)] });
    let persists = gated || draw.percent(PERSISTENT_PERCENT);
    let refreshes = gated && draw.percent(REFRESHERS_PERCENT);
    Person {
        who,
        comes: comes(&mut draw, seconds, gated),
        places: [1, 2, 2, 2, 3, 4][draw.index(6)],
        best: draw.percent(BEST_PERCENT),
        double_clicks: draw.percent(DOUBLE_CLICKS_PERCENT),
        reloads: if refreshes { 1 + draw.below(RELOADS_MAX) } else { 0 },
        tries: (!persists).then(|| 1 + draw.below(TRIES_MAX)),
        leaves,
        card_refused: draw.percent(REFUSED_CARDS_PERCENT),
        trick,
        draw,
    }
}

/// Early ones evenly, late ones in a rush that ebbs away.
fn comes(draw: &mut Draw, seconds: u64, gated: bool) -> Duration {
    let early = early(seconds, gated);
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    if gated && draw.percent(EARLY_PERCENT) {
        return Duration::from_millis(draw.below(millis(early)));
    }
    let part = draw.below(1_000);
    early + Duration::from_millis(seconds.saturating_mul(part * part) / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(crowd: &[Person], of: impl Fn(&Person) -> bool) -> usize {
        crowd.iter().filter(|person| of(person)).count() * 100 / crowd.len()
    }

    #[test]
    fn one_seed_brings_one_crowd_and_another_another() {
        let told = |seed| format!("{:?}", crowd(seed, 50, 10, true));
        assert_eq!(told(1), told(1));
        assert_ne!(told(1), told(2));
    }

    #[test]
    fn a_crowd_is_made_of_all_kinds() {
        let crowd = crowd(7, 10_000, 60, true);
        assert!((29..=31).contains(&percent(&crowd, |person| person.leaves.is_some())));
        assert!((4..=6).contains(&percent(&crowd, |person| person.trick.is_some())));
        assert!((58..=62).contains(&percent(&crowd, |person| person.comes < early(60, true))));
        assert!((9..=11).contains(&percent(&crowd, |person| person.double_clicks)));
        assert!(crowd.iter().all(|person| (1..=4).contains(&person.places)));
        assert!(crowd.iter().all(|person| person.comes <= early(60, true) + Duration::from_secs(60)));
        assert!(crowd.is_sorted_by_key(|person| person.comes));
    }

    #[test]
    fn without_a_waiting_room_nobody_comes_before_the_opening_or_tries_to_walk_around_it() {
        let crowd = crowd(7, 2_000, 60, false);
        assert!(crowd.iter().all(|person| person.leaves != Some(Leave::Queue)));
        assert!(crowd.iter().all(|person| matches!(person.trick, None | Some(Trick::Grab | Trick::ReuseKey))));
        assert!(percent(&crowd, |person| person.tries.is_none()) > 50);
    }
}
