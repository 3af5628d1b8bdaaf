//! A stadium of exactly 50,000 places: two tiers around a pitch, 24 blocks below (101–124) and 32 above (201–232), 1,736
//! rows.
//!
//! A row runs parallel to the touch-lines and goal-lines and turns the corners on quarter circles; each block is a
//! straight piece of a side or a sector of a corner. Blocks, and the seats of a row, are numbered clockwise.

use std::f64::consts::FRAC_PI_2;

use serde_json::{Value, json};

use super::layout::{Kind, PAIR_UNITS, Point, SEAT_UNITS, Spot, Zone, centred, pair};

/// From row to row, in the plan's units.
const ROW_UNITS: f64 = 32.0;
/// Between two blocks.
const AISLE_UNITS: f64 = 50.0;
/// Rows of each tier.
const TIER_ROWS: u32 = 31;
/// From the corners' centres to the first row below; the last is then at 1,460.
const LOWER_RADIUS: f64 = 500.0;
/// To the first row above, a walkway further out.
const UPPER_RADIUS: f64 = 1_636.0;
/// Free around the outermost row.
const MARGIN_UNITS: f64 = 70.0;
/// Wheelchairs, each with a companion, in an accessible row of a block.
const PAIRS_A_BLOCK: u32 = 7;
/// Rows of the lower corners, counted from the last, whose end seats have a pylon before them.
const PYLON_ROWS: u32 = 3;

const CATEGORIES: [&str; 4] = ["Category 1", "Category 2", "Category 3", "Category 4"];

/// A straight side: its blocks and the seats of each row of a block.
#[derive(Clone, Copy)]
struct Side {
    blocks: u32,
    seats: u32,
}

impl Side {
    fn block_units(self) -> f64 {
        f64::from(self.seats) * SEAT_UNITS + AISLE_UNITS
    }

    fn half_units(self) -> f64 {
        f64::from(self.blocks) * self.block_units() / 2.0
    }
}

/// Along the touch-lines, and behind the goals.
const LONG: Side = Side { blocks: 5, seats: 30 };
const SHORT: Side = Side { blocks: 3, seats: 26 };

/// A quarter of the bowl: one side and the corner clockwise of it.
struct Quarter {
    side: Side,
    /// From the middle of the pitch to the corners' centres, outwards.
    depth: f64,
    /// Unit vectors: along the side, clockwise, and outwards.
    along: (f64, f64),
    outwards: (f64, f64),
    /// The middle of the pitch.
    middle: Point,
}

impl Quarter {
    /// The point `along` the side and `outwards` from the corners' centres.
    fn point(&self, along: f64, outwards: f64) -> Point {
        let outwards = outwards + self.depth;
        Point {
            x: self.middle.x + along * self.along.0 + outwards * self.outwards.0,
            y: self.middle.y + along * self.along.1 + outwards * self.outwards.1,
        }
    }

    /// The point at `radians` past this side's end, `radius` from the corner's centre.
    fn corner(&self, radians: f64, radius: f64) -> Point {
        let (sin, cos) = radians.sin_cos();
        self.point(self.side.half_units() + radius * sin, radius * cos)
    }
}

/// One of the two tiers.
struct Tier {
    /// The number of the block before its first.
    number: u32,
    first_radius: f64,
    corner_blocks: u32,
    /// A corner block's row of number n has room for `corner_seats + n / rows_a_seat` seats.
    corner_seats: u32,
    rows_a_seat: u32,
    /// The row that is level with a concourse, for wheelchairs: a number.
    accessible_row: u32,
    upper: bool,
}

const LOWER: Tier = Tier {
    number: 100,
    first_radius: LOWER_RADIUS,
    corner_blocks: 2,
    corner_seats: 12,
    rows_a_seat: 1,
    accessible_row: TIER_ROWS,
    upper: false,
};

const UPPER: Tier = Tier {
    number: 200,
    first_radius: UPPER_RADIUS,
    corner_blocks: 4,
    corner_seats: 23,
    rows_a_seat: 2,
    accessible_row: 1,
    upper: true,
};

/// The seating plan.
#[must_use]
pub fn plan() -> Value {
    let reach = UPPER.first_radius + f64::from(TIER_ROWS - 1) * ROW_UNITS + MARGIN_UNITS;
    let middle = Point { x: LONG.half_units() + reach, y: SHORT.half_units() + reach };
    let mut pitch = Zone::new("Pitch", middle);
    pitch.decoration(middle, 4_080.0, 2_640.0, "#3f8f4f", "Pitch");
    let mut zones = vec![pitch.json()];
    for tier in [LOWER, UPPER] {
        zones.extend(tier.blocks(middle).into_iter().map(Zone::json));
    }
    json!({
        "name": "Stadium",
        "size": {"width": 2.0 * middle.x, "height": 2.0 * middle.y},
        "focal_point": {"x": middle.x, "y": middle.y},
        "categories": [
            {"name": CATEGORIES[0], "color": "#c0392b"},
            {"name": CATEGORIES[1], "color": "#e08e0b"},
            {"name": CATEGORIES[2], "color": "#2471a3"},
            {"name": CATEGORIES[3], "color": "#7d5ba6"},
        ],
        "zones": zones,
    })
}

/// North, east, south, west.
fn quarters(middle: Point) -> [Quarter; 4] {
    let quarter = |side, depth, along, outwards| Quarter { side, depth, along, outwards, middle };
    let (long, short) = (LONG.half_units(), SHORT.half_units());
    [
        quarter(LONG, short, (1.0, 0.0), (0.0, -1.0)),
        quarter(SHORT, long, (0.0, 1.0), (1.0, 0.0)),
        quarter(LONG, short, (-1.0, 0.0), (0.0, 1.0)),
        quarter(SHORT, long, (0.0, -1.0), (-1.0, 0.0)),
    ]
}

impl Tier {
    fn blocks(&self, middle: Point) -> Vec<Zone> {
        let mut numbers = self.number + 1..;
        let mut name = move || numbers.next().map(|number| number.to_string()).unwrap_or_default();
        let mut zones = Vec::new();
        for quarter in quarters(middle) {
            zones.extend((0..quarter.side.blocks).map(|block| self.straight(&quarter, block, name())));
            zones.extend((0..self.corner_blocks).map(|block| self.corner(&quarter, block, name())));
        }
        zones
    }

    /// The number and the radius of each row.
    fn rows(&self) -> impl Iterator<Item = (u32, f64)> {
        (0..TIER_ROWS).map(|row| (row + 1, self.first_radius + f64::from(row) * ROW_UNITS))
    }

    fn straight(&self, quarter: &Quarter, block: u32, name: String) -> Zone {
        let Side { blocks, seats } = quarter.side;
        let offset = (f64::from(block) + 0.5) * quarter.side.block_units() - quarter.side.half_units();
        let outer = block == 0 || block == blocks - 1;
        let category = match (self.upper, blocks == LONG.blocks, outer) {
            (false, true, false) => CATEGORIES[0],
            (false, true, true) | (true, true, false) => CATEGORIES[1],
            (false, false, _) | (true, true, true) => CATEGORIES[2],
            (true, false, _) => CATEGORIES[3],
        };
        let mut zone = Zone::new(name, quarter.point(offset, self.first_radius));
        for (number, radius) in self.rows() {
            let spots =
                if number == self.accessible_row { wheelchairs(seats, category) } else { centred(seats, category) };
            zone.row(&number.to_string(), &spots, |along| quarter.point(offset + along, radius));
        }
        zone
    }

    fn corner(&self, quarter: &Quarter, block: u32, name: String) -> Zone {
        let sector = FRAC_PI_2 / f64::from(self.corner_blocks);
        let middle = (f64::from(block) + 0.5) * sector;
        let category = if self.upper { CATEGORIES[3] } else { CATEGORIES[2] };
        let mut zone = Zone::new(name, quarter.corner(middle, self.first_radius));
        for (number, radius) in self.rows() {
            let mut spots = centred(self.corner_row_seats(number), category);
            if !self.upper && number > TIER_ROWS - PYLON_ROWS {
                obstruct_ends(&mut spots);
            }
            zone.row(&number.to_string(), &spots, |along| quarter.corner(middle + along / radius, radius));
        }
        zone
    }

    /// How many seats there is room for in a row of a corner block.
    fn corner_row_seats(&self, number: u32) -> u32 {
        self.corner_seats + number / self.rows_a_seat
    }
}

/// Wheelchairs and companions spread over the width of a block of `seats` seats.
fn wheelchairs(seats: u32, category: &'static str) -> Vec<Spot> {
    let width = f64::from(seats) * SEAT_UNITS;
    let share = width / f64::from(PAIRS_A_BLOCK);
    let left = |n: u32| f64::from(n) * share - width / 2.0 + (share - PAIR_UNITS) / 2.0;
    (0..PAIRS_A_BLOCK).flat_map(|n| pair(left(n), category)).collect()
}

fn obstruct_ends(spots: &mut [Spot]) {
    if let [first, .., last] = spots {
        first.kind = Kind::ObstructedView;
        last.kind = Kind::ObstructedView;
    }
}
