//! At the door, while people buy and cancel.

use serde_json::{Value, json};

use crate::support::{Stage, eventually, id, seat};

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_of_a_ticket_comes_in_once_and_one_who_cancelled_does_not() {
    let stage = Stage::open().await;
    let (ada, bob, door) = (stage.buyer("ada"), stage.buyer("bob"), stage.person("dora", &["door"]));
    let scans = format!("/v1/shows/{}/scans", stage.show);
    let mut codes = Vec::new();
    for (buyer, row) in [(&ada, "A"), (&bob, "B")] {
        let booking = buyer.buy(&[seat(row, 1)]).await;
        let path = format!("/v1/bookings/{}/tickets", id(&booking));
        let tickets = eventually("the tickets", async || {
            let answer = buyer.get(&path).await;
            (answer.status == 200).then_some(answer.body)
        });
        codes.push((booking, tickets.await["tickets"][0]["code"].as_str().unwrap().to_owned()));
    }
    let scan = async |code: &str| door.post(&scans, &json!({"code": code, "gate": "north"})).await.expect(200);
    assert_eq!(scan(&codes[0].1).await["result"], "admitted");
    assert_eq!(scan(&codes[0].1).await["result"], "already-scanned");
    bob.delete(&codes[1].0).await.expect(200);
    let revoked = scan(&codes[1].1).await;
    assert_eq!((&revoked["result"], &revoked["reason"]), (&json!("revoked"), &json!("buyer")));
    let gates = door.get(&scans).await.expect(200);
    assert_eq!(gates["gates"], json!([{"gate": "north", "admitted": 1}]));

    let path = format!("/v1/shows/{}/revocations", stage.show);
    let list = eventually("the revocation reaches the scanners", async || {
        let list = door.get(&path).await.expect(200);
        (list["revocations"] != json!([])).then_some(list)
    })
    .await;
    let revoked: Vec<&Value> = list["revocations"].as_array().unwrap().iter().map(|it| &it["bookingId"]).collect();
    assert_eq!(revoked, [&codes[1].0["bookingId"]]);
    stage.organiser().post(&scans, &json!({"code": codes[0].1})).await.problem(403, "forbidden");
}
