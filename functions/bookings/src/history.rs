//! A buyer's bookings, newest first, page by page.

use domain::Error;
use edge::{Call, Reply, cursor, view::BookingView};
use serde_json::json;

use crate::App;

/// Bookings on a page unless asked otherwise.
const LIMIT_DEFAULT: u32 = 20;

pub(crate) async fn list(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = call.caller()?;
    let limit = call.limit(LIMIT_DEFAULT)?;
    let after = call.query("cursor").map(cursor::read).transpose()?;
    let (bookings, next) = app.settlement.store.bookings_of(&caller.user, after, limit).await?;
    let now = app.settlement.clock.now();
    let bookings: Vec<BookingView> = bookings.iter().map(|booking| BookingView::new(booking, now)).collect();
    let cursor = next.map(|(created, booking)| cursor::write(created, booking));
    Ok(Reply::json(200, &json!({"bookings": bookings, "nextCursor": cursor})))
}
