//! `ticket`: writes a paid booking's tickets: one PDF, one page and one signed code a place.
//!
//! Woken by `BookingPaid`. The booking as it is now decides, so a repeated or late event writes the same bytes under the
//! same key, or nothing.

pub mod fonts;
pub mod pdf;
mod text;

use std::{collections::BTreeMap, fmt::Display, path::PathBuf, sync::Arc};

use domain::{
    booking::Booking,
    event::{Event, Kind},
    ids::SectionId,
    plan::Section,
    ticket::{self, SigningKey, Ticket},
};
use edge::{
    EventBridgeEvent, Failure, Settings,
    metrics::{self, Metric},
};
use outbound::files::Files;
use store::{Store, cache::Catalogue, plan::PlanOverview};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::{
    fonts::Fonts,
    pdf::{SheetPlace, TicketSheet},
};

const PDF: &str = "application/pdf";

/// What the function works with.
pub struct App {
    store: Store,
    catalogue: Catalogue,
    files: Arc<dyn Files>,
    key: SigningKey,
    fonts: Arc<Fonts>,
}

impl App {
    /// From `TICKET_SIGNING_KEY` (base64 of a 32-byte Ed25519 seed) and `FONTS_DIR` (on Lambda `fonts` in the package).
    ///
    /// # Errors
    /// Every setting that is missing or malformed, those read before included; or the fonts are not there.
    pub fn new(settings: &Settings, store: Store, files: Arc<dyn Files>) -> Result<Self, Failure> {
        let key = settings.parsed("TICKET_SIGNING_KEY");
        let packaged = settings.get("LAMBDA_TASK_ROOT").map(|root| PathBuf::from(root).join("fonts"));
        let dir = settings.get("FONTS_DIR").map(PathBuf::from).or(packaged);
        let fonts = dir.unwrap_or_else(|| settings.text("FONTS_DIR").into());
        settings.check()?;
        let fonts = Fonts::open(fonts);
        fonts.check().map_err(|error| Failure(error.to_string()))?;
        let key = key.ok_or_else(|| Failure("TICKET_SIGNING_KEY: not set".to_owned()))?;
        Ok(Self { catalogue: Catalogue::new(store.clone()), store, files, key, fonts: Arc::new(fonts) })
    }
}

/// One event from the bus.
///
/// # Errors
/// The event is to be delivered again.
pub async fn handle(app: &App, event: EventBridgeEvent<Event>) -> Result<(), Failure> {
    let event = event.detail;
    if event.kind != Kind::BookingPaid {
        return Ok(());
    }
    let booking = app.store.booking(event.booking_id).await?;
    let Some(booking) = booking.filter(Booking::is_paid) else {
        tracing::info!(booking.id = %event.booking_id, event.id, "no tickets for {}: it is not paid", event.booking_id);
        return Ok(());
    };
    let sheet = sheet(app, &booking).await?;
    let bytes = rendered(Arc::clone(&app.fonts), sheet).await?;
    app.files.put(&ticket::file_key(booking.id), PDF, bytes).await?;
    if let Some(captured_at) = booking.payment.captured_at {
        metrics::since(Metric::TicketMilliseconds, captured_at);
    }
    tracing::info!(booking.id = %booking.id, tickets.count = booking.places(), "tickets of {} written", booking.id);
    Ok(())
}

/// The document's bytes. Where there are other threads, they are made on one that nobody waits for.
async fn rendered(fonts: Arc<Fonts>, sheet: TicketSheet) -> Result<Vec<u8>, Failure> {
    let failed = |error: &dyn Display| Failure(format!("rendering tickets: {error}"));
    let rendered = if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        pdf::render(&fonts, &sheet)
    } else {
        let rendering = tokio::task::spawn_blocking(move || pdf::render(&fonts, &sheet));
        rendering.await.map_err(|error| failed(&error))?
    };
    rendered.map_err(|error| failed(&error))
}

/// Everything the document says, gathered.
async fn sheet(app: &App, booking: &Booking) -> Result<TicketSheet, Failure> {
    let missing = |what: &str| Failure(format!("booking {}: its {what} is missing", booking.id));
    let show = app.catalogue.show(booking.show).await?.ok_or_else(|| missing("show"))?;
    let event = app.catalogue.event(show.event).await?.ok_or_else(|| missing("event"))?;
    let venue = app.catalogue.venue(show.venue).await?.ok_or_else(|| missing("venue"))?;
    let plan = app.catalogue.plan_overview(show.venue, show.plan_version).await?.ok_or_else(|| missing("plan"))?;
    let mut sections: BTreeMap<SectionId, Arc<Section>> = BTreeMap::new();
    for line in &booking.seats {
        let id = &line.seat.section;
        if !sections.contains_key(id) {
            let section = app.catalogue.plan_section(show.venue, show.plan_version, id).await?;
            sections.insert(id.clone(), section.ok_or_else(|| missing("section"))?);
        }
    }
    let tickets = ticket::tickets(&app.key, booking);
    let places = tickets.iter().map(|ticket| {
        let section = ticket.seat().and_then(|seat| sections.get(&seat.section));
        sheet_place(booking, ticket, section.map(Arc::as_ref), &plan).ok_or_else(|| missing("place"))
    });
    Ok(TicketSheet {
        title: event.title.clone(),
        artists: event.artists.clone(),
        venue: venue.name.clone(),
        city: venue.city.clone(),
        starts_at: show.starts_at,
        time_zone: show.time_zone.clone(),
        places: places.collect::<Result<_, Failure>>()?,
        buyer: booking.email.clone(),
        booking: booking.id,
        total: booking.total(),
        // A paid booking has its capture's time; the document's date must not move from one rendering to the next.
        paid_at: booking.payment.captured_at.unwrap_or(booking.created_at),
    })
}

fn sheet_place(
    booking: &Booking,
    ticket: &Ticket,
    section: Option<&Section>,
    plan: &PlanOverview,
) -> Option<SheetPlace> {
    let described = ticket::describe(booking, &ticket.claim().place, section, &plan.areas)?;
    let category = plan.categories.iter().find(|category| category.id == described.category);
    Some(SheetPlace {
        position: described.position,
        category: category.map_or_else(|| described.category.to_string(), |category| category.name.clone()),
        color: category.map(|category| category.color.clone()).unwrap_or_default(),
        price: described.price,
        notes: described.notes,
        qr: ticket.qr(),
    })
}
