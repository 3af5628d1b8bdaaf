//! The line of one instance to the table: it takes its time, it fails, and it shows every write to the witness. What is at
//! its other end is the engine that tests and `cargo run` have.

use std::{
    cell::Cell,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use futures::future::BoxFuture;
use serde_json::Value;
use store::Store;
use testkit::{
    dice::Dice,
    engine::{CallInfo, Fault, FaultHook, digest_of},
};
use tokio::task::JoinHandle;

use crate::{
    options::Kind,
    world::{CALLER, World},
};

/// As the deployed lines are.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// As the deployed lines are.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);
/// As the deployed lines are.
const ATTEMPTS_MAX: u32 = 3;
/// A call's way to the table, in milliseconds, at most.
const WAY_MS_MAX: u64 = 30;
/// A slow one's.
const SLOW_MS_MAX: u64 = 4_000;
/// A late one's: it is given up long before.
const LATE_MS_MAX: u64 = 20_000;
/// Operations that change items.
const WRITES: [&str; 5] = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"];

thread_local! {
    /// What the engine does with the call that is handed to it in this moment.
    static NEXT: Cell<Fault> = const { Cell::new(Fault::None) };
}

/// A store of the instance of this number.
pub(crate) fn store(world: &Arc<World>, instance: u64) -> Store {
    let hook: FaultHook = Arc::new(|_: &CallInfo<'_>| NEXT.take());
    let client = world.engine.client_with_fault(hook);
    let inner = client.config().http_client().expect("the engine's client has a line");
    let dice = Dice::about(world.options.seed, &format!("line {instance}"));
    let wire = Wire { inner, world: Arc::clone(world), instance, dice: Arc::new(dice) };
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let attempts = if world.options.patient { ATTEMPTS_MAX } else { 1 };
    // The machine's chance would spread the pauses otherwise; ours does.
    let retry = RetryConfig::standard().with_max_attempts(attempts).with_use_static_exponential_base(true);
    let partition = aws_sdk_dynamodb::config::retry::RetryPartition::custom(format!("instance {instance}")).build();
    let config = client.config().to_builder().http_client(wire).timeout_config(timeouts).retry_config(retry);
    Store::new(Client::from_conf(config.retry_partition(partition).build()), world.engine.table())
}

#[derive(Clone)]
struct Wire {
    inner: SharedHttpClient,
    world: Arc<World>,
    instance: u64,
    dice: Arc<Dice>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wire {}", self.instance)
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, settings: &HttpConnectorSettings, parts: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, parts);
        SharedHttpConnector::new(Connector { inner, wire: self.clone() })
    }
}

#[derive(Clone, Debug)]
struct Connector {
    inner: SharedHttpConnector,
    wire: Wire,
}

/// What becomes of a call, as the dice have it.
struct Fate {
    /// Before it is carried out.
    there: Duration,
    /// Before its answer is heard.
    back: Duration,
    fault: Fault,
    /// Nobody waits for it; it is carried out all the same.
    late: bool,
    /// It is carried out though whoever made it has died or given up.
    survives: bool,
}

impl Connector {
    fn fate(&self) -> Fate {
        let Wire { dice, world, .. } = &self.wire;
        let way = || Duration::from_millis(dice.below(WAY_MS_MAX));
        let (there, back) = (way(), way());
        let survives = dice.in_hundred(50);
        let mut fate = Fate { there, back, fault: Fault::None, late: false, survives };
        // Each is thrown for, so that leaving one out does not change the others.
        let befalls = |kind| {
            let is_hit = dice.below(1000) < world.options.rate(kind);
            is_hit && !world.is_healed()
        };
        let (throttle, conflict, lost) = (befalls(Kind::Throttle), befalls(Kind::Conflict), befalls(Kind::Lost));
        let (unanswered, late, slow) = (befalls(Kind::Unanswered), befalls(Kind::Late), befalls(Kind::Slow));
        let (slow_ms, late_ms) = (dice.below(SLOW_MS_MAX), dice.below(LATE_MS_MAX));
        fate.fault = match () {
            () if throttle => Fault::Throttle,
            () if conflict => Fault::TransactionConflict,
            () if lost => Fault::DropBeforeSend,
            () if unanswered => Fault::DropAfterCommit,
            () => Fault::None,
        };
        if slow {
            fate.there += Duration::from_millis(slow_ms);
        }
        if late && fate.fault == Fault::None {
            fate.late = true;
            fate.there = Duration::from_millis(late_ms);
        }
        fate
    }

    /// Carries the call out, in its time.
    async fn carry(self, function: &'static str, operation: String, request: HttpRequest, fate: Fate) -> Outcome {
        tokio::time::sleep(fate.there).await;
        let world = &self.wire.world;
        let (request, answered) =
            match world.plant.and_then(|plant| plant.tamper(function, &operation, &request, world)) {
                Some(tampered) => tampered,
                None => (request, None),
            };
        let digest = digest_of(request.body().bytes().unwrap_or_default());
        NEXT.set(fate.fault);
        let outcome = match answered {
            Some(answer) => Ok(answer),
            None => self.inner.call(request).await,
        };
        NEXT.take();
        world.count_call();
        let status = outcome.as_ref().map_or(0, |response| response.status().as_u16());
        let at = world.clock.elapsed_ms();
        let instance = self.wire.instance;
        world.trace.note(format!("{at} {instance} {function} {operation} {digest:016x} {:?} {status}", fate.fault));
        if WRITES.contains(&operation.as_str()) {
            world.witness().look();
            world.witness().mark_places();
        }
        tokio::time::sleep(fate.back).await;
        outcome
    }
}

type Outcome = Result<HttpResponse, ConnectorError>;

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let function = CALLER.try_with(|function| *function).unwrap_or("outside");
        let fate = self.fate();
        let (late, survives) = (fate.late, fate.survives);
        let sent = tokio::spawn(self.clone().carry(function, operation, request, fate));
        if late {
            return HttpConnectorFuture::ready(Err(ConnectorError::timeout("it takes too long".into())));
        }
        HttpConnectorFuture::new(InFlight { sent, survives })
    }
}

/// A call whose sender waits. It may be carried out though nobody does any more.
struct InFlight {
    sent: JoinHandle<Outcome>,
    survives: bool,
}

impl Future for InFlight {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let joined = std::task::ready!(Pin::new(&mut self.sent).poll(context));
        Poll::Ready(joined.unwrap_or_else(|why| Err(ConnectorError::other(why.into(), None))))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.survives {
            self.sent.abort();
        }
    }
}

/// A request with another body.
pub(crate) fn with_body(request: &HttpRequest, body: &Value) -> Option<HttpRequest> {
    let mut copy = request.try_clone()?;
    *copy.body_mut() = SdkBody::from(body.to_string());
    Some(copy)
}

/// Handlers' futures, as they are passed around here.
pub(crate) type Work<T> = BoxFuture<'static, T>;
