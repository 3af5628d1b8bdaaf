use std::{
    collections::{BTreeMap, HashSet},
    io::Write,
};

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::ids::{SeatId, is_slug};

const BEER_TENT: &str = include_str!("../../../../../events/plans/beer-tent.pretix.json");
/// What one item of the table may have.
const ITEM_BYTES_MAX: usize = 400_000;

/// A sound plan to break: two categories; stalls with a row of two seats, a row of one, a stage and a standing area.
fn sound() -> Value {
    json!({
        "name": "Hall",
        "size": {"width": 400, "height": 300},
        "categories": [{"name": "Front", "color": "#F00"}, {"name": "Back", "color": "#00ff00"}],
        "zones": [{
            "name": "Stalls",
            "position": {"x": 100, "y": 10.5},
            "rows": [
                {"row_number": "A", "position": {"x": 1, "y": 2}, "seats": [
                    {"seat_guid": "g1", "seat_number": "1", "position": {"x": 0, "y": 0}, "category": "Front"},
                    {"seat_guid": "g2", "seat_number": "2", "position": {"x": 25, "y": 0.25}, "category": "Front"},
                ]},
                {"row_number": "B", "seats": [
                    {"seat_guid": "g3", "seat_number": "1", "position": {"x": 0, "y": 30}, "category": "Back"},
                ]},
            ],
            "areas": [
                {"shape": "rectangle", "rectangle": {"width": 9, "height": 9}, "text": {"text": "Stage"}},
                {"capacity": 200, "category": "Back", "name": "Standing"},
            ],
        }],
    })
}

/// `sound()` with the value at `pointer` replaced.
fn with(pointer: &str, value: Value) -> Value {
    let mut plan = sound();
    *plan.pointer_mut(pointer).unwrap_or_else(|| panic!("nothing at {pointer}")) = value;
    plan
}

/// `sound()` without the member `key` of the object at `pointer`.
fn without(pointer: &str, key: &str) -> Value {
    let mut plan = sound();
    plan.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key).unwrap();
    plan
}

/// A plan of one zone whose rows are `(row_number, seat numbers)`.
fn rows_of(zone: &str, rows: &[(&str, &[&str])]) -> Value {
    let mut guid = 0;
    let mut seat = |number: &&str| {
        guid += 1;
        json!({"seat_guid": guid.to_string(), "seat_number": number, "position": {"x": guid, "y": 0}, "category": ""})
    };
    let rows: Vec<Value> = rows
        .iter()
        .map(|(row, seats)| json!({"row_number": row, "seats": seats.iter().map(&mut seat).collect::<Vec<_>>()}))
        .collect();
    json!({"name": "", "categories": [], "zones": [{"name": zone, "position": {"x": 0, "y": 0}, "rows": rows}]})
}

fn imported(document: &Value) -> SeatingPlan {
    import(document.to_string()).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// The document has exactly these faults, given as `pointer: detail`.
fn check(document: &Value, expected: &[&str]) {
    let faults = import(document.to_string()).expect_err("the document has a fault");
    let faults: Vec<String> = faults.iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail)).collect();
    assert_eq!(faults, expected);
}

fn seat_ids(plan: &SeatingPlan) -> Vec<String> {
    plan.sections.iter().flat_map(Section::seats).map(|(id, _)| id.to_string()).collect()
}

/// What holds for every plan that was imported.
fn assert_well_formed(plan: &SeatingPlan) {
    let ids = seat_ids(plan);
    assert_eq!(ids.len(), plan.seat_count() as usize);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "seat ids repeat");
    for (text, (id, seat)) in ids.iter().zip(plan.sections.iter().flat_map(Section::seats)) {
        assert_eq!(text.parse::<SeatId>().unwrap(), id);
        assert_eq!(plan.seat(&id), Some(seat));
        assert!(plan.category(&seat.category).is_some(), "{id}: {}", seat.category);
        assert!(seat.x.abs() <= COORDINATE_UNITS_MAX && seat.y.abs() <= COORDINATE_UNITS_MAX);
        assert!(!seat.label.is_empty());
    }
    for section in &plan.sections {
        assert!((1..=SECTION_SEATS_MAX).contains(&(section.seat_count() as usize)));
        assert!(section.rows.iter().all(|row| !row.seats.is_empty() && !row.label.is_empty()));
    }
    let areas: HashSet<_> = plan.areas.iter().map(|area| &area.id).collect();
    assert_eq!(areas.len(), plan.areas.len());
    assert!(plan.areas.iter().all(|area| area.capacity > 0 && plan.category(&area.category).is_some()));
    let categories: BTreeMap<_, _> = plan.categories.iter().map(|category| (&category.id, &category.color)).collect();
    assert_eq!(categories.len(), plan.categories.len());
    assert!(categories.values().all(|color| color.len() == 7 && colors::hex(color).as_ref() == Some(*color)));
    assert!(!plan.categories_used().is_empty());
    let stored: SeatingPlan = serde_json::from_str(&serde_json::to_string(plan).unwrap()).unwrap();
    assert_eq!(stored, *plan, "what is stored reads back the same");
}

#[test]
fn a_sound_plan_is_imported_as_it_is_written() {
    let plan = imported(&sound());
    assert_well_formed(&plan);
    assert_eq!(plan.name, "Hall");
    let categories: Vec<_> = plan.categories.iter().map(|c| (c.id.as_str(), &*c.name, &*c.color)).collect();
    assert_eq!(categories, [("front", "Front", "#ff0000"), ("back", "Back", "#00ff00")]);
    assert_eq!(seat_ids(&plan), ["stalls:A:1", "stalls:A:2", "stalls:B:1"]);
    let area = &plan.areas[0];
    assert_eq!(
        (area.id.as_str(), &*area.name, area.capacity, area.category.as_str()),
        ("standing", "Standing", 200, "back")
    );
    assert_eq!(plan.areas.len(), 1, "an area without a capacity is decoration");
    assert_eq!(plan.area(&area.id), Some(area));
    assert_eq!(imported(&sound()), plan, "the same document gives the same plan");
}

#[test]
fn positions_of_zone_row_and_seat_add_up() {
    let plan = imported(&sound());
    let at: Vec<_> = plan.sections[0].seats().map(|(_, seat)| (seat.x, seat.y)).collect();
    assert_eq!(at, [(101.0, 12.5), (126.0, 12.75), (100.0, 40.5)]);

    let third = with("/zones/0/rows/0/seats/0/position", json!({"x": 1.0 / 3.0, "y": -12.5}));
    let plan = imported(&third);
    assert_eq!((plan.sections[0].rows[0].seats[0].x, plan.sections[0].rows[0].seats[0].y), (101.333, 0.0));
}

#[test]
fn the_beer_tent_is_imported() {
    let plan = import(BEER_TENT).unwrap_or_else(|faults| panic!("{faults:#?}"));
    assert_well_formed(&plan);
    assert_eq!(plan.name, "Seating");
    assert_eq!(plan.seat_count(), 960);
    assert_eq!(plan.sections.len(), 1);
    assert_eq!(plan.sections[0].rows.len(), 120, "tables");
    assert!(plan.areas.is_empty(), "tables are drawn, not sold");
    assert_eq!(plan.categories.len(), 1);
    assert_eq!((plan.categories[0].id.as_str(), &*plan.categories[0].name), ("standard", "Standard"));
    assert_eq!(seat_ids(&plan)[8], "main:2:1");
    let places: HashSet<_> = plan.sections[0].seats().map(|(_, seat)| (seat.x.to_bits(), seat.y.to_bits())).collect();
    assert_eq!(places.len(), 960, "no two seats in one place");
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    assert_eq!(import(format!("\u{feff}{BEER_TENT}")), import(BEER_TENT));
}

#[test]
fn flags_are_read_in_both_spellings() {
    for (key, expected) in [
        ("accessible", [true, false, false]),
        ("companion", [false, true, false]),
        ("obstructed_view", [false, false, true]),
        ("obstructedView", [false, false, true]),
    ] {
        let mut plan = sound();
        plan["zones"][0]["rows"][0]["seats"][1][key] = json!(true);
        plan["zones"][0]["rows"][0]["seats"][0][key] = json!(false);
        let plan = imported(&plan);
        let seat = &plan.sections[0].rows[0].seats[1];
        assert_eq!([seat.accessible, seat.companion, seat.obstructed_view], expected, "{key}");
        let seat = &plan.sections[0].rows[0].seats[0];
        assert!(!seat.accessible && !seat.companion && !seat.obstructed_view, "{key}");
    }
}

#[test]
fn labels_keep_their_script_and_ids_are_slugs() {
    for (zone, row, seat, id) in [
        ("アリーナ席", "い", "１２", "arinaxi:i:12"),
        ("हॉल", "क", "५", "honl:k:5"),
        // Where a name cannot be spelled in ASCII its ordinal serves.
        ("القاعة", "أ", "٧", "lq:row-1:7"),
        ("Großer Saal, links", "Ä", "3 a", "grosser-saal-links:A:3-a"),
        ("  Два\t этажа ", "ряд 1", "1", "dva-etazha:riad-1:1"),
    ] {
        let plan = imported(&rows_of(zone, &[(row, &[seat])]));
        assert_well_formed(&plan);
        let section = &plan.sections[0];
        assert_eq!(section.rows[0].label, row);
        assert_eq!(section.rows[0].seats[0].label, seat);
        assert_eq!(section.name, zone.split_whitespace().collect::<Vec<_>>().join(" "));
        assert_eq!(seat_ids(&plan), [id], "{zone}");
    }
}

#[test]
fn rows_and_seats_of_one_number_are_told_apart() {
    let plan = imported(&rows_of("Main", &[("1", &["1", "2", "1"]), ("1", &["1"]), ("1-2", &["1"]), ("1", &["1"])]));
    assert_well_formed(&plan);
    let expected = ["main:1:1", "main:1:2", "main:1:1-2", "main:1-2:1", "main:1-2-2:1", "main:1-3:1"];
    assert_eq!(seat_ids(&plan), expected);
    let labels: Vec<_> = plan.sections[0].rows.iter().map(|row| &*row.label).collect();
    assert_eq!(labels, ["1", "1", "1-2", "1"]);
}

#[test]
fn zones_of_one_name_are_told_apart_and_row_numbers_repeat_across_them() {
    let mut plan = rows_of("Block", &[("1", &["1"])]);
    let mut other = plan["zones"][0].clone();
    other["rows"][0]["seats"][0]["seat_guid"] = json!("other");
    plan["zones"].as_array_mut().unwrap().push(other);
    assert_eq!(seat_ids(&imported(&plan)), ["block:1:1", "block-2:1:1"]);
}

#[test]
fn what_is_appended_changes_no_id_before() {
    let rows: [(&str, &[&str]); 4] = [("A", &["1", "1"]), ("A", &["1"]), ("A-2", &["1", "1-2"]), ("A-2", &["1"])];
    let all = seat_ids(&imported(&rows_of("Main", &rows)));
    for shown in 1..rows.len() {
        let some = seat_ids(&imported(&rows_of("Main", &rows[..shown])));
        assert_eq!(some, all[..some.len()]);
    }
}

#[test]
fn missing_and_unspellable_names_get_defaults() {
    let mut plan = rows_of("", &[("", &["", "♿\u{fe0f}", "\u{3}"]), ("★", &["1"])]);
    plan["zones"][0]["rows"][1]["row_label"] = json!(" ");
    plan["zones"][0]["rows"][0].as_object_mut().unwrap().remove("row_number");
    plan["zones"][0]["areas"] =
        json!([{"capacity": 1}, {"capacity": 2, "text": {"text": "Lawn"}}, {"capacity": 3, "text": "Lawn"}]);
    let plan = imported(&plan);
    assert_well_formed(&plan);
    assert_eq!(plan.name, "Seating plan");
    assert_eq!(plan.sections[0].name, "Section 1");
    assert_eq!(plan.sections[0].rows[0].label, "1");
    assert_eq!(plan.sections[0].rows[0].seats[0].label, "1");
    assert_eq!(plan.sections[0].rows[0].seats[2].label, "3");
    assert!(seat_ids(&plan).iter().all(|id| id.starts_with("section-1:")));
    let areas: Vec<_> = plan.areas.iter().map(|area| (area.id.as_str(), &*area.name)).collect();
    assert_eq!(areas, [("area-1", "Area 1"), ("lawn", "Lawn"), ("lawn-2", "Lawn")]);
}

#[test]
fn a_zone_is_called_by_its_id_if_it_has_no_name() {
    let mut plan = rows_of("", &[("1", &["1"])]);
    plan["zones"][0]["zone_id"] = json!("Ground floor");
    assert_eq!(imported(&plan).sections[0].name, "Ground floor");
}

#[test]
fn rows_are_labelled_by_their_label_and_named_by_their_number() {
    for (label, number, expected) in [
        (json!("Row %s"), json!("C"), ("C", "Row C")),
        (json!("Loge"), json!("4"), ("4", "Loge")),
        (json!(""), json!(7), ("7", "7")),
        (json!("Circle"), Value::Null, ("Circle", "Circle")),
    ] {
        let mut plan = sound();
        plan["zones"][0]["rows"][0]["row_label"] = label;
        plan["zones"][0]["rows"][0]["row_number"] = number;
        let plan = imported(&plan);
        assert_eq!((plan.sections[0].rows[0].id.as_str(), &*plan.sections[0].rows[0].label), expected);
    }
}

#[test]
fn numbers_serve_as_names() {
    let plan = imported(&with("/zones/0/rows/0/seats/0/seat_number", json!(17)));
    assert_eq!(seat_ids(&plan)[0], "stalls:A:17");
}

#[test]
fn zones_and_rows_without_seats_make_no_section_and_no_row() {
    let mut plan = sound();
    plan["zones"].as_array_mut().unwrap().push(json!({"name": "Foyer", "position": {"x": 0, "y": 0}, "rows": []}));
    plan["zones"].as_array_mut().unwrap().push(json!({"name": "Bar", "position": {"x": 0, "y": 0}, "areas": []}));
    plan["zones"][0]["rows"].as_array_mut().unwrap().push(json!({"row_number": "C", "seats": []}));
    let plan = imported(&plan);
    assert_eq!(plan.sections.len(), 1);
    assert_eq!(plan.sections[0].rows.len(), 2);
}

#[test]
fn areas_alone_make_a_plan() {
    let plan = json!({"name": "Field", "zones": [{"position": {"x": 0, "y": 0}, "areas": [{"capacity": 200_000}]}]});
    let plan = imported(&plan);
    assert_eq!((plan.seat_count(), plan.areas[0].capacity, plan.categories[0].id.as_str()), (0, 200_000, "standard"));
}

#[test]
fn seats_that_name_no_category_are_standard_also_beside_declared_ones() {
    let plan = imported(&with("/zones/0/rows/0/seats/0/category", json!("")));
    assert_eq!(plan.sections[0].rows[0].seats[0].category.as_str(), "standard");
    assert_eq!(plan.categories.len(), 3);
    assert_eq!(plan.categories[2].name, "Standard");
    // A declared category of that id is that category.
    let mut plan = with("/categories/1/name", json!("STANDARD"));
    plan["zones"][0]["rows"][1]["seats"][0]["category"] = json!("STANDARD");
    plan["zones"][0]["areas"][1]["category"] = json!("");
    let plan = imported(&plan);
    assert_eq!(plan.categories.len(), 2);
    assert_eq!(plan.areas[0].category, plan.sections[0].rows[1].seats[0].category);
}

#[test]
fn only_categories_of_some_seat_or_area_are_used() {
    let mut plan = sound();
    plan["categories"].as_array_mut().unwrap().push(json!({"name": "Unused"}));
    let plan = imported(&plan);
    assert_eq!(plan.categories.len(), 3);
    let used: Vec<_> = plan.categories_used().iter().map(|category| category.id.as_str()).collect();
    assert_eq!(used, ["front", "back"]);
}

#[test]
fn colours_that_are_absent_or_not_hex_come_from_the_palette() {
    for color in [Value::Null, json!("tomato"), json!("rgb(1,2,3)"), json!("")] {
        let plan = imported(&with("/categories/1/color", color));
        assert_eq!(plan.categories[0].color, "#ff0000");
        assert!(is_slug(&plan.categories[1].color[1..]) && plan.categories[1].color != "#ff0000");
    }
}

#[test]
fn text_that_is_not_json_is_named_with_line_and_column() {
    for (text, detail) in [
        ("", "this is not JSON: EOF while parsing a value at line 1 column 0"),
        ("{\n  \"name\": }", "this is not JSON: expected value at line 2 column 11"),
        ("{\"x\": 1e999}", "this is not JSON: number out of range at line 1 column 11"),
    ] {
        assert_eq!(import(text).unwrap_err(), [Fault::new("", detail)]);
    }
    assert_eq!(import(b"\"\xff\"").unwrap_err()[0].pointer, "");
    assert!(import("[".repeat(10_000)).unwrap_err()[0].detail.starts_with("this is not JSON: recursion limit"));
}

/// Few bytes that would be much in memory.
#[test]
fn text_of_more_parts_than_any_plan_has_is_not_read() {
    let text = format!("[{}0]", "0,".repeat(PLAN_PARTS_MAX));
    let detail = "3000001 objects, lists and commas; at most 3000000 are possible";
    assert_eq!(import(text).unwrap_err(), [Fault::new("", detail)]);
}

#[test]
fn wrong_types_are_named_with_their_places() {
    let seat = "/zones/0/rows/0/seats/0";
    let mut plan = sound();
    plan["categories"].as_array_mut().unwrap().push(json!(1));
    check(&plan, &["/categories/2: an object is expected here, not a number"]);
    for (pointer, value, expected) in [
        ("", json!([]), ": an object is expected here, not a list"),
        ("", json!("plan"), ": an object is expected here, not text"),
        ("/name", json!({}), "/name: text is expected here, not an object"),
        ("/categories/0/color", json!([]), "/categories/0/color: text is expected here, not a list"),
        ("/zones", json!({}), "/zones: a list is expected here, not an object"),
        ("/zones/0/name", json!(true), "/zones/0/name: text is expected here, not true or false"),
        ("/zones/0/position", json!([1, 2]), "/zones/0/position: an object is expected here, not a list"),
        ("/zones/0/areas", json!("none"), "/zones/0/areas: a list is expected here, not text"),
        ("/zones/0/areas/0", json!("bar"), "/zones/0/areas/0: an object is expected here, not text"),
        ("/zones/0/rows/0", json!([]), "/zones/0/rows/0: an object is expected here, not a list"),
        ("/zones/0/rows/0/row_number", json!(1.5), "/zones/0/rows/0/row_number: text is expected here, not a number"),
        ("/zones/0/rows/0/seats", json!(3), "/zones/0/rows/0/seats: a list is expected here, not a number"),
        ("/zones/0/rows/0/seats/0", Value::Null, "/zones/0/rows/0/seats/0: an object is expected here, not null"),
    ] {
        check(&with(pointer, value), &[expected]);
    }
    for (key, value, expected) in [
        ("seat_guid", json!([]), "text is expected here, not a list"),
        ("seat_number", json!({}), "text is expected here, not an object"),
        ("category", json!(false), "text is expected here, not true or false"),
        ("accessible", json!("yes"), "true or false is expected here, not text"),
        ("companion", json!(1), "true or false is expected here, not a number"),
        ("obstructedView", json!([]), "true or false is expected here, not a list"),
    ] {
        let mut plan = sound();
        plan.pointer_mut(seat).unwrap()[key] = value;
        check(&plan, &[&format!("{seat}/{key}: {expected}")]);
    }
    check(
        &with("/zones/0/rows/0/seats/0/position", json!({"x": "3", "y": {}})),
        &[
            "/zones/0/rows/0/seats/0/position/x: a number is expected here, not text",
            "/zones/0/rows/0/seats/0/position/y: a number is expected here, not an object",
        ],
    );
}

#[test]
fn missing_members_are_named_at_what_lacks_them() {
    for (pointer, key) in [
        ("", "zones"),
        ("/zones/0", "position"),
        ("/zones/0/position", "x"),
        ("/zones/0/rows/0", "seats"),
        ("/zones/0/rows/0/seats/1", "seat_guid"),
        ("/zones/0/rows/0/seats/1", "position"),
        ("/zones/0/rows/0/seats/1/position", "y"),
        ("/zones/0/rows/0/seats/1", "category"),
        ("/zones/0/areas/1", "category"),
        ("/categories/0", "name"),
    ] {
        let mut expected = vec![format!("{pointer}: `{key}` is missing")];
        if pointer.starts_with("/categories") {
            // Its seats then name what is not declared.
            expected.extend(["0", "1"].map(|seat| {
                format!(
                    "/zones/0/rows/0/seats/{seat}/category: no category is called \"Front\"; the plan declares \"Back\""
                )
            }));
        }
        check(&without(pointer, key), &expected.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let zone = json!({"name": "Foyer", "position": {"x": 0, "y": 0}});
    check(
        &json!({"zones": [zone]}),
        &["/zones/0: `rows` is missing", "/zones: there is nothing to sell: no seats, and no areas with a capacity"],
    );
}

#[test]
fn what_should_be_unique_is_named_with_both_places() {
    check(
        &with("/zones/0/rows/1/seats/0/seat_guid", json!("g2")),
        &["/zones/0/rows/1/seats/0/seat_guid: \"g2\" is the guid of /zones/0/rows/0/seats/1 already"],
    );
    let mut plan = sound();
    plan["categories"].as_array_mut().unwrap().push(json!({"name": " Front "}));
    check(&plan, &["/categories/2/name: a category is called \"Front\" already: /categories/0"]);
}

#[test]
fn an_unknown_category_is_named_with_those_there_are() {
    check(
        &with("/zones/0/rows/1/seats/0/category", json!("front")),
        &["/zones/0/rows/1/seats/0/category: no category is called \"front\"; the plan declares \"Front\", \"Back\""],
    );
    check(
        &with("/zones/0/areas/1/category", json!("Lawn")),
        &["/zones/0/areas/1/category: no category is called \"Lawn\"; the plan declares \"Front\", \"Back\""],
    );
    let mut plan = rows_of("Main", &[("1", &["1"])]);
    plan["zones"][0]["rows"][0]["seats"][0]["category"] = json!("VIP");
    check(&plan, &["/zones/0/rows/0/seats/0/category: no category is called \"VIP\"; the plan declares none"]);
}

#[test]
fn coordinates_off_any_plan_are_named() {
    check(
        &with("/zones/0/position/x", json!(1e300)),
        &["/zones/0/position/x: 1e+300 is off any plan: at most 1000000 units either way"],
    );
    let mut plan = with("/zones/0/position/x", json!(999_990));
    plan["zones"][0]["rows"][0]["position"]["x"] = json!(0);
    check(
        &plan,
        &["/zones/0/rows/0/seats/1/position: with its row and zone the seat is at 1000015, 12.75: off any plan"],
    );
}

#[test]
fn capacities_are_whole_numbers_of_people() {
    for capacity in [json!(0), json!(-1), json!(1.5), json!(200_001), json!("many"), json!(1e30)] {
        check(
            &with("/zones/0/areas/1/capacity", capacity),
            &["/zones/0/areas/1/capacity: a whole number from 1 to 200000 is expected here"],
        );
    }
}

#[test]
fn empty_guids_and_category_names_and_long_names_are_faults() {
    check(
        &with("/zones/0/rows/1/seats/0/seat_guid", json!(" ")),
        &["/zones/0/rows/1/seats/0/seat_guid: `seat_guid` must not be empty"],
    );
    let mut plan = sound();
    plan["categories"].as_array_mut().unwrap().push(json!({"name": ""}));
    check(&plan, &["/categories/2/name: `name` must not be empty"]);
    let short = "é".repeat(40);
    for (pointer, chars) in [("/name", 120), ("/zones/0/name", 120), ("/zones/0/areas/1/name", 120)] {
        imported(&with(pointer, json!("é".repeat(chars))));
        let expected = format!("{pointer}: \"{short}…\" is longer than {chars} characters");
        check(&with(pointer, json!("é".repeat(chars + 1))), &[&expected]);
    }
    for pointer in ["/zones/0/rows/0/row_number", "/zones/0/rows/0/seats/0/seat_number"] {
        imported(&with(pointer, json!(short)));
        let expected = format!("{pointer}: \"{short}…\" is longer than 40 characters");
        check(&with(pointer, json!("é".repeat(41))), &[&expected]);
    }
    let mut plan = with("/zones/0/rows/0/row_number", json!("x".repeat(30)));
    plan["zones"][0]["rows"][0]["row_label"] = json!("%s %s");
    let long = "x".repeat(30) + " " + &"x".repeat(9);
    check(&plan, &[&format!("/zones/0/rows/0/row_label: \"{long}…\" is longer than 40 characters")]);
}

#[test]
fn a_plan_with_nothing_to_sell_is_refused() {
    for zones in [json!([]), json!([{"position": {"x": 0, "y": 0}, "rows": [], "areas": [{"text": "Stage"}]}])] {
        check(
            &json!({"name": "Empty", "categories": [], "zones": zones}),
            &["/zones: there is nothing to sell: no seats, and no areas with a capacity"],
        );
    }
}

/// `zones` zones of `rows` rows of `seats` seats, each seat called `label(zone, row, seat)`.
fn large(zones: usize, rows: usize, seats: usize, mut label: impl FnMut() -> String) -> Value {
    let mut seat = |z: usize, r: usize, s: usize| {
        let x = f64::from(u32::try_from(s * 7919 + r * 104_729).unwrap() % 999_983) * 0.789;
        json!({"seat_guid": format!("{z}-{r}-{s}"), "seat_number": label(), "position": {"x": x, "y": -x * 1.21}})
    };
    let mut row = |z: usize, r: usize| json!({"row_number": r.to_string(), "seats": (0..seats).map(|s| seat(z, r, s)).collect::<Vec<_>>()});
    let mut zone = |z| json!({"position": {"x": 0, "y": 0}, "rows": (0..rows).map(|r| row(z, r)).collect::<Vec<_>>()});
    json!({"zones": (0..zones).map(&mut zone).collect::<Vec<_>>()})
}

#[test]
fn numbers_beyond_the_bounds_are_named() {
    let plan = imported(&large(1, 50, 100, || "1".to_owned()));
    assert_well_formed(&plan);
    check(
        &large(1, 1, SECTION_SEATS_MAX + 1, String::new),
        &["/zones/0: the zone has 5001 seats; at most 5000 are possible: divide it"],
    );
    check(
        &large(21, 1, SECTION_SEATS_MAX, String::new),
        &["/zones: the plan has 105000 seats; at most 100000 are possible"],
    );
    check(
        &large(PLAN_SECTIONS_MAX + 1, 1, 1, String::new),
        &["/zones: 501 zones have seats; at most 500 are possible"],
    );
    let mut plan = sound();
    plan["zones"][0]["areas"] = json!(vec![json!({"capacity": 1, "category": "Back"}); PLAN_AREAS_MAX + 1]);
    check(&plan, &["/zones: 201 areas have a capacity; at most 200 are possible"]);
    let mut plan = sound();
    let named = |n: usize| ["Front", "Back"].get(n).map_or_else(|| n.to_string(), |&name| name.to_owned());
    plan["categories"] = (0..=PLAN_CATEGORIES_MAX).map(|n| json!({"name": named(n)})).collect();
    check(&plan, &["/categories: 101 categories; at most 100 are possible"]);
    check(
        &large(1, 1, 2_501, || "席".repeat(14)),
        &["/zones/0: the names of the zone's rows and seats have 105043 bytes; at most 100000 are possible"],
    );
}

#[test]
fn the_most_wasteful_section_still_fits_one_item() {
    // Labels and positions that no compression shortens: a linear congruential generator's.
    let mut state = 1_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(state >> 40).unwrap()
    };
    let alphabet: Vec<char> = ('a'..='z').chain('A'..='Z').chain('0'..='9').collect();
    let mut label = |chars| (0..chars).map(|_| alphabet[random() as usize % alphabet.len()]).collect::<String>();
    let one_row = large(1, 1, SECTION_SEATS_MAX, || label(19));
    let many_rows = large(1, SECTION_SEATS_MAX, 1, || label(15));
    for document in [one_row, many_rows] {
        let plan = imported(&document);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&serde_json::to_vec(&plan.sections[0]).unwrap()).unwrap();
        let bytes = gzip.finish().unwrap().len();
        assert!(bytes < ITEM_BYTES_MAX, "{bytes} bytes");
    }
}

#[test]
fn every_fault_is_found_and_the_list_is_bounded() {
    let mut plan = sound();
    plan["categories"][0]["name"] = json!("Back");
    plan["zones"][0]["position"] = Value::Null;
    plan["zones"][0]["rows"][1]["seats"][0]["seat_guid"] = json!("g1");
    plan["zones"][0]["areas"][1]["capacity"] = json!(0);
    let pointers: Vec<_> = import_value(&plan).unwrap_err().into_iter().map(|fault| fault.pointer).collect();
    let expected = [
        "/categories/1/name",
        "/zones/0",
        "/zones/0/areas/1/capacity",
        "/zones/0/rows/0/seats/0/category",
        "/zones/0/rows/0/seats/1/category",
        "/zones/0/rows/1/seats/0/seat_guid",
    ];
    assert_eq!(pointers, expected);

    for (faulty, summary) in [(99, None), (100, None), (101, Some("2 more")), (2_000, Some("1901 more"))] {
        let mut plan = large(1, 1, faulty, String::new);
        for seat in plan["zones"][0]["rows"][0]["seats"].as_array_mut().unwrap() {
            seat.as_object_mut().unwrap().remove("seat_guid");
        }
        let faults = import_value(&plan).unwrap_err();
        assert_eq!(faults.len(), faulty.min(FAULTS_MAX));
        let (pointer, detail) = match summary {
            Some(more) => (String::new(), format!("{more} faults were found")),
            None => (format!("/zones/0/rows/0/seats/{}", faulty - 1), "`seat_guid` is missing".to_owned()),
        };
        assert_eq!(faults[faults.len() - 1], Fault { pointer, detail });
    }
}

/// Any JSON, with this format's words in it more often than chance would.
fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        4 => proptest::sample::select(vec![
            "name", "categories", "zones", "position", "rows", "seats", "areas", "x", "y", "row_number", "row_label",
            "seat_guid", "seat_number", "category", "capacity", "text", "color", "accessible", "zone_id",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..9).prop_map(Value::from),
        ".{0,50}".prop_map(Value::from),
    ];
    leaf.prop_recursive(7, 96, 6, move |inner| {
        prop_oneof![
            2 => proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            5 => proptest::collection::vec((key.clone(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The pointers of everything in `value`, itself first.
fn pointers(value: &Value, at: &str, into: &mut Vec<String>) {
    into.push(at.to_owned());
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| pointers(item, &format!("{at}/{i}"), into));
        }
        Value::Object(map) => map.iter().for_each(|(key, item)| {
            pointers(item, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), into);
        }),
        _ => {}
    }
}

/// What holds whatever is imported.
fn check_any(document: &Value) -> Result<(), TestCaseError> {
    match import_value(document) {
        Ok(plan) => assert_well_formed(&plan),
        Err(faults) => {
            prop_assert!((1..=FAULTS_MAX).contains(&faults.len()));
            for fault in faults {
                prop_assert!(document.pointer(&fault.pointer).is_some(), "{:?} points nowhere", fault);
                prop_assert!(!fault.detail.is_empty() && fault.detail.len() < 1_000);
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_bytes_make_the_import_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = import(bytes);
    }

    #[test]
    fn no_json_makes_the_import_panic(document in any_json()) {
        check_any(&document)?;
    }

    #[test]
    fn broken_plans_give_faults_that_point_at_something(
        breaks in proptest::collection::vec((any::<proptest::sample::Index>(), any_json()), 1..4)
    ) {
        let mut plan = sound();
        for (index, value) in breaks {
            let mut all = Vec::new();
            pointers(&plan, "", &mut all);
            *plan.pointer_mut(index.get(&all).as_str()).unwrap() = value;
        }
        check_any(&plan)?;
    }

    #[test]
    fn a_member_taken_away_is_noticed_or_needless(index: proptest::sample::Index) {
        let mut all = Vec::new();
        pointers(&sound(), "", &mut all);
        let (parent, key) = index.get(&all[1..]).as_str().rsplit_once('/').unwrap();
        let mut plan = sound();
        match plan.pointer_mut(parent).unwrap() {
            Value::Object(map) => drop(map.remove(key)),
            Value::Array(items) => drop(items.remove(key.parse().unwrap())),
            _ => unreachable!("only these have members"),
        }
        check_any(&plan)?;
    }

    #[test]
    fn any_names_give_unique_seats(
        rows in proptest::collection::vec(("[AB1]{0,2}|\\PC{0,12}", proptest::collection::vec("[12]{0,2}|\\PC{0,8}", 0..6)), 1..6)
    ) {
        let seats: Vec<Vec<&str>> = rows.iter().map(|(_, seats)| seats.iter().map(String::as_str).collect()).collect();
        let rows: Vec<(&str, &[&str])> = rows.iter().zip(&seats).map(|((row, _), seats)| (row.as_str(), seats.as_slice())).collect();
        check_any(&rows_of("Zone", &rows))?;
    }
}
