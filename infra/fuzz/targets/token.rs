//! Tokens of the waiting room, proofs of work and ids: what is read is what we wrote.
#![no_main]

use domain::{
    Timestamp,
    challenge::{Subject, ask, is_solved},
    ids::{AccessCode, BookingId, IdempotencyKey, SeatId, ShowId, UserId},
    queue::{Place, TokenKey},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let key = TokenKey::new("a key for this target only");
    let show: ShowId = "shw_01990000000070008000000000000003".parse().expect("a show's id");
    let buyer: UserId = "ada".parse().expect("a user's id");
    if let Some(arrival) = key.arrival(text, show, &buyer) {
        assert_eq!(key.queue_token(show, &buyer, arrival), text);
    }
    if let Some(admission) = key.admission(text, show, &buyer) {
        assert_eq!(key.admission_token(show, &buyer, &admission), text);
    }
    let (id, now) = ("bkg_01990000000080008000000000000004".parse().expect("a booking's id"), Timestamp::UNIX_EPOCH);
    let subject = Subject { buyer, show, booking: id };
    let asked = ask(b"another key", &subject, 4, now);
    assert!(!is_solved(b"another key", &subject, text, now) || text.starts_with(&asked.text));
    if let Ok(id) = text.parse::<BookingId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(seat) = text.parse::<SeatId>() {
        assert_eq!(seat.to_string(), text);
    }
    if let Ok(place) = text.parse::<Place>() {
        assert_eq!(place.to_string(), text);
    }
    if let Ok(code) = text.parse::<AccessCode>() {
        assert_eq!(code.to_string().parse(), Ok(code));
    }
    let _ = text.parse::<IdempotencyKey>();
});
