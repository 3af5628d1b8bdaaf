//! Whose turn comes when: the waiting room's published rule, computed with nothing of the platform's own code.
//!
//! A place is `<epoch>-<arrival>-<hash>`. Those that begin with `0-` were taken before the opening and come in the order of
//! what was drawn for their hash: the first 32 digits of HMAC-SHA256 of it under the secret's text. Those that begin with
//! `1-` come as they are. All of it is compared as text with what is served.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};

/// Digits of a hash.
const HASH_DIGITS: usize = 32;
/// The arrival in a turn of the draw: it does not count.
const NO_ARRIVAL: &str = "0000000000000";

/// Where a place comes in the order of all; nothing if it is no place.
pub(crate) fn turn(place: &str, secret: &str) -> Option<String> {
    let mut parts = place.splitn(3, '-');
    let (epoch, _, hash) = (parts.next()?, parts.next()?, parts.next()?);
    match epoch {
        "0" => {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
            mac.update(hash.as_bytes());
            let drawn = hexadecimal(&mac.finalize().into_bytes());
            Some(format!("0-{NO_ARRIVAL}-{}", drawn.get(..HASH_DIGITS)?))
        }
        "1" => Some(place.to_owned()),
        _ => None,
    }
}

/// What a secret is committed to by: its text's SHA-256.
pub(crate) fn commitment(secret: &str) -> String {
    hexadecimal(&Sha256::digest(secret))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_places_are_turns_and_early_ones_are_drawn() {
        let late = "1-1795359600123-5f000000000000000000000000000000";
        assert_eq!(turn(late, "secret").as_deref(), Some(late));
        let early = turn("0-1795359600123-5f000000000000000000000000000000", "secret").unwrap();
        assert!(early.starts_with("0-0000000000000-") && early.len() == "0-0000000000000-".len() + HASH_DIGITS);
        assert!(early.as_str() < late);
        assert_ne!(turn("0-1795359600123-5f000000000000000000000000000000", "another"), Some(early));
        assert_eq!(turn("2-1-1", "secret"), None);
        assert_eq!(commitment("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
