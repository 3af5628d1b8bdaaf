//! What a seed stands for: how many people, seats and instances, and how often what goes wrong.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use testkit::dice::Dice;

use crate::plant::Plant;

/// What can go wrong. Each has a rate of its own, in thousandths, and can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The table is too busy for a call.
    Throttle,
    /// Another transaction is at the same items.
    Conflict,
    /// A call of the table is lost on its way.
    Lost,
    /// It is carried out and the answer is lost.
    Unanswered,
    /// Its sender gives it up, and it is carried out later all the same.
    Late,
    /// It takes seconds instead of milliseconds.
    Slow,
    /// The process dies between two awaits.
    Crash,
    /// An event, a message or a batch of the stream comes again, later.
    Twice,
    /// Timers are lost.
    TimerLost,
    /// Webhooks are lost for good.
    WebhookLost,
    /// Webhooks come minutes late, and in another order.
    WebhookLate,
    /// A call of the provider is lost on its way.
    ProviderLost,
    /// It is carried out and the answer is lost.
    ProviderUnanswered,
    /// The provider refuses what it could do.
    ProviderRefused,
    /// The provider does not answer at all, for a while.
    Outage,
    /// The provider lets an intent that it has cancelled be paid.
    WordBroken,
    /// The clocks of instances differ, and jump.
    Skew,
}

impl Kind {
    /// All of them, with the names that they are left out by and the highest rate each may have.
    pub const ALL: [(Self, &'static str, u64); 17] = [
        (Self::Throttle, "throttle", 40),
        (Self::Conflict, "conflict", 60),
        (Self::Lost, "lost", 40),
        (Self::Unanswered, "unanswered", 40),
        (Self::Late, "late", 20),
        (Self::Slow, "slow", 20),
        (Self::Crash, "crash", 120),
        (Self::Twice, "twice", 200),
        (Self::TimerLost, "timer-lost", 1000),
        (Self::WebhookLost, "webhook-lost", 500),
        (Self::WebhookLate, "webhook-late", 500),
        (Self::ProviderLost, "provider-lost", 80),
        (Self::ProviderUnanswered, "provider-unanswered", 80),
        (Self::ProviderRefused, "provider-refused", 30),
        (Self::Outage, "outage", 1000),
        (Self::WordBroken, "word-broken", 100),
        (Self::Skew, "skew", 1000),
    ];

    /// The name that it is left out by.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, name, _)| name)
    }

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(kind, ..)| *kind)
    }
}

/// A simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What everything else follows from.
    pub seed: u64,
    /// People who buy, give back and wander off.
    pub buyers: u64,
    /// Seats of the one row.
    pub seats: u64,
    /// Places of the one area.
    pub places: u32,
    /// Places that one buyer may have.
    pub cap: u32,
    /// How long a hold lives.
    pub hold_seconds: u32,
    /// How long people come and things go wrong.
    pub sale_seconds: u64,
    /// Instances of every function.
    pub instances: u64,
    /// Admissions alive at once, where there is a waiting room.
    pub admissions_max: Option<u32>,
    /// How long an offer of the waitlist lives, where names are put down.
    pub offer_seconds: Option<u32>,
    /// People who watch the map, which is pushed to them.
    pub watchers: u64,
    /// When the organiser calls the show off, if ever.
    pub calls_off_after_seconds: Option<u64>,
    /// The provider takes the money at once, without a capture.
    pub takes_at_once: bool,
    /// Whether lines to the table try again by themselves, as the deployed ones do.
    pub patient: bool,
    /// How often what goes wrong, in thousandths; what is not listed does not.
    pub rates: BTreeMap<Kind, u64>,
}

/// Admissions at once where a bug of the waiting room is planted.
const ADMISSIONS_PLANTED: u32 = 2;
/// How long an offer lives where a bug of the waitlist is planted.
const OFFER_SECONDS_PLANTED: u32 = 30;
/// The largest rate of a quiet seed's kinds, as a part of the highest.
const QUIET: u64 = 4;

impl Options {
    /// What `seed` stands for. Every seed leaves about half of the kinds out, so that none hides behind another.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let (dice, room) = (Dice::about(seed, "options"), Dice::about(seed, "waiting room"));
        let (line, board) = (Dice::about(seed, "lining up"), Dice::about(seed, "watchers"));
        let quiet = dice.in_hundred(30);
        let rates = Kind::ALL.iter().filter_map(|&(kind, _, highest)| {
            let highest = if quiet { highest.div_ceil(QUIET) } else { highest };
            let (is_in, rate) = (dice.in_hundred(50), dice.within(1, highest));
            is_in.then_some((kind, rate))
        });
        let rates = rates.collect();
        let sale_seconds = dice.within(120, 480);
        let (is_called_off, called_off_after) = (dice.in_hundred(12), dice.within(60, sale_seconds));
        Self {
            seed,
            buyers: dice.within(3, 14),
            seats: dice.within(2, 9),
            places: u32::try_from(dice.within(1, 12)).unwrap_or(1),
            cap: u32::try_from(dice.within(2, 6)).unwrap_or(2),
            hold_seconds: u32::try_from(dice.within(20, 120)).unwrap_or(20),
            sale_seconds,
            watchers: if board.in_hundred(40) { board.within(1, 2) } else { 0 },
            calls_off_after_seconds: is_called_off.then_some(called_off_after),
            instances: dice.within(2, 3),
            admissions_max: u32::try_from(room.within(1, 5)).ok().filter(|_| room.in_hundred(20)),
            offer_seconds: u32::try_from(line.within(15, 40)).ok().filter(|_| line.in_hundred(40)),
            takes_at_once: dice.in_hundred(15),
            patient: dice.in_hundred(50),
            rates,
        }
    }

    /// What a planted bug can show itself in.
    #[must_use]
    pub fn with_room_for(mut self, plant: Option<Plant>) -> Self {
        if plant.is_some_and(Plant::is_about_queue) {
            self.admissions_max = self.admissions_max.or(Some(ADMISSIONS_PLANTED));
            self.calls_off_after_seconds = None;
        }
        if plant.is_some_and(Plant::is_about_watchers) {
            self.watchers = self.watchers.max(1);
        }
        if plant.is_some_and(Plant::is_about_waitlist) {
            self.offer_seconds = self.offer_seconds.or(Some(OFFER_SECONDS_PLANTED));
            self.calls_off_after_seconds = None;
        }
        self
    }

    /// How often `kind` happens, in thousandths.
    #[must_use]
    pub fn rate(&self, kind: Kind) -> u64 {
        self.rates.get(&kind).copied().unwrap_or_default()
    }

    /// The arguments of the command that runs these options again.
    #[must_use]
    pub fn arguments(&self) -> String {
        let of_seed = Self::of(self.seed);
        let mut text = format!("--seed {}", self.seed);
        let numbers = [
            ("buyers", self.buyers, of_seed.buyers),
            ("seats", self.seats, of_seed.seats),
            ("sale-seconds", self.sale_seconds, of_seed.sale_seconds),
        ];
        for (name, number, _) in numbers.iter().filter(|(_, number, usual)| number != usual) {
            write!(text, " --{name} {number}").expect("text grows");
        }
        let left_out = of_seed.rates.keys().filter(|kind| !self.rates.contains_key(kind));
        let names: Vec<&str> = left_out.map(|kind| kind.name()).collect();
        if !names.is_empty() {
            write!(text, " --without {}", names.join(",")).expect("text grows");
        }
        text
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, buyers, seats, places, cap, hold_seconds, sale_seconds, instances, .. } = self;
        write!(
            f,
            "seed {seed}: {buyers} buyers, {seats} seats, {places} places, cap {cap}, holds of {hold_seconds} s, "
        )?;
        write!(f, "{sale_seconds} s of sale, {instances} instances")?;
        if let Some(most) = self.admissions_max {
            write!(f, ", a waiting room that lets in {most}")?;
        }
        if let Some(seconds) = self.offer_seconds {
            write!(f, ", a waitlist with offers of {seconds} s")?;
        }
        if self.watchers > 0 {
            write!(f, ", {} watching", self.watchers)?;
        }
        if let Some(seconds) = self.calls_off_after_seconds {
            write!(f, ", called off after {seconds} s")?;
        }
        if self.takes_at_once {
            f.write_str(", money taken at once")?;
        }
        f.write_str(if self.patient { ", patient lines" } else { ", impatient lines" })?;
        for (kind, rate) in &self.rates {
            write!(f, ", {} {rate}‰", kind.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_stands_for_the_same_whenever_asked_and_its_command_says_what_was_changed() {
        let options = Options::of(4711);
        assert_eq!(options, Options::of(4711));
        assert_eq!(options.arguments(), "--seed 4711");
        let mut smaller = options.clone();
        smaller.buyers = 1;
        let (&kind, _) = smaller.rates.iter().next().unwrap();
        smaller.rates.remove(&kind);
        assert_eq!(smaller.arguments(), format!("--seed 4711 --buyers 1 --without {}", kind.name()));
    }

    #[test]
    fn each_kind_has_a_name_and_is_found_by_it() {
        for (kind, name, _) in Kind::ALL {
            assert_eq!((kind.name(), Kind::named(name)), (name, Some(kind)));
        }
    }

    #[test]
    fn every_kind_is_left_out_by_some_seeds_and_not_by_others() {
        for (kind, name, _) in Kind::ALL {
            let with = (0..100).filter(|&seed| Options::of(seed).rate(kind) > 0).count();
            assert!((20..80).contains(&with), "{name}: {with} of 100");
        }
    }
}
