//! The waitlist of a sold-out show, from a name to a sale, over HTTP.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use domain::time::{Clock, SignedDuration, shift};
use mail_parser::MessageParser;
use outbound::clock::SystemClock;
use serde_json::{Value, json};
use testkit::{clock::ManualClock, engine::Fault};

use crate::support::{Answer, Person, Stage, eventually, id, seat};

/// Three seats in a row: what is sold out soon.
fn parlour() -> Value {
    let seat = |number: u32| {
        json!({
            "seat_guid": format!("P-{number}"), "seat_number": number.to_string(), "category": "Standard",
            "position": {"x": number * 30, "y": 0},
        })
    };
    json!({
        "name": "The Parlour", "size": {"width": 200, "height": 100},
        "categories": [{"name": "Standard", "color": "#336699"}],
        "zones": [{"name": "Hall", "position": {"x": 0, "y": 0}, "rows": [
            {"row_number": "A", "position": {"x": 0, "y": 0}, "seats": [seat(1), seat(2), seat(3)]},
        ]}],
    })
}

/// A stage whose show is the parlour's, with every seat sold to Zoe; her booking of each.
async fn sold_out(clock: Arc<dyn Clock>, settings: &[(&str, &str)]) -> (Stage, Person, Vec<Value>) {
    let mut stage = Stage::with(settings, clock).await;
    // The schedule's ticks come when a test makes them.
    stage.platform.knobs().pause_schedules(true);
    stage.show = stage.publish(&parlour(), &json!({"standard": 17_800})).await;
    let zoe = stage.buyer("zoe");
    let mut sold = Vec::new();
    for number in 1..=3 {
        sold.push(zoe.buy(&[seat("A", number)]).await);
    }
    eventually("the map shows that it is sold out", async || (stage.counts().await == (0, 0, 3)).then_some(())).await;
    (stage, zoe, sold)
}

async fn join(stage: &Stage, buyer: &Person, quantity: u32) -> Answer {
    buyer.post(&format!("/v1/shows/{}/waitlist", stage.show), &json!({"quantity": quantity})).await
}

async fn leave(stage: &Stage, buyer: &Person) -> Answer {
    buyer.delete_at(&format!("/v1/shows/{}/waitlist", stage.show)).await
}

async fn entry(stage: &Stage, buyer: &Person) -> Value {
    buyer.get(&format!("/v1/shows/{}/waitlist", stage.show)).await.expect(200)
}

async fn becomes(stage: &Stage, buyer: &Person, state: &str) -> Value {
    eventually(state, async || Some(entry(stage, buyer).await).filter(|entry| entry["state"] == state)).await
}

/// The text of the newest mail to `name` with this subject, once it is sent.
async fn told(stage: &Stage, name: &str, subject: &str) -> String {
    let address = format!("{name}@example.com");
    eventually("the mail is sent", async || {
        let mails = stage.platform.mailer().sent().into_iter().rev().filter(|mail| mail.to == address);
        let mut texts = mails.map(|mail| {
            let parsed = MessageParser::default().parse(&mail.mime).unwrap();
            format!("{}\n{}", parsed.subject().unwrap(), parsed.body_text(0).unwrap())
        });
        texts.find(|text| text.starts_with(subject))
    })
    .await
}

/// What instances remember of a show is over after this.
const FORGOTTEN: Duration = Duration::from_millis(3_200);

#[tokio::test(flavor = "multi_thread")]
async fn seats_that_return_go_down_the_line_and_are_nobody_elses_until_nobody_waits() {
    let (stage, zoe, sold) = sold_out(Arc::new(SystemClock), &[("WAITLIST_OFFER_SECONDS", "6")]).await;
    let (ada, bob, cleo) = (stage.buyer("ada"), stage.buyer("bob"), stage.buyer("cleo"));
    for (position, buyer) in [&ada, &bob, &cleo].into_iter().enumerate() {
        let entry = join(&stage, buyer, 1).await.expect(201);
        assert_eq!((&entry["state"], &entry["position"]), (&json!("WAITING"), &json!(position + 1)));
    }
    tokio::time::sleep(FORGOTTEN).await;
    stage.platform.knobs().pause_events(true);
    zoe.delete(&sold[1]).await.expect(200);
    // It has returned, and nobody has offered it yet: it is kept all the same.
    let eve = stage.buyer("eve");
    let problem = eve.hold(&[seat("A", 2)]).await.problem(409, "waitlisted");
    assert_eq!(problem["waitlisted"], json!([seat("A", 2)]));
    let best = format!("/v1/shows/{}/best-available", stage.show);
    eventually("the map shows it free", async || (stage.counts().await.0 == 1).then_some(())).await;
    eve.post_as("best", &best, &json!({"quantity": 1})).await.problem(409, "waitlisted");
    eve.hold(&[seat("A", 1)]).await.problem(409, "seat-unavailable");
    stage.platform.knobs().pause_events(false);

    let offered = becomes(&stage, &ada, "OFFERED").await;
    let mail = told(&stage, "ada", "Your turn").await;
    assert!(mail.contains("Pay by") && mail.contains(id(&offered)), "{mail}");
    let booking = ada.booking(&offered).await;
    assert_eq!((&booking["status"], &booking["offered"]), (&json!("PENDING"), &json!(true)));
    assert_eq!(booking["seats"][0]["seatId"], seat("A", 2));
    eve.hold(&[seat("A", 2)]).await.problem(409, "seat-unavailable");
    let confirmed = ada.confirm(&offered).await.expect(200);
    ada.pay_with(&confirmed, "pm_card_visa").await.expect(200);
    becomes(&stage, &ada, "FULFILLED").await;

    // The next is not quick enough: it goes on to the third, who gives it back, and then anybody may have it.
    zoe.delete(&sold[0]).await.expect(200);
    let lapsed = becomes(&stage, &bob, "OFFERED").await;
    becomes(&stage, &bob, "LAPSED").await;
    assert!(told(&stage, "bob", "Your turn has passed").await.contains("off the list"));
    let third = becomes(&stage, &cleo, "OFFERED").await;
    assert_ne!(third["bookingId"], lapsed["bookingId"]);
    cleo.delete(&third).await.expect(200);
    becomes(&stage, &cleo, "LAPSED").await;
    let held = eventually("it is on sale again", async || {
        let answer = eve.hold(&[seat("A", 1)]).await;
        (answer.status == 201).then_some(answer.body)
    })
    .await;
    assert_eq!(held["status"], "PENDING");
    let sales = stage.organiser().get(&format!("/v1/shows/{}/sales", stage.show)).await.expect(200);
    assert_eq!(sales["waitlist"], json!({"waiting": 0, "offered": 0}));
}

/// How long the other side of a race may take.
const TRIED_WITHIN: Duration = Duration::from_secs(20);

fn is_booking(item: &Value) -> bool {
    item["PK"]["S"].as_str().is_some_and(|key| key.starts_with("BOOKING#"))
}

/// The parlour with three places to stand.
fn parlour_with_lawn() -> Value {
    let mut plan = parlour();
    plan["zones"][0]["areas"] = json!([{
        "name": "Lawn", "capacity": 3, "category": "Standard", "shape": "rectangle",
        "position": {"x": 0, "y": 60}, "rectangle": {"width": 90, "height": 30},
    }]);
    plan
}

#[tokio::test(flavor = "multi_thread")]
async fn what_returns_between_two_tries_of_a_hold_is_the_lines() {
    let mut stage = Stage::open().await;
    stage.platform.knobs().pause_schedules(true);
    stage.show = stage.publish(&parlour_with_lawn(), &json!({"standard": 17_800})).await;
    let zoe = stage.buyer("zoe");
    let lawn = |quantity: u32| json!({"areas": [{"areaId": "lawn", "quantity": quantity}]});
    zoe.hold(&[seat("A", 1), seat("A", 2), seat("A", 3)]).await.expect(201);
    let (first, _) =
        (zoe.hold_as("first", &lawn(1)).await.expect(201), zoe.hold_as("other", &lawn(1)).await.expect(201));
    eventually("the map shows it", async || (stage.counts().await == (0, 3, 0)).then_some(())).await;
    let (ada, eve) = (stage.buyer("ada"), stage.buyer("eve"));
    join(&stage, &ada, 2).await.expect(201);
    tokio::time::sleep(FORGOTTEN).await;
    stage.platform.knobs().pause_events(true);
    // One place is left, and Ada waits for two: it is on sale. While Eve's claim meets somebody else's, another returns.
    let (ask, asked) = std::sync::mpsc::channel::<()>();
    let (answer, answered) = std::sync::mpsc::channel::<()>();
    let lines = Mutex::new(Some((ask, answered)));
    stage.platform.engine().set_fault(Some(Arc::new(move |call| {
        let body: Value = serde_json::from_slice(call.body).unwrap();
        let mut actions = body["TransactItems"].as_array().into_iter().flatten();
        let is_claim = actions.any(|action| is_booking(&action["Put"]["Item"]));
        let Some((ask, answered)) = lines.lock().unwrap().take_if(|_| is_claim) else { return Fault::None };
        ask.send(()).unwrap();
        tokio::task::block_in_place(|| answered.recv_timeout(TRIED_WITHIN).unwrap());
        Fault::TransactionConflict
    })));
    let returns = async {
        tokio::task::spawn_blocking(move || asked.recv_timeout(TRIED_WITHIN).unwrap()).await.unwrap();
        zoe.delete(&first).await.expect(200);
        answer.send(()).unwrap();
    };
    let wanted = lawn(1);
    let (refused, ()) = futures::join!(eve.hold_as("quick", &wanted), returns);
    let problem = refused.problem(409, "waitlisted");
    assert_eq!(problem["waitlisted"], json!(["lawn"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_lost_the_schedule_alone_serves_the_list() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let (stage, zoe, sold) = sold_out(clock.clone(), &[]).await;
    let (ada, bob) = (stage.buyer("ada"), stage.buyer("bob"));
    join(&stage, &ada, 1).await.expect(201);
    join(&stage, &bob, 1).await.expect(201);
    stage.lose_all_timers();
    stage.platform.knobs().pause_events(true);
    zoe.delete(&sold[0]).await.expect(200);
    eventually("the map shows it free", async || (stage.counts().await.0 == 1).then_some(())).await;
    let tick = async || stage.platform.invoke("offer", json!({})).await.unwrap();
    tick().await;
    let offered = entry(&stage, &ada).await;
    assert_eq!(offered["state"], "OFFERED");
    clock.set(shift(offered["expiresAt"].as_str().unwrap().parse().unwrap(), SignedDuration::from_secs(1)));
    stage.platform.tick().await.unwrap();
    assert_eq!(entry(&stage, &ada).await["state"], "LAPSED", "as its booking says, before anybody wrote it down");
    eventually("the map shows it free again", async || (stage.counts().await.0 == 1).then_some(())).await;
    tick().await;
    assert_eq!(entry(&stage, &bob).await["state"], "OFFERED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_put_down_once_and_only_for_what_cannot_be_had() {
    let (stage, zoe, sold) = sold_out(Arc::new(SystemClock), &[]).await;
    let (ada, path) = (stage.buyer("ada"), format!("/v1/shows/{}/waitlist", stage.show));
    ada.get(&path).await.problem(404, "not-found");
    ada.post(&path, &json!({"quantity": 0})).await.problem(400, "bad-request");
    ada.post(&path, &json!({"quantity": 1, "when": "now"})).await.problem(400, "bad-request");
    ada.post(&path, &json!({"quantity": 1, "category": "royal"})).await.problem(422, "invalid");
    let problem = ada.post(&path, &json!({"quantity": 7})).await.problem(409, "buyer-limit");
    assert_eq!((&problem["limit"], &problem["held"]), (&json!(6), &json!(0)));
    // What she has counts.
    let problem = zoe.post(&path, &json!({"quantity": 4})).await.problem(409, "buyer-limit");
    assert_eq!(problem["held"], 3);
    stage.buyer("olga").post("/v1/shows/nonsense/waitlist", &json!({"quantity": 1})).await.problem(404, "not-found");

    let first = join(&stage, &ada, 2).await.expect(201);
    let bob = stage.buyer("bob");
    join(&stage, &bob, 1).await.expect(201);
    for quantity in [2, 1] {
        let again = join(&stage, &ada, quantity).await.expect(201);
        assert_eq!((&again["joinedAt"], &again["position"]), (&first["joinedAt"], &json!(1)), "the same place");
    }
    assert_eq!(entry(&stage, &ada).await["quantity"], 1);
    let left = leave(&stage, &ada).await.expect(200);
    assert_eq!((&left["state"], &left["position"]), (&json!("LEFT"), &Value::Null));
    assert_eq!(leave(&stage, &ada).await.expect(200)["state"], "LEFT");
    assert_eq!(join(&stage, &ada, 1).await.expect(201)["position"], 2, "last, once she was off");

    // A pair is sold out also when single seats are on sale.
    for buyer in [&ada, &bob] {
        leave(&stage, buyer).await.expect(200);
    }
    stage.platform.invoke("offer", json!({})).await.unwrap();
    tokio::time::sleep(FORGOTTEN).await;
    zoe.delete(&sold[2]).await.expect(200);
    eventually("the map shows it free", async || (stage.counts().await.0 == 1).then_some(())).await;
    join(&stage, &ada, 1).await.problem(409, "not-sold-out");
    join(&stage, &ada, 2).await.expect(201);
    tokio::time::sleep(FORGOTTEN).await;
    bob.hold(&[seat("A", 3)]).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_offer_is_paid_or_given_back_and_nothing_else() {
    let (stage, zoe, sold) = sold_out(Arc::new(SystemClock), &[]).await;
    let ada = stage.buyer("ada");
    join(&stage, &ada, 1).await.expect(201);
    tokio::time::sleep(FORGOTTEN).await;
    zoe.delete(&sold[0]).await.expect(200);
    let offered = becomes(&stage, &ada, "OFFERED").await;
    let problem = leave(&stage, &ada).await.problem(409, "offer-open");
    assert_eq!(problem["bookingId"], offered["bookingId"]);
    join(&stage, &ada, 2).await.problem(409, "offer-open");
    assert_eq!(
        join(&stage, &ada, 1).await.expect(201)["bookingId"],
        offered["bookingId"],
        "asked again, it is the same"
    );
    ada.delete(&offered).await.expect(200);
    let lapsed = entry(&stage, &ada).await;
    assert_eq!(lapsed["state"], "LAPSED");
    // Nobody else waits: whoever was quickest has it now, and she may put her name down again when it is sold.
    leave(&stage, &ada).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_taken_while_a_show_may_still_sell() {
    let (stage, _, _) = sold_out(Arc::new(SystemClock), &[]).await;
    let (olga, path) = (stage.organiser(), format!("/v1/shows/{}", stage.show));
    let (ada, bob) = (stage.buyer("ada"), stage.buyer("bob"));
    olga.patch(&path, &json!({"status": "PAUSED"})).await.expect(200);
    join(&stage, &ada, 1).await.expect(201);
    for status in ["CLOSED", "CANCELLED"] {
        olga.patch(&path, &json!({"status": status})).await.expect(200);
        let wish = json!({"quantity": 1, "category": "royal"});
        let asked = async || bob.post(&format!("{path}/waitlist"), &wish).await.status;
        eventually("it is seen", async || (asked().await == 409).then_some(())).await;
        join(&stage, &bob, 1).await.problem(409, "not-on-sale");
    }
    becomes(&stage, &ada, "ENDED").await;
    stage.platform.invoke("offer", json!({})).await.unwrap();
    assert_eq!(stage.platform.store().waitlists().await.unwrap(), []);
}
