//! What a map shows before it knows the seats: the outline of each section, and what nobody buys but everybody looks for.
#![allow(clippy::float_arithmetic, reason = "coordinates are fractions of the plan's units; no money is near")]

use serde::{Deserialize, Serialize};

use crate::{ids::AreaId, plan::Section};

/// Decorations that a plan keeps; what a document has beyond that is passed over.
pub const DECORATIONS_MAX: usize = 100;
/// Corners of an outline.
pub const OUTLINE_POINTS_MAX: usize = 24;
/// A corner nearer than this to the line between its neighbours is left out, in the plan's units.
const FLATNESS_UNITS: f64 = 2.0;

/// A point in the plan's units: from the left, from the top.
pub type Point = (f64, f64);

/// What a decoration looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// As wide and high as it says.
    Rectangle,
    /// Inside that rectangle.
    Ellipse,
}

/// A stage, a pitch, a bar; or where a general-admission area is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decoration {
    /// Its form.
    pub shape: Shape,
    /// Its left edge, in the plan's units.
    pub x: f64,
    /// Its upper edge.
    pub y: f64,
    /// From left to right.
    pub width: f64,
    /// From top to bottom.
    pub height: f64,
    /// Clockwise about its upper left corner, in degrees.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rotation: f64,
    /// What is written on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The area that it is the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area_id: Option<AreaId>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &f64) -> bool {
    number.abs() < f64::EPSILON
}

/// The convex outline of a section's seats, clockwise on a screen, in whole units and few points.
#[must_use]
pub fn outline(section: &Section) -> Vec<Point> {
    let seats = section.rows.iter().flat_map(|row| &row.seats);
    let mut points: Vec<Point> = seats.map(|seat| (seat.x.round(), seat.y.round())).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    points.dedup();
    if points.len() < 3 {
        return points;
    }
    let mut outline = half(points.iter().copied());
    outline.pop();
    let mut other = half(points.iter().rev().copied());
    other.pop();
    outline.append(&mut other);
    simplified(outline)
}

/// One side of the convex hull of sorted points.
fn half(points: impl Iterator<Item = Point>) -> Vec<Point> {
    let mut side: Vec<Point> = Vec::new();
    for point in points {
        while let [.., a, b] = side[..] {
            if turn(a, b, point) > 0.0 {
                break;
            }
            side.pop();
        }
        side.push(point);
    }
    side
}

/// Twice the area of the triangle: above zero where the way bends right on a screen.
fn turn(a: Point, b: Point, c: Point) -> f64 {
    (b.0 - a.0) * (c.1 - a.1) - (b.1 - a.1) * (c.0 - a.0)
}

/// Leaves out the corner that is missed least until few enough are left and each of them matters.
fn simplified(mut outline: Vec<Point>) -> Vec<Point> {
    while outline.len() > 3 {
        let count = outline.len();
        let flatness = |at: usize| {
            let (a, b, c) = (outline[(at + count - 1) % count], outline[at], outline[(at + 1) % count]);
            let length = (c.0 - a.0).hypot(c.1 - a.1);
            if length > 0.0 { turn(a, b, c).abs() / length } else { 0.0 }
        };
        let Some(flattest) = (0..count).min_by(|&a, &b| flatness(a).total_cmp(&flatness(b))) else { break };
        if count <= OUTLINE_POINTS_MAX && flatness(flattest) > FLATNESS_UNITS {
            break;
        }
        outline.remove(flattest);
    }
    outline
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Row, Seat};

    fn section(points: &[Point]) -> Section {
        let seat = |(number, &(x, y)): (usize, &Point)| Seat {
            name: number.to_string().parse().unwrap(),
            label: number.to_string(),
            x,
            y,
            category: "standard".parse().unwrap(),
            accessible: false,
            companion: false,
            obstructed_view: false,
        };
        let seats = points.iter().enumerate().map(seat).collect();
        let row = Row { id: "a".parse().unwrap(), label: "A".to_owned(), whole: false, seats };
        Section { id: "s".parse().unwrap(), name: "S".to_owned(), rows: vec![row] }
    }

    #[test]
    fn a_block_of_seats_has_four_corners() {
        let points: Vec<Point> =
            (0..10).flat_map(|x| (0..5).map(move |y| (f64::from(x) * 25.0, f64::from(y) * 30.0))).collect();
        assert_eq!(outline(&section(&points)), [(0.0, 0.0), (225.0, 0.0), (225.0, 120.0), (0.0, 120.0)]);
    }

    #[test]
    fn few_seats_and_seats_in_one_line_have_an_outline_too() {
        assert_eq!(outline(&section(&[(5.0, 5.0)])), [(5.0, 5.0)]);
        assert_eq!(outline(&section(&[(0.0, 0.0), (9.0, 9.0)])), [(0.0, 0.0), (9.0, 9.0)]);
        let line: Vec<Point> = (0..9).map(|n| (f64::from(n), 0.0)).collect();
        assert_eq!(outline(&section(&line)), [(0.0, 0.0), (8.0, 0.0)]);
    }

    #[test]
    fn a_circle_is_drawn_in_few_points_that_all_lie_on_it() {
        let angle = |n: u32| f64::from(n) * std::f64::consts::TAU / 500.0;
        let circle: Vec<Point> = (0..500).map(|n| (1000.0 * angle(n).cos(), 1000.0 * angle(n).sin())).collect();
        let outline = outline(&section(&circle));
        assert!((8..=OUTLINE_POINTS_MAX).contains(&outline.len()), "{}", outline.len());
        assert!(outline.iter().all(|point| (point.0.hypot(point.1) - 1000.0).abs() < 2.0), "{outline:?}");
    }
}
