//! An entry as its buyer reads it.

use domain::{
    Timestamp,
    booking::Booking,
    catalogue::Show,
    ids::{BookingId, CategoryId, ShowId},
    waitlist::{Entry, State, is_over},
};
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntryView {
    show_id: ShowId,
    state: &'static str,
    quantity: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<CategoryId>,
    accessible: bool,
    joined_at: Timestamp,
    /// 1 is first in line; absent where nobody waits, or where it is too far to count.
    position: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    booking_id: Option<BookingId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    server_time: Timestamp,
}

impl EntryView {
    pub(crate) fn new(
        show: &Show,
        entry: &Entry,
        offer: Option<&Booking>,
        position: Option<u32>,
        now: Timestamp,
    ) -> Self {
        let (state, booking_id) = match entry.state {
            State::Waiting if is_over(show, now) => ("ENDED", None),
            State::Waiting => ("WAITING", None),
            State::Offered(booking) => ("OFFERED", Some(booking)),
            State::Fulfilled(booking) => ("FULFILLED", Some(booking)),
            State::Lapsed(booking) => ("LAPSED", Some(booking)),
            State::Left => ("LEFT", None),
        };
        Self {
            show_id: entry.show,
            state,
            quantity: entry.wish.quantity,
            category: entry.wish.category.clone(),
            accessible: entry.wish.accessible,
            joined_at: entry.joined_at,
            position: position.filter(|_| state == "WAITING"),
            booking_id,
            expires_at: offer.map(|booking| booking.expires_at),
            server_time: now,
        }
    }
}
