//! The function `hold` over the real table, a queue and a clock, and nothing that runs beside it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use domain::{
    booking::{Booking, SeatLine},
    catalogue::Show,
    hold::Terms,
    ids::BookingId,
    plan::{Row, Seat, SeatingPlan, Section},
};
use edge::{Body, Settings};
use outbound::local::{LocalQueue, LocalTimers};
use serde_json::{Value, json};
use settlement::Settlement;
use store::{Store, cache::Catalogue, hold::Claimed};
use testkit::{clock::ManualClock, engine::Engine, payments::Provider, recorded::Recorded, sale};
use uuid::Uuid;

/// Sections of the hall.
const SECTIONS: usize = 10;
/// Rows of a section.
const ROWS: usize = 50;
/// Seats of a row.
pub(crate) const ROW_SEATS: usize = 20;
/// Places that one buyer may have; as many as one hold may have.
const CAP: u32 = 10;
/// What booking ids are derived with.
const BOOKING_ID_KEY: &str = "of the budgets alone";
/// Deliveries of a message; none is delivered here.
const RECEIVES_MAX: u32 = 1;

/// One instance of `hold`, and what it stands on.
pub(crate) struct Stage {
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    /// The instance.
    pub(crate) app: Arc<hold::App>,
    queue: Arc<LocalQueue>,
    taken: AtomicUsize,
}

impl Stage {
    /// With the engine's units counted.
    pub(crate) async fn open() -> Self {
        Self::on(Engine::temporary().await).await
    }

    /// On an empty table.
    pub(crate) async fn on(engine: Engine) -> Self {
        let store = Store::new(engine.client(), engine.table());
        sale::publish_as(&store, &hall(), &show()).await;
        let queue = Arc::new(LocalQueue::new(Arc::new(ManualClock::at(sale::held_at())), RECEIVES_MAX));
        let app = instance(&store, &queue);
        Self { engine, store, app, queue, taken: AtomicUsize::new(0) }
    }

    /// Another instance on the same table, which knows nothing yet.
    pub(crate) fn another_instance(&self) -> Arc<hold::App> {
        instance(&self.store, &self.queue)
    }

    /// A first hold, so that the instance knows the show and the plan.
    pub(crate) async fn warm(&self) {
        let seats = self.next_seats(1);
        assert_eq!(self.hold("the first", "a key", &seats).await.0, 201);
    }

    /// `count` free seats of a row that nobody was given yet.
    pub(crate) fn next_seats(&self, count: usize) -> Vec<String> {
        let row = self.taken.fetch_add(1, Ordering::Relaxed);
        (0..count).map(|seat| seat_id(row, seat)).collect()
    }

    /// Messages that were sent.
    pub(crate) fn messages(&self) -> usize {
        let stats = self.queue.stats();
        stats.visible + stats.delayed
    }

    /// A hold through the function: the status and the body.
    pub(crate) async fn hold(&self, buyer: &str, key: &str, seats: &[String]) -> (u16, Value) {
        call(&self.app, &event(buyer, key, seats)).await
    }

    /// Sells seats of a row, a pair at a time, to people of their own.
    pub(crate) async fn sell(&self, row: usize) {
        for first in (0..ROW_SEATS).step_by(2) {
            let line = |seat| SeatLine {
                seat: seat_id(row, seat).parse().unwrap(),
                category: "silver".parse().unwrap(),
                price_minor: 12_800,
            };
            let booking = Booking {
                id: BookingId::from_uuid(Uuid::from_u128(0x5011d + first as u128)),
                buyer: format!("owner {first}").parse().unwrap(),
                seats: [first, first + 1].map(line).to_vec(),
                areas: Vec::new(),
                ..sale::booking()
            };
            assert_eq!(self.store.claim(&booking, &Terms::within(CAP)).await.unwrap(), Claimed::Won);
            sale::pay(&self.store, booking).await;
        }
    }
}

fn instance(store: &Store, queue: &Arc<LocalQueue>) -> Arc<hold::App> {
    let clock = Arc::new(ManualClock::at(sale::held_at()));
    let keys = ["BOOKING_ID_KEY", "ADMISSION_KEY"].map(|name| (name.to_owned(), BOOKING_ID_KEY.to_owned()));
    let settings = Settings::new(keys);
    let options = hold::Options::new(&settings);
    settings.check().unwrap();
    let settlement = Settlement {
        store: store.clone(),
        payments: Arc::new(Provider::default()),
        timers: Arc::new(LocalTimers::new(Arc::clone(queue), clock.clone())),
        clock,
    };
    Arc::new(hold::App::new(options, settlement, Catalogue::new(store.clone())))
}

/// Seat `seat` of the hall's row `row`, both from 0.
pub(crate) fn seat_id(row: usize, seat: usize) -> String {
    assert!(row < SECTIONS * ROWS, "the hall is full");
    format!("block-{:02}:row-{:04}:{}", row / ROWS, row, seat + 1)
}

fn hall() -> SeatingPlan {
    let seat = |number: usize| Seat {
        name: number.to_string().parse().unwrap(),
        ..sale::plan().sections[0].rows[0].seats[0].clone()
    };
    let row = |number: usize| {
        let name = format!("row-{number:04}");
        Row { id: name.parse().unwrap(), label: name, whole: false, seats: (1..=ROW_SEATS).map(seat).collect() }
    };
    let section = |number: usize| {
        let name = format!("block-{number:02}");
        let rows = (number * ROWS..(number + 1) * ROWS).map(row).collect();
        Section { id: name.parse().unwrap(), name, rows }
    };
    SeatingPlan { sections: (0..SECTIONS).map(section).collect(), ..sale::plan() }
}

fn show() -> Show {
    Show { max_seats_per_buyer: Some(CAP), ..sale::show() }
}

/// The event of a hold, as API Gateway sends it.
pub(crate) fn event(buyer: &str, key: &str, seats: &[String]) -> String {
    let recorded = Recorded::http("hold.create").path("showId", &sale::show().id).by(buyer, "");
    recorded.header("idempotency-key", key).body(&json!({"seatIds": seats})).text()
}

/// Calls an instance with an event: the status and the body.
pub(crate) async fn call(app: &hold::App, event: &str) -> (u16, Value) {
    let response = hold::handle(app, edge::http::request_from_json(event).unwrap()).await;
    let body = match response.body() {
        Body::Text(text) => serde_json::from_str(text).unwrap(),
        Body::Binary(bytes) => serde_json::from_slice(bytes).unwrap(),
        _ => Value::Null,
    };
    (response.status().as_u16(), body)
}

/// A count as a measure.
pub(crate) fn f64_of(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}
