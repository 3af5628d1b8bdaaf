//! What a buyer shows for a place and for an admission: signed, bound to buyer and show, and with nothing personal in it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{
    ids::{ShowId, UserId},
    queue::{Admission, AdmissionId},
    time::{from_millis, millis},
};

/// What a queue token begins with.
const QUEUE: &str = "q";
/// What an admission token begins with.
const ADMISSION: &str = "a";

/// Signs tokens, and knows its own.
pub struct TokenKey(Vec<u8>);

impl TokenKey {
    /// The shortest key, in bytes.
    pub const BYTES_MIN: usize = 16;

    /// Signs with `key`.
    #[must_use]
    pub fn new(key: impl Into<Vec<u8>>) -> Self {
        Self(key.into())
    }

    /// What `buyer` exchanges when the place from `arrival_ms` is served.
    #[must_use]
    pub fn queue_token(&self, show: ShowId, buyer: &UserId, arrival_ms: i64) -> String {
        self.token(QUEUE, show, buyer, &[arrival_ms])
    }

    /// The arrival that a queue token of this very buyer and show tells.
    #[must_use]
    pub fn arrival(&self, token: &str, show: ShowId, buyer: &UserId) -> Option<i64> {
        let [arrival_ms] = self.read(QUEUE, token, show, buyer)?;
        Some(arrival_ms)
    }

    /// What `buyer` shows with a hold.
    #[must_use]
    pub fn admission_token(&self, show: ShowId, buyer: &UserId, admission: &Admission) -> String {
        self.token(ADMISSION, show, buyer, &[admission.id.0, millis(admission.expires_at)])
    }

    /// The admission that a token of this very buyer and show tells, whether or not it is over.
    #[must_use]
    pub fn admission(&self, token: &str, show: ShowId, buyer: &UserId) -> Option<Admission> {
        let [id, expires_ms] = self.read(ADMISSION, token, show, buyer)?;
        Some(Admission { id: AdmissionId(id), expires_at: from_millis(expires_ms)? })
    }

    /// `q.1795359600123.<64 digits>`: the numbers, and the signature over them, the show and the buyer.
    fn token(&self, kind: &str, show: ShowId, buyer: &UserId, numbers: &[i64]) -> String {
        let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
        let said = format!("{kind}.{}", numbers.join("."));
        let signature = self.mac(&said, show, buyer).finalize().into_bytes();
        let signature: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{said}.{signature}")
    }

    fn read<const N: usize>(&self, kind: &str, token: &str, show: ShowId, buyer: &UserId) -> Option<[i64; N]> {
        let (said, signature) = token.rsplit_once('.')?;
        // In the one form that is written: a token that reads differently is another token.
        if !signature.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let signature: Vec<u8> = signature
            .as_bytes()
            .chunks(2)
            .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())
            .collect::<Option<_>>()?;
        // In the same time wherever the two begin to differ.
        self.mac(said, show, buyer).verify_slice(&signature).ok()?;
        let numbers = said.strip_prefix(kind)?.strip_prefix('.')?.split('.');
        let numbers: Vec<i64> = numbers.map(|number| number.parse().ok()).collect::<Option<_>>()?;
        numbers.try_into().ok()
    }

    fn mac(&self, said: &str, show: ShowId, buyer: &UserId) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        // What is said has no line breaks and the show's id one form: no two ways to read it.
        mac.update(format!("usher {said}\n{show}\n{}", buyer.as_str()).as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn key() -> TokenKey {
        TokenKey::new("a key for this test only")
    }

    fn show(number: u128) -> ShowId {
        ShowId::from_uuid(Uuid::from_u128(number))
    }

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    #[test]
    fn a_token_is_worth_something_to_its_own_buyer_at_its_own_show_and_under_its_own_key() {
        let admission = Admission { id: AdmissionId(5), expires_at: from_millis(1_795_359_600_000).unwrap() };
        let (queue, admitted) =
            (key().queue_token(show(1), &user("ada"), 5), key().admission_token(show(1), &user("ada"), &admission));
        assert_eq!(key().arrival(&queue, show(1), &user("ada")), Some(5));
        assert_eq!(key().admission(&admitted, show(1), &user("ada")), Some(admission));
        let other = TokenKey::new("another key for this test");
        for (key, show, user) in
            [(key(), show(1), user("bob")), (key(), show(2), user("ada")), (other, show(1), user("ada"))]
        {
            assert_eq!(key.arrival(&queue, show, &user), None);
            assert_eq!(key.admission(&admitted, show, &user), None);
        }
        assert_eq!(key().admission(&queue, show(1), &user("ada")), None, "one kind is not the other");
        assert_eq!(key().arrival(&admitted, show(1), &user("ada")), None);
    }

    #[test]
    fn nothing_in_a_token_can_be_changed() {
        let token = key().queue_token(show(1), &user("ada"), 1_795_359_600_123);
        assert!(!token.contains("ada"), "{token}");
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'1' { b'2' } else { b'1' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(key().arrival(&forged, show(1), &user("ada")), None, "{forged}");
            assert_eq!(key().arrival(&token[..at], show(1), &user("ada")), None, "cut at {at}");
        }
    }

    #[test]
    fn a_signature_is_read_in_the_one_form_that_it_is_written_in() {
        let token = key().queue_token(show(1), &user("ada"), 5);
        let (said, signature) = token.rsplit_once('.').unwrap();
        let capital = format!("{said}.{}", signature.to_uppercase());
        let pairs: Vec<&str> = (0..signature.len()).step_by(2).map(|at| &signature[at..at + 2]).collect();
        let small = pairs.iter().position(|pair| pair.starts_with('0')).expect("a byte below 16");
        let mut plus: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        plus[small].replace_range(0..1, "+");
        for other in [capital, format!("{said}.{}", plus.concat())] {
            assert_ne!(other, token);
            assert_eq!(key().arrival(&other, show(1), &user("ada")), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,100}") {
            prop_assert_eq!(key().arrival(&text, show(1), &user("ada")), None);
            prop_assert_eq!(key().admission(&text, show(1), &user("ada")), None);
        }
    }
}
