//! `hold`: seats for a buyer, all or nothing, while they pay.

mod best;
mod claim;
mod hints;
mod orphan;
mod waitlist;

use std::{sync::Arc, time::Instant};

use domain::{
    Error, Refusal,
    catalogue::{HOLD_TTL_SECONDS, HOLD_TTL_SECONDS_DEFAULT},
    challenge::BITS_MAX,
    hold::Wish,
    ids::{AreaId, CategoryId, SeatId, SectionId, ShowId},
    queue::TokenKey,
};
use edge::{
    Auth, Body, Call, Reply, Request, Response, Settings,
    http::BODY_BYTES_MAX,
    metrics::{self, Metric},
    view::BookingView,
};
use outbound::{
    challenge::{Challenger, ProofOfWork},
    payments::stopwatch,
};
use serde::Deserialize;
use settlement::Settlement;
use store::cache::Catalogue;

use crate::hints::Hints;

/// The header that an admission is shown in.
const ADMISSION: &str = "usher-admission";

/// Holds of one buyer at a show within ten minutes, unless a setting says otherwise, before they are asked for proof.
const CHURN_HOLDS_MAX_DEFAULT: u32 = 300;
/// Zero bits that are asked for, unless a setting says otherwise: a second or so for a browser.
const CHALLENGE_BITS_DEFAULT: u32 = 18;

/// What the function is told by its environment.
pub struct Options {
    auth: Auth,
    booking_id_key: Vec<u8>,
    admission_key: TokenKey,
    hold_ttl_seconds: u32,
    churn_holds_max: u32,
    challenge_bits: u32,
}

impl Options {
    /// From `BOOKING_ID_KEY`, `ADMISSION_KEY`, `HOLD_TTL_SECONDS` (600), `CHURN_HOLDS_MAX` (300), `CHALLENGE_BITS` (18) and whatever names callers. Where the table is local, a hold may
    /// live as short as a second, so that expiry can be watched.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let booking_id_key = settings.booking_id_key();
        let shortest = if settings.is_local() { 1 } else { *HOLD_TTL_SECONDS.start() };
        let range = shortest..=*HOLD_TTL_SECONDS.end();
        let hold_ttl_seconds = settings.number("HOLD_TTL_SECONDS", range, HOLD_TTL_SECONDS_DEFAULT);
        Self {
            auth: settings.auth(),
            booking_id_key,
            admission_key: settings.admission_key(),
            hold_ttl_seconds,
            churn_holds_max: settings.number("CHURN_HOLDS_MAX", 1..=u32::MAX, CHURN_HOLDS_MAX_DEFAULT),
            challenge_bits: settings.number("CHALLENGE_BITS", 0..=BITS_MAX, CHALLENGE_BITS_DEFAULT),
        }
    }
}

/// What the function works with.
pub struct App {
    options: Options,
    settlement: Settlement,
    catalogue: Catalogue,
    hints: Hints,
    challenger: Arc<dyn Challenger>,
}

impl App {
    /// With nothing remembered yet. Whoever looks like a machine is asked for work, under a key that only signs challenges
    /// and booking ids.
    #[must_use]
    pub fn new(options: Options, settlement: Settlement, catalogue: Catalogue) -> Self {
        let challenger = Arc::new(ProofOfWork::new(options.booking_id_key.clone(), options.challenge_bits));
        Self { options, settlement, catalogue, hints: Hints::default(), challenger }
    }

    /// With another way to tell people from machines.
    #[must_use]
    pub fn with_challenger(self, challenger: Arc<dyn Challenger>) -> Self {
        Self { challenger, ..self }
    }
}

/// What a request shows besides what it asks for.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// A presale code.
    code: Option<&'a str>,
    /// The solution of a challenge.
    proof: Option<&'a str>,
    /// An admission of the waiting room.
    admission: Option<&'a str>,
    /// Its caller is about to be limited.
    is_strained: bool,
}

impl<'a> Shown<'a> {
    fn new(call: &'a Call<'_>, code: Option<&'a str>) -> Self {
        let (proof, admission) = (call.header("usher-proof"), call.header(ADMISSION));
        Self { code, proof, admission, is_strained: call.is_strained() }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HoldCommand {
    #[serde(default)]
    seat_ids: Vec<String>,
    #[serde(default)]
    areas: Vec<AreaWish>,
    #[serde(default)]
    code: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AreaWish {
    area_id: String,
    quantity: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BestCommand {
    quantity: u32,
    #[serde(default)]
    category: Option<CategoryId>,
    #[serde(default)]
    section_id: Option<SectionId>,
    #[serde(default)]
    max_price_minor: Option<i64>,
    #[serde(default)]
    accessible: bool,
    #[serde(default)]
    split: bool,
    #[serde(default)]
    code: Option<String>,
}

impl HoldCommand {
    /// The wish, when every id is well-formed: an ill-formed one names no seat of any plan.
    fn wish(self) -> Result<Wish, Refusal> {
        let mut unknown = Vec::new();
        let mut seats: Vec<SeatId> = Vec::new();
        for text in self.seat_ids {
            text.parse().map_or_else(|_| unknown.push(text), |seat| seats.push(seat));
        }
        let mut areas: Vec<(AreaId, u32)> = Vec::new();
        for AreaWish { area_id, quantity } in self.areas {
            area_id.parse().map_or_else(|_| unknown.push(area_id), |area| areas.push((area, quantity)));
        }
        if unknown.is_empty() { Wish::new(seats, areas) } else { Err(Refusal::UnknownSeat(unknown)) }
    }
}

/// One HTTP call.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let began = Instant::now();
    let call = Call::new(&app.options.auth, request);
    let (outcome, waited) = stopwatch::timed(Box::pin(route(app, &call))).await;
    if let Err(Error::Refused(refusal)) = &outcome {
        metrics::refused(Metric::HoldsRefused, refusal);
    }
    metrics::took(Metric::HoldMilliseconds, began.elapsed().saturating_sub(waited.unwrap_or_default()));
    call.answer(outcome)
}

async fn route(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    match call.route() {
        "POST /v1/shows/{showId}/holds" => hold(app, call).await,
        "POST /v1/shows/{showId}/best-available" => best_available(app, call).await,
        _ => Err(Refusal::NotFound("route").into()),
    }
}

async fn hold(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = call.caller()?;
    let show: ShowId = call.path("showId")?;
    let key = call.idempotency_key()?;
    let mut wanted = call.body::<HoldCommand>(BODY_BYTES_MAX)?;
    let code = wanted.code.take();
    let booking = app.claim(&caller, show, &key, &wanted.wish()?, Shown::new(call, code.as_deref())).await?;
    Ok(Reply::json(201, &BookingView::new(&booking, app.settlement.clock.now())))
}

async fn best_available(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = call.caller()?;
    let show: ShowId = call.path("showId")?;
    let key = call.idempotency_key()?;
    let BestCommand { quantity, category, section_id: section, max_price_minor, accessible, split, code } =
        call.body(BODY_BYTES_MAX)?;
    let wanted = domain::best::Request { quantity, category, section, max_price_minor, accessible, split };
    let booking = app.claim_best(&caller, show, &key, &wanted, Shown::new(call, code.as_deref())).await?;
    Ok(Reply::json(201, &BookingView::new(&booking, app.settlement.clock.now())))
}
