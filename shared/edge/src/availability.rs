//! What is free, as the API and the live map tell it: counts a section, then two bits a seat.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{
    Timestamp,
    availability::{Counts, SectionAvailability},
    ids::{AreaId, SectionId, ShowId},
    plan::Section,
};
use serde::Serialize;

/// The counts of a show: `GET /v1/shows/{showId}/availability`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShowStates<'a> {
    show_id: ShowId,
    as_of: Timestamp,
    sections: Vec<SectionCounts<'a>>,
    areas: Vec<AreaCount<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SectionCounts<'a> {
    section_id: &'a SectionId,
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
    area_id: &'a AreaId,
    remaining: u32,
}

/// The seats of a section: `GET /v1/shows/{showId}/sections/{sectionId}/availability`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SectionStates<'a> {
    section_id: &'a SectionId,
    version: u64,
    seats: String,
}

impl<'a> ShowStates<'a> {
    /// Of `sections`, each with its number of seats, and `areas`, each with its places left; in plan order. `since` is as
    /// of when nothing was ever taken.
    pub fn new(
        show_id: ShowId,
        since: Timestamp,
        sections: impl Iterator<Item = (&'a SectionId, u32, &'a SectionAvailability)>,
        areas: impl Iterator<Item = (&'a AreaId, u32)>,
    ) -> Self {
        let mut as_of = None;
        let sections = sections.map(|(section_id, total, states)| {
            let Counts { held, sold, blocked } = states.counts();
            as_of = as_of.max(states.changed_at);
            let available = total.saturating_sub(held + sold + blocked);
            SectionCounts { section_id, total, available, held, sold, blocked, version: states.version }
        });
        let sections = sections.collect();
        let areas = areas.map(|(area_id, remaining)| AreaCount { area_id, remaining }).collect();
        Self { show_id, as_of: as_of.unwrap_or(since), sections, areas }
    }
}

impl<'a> SectionStates<'a> {
    /// The states of `section`'s seats.
    #[must_use]
    pub fn new(section: &'a Section, states: &SectionAvailability) -> Self {
        Self { section_id: &section.id, version: states.version, seats: STANDARD.encode(states.packed(section)) }
    }
}
