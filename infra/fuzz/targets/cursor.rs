//! A cursor is one that we wrote for this very search, or a bad request.
#![no_main]

#[path = "../../../functions/browse/src/cursor.rs"]
mod cursor;

use cursor::Cursor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (filters, text) = text.split_once('\n').unwrap_or(("", text));
    if let Ok(read) = Cursor::decode(text, filters) {
        assert_eq!(read.encode(filters), text);
    }
});
