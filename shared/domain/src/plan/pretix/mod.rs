//! Imports the open seating-plan format that pretix defined, as it is found in the wild.
//!
//! Zones become sections, rows rows, seats seats; positions nest (zone + row + seat). Looser than the format's schema
//! where real files are: `categories` may be empty and a seat's category `""` (such seats are of one category,
//! [`STANDARD_ID`]), names may be missing or numbers, positions fractional, and members that nobody knows are passed over.
//! Beyond the format, a seat may be `accessible`, `companion` and `obstructed_view` (or `obstructedView`), a row `whole` (a
//! table or a booth, sold as one), and an area may have a `capacity` (without one it is decoration: a stage, a label), a `name`
//! and a `category`. The plan may have a `focal_point` (or `focalPoint`), `{x, y}`: where everybody looks.
//!
//! Ids are derived from names (see `names`): a row's from its number, a seat's from its number, in that row. Names that
//! repeat are told apart by a suffix in document order. Labels keep their script.
//!
//! Every fault is named with its place, not just the first.
#![allow(clippy::float_arithmetic, reason = "coordinates are fractions of the plan's units; no money is near")]

mod colors;
mod names;
mod read;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, str::FromStr};

use serde_json::Value;

use crate::{
    Fault,
    ids::{AreaId, CategoryId, IllFormed},
    plan::{
        AREA_PLACES_MAX, Area, COORDINATE_UNITS_MAX, LABEL_CHARS_MAX, NAME_CHARS_MAX, PLAN_AREAS_MAX,
        PLAN_CATEGORIES_MAX, PLAN_PARTS_MAX, PLAN_SEATS_MAX, PLAN_SECTIONS_MAX, PlanCategory, Row,
        SECTION_LABEL_BYTES_MAX, SECTION_SEATS_MAX, Seat, SeatingPlan, Section, WHOLE_SEATS_MAX,
        drawing::{DECORATIONS_MAX, Decoration, Shape},
    },
};
use names::{Case, Namer, slug};
pub use read::FAULTS_MAX;
use read::{Faults, Object, Place, Point, Quoted};

/// The category of seats whose document names none.
pub const STANDARD_ID: &str = "standard";
/// What people read of it.
const STANDARD_NAME: &str = "Standard";
/// A plan without a name.
const PLAN_NAME_DEFAULT: &str = "Seating plan";
/// Positions are kept to a thousandth of a unit: finer than any screen, and stored in few digits.
const STEPS_PER_UNIT: f64 = 1_000.0;
/// Category names that a fault lists as the choices there are.
const CHOICES_NAMED_MAX: usize = 5;

/// The plan that the JSON text `document` describes.
///
/// # Errors
/// Every fault, at most [`FAULTS_MAX`], each with a JSON pointer from the document's root; text that is not JSON is one
/// fault at the root that gives line and column; text of more than [`PLAN_PARTS_MAX`] parts is one there, and is not read.
pub fn import(document: impl AsRef<[u8]>) -> Result<SeatingPlan, Vec<Fault>> {
    let text = document.as_ref();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let parts = text.iter().filter(|byte| matches!(byte, b'{' | b'[' | b',')).count();
    if parts > PLAN_PARTS_MAX {
        return Err(vec![Fault::new(
            "",
            format!("{parts} objects, lists and commas; at most {PLAN_PARTS_MAX} are possible"),
        )]);
    }
    let document = serde_json::from_slice(text).map_err(|e| vec![Fault::new("", format!("this is not JSON: {e}"))])?;
    import_value(&document)
}

/// The plan that the JSON value `document` describes.
///
/// # Errors
/// Every fault, at most [`FAULTS_MAX`], each with a JSON pointer from the document's root.
pub fn import_value(document: &Value) -> Result<SeatingPlan, Vec<Fault>> {
    let mut importer = Importer::default();
    let plan = importer.plan(document);
    let faults = importer.faults.into_list();
    match plan {
        Some(plan) if faults.is_empty() => Ok(plan),
        _ => Err(faults),
    }
}

/// What is known so far of the document being read.
#[derive(Default)]
struct Importer {
    faults: Faults,
    /// Declared ones, then the standard one once something needs it.
    categories: Vec<PlanCategory>,
    category_names: Namer,
    /// By name: where it is declared in the document's list, and the id it got.
    declared: HashMap<String, (usize, CategoryId)>,
    /// Whether the document declares categories, sound or not: then every seat must say which is its.
    declares: bool,
    section_names: Namer,
    area_names: Namer,
    /// Which seat has which guid: zone, row and seat by index.
    guids: HashMap<String, [usize; 3]>,
    areas: Vec<Area>,
    decorations: Vec<Decoration>,
    /// Seats and areas for sale that the document has, sound or not.
    places_seen: usize,
}

/// What the rows of a zone share.
struct Zone {
    index: usize,
    origin: Point,
    row_names: Namer,
    label_bytes: usize,
}

/// What the seats of a row share.
struct RowOfSeats<'z> {
    zone: &'z Zone,
    index: usize,
    origin: Point,
    seat_names: Namer,
}

impl Importer {
    fn plan(&mut self, document: &Value) -> Option<SeatingPlan> {
        let root = Object::new(document, Place::ROOT, &mut self.faults)?;
        let name = root.text("name", NAME_CHARS_MAX, &mut self.faults);
        self.declare_categories(&root);
        let zones = root.required_list("zones", &mut self.faults)?;
        let place = root.place.key("zones");
        let seats: usize = zones.iter().map(seats_of_zone).sum();
        if seats > PLAN_SEATS_MAX {
            // Nothing more is said: a document this large is not read seat by seat.
            self.faults.add(&place, format_args!("the plan has {seats} seats; at most {PLAN_SEATS_MAX} are possible"));
            return None;
        }
        let mut sections = Vec::new();
        for (index, zone) in zones.iter().enumerate() {
            sections.extend(self.zone(zone, &place.index(index), index));
        }
        self.check_numbers(&place, sections.len());
        let focal_point = ["focal_point", "focalPoint"].iter().find_map(|key| root.point(key, &mut self.faults));
        Some(SeatingPlan {
            name: name.unwrap_or_else(|| PLAN_NAME_DEFAULT.to_owned()),
            categories: std::mem::take(&mut self.categories),
            sections,
            areas: std::mem::take(&mut self.areas),
            decorations: std::mem::take(&mut self.decorations),
            focal_point: focal_point.map(|point| (point.x, point.y)),
        })
    }

    /// Whether the plan as a whole has something to sell, and not too many parts.
    fn check_numbers(&mut self, zones: &Place<'_>, sections: usize) {
        let areas = self.areas.len();
        if self.places_seen == 0 {
            self.faults.add(zones, format_args!("there is nothing to sell: no seats, and no areas with a capacity"));
        }
        if sections > PLAN_SECTIONS_MAX {
            let detail = format_args!("{sections} zones have seats; at most {PLAN_SECTIONS_MAX} are possible");
            self.faults.add(zones, detail);
        }
        if areas > PLAN_AREAS_MAX {
            let detail = format_args!("{areas} areas have a capacity; at most {PLAN_AREAS_MAX} are possible");
            self.faults.add(zones, detail);
        }
    }

    fn declare_categories(&mut self, root: &Object<'_>) {
        let list = root.list("categories", &mut self.faults).unwrap_or_default();
        let place = root.place.key("categories");
        self.declares = !list.is_empty();
        if list.len() > PLAN_CATEGORIES_MAX {
            let detail = format_args!("{} categories; at most {PLAN_CATEGORIES_MAX} are possible", list.len());
            self.faults.add(&place, detail);
        }
        // The document's colours first, so that the palette fills in with others.
        let mut used: Vec<String> = list.iter().filter_map(|item| colors::hex(item.get("color")?.as_str()?)).collect();
        for (index, item) in list.iter().enumerate() {
            let Some(object) = Object::new(item, place.index(index), &mut self.faults) else { continue };
            let color = object.text("color", usize::MAX, &mut self.faults);
            let color = color.as_deref().and_then(colors::hex).unwrap_or_else(|| colors::take(&mut used));
            let Some(name) = object.required_text("name", NAME_CHARS_MAX, &mut self.faults) else { continue };
            if let Some((first, _)) = self.declared.get(&name) {
                let detail = format_args!("a category is called {} already: /categories/{first}", Quoted(&name));
                self.faults.add(&object.place.key("name"), detail);
                continue;
            }
            let id: CategoryId = id(&mut self.category_names, &name, Case::Lowered, "category", index);
            self.declared.insert(name.clone(), (index, id.clone()));
            self.categories.push(PlanCategory { id, name, color });
        }
    }

    /// The category that a seat or an area says it is of.
    fn category(&mut self, object: &Object<'_>) -> CategoryId {
        if object.get("category").is_none() && self.declares {
            object.missing("category", &mut self.faults);
        }
        let Some(name) = object.text("category", usize::MAX, &mut self.faults) else { return self.standard() };
        if let Some((_, id)) = self.declared.get(&name) {
            return id.clone();
        }
        let choices = self.categories.iter().filter(|known| self.declared.contains_key(&known.name));
        let choices: Vec<_> = choices.take(CHOICES_NAMED_MAX).map(|known| Quoted(&known.name).to_string()).collect();
        let declared = if choices.is_empty() { "none".to_owned() } else { choices.join(", ") };
        let detail = format_args!("no category is called {}; the plan declares {declared}", Quoted(&name));
        self.faults.add(&object.place.key("category"), detail);
        self.standard()
    }

    /// The category of what names none: the declared one of that id, or else one that is added.
    fn standard(&mut self) -> CategoryId {
        if let Some(known) = self.categories.iter().find(|category| category.id.as_str() == STANDARD_ID) {
            return known.id.clone();
        }
        let mut used = self.categories.iter().map(|category| category.color.clone()).collect();
        let id: CategoryId = id(&mut self.category_names, STANDARD_ID, Case::Lowered, "category", 0);
        let category = PlanCategory { id, name: STANDARD_NAME.to_owned(), color: colors::take(&mut used) };
        self.categories.push(category.clone());
        category.id
    }

    /// The section that a zone is; `None` if it has no seats.
    fn zone(&mut self, zone: &Value, place: &Place<'_>, index: usize) -> Option<Section> {
        let object = Object::new(zone, *place, &mut self.faults)?;
        let name = object.text("name", NAME_CHARS_MAX, &mut self.faults);
        let name = name.or_else(|| object.text("zone_id", NAME_CHARS_MAX, &mut self.faults));
        let name = name.unwrap_or_else(|| format!("Section {}", index + 1));
        let origin = object.required_position(&mut self.faults);
        for (index, area) in object.list("areas", &mut self.faults).unwrap_or_default().iter().enumerate() {
            let area_id = self.area(area, &place.key("areas").index(index));
            self.decorate(area, origin, area_id);
        }
        if object.get("areas").is_none() && object.get("rows").is_none() {
            object.missing("rows", &mut self.faults);
        }
        let list = object.list("rows", &mut self.faults)?;
        let seats = seats_of_zone(zone);
        self.places_seen += seats;
        if seats > SECTION_SEATS_MAX {
            let detail =
                format_args!("the zone has {seats} seats; at most {SECTION_SEATS_MAX} are possible: divide it");
            self.faults.add(place, detail);
            return None;
        }
        let mut zone = Zone { index, origin, row_names: Namer::default(), label_bytes: 0 };
        let rows_place = place.key("rows");
        let rows: Vec<Row> = (list.iter().enumerate())
            .filter_map(|(index, row)| self.row(row, &rows_place.index(index), index, &mut zone))
            .collect();
        if zone.label_bytes > SECTION_LABEL_BYTES_MAX {
            let detail = format_args!(
                "the names of the zone's rows and seats have {} bytes; at most {SECTION_LABEL_BYTES_MAX} are possible",
                zone.label_bytes
            );
            self.faults.add(place, detail);
        }
        if rows.is_empty() {
            return None;
        }
        let id = id(&mut self.section_names, &name, Case::Lowered, "section", index);
        Some(Section { id, name, rows })
    }

    /// A row; `None` if it has no seats.
    fn row(&mut self, row: &Value, place: &Place<'_>, index: usize, zone: &mut Zone) -> Option<Row> {
        let object = Object::new(row, *place, &mut self.faults)?;
        let number = object.text("row_number", LABEL_CHARS_MAX, &mut self.faults);
        let template = object.text("row_label", LABEL_CHARS_MAX, &mut self.faults);
        let ordinal = (index + 1).to_string();
        let label = match &template {
            // pretix writes the number into the label where it says so: "Row %s".
            Some(template) => template.replace("%s", number.as_deref().unwrap_or(&ordinal)),
            None => number.clone().unwrap_or_else(|| ordinal.clone()),
        };
        if label.chars().count() > LABEL_CHARS_MAX {
            let detail = format_args!("{} is longer than {LABEL_CHARS_MAX} characters", Quoted(&label));
            self.faults.add(&place.key("row_label"), detail);
        }
        let offset = object.position(&mut self.faults).unwrap_or_default();
        let list = object.required_list("seats", &mut self.faults)?;
        if list.is_empty() {
            return None;
        }
        let id = id(&mut zone.row_names, number.as_deref().unwrap_or(&label), Case::Kept, "row", index);
        let mut row = RowOfSeats { zone, index, origin: zone.origin + offset, seat_names: Namer::default() };
        let seats_place = place.key("seats");
        let seats: Vec<Seat> = (list.iter().enumerate())
            .filter_map(|(index, seat)| self.seat(seat, &seats_place.index(index), index, &mut row))
            .collect();
        zone.label_bytes += label.len() + seats.iter().map(|seat| seat.label.len()).sum::<usize>();
        let whole = object.flag(&["whole"], &mut self.faults);
        if whole && seats.len() > WHOLE_SEATS_MAX {
            let detail =
                format_args!("{} seats; at most {WHOLE_SEATS_MAX} can be held, so sold, together", seats.len());
            self.faults.add(&place.key("whole"), detail);
        }
        Some(Row { id, label, whole, seats })
    }

    fn seat(&mut self, seat: &Value, place: &Place<'_>, index: usize, row: &mut RowOfSeats<'_>) -> Option<Seat> {
        let object = Object::new(seat, *place, &mut self.faults)?;
        let label = object.text("seat_number", LABEL_CHARS_MAX, &mut self.faults);
        let label = label.unwrap_or_else(|| (index + 1).to_string());
        if let Some(guid) = object.required_text("seat_guid", usize::MAX, &mut self.faults) {
            self.unique(guid, [row.zone.index, row.index, index], &object);
        }
        let at = row.origin + object.required_position(&mut self.faults);
        if at.x.abs().max(at.y.abs()) > COORDINATE_UNITS_MAX {
            let detail = format_args!("with its row and zone the seat is at {}, {}: off any plan", at.x, at.y);
            self.faults.add(&place.key("position"), detail);
        }
        Some(Seat {
            name: id(&mut row.seat_names, &label, Case::Kept, "seat", index),
            label,
            x: stepped(at.x),
            y: stepped(at.y),
            category: self.category(&object),
            accessible: object.flag(&["accessible"], &mut self.faults),
            companion: object.flag(&["companion"], &mut self.faults),
            obstructed_view: object.flag(&["obstructed_view", "obstructedView"], &mut self.faults),
        })
    }

    /// Checks that no seat before had this guid: the format's only unique name of a seat.
    fn unique(&mut self, guid: String, at: [usize; 3], seat: &Object<'_>) {
        if let Some([zone, row, index]) = self.guids.get(&guid) {
            let quoted = Quoted(&guid);
            let detail = format_args!("{quoted} is the guid of /zones/{zone}/rows/{row}/seats/{index} already");
            self.faults.add(&seat.place.key("seat_guid"), detail);
        } else {
            self.guids.insert(guid, at);
        }
    }

    /// Takes up an area that sells places; one without a capacity is decoration.
    fn area(&mut self, area: &Value, place: &Place<'_>) -> Option<AreaId> {
        let object = Object::new(area, *place, &mut self.faults)?;
        let written = object.get("capacity")?;
        self.places_seen += 1;
        let capacity = written.as_u64().and_then(|places| u32::try_from(places).ok());
        let capacity = capacity.filter(|places| (1..=AREA_PLACES_MAX).contains(places));
        if capacity.is_none() {
            let detail = format_args!("a whole number from 1 to {AREA_PLACES_MAX} is expected here");
            self.faults.add(&place.key("capacity"), detail);
        }
        let index = self.areas.len();
        let name = object.text("name", NAME_CHARS_MAX, &mut self.faults);
        let name = name.or_else(|| area_text(&object, &mut self.faults));
        let name = name.unwrap_or_else(|| format!("Area {}", index + 1));
        let id: AreaId = id(&mut self.area_names, &name, Case::Lowered, "area", index);
        let category = self.category(&object);
        self.areas.push(Area { id: id.clone(), name, capacity: capacity.unwrap_or(1), category });
        Some(id)
    }

    /// Keeps what an area looks like, where it says so. Nothing is wrong with one that does not: it is only not drawn.
    fn decorate(&mut self, area: &Value, origin: Point, area_id: Option<AreaId>) {
        if self.decorations.len() < DECORATIONS_MAX {
            self.decorations.extend(decoration(area, origin, area_id));
        }
    }
}

/// An area's rectangle or ellipse, as a drawing may need it.
fn decoration(area: &Value, origin: Point, area_id: Option<AreaId>) -> Option<Decoration> {
    let number =
        |pointer: &str| area.pointer(pointer).and_then(Value::as_f64).filter(|it| it.abs() <= COORDINATE_UNITS_MAX);
    let (x, y) = (origin.x + number("/position/x")?, origin.y + number("/position/y")?);
    let size = |rectangle: &str, plain: &str| number(rectangle).or_else(|| number(plain)).filter(|it| *it > 0.0);
    let decoration = |shape, x: f64, y: f64, width: f64, height: f64| Decoration {
        shape,
        x: x.round() + 0.0,
        y: y.round() + 0.0,
        width: width.round(),
        height: height.round(),
        rotation: number("/rotation").unwrap_or_default(),
        text: (area.pointer("/text/text").or_else(|| area.get("text")).and_then(Value::as_str))
            .map(|text| text.trim().chars().take(NAME_CHARS_MAX).collect())
            .filter(|text: &String| !text.is_empty()),
        area_id,
    };
    // A circle's and an ellipse's position is its middle.
    let around = |shape, rx: f64, ry: f64| (shape, x - rx, y - ry, 2.0 * rx, 2.0 * ry);
    let (shape, x, y, width, height) = match area.get("shape").and_then(Value::as_str) {
        Some("circle") => {
            let radius = number("/circle/radius").filter(|it| *it > 0.0)?;
            around(Shape::Ellipse, radius, radius)
        }
        Some("ellipse") => {
            let radius = |pointer: &str| number(pointer).filter(|it| *it > 0.0);
            around(Shape::Ellipse, radius("/ellipse/radius/x")?, radius("/ellipse/radius/y")?)
        }
        _ => (Shape::Rectangle, x, y, size("/rectangle/width", "/width")?, size("/rectangle/height", "/height")?),
    };
    Some(decoration(shape, x, y, width, height))
}

/// What is written on an area: `text`, or the `text` inside it.
fn area_text(area: &Object<'_>, faults: &mut Faults) -> Option<String> {
    match area.get("text")? {
        text @ Value::Object(_) => {
            Object::new(text, area.place.key("text"), faults)?.text("text", NAME_CHARS_MAX, faults)
        }
        _ => area.text("text", NAME_CHARS_MAX, faults),
    }
}

/// How many seats a zone lists, sound or not.
fn seats_of_zone(zone: &Value) -> usize {
    let rows = zone.get("rows").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let seats = rows.iter().filter_map(|row| row.get("seats")?.as_array());
    seats.map(Vec::len).sum()
}

/// The id of what is called `name`: its slug, or its kind and ordinal where nothing of the name can be spelled so.
fn id<T: FromStr<Err = IllFormed>>(names: &mut Namer, name: &str, case: Case, kind: &str, index: usize) -> T {
    let mut wanted = slug(name, case);
    if wanted.is_empty() {
        wanted = format!("{kind}-{}", index + 1);
    }
    names.claim(&wanted).parse().expect("a claimed name is a slug")
}

/// A coordinate as it is kept.
fn stepped(units: f64) -> f64 {
    // Adding zero turns -0 into 0: the two are one place.
    (units * STEPS_PER_UNIT).round() / STEPS_PER_UNIT + 0.0
}
