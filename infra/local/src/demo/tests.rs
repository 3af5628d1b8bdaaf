use std::collections::{BTreeMap, HashMap};

use domain::plan::{Seat, SeatingPlan, Section, import_value};
use serde_json::Value;

use super::{stadium, theatre};

/// No two places are nearer than this, in the plan's units.
const DISTANCE_UNITS_MIN: f64 = 24.0;
/// A companion sits within this of the wheelchair.
const COMPANION_UNITS_MAX: f64 = 38.0;

fn imported(document: &Value) -> SeatingPlan {
    import_value(document).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn seats(plan: &SeatingPlan) -> impl Iterator<Item = &Seat> {
    plan.sections.iter().flat_map(|section| &section.rows).flat_map(|row| &row.seats)
}

fn distance(a: &Seat, b: &Seat) -> f64 {
    (a.x - b.x).hypot(a.y - b.y)
}

/// What must hold of any hall: nobody sits on another's lap, and companions sit beside wheelchairs.
fn check(plan: &SeatingPlan, document: &Value) {
    let cell = |seat: &Seat, dx: f64, dy: f64| {
        let at = |units: f64, step: f64| (units / DISTANCE_UNITS_MIN + step).floor().to_string();
        (at(seat.x, dx), at(seat.y, dy))
    };
    let mut grid: HashMap<_, Vec<&Seat>> = HashMap::new();
    for seat in seats(plan) {
        for (dx, dy) in [-1.0, 0.0, 1.0].into_iter().flat_map(|dx| [-1.0, 0.0, 1.0].map(|dy| (dx, dy))) {
            for other in grid.get(&cell(seat, dx, dy)).into_iter().flatten() {
                assert!(distance(seat, other) >= DISTANCE_UNITS_MIN, "{seat:?} and {other:?}");
            }
        }
        grid.entry(cell(seat, 0.0, 0.0)).or_default().push(seat);
    }
    for row in plan.sections.iter().flat_map(|section| &section.rows) {
        let accessible = row.seats.iter().filter(|seat| seat.accessible).count();
        assert_eq!(accessible, row.seats.iter().filter(|seat| seat.companion).count(), "row {}", row.id);
        for (index, _) in row.seats.iter().enumerate().filter(|(_, seat)| seat.accessible) {
            let companion = &row.seats[index + 1];
            assert!(companion.companion && distance(companion, &row.seats[index]) <= COMPANION_UNITS_MAX);
        }
        let labels: Vec<_> = row.seats.iter().map(|seat| seat.label.clone()).collect();
        assert_eq!(labels, (1..=row.seats.len()).map(|n| n.to_string()).collect::<Vec<_>>());
    }
    let (width, height) = (document["size"]["width"].as_f64().unwrap(), document["size"]["height"].as_f64().unwrap());
    assert!(seats(plan).all(|seat| (10.0..width - 10.0).contains(&seat.x) && (10.0..height - 10.0).contains(&seat.y)));
    assert_eq!(plan.categories_used().len(), plan.categories.len(), "no category without a seat");
}

fn flagged(plan: &SeatingPlan) -> [usize; 3] {
    let count = |flag: fn(&Seat) -> bool| seats(plan).filter(|seat| flag(seat)).count();
    [count(|seat| seat.accessible), count(|seat| seat.companion), count(|seat| seat.obstructed_view)]
}

#[test]
fn the_theatre_has_500_places() {
    let document = theatre::plan();
    let plan = imported(&document);
    check(&plan, &document);
    assert_eq!(plan.seat_count(), 500);
    let sections: Vec<_> = plan.sections.iter().map(|s| (s.id.as_str(), s.rows.len(), s.seat_count())).collect();
    let boxes = ["box-1", "box-2", "box-3", "box-4"].map(|id| (id, 2, 5));
    assert_eq!(sections[..2], [("stalls", 14, 284), ("balcony", 6, 196)]);
    assert_eq!(sections[2..], boxes);
    assert_eq!(flagged(&plan), [4, 4, 12]);
    let categories: Vec<_> = plan.categories.iter().map(|category| category.id.as_str()).collect();
    assert_eq!(categories, ["premium", "stalls", "balcony", "restricted-view"]);
    assert!(plan.areas.is_empty(), "the stage is decoration");
}

#[test]
fn the_theatre_is_symmetric_and_its_rows_are_curved() {
    let plan = imported(&theatre::plan());
    // A companion sits to the right of the wheelchair on both sides.
    for seat in seats(&plan).filter(|seat| !seat.accessible && !seat.companion) {
        let mirrored = Seat { x: 1_120.0 - seat.x, ..seat.clone() };
        assert!(seats(&plan).any(|other| distance(other, &mirrored) < 0.1), "{seat:?} has no counterpart");
    }
    for row in plan.sections[..2].iter().flat_map(|section| &section.rows) {
        let (end, middle) = (&row.seats[0], &row.seats[row.seats.len() / 2]);
        assert!(middle.y - end.y > 15.0, "row {} is straight", row.id);
    }
}

#[test]
fn the_stadium_has_50_000_places() {
    let document = stadium::plan();
    let plan = imported(&document);
    check(&plan, &document);
    assert_eq!(plan.seat_count(), 50_000);
    assert_eq!(plan.sections.len(), 56);
    assert_eq!(plan.sections.iter().map(|section| section.rows.len()).sum::<usize>(), 1_736);
    assert_eq!(flagged(&plan), [224, 224, 48]);
    let ids: Vec<_> = plan.sections.iter().map(|section| section.id.to_string()).collect();
    let expected: Vec<_> = (101..=124).chain(201..=232).map(|number| number.to_string()).collect();
    assert_eq!(ids, expected);
    let rows = plan.sections.iter().flat_map(|section| &section.rows);
    assert!(rows.map(|row| row.seats.len()).all(|seats| (13..=43).contains(&seats)));
    let categories: BTreeMap<_, _> = plan
        .categories
        .iter()
        .map(|category| (category.id.as_str(), seats(&plan).filter(|seat| seat.category == category.id).count()))
        .collect();
    assert_eq!(categories.len(), 4);
    assert!(categories.values().all(|&seats| seats >= 5_000), "{categories:?}");
}

#[test]
fn the_stadium_surrounds_its_pitch() {
    let document = stadium::plan();
    let plan = imported(&document);
    let (x, y) =
        (document["size"]["width"].as_f64().unwrap() / 2.0, document["size"]["height"].as_f64().unwrap() / 2.0);
    // Half of a pitch of 4,080 by 2,640 units, and room for a coach to walk.
    let on_pitch = |seat: &&Seat| (seat.x - x).abs() < 2_140.0 && (seat.y - y).abs() < 1_400.0;
    assert_eq!(seats(&plan).find(on_pitch), None);
    for quadrant in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)] {
        let inside = seats(&plan).filter(|seat| (seat.x - x) * quadrant.0 > 0.0 && (seat.y - y) * quadrant.1 > 0.0);
        let seats = inside.count();
        assert!((12_300..=12_700).contains(&seats), "{seats} seats in {quadrant:?}");
    }
    let largest = plan.sections.iter().map(Section::seat_count).max();
    assert!(largest <= Some(1_300), "{largest:?}");
}

#[test]
fn a_plan_is_the_same_every_time() {
    assert_eq!(theatre::plan(), theatre::plan());
    assert_eq!(stadium::plan(), stadium::plan());
}
