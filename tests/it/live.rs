//! The live map, over its WebSocket.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{self, AtomicUsize},
    },
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::availability::{SeatState, state_at};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use testkit::engine::Fault;
use tokio::{net::TcpStream, sync::Semaphore};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Error, Message, http::StatusCode},
};

use crate::support::{Person, Stage, eventually, id, seat};

/// How long any message may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody who watches.
struct Watcher(WebSocketStream<MaybeTlsStream<TcpStream>>);

fn address(stage: &Stage, query: &str) -> String {
    format!("{}/live?{query}", stage.platform.base_url().replacen("http", "ws", 1))
}

impl Watcher {
    async fn open(stage: &Stage) -> Self {
        let address = address(stage, &format!("show={}", stage.show));
        Self(tokio_tungstenite::connect_async(address).await.unwrap().0)
    }

    async fn say(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message; `None` once the connection is closed.
    async fn hear(&mut self) -> Option<Value> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.expect("something is said") {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Says something, and answers all that comes up to the message of this type.
    async fn ask(&mut self, message: &Value, last: &str) -> Vec<Value> {
        self.say(message).await;
        let mut heard = Vec::new();
        while heard.last().is_none_or(|message: &Value| message["type"] != last) {
            heard.push(self.hear().await.expect("the connection stays"));
        }
        heard
    }

    /// Hears until a section is as wanted.
    async fn hear_section(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.hear().await.expect("the connection stays");
            if message["type"] == "section" && is_wanted(&message) {
                return message;
            }
        }
    }
}

/// The state of a seat in a message, by its number in the section.
fn state(message: &Value, index: usize) -> SeatState {
    state_at(&STANDARD.decode(message["seats"].as_str().unwrap()).unwrap(), index)
}

/// What a GET answers, as the message that tells the same.
async fn told(stage: &Stage, section: &str) -> Value {
    let path = format!("/v1/shows/{}/sections/{section}/availability", stage.show);
    let mut message = stage.get(&path).await.expect(200);
    message["type"] = json!("section");
    message["showId"] = json!(stage.show);
    message
}

fn subscribe(sections: &[&str], versions: &Value) -> Value {
    json!({"action": "subscribe", "sections": sections, "versions": versions})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_hears_of_a_hold_and_of_its_end_as_the_api_tells_it() {
    let stage = Stage::open().await;
    let mut watcher = Watcher::open(&stage).await;
    let heard = watcher.ask(&json!({"action": "subscribe", "sections": ["hall"], "counts": true}), "subscribed").await;
    assert_eq!(heard[0], told(&stage, "hall").await);
    let mut counts = stage.get(&format!("/v1/shows/{}/availability", stage.show)).await.expect(200);
    counts["type"] = json!("counts");
    assert_eq!(heard[1], counts);
    assert_eq!(heard[2], json!({"type": "subscribed", "showId": stage.show, "sections": ["hall"], "counts": true}));
    let booking = stage.buyer("ada").hold(&[seat("A", 1), seat("B", 20)]).await.expect(201);
    let held =
        watcher.hear_section(|message| state(message, 0) == SeatState::Held && state(message, 39) == SeatState::Held);
    let held = held.await;
    let is_told = async || (told(&stage, "hall").await == held).then_some(());
    eventually("the API tells the same", is_told).await;
    stage.buyer("ada").delete(&booking).await.expect(200);
    let free =
        watcher.hear_section(|message| state(message, 0) == SeatState::Free && state(message, 39) == SeatState::Free);
    assert!(free.await["version"].as_u64() > held["version"].as_u64());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_hears_only_what_changed() {
    let stage = Stage::open().await;
    let mut watcher = Watcher::open(&stage).await;
    watcher.ask(&subscribe(&["hall"], &json!({})), "subscribed").await;
    stage.buyer("ada").hold(&[seat("A", 1)]).await.expect(201);
    let held = watcher.hear_section(|message| state(message, 0) == SeatState::Held).await;
    let versions = json!({"hall": held["version"]});
    drop(watcher);
    let mut watcher = Watcher::open(&stage).await;
    let heard = watcher.ask(&subscribe(&["hall"], &versions), "subscribed").await;
    assert_eq!(heard.len(), 1, "nothing new: {heard:?}");
    stage.buyer("bob").hold(&[seat("A", 2)]).await.expect(201);
    let held = watcher.hear_section(|message| state(message, 1) == SeatState::Held).await;
    assert_eq!(state(&held, 0), SeatState::Held);
    let heard = watcher.ask(&json!({"action": "ping", "versions": versions}), "pong").await;
    assert_eq!(heard.iter().filter(|message| message["type"] == "section").count(), 1, "what it says it lacks");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_ends_is_forgotten_and_who_asks_for_nonsense_is_told() {
    let stage = Stage::open().await;
    let mut watcher = Watcher::open(&stage).await;
    let heard = watcher.ask(&json!({"action": "subscribe", "sections": ["cellar"]}), "error").await;
    assert_eq!(stage.platform.connections().count(), 1);
    assert_eq!((&heard[0]["slug"], &heard[0]["sections"]), (&json!("unknown-section"), &json!(["cellar"])));
    assert_eq!(watcher.ask(&json!("hello"), "error").await[0]["slug"], "bad-request");
    assert_eq!(watcher.ask(&json!({"action": "ping"}), "pong").await.len(), 1);
    watcher.ask(&subscribe(&["hall"], &json!({})), "subscribed").await;
    watcher.0.close(None).await.unwrap();
    eventually("it is gone", async || (stage.platform.connections().count() == 0).then_some(())).await;
    let topic = domain::live::Topic::Section(stage.show.parse().unwrap(), "hall".parse().unwrap());
    let forgotten = async || {
        let now = domain::time::Clock::now(&outbound::clock::SystemClock);
        stage.platform.store().watchers(&topic, now).await.unwrap().is_empty().then_some(())
    };
    eventually("it is forgotten", forgotten).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_opened_about_a_show_by_a_websocket() {
    let stage = Stage::open().await;
    for (query, status) in [("", 400), ("show=", 400), ("show=tonight", 404)] {
        match tokio_tungstenite::connect_async(address(&stage, query)).await {
            Err(Error::Http(response)) => {
                assert_eq!(response.status(), StatusCode::from_u16(status).unwrap(), "{query}");
            }
            other => panic!("{query}: {other:?}"),
        }
    }
    let plain = stage.http.get(format!("{}/live?show={}", stage.platform.base_url(), stage.show)).send().await.unwrap();
    assert_eq!(plain.status(), 400);
    assert_eq!(stage.platform.connections().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_bound_watchers_are_told_to_poll() {
    let stage = Stage::with_settings(&[("LIVE_WATCHERS_MAX", "1")]).await;
    let mut watchers = Vec::new();
    // One in each part of those who watch, at most.
    for _ in 0..=usize::from(store::keys::WATCHER_SHARDS) {
        let mut watcher = Watcher::open(&stage).await;
        watcher.say(&subscribe(&["hall"], &json!({}))).await;
        let first = watcher.hear().await.expect("something is said");
        if first["type"] == "poll" {
            assert!(first["retryAfterSeconds"].as_u64().is_some_and(|seconds| seconds > 0));
            assert_eq!(watcher.hear().await, None, "and the connection is closed");
            return;
        }
        watchers.push(watcher);
    }
    panic!("everybody was let in");
}

/// How much is watched and sold: little, unless whoever runs the test by hand says more.
fn size(name: &str, default: usize) -> usize {
    #[expect(clippy::disallowed_methods, reason = "how much, is said by whoever runs the test by hand")]
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

/// Seats that one buyer buys.
const SEATS_PER_BUYER: usize = 5;
/// Seats of a row.
const ROW_SEATS: usize = 20;
/// Buyers at the same time.
const BUYERS_AT_ONCE: usize = 16;
/// Seats that are sold in a second, at most: the rate of docs/on-sale.md.
const SEATS_PER_SECOND: usize = 417;
/// The promise: a change is pushed within a second.
const PUSHED_WITHIN: Duration = Duration::from_secs(1);
/// Of a hundred changes one may take so long: this machine sells, tells and watches at once, beside other tests.
const PUSHED_LATE: Duration = Duration::from_secs(2);

/// A hall of so many sections of so many rows.
fn stadium(sections: usize, rows: usize) -> Value {
    let zones: Vec<Value> = (0..sections)
        .map(|section| {
            let row = |row: usize| {
                let seats: Vec<Value> = (1..=ROW_SEATS)
                    .map(|seat| {
                        json!({
                            "seat_guid": format!("{section}-{row}-{seat}"), "seat_number": seat.to_string(),
                            "category": "Standard", "position": {"x": seat * 30, "y": 0},
                        })
                    })
                    .collect();
                json!({"row_number": row.to_string(), "position": {"x": 0, "y": row * 40}, "seats": seats})
            };
            let rows: Vec<Value> = (0..rows).map(row).collect();
            json!({"name": format!("Block {section}"), "position": {"x": 0, "y": section * 1_000}, "rows": rows})
        })
        .collect();
    json!({
        "name": "The Ground", "size": {"width": 700, "height": 300},
        "categories": [{"name": "Standard", "color": "#336699"}], "zones": zones,
    })
}

/// Every seat of the show, by section, in plan order.
async fn seats(stage: &Stage) -> BTreeMap<String, Vec<String>> {
    let plan = stage.get(&format!("/v1/shows/{}/plan", stage.show)).await.expect(200);
    let mut seats = BTreeMap::new();
    for section in plan["sections"].as_array().unwrap() {
        let name = section["sectionId"].as_str().unwrap();
        let section = stage.get(&format!("/v1/shows/{}/sections/{name}/plan", stage.show)).await.expect(200);
        let rows = section["rows"].as_array().unwrap().iter().flat_map(|row| row["seats"].as_array().unwrap());
        let ids = rows.map(|seat| seat["seatId"].as_str().unwrap().to_owned());
        seats.insert(name.to_owned(), ids.collect());
    }
    seats
}

/// Buys every seat, a few a buyer, at a steady rate unless this machine is slower, and answers when each was held.
async fn sell_out(stage: &Stage, seats: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, Instant> {
    let mut orders: Vec<Vec<String>> =
        seats.values().flat_map(|all| all.chunks(SEATS_PER_BUYER)).map(<[_]>::to_vec).collect();
    // Neighbours do not come after one another.
    orders.sort_by_key(|order| order[0].bytes().rev().collect::<Vec<u8>>());
    let turns = Arc::new(Semaphore::new(BUYERS_AT_ONCE));
    let (began, rate) = (tokio::time::Instant::now(), size("LIVE_SEATS_PER_SECOND", SEATS_PER_SECOND));
    let buyers = orders.into_iter().enumerate().map(|(number, order)| {
        let (turns, buyer) = (Arc::clone(&turns), stage.buyer(&format!("buyer-{number}")));
        let comes_after = Duration::from_micros((number * SEATS_PER_BUYER * 1_000_000 / rate) as u64);
        tokio::spawn(async move {
            tokio::time::sleep_until(began + comes_after).await;
            let _turn = turns.acquire_owned().await.unwrap();
            buy(&buyer, &order).await
        })
    });
    let mut held = BTreeMap::new();
    for buyer in buyers.collect::<Vec<_>>() {
        held.extend(buyer.await.unwrap());
    }
    held
}

async fn buy(buyer: &Person, order: &[String]) -> Vec<(String, Instant)> {
    let booking = buyer.hold(order).await.expect(201);
    let held_at = Instant::now();
    let confirmed = buyer.confirm(&booking).await.expect(200);
    buyer.pay_with(&confirmed, "pm_card_visa").await.expect(200);
    assert!(!id(&booking).is_empty());
    order.iter().map(|seat| (seat.clone(), held_at)).collect()
}

/// What a watcher has seen of a sell-out.
#[derive(Default)]
struct Seen {
    /// The latest state of each section.
    sections: BTreeMap<String, Value>,
    /// Those of which every seat is sold.
    sold_out: BTreeSet<String>,
    /// When each seat was first seen to be taken, by section and number.
    taken: BTreeMap<(String, usize), Instant>,
    /// When each section's messages came, those of the first look left out.
    messages: BTreeMap<String, Vec<Instant>>,
    counts: usize,
}

impl Seen {
    fn note(&mut self, message: Value, seats: &BTreeMap<String, Vec<String>>) {
        let now = Instant::now();
        if message["type"] == "counts" {
            self.counts += 1;
        }
        if message["type"] != "section" {
            return;
        }
        let name = message["sectionId"].as_str().unwrap().to_owned();
        self.messages.entry(name.clone()).or_default().push(now);
        // The first rule of docs/live.md.
        if self.sections.get(&name).is_some_and(|known| known["version"].as_u64() >= message["version"].as_u64()) {
            return;
        }
        let bits = STANDARD.decode(message["seats"].as_str().unwrap()).unwrap();
        let count = seats[&name].len();
        for index in (0..count).filter(|&index| state_at(&bits, index) != SeatState::Free) {
            self.taken.entry((name.clone(), index)).or_insert(now);
        }
        if (0..count).all(|index| state_at(&bits, index) == SeatState::Sold) {
            self.sold_out.insert(name.clone());
        }
        self.sections.insert(name, message);
    }
}

/// Follows every section until all of their seats are sold.
async fn follow(watcher: &mut Watcher, seats: &BTreeMap<String, Vec<String>>) -> Seen {
    let mut seen = Seen::default();
    while seen.sold_out.len() < seats.len() {
        seen.note(watcher.hear().await.expect("the connection stays"), seats);
    }
    seen
}

/// Hears on until every section is as the origin has it. A row may have been written once more as it was: then a newer
/// version of the same is on its way, and nothing but what is told may bring it.
async fn settle(stage: &Stage, watcher: &mut Watcher, seats: &BTreeMap<String, Vec<String>>, seen: &mut Seen) {
    let deadline = Instant::now() + PATIENCE;
    for name in seats.keys() {
        loop {
            assert!(Instant::now() < deadline, "in vain: {name} is at the origin as it was told");
            let (origin, known) = (told(stage, name).await, &seen.sections[name]);
            match origin["version"].as_u64().cmp(&known["version"].as_u64()) {
                // The API's answer is a second old at most.
                Ordering::Less => tokio::time::sleep(Duration::from_millis(50)).await,
                Ordering::Equal => {
                    assert_eq!(origin, *known);
                    break;
                }
                Ordering::Greater => seen.note(watcher.hear().await.expect("the connection stays"), seats),
            }
        }
    }
}

/// Counts the calls of the table, from now on, that the live map makes: what `project` reads and writes of rows, promises
/// and watchers, and what `push` reads.
fn count_calls(stage: &Stage) -> Arc<AtomicUsize> {
    let calls = Arc::<AtomicUsize>::default();
    let tap = Arc::clone(&calls);
    stage.platform.engine().set_fault(Some(Arc::new(move |call| {
        let body = String::from_utf8_lossy(call.body);
        let kinds: &[&str] = match call.operation {
            "Query" => &["\"SEATS#", "\"CONN#"],
            "UpdateItem" => &["\"AVAIL#", "\"LIVE#"],
            "BatchGetItem" => &["\"AVAIL#"],
            _ => &[],
        };
        if kinds.iter().any(|kind| body.contains(kind)) {
            tap.fetch_add(1, atomic::Ordering::Relaxed);
        }
        Fault::None
    })));
    calls
}

/// The most messages of one section that came within a second.
fn most_in_a_second(messages: &[Instant]) -> usize {
    let within = |first: &Instant| {
        messages.iter().filter(|at| *at >= first && at.duration_since(*first) < Duration::from_secs(1)).count()
    };
    messages.iter().map(within).max().unwrap_or_default()
}

/// `LIVE_SECTIONS=50 LIVE_ROWS=5` is a sell-out of 5,000 seats, `LIVE_SEATS_PER_SECOND` another rate; `--nocapture` tells the
/// figures.
#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_follows_a_sell_out_and_ends_with_what_the_origin_has() {
    let (sections, rows) = (size("LIVE_SECTIONS", 8), size("LIVE_ROWS", 2));
    let mut stage = Stage::open().await;
    stage.show = stage.publish(&stadium(sections, rows), &json!({"standard": 2_500})).await;
    let seats = seats(&stage).await;
    let names: Vec<&str> = seats.keys().map(String::as_str).collect();
    let mut watcher = Watcher::open(&stage).await;
    let ask = json!({"action": "subscribe", "sections": names, "counts": true});
    let heard = watcher.ask(&ask, "subscribed").await;
    assert_eq!(heard.len(), sections + 2, "every section, the counts, and that it is subscribed");
    let calls = count_calls(&stage);
    let began = Instant::now();
    let (held, mut seen) = tokio::join!(sell_out(&stage, &seats), follow(&mut watcher, &seats));
    let took = began.elapsed();
    let calls = calls.load(atomic::Ordering::Relaxed);
    settle(&stage, &mut watcher, &seats, &mut seen).await;
    let mut waits: Vec<Duration> = Vec::new();
    for (name, ids) in &seats {
        for (index, seat) in ids.iter().enumerate() {
            waits.push(seen.taken[&(name.clone(), index)].saturating_duration_since(held[seat]));
        }
    }
    waits.sort_unstable();
    let at = |percent: usize| waits[(waits.len() * percent / 100).min(waits.len() - 1)];
    let messages: usize = seen.messages.values().map(Vec::len).sum();
    let most = seen.messages.values().map(|messages| most_in_a_second(messages)).max().unwrap();
    println!(
        "live: {} seats of {sections} sections sold in {took:?}, {messages} messages and {} counts told, at most {most} \
         a second and section, with {calls} calls of the table; a seat's change was there after {:?} (p50), {:?} (p99), \
         {:?} (worst)",
        waits.len(),
        seen.counts,
        at(50),
        at(99),
        waits[waits.len() - 1],
    );
    // One may come late and the next on time: three within a second, never four.
    assert!(most <= 3, "{most} messages of one section in a second");
    assert!(at(50) < PUSHED_WITHIN, "{:?}", at(50));
    assert!(at(99) < PUSHED_LATE, "{:?}", at(99));
}
