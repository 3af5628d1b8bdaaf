//! Writing the parts of a seating plan: rows of places, zones, decoration.

use serde_json::{Value, json};

/// From one seat of a row to the next, in the plan's units.
pub(super) const SEAT_UNITS: f64 = 25.0;
/// The width of a wheelchair's place, in the plan's units: as much as two seats.
const WHEELCHAIR_UNITS: f64 = 50.0;
/// The width of a wheelchair's place and its companion's seat, in the plan's units.
pub(super) const PAIR_UNITS: f64 = WHEELCHAIR_UNITS + SEAT_UNITS;

/// A position in the plan's units, from the left and from the top.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

impl Point {
    /// The position as the format has it, seen from `origin`, to a hundredth of a unit.
    fn json(self, origin: Self) -> Value {
        let hundredths = |units: f64| (units * 100.0).round() / 100.0;
        json!({"x": hundredths(self.x - origin.x), "y": hundredths(self.y - origin.y)})
    }
}

/// What is special about a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Accessible,
    Companion,
    ObstructedView,
}

/// A place of a row: how far along the row's line it is, and what it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) along: f64,
    pub(super) kind: Kind,
    pub(super) category: &'static str,
}

/// `seats` plain seats side by side, the middle of them at 0.
pub(super) fn centred(seats: u32, category: &'static str) -> Vec<Spot> {
    let first = f64::from(seats - 1) * -0.5;
    (0..seats).map(|seat| Spot { along: (first + f64::from(seat)) * SEAT_UNITS, kind: Kind::Plain, category }).collect()
}

/// A wheelchair's place and its companion's seat to the right of it, from `left` on.
pub(super) fn pair(left: f64, category: &'static str) -> [Spot; 2] {
    let companion = left + WHEELCHAIR_UNITS + SEAT_UNITS / 2.0;
    [
        Spot { along: left + WHEELCHAIR_UNITS / 2.0, kind: Kind::Accessible, category },
        Spot { along: companion, kind: Kind::Companion, category },
    ]
}

/// A zone under construction.
pub(super) struct Zone {
    name: String,
    origin: Point,
    rows: Vec<Value>,
    areas: Vec<Value>,
}

impl Zone {
    pub(super) fn new(name: impl Into<String>, origin: Point) -> Self {
        Self { name: name.into(), origin, rows: Vec::new(), areas: Vec::new() }
    }

    /// Adds a row: its seats are numbered from 1, and `at` says where a distance along its line is.
    pub(super) fn row(&mut self, number: &str, spots: &[Spot], at: impl Fn(f64) -> Point) {
        let first = spots.first().map_or(self.origin, |spot| at(spot.along));
        let seats: Vec<Value> = spots
            .iter()
            .enumerate()
            .map(|(index, spot)| {
                let seat = (index + 1).to_string();
                let guid = format!("{}/{number}/{seat}", self.name);
                let position = at(spot.along).json(first);
                let mut seat = json!({
                    "seat_guid": guid, "seat_number": seat, "position": position, "category": spot.category, "radius": 10,
                });
                match spot.kind {
                    Kind::Plain => {}
                    Kind::Accessible => seat["accessible"] = json!(true),
                    Kind::Companion => seat["companion"] = json!(true),
                    Kind::ObstructedView => seat["obstructed_view"] = json!(true),
                }
                seat
            })
            .collect();
        let position = first.json(self.origin);
        self.rows.push(json!({
            "row_number": number, "row_number_position": "both", "position": position, "seats": seats,
        }));
    }

    /// Adds a rectangle with words on it that nobody buys: a stage, a pitch.
    pub(super) fn decoration(&mut self, middle: Point, width: f64, height: f64, color: &str, text: &str) {
        let corner = Point { x: middle.x - width / 2.0, y: middle.y - height / 2.0 };
        self.areas.push(json!({
            "shape": "rectangle", "rotation": 0, "color": color, "border_color": "#333333",
            "position": corner.json(self.origin), "rectangle": {"width": width, "height": height},
            "text": {"position": {"x": width / 2.0, "y": height / 2.0}, "color": "#ffffff", "text": text},
        }));
    }

    pub(super) fn json(self) -> Value {
        let position = self.origin.json(Point { x: 0.0, y: 0.0 });
        json!({"name": self.name, "zone_id": self.name, "position": position, "rows": self.rows, "areas": self.areas})
    }
}
