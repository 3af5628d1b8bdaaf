//! General admission: places by the number, counted in shards.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Answer, PRICE_MINOR, Stage, eventually, hall, seat};

/// Places of the lawn: counted in three shards.
const LAWN_PLACES: u32 = 1_201;

/// The hall with a lawn, overbooked by so many percent.
async fn open(overbooking_percent: u32) -> Stage {
    let mut plan = hall();
    plan["zones"][0]["areas"][0]["name"] = json!("Lawn");
    plan["zones"][0]["areas"][0]["capacity"] = json!(LAWN_PLACES);
    let mut stage = Stage::open().await;
    let more = json!({"overbookingPercent": overbooking_percent, "maxSeatsPerBuyer": 10});
    stage.show = stage.publish_with(&plan, &json!({"standard": PRICE_MINOR}), more).await;
    stage
}

fn lawn(quantity: u32) -> Value {
    json!({"areas": [{"areaId": "lawn", "quantity": quantity}]})
}

/// Places left of the lawn, shard by shard.
async fn left(stage: &Stage) -> Vec<u32> {
    let (show, area) = (stage.show.parse().unwrap(), "lawn".parse().unwrap());
    let shards = domain::catalogue::area_shards(LAWN_PLACES);
    let left = stage.platform.store().area_shards_at_once(show, &area, shards).await.unwrap();
    left.into_iter().map(|(_, left)| left).collect()
}

/// Everybody takes some, at the same time: what each asked for, with the answer.
async fn rush(stage: &Stage, round: u32, quantities: impl Iterator<Item = u32>) -> Vec<(u32, Answer)> {
    let claims = quantities.enumerate().map(|(number, quantity)| {
        let buyer = stage.buyer(&format!("buyer {round}-{number}"));
        async move {
            // What the table is too busy for may be asked for again under its key.
            loop {
                let answer = buyer.hold_as("k", &lawn(quantity)).await;
                if answer.status != 503 {
                    return (quantity, answer);
                }
            }
        }
    });
    claims.collect::<JoinSet<_>>().join_all().await
}

fn held(answers: &[(u32, Answer)]) -> u32 {
    let won = answers.iter().filter(|(_, answer)| answer.status == 201);
    won.map(|(quantity, answer)| {
        let areas = answer.body["areas"].as_array().unwrap();
        assert_eq!((areas.len(), areas[0]["quantity"].as_u64()), (1, Some(u64::from(*quantity))), "{}", answer.body);
        *quantity
    })
    .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_area_sells_to_its_last_place_from_whatever_shards_have_them_and_not_beyond() {
    let stage = open(0).await;
    let first = rush(&stage, 1, (0..110).map(|_| 10)).await;
    assert_eq!(held(&first), 1_100, "while there is enough, nobody is refused");
    // Now shards run out, each at its own moment.
    let second = rush(&stage, 2, (0..60).map(|number| 1 + number * 7 % 10)).await;
    let remaining: u32 = left(&stage).await.iter().sum();
    assert_eq!(held(&second), 101 - remaining);
    for (quantity, answer) in second.into_iter().filter(|(_, answer)| answer.status != 201) {
        assert!(quantity > remaining, "{quantity} were refused while {remaining} are left");
        assert_eq!(answer.problem(409, "seat-unavailable")["unavailable"], json!(["lawn"]));
    }
    for number in 0..remaining {
        stage.buyer(&format!("last {number}")).hold_as("k", &lawn(1)).await.expect(201);
    }
    stage.buyer("late").hold_as("k", &lawn(1)).await.problem(409, "seat-unavailable");
    assert_eq!(left(&stage).await, [0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_takes_from_several_shards_when_no_single_one_has_enough_and_gives_each_back_its_own() {
    let stage = open(0).await;
    // All but a few: what is left is spread over the shards.
    let mut takers = 0;
    while left(&stage).await.iter().any(|left| *left > 9) {
        takers += 1;
        let remaining: u32 = left(&stage).await.iter().sum();
        stage.buyer(&format!("taker {takers}")).hold_as("k", &lawn(remaining.min(10))).await.expect(201);
        if remaining < 40 {
            break;
        }
    }
    let before = left(&stage).await;
    let sum: u32 = before.iter().sum();
    let wanted = sum.min(10);
    let ada = stage.buyer("ada");
    let mixed = json!({"seatIds": [seat("A", 1)], "areas": [{"areaId": "lawn", "quantity": wanted.min(9)}]});
    let booking = ada.hold_as("k", &mixed).await.expect(201);
    assert_eq!(booking["total"]["amountMinor"], json!(i64::from(wanted.min(9) + 1) * PRICE_MINOR));
    assert_eq!(left(&stage).await.iter().sum::<u32>(), sum - wanted.min(9));
    ada.delete(&booking).await.expect(200);
    assert_eq!(left(&stage).await, before);
}

/// Places that come and go never make the area look sold out while it is not: of a hundred, at most ninety are held.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_sold_out_while_places_come_and_go_and_enough_are_left() {
    let stage = open(0).await;
    let mut taken = rush(&stage, 1, (0..110).map(|_| 10)).await;
    taken.truncate(110);
    assert_eq!(held(&taken), 1_100);
    let people = (0..9).map(|number| {
        let buyer = stage.buyer(&format!("regular {number}"));
        async move {
            let mut answers: BTreeMap<u16, u32> = BTreeMap::new();
            for round in 0..12 {
                let answer = buyer.hold_as(&format!("k{round}"), &lawn(10)).await;
                *answers.entry(answer.status).or_default() += 1;
                if answer.status == 201 {
                    buyer.delete(&answer.body).await.expect(200);
                }
            }
            answers
        }
    });
    for answers in people.collect::<JoinSet<_>>().join_all().await {
        assert!(answers.keys().all(|status| [201, 503].contains(status)), "{answers:?}");
    }
    assert_eq!(left(&stage).await.iter().sum::<u32>(), 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overbooked_area_sells_what_its_show_allows_beyond_the_capacity() {
    let stage = open(5).await;
    assert_eq!(left(&stage).await.iter().sum::<u32>(), LAWN_PLACES + 60, "five percent, rounded down");
    let show = stage.get(&format!("/v1/shows/{}", stage.show)).await.expect(200);
    assert_eq!(show["overbookingPercent"], json!(5));
    let answers = rush(&stage, 1, (0..130).map(|_| 10)).await;
    assert_eq!(held(&answers), 1_260);
    stage.buyer("last").hold_as("k", &lawn(1)).await.expect(201);
    stage.buyer("late").hold_as("k", &lawn(1)).await.problem(409, "seat-unavailable");
    let sales = format!("/v1/shows/{}/sales", stage.show);
    eventually("the figures agree", async || {
        let area = &stage.organiser().get(&sales).await.expect(200)["areas"][0];
        (area["capacity"] == json!(LAWN_PLACES) && area["taken"] == json!(LAWN_PLACES + 60)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_five_percent_are_overbooked() {
    let stage = Stage::open().await;
    let organiser = stage.organiser();
    let show = organiser.get(&format!("/v1/shows/{}", stage.show)).await.expect(200);
    let wanted = json!({
        "venueId": show["venueId"], "startsAt": "2090-01-01T14:00:00Z", "onSaleAt": "2020-01-01T00:00:00Z",
        "currency": "INR", "prices": {"standard": PRICE_MINOR}, "overbookingPercent": 6,
    });
    let path = format!("/v1/events/{}/shows", show["eventId"].as_str().unwrap());
    let problem = organiser.post(&path, &wanted).await.problem(422, "invalid");
    assert_eq!(problem["faults"][0]["pointer"], "/overbookingPercent");
}
