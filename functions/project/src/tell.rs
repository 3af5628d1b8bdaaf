//! Has watchers told that something changed, at most once in a topic's window.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use domain::{Timestamp, live::Topic};
use edge::metrics::{self, Metric};
use futures::{StreamExt as _, stream};
use outbound::live::{TELLINGS_PER_CALL_MAX, Telling};

use crate::App;

/// Promises made side by side.
const PROMISES_AT_ONCE: usize = 16;
/// Calls of the queue side by side.
const SENDS_AT_ONCE: usize = 4;
/// Topics whose promise an instance knows, at most.
const PROMISES_KEPT_MAX: usize = 10_000;
/// How long all of it may take. The map is written already; the stream's next batch is worth more than this.
const TIME_MAX: Duration = Duration::from_secs(3);

/// The latest promise of each topic that this instance has seen: as long as it is pending nobody need be asked. Others may
/// have made later ones, which only makes the next promise take one call more.
#[derive(Default)]
pub(crate) struct Promises(Mutex<BTreeMap<Topic, Timestamp>>);

impl Promises {
    fn of(&self, topic: &Topic) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(topic).copied()
    }

    fn remember(&self, topic: Topic, at: Timestamp, now: Timestamp) {
        let mut promises = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if promises.len() >= PROMISES_KEPT_MAX {
            promises.retain(|_, at| *at > now);
        }
        if promises.len() < PROMISES_KEPT_MAX {
            promises.insert(topic, at);
        }
    }
}

/// What changed, by topic.
#[derive(Default)]
pub(crate) struct News(BTreeMap<Topic, Change>);

struct Change {
    /// When the oldest change was made.
    at: Timestamp,
    /// It was written by an earlier try of this batch, which may have died before it told anybody.
    again: bool,
}

impl News {
    pub(crate) fn add(&mut self, topic: Topic, at: Timestamp, again: bool) {
        let change = self.0.entry(topic).or_insert(Change { at, again });
        change.at = change.at.min(at);
        change.again |= again;
    }
}

/// Sends a telling for each topic that nobody has promised to tell. What cannot be sent is told to nobody until the topic
/// changes again, or its watchers ping: the map does not wait for it.
pub(crate) async fn all(app: &App, news: News) {
    let topics = news.0.len();
    let work = async {
        let promised = news.0.into_iter().map(|(topic, change)| promise(app, topic, change));
        let promised = stream::iter(promised.collect::<Vec<_>>()).buffer_unordered(PROMISES_AT_ONCE);
        let promised: Vec<Result<Option<Telling>, ()>> = promised.collect().await;
        let mut lost = promised.iter().filter(|outcome| outcome.is_err()).count();
        let tellings: Vec<Telling> = promised.into_iter().filter_map(|outcome| outcome.ok().flatten()).collect();
        let sends: Vec<_> = tellings.chunks(TELLINGS_PER_CALL_MAX).map(|tellings| send(app, tellings)).collect();
        lost += stream::iter(sends).buffer_unordered(SENDS_AT_ONCE).fold(0, async |sum, lost| sum + lost).await;
        lost
    };
    let lost = tokio::time::timeout(TIME_MAX, work).await.unwrap_or(topics);
    if lost > 0 {
        metrics::count(Metric::TellingsLost, lost);
        tracing::error!("watchers of {lost} topics are not told of a change");
    }
}

/// The telling that a topic's change needs, if any.
async fn promise(app: &App, topic: Topic, change: Change) -> Result<Option<Telling>, ()> {
    let now = app.clock.now();
    match app.store.promise(&topic, app.promises.of(&topic), now, change.again).await {
        Ok(promise) => {
            let telling = promise.is_ours.then(|| Telling::new(&topic, promise.at, change.at));
            app.promises.remember(topic, promise.at, now);
            Ok(telling)
        }
        Err(error) => {
            tracing::warn!(show.id = %topic.show(), %error, "{topic} has no promise: {error}");
            Err(())
        }
    }
}

/// How many were not taken.
async fn send(app: &App, tellings: &[Telling]) -> usize {
    match app.tellings.send(tellings).await {
        Ok(refused) => refused.len(),
        Err(error) => {
            tracing::warn!(%error, "tellings are not sent: {error}");
            tellings.len()
        }
    }
}
