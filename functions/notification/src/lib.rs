//! `notification`: tells a buyer by e-mail what happened to a booking.
//!
//! Woken by the events of bookings; the booking as it is now decides what is said, if anything. Each event makes one mail
//! with one `Message-ID`, and a receipt is written after it was handed over, so a repeated event sends nothing. A crash
//! between the two sends the same mail twice, under the same `Message-ID`: better twice than never.

pub mod letter;
pub mod mime;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::{
    booking::{Booking, Status},
    catalogue::Show,
    event::{Event, Kind},
    ids::SectionId,
    plan::Section,
    ticket,
    time::{Clock, local},
};
use edge::{
    EventBridgeEvent, Failure, Settings,
    metrics::{self, Metric},
};
use outbound::{
    files::Files,
    mail::{Mail, Mailer},
};
use store::{Store, cache::Catalogue};

use crate::{
    letter::Message,
    mime::{Envelope, Letter, mime},
};

/// The sender of this function's receipts.
const RECEIPTS: &str = "mail";
/// The longest address that is written to (RFC 5321).
const ADDRESS_CHARS_MAX: usize = 254;
/// Looks for the tickets of a booking just paid, at most: they are written at the same time as this runs.
const TICKET_LOOKS_MAX: u32 = 5;
/// Before the second look; doubled before each further one, 3 s in all.
const TICKET_WAIT: Duration = Duration::from_millis(200);

/// What the function works with.
pub struct App {
    store: Store,
    catalogue: Catalogue,
    files: Arc<dyn Files>,
    mailer: Arc<dyn Mailer>,
    clock: Arc<dyn Clock>,
    from: String,
    public_base_url: String,
}

impl App {
    /// From `MAIL_FROM` (an address) and `PUBLIC_BASE_URL` (where buyers see their bookings).
    ///
    /// # Errors
    /// Every setting that is missing or malformed, those read before included.
    pub fn new(
        settings: &Settings,
        store: Store,
        files: Arc<dyn Files>,
        mailer: Arc<dyn Mailer>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let from = settings.text("MAIL_FROM");
        if !from.is_empty() && !is_address(&from) {
            let () = settings.malformed("MAIL_FROM", &"expected an e-mail address");
        }
        let public_base_url = settings.text("PUBLIC_BASE_URL").trim_end_matches('/').to_owned();
        settings.check()?;
        Ok(Self { catalogue: Catalogue::new(store.clone()), store, files, mailer, clock, from, public_base_url })
    }
}

/// One event from the bus.
///
/// # Errors
/// The event is to be delivered again: the tickets are not there yet, or something could not be reached.
pub async fn handle(app: &App, event: EventBridgeEvent<Event>) -> Result<(), Failure> {
    let event = event.detail;
    let Some(booking) = app.store.booking(event.booking_id).await? else {
        tracing::warn!(booking.id = %event.booking_id, event.id, "an event about {}, which does not exist", event.booking_id);
        return Ok(());
    };
    // An offer whose time is up is over, though nobody has ended it yet.
    let is_late = event.kind == Kind::WaitlistOffered && app.clock.now() >= booking.expires_at;
    let Some(message) = letter::message(event.kind, &booking).filter(|_| !is_late) else {
        tracing::info!(booking.id = %event.booking_id, event.id, "nothing to say about {}", event.id);
        return Ok(());
    };
    let Some(to) = booking.email.as_deref().filter(|address| is_address(address)) else {
        tracing::info!(booking.id = %event.booking_id, event.id, "no address to tell about {}", event.id);
        return Ok(());
    };
    if app.store.noted(RECEIPTS, &event.id).await? {
        tracing::info!(booking.id = %event.booking_id, event.id, "{} was told before", event.id);
        return Ok(());
    }
    let letter = write(app, &booking, message).await?;
    let sender_domain = app.from.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    let id = format!("{}@{sender_domain}", event.id);
    let envelope = Envelope { from: &app.from, to, message_id: &id, sent_at: app.clock.now() };
    let mime = mime(envelope, &letter);
    app.mailer.send(Mail { from: app.from.clone(), to: to.to_owned(), id, mime }).await?;
    metrics::count(Metric::MailsSent, 1);
    app.store.note(RECEIPTS, &event.id, app.clock.now()).await?;
    tracing::info!(booking.id = %event.booking_id, event.id, "{} told", event.id);
    Ok(())
}

/// Everything the mail says, gathered.
async fn write(app: &App, booking: &Booking, message: Message) -> Result<Letter, Failure> {
    let missing = |what: &str| Failure(format!("booking {}: its {what} is missing", booking.id));
    let show = app.catalogue.show(booking.show).await?.ok_or_else(|| missing("show"))?;
    let event = app.catalogue.event(show.event).await?.ok_or_else(|| missing("event"))?;
    let venue = app.catalogue.venue(show.venue).await?.ok_or_else(|| missing("venue"))?;
    let starts = local(show.starts_at, &show.time_zone);
    let mut details = vec![
        ("When", format!("{}, {}", starts.date, starts.time)),
        ("Where", format!("{}, {}", venue.name, venue.city)),
        ("Places", positions(app, booking, &show).await?.join("\n")),
        ("Price", format!("{} {}", booking.total(), booking.currency)),
        ("Booking", ticket::short_reference(booking.id)),
    ];
    if booking.offered && booking.status == Status::Pending {
        let until = local(booking.expires_at, &show.time_zone);
        details.push(("Pay by", format!("{}, {}", until.date, until.time)));
    }
    let attachment = if message.with_tickets {
        let name = format!("tickets-{}.pdf", ticket::short_reference(booking.id));
        Some((name, tickets(app, booking).await?))
    } else {
        None
    };
    let booking_url = format!("{}/?booking={}", app.public_base_url, booking.id);
    Ok(Letter { message, title: event.title.clone(), details, booking_url, attachment })
}

/// The booking's places in the plan's own names.
async fn positions(app: &App, booking: &Booking, show: &Show) -> Result<Vec<String>, Failure> {
    let missing = |what: &str| Failure(format!("booking {}: its {what} is missing", booking.id));
    let plan = app.catalogue.plan_overview(show.venue, show.plan_version).await?.ok_or_else(|| missing("plan"))?;
    let mut sections: BTreeMap<SectionId, Arc<Section>> = BTreeMap::new();
    for line in &booking.seats {
        let id = &line.seat.section;
        if !sections.contains_key(id) {
            let section = app.catalogue.plan_section(show.venue, show.plan_version, id).await?;
            sections.insert(id.clone(), section.ok_or_else(|| missing("section"))?);
        }
    }
    let described = ticket::places(booking).map(|place| {
        let section = place.seat().and_then(|seat| sections.get(&seat.section));
        ticket::describe(booking, &place, section.map(Arc::as_ref), &plan.areas)
    });
    described.map(|it| Ok(it.ok_or_else(|| missing("place"))?.position.to_string())).collect()
}

/// The PDF, as soon as it is written. This function and `ticket` hear of a payment at the same time, so a short wait here
/// spares the buyer the minute until the event comes again.
async fn tickets(app: &App, booking: &Booking) -> Result<Vec<u8>, Failure> {
    let key = ticket::file_key(booking.id);
    let mut wait = TICKET_WAIT;
    for look in 1..=TICKET_LOOKS_MAX {
        if let Some(bytes) = app.files.get(&key).await? {
            return Ok(bytes);
        }
        if look < TICKET_LOOKS_MAX {
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }
    Err(Failure(format!("booking {}: its tickets are not written yet", booking.id)))
}

/// Whether mail can be sent to `text`: one `@` between two parts, and nothing that has a meaning in a header.
fn is_address(text: &str) -> bool {
    let plain = |part: &str| {
        let odd = |c: char| c.is_control() || c.is_whitespace() || "<>()[],;:\\\"".contains(c);
        !part.is_empty() && !part.contains('@') && !part.contains(odd)
    };
    text.len() <= ADDRESS_CHARS_MAX && text.split_once('@').is_some_and(|(name, host)| plain(name) && plain(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_an_address_is_written_to() {
        for text in ["ada@example.org", "ada.b+c@mail.example.org", "अदा@उदाहरण.भारत"] {
            assert!(is_address(text), "{text}");
        }
        let long = format!("{}@example.org", "a".repeat(ADDRESS_CHARS_MAX));
        for text in ["", "ada", "@b", "a@", "a@b@c", "a b@c", "a@b\r\nBcc: d@e", "<a@b>", "a@b,c@d", "\"a\"@b", &long] {
            assert!(!is_address(text), "{text:?}");
        }
    }
}
