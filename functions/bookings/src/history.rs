//! A buyer's bookings, newest first, page by page.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    Error, Refusal, Timestamp,
    ids::BookingId,
    time::{from_millis, millis},
};
use edge::{Call, Reply, view::BookingView};
use serde_json::json;

use crate::App;

/// Bookings on a page unless asked otherwise.
const LIMIT_DEFAULT: u32 = 20;

pub(crate) async fn list(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = call.caller()?;
    let limit = call.limit(LIMIT_DEFAULT)?;
    let after = call.query("cursor").map(read_cursor).transpose()?;
    let (bookings, next) = app.settlement.store.bookings_of(&caller.user, after, limit).await?;
    let now = app.settlement.clock.now();
    let bookings: Vec<BookingView> = bookings.iter().map(|booking| BookingView::new(booking, now)).collect();
    let cursor = next.map(|(created, booking)| write_cursor(created, booking));
    Ok(Reply::json(200, &json!({"bookings": bookings, "nextCursor": cursor})))
}

/// A cursor only says where to go on among the caller's own bookings: a forged one shows nothing else.
fn write_cursor(created: Timestamp, booking: BookingId) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{booking}", millis(created)))
}

fn read_cursor(text: &str) -> Result<(Timestamp, BookingId), Refusal> {
    let parse = || {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (created, booking) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
        Some((from_millis(created.parse().ok()?)?, booking.parse().ok()?))
    };
    parse().ok_or_else(|| Refusal::BadRequest("cursor is not one of ours".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_round_trips_and_nonsense_is_refused() {
        let at = from_millis(1_800_000_000_123).unwrap();
        let booking: BookingId = "bkg_00000000000080008000000000000001".parse().unwrap();
        assert_eq!(read_cursor(&write_cursor(at, booking)), Ok((at, booking)));
        for text in ["", "!", "AAAA", &URL_SAFE_NO_PAD.encode("99999999999999999999:bkg_1")] {
            assert!(read_cursor(text).is_err(), "{text}");
        }
    }
}
