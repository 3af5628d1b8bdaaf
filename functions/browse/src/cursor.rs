//! Where a list goes on: opaque to clients, and good only for the very search it came from.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    Refusal, Timestamp,
    time::{from_millis, millis},
};
use sha2::{Digest as _, Sha256};

/// Bytes of the check over the rest.
const CHECK_BYTES: usize = 8;
/// The longest position, in bytes: a day and an event, with room to spare.
const POSITION_BYTES_MAX: usize = 80;

/// A place in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// "From now on" means the same "now" on every page.
    pub(crate) from: Timestamp,
    /// What the store calls the place.
    pub(crate) position: String,
}

impl Cursor {
    /// The text for a client who searches by `filters`.
    pub(crate) fn encode(&self, filters: &str) -> String {
        let mut bytes = millis(self.from).to_be_bytes().to_vec();
        bytes.extend(self.position.as_bytes());
        let mut sealed = check(&bytes, filters).to_vec();
        sealed.extend(bytes);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// Reads what [`Cursor::encode`] wrote for the same `filters`.
    ///
    /// # Errors
    /// [`Refusal::BadRequest`] for any other text.
    pub(crate) fn decode(text: &str, filters: &str) -> Result<Self, Refusal> {
        let parse = || {
            let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
            let (told, bytes) = sealed.split_at_checked(CHECK_BYTES)?;
            let (from, position) = bytes.split_first_chunk::<8>()?;
            let is_ours = told == check(bytes, filters) && position.len() <= POSITION_BYTES_MAX;
            let from = from_millis(i64::from_be_bytes(*from)).filter(|_| is_ours)?;
            Some(Self { from, position: String::from_utf8(position.to_vec()).ok()? })
        };
        parse().ok_or_else(|| Refusal::BadRequest("cursor: not one of this list's".to_owned()))
    }
}

fn check(bytes: &[u8], filters: &str) -> [u8; CHECK_BYTES] {
    let mut hash = Sha256::new();
    hash.update(u64::try_from(filters.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(filters);
    hash.update(bytes);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hash.finalize()[..CHECK_BYTES]);
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_own_search_only() {
        let from = "2026-11-22T10:00:00Z".parse().unwrap();
        let cursor = Cursor { from, position: "2026-12-01#evt_1!".to_owned() };
        let text = cursor.encode("city=mumbai");
        assert_eq!(Cursor::decode(&text, "city=mumbai"), Ok(cursor));
        assert!(Cursor::decode(&text, "city=delhi").is_err());
        for at in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert!(Cursor::decode(&String::from_utf8(forged).unwrap(), "city=mumbai").is_err(), "{at}");
        }
        for garbage in ["", "A", "🎟", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert!(Cursor::decode(garbage, "city=mumbai").is_err(), "{garbage}");
        }
    }
}
