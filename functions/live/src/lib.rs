//! `live`: the connections of the live map. They open, say what they follow, ping, and end. What has changed they hear
//! from `push`; here they are told only what they lack when they ask. `docs/live.md` is the contract.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use domain::{
    Error, StoreError, Timestamp,
    catalogue::Show,
    ids::{ConnectionId, SectionId, ShowId},
    live::SECTIONS_MAX,
    time::{Clock, SignedDuration, shift},
};
use edge::{
    Settings,
    availability::{SectionStates, ShowStates},
    live::{CONNECT, Command, DISCONNECT, MESSAGE_BYTES_MAX, SocketEvent, SocketReply, Told},
    metrics::{self, Metric},
};
use futures::{StreamExt as _, stream};
use outbound::live::{Connections, Posted};
use store::{Store, cache::Catalogue, live::Connection};

/// Watchers of one show, unless `LIVE_WATCHERS_MAX` says otherwise: at two messages a second each, half of what an
/// account may send.
pub const WATCHERS_MAX_DEFAULT: u32 = 2_000;
/// When a client that was sent away may come again.
const RETRY_AFTER_SECONDS: u32 = 30;
/// How long an instance remembers that a show is full, and lets nobody in without asking.
const FULL_REMEMBERED: SignedDuration = SignedDuration::from_secs(2);
/// Shows that are remembered as full, at most.
const FULL_SHOWS_MAX: usize = 1_000;
/// Messages sent side by side to who has just subscribed.
const POSTS_AT_ONCE: usize = 8;

/// What the function works with.
pub struct App {
    store: Store,
    catalogue: Catalogue,
    connections: Arc<dyn Connections>,
    clock: Arc<dyn Clock>,
    watchers_max: u32,
    /// Shows that were full, and until when that is believed.
    full: Mutex<HashMap<ShowId, Timestamp>>,
}

impl App {
    /// `LIVE_WATCHERS_MAX` bounds the watchers of a show.
    #[must_use]
    pub fn new(settings: &Settings, store: Store, connections: Arc<dyn Connections>, clock: Arc<dyn Clock>) -> Self {
        Self {
            catalogue: Catalogue::new(store.clone()),
            store,
            connections,
            clock,
            watchers_max: settings.number("LIVE_WATCHERS_MAX", 1..=u32::MAX, WATCHERS_MAX_DEFAULT),
            full: Mutex::default(),
        }
    }
}

/// Answers one event of a connection.
pub async fn handle(app: &App, event: SocketEvent) -> SocketReply {
    let id = event.request_context.connection_id.clone();
    let status_code = match event.request_context.route_key.as_str() {
        CONNECT => connect(app, &id, &event).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a connection cannot be opened");
            503
        }),
        DISCONNECT => disconnect(app, &id).await,
        _ => message(app, &id, event.body.as_deref().unwrap_or_default()).await,
    };
    SocketReply { status_code }
}

/// Opens a connection about the show that its address names. Nothing is told before it asks: it is not open yet.
async fn connect(app: &App, id: &ConnectionId, event: &SocketEvent) -> Result<u16, StoreError> {
    let Some(show) = event.query("show").filter(|show| !show.is_empty()) else { return Ok(400) };
    let Ok(show) = show.parse::<ShowId>() else { return Ok(404) };
    let now = app.clock.now();
    if app.is_full(show, now) {
        metrics::count(Metric::WatchersRefused, 1);
        return Ok(503);
    }
    if app.catalogue.show(show).await?.is_none() {
        return Ok(404);
    }
    app.store.open_connection(id, show, now).await?;
    Ok(200)
}

/// What is not forgotten here is forgotten when it is told something, or when its time is over.
async fn disconnect(app: &App, id: &ConnectionId) -> u16 {
    match app.store.forget_connection(id).await {
        Ok(()) => 200,
        Err(error) => {
            tracing::warn!(%error, "a connection that ended is not forgotten yet");
            503
        }
    }
}

/// Why a command was not carried out, as the client is told.
enum Refused {
    /// See `docs/live.md`.
    Slug(&'static str, String),
    /// These are not in the plan.
    UnknownSections(Vec<SectionId>),
    /// Too many watch, or the connection is not known: it is closed.
    Poll,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        tracing::error!(%error, "a command cannot be carried out");
        Self::Slug("busy", "say it again in a moment".to_owned())
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Error::from(error).into()
    }
}

/// One message of a client. Whatever becomes of it, the client is told; the gateway need not know.
async fn message(app: &App, id: &ConnectionId, body: &str) -> u16 {
    let outcome = match parse(body) {
        Ok(Command::Subscribe { sections, versions, counts }) => subscribe(app, id, sections, &versions, counts).await,
        Ok(Command::Unsubscribe { sections, counts }) => unsubscribe(app, id, &sections, counts).await,
        Ok(Command::Ping { versions }) => ping(app, id, &versions).await,
        Err(refused) => Err(refused),
    };
    match outcome {
        Ok(()) => {}
        Err(Refused::Slug(slug, detail)) => app.tell(id, &Told::Error { slug, detail, sections: Vec::new() }).await,
        Err(Refused::UnknownSections(sections)) => {
            let detail = "the plan has no such section".to_owned();
            app.tell(id, &Told::Error { slug: "unknown-section", detail, sections }).await;
        }
        Err(Refused::Poll) => {
            app.tell(id, &Told::Poll { retry_after_seconds: RETRY_AFTER_SECONDS }).await;
            if let Err(error) = app.connections.close(id).await {
                tracing::warn!(%error, "a connection is not closed");
            }
        }
    }
    200
}

fn parse(body: &str) -> Result<Command, Refused> {
    if body.len() > MESSAGE_BYTES_MAX {
        return Err(Refused::Slug("bad-request", format!("a message has at most {MESSAGE_BYTES_MAX} bytes")));
    }
    serde_json::from_str(body).map_err(|why| Refused::Slug("bad-request", format!("the message is not valid: {why}")))
}

/// Takes note of what the connection follows, and then tells what it lacks: a change that comes in between is told by
/// `push`, a change before is in what is read.
async fn subscribe(
    app: &App,
    id: &ConnectionId,
    sections: BTreeSet<SectionId>,
    versions: &BTreeMap<SectionId, u64>,
    counts: bool,
) -> Result<(), Refused> {
    let (mut connection, show) = app.connection(id).await?;
    let plan = app.catalogue.plan_overview(show.venue, show.plan_version).await?.ok_or(Refused::Poll)?;
    let known: BTreeSet<&SectionId> = plan.sections.iter().map(|section| &section.id).collect();
    let unknown: Vec<SectionId> = sections.iter().filter(|section| !known.contains(section)).cloned().collect();
    if !unknown.is_empty() {
        return Err(Refused::UnknownSections(unknown));
    }
    let too_many =
        || Refused::Slug("too-many-sections", format!("a connection follows at most {SECTIONS_MAX} sections"));
    if connection.sections.union(&sections).count() > SECTIONS_MAX {
        return Err(too_many());
    }
    let now = app.clock.now();
    if !connection.watches && app.store.watchers_full(show.id, id, app.watchers_max, now).await? {
        app.remember_full(show.id, now);
        metrics::count(Metric::WatchersRefused, 1);
        return Err(Refused::Poll);
    }
    if !app.store.subscribe(&mut connection, &sections, counts).await? {
        return Err(too_many());
    }
    let sections: Vec<SectionId> = sections.into_iter().collect();
    let states = app.store.availabilities_now(show.id, &sections).await?;
    let newer = sections.iter().zip(&states).filter(|(section, states)| is_newer(versions, section, states.version));
    let mut messages = Vec::new();
    for (section, states) in newer {
        messages.extend(app.section_message(&show, section, states).await?);
    }
    if counts {
        let states = app.store.show_availability_now(show.id, &plan).await?;
        let view = ShowStates::new(show.id, show.created_at, states.of_sections(&plan), states.of_areas(&plan));
        messages.push(Told::Counts(view).text());
    }
    app.post_all(id, messages).await;
    app.tell_subscribed(&connection).await;
    Ok(())
}

/// A client that names no version has nothing.
fn is_newer(versions: &BTreeMap<SectionId, u64>, section: &SectionId, version: u64) -> bool {
    versions.get(section).is_none_or(|&has| version > has)
}

async fn unsubscribe(
    app: &App,
    id: &ConnectionId,
    sections: &BTreeSet<SectionId>,
    counts: bool,
) -> Result<(), Refused> {
    let (mut connection, _) = app.connection(id).await?;
    if !app.store.unsubscribe(&mut connection, sections, counts).await? {
        return Err(Refused::Poll);
    }
    app.tell_subscribed(&connection).await;
    Ok(())
}

/// What was lost on the way comes with the answer to a ping. What is read may be a second old: then it comes with the
/// next.
async fn ping(app: &App, id: &ConnectionId, versions: &BTreeMap<SectionId, u64>) -> Result<(), Refused> {
    if !versions.is_empty() {
        let (connection, show) = app.connection(id).await?;
        let mut messages = Vec::new();
        for section in connection.sections.iter().filter(|section| versions.contains_key(section)) {
            let states = app.catalogue.availability(show.id, section).await?;
            if is_newer(versions, section, states.version) {
                messages.extend(app.section_message(&show, section, &states).await?);
            }
        }
        app.post_all(id, messages).await;
    }
    app.tell(id, &Told::Pong).await;
    Ok(())
}

impl App {
    /// The connection with its show.
    async fn connection(&self, id: &ConnectionId) -> Result<(Connection, Arc<Show>), Refused> {
        let connection = self.store.connection(id).await?.ok_or(Refused::Poll)?;
        let show = self.catalogue.show(connection.show).await?.ok_or(Refused::Poll)?;
        Ok((connection, show))
    }

    async fn section_message(
        &self,
        show: &Show,
        section: &SectionId,
        states: &domain::availability::SectionAvailability,
    ) -> Result<Option<String>, StoreError> {
        let section = self.catalogue.plan_section(show.venue, show.plan_version, section).await?;
        let told = |section: Arc<domain::plan::Section>| {
            Told::Section { show_id: show.id, states: SectionStates::new(&section, states) }.text()
        };
        Ok(section.map(told))
    }

    async fn tell_subscribed(&self, connection: &Connection) {
        let Connection { id, show, sections, counts, .. } = connection;
        self.tell(id, &Told::Subscribed { show_id: *show, sections, counts: *counts }).await;
    }

    async fn tell(&self, id: &ConnectionId, told: &Told<'_>) {
        self.post(id, told.text()).await;
    }

    async fn post_all(&self, id: &ConnectionId, messages: Vec<String>) {
        let posts = messages.into_iter().map(|message| self.post(id, message));
        stream::iter(posts).buffer_unordered(POSTS_AT_ONCE).collect::<Vec<()>>().await;
    }

    /// A message that does not arrive is missed by one who will ping, or is gone.
    async fn post(&self, id: &ConnectionId, message: String) {
        match self.connections.post(id, &message).await {
            Ok(Posted::Sent | Posted::Gone) => {}
            Err(error) => {
                metrics::count(Metric::LiveMessagesLost, 1);
                tracing::warn!(%error, "a message does not reach its connection");
            }
        }
    }

    fn is_full(&self, show: ShowId, now: Timestamp) -> bool {
        let full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        full.get(&show).is_some_and(|&until| now < until)
    }

    fn remember_full(&self, show: ShowId, now: Timestamp) {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        full.retain(|_, until| now < *until);
        if full.len() < FULL_SHOWS_MAX {
            full.insert(show, shift(now, FULL_REMEMBERED));
        }
    }
}
