//! The platform without a server, a provider and the machine's time: for whoever brings these, and as many instances of
//! each function as they like. Everything else, wiring included, is what [`crate::Platform`] runs.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::{self, Body},
    http::{Request, Response},
};
use domain::{Timestamp, ids::ConnectionId, time::Clock};
use outbound::{files::Files, live::Connections, local::LocalTimers, mail::Mailer, payments::Payments};
use serde_json::Value;
use store::Store;
use testkit::engine::Engine;
use tokio::task::JoinSet;

pub use crate::functions::{EventHandler, HttpHandler};
use crate::{
    Services, StartError,
    dev::{TokenRequest, Tokens},
    functions::{Functions, Ports},
    gateway::Gateway,
    knobs::Knobs,
    live::{Opened, Routes},
    queues::Queues,
    run, settings,
    stop::{Stop, Stopper},
    uploads,
    wiring::Wiring,
};

/// What the functions seem to be served at.
const BASE_URL: &str = "http://usher.local";

/// What surrounds the functions.
pub struct Surroundings {
    /// The table.
    pub engine: Engine,
    /// What queues, timers and the bus go by.
    pub clock: Arc<dyn Clock>,
    /// Settings over the defaults, by the names that the functions know; secrets have no default.
    pub settings: BTreeMap<String, String>,
    /// Where tickets are.
    pub files: Arc<dyn Files>,
    /// Who carries mail.
    pub mailer: Arc<dyn Mailer>,
    /// Who carries what is posted to watchers.
    pub connections: Arc<dyn Connections>,
}

/// What one instance of every function has of its own.
pub struct Instance {
    /// Its line to the table.
    pub store: Store,
    /// Its line to the payment provider.
    pub payments: Arc<dyn Payments>,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
}

/// Decides which instance of a function takes a call, and what becomes of it.
pub trait Cast {
    /// What answers the HTTP calls of `function`.
    fn http(&self, function: &'static str, instances: Vec<HttpHandler>) -> HttpHandler;
    /// What handles the events of `function`.
    fn events(&self, function: &'static str, instances: Vec<EventHandler>) -> EventHandler;
}

/// A running platform.
pub struct Assembly {
    gateway: Gateway,
    sockets: Routes,
    tokens: Tokens,
    functions: Functions,
    timers: Arc<LocalTimers>,
    queues: Queues,
    knobs: Arc<Knobs>,
    stopper: Stopper,
    stop: Stop,
    tasks: JoinSet<()>,
}

impl Assembly {
    /// Wires the instances up as `template` says, and lets everything run on the present runtime.
    ///
    /// # Errors
    /// The template does not hold together, or a setting is missing or malformed.
    pub async fn start(
        template: &Value,
        surroundings: Surroundings,
        instances: &[Instance],
        cast: &dyn Cast,
    ) -> Result<Self, StartError> {
        let mut wiring = Wiring::read(template)?;
        let Surroundings { engine, clock, settings, files, mailer, connections } = surroundings;
        let values = settings::gather(BASE_URL, BTreeMap::new(), std::iter::empty(), &settings);
        let first = instances.first().ok_or_else(|| StartError("no instance".to_owned()))?;
        let uploads = uploads(engine.directory(), BASE_URL, &clock)?;
        let services = Services::new(&wiring, first.store.clone(), files, uploads, mailer, connections, &clock)?;
        let mut all = Vec::new();
        for instance in instances {
            let ports = Ports {
                store: instance.store.clone(),
                payments: Some(Arc::clone(&instance.payments)),
                clock: Arc::clone(&instance.clock),
                ..services.ports.clone()
            };
            all.push(Functions::build(&wiring, &values, &ports)?);
        }
        let functions = played(all, cast);
        let (routes, cors) = (std::mem::take(&mut wiring.routes), std::mem::take(&mut wiring.cors));
        let gateway = Gateway::new(routes, cors, &functions.http, Arc::clone(&clock))?;
        let sockets = Routes::new(&wiring.socket, &functions, Arc::clone(&clock))?;
        let tokens = Tokens::new(&values, Arc::new(outbound::clock::SystemClock));
        let (knobs, (stopper, stop)) = (Arc::new(Knobs::default()), Stopper::new());
        let (timers, queues) = services.shared();
        let tasks = run(wiring, &functions, services, &engine, &knobs, &stop).await?;
        Ok(Self { gateway, sockets, tokens, functions, timers, queues, knobs, stopper, stop, tasks })
    }

    /// One HTTP call.
    ///
    /// # Panics
    /// Never: an answer's body is in memory.
    pub async fn call(&self, request: Request<String>) -> Response<Vec<u8>> {
        let (parts, body) = request.into_parts();
        let response = self.gateway.serve(parts, Body::from(body), ([127, 0, 0, 1], 1).into()).await;
        let (parts, body) = response.into_parts();
        let bytes = body::to_bytes(body, usize::MAX).await.expect("a body in memory is there");
        Response::from_parts(parts, bytes.to_vec())
    }

    /// Calls the function of a route of the WebSocket API about a connection; `more` are what its event has besides.
    /// Answers the status.
    pub async fn socket(&self, route: &str, id: &ConnectionId, opened_at: Timestamp, more: Value) -> u16 {
        let address = ([127, 0, 0, 1], 1).into();
        let opened = Opened { id: id.clone(), address, at_millis: opened_at.as_millisecond() };
        self.sockets.call(route, &opened, more).await
    }

    /// Calls an event function with an event, past queues and rules.
    ///
    /// # Errors
    /// There is no such function, or its own.
    pub async fn invoke(&self, function: &str, event: Value) -> Result<Value, edge::Failure> {
        self.functions.event_handler(function).map_err(edge::Failure)?(event).await
    }

    /// A dev token, valid by the machine's time.
    ///
    /// # Panics
    /// The key cannot sign, which a start would have refused.
    #[must_use]
    pub fn token(&self, sub: &str, roles: &[&str]) -> String {
        let roles = roles.iter().map(|&role| role.to_owned()).collect();
        let request = TokenRequest { sub: sub.to_owned(), roles, email: Some(format!("{sub}@example.com")) };
        self.tokens.issue(&request).expect("the key signed at the start")
    }

    /// The timers, which can be made to get lost.
    #[must_use]
    pub fn timers(&self) -> &LocalTimers {
        &self.timers
    }

    /// The switches.
    #[must_use]
    pub fn knobs(&self) -> &Knobs {
        &self.knobs
    }

    /// Messages in all queues that became dead letters; taken away by asking.
    #[must_use]
    pub fn take_dead_letters(&self) -> Vec<String> {
        self.queues.all().flat_map(|queue| queue.take_dead_letters()).map(|letter| letter.body).collect()
    }

    /// Ends everything, at once.
    pub async fn stop(mut self) {
        self.stopper.stop();
        drop(self.stop);
        self.tasks.shutdown().await;
    }
}

/// Each function as `cast` plays it with its instances.
fn played(all: Vec<Functions>, cast: &dyn Cast) -> Functions {
    let mut http: BTreeMap<&'static str, Vec<HttpHandler>> = BTreeMap::new();
    let mut events: BTreeMap<&'static str, Vec<EventHandler>> = BTreeMap::new();
    for functions in all {
        for (name, handler) in functions.http {
            http.entry(name).or_default().push(handler);
        }
        for (name, handler) in functions.events {
            events.entry(name).or_default().push(handler);
        }
    }
    Functions {
        http: http.into_iter().map(|(name, instances)| (name, cast.http(name, instances))).collect(),
        events: events.into_iter().map(|(name, instances)| (name, cast.events(name, instances))).collect(),
    }
}
