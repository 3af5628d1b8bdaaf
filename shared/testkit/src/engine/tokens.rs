//! Idempotency tokens of transactions, as DynamoDB keeps them for ten minutes.
//!
//! The engine has its own, but scans all of them under one lock on every transaction. This one is constant time and
//! bounded.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::{DefaultHasher, Hasher as _},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// How long a token is remembered.
const TOKEN_LIFETIME: Duration = Duration::from_mins(10);
/// Tokens remembered at most; the oldest go first.
const TOKENS_MAX: usize = 1_000_000;

/// What is known of a token that comes in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing: it is claimed now, and must be settled.
    New,
    /// The same request was carried out.
    Done,
    /// The same request is being carried out.
    Running,
    /// It was used for another request.
    Mismatch,
}

struct Claim {
    digest: u64,
    done: bool,
    at: Instant,
}

#[derive(Default)]
struct State {
    tokens: HashMap<String, Claim>,
    /// Oldest first. A token that was given up leaves its age behind: looking for it would take a scan.
    ages: VecDeque<(Instant, String)>,
}

#[derive(Default)]
pub(super) struct Tokens {
    state: Mutex<State>,
}

impl Tokens {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks the token up, and claims it when it is new.
    pub(super) fn claim(&self, token: &str, digest: u64) -> Known {
        let mut state = self.state();
        let now = Instant::now();
        while state.ages.front().is_some_and(|(at, _)| now.duration_since(*at) > TOKEN_LIFETIME)
            || state.ages.len() >= TOKENS_MAX
        {
            if let Some((at, old)) = state.ages.pop_front()
                && state.tokens.get(&old).is_some_and(|claim| claim.at == at)
            {
                state.tokens.remove(&old);
            }
        }
        match state.tokens.get(token) {
            Some(claim) if claim.digest != digest => Known::Mismatch,
            Some(claim) if claim.done => Known::Done,
            Some(_) => Known::Running,
            None => {
                state.tokens.insert(token.to_owned(), Claim { digest, done: false, at: now });
                state.ages.push_back((now, token.to_owned()));
                Known::New
            }
        }
    }

    /// The claimed request ended. Only success is remembered: a refused one may be tried again.
    pub(super) fn settle(&self, token: &str, success: bool) {
        let mut state = self.state();
        if !success {
            state.tokens.remove(token);
        } else if let Some(claim) = state.tokens.get_mut(token) {
            claim.done = true;
        }
    }
}

/// A digest of JSON that does not depend on the order of an object's fields: the SDK writes maps in any order.
pub(super) struct Digest(pub(super) u64);

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DigestVisitor)
    }
}

fn digest(parts: impl std::hash::Hash) -> Digest {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    Digest(hasher.finish())
}

/// A digest of a request's or an answer's JSON, whatever the order of its fields, without the token and the capacity; 0 of
/// what is not JSON.
#[must_use]
pub fn digest_of(json: &[u8]) -> u64 {
    serde_json::from_slice::<Digest>(json).map_or(0, |digest| digest.0)
}

struct DigestVisitor;

impl<'de> Visitor<'de> for DigestVisitor {
    type Value = Digest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Digest, E> {
        Ok(digest((0, value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Digest, E> {
        Ok(digest((1, value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Digest, E> {
        Ok(digest((2, value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Digest, E> {
        Ok(digest((3, value.to_bits())))
    }

    fn visit_str<E>(self, value: &str) -> Result<Digest, E> {
        Ok(digest((4, value)))
    }

    fn visit_unit<E>(self) -> Result<Digest, E> {
        Ok(digest(5))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Digest, A::Error> {
        let mut sum = 6;
        while let Some(Digest(item)) = items.next_element()? {
            sum = digest((sum, item)).0;
        }
        Ok(Digest(sum))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Digest, A::Error> {
        let mut sum = 7_u64;
        while let Some(name) = fields.next_key::<String>()? {
            if matches!(name.as_str(), "ClientRequestToken" | "ReturnConsumedCapacity") {
                fields.next_value::<IgnoredAny>()?;
                continue;
            }
            let Digest(value) = fields.next_value()?;
            sum = sum.wrapping_add(digest((name, value)).0);
        }
        Ok(Digest(sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_knows_content_from_order() {
        let one = digest_of(br#"{"a":[{"x":{"S":"1"},"y":{"S":"2"}}],"ClientRequestToken":"t"}"#);
        assert_eq!(one, digest_of(br#"{"ClientRequestToken":"u","a":[{"y":{"S":"2"},"x":{"S":"1"}}]}"#));
        assert_ne!(one, digest_of(br#"{"a":[{"x":{"S":"2"},"y":{"S":"1"}}]}"#));
        assert_ne!(digest_of(b"[1,2]"), digest_of(b"[2,1]"));
        assert_ne!(digest_of(br#"["a",null]"#), digest_of(br#"["a"]"#));
    }

    #[test]
    fn only_success_is_remembered() {
        let tokens = Tokens::default();
        assert_eq!(tokens.claim("t", 1), Known::New);
        assert_eq!(tokens.claim("t", 1), Known::Running);
        tokens.settle("t", false);
        assert_eq!(tokens.claim("t", 2), Known::New);
        tokens.settle("t", true);
        assert_eq!(tokens.claim("t", 2), Known::Done);
        assert_eq!(tokens.claim("t", 1), Known::Mismatch);
    }
}
