//! Those who were let in and whose time is not over.

use std::collections::BTreeMap;

use crate::queue::{Admitted, Permits, admission::is_alive};

/// Admissions that are counted together, because they end within the same span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cohort {
    issued: u64,
    holding: i64,
    spent: u64,
}

impl Cohort {
    /// How many hold places or have bought.
    pub(crate) fn taken(&self) -> u64 {
        self.spent + u64::try_from(self.holding).unwrap_or_default()
    }

    /// How many neither hold places nor have bought.
    pub(crate) fn empty_handed(&self) -> u64 {
        self.issued.saturating_sub(self.taken())
    }
}

/// The admissions of a show, by [bucket of expiry](crate::queue::expiry_bucket).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Crowd {
    /// Permits that were ever taken.
    pub(crate) used: u64,
    /// Those that are not over.
    pub(crate) cohorts: BTreeMap<i64, Cohort>,
}

impl Crowd {
    /// As the permit counters and what became of admissions tell it.
    pub(crate) fn of(permits: &[(u16, Permits)], admitted: &[Admitted], now_ms: i64) -> Self {
        let mut cohorts: BTreeMap<i64, Cohort> = BTreeMap::new();
        for (bucket, issued) in permits.iter().flat_map(|(_, permits)| &permits.by_expiry) {
            cohorts.entry(*bucket).or_default().issued += issued;
        }
        for (bucket, (holding, spent)) in admitted.iter().flat_map(|part| &part.buckets) {
            let cohort = cohorts.entry(*bucket).or_default();
            (cohort.holding, cohort.spent) = (cohort.holding + holding, cohort.spent + spent);
        }
        cohorts.retain(|bucket, _| is_alive(*bucket, now_ms));
        Self { used: permits.iter().map(|(_, permits)| permits.used).sum(), cohorts }
    }

    /// Admissions that are alive and have not bought.
    pub(crate) fn live(&self) -> u64 {
        self.cohorts.values().map(|cohort| cohort.issued.saturating_sub(cohort.spent)).sum()
    }
}
