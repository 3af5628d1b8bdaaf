//! Bookings, seats and tallies: each finding planted.

use domain::reconcile::{Kind, Scope};
use testkit::sale;

use crate::stage::{Stage, buyer, count, minutes, number, seat, text};

/// A sale of ada's, a hold of bob's and a seat of nobody; then `plant`, then both passes.
async fn found(plant: impl AsyncFn(&Stage)) -> Vec<Kind> {
    let stage = Stage::open().await;
    stage.paid(1, "ada", &[1]).await;
    stage.begun(2, "bob", &[2]).await;
    stage.pass(minutes(2));
    stage.healthy().await;
    plant(&stage).await;
    let kinds = stage.kinds(Scope::All).await;
    assert_eq!(stage.kinds(Scope::All).await, kinds, "found again, and nothing else");
    kinds
}

#[tokio::test]
async fn a_seat_that_is_gone_free_or_another_s_is_found() {
    for id in [1, 2] {
        let gone = async |stage: &Stage| stage.delete(&seat(id)).await;
        assert_eq!(found(gone).await, [Kind::SeatMissing]);
    }
    let held = async |stage: &Stage| stage.break_item(&seat(1), &[("s", text("H"))]).await;
    assert_eq!(found(held).await, [Kind::SeatMissing], "sold, and its seat is only held");
    let sold = async |stage: &Stage| stage.break_item(&seat(2), &[("s", text("S"))]).await;
    assert_eq!(found(sold).await, [Kind::SeatMissing], "held, and its seat is sold");
    let blocked = async |stage: &Stage| stage.break_item(&seat(1), &[("s", text("B")), ("b", None)]).await;
    assert_eq!(found(blocked).await, [Kind::SeatMissing]);
    let another = async |stage: &Stage| stage.break_item(&seat(1), &[("b", text(&number(2).to_string()))]).await;
    assert_eq!(found(another).await, [Kind::SeatMissing, Kind::SeatStray]);
}

#[tokio::test]
async fn a_seat_of_a_booking_that_is_over_or_absent_is_found() {
    let absent = async |stage: &Stage| {
        let attributes = [("s", text("H")), ("b", text(&number(9).to_string()))];
        stage.break_item(&seat(3), &attributes).await;
    };
    assert_eq!(found(absent).await, [Kind::SeatStray]);
    let over = async |stage: &Stage| {
        stage.app.settlement.end(number(2)).await.unwrap();
        stage.break_item(&seat(2), &[("s", text("H")), ("b", text(&number(2).to_string()))]).await;
    };
    assert_eq!(found(over).await, [Kind::SeatStray]);
    let blocked = async |stage: &Stage| stage.break_item(&seat(3), &[("s", text("B"))]).await;
    assert_eq!(found(blocked).await, [], "a house seat is nobody's");
}

#[tokio::test]
async fn a_tally_that_is_not_the_sum_of_its_bookings_is_found() {
    let total = async |stage: &Stage| stage.break_item(&buyer("ada"), &[("t", count(5))]).await;
    assert_eq!(found(total).await, [Kind::TallyDiffers]);
    let places = async |stage: &Stage| {
        stage.break_item(&buyer("ada"), &[(number(1).to_string().as_str(), count(2)), ("t", count(2))]).await;
    };
    assert_eq!(found(places).await, [Kind::TallyDiffers]);
    let ghost = async |stage: &Stage| {
        stage.break_item(&buyer("zoe"), &[(number(9).to_string().as_str(), count(1)), ("t", count(1))]).await;
    };
    assert_eq!(found(ghost).await, [Kind::TallyDiffers]);
    let of_none = async |stage: &Stage| stage.break_item(&buyer("zoe"), &[("t", count(1))]).await;
    assert_eq!(found(of_none).await, [Kind::TallyDiffers]);
    let lost = async |stage: &Stage| stage.delete(&buyer("ada")).await;
    assert_eq!(found(lost).await, [Kind::TallyDiffers], "its seats lead to the booking, which leads to the tally");
    let empty = async |stage: &Stage| stage.break_item(&buyer("zoe"), &[("t", count(0))]).await;
    assert_eq!(found(empty).await, [], "whoever gave everything back has nothing");
}

#[tokio::test]
async fn a_booking_that_vanished_leaves_its_traces() {
    let vanished = async |stage: &Stage| stage.delete(&store::keys::Key::Booking(number(1))).await;
    let kinds = found(vanished).await;
    assert_eq!(kinds, [Kind::BookingAbsent, Kind::TallyDiffers, Kind::SeatStray]);
}

#[tokio::test]
async fn fresh_bookings_places_are_looked_at_every_few_minutes() {
    let stage = Stage::open().await;
    stage.paid(1, "ada", &[1]).await;
    stage.begun(2, "bob", &[2]).await;
    stage.pass(minutes(2));
    stage.delete(&seat(1)).await;
    stage.break_item(&buyer("bob"), &[("t", count(7))]).await;
    let kinds = stage.kinds(Scope::Young).await;
    assert!(kinds.len() == 2 && kinds.contains(&Kind::SeatMissing) && kinds.contains(&Kind::TallyDiffers), "{kinds:?}");
}

#[tokio::test]
async fn more_buyers_and_bookings_than_a_page_are_all_looked_at() {
    let stage = Stage::open().await;
    for id in 0..40u128 {
        // One shard's page is 25 buyers; these fall in a few shards each.
        stage.hold(100 + id, &format!("buyer {id}"), &[]).await;
    }
    stage.hold(200, "zoe", &[1]).await;
    stage.pass(minutes(1));
    let report = stage.run(Scope::All).await;
    assert_eq!((report.bookings, report.findings.len(), report.complete), (41, 0, true), "{report:?}");
    let page = stage.store.buyers(sale::show().id, store::keys::buyer_shard(&"zoe".parse().unwrap()), None, 1).await;
    let (first, next) = page.unwrap();
    assert_eq!(first.len(), 1);
    if let Some(next) = next {
        let shard = store::keys::buyer_shard(&next);
        let (rest, _) = stage.store.buyers(sale::show().id, shard, Some(&next), 100).await.unwrap();
        assert!(rest.iter().all(|(user, _)| *user > next));
    }
}
