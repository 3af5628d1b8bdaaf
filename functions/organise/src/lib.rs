//! `organise`: venues with their plans, events, shows, house seats, sales figures and money, for organisers.

mod admissions;
mod blocks;
mod check;
mod codes;
mod events;
mod money;
mod refunds;
mod sales;
mod shows;
mod uploads;
mod venues;
mod waiting_room;

use std::sync::Arc;

use domain::{
    Error, Refusal,
    catalogue::{HOLD_TTL_SECONDS_DEFAULT, derived_uuid, fingerprint},
    ids::UserId,
    time::Clock,
};
use edge::{Auth, Body, Call, Caller, Reply, Request, Response, Settings, http::PLAN_BODY_BYTES_MAX};
use outbound::{ids::Ids, uploads::Uploads};
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::{Store, cache::Catalogue};
use uuid::Uuid;

/// The role that all of this needs.
const ROLE: &str = "organiser";
/// The largest `PLAN_BYTES_MAX`: what fits in memory several times over.
const PLAN_BYTES_LIMIT: u32 = 64 * 1024 * 1024;

/// What `organise` works with.
pub struct App {
    auth: Auth,
    store: Store,
    catalogue: Catalogue,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    uploads: Arc<dyn Uploads>,
    plan_bytes_max: usize,
    hold_ttl_seconds: u32,
    code_key: Vec<u8>,
}

impl App {
    /// `BOOKING_ID_KEY` also makes presale codes; `HOLD_TTL_SECONDS` is shown for shows without their own; `PLAN_BYTES_MAX` is the largest body with a plan inline.
    #[must_use]
    pub fn new(
        settings: &Settings,
        store: Store,
        uploads: Arc<dyn Uploads>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Self {
        let default = u32::try_from(PLAN_BODY_BYTES_MAX).unwrap_or(PLAN_BYTES_LIMIT);
        let plan_bytes_max = settings.number("PLAN_BYTES_MAX", 1..=PLAN_BYTES_LIMIT, default);
        Self {
            auth: settings.auth(),
            catalogue: Catalogue::new(store.clone()),
            store,
            clock,
            ids,
            uploads,
            plan_bytes_max: usize::try_from(plan_bytes_max).unwrap_or(PLAN_BODY_BYTES_MAX),
            code_key: settings.booking_id_key(),
            hold_ttl_seconds: settings.number("HOLD_TTL_SECONDS", 1..=u32::MAX, HOLD_TTL_SECONDS_DEFAULT),
        }
    }
}

/// Answers one HTTP call.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let call = Call::new(&app.auth, request);
    let outcome = route(app, &call).await;
    call.answer(outcome)
}

async fn route(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    match call.route() {
        "POST /v1/plan-uploads" => uploads::create(app, call).await,
        "POST /v1/venues" => venues::create(app, call).await,
        "POST /v1/events" => events::create(app, call).await,
        "GET /v1/organiser/events" => events::own(app, call).await,
        "POST /v1/events/{eventId}/shows" => shows::create(app, call).await,
        "PATCH /v1/shows/{showId}" => shows::change(app, call).await,
        "POST /v1/shows/{showId}/blocks" => blocks::change(app, call).await,
        "POST /v1/shows/{showId}/codes" => codes::create(app, call).await,
        "GET /v1/shows/{showId}/codes" => codes::list(app, call).await,
        "POST /v1/shows/{showId}/queue/revocations" => admissions::revoke(app, call).await,
        "POST /v1/shows/{showId}/refunds" => refunds::give_back(app, call).await,
        "GET /v1/shows/{showId}/cancellation" => refunds::progress(app, call).await,
        "GET /v1/shows/{showId}/sales" => sales::read(app, call).await,
        "GET /v1/shows/{showId}/ledger" => money::ledger(app, call).await,
        "GET /v1/shows/{showId}/money" => money::sums(app, call).await,
        _ => Err(Refusal::NotFound("route").into()),
    }
}

fn organiser(call: &Call<'_>) -> Result<Caller, Refusal> {
    let caller = call.caller()?;
    caller.require_role(ROLE)?;
    Ok(caller)
}

/// A command and the digest of its request: of what it says, not of how it is spaced.
fn command<T: DeserializeOwned>(call: &Call<'_>, limit_bytes: usize) -> Result<(T, String), Refusal> {
    let value: Value = call.body(limit_bytes)?;
    let digest = fingerprint(value.to_string().as_bytes());
    let command = T::deserialize(value).map_err(|why| Refusal::BadRequest(format!("the body is not valid: {why}")))?;
    Ok((command, digest))
}

/// The id of what `user` creates: under an idempotency key always the same one.
fn new_id(app: &App, call: &Call<'_>, scope: &str, user: &UserId) -> Result<Uuid, Refusal> {
    match call.idempotency_key() {
        Ok(key) => Ok(derived_uuid(scope, user, &key)),
        Err(Refusal::IdempotencyKeyRequired) => Ok(app.ids.next()),
        Err(refusal) => Err(refusal),
    }
}
