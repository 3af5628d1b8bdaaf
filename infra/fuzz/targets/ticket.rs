//! A ticket's code says what we signed, and nothing else is a ticket.
#![no_main]

use domain::ticket::{SigningKey, VerifyingKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|code: &str| {
    let key = SigningKey::from_seed([7; 32]);
    let scanner: VerifyingKey = key.verifying_key();
    if let Ok(claim) = scanner.verify(code) {
        assert_eq!(key.sign(&claim), code, "one claim, one code");
    }
});
