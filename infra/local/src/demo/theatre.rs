//! A theatre of 500 places: curved stalls in three blocks, a balcony, two boxes on either side.
//!
//! All rows are arcs about one centre behind the stage, so that every seat faces it.

use serde_json::{Value, json};

use super::layout::{Kind, PAIR_UNITS, Point, SEAT_UNITS, Spot, Zone, centred, pair};

/// Where the plan is cut in half, in its units from the left.
const MIDDLE_X: f64 = 560.0;
/// The middle of the stage, in units from the top.
const STAGE_Y: f64 = 90.0;
/// Where the first row of the stalls crosses the middle.
const FRONT_Y: f64 = 240.0;
/// The radius of the first row of the stalls; that of the others grows with their distance.
const FRONT_RADIUS: f64 = 900.0;
/// From row to row.
const ROW_UNITS: f64 = 36.0;
/// From the first row of the stalls to the first of the balcony.
const BALCONY_UNITS: f64 = 612.0;
/// The direction of the two aisles, in radians either side of the middle, and half their width.
const AISLE_RADIANS: f64 = 0.12;
const AISLE_HALF_UNITS: f64 = 20.0;
/// From the middle to the front seats of the boxes, and where the boxes begin and end, from the top.
const BOX_X: f64 = 370.0;
const BOXES_Y: [f64; 2] = [185.0, 325.0];
/// Width left free for the lighting booth in the last row of the balcony.
const BOOTH_UNITS: f64 = 175.0;

const PREMIUM: &str = "Premium";
const STALLS: &str = "Stalls";
const BALCONY: &str = "Balcony";
const RESTRICTED: &str = "Restricted view";

/// The stalls: name of the row (no I and no O: they read as 1 and 0), seats of either side block, seats between.
const STALLS_ROWS: [(&str, u32, u32); 14] = [
    ("A", 4, 7),
    ("B", 4, 7),
    ("C", 5, 8),
    ("D", 5, 8),
    ("E", 5, 8),
    ("F", 5, 9),
    ("G", 6, 9),
    ("H", 6, 9),
    ("J", 6, 10),
    ("K", 6, 10),
    ("L", 7, 11),
    ("M", 7, 11),
    ("N", 7, 11),
    ("P", 0, 12),
];
/// Rows of the stalls whose middle block is [`PREMIUM`]: the first so many.
const PREMIUM_ROWS: usize = 8;
/// Rows of the stalls whose outermost seats look past the stage's frame: the first so many.
const SIDEWAYS_ROWS: usize = 2;
/// Wheelchairs, each with a companion, on either side of the last row of the stalls, level with the doors.
const PAIRS_A_SIDE: u32 = 2;
/// The balcony, as the stalls; its last row runs around the booth.
const BALCONY_ROWS: [(&str, u32, u32); 6] =
    [("A", 9, 13), ("B", 10, 14), ("C", 10, 14), ("D", 10, 14), ("E", 10, 15), ("F", 10, 8)];

/// The seating plan.
#[must_use]
pub fn plan() -> Value {
    let boxes = [(-1.0, 0), (-1.0, 1), (1.0, 0), (1.0, 1)];
    let boxes = (1..).zip(boxes).map(|(number, (side, place))| theatre_box(number, side, BOXES_Y[place]));
    let zones: Vec<Value> = [stalls(), balcony()].into_iter().chain(boxes).map(Zone::json).collect();
    json!({
        "name": "Theatre",
        "size": {"width": 1120, "height": 1080},
        "focal_point": {"x": MIDDLE_X, "y": STAGE_Y},
        "categories": [
            {"name": PREMIUM, "color": "#b3202c"},
            {"name": STALLS, "color": "#1f6fb2"},
            {"name": BALCONY, "color": "#2e8b57"},
            {"name": RESTRICTED, "color": "#8d7b68"},
        ],
        "zones": zones,
    })
}

/// The point `along` units from the middle on the arc `behind` units behind the first row.
fn on_arc(behind: f64, along: f64) -> Point {
    let radius = FRONT_RADIUS + behind;
    let (sin, cos) = (along / radius).sin_cos();
    Point { x: MIDDLE_X + radius * sin, y: FRONT_Y - FRONT_RADIUS + radius * cos }
}

/// Where the side blocks of the row `behind` units behind the first begin, from the middle.
fn side_begin(behind: f64) -> f64 {
    (FRONT_RADIUS + behind) * AISLE_RADIANS + AISLE_HALF_UNITS
}

/// A row of three blocks, from left to right.
fn three_blocks(behind: f64, side: &[f64], category: &'static str, middle: Vec<Spot>) -> Vec<Spot> {
    let begin = side_begin(behind);
    let spot = |along| Spot { along, kind: Kind::Plain, category };
    let left = side.iter().rev().map(|along| spot(-(begin + along)));
    let right = side.iter().map(|along| spot(begin + along));
    left.chain(middle).chain(right).collect()
}

/// The middles of `seats` seats in a row, from where their block begins.
fn abreast(seats: u32) -> Vec<f64> {
    (0..seats).map(|seat| (f64::from(seat) + 0.5) * SEAT_UNITS).collect()
}

fn stalls() -> Zone {
    let mut zone = Zone::new("Stalls", on_arc(0.0, 0.0));
    zone.decoration(Point { x: MIDDLE_X, y: STAGE_Y }, 620.0, 130.0, "#6b5b4d", "Stage");
    let mut behind = 0.0;
    for (index, (number, side, middle)) in STALLS_ROWS.into_iter().enumerate() {
        let category = if index < PREMIUM_ROWS { PREMIUM } else { STALLS };
        let mut spots = three_blocks(behind, &abreast(side), STALLS, centred(middle, category));
        if index < SIDEWAYS_ROWS {
            obstruct_ends(&mut spots);
        }
        if side == 0 {
            spots = with_wheelchairs(behind, spots);
        }
        zone.row(number, &spots, |along| on_arc(behind, along));
        behind += ROW_UNITS;
    }
    zone
}

/// The two outermost places of a row see part of the stage only.
fn obstruct_ends(spots: &mut [Spot]) {
    if let [first, .., last] = spots {
        for spot in [first, last] {
            (spot.kind, spot.category) = (Kind::ObstructedView, RESTRICTED);
        }
    }
}

/// The row with wheelchairs' places on both sides, across the aisles.
fn with_wheelchairs(behind: f64, middle: Vec<Spot>) -> Vec<Spot> {
    let begin = side_begin(behind);
    let pairs = |left: f64| (0..PAIRS_A_SIDE).flat_map(move |n| pair(left + f64::from(n) * PAIR_UNITS, STALLS));
    let width = f64::from(PAIRS_A_SIDE) * PAIR_UNITS;
    pairs(-begin - width).chain(middle).chain(pairs(begin)).collect()
}

fn balcony() -> Zone {
    let mut zone = Zone::new("Balcony", on_arc(BALCONY_UNITS, 0.0));
    let mut behind = BALCONY_UNITS;
    let last = BALCONY_ROWS.len() - 1;
    for (index, (number, side, middle)) in BALCONY_ROWS.into_iter().enumerate() {
        let mut seats = centred(middle, BALCONY);
        if index == last {
            let booth = on_arc(behind, 0.0);
            zone.decoration(booth, BOOTH_UNITS - SEAT_UNITS, 30.0, "#555555", "Lights");
            let half = seats.len() / 2;
            let (left, right) = seats.split_at_mut(half);
            for spot in left {
                spot.along -= BOOTH_UNITS / 2.0;
            }
            for spot in right {
                spot.along += BOOTH_UNITS / 2.0;
            }
        }
        let spots = three_blocks(behind, &abreast(side), BALCONY, seats);
        zone.row(number, &spots, |along| on_arc(behind, along));
        behind += ROW_UNITS;
    }
    zone
}

/// A box at the left (`side` −1) or right (1) wall: three seats at its rail, two behind them that look past the others.
fn theatre_box(number: u32, side: f64, top: f64) -> Zone {
    let rail = MIDDLE_X + side * BOX_X;
    let mut zone = Zone::new(format!("Box {number}"), Point { x: rail, y: top });
    let middle = top + 1.5 * SEAT_UNITS;
    zone.row("1", &centred(3, PREMIUM), |along| Point { x: rail, y: middle + along });
    let mut back = centred(2, RESTRICTED);
    obstruct_ends(&mut back);
    zone.row("2", &back, |along| Point { x: rail + side * ROW_UNITS, y: middle + along });
    zone
}
