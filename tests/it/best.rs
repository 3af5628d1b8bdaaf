//! Best available.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Answer, Stage, seat};

/// Two blocks left and right of the way to a stage, the right one dearer in its first row.
fn blocks() -> Value {
    let zone = |name: &str, x: usize| {
        let row = |row: usize| {
            let seats: Vec<Value> = (1..=8)
                .map(|seat| {
                    let wheelchair = row == 2 && seat == 1;
                    json!({
                        "seat_guid": format!("{name}-{row}-{seat}"), "seat_number": seat.to_string(),
                        "category": if name == "Right" && row == 0 { "Gold" } else { "Silver" },
                        "position": {"x": seat * 30, "y": 0}, "accessible": wheelchair, "companion": row == 2 && seat == 2,
                    })
                })
                .collect();
            json!({"row_number": (row + 1).to_string(), "position": {"x": 0, "y": row * 40}, "seats": seats})
        };
        json!({"name": name, "position": {"x": x, "y": 0}, "rows": (0..3).map(row).collect::<Vec<_>>()})
    };
    json!({
        "name": "Two blocks", "categories": [{"name": "Gold", "color": "#caa300"}, {"name": "Silver", "color": "#888888"}],
        "zones": [zone("Left", 0), zone("Right", 400)], "focal_point": {"x": 535, "y": -100},
    })
}

async fn open() -> Stage {
    let mut stage = Stage::open().await;
    stage.show = stage.publish(&blocks(), &json!({"gold": 20_000, "silver": 10_000})).await;
    stage
}

async fn ask(stage: &Stage, buyer: &str, ask: Value) -> Answer {
    stage.buyer(buyer).post_as(buyer, &format!("/v1/shows/{}/best-available", stage.show), &ask).await
}

fn seats(booking: &Value) -> Vec<String> {
    booking["seats"].as_array().unwrap().iter().map(|seat| seat["seatId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_best_is_nearest_to_where_everybody_looks_and_no_dearer_than_was_said() {
    let stage = open().await;
    let plan = stage.get(&format!("/v1/shows/{}/plan", stage.show)).await.expect(200);
    assert_eq!(plan["focalPoint"], json!([535.0, -100.0]));
    let best = ask(&stage, "ada", json!({"quantity": 2})).await.expect(201);
    assert_eq!(seats(&best), ["right:1:4", "right:1:5"], "the right block, which the plan lists last");
    let best = ask(&stage, "bob", json!({"quantity": 2, "maxPriceMinor": 19_999})).await.expect(201);
    assert_eq!(seats(&best), ["right:2:4", "right:2:5"]);
    let best = ask(&stage, "cy", json!({"quantity": 2, "sectionId": "left", "category": "silver"})).await.expect(201);
    assert_eq!(seats(&best), ["left:1:7", "left:1:8"]);
    ask(&stage, "dan", json!({"quantity": 2, "sectionId": "left", "category": "gold"})).await.problem(409, "no-block");
    ask(&stage, "eve", json!({"quantity": 2, "maxPriceMinor": 9_999})).await.problem(409, "no-block");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wheelchair_comes_with_company_and_its_place_goes_to_nobody_else() {
    let stage = open().await;
    let best = ask(&stage, "ada", json!({"quantity": 2, "accessible": true})).await.expect(201);
    assert_eq!(seats(&best), ["right:3:1", "right:3:2"]);
    let best = ask(&stage, "bob", json!({"quantity": 3, "accessible": true})).await.expect(201);
    assert_eq!(seats(&best), ["left:3:1", "left:3:2", "left:3:3"]);
    ask(&stage, "cy", json!({"quantity": 2, "accessible": true})).await.problem(409, "no-block");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_split_when_that_is_asked_for() {
    let stage = Stage::open().await;
    // Of each row five seats are left, in two and three.
    for row in ["A", "B", "C", "D", "E"] {
        let taken: Vec<String> = (3..=17).map(|number| seat(row, number)).collect();
        let path = format!("/v1/shows/{}/blocks", stage.show);
        stage.organiser().post(&path, &json!({"seatIds": taken})).await.expect(200);
    }
    crate::support::eventually("the map shows it", async || (stage.counts().await.0 == 25).then_some(())).await;
    ask(&stage, "ada", json!({"quantity": 5})).await.problem(409, "no-block");
    let split = ask(&stage, "bob", json!({"quantity": 5, "split": true})).await.expect(201);
    assert_eq!(seats(&split).len(), 5);
    let rows: BTreeSet<String> = seats(&split).iter().map(|seat| seat.split(':').nth(1).unwrap().to_owned()).collect();
    assert!(rows.len() <= 2, "{split}");
}

/// A hundred seats, fifty pairs that want the same two at the same moment: they go different ways, and all sit.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_are_late_for_the_best_get_the_next_best() {
    let stage = Stage::open().await;
    let path = format!("/v1/shows/{}/best-available", stage.show);
    let asking = (0..40).map(|number| {
        let (buyer, path) = (stage.buyer(&format!("buyer {number}")), path.clone());
        async move {
            loop {
                let answer = buyer.post_as("k", &path, &json!({"quantity": 2})).await;
                if answer.status != 503 {
                    return answer;
                }
            }
        }
    });
    let answers = asking.collect::<JoinSet<_>>().join_all().await;
    let mut held = BTreeSet::new();
    for answer in answers {
        let pair = seats(&answer.expect(201));
        assert_eq!(pair.len(), 2);
        held.extend(pair);
    }
    assert_eq!(held.len(), 80, "nobody sits on anybody's lap");
}
