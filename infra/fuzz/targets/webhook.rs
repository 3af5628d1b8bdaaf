//! A webhook counts if its signature is one of ours, whatever its header and its body are.
#![no_main]

#[path = "../../../shared/outbound/src/payments/webhook.rs"]
#[expect(dead_code, reason = "it is fuzzed by what its crate shows of it")]
mod webhook;

use domain::{Refusal, Timestamp};
use libfuzzer_sys::fuzz_target;
use webhook::{sign, verify};

/// The module finds it above itself in its own crate.
const METADATA_BOOKING: &str = "booking_id";
const SECRET: &str = "whsec_of_this_target";

fuzz_target!(|input: &[u8]| {
    let now = Timestamp::from_second(1_800_000_000).expect("a moment of this century");
    let secrets = [SECRET.to_owned(), String::new()];
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (header, body) = input.split_at(end);
    let forged = verify(&secrets, &String::from_utf8_lossy(header), body, now);
    assert_eq!(forged, Err(Refusal::BadSignature), "nobody guesses an HMAC");
    let signed = verify(&secrets, &sign(SECRET, body, now), body, now);
    assert_ne!(signed, Err(Refusal::BadSignature), "our own signature is refused");
});
