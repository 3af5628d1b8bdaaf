//! `live` from the gateway's events to what a connection is told.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use domain::{
    ProviderError,
    availability::{SeatState, pack},
    ids::ConnectionId,
    live::Topic,
};
use edge::{
    Settings,
    live::SocketEvent,
    metrics::{Metric, Sample, capture},
};
use live::App;
use outbound::live::{Connections, Posted};
use serde_json::{Value, json};
use store::{Store, keys::WATCHER_SHARDS};
use testkit::{
    clock::ManualClock,
    engine::{Engine, Fault},
    recorded, sale, table,
};

/// Connections that write down what they are told.
#[derive(Default)]
struct Told {
    messages: Mutex<Vec<(String, Value)>>,
    closed: Mutex<Vec<String>>,
}

#[async_trait]
impl Connections for Told {
    async fn post(&self, connection: &ConnectionId, message: &str) -> Result<Posted, ProviderError> {
        self.messages.lock().unwrap().push((connection.to_string(), serde_json::from_str(message).unwrap()));
        Ok(Posted::Sent)
    }

    async fn close(&self, connection: &ConnectionId) -> Result<(), ProviderError> {
        self.closed.lock().unwrap().push(connection.to_string());
        Ok(())
    }
}

struct Stage {
    engine: Engine,
    store: Store,
    told: Arc<Told>,
    app: App,
}

impl Stage {
    async fn open(watchers_max: u32) -> Self {
        let engine = Engine::temporary().await;
        let store = table::store(&engine);
        sale::publish(&store).await;
        let told = Arc::<Told>::default();
        let settings = Settings::new([("LIVE_WATCHERS_MAX".to_owned(), watchers_max.to_string())]);
        let clock = Arc::new(ManualClock::at(sale::held_at()));
        let app = App::new(&settings, store.clone(), Arc::clone(&told) as _, clock);
        Self { engine, store, told, app }
    }

    async fn send(&self, event: &Value) -> u16 {
        let event: SocketEvent = serde_json::from_value(event.clone()).unwrap();
        live::handle(&self.app, event).await.status_code
    }

    /// The recorded event, of another connection.
    async fn recorded(&self, name: &str, connection: &str) -> u16 {
        let mut event = recorded::value(name);
        event["requestContext"]["connectionId"] = json!(connection);
        self.send(&event).await
    }

    /// Says something, and answers what the connection was told since it was last looked at.
    async fn say(&self, body: &str) -> Vec<Value> {
        let mut event = recorded::value("live.ping");
        event["requestContext"]["connectionId"] = json!("c1=");
        event["body"] = json!(body);
        assert_eq!(self.send(&event).await, 200, "whatever was said");
        self.told()
    }

    fn told(&self) -> Vec<Value> {
        std::mem::take(&mut *self.told.messages.lock().unwrap()).into_iter().map(|(_, message)| message).collect()
    }

    /// The balcony's first seat is sold, and its map says so.
    async fn sell(&self, sequence: u32) {
        let (section, row) = (&sale::plan().sections[0], &sale::plan().sections[0].rows[0]);
        let states = [("1".parse().unwrap(), SeatState::Sold)].into();
        let packed = pack(row, &states, sequence.to_string());
        self.store.put_row(sale::show().id, &section.id, &row.id, &packed, sale::held_at()).await.unwrap();
    }
}

fn show() -> String {
    sale::show().id.to_string()
}

fn section(version: u64, seats: &str) -> Value {
    json!({"type": "section", "showId": show(), "sectionId": "balcony", "version": version, "seats": seats})
}

fn subscribed(sections: &[&str], counts: bool) -> Value {
    json!({"type": "subscribed", "showId": show(), "sections": sections, "counts": counts})
}

#[tokio::test]
async fn the_recorded_life_of_a_connection_may_be_lived_twice() {
    let stage = Stage::open(10).await;
    for _ in 0..2 {
        for name in ["connect", "subscribe", "subscribe", "ping", "unsubscribe", "disconnect", "disconnect"] {
            assert_eq!(stage.recorded(&format!("live.{name}"), "c1=").await, 200, "{name}");
        }
        let told = stage.told();
        let kinds: Vec<&str> = told.iter().map(|message| message["type"].as_str().unwrap()).collect();
        let expected = ["section", "counts", "subscribed", "section", "counts", "subscribed", "pong", "subscribed"];
        assert_eq!(kinds, expected);
        assert_eq!(told[7], subscribed(&[], true));
        let balcony = Topic::Section(sale::show().id, "balcony".parse().unwrap());
        assert!(stage.store.watchers(&balcony, sale::held_at()).await.unwrap().is_empty());
        assert!(stage.store.watchers(&Topic::Counts(sale::show().id), sale::held_at()).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_connection_opens_about_a_show_that_there_is() {
    let stage = Stage::open(10).await;
    let mut event = recorded::value("live.connect");
    for (query, status) in [
        (json!({"show": show()}), 200),
        (json!({"show": "shw_00000000000000000000000000000000"}), 404),
        (json!({"show": "the one tonight"}), 404),
        (json!({"show": ""}), 400),
        (json!({"event": show()}), 400),
        (Value::Null, 400),
    ] {
        event["queryStringParameters"] = query.clone();
        assert_eq!(stage.send(&event).await, status, "{query}");
    }
    stage.engine.set_fault(Some(Arc::new(|_| Fault::Throttle)));
    event["queryStringParameters"] = json!({"show": show()});
    assert_eq!(stage.send(&event).await, 503);
    assert!(stage.told().is_empty(), "nobody can be told before the connection is open");
}

#[tokio::test]
async fn who_subscribes_is_told_what_they_lack() {
    let stage = Stage::open(10).await;
    stage.recorded("live.connect", "c1=").await;
    let counts = json!({
        "type": "counts", "showId": show(), "asOf": "2026-11-22T15:00:00Z",
        "sections": [{
            "sectionId": "balcony", "total": 3, "available": 2, "held": 0, "sold": 1, "blocked": 0, "version": 1,
        }],
        "areas": [{"areaId": "pit", "remaining": 50}],
    });
    stage.sell(1).await;
    let told = stage.say(r#"{"action":"subscribe","sections":["balcony"]}"#).await;
    assert_eq!(told, [section(1, "gA=="), subscribed(&["balcony"], false)]);
    let told = stage.say(r#"{"action":"subscribe","sections":["balcony"],"versions":{"balcony":1}}"#).await;
    assert_eq!(told, [subscribed(&["balcony"], false)], "after a reconnect, nothing that is known");
    let told = stage.say(r#"{"action":"subscribe","counts":true}"#).await;
    assert_eq!(told, [counts, subscribed(&["balcony"], true)]);
    stage.sell(2).await;
    let told = stage.say(r#"{"action":"subscribe","sections":["balcony"],"versions":{"balcony":1}}"#).await;
    assert_eq!(told, [section(2, "gA=="), subscribed(&["balcony"], true)]);
}

#[tokio::test]
async fn a_ping_brings_what_was_lost_on_the_way() {
    let stage = Stage::open(10).await;
    stage.recorded("live.connect", "c1=").await;
    let pong = json!({"type": "pong"});
    assert_eq!(stage.say(r#"{"action":"ping"}"#).await, std::slice::from_ref(&pong));
    stage.sell(1).await;
    let ping = r#"{"action":"ping","versions":{"balcony":0}}"#;
    assert_eq!(stage.say(ping).await, std::slice::from_ref(&pong), "it does not follow that section");
    stage.say(r#"{"action":"subscribe","sections":["balcony"]}"#).await;
    assert_eq!(stage.say(ping).await, [section(1, "gA=="), pong.clone()]);
    assert_eq!(stage.say(r#"{"action":"ping","versions":{"balcony":1}}"#).await, [pong]);
}

#[tokio::test]
async fn what_cannot_be_done_is_said_and_changes_nothing() {
    let stage = Stage::open(10).await;
    stage.recorded("live.connect", "c1=").await;
    let many: Vec<String> = (0..65).map(|n| format!("s{n}")).collect();
    let long = format!(r#"{{"action":"ping","versions":{{{}}}}}"#, " ".repeat(8 * 1024));
    for (body, slug) in [
        ("", "bad-request"),
        ("hello", "bad-request"),
        (r#"{"action":"shout"}"#, "bad-request"),
        (long.as_str(), "bad-request"),
        (&json!({"action": "subscribe", "sections": many}).to_string(), "unknown-section"),
    ] {
        let told = stage.say(body).await;
        assert_eq!((told.len(), &told[0]["type"], &told[0]["slug"]), (1, &json!("error"), &json!(slug)), "{body}");
    }
    let told = stage.say(r#"{"action":"subscribe","sections":["balcony","cellar"]}"#).await;
    assert_eq!(told[0]["sections"], json!(["cellar"]));
    let connection = stage.store.connection(&"c1=".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((connection.sections, connection.watches), (BTreeSet::new(), false));
    stage.engine.set_fault(Some(Arc::new(|_| Fault::Throttle)));
    let told = stage.say(r#"{"action":"subscribe","sections":["balcony"]}"#).await;
    assert_eq!(told[0]["slug"], "busy");
    assert!(stage.told.closed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn beyond_the_bound_a_watcher_is_told_to_poll_and_the_next_ones_are_not_let_in() {
    let stage = Stage::open(1).await;
    let shards = usize::from(WATCHER_SHARDS);
    let mut refused = Vec::new();
    for n in 0..=shards {
        let id = format!("c{n}=");
        assert_eq!(stage.recorded("live.connect", &id).await, 200, "{n}");
        let ((), samples) = capture(sale::held_at(), async {
            stage.recorded("live.subscribe", &id).await;
        })
        .await;
        let told = stage.told();
        if told[0]["type"] == "poll" {
            assert_eq!(told, [json!({"type": "poll", "retryAfterSeconds": 30})]);
            assert_eq!(samples, [Sample { metric: Metric::WatchersRefused, value: 1, reason: None }]);
            refused.push(id);
            break;
        }
    }
    assert_eq!(*stage.told.closed.lock().unwrap(), refused);
    assert_eq!(refused.len(), 1);
    assert_eq!(stage.recorded("live.connect", "late=").await, 503);
}

#[tokio::test]
async fn who_is_not_known_any_more_is_told_to_poll() {
    let stage = Stage::open(10).await;
    let told = stage.say(r#"{"action":"subscribe","sections":["balcony"]}"#).await;
    assert_eq!(told[0]["type"], "poll");
    assert_eq!(*stage.told.closed.lock().unwrap(), ["c1="]);
}
