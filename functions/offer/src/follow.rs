//! What has become of the offers that were made.

use domain::{
    Error,
    booking::{Booking, Status},
    ids::{BookingId, ShowId},
    waitlist::settled,
};

use crate::App;

/// Open offers looked at in one run, at most, of each shard.
const OFFERS_PER_SHARD_MAX: usize = 250;

/// Writes down which of the show's offers have ended, and how. Answers how many are open.
pub(crate) async fn offers(app: &App, show: ShowId) -> Result<usize, Error> {
    let offers = app.store.waitlist_offers(show, OFFERS_PER_SHARD_MAX).await?;
    let ids: Vec<BookingId> = offers.iter().map(|(booking, _)| *booking).collect();
    let bookings: Vec<Booking> = app.store.bookings(&ids).await?;
    let mut open = 0;
    for (id, buyer) in offers {
        let booking = bookings.iter().find(|booking| booking.id == id);
        if booking.is_some_and(|booking| booking.status == Status::Pending) {
            open += 1;
            continue;
        }
        // Whoever has changed it meanwhile has seen the same booking.
        let entry = app.store.waitlist_entry(show, &buyer).await?;
        if let Some((entry, ended)) = entry.and_then(|entry| settled(&entry, booking).map(|ended| (entry, ended))) {
            app.store.change_waitlist_entry(Some(&entry), &ended).await?;
        }
    }
    Ok(open)
}
