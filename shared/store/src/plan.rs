//! Seating plans: an overview and one item a section, all immutable.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    time::Duration,
};

use aws_sdk_dynamodb::primitives::Blob;
use domain::{
    Error, Fault, Refusal, StoreError,
    catalogue::Venue,
    ids::{AreaId, CategoryId, RowId, SeatName, SectionId, VenueId},
    plan::{
        Area, PlanCategory, Row, Seat, SeatingPlan, Section,
        drawing::{Decoration, Point, outline},
    },
};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Store,
    call::write_failed,
    codec::{Item, key_attributes},
    keys::Key,
};

/// Attribute of the compressed JSON.
const PACKED: &str = "z";
/// A compressed part of a plan, at most: an item ends at 400 KB.
const PART_BYTES_MAX: usize = 390_000;
/// What a compressed part may unpack to, at most.
const UNPACKED_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Sections written at the same time.
const WRITES_AT_ONCE: usize = 8;
/// Tries of one part, each with those of the client itself: a plan is one partition, which takes a megabyte a second, and a
/// large plan has some.
const PART_TRIES_MAX: u32 = 6;
/// The pause before a part is tried again.
const PART_PAUSE: Duration = Duration::from_millis(500);

/// How far a seat may be outside of its section's outline, which is drawn in few points.
const OUTLINE_SLACK_UNITS: f64 = 4.0;

const ACCESSIBLE: u8 = 1;
const COMPANION: u8 = 2;
const OBSTRUCTED: u8 = 4;

/// A plan without its seats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanOverview {
    /// As its author called it.
    pub name: String,
    /// In plan order.
    pub categories: Vec<PlanCategory>,
    /// Those of the categories that need a price.
    pub priced: Vec<CategoryId>,
    /// In plan order.
    pub sections: Vec<SectionOverview>,
    /// In plan order.
    pub areas: Vec<Area>,
    /// What else a map shows. Plans of before have none.
    #[serde(default)]
    pub decorations: Vec<Decoration>,
    /// Where everybody looks, if its author said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focal_point: Option<Point>,
}

/// A section without its seats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SectionOverview {
    /// Its id.
    pub id: SectionId,
    /// As people read it.
    pub name: String,
    /// How many seats it has.
    pub seat_count: u32,
    /// Which categories its seats are of. Plans of before do not say.
    #[serde(default)]
    pub categories: Vec<CategoryId>,
    /// Where it is, clockwise. Plans of before do not say.
    #[serde(default)]
    pub outline: Vec<Point>,
}

impl SectionOverview {
    /// How far from `focus` the middle of any of its blocks is, at least, in the plan's units.
    #[must_use]
    #[expect(clippy::float_arithmetic, reason = "distances on a plan")]
    pub fn begins_at(&self, focus: Point) -> f64 {
        let off = |of: fn(&Point) -> f64, at: f64| {
            let at_most = |most: f64, point: &Point| most.min(of(point) - at);
            let below = self.outline.iter().fold(f64::INFINITY, at_most);
            let above = self.outline.iter().fold(f64::INFINITY, |most, point| most.min(at - of(point)));
            // Nearer than the nearest corner only by what the outline leaves out.
            (below.max(above) - OUTLINE_SLACK_UNITS).max(0.0)
        };
        if self.outline.is_empty() { 0.0 } else { off(|point| point.0, focus.0).hypot(off(|point| point.1, focus.1)) }
    }
}

impl PlanOverview {
    /// The overview of `plan`.
    #[must_use]
    pub fn of(plan: &SeatingPlan) -> Self {
        let section = |section: &Section| SectionOverview {
            id: section.id.clone(),
            name: section.name.clone(),
            seat_count: section.seat_count(),
            categories: section.categories(),
            outline: outline(section),
        };
        Self {
            name: plan.name.clone(),
            categories: plan.categories.clone(),
            priced: plan.categories_used().into_iter().map(|category| category.id.clone()).collect(),
            sections: plan.sections.iter().map(section).collect(),
            areas: plan.areas.clone(),
            decorations: plan.decorations.clone(),
            focal_point: plan.focal_point,
        }
    }

    /// Where everybody looks: as its author said, else the middle of its upper edge. `None` where it does not say where its
    /// sections are.
    #[must_use]
    pub fn focus(&self) -> Option<Point> {
        let points = || self.sections.iter().flat_map(|section| &section.outline);
        let ends = |of: fn(&Point) -> f64| {
            points().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| (low.min(at), high.max(at)))
        };
        let (left, right) = ends(|point| point.0);
        let upper = points().next().map(|_| (f64::midpoint(left, right), ends(|point| point.1).0));
        self.focal_point.or(upper)
    }

    /// The area of this id.
    #[must_use]
    pub fn area(&self, id: &AreaId) -> Option<&Area> {
        self.areas.iter().find(|area| area.id == *id)
    }
}

/// A section as it is stored: names once, a seat as one short array.
#[derive(Serialize, Deserialize)]
struct Packed {
    id: SectionId,
    name: String,
    categories: Vec<CategoryId>,
    rows: Vec<(RowId, String, Vec<PackedSeat>)>,
    /// Those of the rows that are sold whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    whole: Vec<RowId>,
}

/// Name, label, x, y, number of the category, flags.
type PackedSeat = (SeatName, String, f64, f64, u16, u8);

fn pack(section: &Section) -> Result<Packed, StoreError> {
    let mut categories: Vec<CategoryId> = Vec::new();
    let mut numbers: HashMap<&CategoryId, u16> = HashMap::new();
    let mut rows = Vec::with_capacity(section.rows.len());
    for row in &section.rows {
        let mut seats = Vec::with_capacity(row.seats.len());
        for seat in &row.seats {
            let next = u16::try_from(categories.len())
                .map_err(|_| StoreError::Corrupt("a section has too many categories".to_owned()))?;
            let number = *numbers.entry(&seat.category).or_insert_with(|| {
                categories.push(seat.category.clone());
                next
            });
            let flag = |is: bool, bit: u8| if is { bit } else { 0 };
            let flags = flag(seat.accessible, ACCESSIBLE)
                | flag(seat.companion, COMPANION)
                | flag(seat.obstructed_view, OBSTRUCTED);
            seats.push((seat.name.clone(), seat.label.clone(), seat.x, seat.y, number, flags));
        }
        rows.push((row.id.clone(), row.label.clone(), seats));
    }
    let whole = section.rows.iter().filter(|row| row.whole).map(|row| row.id.clone()).collect();
    Ok(Packed { id: section.id.clone(), name: section.name.clone(), categories, rows, whole })
}

fn unpack(packed: Packed) -> Result<Section, StoreError> {
    let Packed { id, name, categories, rows, whole } = packed;
    let seat = |(name, label, x, y, category, flags): PackedSeat| {
        let category = categories.get(usize::from(category)).cloned();
        let category = category.ok_or_else(|| StoreError::Corrupt("a seat's category is unknown".to_owned()))?;
        let has = |bit: u8| flags & bit != 0;
        let (accessible, companion, obstructed_view) = (has(ACCESSIBLE), has(COMPANION), has(OBSTRUCTED));
        Ok(Seat { name, label, x, y, category, accessible, companion, obstructed_view })
    };
    let row = |(id, label, seats): (RowId, String, Vec<PackedSeat>)| {
        let seats = seats.into_iter().map(seat).collect::<Result<_, StoreError>>()?;
        Ok(Row { whole: whole.contains(&id), id, label, seats })
    };
    Ok(Section { id, name, rows: rows.into_iter().map(row).collect::<Result<_, StoreError>>()? })
}

fn compress(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let failed = |why: &dyn std::fmt::Display| StoreError::Corrupt(format!("a plan does not encode: {why}"));
    let json = serde_json::to_vec(value).map_err(|why| failed(&why))?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&json).and_then(|()| encoder.finish()).map_err(|why| failed(&why))
}

fn decompress<T: DeserializeOwned>(item: &Item) -> Result<T, StoreError> {
    let failed = |why: &dyn std::fmt::Display| StoreError::Corrupt(format!("a plan does not decode: {why}"));
    let packed = item.get(PACKED).and_then(|value| value.as_b().ok()).ok_or_else(|| failed(&"no bytes"))?;
    let mut json = Vec::new();
    let read = GzDecoder::new(packed.as_ref()).take(UNPACKED_BYTES_MAX).read_to_end(&mut json);
    read.map_err(|why| failed(&why))?;
    serde_json::from_slice(&json).map_err(|why| failed(&why))
}

impl Store {
    /// A plan without its seats.
    ///
    /// # Errors
    /// The table's.
    pub async fn plan_overview(&self, venue: VenueId, version: u32) -> Result<Option<PlanOverview>, StoreError> {
        let item = self.get_item(&Key::Plan(venue, version), true).await?;
        item.map(|item| decompress(&item)).transpose()
    }

    /// One section of a plan, with its seats.
    ///
    /// # Errors
    /// The table's.
    pub async fn plan_section(
        &self,
        venue: VenueId,
        version: u32,
        section: &SectionId,
    ) -> Result<Option<Section>, StoreError> {
        let item = self.get_item(&Key::PlanSection(venue, version, section.clone()), false).await?;
        item.map(|item| unpack(decompress(&item)?)).transpose()
    }

    /// Writes `plan` as version `venue.plan_version` and then the venue, created before with this fingerprint: the plan
    /// is seen whole or not at all. Repeating it changes nothing.
    ///
    /// # Errors
    /// `invalid-plan` when a section does not fit into an item; the table's.
    pub async fn put_plan(&self, venue: &Venue, plan: &SeatingPlan, fingerprint: &str) -> Result<(), Error> {
        let (id, version) = (venue.id, venue.plan_version);
        let mut parts = Vec::with_capacity(plan.sections.len());
        for section in &plan.sections {
            let packed = compress(&pack(section)?)?;
            if packed.len() > PART_BYTES_MAX {
                let detail = format!("section '{}' is too large; divide it", section.name);
                return Err(Refusal::InvalidPlan(vec![Fault::new("/zones", detail)]).into());
            }
            parts.push((Key::PlanSection(id, version, section.id.clone()), packed));
        }
        let writes = parts.into_iter().map(|(key, packed)| self.put_part(key, packed));
        stream::iter(writes).buffer_unordered(WRITES_AT_ONCE).try_collect::<()>().await?;
        self.put_part(Key::Plan(id, version), compress(&PlanOverview::of(plan))?).await?;
        Ok(self.replace_venue(venue, fingerprint).await?)
    }

    /// Writes a part, again while its partition is too busy.
    async fn put_part(&self, key: Key, packed: Vec<u8>) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(&*self.table).set_item(Some(key_attributes(&key)));
        let put = put.item(PACKED, aws_sdk_dynamodb::types::AttributeValue::B(Blob::new(packed)));
        let mut tries = 1;
        loop {
            match put.clone().send().await.map_err(write_failed) {
                Err(StoreError::Throttled) if tries < PART_TRIES_MAX => {
                    tokio::time::sleep(PART_PAUSE).await;
                    tries += 1;
                }
                outcome => return outcome.map(drop),
            }
        }
    }
}
