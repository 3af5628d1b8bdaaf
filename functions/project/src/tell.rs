//! Has watchers told that something changed, at most once in a topic's window.

use std::{collections::BTreeMap, time::Duration};

use domain::{Timestamp, live::Topic};
use edge::metrics::{self, Metric};
use futures::{StreamExt as _, stream};
use outbound::live::{TELLINGS_PER_CALL_MAX, Telling};

use crate::App;

/// Promises made side by side.
const PROMISES_AT_ONCE: usize = 16;
/// How long all of it may take. The map is written already; the stream's next batch is worth more than this.
const TIME_MAX: Duration = Duration::from_secs(3);

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
        for tellings in tellings.chunks(TELLINGS_PER_CALL_MAX) {
            lost += send(app, tellings).await;
        }
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
    match app.store.promise(&topic, app.clock.now(), change.again).await {
        Ok(tell_at) => Ok(tell_at.map(|tell_at| Telling::new(&topic, tell_at, change.at))),
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
