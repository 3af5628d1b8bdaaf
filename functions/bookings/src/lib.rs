//! `bookings`: what a buyer has: history, detail, release or cancel, tickets.

mod history;

use std::{sync::Arc, time::Duration};

use domain::{Error, Refusal, booking::Booking, ids::BookingId, ticket};
use edge::{Auth, Body, Call, Failure, Reply, Request, Response, Settings, view::BookingView};
use outbound::files::Files;
use serde_json::{Value, json};
use settlement::Settlement;

/// How long a link to a ticket file works.
const LINK_LIFETIME: Duration = Duration::from_mins(5);

/// What the function is told by its environment.
pub struct Options {
    auth: Auth,
    ticket_key: ticket::SigningKey,
}

impl Options {
    /// From `TICKET_SIGNING_KEY` and whatever names callers.
    ///
    /// # Errors
    /// Everything that is wrong with the settings read so far.
    pub fn new(settings: &Settings) -> Result<Self, Failure> {
        let auth = settings.auth();
        let ticket_key = settings.parsed("TICKET_SIGNING_KEY");
        settings.check()?;
        let ticket_key = ticket_key.ok_or_else(|| Failure("TICKET_SIGNING_KEY".to_owned()))?;
        Ok(Self { auth, ticket_key })
    }
}

/// What the function works with.
pub struct App {
    options: Options,
    settlement: Settlement,
    files: Arc<dyn Files>,
}

impl App {
    /// Over these ports.
    #[must_use]
    pub fn new(options: Options, settlement: Settlement, files: Arc<dyn Files>) -> Self {
        Self { options, settlement, files }
    }
}

/// One HTTP call.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let call = Call::new(&app.options.auth, request);
    let outcome = route(app, &call).await;
    call.answer(outcome)
}

async fn route(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    match call.route() {
        "GET /v1/bookings" => history::list(app, call).await,
        "GET /v1/bookings/{bookingId}" => detail(app, call).await,
        "DELETE /v1/bookings/{bookingId}" => end(app, call).await,
        "GET /v1/bookings/{bookingId}/tickets" => tickets(app, call).await,
        _ => Err(Refusal::NotFound("route").into()),
    }
}

/// The booking in the path, if it is the caller's: somebody else's does not exist for them.
async fn own(app: &App, call: &Call<'_>) -> Result<Booking, Error> {
    let caller = call.caller()?;
    let id: BookingId = call.path("bookingId")?;
    let booking = app.settlement.store.booking(id).await?;
    Ok(booking.filter(|booking| booking.buyer == caller.user).ok_or(Refusal::NotFound("booking"))?)
}

fn reply(app: &App, booking: &Booking) -> Reply {
    Reply::json(200, &BookingView::new(booking, app.settlement.clock.now()))
}

async fn detail(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    Ok(reply(app, &own(app, call).await?))
}

async fn end(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let booking = own(app, call).await?;
    Ok(reply(app, &app.settlement.end(booking.id).await?))
}

/// The codes are made on the spot, so they are there from the moment the booking is paid; the file follows.
async fn tickets(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let booking = own(app, call).await?;
    if !booking.is_paid() {
        return Err(Refusal::NotPaid.into());
    }
    let tickets = ticket::tickets(&app.options.ticket_key, &booking);
    let tickets: Vec<Value> = tickets.iter().map(ticket_view).collect();
    let key = ticket::file_key(booking.id);
    let pdf_url = if app.files.exists(&key).await? { Some(app.files.link(&key, LINK_LIFETIME).await?) } else { None };
    Ok(Reply::json(200, &json!({"tickets": tickets, "pdfUrl": pdf_url})))
}

fn ticket_view(ticket: &ticket::Ticket) -> Value {
    json!({
        "seatId": ticket.seat().map(ToString::to_string),
        "areaId": ticket.area().map(|(area, _)| area.to_string()),
        "code": ticket.code(),
        "svg": ticket.svg(),
    })
}
