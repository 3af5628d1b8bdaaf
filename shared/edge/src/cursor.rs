//! Cursors of lists that go by when something was made, newest first.

use std::{fmt::Display, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    Refusal, Timestamp,
    time::{from_millis, millis},
};

/// A cursor only says where to go on among what is the caller's own: a forged one shows nothing else.
#[must_use]
pub fn write(created: Timestamp, id: impl Display) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{id}", millis(created)))
}

/// Where a cursor goes on.
///
/// # Errors
/// [`Refusal::BadRequest`] for what [`write()`] does not write.
pub fn read<T: Display + FromStr>(text: &str) -> Result<(Timestamp, T), Refusal> {
    let parse = || {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (created, id) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
        Some((from_millis(created.parse().ok()?)?, id.parse::<T>().ok()?))
    };
    let read = parse().filter(|(created, id)| write(*created, id) == text);
    read.ok_or_else(|| Refusal::BadRequest("cursor is not one of ours".to_owned()))
}

#[cfg(test)]
mod tests {
    use domain::ids::{BookingId, EventId};

    use super::*;

    #[test]
    fn a_cursor_round_trips_and_nonsense_is_refused() {
        let at = from_millis(1_800_000_000_123).unwrap();
        let booking: BookingId = "bkg_00000000000080008000000000000001".parse().unwrap();
        assert_eq!(read(&write(at, booking)), Ok((at, booking)));
        for text in ["", "!", "AAAA", &URL_SAFE_NO_PAD.encode("99999999999999999999:bkg_1")] {
            assert!(read::<BookingId>(text).is_err(), "{text}");
        }
        for other in ["+1800000000123", "01800000000123"] {
            let text = URL_SAFE_NO_PAD.encode(format!("{other}:{booking}"));
            assert!(read::<BookingId>(&text).is_err(), "{other}: a place has one form");
        }
        let event: EventId = "evt_01990000000070008000000000000002".parse().unwrap();
        assert_eq!(read(&write(at, event)), Ok((at, event)));
        for text in ["", "!", "AAAA", &URL_SAFE_NO_PAD.encode("99999999999999999999:evt_1")] {
            assert!(read::<EventId>(text).is_err(), "{text}");
        }
    }
}
