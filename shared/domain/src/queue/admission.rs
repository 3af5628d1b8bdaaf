//! Admissions: one for each place, ten minutes long, and never more of them alive at a show than it allows.
//!
//! The bound is kept by permits, not by counting who is there. A show has [`ADMISSION_SHARDS`] counters; each admission
//! takes a permit from one of them in the very transaction that grants it. How many permits there are in all is the
//! show's bound and one more for every admission that is over. That number only ever grows, so whoever works it out late,
//! twice or at the same time as another grants nothing twice.

use std::{collections::BTreeMap, fmt};

use crate::{
    Refusal, Timestamp,
    hold::Tally,
    queue::{Phase, Place},
    time::{SignedDuration, millis, shift},
};

/// How long an admission lives.
pub const ADMISSION_LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// Permit counters of a show. Fixed for ever: permits are counted over all of them.
pub const ADMISSION_SHARDS: u16 = 8;
/// Admissions that end within the same span are counted together, in milliseconds.
const BUCKET_MS: i64 = 15_000;
/// How much later than its bucket's end an admission counts as over: more than two machines' clocks differ.
const SKEW_MS: i64 = 1_000;

/// Which admission of a buyer at a show: the arrival of the place that it was exchanged for, in milliseconds. A later one
/// is larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdmissionId(pub i64);

impl fmt::Display for AdmissionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The right to hold seats for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Which.
    pub id: AdmissionId,
    /// Until when.
    pub expires_at: Timestamp,
}

/// The bucket that an admission with this end is counted in.
#[must_use]
pub fn expiry_bucket(expires_ms: i64) -> i64 {
    expires_ms.div_euclid(BUCKET_MS) + i64::from(expires_ms.rem_euclid(BUCKET_MS) > 0)
}

/// The latest end of what is in `bucket`.
const fn bucket_end_ms(bucket: i64) -> i64 {
    bucket.saturating_mul(BUCKET_MS)
}

/// How long ago what is in `bucket` was let in, in milliseconds, at least.
pub(crate) fn age_ms(bucket: i64, now_ms: i64) -> i64 {
    let lifetime_ms = i64::try_from(ADMISSION_LIFETIME.as_millis()).unwrap_or(i64::MAX);
    (lifetime_ms - bucket_end_ms(bucket).saturating_sub(now_ms)).max(0)
}

/// Whether admissions of `bucket` may be alive at `now`.
pub(crate) const fn is_alive(bucket: i64, now_ms: i64) -> bool {
    bucket_end_ms(bucket).saturating_add(SKEW_MS) > now_ms
}

/// One permit counter of a show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permits {
    /// Permits that there are.
    pub granted: u64,
    /// Permits that were taken.
    pub used: u64,
    /// Permits taken, by bucket of expiry; of those that are over, some may be forgotten.
    pub by_expiry: BTreeMap<i64, u64>,
}

impl Permits {
    /// Admissions from this counter that are not over by the clock.
    #[must_use]
    pub fn alive(&self, now_ms: i64) -> u64 {
        self.by_expiry.iter().filter(|(bucket, _)| is_alive(**bucket, now_ms)).map(|(_, count)| *count).sum()
    }

    /// Buckets that can be forgotten.
    #[must_use]
    pub fn over(&self, now_ms: i64) -> Vec<i64> {
        self.by_expiry.keys().copied().filter(|bucket| !is_alive(*bucket, now_ms)).collect()
    }

    fn left(&self) -> u64 {
        self.granted.saturating_sub(self.used)
    }
}

/// What counter `shard` gets of `granted` permits.
#[must_use]
pub fn share(granted: u64, shard: u16) -> u64 {
    let shards = u64::from(ADMISSION_SHARDS);
    granted / shards + u64::from(u64::from(shard) < granted % shards)
}

/// All that decides whether a place is exchanged.
#[derive(Clone, Debug)]
pub struct Gate<'a> {
    /// What the show does now.
    pub phase: Phase,
    /// The threshold.
    pub serving: Place,
    /// The place, and its turn.
    pub place: Place,
    /// When its turn comes.
    pub turn: Place,
    /// What the table says of the buyer.
    pub tally: &'a Tally,
    /// The show's permit counters, by number.
    pub permits: &'a [(u16, Permits)],
}

/// What an exchange comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// It was made before, and the admission is alive: the same again.
    Has(Admission),
    /// It is granted, with a permit of this counter.
    Grant(Admission, u16),
}

/// Decides an exchange.
///
/// # Errors
/// [`Refusal::NotYetAdmitted`] while the turn is ahead, or as many are let in as may be; [`Refusal::TurnOver`] when the
/// place was exchanged before and that admission is over; [`Refusal::SalesPaused`], [`Refusal::NotOnSale`].
pub fn exchange(gate: &Gate<'_>, now: Timestamp) -> Result<Exchange, Refusal> {
    if gate.turn > gate.serving {
        return Err(Refusal::NotYetAdmitted);
    }
    let id = AdmissionId(gate.place.arrival_ms);
    match gate.tally.admission {
        Some(admission) if admission.id == id && gate.tally.is_admitted(id, now) => {
            return Ok(Exchange::Has(admission));
        }
        Some(admission) if admission.id >= id => return Err(Refusal::TurnOver),
        _ => {}
    }
    match gate.phase {
        Phase::Open => {}
        Phase::PreSale | Phase::SoldOut => return Err(Refusal::NotYetAdmitted),
        Phase::Paused => return Err(Refusal::SalesPaused),
        Phase::Closed => return Err(Refusal::NotOnSale { on_sale_at: None }),
    }
    // Of counters that have as many, each buyer begins at another: a crowd spreads over them.
    let turned = |shard: u16| {
        (u128::from(shard) + gate.place.hash % u128::from(ADMISSION_SHARDS)) % u128::from(ADMISSION_SHARDS)
    };
    let fullest = gate.permits.iter().max_by_key(|(shard, permits)| (permits.left(), turned(*shard)));
    let admission = Admission { id, expires_at: shift(now, ADMISSION_LIFETIME) };
    match fullest {
        Some((shard, permits)) if permits.left() > 0 => Ok(Exchange::Grant(admission, *shard)),
        _ => Err(Refusal::NotYetAdmitted),
    }
}

/// The bucket of an admission.
impl Admission {
    /// The bucket that it is counted in.
    #[must_use]
    pub fn bucket(&self) -> i64 {
        expiry_bucket(millis(self.expires_at))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{queue::Epoch, time::from_millis};

    fn at(ms: i64) -> Timestamp {
        from_millis(1_795_359_600_000 + ms).unwrap()
    }

    fn place(arrival_ms: i64) -> Place {
        Place { epoch: Epoch::Line, arrival_ms, hash: 7 }
    }

    fn permits(left: &[u64]) -> Vec<(u16, Permits)> {
        (0u16..).zip(left).map(|(shard, &left)| (shard, Permits { granted: left, ..Permits::default() })).collect()
    }

    fn decide(arrival_ms: i64, serving: Place, tally: &Tally, left: &[u64], phase: Phase) -> Result<Exchange, Refusal> {
        let (place, permits) = (place(arrival_ms), permits(left));
        exchange(&Gate { phase, serving, place, turn: place, tally, permits: &permits }, at(0))
    }

    fn admitted(id: i64, expires_ms: i64, spent: bool) -> Tally {
        let admission = Some(Admission { id: AdmissionId(id), expires_at: at(expires_ms) });
        Tally { admission, spent, ..Tally::default() }
    }

    #[test]
    fn a_place_is_exchanged_once_its_turn_has_come_and_there_is_room() {
        let granted = |shard| Ok(Exchange::Grant(Admission { id: AdmissionId(5), expires_at: at(600_000) }, shard));
        let none = Tally::default();
        let open = |serving, left: &[u64]| decide(5, serving, &none, left, Phase::Open);
        assert_eq!(open(place(5), &[0, 3, 2]), granted(1), "from the counter with most");
        assert_eq!(open(place(5), &[2, 2]), granted(0));
        assert_eq!(open(place(4), &[9]), Err(Refusal::NotYetAdmitted), "the turn is ahead");
        assert_eq!(open(place(5), &[0, 0]), Err(Refusal::NotYetAdmitted), "no room");
        assert_eq!(open(place(5), &[]), Err(Refusal::NotYetAdmitted), "no counters yet");
        let at_phase = |phase| decide(5, place(5), &none, &[1], phase);
        assert_eq!(at_phase(Phase::SoldOut), Err(Refusal::NotYetAdmitted), "the turn is kept until seats return");
        assert_eq!(at_phase(Phase::Paused), Err(Refusal::SalesPaused));
        assert_eq!(at_phase(Phase::Closed), Err(Refusal::NotOnSale { on_sale_at: None }));
    }

    #[test]
    fn a_live_admission_is_told_again_and_one_that_is_over_is_not_granted_again() {
        let decide = |tally: &Tally, phase| decide(5, place(9), tally, &[1], phase);
        let live = admitted(5, 1, false);
        for phase in [Phase::Open, Phase::SoldOut, Phase::Paused] {
            assert_eq!(decide(&live, phase), Ok(Exchange::Has(live.admission.unwrap())));
        }
        for (what, over) in [
            ("expired", admitted(5, 0, false)),
            ("spent", admitted(5, 1, true)),
            ("a later one", admitted(6, 1, false)),
        ] {
            assert_eq!(decide(&over, Phase::Open), Err(Refusal::TurnOver), "{what}");
        }
        let earlier = admitted(4, 0, true);
        assert!(matches!(decide(&earlier, Phase::Open), Ok(Exchange::Grant(..))), "a new place is a new turn");
    }

    #[test]
    fn an_admission_counts_as_alive_until_surely_nobody_takes_it_for_alive() {
        let expires = at(600_000);
        let bucket = Admission { id: AdmissionId(1), expires_at: expires }.bucket();
        let permits = Permits { granted: 1, used: 1, by_expiry: BTreeMap::from([(bucket, 1)]) };
        assert_eq!(permits.alive(millis(expires) + SKEW_MS - 1), 1);
        assert_eq!((permits.alive(millis(expires) + BUCKET_MS + SKEW_MS), permits.over(millis(expires))), (0, vec![]));
        assert_eq!(permits.over(millis(expires) + BUCKET_MS + SKEW_MS), [bucket]);
    }

    proptest! {
        #[test]
        fn shares_add_up_and_none_ever_shrinks(granted in 0u64..1_000_000, more in 0u64..1_000) {
            let sum: u64 = (0..ADMISSION_SHARDS).map(|shard| share(granted, shard)).sum();
            prop_assert_eq!(sum, granted);
            for shard in 0..ADMISSION_SHARDS {
                prop_assert!(share(granted + more, shard) >= share(granted, shard));
            }
        }

        #[test]
        fn a_bucket_ends_no_earlier_than_what_is_in_it(expires_ms in 0i64..2_000_000_000_000) {
            let bucket = expiry_bucket(expires_ms);
            prop_assert!(bucket * BUCKET_MS >= expires_ms && (bucket - 1) * BUCKET_MS < expires_ms);
            prop_assert!(is_alive(bucket, expires_ms));
        }
    }
}
