//! People who only watch: the map is pushed to them, over lines that break and messages that get lost, and they keep to
//! the client's rules of `docs/live.md`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use domain::{ProviderError, Timestamp, ids::ConnectionId, time::Clock as _};
use edge::live::{CONNECT, DISCONNECT};
use outbound::live::{Connections, Posted};
use serde_json::{Value, json};
use testkit::{dice::Dice, sale};
use tokio::{sync::mpsc, time::Instant};
use usher::assembly::Assembly;

use crate::{hall, options::Kind, plant::Plant, world::World};

/// The route of what is said.
const SAY: &str = "$default";
/// A message's way to its watcher, in milliseconds, at most.
const WAY_MS_MAX: u64 = 80;
/// A slow one's.
const SLOW_MS_MAX: u64 = 8_000;
/// Seconds between two pings, at most: the rule says 60.
const PING_SECONDS_MAX: u64 = 60;
/// How long a connection lasts, in seconds, at most, while things go wrong.
const LASTS_SECONDS_MAX: u64 = 240;
/// Seconds between two attempts to connect, at most.
const PAUSE_SECONDS_MAX: u64 = 20;
/// How long somebody waits to hear that they are subscribed.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long after the last fault somebody still pings: what was lost before is found then, and what comes later must be
/// pushed.
pub(crate) const PINGS_ON: Duration = Duration::from_secs(180);

/// What a watcher has of the one section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) version: u64,
    pub(crate) seats: String,
}

/// The open lines, and what came over them.
pub(crate) struct Switchboard {
    world: Arc<World>,
    dice: Dice,
    lines: Mutex<BTreeMap<ConnectionId, mpsc::UnboundedSender<String>>>,
    /// What anybody was told, by version.
    told: Mutex<BTreeMap<u64, String>>,
    /// What each watcher has who is connected and subscribed.
    sights: Mutex<BTreeMap<u64, Sight>>,
}

impl Switchboard {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        let dice = Dice::about(world.options.seed, "switchboard");
        Self {
            world: Arc::clone(world),
            dice,
            lines: Mutex::default(),
            told: Mutex::default(),
            sights: Mutex::default(),
        }
    }

    /// What each watcher has who follows the map at this moment.
    pub(crate) fn sights(&self) -> BTreeMap<u64, Sight> {
        lock(&self.sights).clone()
    }

    fn open(&self, id: ConnectionId) -> mpsc::UnboundedReceiver<String> {
        let (sender, receiver) = mpsc::unbounded_channel();
        lock(&self.lines).insert(id, sender);
        receiver
    }

    /// Two who have the same version have the same.
    fn compare(&self, sight: &Sight) {
        let before = lock(&self.told).insert(sight.version, sight.seats.clone());
        if before.is_some_and(|before| before != sight.seats) {
            self.world.witness().accuse("the live map", format!("version {} is told in two ways", sight.version));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Connections for Switchboard {
    async fn post(&self, connection: &ConnectionId, message: &str) -> Result<Posted, ProviderError> {
        let (world, dice) = (&self.world, &self.dice);
        let befalls = |kind| {
            let is_hit = dice.below(1000) < world.options.rate(kind);
            is_hit && !world.is_healed()
        };
        let (lost, unanswered, slow) = (befalls(Kind::Lost), befalls(Kind::Unanswered), befalls(Kind::Slow));
        let (way_ms, slow_ms) = (dice.below(WAY_MS_MAX), dice.below(SLOW_MS_MAX));
        tokio::time::sleep(Duration::from_millis(way_ms)).await;
        let at = world.clock.elapsed_ms();
        world.trace.note(format!("{at} posts to {connection}: {lost} {unanswered} {slow} {message}"));
        let trouble = || ProviderError::Unavailable { detail: "no answer".to_owned(), retry_after_seconds: None };
        if lost {
            return Err(trouble());
        }
        let Some(line) = lock(&self.lines).get(connection).cloned() else { return Ok(Posted::Gone) };
        let message = match world.plant {
            Some(Plant::TellingWrong) => message.replace("\"seats\":\"", "\"seats\":\"/"),
            _ => message.to_owned(),
        };
        tokio::spawn(async move {
            if slow {
                tokio::time::sleep(Duration::from_millis(slow_ms)).await;
            }
            // Whoever has hung up hears nothing.
            drop(line.send(message));
        });
        if unanswered { Err(trouble()) } else { Ok(Posted::Sent) }
    }

    async fn close(&self, connection: &ConnectionId) -> Result<(), ProviderError> {
        lock(&self.lines).remove(connection);
        Ok(())
    }
}

/// Somebody who watches.
pub(crate) struct Watcher {
    world: Arc<World>,
    house: Arc<Assembly>,
    board: Arc<Switchboard>,
    number: u64,
    dice: Dice,
    has: Sight,
}

/// How a connection came to its end.
#[derive(PartialEq, Eq)]
enum End {
    /// It broke, or was ended from the other side.
    Over,
    /// There are too many: come again later.
    Full,
}

impl Watcher {
    /// The watcher of this number.
    pub(crate) fn new(world: &Arc<World>, house: &Arc<Assembly>, board: &Arc<Switchboard>, number: u64) -> Self {
        let (world, house, board) = (Arc::clone(world), Arc::clone(house), Arc::clone(board));
        let dice = Dice::about(world.options.seed, &format!("watcher {number}"));
        Self { world, house, board, number, dice, has: Sight::default() }
    }

    /// Connects again and again.
    pub(crate) async fn watch(mut self) {
        for attempt in 0_u64.. {
            let id: ConnectionId = format!("watcher-{}-{attempt}", self.number).parse().expect("printable");
            let heard = self.board.open(id.clone());
            let query = json!({"queryStringParameters": {"show": sale::show().id}});
            let opened_at = self.world.clock.now();
            let mut end = End::Full;
            if self.house.socket(CONNECT, &id, opened_at, query).await == 200 {
                end = self.follow((&id, opened_at), heard).await;
                lock(&self.board.sights).remove(&self.number);
            }
            lock(&self.board.lines).remove(&id);
            // Some vanish without a word.
            if self.dice.in_hundred(70) {
                self.house.socket(DISCONNECT, &id, opened_at, json!({})).await;
            }
            let pause = self.dice.within(1, PAUSE_SECONDS_MAX);
            tokio::time::sleep(Duration::from_secs(if end == End::Full { pause } else { pause.div_ceil(10) })).await;
        }
    }

    /// Follows the map over one connection until that ends.
    async fn follow(&mut self, line: (&ConnectionId, Timestamp), mut heard: mpsc::UnboundedReceiver<String>) -> End {
        let ends = Instant::now() + Duration::from_secs(self.dice.within(20, LASTS_SECONDS_MAX));
        let mut is_subscribed = false;
        let mut say_next = Instant::now();
        loop {
            let is_over = Instant::now() >= ends && !self.world.is_healed();
            if is_over {
                return End::Over;
            }
            if Instant::now() >= say_next && (!is_subscribed || self.still_pings()) {
                let versions = json!({hall::SECTION: self.has.version});
                let ping = json!({"action": "ping", "versions": versions});
                let subscribe =
                    json!({"action": "subscribe", "sections": [hall::SECTION], "versions": versions, "counts": true});
                say_next = Instant::now() + if is_subscribed { self.ping_pause() } else { ANSWER_MAX };
                self.say(line, if is_subscribed { ping } else { subscribe });
            }
            let Ok(message) = tokio::time::timeout(Duration::from_secs(1), heard.recv()).await else { continue };
            let Some(message) = message else { return End::Over };
            let message: Value = serde_json::from_str(&message).expect("what is told is JSON");
            match message["type"].as_str() {
                Some("section") => self.take_in(&message),
                Some("subscribed") => {
                    is_subscribed = true;
                    say_next = Instant::now() + self.ping_pause();
                    lock(&self.board.sights).insert(self.number, self.has.clone());
                }
                Some("poll") => return End::Full,
                _ => {}
            }
        }
    }

    /// Says something, whenever the answer comes.
    fn say(&self, (id, opened_at): (&ConnectionId, Timestamp), what: Value) {
        let (house, id) = (Arc::clone(&self.house), id.clone());
        tokio::spawn(async move { house.socket(SAY, &id, opened_at, json!({"body": what.to_string()})).await });
    }

    fn ping_pause(&self) -> Duration {
        Duration::from_secs(self.dice.within(10, PING_SECONDS_MAX))
    }

    fn still_pings(&self) -> bool {
        self.world.healed_for().is_none_or(|healed| healed < PINGS_ON)
    }

    /// The greater version is the newer.
    fn take_in(&mut self, message: &Value) {
        let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
        let told = Sight { version: message["version"].as_u64().unwrap_or_default(), seats: text("seats") };
        self.board.compare(&told);
        if told.version >= self.has.version {
            self.has = told;
        }
        if let Some(sight) = lock(&self.board.sights).get_mut(&self.number) {
            sight.clone_from(&self.has);
        }
    }
}
