//! Each function of the template, built with this machine's ports: the one place that names them all.

use std::{collections::HashMap, sync::Arc};

use domain::time::Clock;
use edge::{Failure, Settings, guard::Guard};
use futures::{FutureExt as _, future::BoxFuture};
use outbound::{
    bus::Bus,
    files::Files,
    ids::RandomIds,
    live::{Connections, Tellings},
    mail::Mailer,
    payments::{
        Payments,
        circuit::Circuit,
        stripe::{Stripe, StripeSettings},
    },
    ticks::LocalTicks,
    timers::Timers,
    uploads::Uploads,
};
use serde_json::Value;
use settlement::Settlement;
use store::{Store, cache::Catalogue, mode::Modes};

use crate::{
    queues::Queues,
    settings::{self, Values},
    wiring::Wiring,
};

/// Answers a HTTP call.
pub type HttpHandler = Arc<dyn Fn(edge::Request) -> BoxFuture<'static, edge::Response<edge::Body>> + Send + Sync>;

/// Handles an event: its JSON in, the answer's JSON out, as on Lambda.
pub type EventHandler = Arc<dyn Fn(Value) -> BoxFuture<'static, Result<Value, Failure>> + Send + Sync>;

/// The functions, by name.
#[derive(Clone, Default)]
pub(crate) struct Functions {
    /// Those that serve HTTP.
    pub(crate) http: HashMap<&'static str, HttpHandler>,
    /// Those that handle events.
    pub(crate) events: HashMap<&'static str, EventHandler>,
}

/// What functions reach the world through.
#[derive(Clone)]
pub(crate) struct Ports {
    /// The table.
    pub(crate) store: Store,
    /// Delayed messages.
    pub(crate) timers: Arc<dyn Timers>,
    /// The queues of the template, for whoever sends messages of another kind.
    pub(crate) queues: Queues,
    /// What watchers have to be told.
    pub(crate) tellings: Arc<dyn Tellings>,
    /// The live map's open connections.
    pub(crate) connections: Arc<dyn Connections>,
    /// The payment provider, where it is not the one that the settings name.
    pub(crate) payments: Option<Arc<dyn Payments>>,
    /// Events.
    pub(crate) bus: Arc<dyn Bus>,
    /// Ticket files.
    pub(crate) files: Arc<dyn Files>,
    /// What organisers put beside the API.
    pub(crate) uploads: Arc<dyn Uploads>,
    /// Mail.
    pub(crate) mailer: Arc<dyn Mailer>,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
}

macro_rules! http {
    ($app:expr, $handle:path) => {{
        let app = Arc::new($app);
        Handler::Http(Arc::new(move |request| {
            let app = Arc::clone(&app);
            async move { $handle(&app, request).await }.boxed()
        }))
    }};
}

/// `handler` behind the guard that it has on Lambda, too. An instance is a process there; here it is the function.
fn guarded(settings: &Settings, store: Store, handler: HttpHandler) -> Result<HttpHandler, Failure> {
    let modes = Arc::new(Modes::new(store));
    let mode = move || {
        let modes = Arc::clone(&modes);
        async move { modes.read_only().await }
    };
    let guard = Arc::new(Guard::new(settings, mode));
    settings.check()?;
    Ok(Arc::new(move |request| {
        let (guard, handler) = (Arc::clone(&guard), Arc::clone(&handler));
        async move { guard.serve(request, |request| handler(request)).await }.boxed()
    }))
}

macro_rules! events {
    ($app:expr, $handle:path) => {{
        let app = Arc::new($app);
        Handler::Events(Arc::new(move |event| {
            let app = Arc::clone(&app);
            async move {
                let event = serde_json::from_value(event).map_err(|why| not_an_event(&why))?;
                let answer = $handle(&app, event).await?;
                serde_json::to_value(answer).map_err(|why| not_an_event(&why))
            }
            .boxed()
        }))
    }};
}

fn not_an_event(why: &serde_json::Error) -> Failure {
    Failure(format!("not an event: {why}"))
}

enum Handler {
    Http(HttpHandler),
    Events(EventHandler),
}

impl Functions {
    /// Builds every function of the template, each with the settings that the template declares for it.
    ///
    /// # Errors
    /// Every problem of every function's settings, once; a function of the template that is not here.
    pub(crate) fn build(wiring: &Wiring, values: &Values, ports: &Ports) -> Result<Self, String> {
        let mut functions = Self::default();
        let mut problems: Vec<String> = Vec::new();
        for (name, spec) in &wiring.functions {
            let settings = settings::of_function(values, &spec.settings);
            let built = one(name, &settings, ports.clone()).and_then(|(name, handler)| match handler {
                Handler::Http(handler) => Ok((name, Handler::Http(guarded(&settings, ports.store.clone(), handler)?))),
                events @ Handler::Events(_) => Ok((name, events)),
            });
            match built {
                Ok((name, Handler::Http(handler))) => drop(functions.http.insert(name, handler)),
                Ok((name, Handler::Events(handler))) => drop(functions.events.insert(name, handler)),
                Err(why) => {
                    let lines = why.0.lines().map(str::trim).filter(|line| *line != "settings:" && !line.is_empty());
                    let named = lines.map(|line| format!("{name}: {line}"));
                    problems.extend(named);
                }
            }
        }
        if problems.is_empty() { Ok(functions) } else { Err(format!("functions:\n  {}", problems.join("\n  "))) }
    }

    /// The function that handles events under this name.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn event_handler(&self, name: &str) -> Result<EventHandler, String> {
        let handler = self.events.get(name).cloned();
        handler.ok_or_else(|| format!("template.yaml sends events to {name}, which does not handle them"))
    }
}

fn one(name: &str, settings: &Settings, ports: Ports) -> Result<(&'static str, Handler), Failure> {
    let catalogue = || Catalogue::new(ports.store.clone());
    Ok(match name {
        "browse" => {
            let app = browse::App::new(settings, ports.store, ports.clock);
            settings.check()?;
            ("browse", http!(app, browse::handle))
        }
        "hold" => {
            let options = hold::Options::new(settings);
            let settlement = settlement(settings, &ports)?;
            ("hold", http!(hold::App::new(options, settlement, catalogue()), hold::handle))
        }
        "confirm" => {
            let auth = settings.auth();
            let settlement = settlement(settings, &ports)?;
            ("confirm", http!(confirm::App { auth, settlement }, confirm::handle))
        }
        "webhook" => {
            let (auth, secrets) = (settings.auth(), settings.list("PAYMENT_WEBHOOK_SECRET"));
            let settlement = settlement(settings, &ports)?;
            ("webhook", http!(webhook::App { auth, secrets, settlement }, webhook::handle))
        }
        "bookings" => {
            let options = bookings::Options::new(settings)?;
            let settlement = settlement(settings, &ports)?;
            ("bookings", http!(bookings::App::new(options, settlement, ports.files), bookings::handle))
        }
        "scan" => ("scan", http!(scan::App::new(settings, ports.store, ports.clock)?, scan::handle)),
        "organise" => {
            let app = organise::App::new(settings, ports.store, ports.uploads, ports.clock, Arc::new(RandomIds));
            settings.check()?;
            ("organise", http!(app, organise::handle))
        }
        "sweep" => ("sweep", events!(sweep::App { settlement: settlement(settings, &ports)? }, sweep::handle)),
        "reconcile" => {
            let app = reconcile::App { settlement: settlement(settings, &ports)? };
            ("reconcile", events!(app, reconcile::handle))
        }
        "queue" => {
            let ticks = Arc::new(LocalTicks::new(ports.queues.named("Ticks").map_err(Failure)?));
            let app = queue::App::new(settings, ports.store, ticks, ports.clock);
            settings.check()?;
            ("queue", http!(app, queue::handle))
        }
        "queue-admit" => {
            let ticks = Arc::new(LocalTicks::new(ports.queues.named("Ticks").map_err(Failure)?));
            let app = queue_admit::App::new(settings, ports.store, ticks, ports.clock);
            settings.check()?;
            ("queue-admit", events!(app, queue_admit::handle))
        }
        "waitlist" => {
            let app = waitlist::App::new(settings, ports.store, ports.clock);
            settings.check()?;
            ("waitlist", http!(app, waitlist::handle))
        }
        "offer" => {
            let options = offer::Options::new(settings);
            settings.check()?;
            ("offer", events!(offer::App::new(options, ports.store, ports.timers, ports.clock), offer::handle))
        }
        "live" => {
            let app = live::App::new(settings, ports.store, ports.connections, ports.clock);
            settings.check()?;
            ("live", events!(app, connection))
        }
        "push" => ("push", events!(push::App::new(ports.store, ports.connections, ports.clock), tell)),
        "project" => ("project", events!(project::App::new(ports.store, ports.tellings, ports.clock), project::work)),
        "relay" => ("relay", events!(relay::App { store: ports.store, bus: ports.bus }, publish)),
        "ticket" => ("ticket", events!(ticket::App::new(settings, ports.store, ports.files)?, ticket::handle)),
        "notification" => {
            let app = notification::App::new(settings, ports.store, ports.files, ports.mailer, ports.clock)?;
            ("notification", events!(app, notification::handle))
        }
        _ => return Err(Failure("this function of template.yaml is not one that the platform knows".to_owned())),
    })
}

/// `relay` answers which records failed, and never fails as a whole.
async fn publish(app: &relay::App, event: edge::DynamodbEvent) -> Result<edge::DynamoDbEventResponse, Failure> {
    Ok(relay::handle(app, event).await)
}

/// `live` answers with a status, whatever happened.
async fn connection(app: &live::App, event: edge::live::SocketEvent) -> Result<edge::live::SocketReply, Failure> {
    Ok(live::handle(app, event).await)
}

/// `push` answers which messages failed.
async fn tell(app: &push::App, batch: edge::SqsEvent) -> Result<edge::SqsBatchResponse, Failure> {
    Ok(push::handle(app, batch).await)
}

/// What carries bookings through payment, over the provider that is given or that the settings name. Checks the settings
/// read so far.
fn settlement(settings: &Settings, ports: &Ports) -> Result<Settlement, Failure> {
    let stripe = StripeSettings::new(settings.text("PAYMENT_BASE_URL"), settings.text("PAYMENT_SECRET_KEY"));
    settings.check()?;
    let payments = match &ports.payments {
        Some(payments) => Arc::clone(payments),
        None => Arc::new(Circuit::new(Stripe::new(stripe)?)),
    };
    Ok(Settlement {
        store: ports.store.clone(),
        payments,
        timers: Arc::clone(&ports.timers),
        clock: Arc::clone(&ports.clock),
    })
}
