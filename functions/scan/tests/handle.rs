//! `scan` from recorded events to the table.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::sync::Arc;

use domain::{
    booking::{Booking, Reason, Refund, RefundStatus},
    scan::Revocation,
    ticket::{SigningKey, TicketClaim, tickets},
    time::{SignedDuration, shift},
};
use edge::{
    Body, Settings,
    metrics::{Metric, capture},
};
use scan::App;
use serde_json::{Value, json};
use store::Store;
use testkit::{
    clock::ManualClock,
    engine::{self, Engine},
    recorded::Recorded,
    sale, table,
};

const SEED: &str = "0707070707070707070707070707070707070707070707070707070707070707";

struct Setup {
    app: App,
    store: Store,
    booking: Booking,
    engine: Engine,
}

fn key() -> SigningKey {
    SEED.parse().unwrap()
}

async fn setup() -> Setup {
    let engine = Engine::temporary().await;
    let store = table::store(&engine);
    sale::publish(&store).await;
    let booking = sale::pay(&store, sale::hold(&store, |_| {}).await).await;
    let settings = Settings::new([("TICKET_SIGNING_KEY".to_owned(), SEED.to_owned())]);
    let app = App::new(&settings, store.clone(), Arc::new(ManualClock::at(sale::captured_at()))).unwrap();
    Setup { app, store, booking, engine }
}

impl Setup {
    async fn call(&self, event: &Recorded) -> (u16, Value) {
        let request = edge::http::request_from_json(&event.text()).unwrap();
        let response = scan::handle(&self.app, request).await;
        let body = match response.body() {
            Body::Text(text) => serde_json::from_str(text).unwrap(),
            Body::Binary(bytes) => serde_json::from_slice(bytes).unwrap(),
            _ => Value::Null,
        };
        (response.status().as_u16(), body)
    }

    fn codes(&self) -> Vec<String> {
        tickets(&key(), &self.booking).iter().map(|ticket| ticket.code().to_owned()).collect()
    }

    /// A scan of `code` under `attempt`.
    async fn scan(&self, attempt: &str, code: &str) -> Value {
        let event = Recorded::http("scan.admit").header("idempotency-key", attempt);
        let (status, body) = self.call(&event.body(&json!({"code": code, "gate": "north"}))).await;
        assert_eq!(status, 200, "{body}");
        body
    }
}

#[tokio::test]
async fn a_ticket_admits_once_and_a_repeat_is_answered_alike() {
    let setup = setup().await;
    let codes = setup.codes();
    let admitted = json!({
        "result": "admitted", "bookingId": setup.booking.id, "seatId": "balcony:A:2",
        "scannedAt": sale::captured_at(), "gate": "north",
    });
    assert_eq!(setup.scan("1", &codes[0]).await, admitted);
    assert_eq!(setup.scan("1", &codes[0]).await, admitted);
    let again = setup.scan("2", &format!(" {}\n", codes[0])).await;
    assert_eq!((&again["result"], &again["scannedAt"]), (&json!("already-scanned"), &json!(sale::captured_at())));
    let area = setup.scan("1", &codes[2]).await;
    assert_eq!((&area["result"], &area["areaId"], &area["number"]), (&json!("admitted"), &json!("pit"), &json!(1)));
    let (status, gates) = setup.call(&Recorded::http("scan.read-gates")).await;
    let expected = json!([{"gate": "north", "admitted": 2}]);
    assert_eq!((status, &gates["admitted"], &gates["gates"]), (200, &json!(2), &expected));
}

#[tokio::test]
async fn a_scan_without_a_name_is_a_scan_of_its_own_and_offline_times_are_told() {
    let setup = setup().await;
    let body = json!({"code": setup.codes()[0], "scannedAt": sale::held_at()});
    let event = Recorded::http("scan.admit").header("idempotency-key", "a").body(&body);
    assert_eq!(setup.call(&event).await.1["gate"], "main");
    let mut unnamed: Value = serde_json::from_str(&event.text()).unwrap();
    unnamed["headers"].as_object_mut().unwrap().remove("idempotency-key");
    let request = edge::http::request_from_json(&unnamed.to_string()).unwrap();
    let response = scan::handle(&setup.app, request).await;
    let Body::Text(text) = response.body() else { panic!("{:?}", response.body()) };
    let told: Value = serde_json::from_str(text).unwrap();
    assert_eq!((&told["result"], &told["scannedAt"]), (&json!("already-scanned"), &json!(sale::held_at())));
}

/// A code with one letter changed.
fn bent(code: &str) -> String {
    let middle = code.len() / 2;
    let other = if code.as_bytes()[middle] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &code[..middle], &code[middle + 1..])
}

#[tokio::test]
async fn what_is_no_ticket_for_this_show_is_invalid_and_says_why() {
    let setup = setup().await;
    let code = &setup.codes()[0];
    let elsewhere = TicketClaim {
        show: domain::ids::ShowId::from_uuid(uuid::Uuid::from_u128(9)),
        ..key().verifying_key().verify(code).unwrap()
    };
    let stranger = SigningKey::from_seed([8; 32]);
    let cases = [
        ("hello".to_owned(), "malformed"),
        (key().sign(&elsewhere), "other-show"),
        (stranger.sign(&elsewhere), "other-key"),
        (bent(code), "forged"),
    ];
    for (code, fault) in cases {
        assert_eq!(setup.scan("1", &code).await, json!({"result": "invalid", "fault": fault}), "{code}");
    }
    assert_eq!(setup.scan("1", code).await["result"], "admitted", "nothing of that counted as a scan");
}

#[tokio::test]
async fn a_cancelled_bookings_tickets_are_revoked_at_once() {
    let setup = setup().await;
    let code = &setup.codes()[0];
    let refund = Refund { amount_minor: 0, percent: 0, status: RefundStatus::Done };
    setup.store.cancel(&setup.booking, Reason::Buyer, refund, sale::captured_at()).await.unwrap().unwrap();
    let revoked = json!({
        "result": "revoked", "bookingId": setup.booking.id, "seatId": "balcony:A:2", "reason": "buyer",
    });
    assert_eq!(setup.scan("1", code).await, revoked);
}

#[tokio::test]
async fn only_door_staff_scan_and_only_at_shows_that_exist() {
    let setup = setup().await;
    for name in ["scan.admit", "scan.read-gates", "scan.read-revocations"] {
        let event = Recorded::http(name);
        let stranger = event.text().replace("[door]", "[organiser]");
        let request = edge::http::request_from_json(&stranger).unwrap();
        assert_eq!(scan::handle(&setup.app, request).await.status().as_u16(), 403, "{name}");
        let nowhere = event.path("showId", "shw_01990000000070008000000000000009");
        assert_eq!(setup.call(&nowhere).await.0, 404, "{name}");
    }
    let event = Recorded::http("scan.admit").body(&json!({"code": "x", "gate": "n o"}));
    assert_eq!(setup.call(&event).await.0, 400);
}

#[tokio::test]
async fn a_scanner_takes_the_key_and_the_revocations_along() {
    let setup = setup().await;
    let event = Recorded::http("scan.read-revocations");
    let (status, empty) = setup.call(&event).await;
    assert_eq!((status, &empty["revocations"], &empty["resume"]), (200, &json!([]), &Value::Null));
    let bytes =
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, empty["key"]["publicKey"].as_str().unwrap());
    let public = domain::ticket::VerifyingKey::from_bytes(&bytes.unwrap().try_into().unwrap()).unwrap();
    assert_eq!(public.verify(&setup.codes()[0]).unwrap().booking, setup.booking.id);

    let at = |seconds| shift(sale::captured_at(), SignedDuration::from_secs(seconds));
    let revocation = |number: u8, seconds| {
        let booking = domain::ids::BookingId::from_uuid(uuid::Uuid::from_u128(u128::from(number)));
        (setup.booking.show, Revocation { at: at(seconds), booking })
    };
    setup.store.revoke(&[revocation(1, 0), revocation(2, 3_600)]).await.unwrap();
    let (_, first) = setup.call(&event.clone().query(&[("limit", "1")])).await;
    assert_eq!(first["revocations"][0]["revokedAt"], json!(at(0)));
    let (_, second) = setup.call(&event.clone().query(&[("cursor", first["nextCursor"].as_str().unwrap())])).await;
    assert_eq!((second["revocations"].as_array().unwrap().len(), &second["nextCursor"]), (1, &Value::Null));
    // One that is written late, with a time from before what the scanner has seen.
    setup.store.revoke(&[revocation(3, 3_500)]).await.unwrap();
    let (_, resumed) = setup.call(&event.clone().query(&[("cursor", second["resume"].as_str().unwrap())])).await;
    let times: Vec<&Value> = resumed["revocations"].as_array().unwrap().iter().map(|it| &it["revokedAt"]).collect();
    assert_eq!(times, [&json!(at(3_500)), &json!(at(3_600))], "nothing that comes late is missed");
    assert_eq!(setup.call(&event.clone().query(&[("cursor", "bogus")])).await.0, 400);
}

#[tokio::test]
async fn scans_are_counted_and_a_lost_answer_is_a_503_that_may_be_asked_again() {
    let setup = setup().await;
    let code = setup.codes()[0].clone();
    let (_, samples) = capture(sale::captured_at(), setup.scan("1", &code)).await;
    assert_eq!((samples[0].metric, samples[0].value), (Metric::TicketsAdmitted, 1));
    let (_, samples) = capture(sale::captured_at(), setup.scan("2", &code)).await;
    assert_eq!((samples[0].metric, samples[0].value), (Metric::TicketsTurnedAway, 1));
    let event = Recorded::http("scan.admit").header("idempotency-key", "3");
    let event = event.body(&json!({"code": setup.codes()[1]}));
    setup.engine.set_fault(Some(Arc::new(|_| engine::Fault::Throttle)));
    assert_eq!(setup.call(&event).await.0, 503);
    setup.engine.set_fault(None);
    assert_eq!(setup.call(&event).await.1["result"], "admitted");
}
