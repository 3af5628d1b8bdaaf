//! What is free: counts a section, then two bits a seat. A hint; the hold decides.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{
    Error, Refusal, Timestamp,
    availability::Counts,
    ids::{SectionId, ShowId},
};
use edge::{Call, Reply};
use serde::Serialize;

use crate::{App, LIVE_CACHING, show_and_plan};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShowStates<'a> {
    show_id: ShowId,
    as_of: Timestamp,
    sections: Vec<SectionCounts<'a>>,
    areas: Vec<AreaCount<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SectionCounts<'a> {
    section_id: &'a str,
    total: u32,
    available: u32,
    held: u32,
    sold: u32,
    blocked: u32,
    version: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AreaCount<'a> {
    area_id: &'a str,
    remaining: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SectionStates<'a> {
    section_id: &'a str,
    version: u64,
    seats: String,
}

/// `GET /v1/shows/{showId}/availability`.
pub(crate) async fn show(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let (show, plan) = show_and_plan(app, call).await?;
    let states = app.catalogue.show_availability(show.id, &plan).await?.ok_or(Refusal::NotFound("show"))?;
    let sections = plan.sections.iter().zip(&states.sections).map(|(section, states)| {
        let Counts { held, sold, blocked } = states.counts();
        SectionCounts {
            section_id: section.id.as_str(),
            total: section.seat_count,
            available: section.seat_count.saturating_sub(held + sold + blocked),
            held,
            sold,
            blocked,
            version: states.version,
        }
    });
    let areas = plan.areas.iter().zip(&states.areas);
    let changed_at = states.sections.iter().filter_map(|section| section.changed_at).max();
    let view = ShowStates {
        show_id: show.id,
        as_of: changed_at.unwrap_or(show.created_at),
        sections: sections.collect(),
        areas: areas.map(|(area, &remaining)| AreaCount { area_id: area.id.as_str(), remaining }).collect(),
    };
    Ok(Reply::json(200, &view).cached(LIVE_CACHING))
}

/// `GET /v1/shows/{showId}/sections/{sectionId}/availability`.
pub(crate) async fn section(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let section_id: SectionId = call.path("sectionId")?;
    let show = app.catalogue.show(call.path("showId")?).await?.ok_or(Refusal::NotFound("show"))?;
    let section = app.catalogue.plan_section(show.venue, show.plan_version, &section_id).await?;
    let section = section.ok_or(Refusal::NotFound("section"))?;
    let states = app.catalogue.availability(show.id, &section_id).await?;
    let seats = STANDARD.encode(states.packed(&section));
    let view = SectionStates { section_id: section_id.as_str(), version: states.version, seats };
    Ok(Reply::json(200, &view).cached(LIVE_CACHING))
}
