//! How readily those who were let in take places, and how many at a time: measured, because nobody knows it before a sale.
//!
//! It is a life table, as actuaries keep them. For each age of an admission it has how many people were watched through it
//! while they held nothing and something was free, and how many of them took places then. From it follows the chance that
//! somebody who still holds nothing will take any at all. So those who have left stop being waited for as soon as it shows,
//! be it after seconds or after minutes, and those who only take their time are not mistaken for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::queue::{admission::age_ms, crowd::Crowd};

/// The ages that are told apart, by where each begins and the last one ends, in milliseconds. Whoever is older is reckoned
/// with for as long again as the last one lasts: places are not kept for what somebody may do much later.
const AGES_MS: [i64; 7] = [0, 15_000, 30_000, 60_000, 120_000, 240_000, 360_000];
const AGES: usize = AGES_MS.len() - 1;
/// A whole: shares and chances are in millionths.
pub(crate) const WHOLE: u64 = 1_000_000;
/// One person, or one take: they are counted in thousandths.
const ONE: u64 = 1_000;

/// What is assumed before anything is measured, for each age: of a thousand people who go through it, in how many takes
/// that ends. Most take their time, and hardly anybody takes after four minutes.
const PRIOR: [u64; AGES] = [500, 1_000, 1_000, 1_000, 500, 0];
/// That many people's worth of measuring outweighs what is assumed.
const PRIOR_PEOPLE: u64 = 4;
/// People of one age who are remembered, at most: then older ones count half. Few, so that a crowd that has changed its ways
/// is seen to in seconds: the larger it is, the sooner.
const PEOPLE_MAX: u64 = 50;
/// Once so many of a thousand have taken, whoever is left takes no more readily than people did a little earlier.
const FALLING_FROM: u64 = 400;

/// What is assumed of a take: so many takes were of so many places.
const PRIOR_TAKES: u64 = 20;
const PRIOR_PLACES: u64 = 40;
/// A take is of at least one place, and of no more than a hold may have.
const PLACES_PER_TAKE: std::ops::RangeInclusive<u64> = ONE..=10 * ONE;
/// Places that are remembered, at most.
const PLACES_MAX: u64 = 10_000;

/// People of one age, in thousandths: those who were watched through it, and those who took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Watched(u64, u64);

/// By age, those of `crowd` who hold nothing.
fn empty_handed(crowd: &Crowd, now_ms: i64) -> [u64; AGES] {
    let mut people = [0; AGES];
    for (bucket, cohort) in &crowd.cohorts {
        people[age(*bucket, now_ms)] += cohort.empty_handed();
    }
    people
}

fn age(bucket: i64, now_ms: i64) -> usize {
    let age_ms = age_ms(bucket, now_ms);
    AGES_MS[1..AGES].iter().filter(|&&from_ms| age_ms >= from_ms).count()
}

/// What was seen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uptake {
    /// By age.
    #[serde(rename = "a")]
    ages: [Watched; AGES],
    /// Admissions that had taken when it was last looked, by bucket of expiry.
    #[serde(rename = "t")]
    taken: BTreeMap<i64, u64>,
    /// Places held or sold, then.
    #[serde(rename = "h")]
    held: u64,
    /// Places that were taken so far, and in how many takes.
    #[serde(rename = "p")]
    places: u64,
    #[serde(rename = "n")]
    takes: u64,
}

impl Uptake {
    /// Looks again, `elapsed_ms` after the last time, while `held` places are held or sold. People who could take nothing,
    /// because nothing was free, show nothing by it.
    pub(crate) fn watch(&mut self, crowd: &Crowd, held: u64, is_free: bool, now_ms: i64, elapsed_ms: i64) {
        let mut people = if is_free { empty_handed(crowd, now_ms) } else { [0; AGES] };
        let (mut more, mut fewer) = (0, 0);
        for (bucket, cohort) in &crowd.cohorts {
            let (before, taken) = (self.taken.get(bucket).copied().unwrap_or_default(), cohort.taken());
            let takes = taken.saturating_sub(before);
            let age = age(*bucket, now_ms);
            people[age] += takes;
            self.ages[age].1 += takes * ONE;
            (more, fewer) = (more + takes, fewer + before.saturating_sub(taken));
        }
        for (age, (watched, people)) in self.ages.iter_mut().zip(people).enumerate() {
            let lasts_ms = (AGES_MS[age + 1] - AGES_MS[age]).unsigned_abs();
            watched.0 += people * ONE * elapsed_ms.unsigned_abs() / lasts_ms;
            while watched.0.max(watched.1) > PEOPLE_MAX * ONE {
                *watched = Watched(watched.0 / 2, watched.1 / 2);
            }
        }
        if !crowd.cohorts.is_empty() {
            self.places += held.saturating_sub(self.held);
            self.takes += more.saturating_sub(fewer);
            while self.places > PLACES_MAX {
                (self.places, self.takes) = (self.places / 2, self.takes / 2);
            }
        }
        self.taken = crowd.cohorts.iter().map(|(bucket, cohort)| (*bucket, cohort.taken())).collect();
        self.held = held;
    }

    /// Places of a take, in thousandths.
    fn places_per_take(&self) -> u64 {
        let places = (self.places + PRIOR_PLACES) * ONE / (self.takes + PRIOR_TAKES);
        places.clamp(*PLACES_PER_TAKE.start(), *PLACES_PER_TAKE.end())
    }

    /// By age, the chance that somebody who holds nothing takes places.
    fn chances(&self) -> [u64; AGES] {
        let mut stays = [WHOLE; AGES];
        let (mut left, mut before) = (WHOLE, None);
        for (age, Watched(people, takes)) in self.ages.iter().enumerate() {
            let falls = (WHOLE - left) * ONE >= FALLING_FROM * WHOLE;
            let prior = before.filter(|_| falls).map_or(PRIOR[age], |before: u64| before.min(PRIOR[age]));
            let (people, takes) = (people + PRIOR_PEOPLE * ONE, takes + PRIOR_PEOPLE * prior);
            stays[age] = WHOLE * people / (people + takes);
            before = Some(takes * ONE / people);
            left = left * stays[age] / WHOLE;
        }
        let mut chances = [0; AGES];
        let mut stay = WHOLE;
        for age in (0..AGES).rev() {
            stay = stay * stays[age] / WHOLE;
            chances[age] = WHOLE - stay;
        }
        chances
    }

    /// Places that somebody who is just let in is expected to take, in millionths.
    pub(crate) fn of_a_newcomer(&self) -> u64 {
        self.chances()[0] * self.places_per_take() / ONE
    }

    /// Places that the crowd is expected to take beyond those that it has, in millionths.
    pub(crate) fn of(&self, crowd: &Crowd, now_ms: i64) -> u64 {
        let people = empty_handed(crowd, now_ms);
        let takers: u64 = people.iter().zip(self.chances()).map(|(people, chance)| people * chance).sum();
        takers * self.places_per_take() / ONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Admitted, Permits, expiry_bucket};

    const LET_IN_MS: i64 = 1_795_359_600_000;

    /// People who were all let in at once, of whom so many have taken.
    fn crowd(people: u64, taken: u64) -> Crowd {
        let bucket = expiry_bucket(LET_IN_MS + 600_000);
        let permits = Permits { used: people, by_expiry: BTreeMap::from([(bucket, people)]), ..Permits::default() };
        let admitted = Admitted { buckets: BTreeMap::from([(bucket, (0, taken))]), ..Admitted::default() };
        Crowd::of(&[(0, permits)], &[admitted], LET_IN_MS)
    }

    /// A hundred people, of whom so many have taken a pair by each of these seconds.
    fn watched(takes: &[(i64, u64)]) -> Uptake {
        let mut uptake = Uptake::default();
        for second in 0..=takes.last().map_or(0, |(second, _)| *second) {
            let taken = takes.iter().rev().find(|(from, _)| *from <= second).map_or(0, |(_, taken)| *taken);
            uptake.watch(&crowd(100, taken), 2 * taken, true, LET_IN_MS + second * 1_000, 1_000);
        }
        uptake
    }

    fn percent(uptake: &Uptake) -> [u64; AGES] {
        uptake.chances().map(|chance| chance / (WHOLE / 100))
    }

    #[test]
    fn chances_are_what_was_seen_and_until_then_what_is_assumed() {
        type Case<'a> = (&'a str, &'a [(i64, u64)], [u64; AGES]);
        let cases: [Case<'_>; 6] = [
            ("nobody yet: most take their time", &[], [92, 91, 83, 66, 33, 0]),
            ("eighty at once", &[(2, 80), (14, 80)], [96, 91, 83, 66, 33, 0]),
            ("and nobody after them", &[(2, 80), (60, 80)], [66, 20, 7, 4, 2, 0]),
            ("nobody for half a minute", &[(30, 0)], [75, 74, 72, 56, 33, 0]),
            ("slowly", &[(20, 10), (40, 40), (80, 80), (119, 80)], [81, 80, 77, 69, 33, 0]),
            ("nobody ever", &[(599, 0)], [25, 23, 16, 10, 3, 0]),
        ];
        let told = cases.map(|(what, takes, _)| (what, takes, percent(&watched(takes))));
        assert_eq!(told, cases);
    }

    #[test]
    fn people_who_could_take_nothing_show_nothing() {
        let mut uptake = Uptake::default();
        for second in 0..600 {
            uptake.watch(&crowd(100, 0), 0, false, LET_IN_MS + second * 1_000, 1_000);
        }
        assert_eq!(uptake, Uptake { taken: uptake.taken.clone(), ..Uptake::default() });
    }

    #[test]
    fn a_take_is_of_as_many_places_as_takes_were_of() {
        let mut uptake = Uptake::default();
        assert_eq!(uptake.places_per_take(), 2_000);
        for (taken, places, expected) in [(80, 320, 3_600), (60, 240, 3_600), (80, 320, 3_666), (80, 9_000, 10_000)] {
            uptake.watch(&crowd(100, taken), places, true, LET_IN_MS, 1_000);
            assert_eq!(uptake.places_per_take(), expected, "{taken} takes, {places} places");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_newest_counts_most() {
        let mut uptake = watched(&[(14, 0)]);
        let never = uptake.chances()[0];
        for taken in 1..=5_000 {
            uptake.watch(&crowd(6_000, taken), taken, true, LET_IN_MS, 10);
        }
        assert!(uptake.chances()[0] > never && uptake.chances()[0] > WHOLE * 9 / 10, "{:?}", uptake.chances());
        assert!(uptake.ages.iter().all(|Watched(people, takes)| (*people).max(*takes) <= PEOPLE_MAX * ONE));
        assert!(uptake.places <= PLACES_MAX);
    }
}
