//! An organiser's platform: the function, its table, its uploads and a clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    ProviderError,
    ids::{EventId, VenueId},
};
use edge::{Body, Settings};
use organise::App;
use outbound::{
    local::LocalUploads,
    uploads::{Offer, Uploads},
};
use serde_json::{Value, json};
use store::Store;
use testkit::{clock::ManualClock, engine::Engine, ids::SequencedIds, recorded::Recorded, sale, table};

/// What offers begin with.
pub(crate) const UPLOADS_URL: &str = "http://127.0.0.1/uploads";

pub(crate) struct Setup {
    app: App,
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) uploads: Arc<Shaky>,
    pub(crate) engine: Engine,
}

/// Uploads that are out of reach when told to.
pub(crate) struct Shaky {
    pub(crate) uploads: LocalUploads,
    pub(crate) failing: AtomicBool,
}

impl Shaky {
    fn check(&self) -> Result<(), ProviderError> {
        let failing = self.failing.load(Ordering::SeqCst);
        let failure = || ProviderError::Unavailable { detail: "told to fail".to_owned(), retry_after_seconds: None };
        if failing { Err(failure()) } else { Ok(()) }
    }
}

#[async_trait]
impl Uploads for Shaky {
    async fn offer(&self, key: &str, bytes: u32, lifetime: Duration) -> Result<Offer, ProviderError> {
        self.check()?;
        self.uploads.offer(key, bytes, lifetime).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, ProviderError> {
        self.check()?;
        self.uploads.get(key).await
    }
}

pub(crate) async fn setup() -> Setup {
    setup_with(&[]).await
}

pub(crate) async fn setup_with(settings: &[(&str, &str)]) -> Setup {
    let engine = Engine::temporary().await;
    let store = table::store(&engine);
    let settings = [settings, &[("BOOKING_ID_KEY", "a key for this test only")]].concat();
    let settings = Settings::new(settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
    let clock = Arc::new(ManualClock::at(sale::held_at()));
    let uploads = LocalUploads::new(engine.directory().join("uploads"), UPLOADS_URL, clock.clone()).unwrap();
    let uploads = Arc::new(Shaky { uploads, failing: AtomicBool::new(false) });
    let app = App::new(&settings, store.clone(), uploads.clone(), clock.clone(), Arc::new(SequencedIds::default()));
    settings.check().unwrap();
    Setup { app, store, clock, uploads, engine }
}

/// With the sale's venue, event and show in the table.
pub(crate) async fn published() -> Setup {
    let setup = setup().await;
    sale::publish(&setup.store).await;
    setup
}

impl Setup {
    pub(crate) async fn call(&self, event: &Recorded) -> (u16, Value) {
        let request = edge::http::request_from_json(&event.text()).unwrap();
        let response = organise::handle(&self.app, request).await;
        let body = match response.body() {
            Body::Text(text) => serde_json::from_str(text).unwrap(),
            Body::Binary(bytes) => serde_json::from_slice(bytes).unwrap(),
            _ => Value::Null,
        };
        (response.status().as_u16(), body)
    }

    /// A venue, an event at which nothing is on yet.
    async fn venue_and_event(&self) -> (VenueId, EventId) {
        let (status, venue) = self.call(&Recorded::http("organise.create-venue")).await;
        assert_eq!(status, 201, "{venue}");
        let (status, event) = self.call(&Recorded::http("organise.create-event")).await;
        assert_eq!(status, 201, "{event}");
        (id(&venue["venueId"]), id(&event["eventId"]))
    }

    /// The recorded show, at a venue and of an event that exist.
    pub(crate) async fn show_request(&self) -> Recorded {
        let (venue, event) = self.venue_and_event().await;
        let recorded = Recorded::http("organise.create-show").path("eventId", &event);
        recorded.change_body(|body| {
            body["venueId"] = json!(venue.to_string());
            body["prices"] = json!({"gold": 30_000, "silver": 12_800});
        })
    }
}

pub(crate) fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
    value.as_str().unwrap().parse().unwrap()
}

pub(crate) fn pointers(problem: &Value) -> Vec<&str> {
    let faults = problem["faults"].as_array().unwrap();
    faults.iter().map(|fault| fault["pointer"].as_str().unwrap()).collect()
}
