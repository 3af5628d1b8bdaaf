//! House seats.

use domain::{availability::SeatState, ids::SectionId};
use serde_json::{Value, json};
use testkit::{recorded::Recorded, sale};

use crate::setup::{Setup, published};

async fn row(setup: &Setup) -> Vec<(String, SeatState)> {
    let section: SectionId = "balcony".parse().unwrap();
    let states = setup.store.row_states(sale::show().id, &section, &"A".parse().unwrap()).await.unwrap();
    states.into_iter().map(|(seat, state)| (seat.to_string(), state)).collect()
}

#[tokio::test]
async fn ranges_of_house_seats_are_given_to_a_channel_all_or_none() {
    let setup = published().await;
    let allocate = Recorded::http("organise.allocate-seats");
    for _ in 0..2 {
        let (status, job) = setup.call(&allocate).await;
        assert_eq!(
            (status, &job["progress"], &job["done"], &job["total"]),
            (202, &json!("done"), &json!(2), &json!(2))
        );
        assert_eq!(row(&setup).await, [("2".to_owned(), SeatState::Blocked), ("3".to_owned(), SeatState::Blocked)]);
    }
    let with = |key: &str, body: Value| allocate.clone().header("idempotency-key", key).body(&body);
    let whole = json!({"ranges": [{"sectionId": "balcony"}], "action": "release"});
    assert_eq!(setup.call(&with("r", whole.clone())).await.1["progress"], "done");
    assert_eq!(row(&setup).await, []);
    sale::hold(&setup.store, |booking| booking.seats.truncate(1)).await;
    let block = json!({"ranges": [{"sectionId": "balcony", "row": "A"}]});
    let (status, problem) = setup.call(&with("b", block)).await;
    assert_eq!((status, &problem["unavailable"]), (409, &json!(["balcony:A:2"])));
    assert_eq!(row(&setup).await.len(), 1, "nothing is blocked");
    for (body, status) in [
        (json!({"ranges": [{"sectionId": "balcony", "row": "A", "from": "3", "to": "1"}]}), 422),
        (json!({"ranges": [{"sectionId": "balcony"}, {"sectionId": "balcony", "row": "A"}]}), 422),
        (json!({"ranges": [{"sectionId": "cellar"}]}), 422),
        (json!({"ranges": [{"sectionId": "balcony"}], "action": "allocate"}), 400),
        (json!({"ranges": [{"sectionId": "balcony"}], "channel": "sponsor"}), 400),
        (json!({"ranges": [{"sectionId": "balcony"}], "seatIds": ["balcony:A:1"]}), 400),
        (json!({"seatIds": ["balcony:A:1"], "action": "allocate", "channel": "sponsor"}), 400),
    ] {
        assert_eq!(setup.call(&with("refused", body.clone())).await.0, status, "{body}");
    }
    let (status, _) = setup.call(&with("r", json!({"ranges": [{"sectionId": "balcony", "row": "A"}]}))).await;
    assert_eq!(status, 422, "the key was another job's");
    let (status, _) = setup.call(&allocate.clone().by("somebody", "organiser")).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn house_seats_are_blocked_and_released_all_or_none() {
    let setup = published().await;
    let block = Recorded::http("organise.block-seats");
    let with = |seats: &[&str], action: &str| block.clone().body(&json!({"seatIds": seats, "action": action}));
    for _ in 0..2 {
        let (status, body) = setup.call(&block).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(row(&setup).await, [("1".to_owned(), SeatState::Blocked), ("3".to_owned(), SeatState::Blocked)]);
    }
    assert_eq!(setup.call(&with(&["balcony:A:1", "balcony:A:2"], "release")).await.0, 200);
    assert_eq!(row(&setup).await, [("3".to_owned(), SeatState::Blocked)]);
    let booking = sale::hold(&setup.store, |_| ()).await;
    for action in ["block", "release"] {
        let (status, problem) = setup.call(&with(&["balcony:A:3", "balcony:A:1", "balcony:A:2"], action)).await;
        assert_eq!(status, 409, "{problem}");
        assert_eq!(problem["unavailable"], json!(["balcony:A:1", "balcony:A:2"]));
    }
    assert_eq!(row(&setup).await.len(), 3, "the seats of {} are as they were", booking.id);
    let (status, problem) = setup.call(&with(&["balcony:A:9", "stalls:A:1"], "block")).await;
    assert_eq!((status, &problem["unknown"]), (404, &json!(["balcony:A:9", "stalls:A:1"])));
    for seats in [vec![], vec!["balcony:A:1", "balcony:A:1"], vec!["nonsense"]] {
        assert_eq!(setup.call(&with(&seats, "block")).await.0, 400, "{seats:?}");
    }
}
