//! Proof of work: what costs a person a second of their machine's time, once, and whoever makes thousands of holds all of it.
//!
//! A challenge is signed and nothing is stored. It is for one buyer's one hold, named by the booking that the request would
//! make: a solution that is sent again finds that booking, and nothing else.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::{
    Timestamp,
    ids::{BookingId, ShowId, UserId},
    time::{SignedDuration, from_millis, millis, shift},
};

/// How long a challenge may be worked on.
pub const CHALLENGE_LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// The hardest that is ever asked for: about a thousand million hashes.
pub const BITS_MAX: u32 = 30;
/// The longest nonce, in bytes.
const NONCE_BYTES_MAX: usize = 32;
/// What the kind of challenge that is solved here is called.
pub const PROOF_OF_WORK: &str = "proof-of-work";

/// Whose hold it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Who asks.
    pub buyer: UserId,
    /// At which show.
    pub show: ShowId,
    /// The booking that the request would make; its key names it.
    pub booking: BookingId,
}

/// What somebody is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// How it is solved: [`PROOF_OF_WORK`], or whatever another provider calls its own.
    pub kind: &'static str,
    /// What to solve.
    pub text: String,
    /// How many zero bits the hash must begin with; 0 where nothing is counted.
    pub bits: u32,
    /// Until when.
    pub expires_at: Timestamp,
}

fn mac(key: &[u8], subject: &Subject, expires_ms: i64, bits: u32) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    let (buyer, expiry, bits) = (subject.buyer.as_str().as_bytes(), expires_ms.to_be_bytes(), bits.to_be_bytes());
    let (show, booking) = (subject.show.uuid(), subject.booking.uuid());
    // The length before each part, and a name before all: what is signed here is signed nowhere else.
    for part in [b"challenge".as_slice(), buyer, show.as_bytes(), booking.as_bytes(), &expiry, &bits] {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    mac
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// The challenge for `subject`: to find a nonce for which the SHA-256 of `<challenge>:<nonce>` begins with `bits` zero bits.
#[must_use]
pub fn ask(key: &[u8], subject: &Subject, bits: u32, now: Timestamp) -> Challenge {
    let bits = bits.min(BITS_MAX);
    let expires_ms = millis(shift(now, CHALLENGE_LIFETIME));
    let signature = hex(&mac(key, subject, expires_ms, bits).finalize().into_bytes());
    let expires_at = from_millis(expires_ms).unwrap_or(now);
    Challenge { kind: PROOF_OF_WORK, text: format!("{expires_ms}.{bits}.{signature}"), bits, expires_at }
}

/// Whether `proof`, `<challenge>:<nonce>`, solves a challenge that was made for `subject` and is not over.
#[must_use]
pub fn is_solved(key: &[u8], subject: &Subject, proof: &str, now: Timestamp) -> bool {
    let checked = || {
        let (challenge, nonce) = proof.split_once(':')?;
        let [expires_ms, bits, signature] = challenge.split('.').collect::<Vec<_>>().try_into().ok()?;
        let (expires_ms, bits): (i64, u32) = (expires_ms.parse().ok()?, bits.parse().ok()?);
        mac(key, subject, expires_ms, bits).verify_slice(&from_hex(signature)?).ok()?;
        let is_live = from_millis(expires_ms).is_some_and(|expires_at| now < expires_at);
        let is_short = (1..=NONCE_BYTES_MAX).contains(&nonce.len());
        Some(is_live && is_short && leading_zero_bits(proof) >= bits)
    };
    checked().unwrap_or(false)
}

/// How many zero bits the SHA-256 of `text` begins with.
#[must_use]
pub fn leading_zero_bits(text: &str) -> u32 {
    let digest = Sha256::digest(text);
    let zeros = digest.iter().take_while(|byte| **byte == 0).count();
    let rest = digest.get(zeros).map_or(0, |byte| byte.leading_zeros());
    u32::try_from(zeros).unwrap_or(0) * u8::BITS + rest
}

/// Works on a challenge: the proof to send. A client of ours does the same.
#[must_use]
pub fn solve(challenge: &Challenge) -> String {
    let tries = (0u64..).map(|nonce| format!("{}:{nonce:x}", challenge.text));
    tries.into_iter().find(|proof| leading_zero_bits(proof) >= challenge.bits).unwrap_or_default()
}

/// How hard it gets for a buyer who has made `count` holds where `limit` are welcome: a bit, which is twice the work, for
/// each doubling.
#[must_use]
pub fn harder(count: u32, limit: u32) -> u32 {
    (count / limit.max(1)).checked_ilog2().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const KEY: &[u8] = b"a key for this test only";
    /// Little enough work for a test.
    const BITS: u32 = 6;

    fn subject(buyer: &str, show: u128, booking: u128) -> Subject {
        Subject {
            buyer: buyer.parse().unwrap(),
            show: ShowId::from_uuid(Uuid::from_u128(show)),
            booking: BookingId::from_uuid(Uuid::from_u128(booking)),
        }
    }

    fn now() -> Timestamp {
        "2026-11-22T15:00:00.123Z".parse().unwrap()
    }

    #[test]
    fn a_solution_is_good_for_what_it_was_asked_for_until_it_is_over() {
        let ada = subject("ada", 1, 2);
        let challenge = ask(KEY, &ada, BITS, now());
        let proof = solve(&challenge);
        assert!(is_solved(KEY, &ada, &proof, now()));
        assert!(is_solved(KEY, &ada, &proof, shift(challenge.expires_at, SignedDuration::from_millis(-1))));
        assert!(!is_solved(KEY, &ada, &proof, challenge.expires_at), "its time is over");
        for other in [subject("bob", 1, 2), subject("ada", 9, 2), subject("ada", 1, 3)] {
            assert!(!is_solved(KEY, &other, &proof, now()), "{other:?}: it was for another");
        }
        assert!(!is_solved(b"another key", &ada, &proof, now()));
    }

    #[test]
    fn nobody_makes_it_easier_or_longer() {
        let ada = subject("ada", 1, 2);
        let challenge = ask(KEY, &ada, 24, now());
        let easier = challenge.text.replacen(".24.", ".1.", 1);
        let easy = solve(&Challenge { text: easier, bits: 1, ..challenge.clone() });
        assert!(!is_solved(KEY, &ada, &easy, now()));
        let later = challenge.text.replacen("17", "18", 1);
        assert_ne!(later, challenge.text);
        assert!(!is_solved(KEY, &ada, &solve(&Challenge { text: later, bits: 1, ..challenge.clone() }), now()));
        assert!(!is_solved(KEY, &ada, &format!("{}:", challenge.text), now()), "a nonce is needed");
        assert_eq!(ask(KEY, &ada, 99, now()).bits, BITS_MAX);
    }

    #[test]
    fn bits_are_counted_from_the_front() {
        // It is 2cf24dba…
        assert_eq!(leading_zero_bits("hello"), 2);
        let all = (0..2_000).map(|n| leading_zero_bits(&n.to_string()));
        let (ten, eleven) = all.fold((0, 0), |(a, b), bits| (a + u32::from(bits >= 3), b + u32::from(bits >= 4)));
        assert!((190..310).contains(&ten) && (80..170).contains(&eleven), "{ten} {eleven}");
    }

    #[test]
    fn it_gets_harder_with_each_doubling() {
        let cases = [(0, 0), (299, 0), (300, 0), (599, 0), (600, 1), (1_199, 1), (1_200, 2), (u32::MAX, 23)];
        for (count, bits) in cases {
            assert_eq!(harder(count, 300), bits, "{count}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whoever_it_is_for_can_solve_it(buyer in "[a-z0-9|-]{1,40}", show: u128, booking: u128, bits in 0..8u32) {
            let subject = subject(&buyer, show, booking);
            let challenge = ask(KEY, &subject, bits, now());
            prop_assert!(is_solved(KEY, &subject, &solve(&challenge), now()));
        }

        /// A proof is never good for another hold, whatever is changed in it.
        #[test]
        fn a_changed_proof_proves_nothing(at in 0..120usize, to in "[ -~]") {
            let ada = subject("ada", 1, 2);
            let proof = solve(&ask(KEY, &ada, BITS, now()));
            let at = at % proof.rfind(':').unwrap();
            let mut changed = proof.clone();
            changed.replace_range(at..=at, &to);
            let same_signature = changed.eq_ignore_ascii_case(&proof);
            prop_assert!(same_signature || !is_solved(KEY, &ada, &changed, now()), "{}", changed);
        }

        #[test]
        fn no_text_makes_it_panic(proof in ".{0,120}") {
            prop_assert!(!is_solved(KEY, &subject("ada", 1, 2), &proof, now()));
        }
    }
}
