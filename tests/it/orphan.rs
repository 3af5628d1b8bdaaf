//! The orphan rule, and tables.

use std::{
    collections::HashSet,
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{PRICE_MINOR, Person, Stage, eventually, hall, id, seat};

/// A platform whose show has the rule.
async fn open(rule: &Value) -> Stage {
    open_with(&[], rule).await
}

async fn open_with(settings: &[(&str, &str)], rule: &Value) -> Stage {
    let mut stage = Stage::with_settings(settings).await;
    let prices = json!({"standard": PRICE_MINOR});
    stage.show = stage.publish_with(&hall(), &prices, json!({"orphanRule": rule, "maxSeatsPerBuyer": 10})).await;
    stage
}

fn seats(row: &str, numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| seat(row, number)).collect()
}

/// All of a row but these seats, held by others.
async fn fill(stage: &Stage, row: &str, but: &[usize]) {
    let others: Vec<usize> = (1..=20).filter(|number| !but.contains(number)).collect();
    for (number, part) in others.chunks(10).enumerate() {
        // A claim that leaves what is asked for here may leave single seats meanwhile: blocked seats may.
        let path = format!("/v1/shows/{}/blocks", stage.show);
        let body = json!({"seatIds": seats(row, part.iter().copied())});
        stage.organiser().post_as(&format!("{row} {number}"), &path, &body).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_leaves_a_single_seat_is_refused_and_says_which() {
    let stage = open(&json!({"enabled": true})).await;
    let ada = stage.buyer("ada");
    let problem = ada.hold(&seats("A", [2, 3])).await.problem(409, "orphan-seat");
    assert_eq!(problem["orphans"], json!([seat("A", 1)]));
    let problem = ada.hold(&seats("A", [4, 6])).await.problem(409, "orphan-seat");
    assert_eq!(problem["orphans"], json!([seat("A", 5)]));
    let booking = ada.hold(&seats("A", [1, 2, 3])).await.expect(201);
    // Repeated, it is what it was, although its seats are taken now; so it is once they are free again.
    assert_eq!(id(&ada.hold(&seats("A", [1, 2, 3])).await.expect(201)), id(&booking));
    ada.delete(&booking).await.expect(200);
    stage.buyer("bob").hold(&seats("A", [5, 6])).await.expect(201);
    assert_eq!(ada.hold(&seats("A", [1, 2, 3])).await.expect(201)["status"], "CANCELLED");
    // What is taken is told first.
    let problem = ada.hold(&seats("A", [2, 6])).await.problem(409, "seat-unavailable");
    assert_eq!(problem["unavailable"], json!([seat("A", 6)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_seats_of_a_row_are_sold_even_one_by_one() {
    let stage = open(&json!({"enabled": true})).await;
    fill(&stage, "A", &[10, 11, 12]).await;
    stage.buyer("ada").hold(&seats("A", [11])).await.problem(409, "orphan-seat");
    stage.buyer("ada").hold(&seats("A", [11, 12])).await.expect(201);
    stage.buyer("bob").hold(&seats("A", [10])).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rule_is_the_shows_to_set_and_off_unless_it_says_so() {
    let stage = Stage::open().await;
    let path = format!("/v1/shows/{}", stage.show);
    assert_eq!(stage.get(&path).await.expect(200)["orphanRule"], json!({"enabled": false}));
    stage.buyer("ada").hold(&seats("A", [2, 3])).await.expect(201);
    let rule = json!({"orphanRule": {"enabled": true, "offForLast": 40}});
    let shown = stage.organiser().patch(&path, &rule).await.expect(200);
    assert_eq!(shown["orphanRule"], rule["orphanRule"]);
    let tries = AtomicUsize::new(0);
    eventually("the rule is seen", async || {
        let key = format!("try {}", tries.fetch_add(1, Ordering::SeqCst));
        let answer = stage.buyer("bob").hold_as(&key, &json!({"seatIds": seats("B", [2, 3])})).await;
        if answer.status == 201 {
            stage.buyer("bob").delete(&answer.body).await.expect(200);
        }
        (answer.body["type"] == "urn:problem:usher:orphan-seat").then_some(())
    })
    .await;
    stage.organiser().patch(&path, &json!({"orphanRule": {"on": true}})).await.problem(400, "bad-request");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rule_goes_off_for_the_last_seats_of_the_show() {
    let stage = open(&json!({"enabled": true, "offForLast": 40})).await;
    let buyer = stage.buyer("ada");
    buyer.hold(&seats("E", [2, 3])).await.problem(409, "orphan-seat");
    for row in ["A", "B", "C"] {
        fill(&stage, row, &[]).await;
    }
    eventually("the map shows that few are left", async || (stage.counts().await.0 == 40).then_some(())).await;
    eventually("any seat is sold", async || (buyer.hold(&seats("E", [2, 3])).await.status == 201).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_over_makes_nobodys_seat_single() {
    let stage = open_with(&[("HOLD_TTL_SECONDS", "1")], &json!({"enabled": true})).await;
    stage.lose_all_timers();
    stage.buyer("ada").hold(&seats("A", [1, 2, 3])).await.expect(201);
    // Between Ada's seats and these one is left, as long as she holds hers.
    stage.buyer("bob").hold(&seats("A", [5, 6])).await.problem(409, "orphan-seat");
    eventually("Ada's hold is over", async || {
        (stage.buyer("bob").hold(&seats("A", [5, 6])).await.status == 201).then_some(())
    })
    .await;
}

/// Holds seats of a row, whatever comes: those seats, if they were had.
async fn race(buyer: Person, row: &'static str, wanted: Range<usize>) -> Option<(&'static str, Range<usize>)> {
    let answer = buyer.hold(&seats(row, wanted.clone())).await;
    if answer.status == 201 {
        return Some((row, wanted));
    }
    let slug = answer.body["type"].as_str().unwrap().rsplit(':').next().unwrap();
    assert!(answer.status == 409 && ["orphan-seat", "seat-unavailable"].contains(&slug), "{}", answer.body);
    None
}

/// Two who are each welcome alone leave a single seat between them together: the conditions decide.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_claims_that_leave_a_single_seat_between_them_one_is_refused() {
    let stage = open(&json!({"enabled": true})).await;
    for (round, row) in ["A", "B", "C", "D", "E"].into_iter().enumerate() {
        // Far enough from the row's end and from each other that no last seat is spared.
        for from in [4, 14] {
            let claims = [from..from + 2, from + 3..from + 5].into_iter().enumerate();
            let racing = claims.map(|(it, wanted)| race(stage.buyer(&format!("{round} {from} {it}")), row, wanted));
            let won = racing.collect::<JoinSet<_>>().join_all().await.into_iter().flatten().count();
            assert_eq!(won, 1, "{row}{from}");
        }
    }
}

/// Whether the holds of a row can have been made one after the other by the rule: each leaves no single seat beside it,
/// unless it leaves but one of the free seats that it was among. `taken` has a bit for each seat.
fn can_follow(taken: u32, holds: &[Range<usize>], seen: &mut HashSet<u32>) -> bool {
    let is_free = |taken: u32, at: usize| (1..=20).contains(&at) && taken & (1 << at) == 0;
    let all = holds.iter().all(|hold| !is_free(taken, hold.start));
    all || seen.insert(taken)
        && holds.iter().filter(|hold| is_free(taken, hold.start)).any(|hold| {
            let after = hold.clone().fold(taken, |taken, at| taken | 1 << at);
            let first = (1..=hold.start).rev().take_while(|&at| is_free(taken, at)).last().unwrap_or(hold.start);
            let last = (hold.start..=20).take_while(|&at| is_free(taken, at)).last().unwrap_or(hold.start);
            let is_single = |at: usize| is_free(after, at) && !is_free(after, at - 1) && !is_free(after, at + 1);
            let left = last - first + 1 - hold.len();
            let allowed = left == 1 || !is_single(hold.start - 1) && !is_single(hold.end);
            allowed && can_follow(after, holds, seen)
        })
}

#[test]
fn the_checker_of_rows_tells_right_from_wrong() {
    let can = |holds: &[Range<usize>]| can_follow(0, holds, &mut HashSet::new());
    assert!(can(&[1..3, 3..6, 18..21]));
    assert!(can(&[1..3, 6..8, 3..5]), "the second before the third, which leaves the last of three");
    assert!(can(&[1..3, 4..6]), "the second first: then the last of three is spared");
    assert!(!can(&[4..6, 7..9]));
    assert!(!can(&[const { 2..4 }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn under_contention_no_hold_leaves_a_single_seat() {
    let stage = open(&json!({"enabled": true})).await;
    let claims = (0..120usize).map(|number| {
        let (row, from) = (["A", "B", "C", "D", "E"][number % 5], 1 + (number * 7) % 18);
        race(stage.buyer(&format!("buyer {number}")), row, from..from + 2 + number % 2)
    });
    let won: Vec<_> = claims.collect::<JoinSet<_>>().join_all().await.into_iter().flatten().collect();
    assert!(won.len() >= 10, "{won:?}");
    for row in ["A", "B", "C", "D", "E"] {
        let holds: Vec<Range<usize>> = won.iter().filter(|it| it.0 == row).map(|it| it.1.clone()).collect();
        assert!(can_follow(0, &holds, &mut HashSet::new()), "{row}: {holds:?}");
    }
}

/// A hall with a table of four beside its rows.
fn with_table() -> Value {
    let mut plan = hall();
    let seats: Vec<Value> = (1..=4)
        .map(|number| {
            json!({
                "seat_guid": format!("T-{number}"), "seat_number": number.to_string(), "category": "Standard",
                "position": {"x": number * 30, "y": 0},
            })
        })
        .collect();
    let table = json!({"row_number": "T", "position": {"x": 0, "y": 300}, "whole": true, "seats": seats});
    plan["zones"][0]["rows"].as_array_mut().unwrap().push(table);
    plan["focal_point"] = json!({"x": 75, "y": 320});
    plan
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_sold_whole() {
    let mut stage = Stage::open().await;
    stage.show = stage.publish(&with_table(), &json!({"standard": PRICE_MINOR})).await;
    let section = stage.get(&format!("/v1/shows/{}/sections/hall/plan", stage.show)).await.expect(200);
    let rows: Vec<&Value> = section["rows"].as_array().unwrap().iter().filter(|row| row["whole"] == true).collect();
    assert_eq!((rows.len(), &rows[0]["row"]), (1, &json!("T")));
    let problem = stage.buyer("ada").hold(&seats("T", [1, 2])).await.problem(409, "sold-whole");
    assert_eq!(problem["missing"], json!(seats("T", [3, 4])));
    // Nearest to where everybody looks are two of the table: they are not to be had, but four are.
    let path = format!("/v1/shows/{}/best-available", stage.show);
    let best = stage.buyer("bob").post_as("two", &path, &json!({"quantity": 2})).await.expect(201);
    assert_eq!(best["seats"][0]["row"], "E");
    let best = stage.buyer("bob").post_as("four", &path, &json!({"quantity": 4})).await.expect(201);
    assert_eq!(best["seats"][0]["row"], "T");
    stage.buyer("bob").delete(&best).await.expect(200);
    stage.buyer("ada").hold(&seats("T", 1..=4)).await.expect(201);
}
