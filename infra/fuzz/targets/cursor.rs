//! A cursor is one that we wrote for this very search or list, or a bad request.
#![no_main]

#[path = "../../../functions/browse/src/cursor.rs"]
mod cursor;
#[path = "../../../shared/edge/src/cursor.rs"]
mod made;

use cursor::Cursor;
use domain::ids::{BookingId, EventId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (filters, text) = text.split_once('\n').unwrap_or(("", text));
    if let Ok(read) = Cursor::decode(text, filters) {
        assert_eq!(read.encode(filters), text);
    }
    if let Ok((at, id)) = made::read::<BookingId>(text) {
        assert_eq!(made::write(at, id), text);
    }
    if let Ok((at, id)) = made::read::<EventId>(text) {
        assert_eq!(made::write(at, id), text);
    }
});
