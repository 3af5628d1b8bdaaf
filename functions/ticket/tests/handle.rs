//! The function on a real table: what is written, once and again, and what is not.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    ProviderError, StoreError, Timestamp,
    booking::{Booking, Reason, Refund, RefundStatus},
    event::{Event, between},
    ticket::{SigningKey, file_key},
    time::{Clock, SignedDuration, shift},
};
use edge::{
    EventBridgeEvent, Settings,
    metrics::{Metric, Sample, capture},
};
use outbound::{files::Files, local::LocalFiles};
use store::Store;
use testkit::{
    engine::{Engine, Fault, TABLE},
    sale,
};
use ticket::{App, handle};

const FONTS_DIR: &str = concat!(env!("CHECKOUT"), "functions/ticket/fonts");
const PAID: &str = include_str!("../../../events/ticket.booking-paid.json");
/// 32 times 7, in hexadecimal digits.
const KEY: &str = "0707070707070707070707070707070707070707070707070707070707070707";

struct Never;

impl Clock for Never {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

/// Files that fail when told to.
struct Shaky {
    files: LocalFiles,
    failing: AtomicBool,
}

#[async_trait]
impl Files for Shaky {
    async fn put(&self, key: &str, content_type: &str, bytes: Vec<u8>) -> Result<(), ProviderError> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(ProviderError::Unavailable { detail: "told to fail".to_owned(), retry_after_seconds: None });
        }
        assert_eq!(content_type, "application/pdf");
        self.files.put(key, content_type, bytes).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, ProviderError> {
        self.files.get(key).await
    }

    async fn exists(&self, key: &str) -> Result<bool, ProviderError> {
        self.files.exists(key).await
    }

    async fn link(&self, key: &str, lifetime: Duration) -> Result<String, ProviderError> {
        self.files.link(key, lifetime).await
    }
}

struct World {
    engine: Engine,
    store: Store,
    files: Arc<Shaky>,
    app: App,
}

async fn world() -> World {
    let engine = Engine::temporary().await;
    let store = Store::new(engine.client(), TABLE);
    sale::publish(&store).await;
    let files = LocalFiles::new(engine.directory().join("files"), "http://127.0.0.1", Arc::new(Never)).unwrap();
    let files = Arc::new(Shaky { files, failing: AtomicBool::new(false) });
    let settings = [("TICKET_SIGNING_KEY", KEY), ("FONTS_DIR", FONTS_DIR)];
    let settings = Settings::new(settings.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let app = App::new(&settings, store.clone(), files.clone()).unwrap();
    World { engine, store, files, app }
}

impl World {
    async fn pdf(&self) -> Option<Vec<u8>> {
        self.files.get(&file_key(sale::booking().id)).await.unwrap()
    }
}

fn paid_event() -> EventBridgeEvent<Event> {
    serde_json::from_str(PAID).unwrap()
}

#[tokio::test]
async fn a_paid_booking_gets_its_tickets_and_a_repeat_the_same() {
    let world = world().await;
    let held = sale::hold(&world.store, |_| ()).await;
    let paid = sale::pay(&world.store, held.clone()).await;
    assert_eq!(between(Some(&held), &paid), [paid_event().detail], "the recorded event is the one of this sale");
    handle(&world.app, paid_event()).await.unwrap();
    let first = world.pdf().await.unwrap();
    assert!(first.starts_with(b"%PDF-"));
    handle(&world.app, paid_event()).await.unwrap();
    assert_eq!(world.pdf().await.unwrap(), first);
}

#[tokio::test]
async fn nothing_is_written_for_what_is_not_paid() {
    let world = world().await;
    handle(&world.app, paid_event()).await.unwrap();
    let held = sale::hold(&world.store, |_| ()).await;
    handle(&world.app, paid_event()).await.unwrap();
    let paid: Booking = sale::pay(&world.store, held).await;
    let refund = Refund { amount_minor: 35_600, percent: 100, status: RefundStatus::Pending };
    world.store.cancel(&paid, Reason::Buyer, refund, sale::captured_at()).await.unwrap().unwrap();
    handle(&world.app, paid_event()).await.unwrap();
    assert_eq!(world.pdf().await, None);
}

#[tokio::test]
async fn trouble_asks_for_the_event_again() {
    let world = world().await;
    let held = sale::hold(&world.store, |_| ()).await;
    sale::pay(&world.store, held).await;
    world.files.failing.store(true, Ordering::SeqCst);
    assert!(handle(&world.app, paid_event()).await.is_err());
    world.files.failing.store(false, Ordering::SeqCst);
    world.engine.set_fault(Some(Arc::new(|_| Fault::Throttle)));
    let failure = handle(&world.app, paid_event()).await.unwrap_err();
    assert_eq!(failure, StoreError::Throttled.into());
    world.engine.set_fault(None);
    assert_eq!(world.pdf().await, None);
    handle(&world.app, paid_event()).await.unwrap();
    assert!(world.pdf().await.is_some());
}

#[tokio::test]
async fn a_start_without_key_or_fonts_names_both() {
    let engine = Engine::temporary().await;
    let store = Store::new(engine.client(), TABLE);
    let files: Arc<dyn Files> =
        Arc::new(LocalFiles::new(engine.directory(), "http://127.0.0.1", Arc::new(Never)).unwrap());
    let start = |pairs: &[(&str, &str)]| {
        let settings = Settings::new(pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        App::new(&settings, store.clone(), files.clone()).err().unwrap().to_string()
    };
    let told = start(&[("TICKET_SIGNING_KEY", "s3cret")]);
    assert!(told.contains("TICKET_SIGNING_KEY") && told.contains("FONTS_DIR") && !told.contains("s3cret"), "{told}");
    let told = start(&[("TICKET_SIGNING_KEY", KEY), ("LAMBDA_TASK_ROOT", "/nowhere")]);
    assert!(told.contains("/nowhere/fonts/NotoSans-Regular.ttf"), "{told}");
    assert!(KEY.parse::<SigningKey>().is_ok());
}

#[tokio::test]
async fn the_time_from_capture_to_file_is_told_once_the_file_is_there() {
    let world = world().await;
    let now = shift(sale::captured_at(), SignedDuration::from_millis(1_250));
    let held = sale::hold(&world.store, |_| ()).await;
    assert_eq!(capture(now, handle(&world.app, paid_event())).await, (Ok(()), Vec::new()));
    sale::pay(&world.store, held).await;
    world.files.failing.store(true, Ordering::SeqCst);
    assert_eq!(capture(now, handle(&world.app, paid_event())).await.1, []);
    world.files.failing.store(false, Ordering::SeqCst);
    let sample = Sample { metric: Metric::TicketMilliseconds, value: 1_250, reason: None };
    assert_eq!(capture(now, handle(&world.app, paid_event())).await, (Ok(()), vec![sample]));
}
