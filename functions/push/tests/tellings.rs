//! `push` from the queue's messages to what watchers are told.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use domain::{
    ProviderError,
    availability::{SeatState, pack},
    ids::ConnectionId,
    live::Topic,
    time::{Clock as _, SignedDuration, shift},
};
use edge::{
    SqsEvent,
    metrics::{Metric, Sample, capture},
};
use outbound::{
    clock::SystemClock,
    live::{Connections, Posted, Telling},
};
use push::App;
use serde_json::{Value, json};
use store::Store;
use testkit::{
    clock::ManualClock,
    engine::{Engine, Fault},
    recorded, sale, table,
};

/// How a connection takes a message.
#[derive(Clone, Copy, PartialEq)]
enum Takes {
    Well,
    SecondTry,
    Never,
    Gone,
}

/// Connections that write down what they are told, and do not all take it well.
#[derive(Default)]
struct Watchers {
    manners: Mutex<HashMap<String, Takes>>,
    told: Mutex<Vec<(String, Value)>>,
}

#[async_trait]
impl Connections for Watchers {
    async fn post(&self, connection: &ConnectionId, message: &str) -> Result<Posted, ProviderError> {
        let busy = || ProviderError::Unavailable { detail: "too much".to_owned(), retry_after_seconds: None };
        let mut manners = self.manners.lock().unwrap();
        match manners.get(connection.as_str()).copied().unwrap_or(Takes::Well) {
            Takes::Never => return Err(busy()),
            Takes::Gone => return Ok(Posted::Gone),
            Takes::SecondTry => {
                manners.insert(connection.to_string(), Takes::Well);
                return Err(busy());
            }
            Takes::Well => {}
        }
        self.told.lock().unwrap().push((connection.to_string(), serde_json::from_str(message).unwrap()));
        Ok(Posted::Sent)
    }

    async fn close(&self, _: &ConnectionId) -> Result<(), ProviderError> {
        Ok(())
    }
}

struct Stage {
    engine: Engine,
    store: Store,
    watchers: Arc<Watchers>,
    app: App,
}

/// The moment of the recorded messages.
fn told_at() -> domain::Timestamp {
    shift(sale::held_at(), SignedDuration::from_secs(1))
}

impl Stage {
    async fn open() -> Self {
        let engine = Engine::temporary().await;
        let store = table::store(&engine);
        sale::publish(&store).await;
        let watchers = Arc::<Watchers>::default();
        let app = App::new(store.clone(), Arc::clone(&watchers) as _, Arc::new(ManualClock::at(told_at())));
        Self { engine, store, watchers, app }
    }

    async fn watch(&self, id: &str, sections: &[&str], counts: bool) {
        let id: ConnectionId = id.parse().unwrap();
        self.store.open_connection(&id, sale::show().id, sale::held_at()).await.unwrap();
        let mut connection = self.store.connection(&id).await.unwrap().unwrap();
        let sections: BTreeSet<_> = sections.iter().map(|name| name.parse().unwrap()).collect();
        assert!(self.store.subscribe(&mut connection, &sections, counts).await.unwrap());
    }

    fn takes(&self, id: &str, manners: Takes) {
        self.watchers.manners.lock().unwrap().insert(id.to_owned(), manners);
    }

    async fn push(&self, event: &Value) -> Vec<String> {
        let batch: SqsEvent = serde_json::from_value(event.clone()).unwrap();
        let response = push::handle(&self.app, batch).await;
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    /// Who was told what since it was last looked at, by name.
    fn told(&self) -> Vec<(String, Value)> {
        let mut told = std::mem::take(&mut *self.watchers.told.lock().unwrap());
        told.sort_by_key(|(name, message)| (name.clone(), message["type"].to_string()));
        told
    }
}

fn section(version: u64, seats: &str) -> Value {
    let show = sale::show().id;
    json!({"type": "section", "showId": show, "sectionId": "balcony", "version": version, "seats": seats})
}

/// The balcony's first seat is sold, and its map says so.
async fn sell(store: &Store, sequence: u32) {
    let (section, row) = (&sale::plan().sections[0], &sale::plan().sections[0].rows[0]);
    let states = [("1".parse().unwrap(), SeatState::Sold)].into();
    let packed = pack(row, &states, sequence.to_string());
    store.put_row(sale::show().id, &section.id, &row.id, &packed, sale::held_at()).await.unwrap();
}

fn message(id: &str, telling: &Telling) -> Value {
    let mut message = recorded::value("push.tellings")["Records"][0].clone();
    message["messageId"] = json!(id);
    message["body"] = json!(serde_json::to_string(telling).unwrap());
    message
}

#[tokio::test]
async fn the_recorded_batch_tells_each_watcher_what_they_follow_as_it_is_now_however_often_it_comes() {
    let stage = Stage::open().await;
    stage.watch("a", &["balcony"], false).await;
    stage.watch("b", &[], true).await;
    stage.watch("c", &["balcony"], true).await;
    stage.watch("d", &[], false).await;
    sell(&stage.store, 1).await;
    for _ in 0..2 {
        assert_eq!(stage.push(&recorded::value("push.tellings")).await, Vec::<String>::new());
        let told = stage.told();
        let who: Vec<(&str, &str)> =
            told.iter().map(|(name, message)| (name.as_str(), message["type"].as_str().unwrap())).collect();
        assert_eq!(who, [("a", "section"), ("b", "counts"), ("c", "counts"), ("c", "section")]);
        assert_eq!(told[0].1, section(1, "gA=="));
        assert_eq!(told[1].1["sections"][0]["sold"], 1);
        assert_eq!(told[1].1["areas"], json!([{"areaId": "pit", "remaining": 50}]));
    }
    sell(&stage.store, 2).await;
    stage.push(&recorded::value("push.tellings")).await;
    assert_eq!(stage.told()[0].1, section(2, "gA=="), "what is told is read when it is told");
}

#[tokio::test]
async fn a_topic_is_told_once_a_batch() {
    let stage = Stage::open().await;
    stage.watch("a", &["balcony"], false).await;
    let topic = Topic::Section(sale::show().id, "balcony".parse().unwrap());
    let telling = Telling::new(&topic, sale::held_at(), sale::held_at());
    let batch = json!({"Records": [message("1", &telling), message("2", &telling), message("3", &telling)]});
    assert!(stage.push(&batch).await.is_empty());
    assert_eq!(stage.told().len(), 1);
}

#[tokio::test]
async fn a_telling_waits_for_its_moment() {
    let stage = Stage::open().await;
    stage.watch("a", &["balcony"], false).await;
    let app = App::new(stage.store.clone(), Arc::clone(&stage.watchers) as _, Arc::new(SystemClock));
    let topic = Topic::Section(sale::show().id, "balcony".parse().unwrap());
    let (begun, now) = (Instant::now(), SystemClock.now());
    // The connection is of another time than this.
    stage.store.open_connection(&"b".parse().unwrap(), sale::show().id, now).await.unwrap();
    let mut connection = stage.store.connection(&"b".parse().unwrap()).await.unwrap().unwrap();
    stage.store.subscribe(&mut connection, &["balcony".parse().unwrap()].into(), false).await.unwrap();
    let telling = Telling::new(&topic, shift(now, SignedDuration::from_millis(300)), now);
    let batch: SqsEvent = serde_json::from_value(json!({"Records": [message("1", &telling)]})).unwrap();
    let pushing = push::handle(&app, batch);
    let selling = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        sell(&stage.store, 1).await;
    };
    tokio::join!(pushing, selling);
    assert!(begun.elapsed() >= Duration::from_millis(295), "{:?}", begun.elapsed());
    let expected = section(1, "gA==");
    assert!(stage.told().contains(&("b".to_owned(), expected)), "what was written meanwhile is told");
}

#[tokio::test]
async fn whoever_is_gone_is_forgotten_and_whoever_is_slow_keeps_nobody_waiting() {
    let stage = Stage::open().await;
    for name in ["a", "b", "c", "d"] {
        stage.watch(name, &["balcony"], true).await;
    }
    stage.takes("b", Takes::Gone);
    stage.takes("c", Takes::SecondTry);
    stage.takes("d", Takes::Never);
    let topic = Topic::Section(sale::show().id, "balcony".parse().unwrap());
    let batch = json!({"Records": [message("1", &Telling::new(&topic, sale::held_at(), sale::held_at()))]});
    let (failed, samples) = capture(told_at(), stage.push(&batch)).await;
    assert!(failed.is_empty(), "a connection is no reason to tell everybody again");
    let told = stage.told();
    assert_eq!(told.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    let sample = |metric, value| Sample { metric, value, reason: None };
    let expected = [
        sample(Metric::LiveMessages, 2),
        sample(Metric::LiveLagMilliseconds, 1_000),
        sample(Metric::LiveMessagesLost, 1),
    ];
    assert_eq!(samples, expected);
    for topic in [topic, Topic::Counts(sale::show().id)] {
        let left: BTreeSet<_> = stage.store.watchers(&topic, told_at()).await.unwrap().into_iter().collect();
        assert_eq!(left, ["a", "c", "d"].map(|name| name.parse().unwrap()).into(), "{topic}");
    }
}

#[tokio::test]
async fn nobody_is_told_for_nothing() {
    let stage = Stage::open().await;
    let before = stage.engine.meter().total();
    let (failed, samples) = capture(told_at(), stage.push(&recorded::value("push.tellings"))).await;
    let spent = stage.engine.meter().total() - before;
    assert!(failed.is_empty() && samples.is_empty());
    assert_eq!(
        (spent.calls, spent.refused),
        (5, 0),
        "a section's one shard, the counts' four, and nothing else is read"
    );
}

#[tokio::test]
async fn what_could_not_be_read_comes_again_and_nonsense_is_put_aside() {
    let stage = Stage::open().await;
    stage.watch("a", &["balcony"], false).await;
    let topic = Topic::Section(sale::show().id, "balcony".parse().unwrap());
    let telling = Telling::new(&topic, sale::held_at(), sale::held_at());
    let mut nonsense = message("2", &telling);
    nonsense["body"] = json!("what?");
    let cellar = Topic::Section(sale::show().id, "cellar".parse().unwrap());
    let cellar = message("3", &Telling::new(&cellar, sale::held_at(), sale::held_at()));
    let batch = json!({"Records": [message("1", &telling), nonsense, cellar]});
    stage.engine.set_fault(Some(Arc::new(|_| Fault::Throttle)));
    let mut failed = stage.push(&batch).await;
    failed.sort_unstable();
    assert_eq!(failed, ["1", "2", "3"]);
    stage.engine.set_fault(None);
    assert_eq!(stage.push(&batch).await, ["2"], "nobody can watch what there is not");
    assert_eq!(stage.told().len(), 1);
}
