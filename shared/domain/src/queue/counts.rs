//! What `project` counts of the table's stream: who joined, and what became of admissions. Batches repeat, come late and
//! come in parts; each partition's counts remember up to where they have counted, so that nobody is counted twice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::queue::{AdmissionId, Histogram, expiry_bucket};

/// Buckets of expiry that are kept, counted back from the newest: an admission's life and a minute.
const BUCKETS_KEPT: i64 = 44;

/// A position in the stream: a number of any length, in decimal, compared as a number.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Sequence(usize, String);

impl Sequence {
    /// The position with this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let digits = text.trim_start_matches('0');
        Self(digits.len(), digits.to_owned())
    }
}

impl From<String> for Sequence {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<Sequence> for String {
    fn from(sequence: Sequence) -> Self {
        sequence.1
    }
}

/// Who joined, in one partition of a show's places.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrivals {
    /// All up to here are counted.
    #[serde(rename = "q")]
    pub sequence: Sequence,
    /// When.
    #[serde(rename = "h")]
    pub histogram: Histogram,
    /// The newest arrival, in milliseconds; 0 when nobody came.
    #[serde(rename = "n")]
    pub newest_ms: i64,
}

impl Arrivals {
    /// Counts those of the arrivals that are not counted yet. Whether there were any.
    pub fn apply(&mut self, records: &[(Sequence, i64)], opens_at_ms: i64) -> bool {
        let mut new: Vec<&(Sequence, i64)> = records.iter().filter(|(sequence, _)| *sequence > self.sequence).collect();
        new.sort();
        // A batch never has a record twice; if one did, it would be one all the same.
        new.dedup_by_key(|(sequence, _)| sequence.clone());
        for (sequence, arrival_ms) in &new {
            self.histogram.count(*arrival_ms, opens_at_ms);
            self.newest_ms = self.newest_ms.max(*arrival_ms);
            self.sequence = sequence.clone();
        }
        !new.is_empty()
    }
}

/// What a buyer's item says of their newest admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub admission: AdmissionId,
    /// Until when, in milliseconds.
    pub expires_ms: i64,
    /// They have seats that they did not have when they were let in.
    pub holding: bool,
    /// They have bought.
    pub spent: bool,
}

/// What became of the admissions of one partition of a show's buyers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admitted {
    /// All changes up to here are counted.
    #[serde(rename = "q")]
    pub sequence: Sequence,
    /// By [bucket of expiry](expiry_bucket): how many hold seats without having bought, and how many have bought.
    #[serde(rename = "m")]
    pub buckets: BTreeMap<i64, (i64, u64)>,
}

impl Admitted {
    /// Counts those of the changes (what was, what is) that are not counted yet. Whether there were any.
    pub fn apply(&mut self, records: &[(Sequence, Option<Standing>, Option<Standing>)]) -> bool {
        let mut new: Vec<_> = records.iter().filter(|(sequence, ..)| *sequence > self.sequence).collect();
        new.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        new.dedup_by_key(|(sequence, ..)| sequence.clone());
        for (sequence, was, is) in &new {
            self.change(*was, *is);
            self.sequence = sequence.clone();
        }
        let newest = self.buckets.last_key_value().map_or(0, |(bucket, _)| *bucket);
        self.buckets.retain(|bucket, _| *bucket > newest - BUCKETS_KEPT);
        !new.is_empty()
    }

    fn change(&mut self, was: Option<Standing>, is: Option<Standing>) {
        if let Some(was) = was.filter(|was| was.holding && !was.spent) {
            self.bucket(was.expires_ms).0 -= 1;
        }
        let Some(is) = is else { return };
        if is.holding && !is.spent {
            self.bucket(is.expires_ms).0 += 1;
        }
        // Bought is bought: no later change takes it back.
        let before = was.is_some_and(|was| was.admission == is.admission && was.spent);
        if is.spent && !before {
            self.bucket(is.expires_ms).1 += 1;
        }
    }

    fn bucket(&mut self, expires_ms: i64) -> &mut (i64, u64) {
        self.buckets.entry(expiry_bucket(expires_ms)).or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPENS: i64 = 1_795_359_600_000;

    fn sequence(number: usize) -> Sequence {
        Sequence::new(&number.to_string())
    }

    #[test]
    fn positions_compare_as_numbers_of_any_length() {
        for (one, other) in [("9", "10"), ("007", "8"), ("", "1"), ("99999999999999999999", "100000000000000000000")] {
            assert!(Sequence::new(one) < Sequence::new(other), "{one} {other}");
        }
        assert_eq!(Sequence::new("007"), Sequence::new("7"));
        let text = serde_json::to_string(&sequence(12)).unwrap();
        assert_eq!((text.as_str(), serde_json::from_str::<Sequence>(&text).unwrap()), ("\"12\"", sequence(12)));
    }

    #[test]
    fn an_admission_is_counted_as_holding_until_it_has_bought() {
        let standing =
            |holding, spent| Some(Standing { admission: AdmissionId(1), expires_ms: 600_000, holding, spent });
        let steps = [
            (None, standing(false, false), (0, 0)),
            (standing(false, false), standing(true, false), (1, 0)),
            (standing(true, false), standing(false, false), (0, 0)),
            (standing(false, false), standing(true, false), (1, 0)),
            (standing(true, false), standing(true, true), (0, 1)),
            (standing(true, true), standing(true, true), (0, 1)),
            (standing(true, true), standing(false, true), (0, 1)),
            (standing(false, true), None, (0, 1)),
        ];
        let mut admitted = Admitted::default();
        for (number, (was, is, expected)) in steps.into_iter().enumerate() {
            assert!(admitted.apply(&[(sequence(number + 1), was, is)]));
            assert_eq!(admitted.buckets.get(&40).copied().unwrap_or_default(), expected, "step {number}");
        }
        let next = Standing { admission: AdmissionId(2), expires_ms: 900_000, holding: false, spent: false };
        assert!(admitted.apply(&[(sequence(99), standing(true, true), Some(next))]));
        assert_eq!(admitted.buckets[&40], (0, 1), "a second admission does not undo the first one's purchase");
    }

    #[test]
    fn only_so_many_buckets_are_kept() {
        let mut admitted = Admitted::default();
        for number in 1..=500i64 {
            let is =
                Standing { admission: AdmissionId(number), expires_ms: number * 15_000, holding: true, spent: false };
            admitted.apply(&[(Sequence::new(&number.to_string()), None, Some(is))]);
        }
        assert_eq!(admitted.buckets.len(), usize::try_from(BUCKETS_KEPT).unwrap());
        assert!(admitted.buckets.contains_key(&500));
    }

    /// How a batch may come: the whole of it or a part, again and again, never before what is before it.
    fn deliveries(records: usize) -> impl Strategy<Value = Vec<(usize, usize)>> {
        proptest::collection::vec((0..=records, 0..=records), 0..20)
    }

    proptest! {
        #[test]
        fn however_batches_repeat_everybody_is_counted_once(
            arrivals in proptest::collection::vec(-10_000i64..200_000, 1..100),
            again in deliveries(100),
        ) {
            let records: Vec<(Sequence, i64)> =
                arrivals.iter().enumerate().map(|(n, &at)| (sequence(n + 1), OPENS + at)).collect();
            let mut counted = Arrivals::default();
            let mut reached = 0;
            for (from, to) in again {
                // The stream goes on from where it was, or goes back and repeats.
                let (from, to) = (from.min(reached), to.min(records.len()));
                if from < to {
                    counted.apply(&records[from..to], OPENS);
                    reached = reached.max(to);
                }
            }
            counted.apply(&records, OPENS);
            let mut once = Arrivals::default();
            once.apply(&records, OPENS);
            prop_assert_eq!(&counted, &once);
            prop_assert_eq!(counted.histogram.joined(), arrivals.len() as u64);
            prop_assert!(!counted.apply(&records, OPENS), "nothing is new any more");
        }
    }
}
