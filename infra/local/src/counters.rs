//! What a start has done so far: calls of each function and the time they took. With the table's meter, what a bill
//! would say.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, Response, header},
};
use futures::FutureExt as _;
use serde_json::{Map, Value, json};
use testkit::engine::Engine;

use crate::{
    dev::content,
    functions::{EventHandler, Functions, HttpHandler},
};

/// Counts every call of every function.
pub(crate) struct Counters {
    engine: Engine,
    /// Whether the table counts units.
    metered: bool,
    http: BTreeMap<String, Arc<Work>>,
    events: BTreeMap<String, Arc<Work>>,
}

#[derive(Default)]
struct Work {
    calls: AtomicU64,
    microseconds: AtomicU64,
}

impl Work {
    fn add(&self, began: Instant) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(took, Ordering::Relaxed);
    }

    fn told(&self) -> Value {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        json!({"calls": of(&self.calls), "microseconds": of(&self.microseconds)})
    }
}

impl Counters {
    /// Counters, and the functions with them in front.
    pub(crate) fn before(functions: Functions, engine: Engine, metered: bool) -> (Self, Functions) {
        let mut counters = Self { engine, metered, http: BTreeMap::new(), events: BTreeMap::new() };
        let mut counted = Functions::default();
        for (name, handler) in functions.http {
            let work = counters.http.entry(name.to_owned()).or_default();
            counted.http.insert(name, http(handler, Arc::clone(work)));
        }
        for (name, handler) in functions.events {
            let work = counters.events.entry(name.to_owned()).or_default();
            counted.events.insert(name, event(handler, Arc::clone(work)));
        }
        (counters, counted)
    }

    /// Everything so far. Units are null where the platform does not count them.
    fn told(&self) -> Value {
        let total = self.engine.meter().total();
        let works = |works: &BTreeMap<String, Arc<Work>>| {
            works.iter().map(|(name, work)| (name.clone(), work.told())).collect::<Map<_, _>>()
        };
        let units = |units: f64| if self.metered { json!(units) } else { Value::Null };
        json!({
            "table": {
                "calls": total.calls,
                "refused": total.refused,
                "writeUnits": units(total.write_units),
                "readUnits": units(total.read_units),
            },
            "http": works(&self.http),
            "events": works(&self.events),
        })
    }
}

fn http(handler: HttpHandler, work: Arc<Work>) -> HttpHandler {
    Arc::new(move |request| {
        let (call, work, began) = (handler(request), Arc::clone(&work), Instant::now());
        async move {
            let answer = call.await;
            work.add(began);
            answer
        }
        .boxed()
    })
}

fn event(handler: EventHandler, work: Arc<Work>) -> EventHandler {
    Arc::new(move |event| {
        let (call, work, began) = (handler(event), Arc::clone(&work), Instant::now());
        async move {
            let answer = call.await;
            work.add(began);
            answer
        }
        .boxed()
    })
}

/// `GET /dev/meter`: what this start has done so far.
pub(crate) async fn meter(State(counters): State<Arc<Counters>>) -> Response<Body> {
    let mut response = content("application/json", counters.told().to_string().into_bytes());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
