//! `push`: tells a topic's watchers what it is now. A message says what to tell and when, never the news themselves: they
//! are read once its moment has come, so whatever was written before that is told, and a message that comes twice or late
//! does no harm.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::{Error, StoreError, Timestamp, ids::ConnectionId, live::Topic, time::Clock};
use edge::{
    BatchItemFailure, SqsBatchResponse, SqsEvent,
    availability::{SectionStates, ShowStates},
    live::Told,
    metrics::{self, Metric},
};
use futures::{StreamExt as _, stream};
use outbound::live::{Connections, Posted, Telling};
use store::{Store, cache::Catalogue};

/// Topics that are told side by side.
const TOPICS_AT_ONCE: usize = 10;
/// Messages of one topic that are sent side by side. One connection that is slow holds up one of these.
const POSTS_AT_ONCE: usize = 64;
/// Connections that are forgotten side by side.
const FORGOTTEN_AT_ONCE: usize = 8;
/// The longest wait for a message's moment. The queue waits for all but the last second.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Before what the gateway did not take is sent once more.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// What the function works with.
pub struct App {
    store: Store,
    catalogue: Catalogue,
    connections: Arc<dyn Connections>,
    clock: Arc<dyn Clock>,
}

impl App {
    /// On `store`, towards `connections`; plans are kept in this instance.
    #[must_use]
    pub fn new(store: Store, connections: Arc<dyn Connections>, clock: Arc<dyn Clock>) -> Self {
        Self { catalogue: Catalogue::new(store.clone()), store, connections, clock }
    }
}

/// What a batch says of one topic.
struct Due {
    tell_at: Timestamp,
    changed_at: Timestamp,
    /// The messages that say so.
    messages: Vec<String>,
}

/// Tells every topic of the batch once. A message whose topic could not be read comes again by itself.
pub async fn handle(app: &App, batch: SqsEvent) -> SqsBatchResponse {
    let mut failed = Vec::new();
    let mut topics: BTreeMap<Topic, Due> = BTreeMap::new();
    for message in batch.records {
        let id = message.message_id.unwrap_or_default();
        let Ok(telling) = serde_json::from_str::<Telling>(&message.body.unwrap_or_default()) else {
            tracing::error!(message.id = id, "message {id} is no telling");
            failed.push(id);
            continue;
        };
        let Telling { tell_at, changed_at, .. } = telling;
        let due = topics.entry(telling.topic()).or_insert(Due { tell_at, changed_at, messages: Vec::new() });
        due.tell_at = due.tell_at.max(tell_at);
        due.changed_at = due.changed_at.min(changed_at);
        due.messages.push(id);
    }
    let told = topics.into_iter().map(|(topic, due)| async move {
        match tell(app, &topic, &due).await {
            Ok(()) => Vec::new(),
            Err(error) => {
                tracing::error!(show.id = %topic.show(), %error, "{topic} is not told: {error}");
                due.messages
            }
        }
    });
    let told = stream::iter(told.collect::<Vec<_>>()).buffer_unordered(TOPICS_AT_ONCE).collect::<Vec<_>>().await;
    failed.extend(told.into_iter().flatten());
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failed.into_iter().map(failure).collect();
    response
}

fn failure(id: String) -> BatchItemFailure {
    let mut failure = BatchItemFailure::default();
    failure.item_identifier = id;
    failure
}

async fn tell(app: &App, topic: &Topic, due: &Due) -> Result<(), Error> {
    let wait = due.tell_at.duration_since(app.clock.now());
    tokio::time::sleep(Duration::try_from(wait).unwrap_or_default().min(WAIT_MAX)).await;
    let watchers = app.store.watchers(topic, app.clock.now()).await?;
    if watchers.is_empty() {
        return Ok(());
    }
    let Some(message) = message(app, topic).await? else {
        // No later try will find it: shows and plans are never deleted.
        tracing::error!(show.id = %topic.show(), "there is no {topic}");
        return Ok(());
    };
    let mut outcome = post_all(app, watchers, &message).await;
    if !outcome.refused.is_empty() {
        tokio::time::sleep(RETRY_PAUSE).await;
        let again = post_all(app, outcome.refused, &message).await;
        outcome.sent += again.sent;
        outcome.gone.extend(again.gone);
        outcome.refused = again.refused;
    }
    metrics::count(Metric::LiveMessages, outcome.sent);
    if outcome.sent > 0 {
        metrics::since(Metric::LiveLagMilliseconds, due.changed_at);
    }
    if !outcome.refused.is_empty() {
        metrics::count(Metric::LiveMessagesLost, outcome.refused.len());
        // Whoever pings hears what they missed.
        tracing::warn!(show.id = %topic.show(), "{} connections are not told of {topic}", outcome.refused.len());
    }
    forget_all(app, topic, outcome.gone).await;
    Ok(())
}

/// What is told of a topic as it is now; `None` if there is no such thing.
async fn message(app: &App, topic: &Topic) -> Result<Option<String>, StoreError> {
    let Some(show) = app.catalogue.show(topic.show()).await? else { return Ok(None) };
    match topic {
        Topic::Section(_, section) => {
            let Some(plan) = app.catalogue.plan_section(show.venue, show.plan_version, section).await? else {
                return Ok(None);
            };
            let states = app.store.availabilities_now(show.id, std::slice::from_ref(section)).await?;
            let told = |states| Told::Section { show_id: show.id, states: SectionStates::new(&plan, states) }.text();
            Ok(states.first().map(told))
        }
        Topic::Counts(_) => {
            let Some(plan) = app.catalogue.plan_overview(show.venue, show.plan_version).await? else {
                return Ok(None);
            };
            let states = app.store.show_availability_now(show.id, &plan).await?;
            let view = ShowStates::new(show.id, show.created_at, states.of_sections(&plan), states.of_areas(&plan));
            Ok(Some(Told::Counts(view).text()))
        }
    }
}

/// What became of a message to many.
#[derive(Default)]
struct Outcome {
    sent: usize,
    gone: Vec<ConnectionId>,
    refused: Vec<ConnectionId>,
}

async fn post_all(app: &App, watchers: Vec<ConnectionId>, message: &str) -> Outcome {
    let posts = watchers.into_iter().map(|watcher| async move {
        let posted = app.connections.post(&watcher, message).await;
        (watcher, posted)
    });
    let mut posts = stream::iter(posts.collect::<Vec<_>>()).buffer_unordered(POSTS_AT_ONCE);
    let mut outcome = Outcome::default();
    while let Some((watcher, posted)) = posts.next().await {
        match posted {
            Ok(Posted::Sent) => outcome.sent += 1,
            Ok(Posted::Gone) => outcome.gone.push(watcher),
            Err(error) => {
                tracing::debug!(%error, "a connection does not take its message");
                outcome.refused.push(watcher);
            }
        }
    }
    outcome
}

/// Nobody said that these have ended; now it is known.
async fn forget_all(app: &App, topic: &Topic, gone: Vec<ConnectionId>) {
    let forgotten = gone.into_iter().map(|connection| async move {
        // What is not known of it any more may still stand among the watchers.
        let forgotten = app.store.forget_connection(&connection).await;
        let forgotten = forgotten.and(app.store.unwatch(topic, &connection).await);
        if let Err(error) = forgotten {
            tracing::warn!(%error, "a connection that is gone is not forgotten yet");
        }
    });
    stream::iter(forgotten.collect::<Vec<_>>()).buffer_unordered(FORGOTTEN_AT_ONCE).collect::<Vec<()>>().await;
}
