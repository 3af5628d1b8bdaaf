//! `browse`: the catalogue, plans and availability, and the document of the API, for everybody. Nothing here needs a
//! token.

mod availability;
mod cursor;
mod events;
mod openapi;
mod plan;
mod shows;

use std::sync::Arc;

use domain::{
    Error, Refusal,
    catalogue::{HOLD_TTL_SECONDS_DEFAULT, Show},
    time::Clock,
};
use edge::{Auth, Body, Call, Reply, Request, Response, Settings};
use store::{Store, cache::Catalogue, plan::PlanOverview};

/// Lists and details change when organisers publish.
const CATALOGUE_CACHING: &str = "public, max-age=5";
/// A show's state and what is free change while people watch.
const LIVE_CACHING: &str = "public, max-age=1";

/// What `browse` works with.
pub struct App {
    auth: Auth,
    store: Store,
    catalogue: Catalogue,
    clock: Arc<dyn Clock>,
    hold_ttl_seconds: u32,
}

impl App {
    /// `HOLD_TTL_SECONDS` is shown for shows without their own.
    #[must_use]
    pub fn new(settings: &Settings, store: Store, clock: Arc<dyn Clock>) -> Self {
        Self {
            auth: settings.auth(),
            catalogue: Catalogue::new(store.clone()),
            store,
            clock,
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
        "GET /v1/events" => events::list(app, call).await,
        "GET /v1/events/{eventId}" => events::read(app, call).await,
        "GET /v1/events/{eventId}/shows" => shows::list(app, call).await,
        "GET /v1/shows/{showId}" => shows::read(app, call).await,
        "GET /v1/shows/{showId}/plan" => plan::overview(app, call).await,
        "GET /v1/shows/{showId}/sections/{sectionId}/plan" => plan::section(app, call).await,
        "GET /v1/shows/{showId}/availability" => availability::show(app, call).await,
        "GET /v1/shows/{showId}/sections/{sectionId}/availability" => availability::section(app, call).await,
        "GET /v1/openapi.json" => Ok(openapi::read()),
        _ => Err(Refusal::NotFound("route").into()),
    }
}

/// The show of the path, at most a few seconds old, with its plan.
async fn show_and_plan(app: &App, call: &Call<'_>) -> Result<(Arc<Show>, Arc<PlanOverview>), Error> {
    let show = app.catalogue.show(call.path("showId")?).await?.ok_or(Refusal::NotFound("show"))?;
    let plan = app.catalogue.plan_overview(show.venue, show.plan_version).await?;
    Ok((show, plan.ok_or(Refusal::NotFound("plan"))?))
}
