//! The provider's signed notifications: verified here, believed nowhere (the intent is always fetched).

use std::collections::HashMap;

use domain::{
    Refusal, Timestamp,
    payment::Notification,
    time::{SignedDuration, millis},
};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::METADATA_BOOKING;

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "Stripe-Signature";

/// How far a notification's own time may be from ours, either way: what bounds the replay of a stolen one.
pub const TOLERANCE: SignedDuration = SignedDuration::from_secs(300);

/// Signatures looked at in one header: the provider sends one for each live secret, two while secrets rotate.
const SIGNATURES_MAX: usize = 8;

/// Verifies `body` against the header's signatures with any of `secrets` (two while they rotate; an empty one matches
/// nothing) and reads what it tells.
///
/// `BadSignature` when nothing matches or the signed time is more than [`TOLERANCE`] from `now`; `BadRequest` when a
/// well-signed body is not an event.
pub fn verify(secrets: &[String], header: &str, body: &[u8], now: Timestamp) -> Result<Notification, Refusal> {
    let (signed_at_seconds, signatures) = parse_header(header).ok_or(Refusal::BadSignature)?;
    let signed_at = Timestamp::from_second(signed_at_seconds).map_err(|_| Refusal::BadSignature)?;
    if now.duration_since(signed_at).abs() > TOLERANCE {
        return Err(Refusal::BadSignature);
    }
    let usable = secrets.iter().filter(|secret| !secret.is_empty());
    let genuine = usable.into_iter().any(|secret| {
        let expected = mac(secret, signed_at_seconds, body);
        // Every signature is compared, each in constant time.
        signatures.iter().fold(false, |found, given| bool::from(expected.ct_eq(given)) | found)
    });
    if genuine { read(body) } else { Err(Refusal::BadSignature) }
}

/// The header for `body`, signed with `secret` at `now`: what a sandbox sends.
#[must_use]
pub fn sign(secret: &str, body: &[u8], now: Timestamp) -> String {
    let seconds = millis(now).div_euclid(1000);
    let hex: String = mac(secret, seconds, body).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

fn mac(secret: &str, signed_at_seconds: i64, body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(signed_at_seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

/// `t=<seconds>,v1=<hex>,v1=<hex>,…`: exactly one time, at least one signature; other schemes are passed over.
fn parse_header(header: &str) -> Option<(i64, Vec<[u8; 32]>)> {
    let mut time = None;
    let mut signatures = Vec::new();
    for element in header.split(',') {
        match element.trim().split_once('=') {
            Some(("t", _)) if time.is_some() => return None,
            Some(("t", value)) => time = Some(canonical_number(value)?),
            Some(("v1", value)) if signatures.len() < SIGNATURES_MAX => signatures.extend(unhex(value)),
            _ => {}
        }
    }
    if signatures.is_empty() { None } else { Some((time?, signatures)) }
}

/// Digits only, as the signer wrote them: the text itself is what is signed.
fn canonical_number(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

#[derive(Deserialize)]
struct WireEvent {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: WireData,
}

#[derive(Deserialize)]
struct WireData {
    object: WireObject,
}

/// The object an event is about, of which only the way to the intent matters: the intent itself, or a charge, refund
/// or dispute that names it.
#[derive(Deserialize)]
struct WireObject {
    id: Option<String>,
    object: Option<String>,
    payment_intent: Option<WireReference>,
    #[serde(default)]
    metadata: Option<HashMap<String, serde_json::Value>>,
}

/// An id, or the whole object where the account expands it.
#[derive(Deserialize)]
#[serde(untagged)]
enum WireReference {
    Id(String),
    Expanded { id: String },
}

fn read(body: &[u8]) -> Result<Notification, Refusal> {
    let bad = |detail: String| Refusal::BadRequest(format!("the body is not an event: {detail}"));
    let event: WireEvent = serde_json::from_slice(body).map_err(|error| bad(error.to_string()))?;
    let id = event.id.parse().map_err(|_| bad("its id is not usable".to_owned()))?;
    let object = event.data.object;
    let intent = match (object.object.as_deref(), object.payment_intent) {
        (Some("payment_intent"), _) => object.id,
        (_, Some(WireReference::Id(id) | WireReference::Expanded { id })) => Some(id),
        _ => None,
    };
    let intent = intent.and_then(|id| id.parse().ok());
    let booking = object.metadata.as_ref().and_then(|all| all.get(METADATA_BOOKING)?.as_str()?.parse().ok());
    Ok(Notification { id, kind: event.kind, intent, booking })
}

#[cfg(test)]
mod tests {
    use domain::time::shift;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const SECRET: &str = "whsec_test";
    const BOOKING: &str = "bkg_0000000000008000800000000000002a";

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn secrets(all: &[&str]) -> Vec<String> {
        all.iter().map(|&secret| secret.to_owned()).collect()
    }

    #[expect(clippy::needless_pass_by_value, reason = "reads best with json!")]
    fn event(object: serde_json::Value) -> Vec<u8> {
        let event = json!({"id": "evt_1", "type": "payment_intent.payment_failed", "data": {"object": object}});
        serde_json::to_vec(&event).unwrap()
    }

    fn plain() -> Vec<u8> {
        event(json!({"id": "pi_1", "object": "payment_intent", "metadata": {"booking_id": BOOKING}}))
    }

    #[test]
    fn a_signed_event_is_read() {
        let body = plain();
        let told = verify(&secrets(&[SECRET]), &sign(SECRET, &body, now()), &body, now()).unwrap();
        assert_eq!(told.id.as_str(), "evt_1");
        assert_eq!(told.intent.map(|id| id.to_string()).as_deref(), Some("pi_1"));
        assert_eq!(told.booking.map(|id| id.to_string()).as_deref(), Some(BOOKING));
        assert_eq!(told.kind, "payment_intent.payment_failed");
    }

    /// RFC 4231's HMAC and the provider's own scheme, computed elsewhere (Python's hmac): `t.body` under the secret.
    #[test]
    fn the_signature_is_the_documented_one() {
        let header = sign("whsec_test", b"{}", now());
        assert_eq!(header, "t=1800000000,v1=482e6337ac5272392d375c6fdc4d52a7e615dc2facedab0ffe155ddfd6a56e66");
    }

    #[test]
    fn the_intent_is_found_through_whatever_names_it() {
        let cases = [
            (json!({"id": "pi_1", "object": "payment_intent"}), Some("pi_1")),
            (json!({"id": "ch_1", "object": "charge", "payment_intent": "pi_2"}), Some("pi_2")),
            (json!({"id": "re_1", "object": "refund", "payment_intent": {"id": "pi_3", "amount": 1}}), Some("pi_3")),
            (json!({"id": "du_1", "object": "dispute", "charge": "ch_1", "payment_intent": "pi_4"}), Some("pi_4")),
            (json!({"id": "ch_1", "object": "charge", "payment_intent": null}), None),
            (json!({"id": "cus_1", "object": "customer", "metadata": null}), None),
            (json!({"object": "balance", "metadata": {"booking_id": 7}}), None),
            (json!({"id": "pi_\n", "object": "payment_intent"}), None),
        ];
        for (object, intent) in cases {
            let body = event(object);
            let told = verify(&secrets(&[SECRET]), &sign(SECRET, &body, now()), &body, now()).unwrap();
            assert_eq!(
                told.intent.as_ref().map(domain::ids::IntentId::as_str),
                intent,
                "{}",
                String::from_utf8_lossy(&body)
            );
            assert_eq!(told.booking, None);
        }
    }

    #[test]
    fn a_secret_on_its_way_out_is_accepted_and_a_foreign_one_is_not() {
        let body = plain();
        let old = sign("whsec_old", &body, now());
        assert!(verify(&secrets(&["whsec_new", "whsec_old"]), &old, &body, now()).is_ok());
        assert_eq!(verify(&secrets(&["whsec_new"]), &old, &body, now()), Err(Refusal::BadSignature));
        assert_eq!(verify(&[], &old, &body, now()), Err(Refusal::BadSignature));
        // While the provider's side rotates, the header has one signature for each secret.
        let both = format!("{old},{}", sign("whsec_new", &body, now()).split_once(',').unwrap().1);
        assert!(verify(&secrets(&["whsec_new"]), &both, &body, now()).is_ok());
    }

    #[test]
    fn an_empty_secret_opens_nothing() {
        let body = plain();
        let header = sign("", &body, now());
        assert_eq!(verify(&secrets(&[""]), &header, &body, now()), Err(Refusal::BadSignature));
    }

    #[test]
    fn time_counts_both_ways() {
        let body = plain();
        let header = sign(SECRET, &body, now());
        let at =
            |seconds| verify(&secrets(&[SECRET]), &header, &body, shift(now(), SignedDuration::from_secs(seconds)));
        for seconds in [-300, -1, 0, 1, 300] {
            assert!(at(seconds).is_ok(), "{seconds}");
        }
        for seconds in [-86_400, -301, 301, 86_400] {
            assert_eq!(at(seconds), Err(Refusal::BadSignature), "{seconds}");
        }
    }

    #[test]
    fn what_is_not_a_signature_header_is_refused() {
        let body = plain();
        let good = sign(SECRET, &body, now());
        let hex = good.split_once("v1=").unwrap().1;
        let bad = [
            String::new(),
            "t=1800000000".to_owned(),
            format!("v1={hex}"),
            format!("t=1800000000,v0={hex}"),
            format!("t=1800000000,v1={}", &hex[1..]),
            format!("t=+1800000000,v1={hex}"),
            format!("t=01800000000,v1={hex}"),
            format!("t=99999999999999999,v1={hex}"),
            format!("t=1800000000,t=1800000000,v1={hex}"),
            format!("t={hex},v1={hex}"),
        ];
        for header in bad {
            assert_eq!(verify(&secrets(&[SECRET]), &header, &body, now()), Err(Refusal::BadSignature), "{header}");
        }
        // Other schemes and spaces are passed over.
        let padded = format!(" t=1800000000 , v0=abc, v1={hex}");
        assert!(verify(&secrets(&[SECRET]), &padded, &body, now()).is_ok());
    }

    #[test]
    fn a_well_signed_body_that_is_no_event_is_a_bad_request() {
        for body in
            ["", "[]", "{}", "nonsense", r#"{"id":"evt_1","type":"x"}"#, r#"{"id":"","type":"x","data":{"object":{}}}"#]
        {
            let header = sign(SECRET, body.as_bytes(), now());
            let outcome = verify(&secrets(&[SECRET]), &header, body.as_bytes(), now());
            assert!(matches!(outcome, Err(Refusal::BadRequest(_))), "{body}: {outcome:?}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_refused(at in 0usize..1000, bit in 0u8..8) {
            let mut body = plain();
            let header = sign(SECRET, &body, now());
            let at = at % body.len();
            body[at] ^= 1 << bit;
            prop_assert_eq!(verify(&secrets(&[SECRET]), &header, &body, now()), Err(Refusal::BadSignature));
        }

        #[test]
        fn a_changed_signature_is_refused(at in 0usize..64, digit in 0u32..16) {
            let body = plain();
            let header = sign(SECRET, &body, now());
            let (time, hex) = header.split_once("v1=").unwrap();
            let mut digits: Vec<char> = hex.chars().collect();
            let other = char::from_digit(digit, 16).unwrap();
            prop_assume!(digits[at] != other);
            digits[at] = other;
            let forged = format!("{time}v1={}", digits.into_iter().collect::<String>());
            prop_assert_eq!(verify(&secrets(&[SECRET]), &forged, &body, now()), Err(Refusal::BadSignature));
        }

        #[test]
        fn no_header_makes_it_panic(header in ".*", body in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(verify(&secrets(&[SECRET]), &header, &body, now()).is_err());
        }

        #[test]
        fn no_header_of_the_right_form_makes_it_panic(t in "-?[0-9]{1,20}", v in "[0-9a-fg]{60,66}") {
            let header = format!("t={t},v1={v}");
            let outcome = verify(&secrets(&[SECRET]), &header, b"{}", now());
            prop_assert!(outcome.is_err());
        }
    }
}
