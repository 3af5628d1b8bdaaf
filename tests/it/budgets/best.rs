//! What best available reads on a stadium that is nearly sold out.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{
    availability::{SeatState, pack},
    catalogue::Show,
    time::Clock as _,
};
use edge::Settings;
use outbound::{
    clock::SystemClock,
    local::{LocalQueue, LocalTimers},
};
use serde_json::{Value, json};
use settlement::Settlement;
use store::{Store, cache::Catalogue};
use testkit::{
    budget,
    engine::{Engine, Fault},
    payments::Provider,
    recorded::Recorded,
};

use super::{
    map::stadium,
    stage::{call, f64_of},
};

/// Of a hundred seats so many are sold.
const SOLD_PERCENT: u64 = 90;
/// After so long an instance reads the map anew.
const MAP_AGE_MAX: Duration = Duration::from_millis(1_100);

/// Shows nine of ten seats as sold, drawn at random; the map is all that best available looks at.
async fn sell_most(store: &Store, show: &Show) {
    let plan = store.plan_overview(show.venue, show.plan_version).await.unwrap().unwrap();
    for section in &plan.sections {
        let section = store.plan_section(show.venue, show.plan_version, &section.id).await.unwrap().unwrap();
        for row in &section.rows {
            let is_sold = |seat: &str| {
                let mut hasher = DefaultHasher::new();
                (section.id.as_str(), row.id.as_str(), seat).hash(&mut hasher);
                hasher.finish() % 100 < SOLD_PERCENT
            };
            let sold = row.seats.iter().filter(|seat| is_sold(seat.name.as_str()));
            let sold = sold.map(|seat| (seat.name.clone(), SeatState::Sold)).collect();
            let packed = pack(row, &sold, "1".to_owned());
            assert!(store.put_row(show.id, &section.id, &row.id, &packed, show.created_at).await.unwrap());
        }
    }
}

/// What `work` read by key, each key with how often.
pub(super) async fn reads<T>(engine: &Engine, work: impl Future<Output = T>) -> (T, BTreeMap<String, u64>) {
    let keys: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    let tap = Arc::clone(&keys);
    engine.set_fault(Some(Arc::new(move |call| {
        if !call.operation.contains("Write") {
            let body: Value = serde_json::from_slice(call.body).expect("a request is JSON");
            let key = body["Key"]["PK"]["S"].as_str().unwrap_or(call.operation).to_owned();
            *tap.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += 1;
        }
        Fault::None
    })));
    let result = work.await;
    engine.set_fault(None);
    let keys = std::mem::take(&mut *keys.lock().unwrap_or_else(PoisonError::into_inner));
    (result, keys)
}

fn instance(store: &Store) -> hold::App {
    let clock = Arc::new(SystemClock);
    let keys = ["BOOKING_ID_KEY", "ADMISSION_KEY"].map(|name| (name.to_owned(), "of the budgets alone".to_owned()));
    let settings = Settings::new(keys);
    let queue = Arc::new(LocalQueue::new(clock.clone(), 1));
    let settlement = Settlement {
        store: store.clone(),
        payments: Arc::new(Provider::default()),
        timers: Arc::new(LocalTimers::new(queue, clock.clone())),
        clock,
    };
    hold::App::new(hold::Options::new(&settings), settlement, Catalogue::new(store.clone()))
}

async fn ask(app: &hold::App, show: &Show, buyer: &str, ask: &Value) -> (u16, Value) {
    let event = Recorded::http("hold.best-available").path("showId", &show.id).by(buyer, "").body(ask);
    call(app, &event.header("idempotency-key", "k").text()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn best_available_reads_the_map_once_for_each_section_that_it_tries() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, store, show) = stadium(directory.path()).await;
    assert!(show.on_sale_at < SystemClock.now());
    sell_most(&store, &show).await;
    let app = instance(&store);
    // An instance reads a plan once: this looks for what there is nowhere.
    assert_eq!(ask(&app, &show, "warm", &json!({"quantity": 10})).await.0, 409);
    let mut tried: HashMap<String, f64> = HashMap::new();
    for wanted in [
        json!({"quantity": 1}),
        json!({"quantity": 2}),
        json!({"quantity": 3}),
        json!({"quantity": 2, "accessible": true}),
    ] {
        tokio::time::sleep(MAP_AGE_MAX).await;
        let ((status, answer), keys) = reads(&engine, ask(&app, &show, &wanted.to_string(), &wanted)).await;
        assert_eq!(status, 201, "{wanted}: {answer}");
        let (maps, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            keys.into_iter().partition(|(key, _)| key.starts_with("AVAIL#"));
        let others: Vec<&String> = others.keys().filter(|key| !key.starts_with("SHOW#")).collect();
        assert_eq!(others, [""; 0], "nothing else is read");
        assert!(!maps.is_empty());
        let most = maps.values().copied().max().unwrap_or_default();
        budget::at_most(
            &format!("reads for a section that best available tries, {SOLD_PERCENT} % sold, {wanted}"),
            1.0,
            f64_of(most),
        );
        tried.insert(wanted.to_string(), f64_of(maps.len() as u64));
    }
    for (wanted, sections) in tried {
        budget::told(&format!("sections that best available tries, {SOLD_PERCENT} % sold, {wanted}"), sections);
    }
}
