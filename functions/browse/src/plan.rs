//! Seating plans: an overview, and the seats of one section.

use domain::{
    Error, Refusal,
    catalogue::Show,
    ids::{CategoryId, SeatId, SectionId},
    plan::{Decoration, Row, Seat, Section, drawing::Point},
};
use edge::{Call, Reply};
use serde::Serialize;
use store::plan::PlanOverview;

use crate::{App, show_and_plan};

/// A plan asked for by its version never changes.
const VERSION_CACHING: &str = "public, max-age=31536000, immutable";
/// "The plan of this show" might be another version one day.
const CURRENT_CACHING: &str = "public, max-age=60";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlanView<'a> {
    plan_id: String,
    version: u32,
    name: &'a str,
    categories: Vec<CategoryView<'a>>,
    sections: Vec<SectionView<'a>>,
    areas: Vec<AreaView<'a>>,
    decorations: &'a [Decoration],
    #[serde(skip_serializing_if = "Option::is_none")]
    focal_point: Option<Point>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CategoryView<'a> {
    category_id: &'a str,
    name: &'a str,
    color: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SectionView<'a> {
    section_id: &'a str,
    name: &'a str,
    seat_count: u32,
    categories: &'a [CategoryId],
    outline: &'a [Point],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AreaView<'a> {
    area_id: &'a str,
    name: &'a str,
    capacity: u32,
    category: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SectionPlanView<'a> {
    section_id: &'a str,
    name: &'a str,
    rows: Vec<RowView<'a>>,
}

#[derive(Serialize)]
struct RowView<'a> {
    row: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    whole: bool,
    seats: Vec<SeatView<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SeatView<'a> {
    seat_id: SeatId,
    seat: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    x: f64,
    y: f64,
    category: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    accessible: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    companion: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    obstructed_view: bool,
}

/// What people read, where it is not the id itself.
fn label<'a>(label: &'a str, id: &str) -> Option<&'a str> {
    (label != id).then_some(label)
}

impl<'a> SectionPlanView<'a> {
    fn new(section: &'a Section) -> Self {
        let rows = section.rows.iter().map(|row| RowView {
            row: row.id.as_str(),
            label: label(&row.label, row.id.as_str()),
            whole: row.whole,
            seats: row.seats.iter().map(|seat| SeatView::new(section, row, seat)).collect(),
        });
        Self { section_id: section.id.as_str(), name: &section.name, rows: rows.collect() }
    }
}

impl<'a> SeatView<'a> {
    fn new(section: &Section, row: &Row, seat: &'a Seat) -> Self {
        Self {
            seat_id: SeatId { section: section.id.clone(), row: row.id.clone(), seat: seat.name.clone() },
            seat: seat.name.as_str(),
            label: label(&seat.label, seat.name.as_str()),
            x: seat.x,
            y: seat.y,
            category: seat.category.as_str(),
            accessible: seat.accessible,
            companion: seat.companion,
            obstructed_view: seat.obstructed_view,
        }
    }
}

/// How long the answer may be kept.
fn caching(call: &Call<'_>, show: &Show) -> Result<&'static str, Refusal> {
    match call.query_as::<u32>("v")? {
        None => Ok(CURRENT_CACHING),
        Some(version) if version == show.plan_version => Ok(VERSION_CACHING),
        Some(_) => Err(Refusal::NotFound("plan")),
    }
}

/// `GET /v1/shows/{showId}/plan`.
pub(crate) async fn overview(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let (show, plan) = show_and_plan(app, call).await?;
    let caching = caching(call, &show)?;
    Ok(Reply::json(200, &view(&show, &plan)).cached(caching))
}

fn view<'a>(show: &Show, plan: &'a PlanOverview) -> PlanView<'a> {
    let categories = plan.categories.iter();
    let categories =
        categories.map(|it| CategoryView { category_id: it.id.as_str(), name: &it.name, color: &it.color });
    let sections = plan.sections.iter();
    let sections = sections.map(|it| SectionView {
        section_id: it.id.as_str(),
        name: &it.name,
        seat_count: it.seat_count,
        categories: &it.categories,
        outline: &it.outline,
    });
    let areas = plan.areas.iter().map(|area| AreaView {
        area_id: area.id.as_str(),
        name: &area.name,
        capacity: area.capacity,
        category: area.category.as_str(),
    });
    PlanView {
        plan_id: show.venue.to_string(),
        version: show.plan_version,
        name: &plan.name,
        categories: categories.collect(),
        sections: sections.collect(),
        areas: areas.collect(),
        decorations: &plan.decorations,
        focal_point: plan.focal_point,
    }
}

/// `GET /v1/shows/{showId}/sections/{sectionId}/plan`.
pub(crate) async fn section(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let section_id: SectionId = call.path("sectionId")?;
    let show = app.catalogue.show(call.path("showId")?).await?.ok_or(Refusal::NotFound("show"))?;
    let caching = caching(call, &show)?;
    let section = app.catalogue.plan_section(show.venue, show.plan_version, &section_id).await?;
    let section = section.ok_or(Refusal::NotFound("section"))?;
    Ok(Reply::json(200, &SectionPlanView::new(&section)).cached(caching))
}
