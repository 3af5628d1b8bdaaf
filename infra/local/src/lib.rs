//! The embedded platform: everything that `template.yaml` describes, in one process.
//!
//! Routes, queues, rules, schedules and stream consumers are read from the template; each function is called through its
//! own `handle` with the events that AWS would send. DynamoDB is [`testkit::engine`] behind the real SDK.

pub mod assembly;
mod backoff;
mod banner;
mod counters;
mod demo;
mod dev;
mod event;
mod functions;
mod gateway;
pub mod knobs;
mod live;
mod pattern;
mod queues;
mod rules;
pub mod sandbox;
mod schedules;
mod seed;
mod settings;
mod stop;
mod streams;
mod web;
mod wiring;

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::Response,
    routing,
};
use domain::time::Clock;
use edge::Failure;
use outbound::{
    clock::SystemClock,
    files::Files,
    live::Connections,
    local::{
        Envelope, LocalBus, LocalConnections, LocalFiles, LocalMailer, LocalQueue, LocalTellings, LocalTimers,
        LocalUploads,
    },
    mail::Mailer,
    uploads::Uploads,
};
use serde_json::Value;
use store::Store;
use testkit::engine::{self, Engine, TABLE};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};

pub use crate::banner::{banner, steps};
use crate::{
    counters::Counters,
    dev::Tokens,
    functions::{EventHandler, Functions, Ports},
    gateway::Gateway,
    knobs::Knobs,
    live::{Live, Routes},
    queues::Queues,
    rules::WatchedBus,
    sandbox::{Sandbox, SandboxSettings},
    stop::{Stop, Stopper},
    streams::Consumer,
    web::Web,
    wiring::Wiring,
};

/// The port when none is asked for.
pub const PORT_DEFAULT: u16 = 3000;
/// Events on the bus that no rule has looked at, at most. Beyond that `relay` tries again.
const EVENTS_WAITING_MAX: usize = 10_000;
/// The template's queue that timers of bookings wait in.
const TIMERS_QUEUE: &str = "Timers";
/// The template's queue of what watchers have to be told.
const TELLINGS_QUEUE: &str = "Tellings";
/// Consumers of one queue side by side, at most.
const QUEUE_CONSUMERS: usize = 2;
/// How often consumed stream records are taken away and positions kept.
const SETTLE_INTERVAL: Duration = Duration::from_secs(1);
/// How often items whose time to live is over are deleted.
const EXPIRY_INTERVAL: Duration = Duration::from_mins(1);
/// How long calls under way may take when the platform stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// How to start a [`Platform`].
pub struct Options {
    /// On 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// Where everything is kept; `None` is a temporary directory that goes with the platform.
    pub data: Option<PathBuf>,
    /// Publish the demo when it is not there.
    pub demo: bool,
    /// Where functions get their "now".
    pub clock: Arc<dyn Clock>,
    /// Settings over the defaults, by the names that the functions know.
    pub settings: BTreeMap<String, String>,
    /// Whether the process environment counts. Tests leave it out.
    pub environment: bool,
    /// Count capacity units (calls are counted anyway).
    pub metered: bool,
}

impl Default for Options {
    /// For a test: any port, temporary, without demo, by the machine's clock.
    fn default() -> Self {
        Self {
            port: 0,
            data: None,
            demo: false,
            clock: Arc::new(SystemClock),
            settings: BTreeMap::new(),
            environment: false,
            metered: false,
        }
    }
}

/// The platform did not start; the text says why, on one or more lines.
#[derive(Debug)]
pub struct StartError(String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

impl From<String> for StartError {
    fn from(why: String) -> Self {
        Self(why)
    }
}

/// A running platform.
pub struct Platform {
    address: SocketAddr,
    engine: Engine,
    knobs: Arc<Knobs>,
    timers: Arc<LocalTimers>,
    queues: Queues,
    mailer: Arc<LocalMailer>,
    connections: Arc<LocalConnections>,
    sandbox: Arc<Sandbox>,
    tokens: Arc<Tokens>,
    functions: Functions,
    settings: settings::Values,
    clock: Arc<dyn Clock>,
    stopper: Stopper,
    tasks: JoinSet<()>,
}

/// What stands for the services of AWS.
struct Services {
    ports: Ports,
    timers: Arc<LocalTimers>,
    bus: WatchedBus,
    envelopes: mpsc::Receiver<Envelope>,
}

impl Services {
    fn new(
        wiring: &Wiring,
        store: Store,
        files: Arc<dyn Files>,
        uploads: Arc<dyn Uploads>,
        mailer: Arc<dyn Mailer>,
        connections: Arc<dyn Connections>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let queues = Queues::new(&wiring.queues, clock);
        let timers = Arc::new(LocalTimers::new(queues.named(TIMERS_QUEUE)?, Arc::clone(clock)));
        let tellings = Arc::new(LocalTellings::new(queues.named(TELLINGS_QUEUE)?, Arc::clone(clock)));
        let (bus, envelopes) = LocalBus::new(Arc::clone(clock), EVENTS_WAITING_MAX);
        let bus = WatchedBus::new(bus);
        let ports = Ports {
            store,
            timers: Arc::clone(&timers) as _,
            queues,
            tellings,
            connections,
            payments: None,
            bus: Arc::new(bus.clone()),
            files,
            uploads,
            mailer,
            clock: Arc::clone(clock),
        };
        Ok(Self { ports, timers, bus, envelopes })
    }

    /// What the platform keeps at hand.
    fn shared(&self) -> (Arc<LocalTimers>, Queues) {
        (Arc::clone(&self.timers), self.ports.queues.clone())
    }
}

/// Where tickets and mail are kept.
fn shelves(
    directory: &Path,
    base_url: &str,
    clock: &Arc<dyn Clock>,
) -> Result<(Arc<LocalFiles>, Arc<LocalMailer>), StartError> {
    let unusable = |why: domain::ProviderError| StartError(format!("{}: {why}", directory.display()));
    let files = LocalFiles::new(directory.join("tickets"), format!("{base_url}/dev/files"), Arc::clone(clock));
    let mailer = LocalMailer::new(directory.join("mail"));
    Ok((Arc::new(files.map_err(unusable)?), Arc::new(mailer.map_err(unusable)?)))
}

/// Where plans are put that are too large for a call.
fn uploads(directory: &Path, base_url: &str, clock: &Arc<dyn Clock>) -> Result<Arc<LocalUploads>, StartError> {
    let uploads = LocalUploads::new(directory.join("uploads"), format!("{base_url}/dev/uploads"), Arc::clone(clock));
    uploads.map(Arc::new).map_err(|why| StartError(format!("{}: {why}", directory.display())))
}

impl Platform {
    /// Starts everything, and answers once the API does.
    ///
    /// # Errors
    /// The port is taken, the data directory cannot be used, the template does not hold together, or a setting is
    /// malformed: all problems of a kind at once.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let mut wiring = Wiring::read(&testkit::template::parse(testkit::template::TEXT)?)?;
        let listener = listen(options.port).await?;
        let address = listener.local_addr().map_err(|why| StartError(why.to_string()))?;
        let base_url = format!("http://{address}");
        let engine_options =
            engine::Options { directory: options.data.clone(), metered: options.metered, ..Default::default() };
        let engine = Engine::start(engine_options).await.map_err(|why| StartError(why.to_string()))?;
        let directory = engine.directory();
        let secrets = settings::secrets(directory);
        let secrets = secrets.map_err(|why| StartError(format!("{}: {why}", directory.display())))?;
        let values = settings::gather(&base_url, secrets, environment(options.environment), &options.settings);

        let clock = options.clock;
        let (files, mailer) = shelves(directory, &base_url, &clock)?;
        let store = Store::new(engine.client(), TABLE);
        let uploads = uploads(directory, &base_url, &clock)?;
        let (shelf, post) = (Arc::clone(&files) as _, Arc::clone(&mailer) as _);
        let connections = Arc::new(LocalConnections::default());
        let watched = Arc::clone(&connections) as _;
        let services = Services::new(&wiring, store, shelf, Arc::clone(&uploads) as _, post, watched, &clock)?;
        let functions = Functions::build(&wiring, &values, &services.ports)?;
        let (counters, functions) = Counters::before(functions, engine.clone(), options.metered);
        let (routes, cors) = (std::mem::take(&mut wiring.routes), std::mem::take(&mut wiring.cors));
        let gateway = Arc::new(Gateway::new(routes, cors, &functions.http, Arc::clone(&clock))?);
        let tokens = Arc::new(Tokens::new(&values, Arc::clone(&clock)));
        if options.demo {
            seed::seed(&gateway, &tokens, directory).await?;
        }
        let sandbox = sandbox(&values, &base_url, &clock, options.data)?;
        let reconcile = functions.event_handler("reconcile")?;
        let (stopper, stop) = Stopper::new();
        let routes = Routes::new(&wiring.socket, &functions, Arc::clone(&clock))?;
        let live = Live::new(routes, Arc::clone(&connections), stop.clone());
        let web = Arc::new(Web::new(&values)?);
        let router = router(Arc::new(Front { gateway, web }), &files, &tokens, &sandbox, reconcile, &base_url);
        let router = router.merge(operators(&services.ports.store, counters)).merge(live.router());
        let router =
            router.merge(Router::new().route("/dev/uploads/{*key}", routing::put(dev::upload)).with_state(uploads));
        let reproject = functions.event_handler("project")?;
        let router =
            router.merge(Router::new().route("/dev/reproject", routing::post(dev::reproject)).with_state(reproject));

        let knobs = Arc::new(Knobs::default());
        let (timers, queues) = services.shared();
        let mut tasks = run(wiring, &functions, services, &engine, &knobs, &stop).await?;
        tasks.spawn(expire(engine.clone(), stop.clone()));
        tasks.spawn(serve(listener, router, stop));
        Ok(Self {
            address,
            engine,
            knobs,
            timers,
            queues,
            mailer,
            connections,
            sandbox,
            tokens,
            functions,
            settings: values,
            clock,
            stopper,
            tasks,
        })
    }

    /// `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where data, mail and tickets are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.engine.directory()
    }

    /// The table's engine: its client, meter, faults and stream.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The table as functions see it.
    #[must_use]
    pub fn store(&self) -> Store {
        Store::new(self.engine.client(), TABLE)
    }

    /// The switches.
    #[must_use]
    pub fn knobs(&self) -> &Knobs {
        &self.knobs
    }

    /// The timers, which can be made to get lost.
    #[must_use]
    pub fn timers(&self) -> &LocalTimers {
        &self.timers
    }

    /// The queue of this logical id in the template.
    ///
    /// # Panics
    /// The template has no such queue, or it wakes no function.
    #[must_use]
    pub fn queue(&self, name: &str) -> Arc<LocalQueue> {
        self.queues.named(name).expect("a queue of the template")
    }

    /// Mail that was sent.
    #[must_use]
    pub fn mailer(&self) -> &LocalMailer {
        &self.mailer
    }

    /// The live map's open connections.
    #[must_use]
    pub fn connections(&self) -> &LocalConnections {
        &self.connections
    }

    /// The payment provider.
    #[must_use]
    pub fn sandbox(&self) -> &Arc<Sandbox> {
        &self.sandbox
    }

    /// A dev token.
    ///
    /// # Panics
    /// The key cannot sign, which a start would have refused.
    #[must_use]
    pub fn token(&self, sub: &str, roles: &[&str]) -> String {
        let roles = roles.iter().map(|&role| role.to_owned()).collect();
        let email = Some(format!("{sub}@example.com"));
        let request = dev::TokenRequest { sub: sub.to_owned(), roles, email };
        self.tokens.issue(&request).expect("the key signed at the start")
    }

    /// A setting as the functions have it; empty when there is none of that name.
    #[must_use]
    pub fn setting(&self, name: &str) -> String {
        self.settings.get(name).cloned().unwrap_or_default()
    }

    /// Calls a HTTP function with a recorded event, past the API.
    ///
    /// # Errors
    /// There is no such function, or the event is not API Gateway's.
    pub async fn call(&self, function: &str, event: &str) -> Result<Response<edge::Body>, Failure> {
        let handler = self.functions.http.get(function).ok_or_else(|| Failure(format!("{function} serves no HTTP")))?;
        let request = edge::http::request_from_json(event).map_err(|why| Failure(why.to_string()))?;
        Ok(handler(request).await)
    }

    /// Calls an event function with an event, past queues and rules.
    ///
    /// # Errors
    /// There is no such function, or its own.
    pub async fn invoke(&self, function: &str, event: Value) -> Result<Value, Failure> {
        self.functions.event_handler(function).map_err(Failure)?(event).await
    }

    /// Runs the sweep once, as its schedule would.
    ///
    /// # Errors
    /// The sweep's own.
    pub async fn tick(&self) -> Result<(), Failure> {
        self.invoke("sweep", schedules::tick(self.clock.as_ref())).await.map(drop)
    }

    /// Ends everything: calls under way are answered, at most for a few seconds.
    pub async fn stop(mut self) {
        self.stopper.stop();
        let finish = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_TIMEOUT, finish).await.is_err() {
            tracing::warn!("some calls did not end in time");
        }
        self.tasks.shutdown().await;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the platform composes functions from the environment, as their main does"
)]
fn environment(counts: bool) -> impl Iterator<Item = (String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter(move |_| counts).filter_map(text)
}

async fn listen(port: u16) -> Result<TcpListener, StartError> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    TcpListener::bind(address).await.map_err(|why| match why.kind() {
        std::io::ErrorKind::AddrInUse => {
            StartError(format!("port {port} is taken: stop what listens there, or choose another with --port"))
        }
        _ => StartError(format!("{address}: {why}")),
    })
}

/// What answers on every path that is nobody else's: the web app's files, then the API.
struct Front {
    gateway: Arc<Gateway>,
    web: web::Shared,
}

/// The API and what surrounds it.
fn router(
    front: Arc<Front>,
    files: &Arc<LocalFiles>,
    tokens: &Arc<Tokens>,
    sandbox: &Arc<Sandbox>,
    reconcile: EventHandler,
    base_url: &str,
) -> Router {
    let serve =
        async |State(front): State<Arc<Front>>, ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request| {
            let (parts, body) = request.into_parts();
            match front.web.answer(&parts.method, parts.uri.path(), &parts.headers) {
                Some(file) => file,
                None => front.gateway.serve(parts, body, peer).await,
            }
        };
    let html = banner::page(base_url).into_bytes();
    let page = async move || -> Response<Body> { dev::content("text/html; charset=utf-8", html.clone()) };
    let files = Router::new().route("/dev/files/{*key}", routing::get(dev::file)).with_state(Arc::clone(files));
    let tokens = Router::new().route("/dev/token", routing::post(dev::token)).with_state(Arc::clone(tokens));
    let reconcile = Router::new().route("/dev/reconcile", routing::post(dev::reconcile)).with_state(reconcile);
    let page = Router::new().route("/dev", routing::get(page));
    let api = Router::new().fallback(serve).with_state(front);
    api.merge(page).merge(files).merge(tokens).merge(reconcile).merge(sandbox.router())
}

/// What an operator turns and reads.
fn operators(store: &Store, counters: Counters) -> Router {
    let meter = Router::new().route("/dev/meter", routing::get(counters::meter)).with_state(Arc::new(counters));
    Router::new().route("/dev/read-only", routing::post(dev::read_only)).with_state(store.clone()).merge(meter)
}

async fn serve(listener: TcpListener, router: Router, mut stop: Stop) {
    use axum::serve::ListenerExt as _;
    // Answers are small: waiting to fill packets would cost 40 ms each.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, service).with_graceful_shutdown(async move { stop.wait().await });
    if let Err(why) = served.await {
        tracing::error!("the server failed: {why}");
    }
}

/// Starts every consumer, rule and schedule.
async fn run(
    wiring: Wiring,
    functions: &Functions,
    services: Services,
    engine: &Engine,
    knobs: &Arc<Knobs>,
    stop: &Stop,
) -> Result<JoinSet<()>, StartError> {
    let mut tasks = JoinSet::new();
    let mut consumers = Vec::new();
    for spec in wiring.streams {
        let handler = functions.event_handler(&spec.function)?;
        let consumer = Arc::new(Consumer::resume(spec, handler, engine.clone(), Arc::clone(knobs)).await?);
        tasks.spawn(Arc::clone(&consumer).run(stop.clone()));
        consumers.push(consumer);
    }
    for spec in wiring.queues {
        let handler = functions.event_handler(&spec.function)?;
        let queue = services.ports.queues.named(&spec.queue)?;
        let spec = Arc::new(spec);
        for _ in 0..QUEUE_CONSUMERS.min(spec.concurrency_max) {
            let (spec, queue, handler) = (Arc::clone(&spec), Arc::clone(&queue), Arc::clone(&handler));
            tasks.spawn(queues::run(spec, queue, handler, Arc::clone(knobs), stop.clone()));
        }
    }
    let mut rules = Vec::new();
    for spec in wiring.rules {
        let handler = functions.event_handler(&spec.function)?;
        rules.push((spec, handler));
    }
    let router = rules::Router::new(rules, &services.bus, Arc::clone(knobs));
    tasks.spawn(router.run(services.envelopes, stop.clone()));
    for spec in wiring.schedules {
        let handler = functions.event_handler(&spec.function)?;
        let clock = Arc::clone(&services.ports.clock);
        tasks.spawn(schedules::run(spec, handler, clock, Arc::clone(knobs), stop.clone()));
    }
    tasks.spawn(settle(engine.clone(), consumers, services.bus, stop.clone()));
    Ok(tasks)
}

/// The payment provider, with the keys that the functions know it by.
fn sandbox(
    values: &settings::Values,
    base_url: &str,
    clock: &Arc<dyn Clock>,
    data: Option<PathBuf>,
) -> Result<Arc<Sandbox>, StartError> {
    let text = |name: &str| values.get(name).map_or("", String::as_str);
    let sandbox = Sandbox::new(SandboxSettings {
        secret_key: text("PAYMENT_SECRET_KEY").to_owned(),
        open: true,
        webhook_secret: text("PAYMENT_WEBHOOK_SECRET").split(',').next().unwrap_or_default().trim().to_owned(),
        webhook_url: Some(format!("{base_url}/v1/webhooks/payments")),
        clock: Arc::clone(clock),
        data_dir: data,
    });
    sandbox.map_err(|why| StartError(why.to_string()))
}

/// Keeps where the stream's consumers are and prunes what all of them are past. A position counts once every event that
/// came of it is delivered: after a crash the records before it are not read again.
async fn settle(engine: Engine, consumers: Vec<Arc<Consumer>>, bus: WatchedBus, mut stop: Stop) {
    let mut settled: Vec<(String, i64)> = Vec::new();
    loop {
        let running = stop.pause(SETTLE_INTERVAL).await;
        let positions: Vec<(String, i64)> =
            consumers.iter().map(|consumer| (consumer.name().to_owned(), consumer.position())).collect();
        if bus.is_quiet() && positions != settled {
            let told = positions.clone();
            match streams::on_stream(&engine, move |stream| stream.settle(&told)).await {
                Ok(()) => settled = positions,
                Err(why) => tracing::warn!("stream positions are not kept: {why}"),
            }
        }
        if !running {
            return;
        }
    }
}

/// Deletes items whose time to live is over, as DynamoDB does in its own time.
async fn expire(engine: Engine, mut stop: Stop) {
    while stop.pause(EXPIRY_INTERVAL).await {
        if let Err(why) = engine.expire().await {
            tracing::warn!("expired items are not deleted: {why}");
        }
    }
}

/// Waits for Ctrl-C, or for the signal that ends a service.
pub async fn until_interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    // Without a signal to wait for, only being killed ends it.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
