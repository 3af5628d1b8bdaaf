//! Token buckets by address and by account, in this instance's memory.
//!
//! An instance knows only the calls that it answered itself: a bucket stops whoever hammers one instance, and keeps one
//! caller from having all of it. What holds over all instances are the rules in front of the API (`infra/edge`).

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use domain::{
    Refusal,
    rate::{Bucket, Rate},
};
use tokio::time::Instant;

/// Callers remembered, at most; each is some hundred bytes.
const CALLERS_MAX: usize = 20_000;
/// The first bits of an IPv6 address, which one subscriber has all of.
const SUBSCRIBER_BITS: u32 = 64;
/// A caller with fewer than this part of the burst left is about to be limited.
const STRAINED_PART: u32 = 10;

/// Where a call comes from, as far as callers are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address(IpAddr);

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self(ip.into()),
            IpAddr::V6(ip) => {
                let network = u128::from(ip) & (u128::MAX << (u128::BITS - SUBSCRIBER_BITS));
                Self(Ipv6Addr::from(network).into())
            }
        }
    }
}

/// One bucket a caller.
pub(crate) struct Limiter<K> {
    rate: Option<Rate>,
    buckets: Mutex<HashMap<K, Bucket>>,
    began: Instant,
}

impl<K: Eq + Hash> Limiter<K> {
    /// Lets `per_second` calls through in the long run; with 0, all.
    pub(crate) fn new(per_second: u32) -> Self {
        Self { rate: Rate::new(per_second), buckets: Mutex::default(), began: Instant::now() }
    }

    /// One more call of `caller`. Answers whether the caller is about to be limited.
    ///
    /// # Errors
    /// [`Refusal::TooManyRequests`].
    pub(crate) fn take(&self, caller: K) -> Result<bool, Refusal> {
        self.take_at(caller, self.began.elapsed())
    }

    fn take_at(&self, caller: K, now: Duration) -> Result<bool, Refusal> {
        let Some(rate) = self.rate else { return Ok(false) };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CALLERS_MAX && !buckets.contains_key(&caller) {
            buckets.retain(|_, bucket| !bucket.is_full(rate, now));
            // Were there only a few to forget, every next caller would look through all again: then everybody
            // begins anew. A flood from that many addresses is for the rules in front.
            if buckets.len() > CALLERS_MAX / 2 {
                buckets.clear();
            }
        }
        match buckets.entry(caller).or_insert_with(|| Bucket::full(rate, now)).take(rate, now) {
            Ok(left) => Ok(left < rate.burst() / STRAINED_PART),
            // Up, to the next whole second: who comes back then is served.
            Err(wait) => {
                let seconds = wait.as_millis().div_ceil(1_000);
                Err(Refusal::TooManyRequests { retry_after_seconds: u64::try_from(seconds).unwrap_or(u64::MAX) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(60);

    fn address(text: &str) -> Address {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn callers_do_not_pay_for_each_other() {
        let limiter = Limiter::new(5);
        let strained: Vec<bool> = (0..20).map(|_| limiter.take_at("ada", NOW).unwrap()).collect();
        assert_eq!(strained.iter().filter(|strained| **strained).count(), 2, "the last tenth of the burst");
        assert_eq!(limiter.take_at("ada", NOW), Err(Refusal::TooManyRequests { retry_after_seconds: 1 }));
        assert_eq!(limiter.take_at("bob", NOW), Ok(false));
        assert!(limiter.take_at("ada", NOW + Duration::from_secs(1)).is_ok());
    }

    #[test]
    fn without_a_rate_nobody_is_limited_or_remembered() {
        let limiter = Limiter::new(0);
        assert!((0..1_000).all(|_| limiter.take_at("ada", NOW) == Ok(false)));
        assert!(limiter.buckets.lock().unwrap().is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_idle_are_forgotten_first() {
        let limiter = Limiter::new(1);
        for caller in 0..CALLERS_MAX {
            limiter.take_at(caller, NOW).unwrap();
        }
        let later = NOW + Duration::from_secs(1);
        (0..4).for_each(|_| drop(limiter.take_at(7, later)));
        limiter.take_at(CALLERS_MAX, later).unwrap();
        assert!(limiter.buckets.lock().unwrap().len() <= CALLERS_MAX);
        assert!(limiter.take_at(7, later).is_err(), "who is at it is remembered");
        // All at once from everywhere: all are forgotten, and the memory is bounded all the same.
        for caller in 0..3 * CALLERS_MAX {
            (0..2).for_each(|_| drop(limiter.take_at(caller, later)));
        }
        assert!(limiter.buckets.lock().unwrap().len() <= CALLERS_MAX);
    }

    #[test]
    fn a_subscriber_is_one_caller() {
        assert_eq!(address("2001:db8:1:2:3::4"), address("2001:db8:1:2:ffff::1"));
        assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
        assert_ne!(address("198.51.100.1"), address("198.51.100.2"));
        assert_eq!(address("::ffff:198.51.100.1"), address("198.51.100.1"));
    }
}
