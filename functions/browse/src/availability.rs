//! What is free: counts a section, then two bits a seat. A hint; the hold decides.

use domain::{Error, Refusal, ids::SectionId};
use edge::{
    Call, Reply,
    availability::{SectionStates, ShowStates},
};

use crate::{App, LIVE_CACHING, show_and_plan};

/// `GET /v1/shows/{showId}/availability`.
pub(crate) async fn show(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let (show, plan) = show_and_plan(app, call).await?;
    let states = app.catalogue.show_availability(show.id, &plan).await?.ok_or(Refusal::NotFound("show"))?;
    let view = ShowStates::new(show.id, show.created_at, states.of_sections(&plan), states.of_areas(&plan));
    Ok(Reply::json(200, &view).cached(LIVE_CACHING))
}

/// `GET /v1/shows/{showId}/sections/{sectionId}/availability`.
pub(crate) async fn section(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let section_id: SectionId = call.path("sectionId")?;
    let show = app.catalogue.show(call.path("showId")?).await?.ok_or(Refusal::NotFound("show"))?;
    let section = app.catalogue.plan_section(show.venue, show.plan_version, &section_id).await?;
    let section = section.ok_or(Refusal::NotFound("section"))?;
    let states = app.catalogue.availability(show.id, &section_id).await?;
    Ok(Reply::json(200, &SectionStates::new(&section, &states)).cached(LIVE_CACHING))
}
