//! Giving part of a sale's money back, and watching a show being called off.

use domain::{
    Error, Refusal,
    booking::Booking,
    catalogue::ShowStatus,
    ids::{BookingId, ShowId},
    money::Money,
    refund,
};
use edge::{Call, Reply, http::BODY_BYTES_MAX, view::BookingView};
use serde::Deserialize;
use serde_json::json;
use store::receipt::PartRequest;

use crate::{App, organiser, shows};

/// Times a change is tried when others change the booking.
const TRIES_MAX: u32 = 4;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GiveBack {
    booking_id: BookingId,
    amount: Money,
}

/// `POST /v1/shows/{showId}/refunds`: part of what a booking of your show cost is owed back from this moment; its seats
/// stay sold. The same `Idempotency-Key` gives back once.
pub(crate) async fn give_back(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = organiser(call)?;
    let show = shows::own(app, call.path("showId")?, &caller.user).await?;
    let key = call.idempotency_key()?;
    let GiveBack { booking_id, amount } = call.body(BODY_BYTES_MAX)?;
    let request = PartRequest { booking: booking_id, key, amount_minor: amount.amount_minor };
    for _ in 0..TRIES_MAX {
        let booking = booking_of(app, show.id, booking_id).await?;
        if let Some(asked) = app.store.asked_before(&request).await? {
            return if asked == request.amount_minor {
                Ok(reply(app, &booking))
            } else {
                Err(Refusal::IdempotencyMismatch.into())
            };
        }
        let owed = refund::in_part(&booking, amount)?;
        if let Some(owing) = app.store.owe_part(&booking, owed, &request, app.clock.now()).await? {
            return Ok(reply(app, &owing));
        }
    }
    Err(Refusal::Conflict.into())
}

async fn booking_of(app: &App, show: ShowId, id: BookingId) -> Result<Booking, Error> {
    let booking = app.store.booking(id).await?.filter(|booking| booking.show == show);
    Ok(booking.ok_or(Refusal::NotFound("booking"))?)
}

fn reply(app: &App, booking: &Booking) -> Reply {
    Reply::json(200, &BookingView::new(booking, app.clock.now()))
}

/// `GET /v1/shows/{showId}/cancellation`: how far a show is that was cancelled. `bookingsLeft` are those that have not
/// ended yet; refunds go on after that, see the show's money.
pub(crate) async fn progress(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = organiser(call)?;
    let show = shows::own(app, call.path("showId")?, &caller.user).await?;
    if show.status != ShowStatus::Cancelled {
        return Err(Refusal::NotFound("cancellation").into());
    }
    let running = app.store.call_off(show.id).await?;
    let tallies = app.store.tallies(show.id).await?;
    let left: usize = tallies.iter().map(|(_, tally)| tally.bookings.len()).sum();
    let status = if running.is_some() { "running" } else { "done" };
    let since = running.map(|running| running.since);
    Ok(Reply::json(200, &json!({"showId": show.id, "status": status, "since": since, "bookingsLeft": left})))
}
