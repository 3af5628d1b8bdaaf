//! Who takes a call, and what becomes of them: an instance by chance, that may die between any two awaits; and whatever
//! may come twice comes twice.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use edge::{Body, Failure, Response};
use futures::FutureExt as _;
use serde_json::Value;
use testkit::dice::Dice;
use usher::assembly::{Cast, EventHandler, HttpHandler};

use crate::{
    options::Kind,
    wire::Work,
    world::{CALLER, World},
};

/// Awaits of a call before it dies, if it does, at most.
const AWAITS_MAX: u64 = 24;
/// How much later something comes again, in milliseconds, at most.
const AGAIN_MS_MAX: u64 = 90_000;

/// The cast of a world.
pub(crate) struct Troupe(pub(crate) Arc<World>);

/// A function with its instances.
struct Part<H> {
    world: Arc<World>,
    function: &'static str,
    instances: Vec<H>,
    dice: Dice,
}

impl<H> Part<H> {
    fn new(world: &Arc<World>, function: &'static str, instances: Vec<H>) -> Arc<Self> {
        let dice = Dice::about(world.options.seed, function);
        Arc::new(Self { world: Arc::clone(world), function, instances, dice })
    }

    fn befalls(&self, kind: Kind) -> bool {
        let is_hit = self.dice.below(1000) < self.world.options.rate(kind);
        is_hit && !self.world.is_healed()
    }

    /// Somebody takes the call: their number, and after how many awaits they die, if they do.
    fn take(&self) -> (usize, Option<u64>) {
        let instance = usize::try_from(self.dice.below(self.instances.len() as u64)).expect("an index");
        let (dies, after) = (self.befalls(Kind::Crash), self.dice.below(AWAITS_MAX));
        self.world.count_invocation();
        let at = self.world.clock.elapsed_ms();
        self.world.trace.note(format!("{at} {instance} {} is called", self.function));
        (instance, dies.then_some(after))
    }

    /// What is answered: the truth, unless a lie was planted.
    fn told(&self, mut response: Response<Body>) -> Response<Body> {
        let Body::Text(body) = response.body() else { return response };
        if let Some((status, lie)) = self.world.plant.and_then(|plant| plant.lie(self.function, body)) {
            *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
            *response.body_mut() = Body::Text(lie);
        }
        response
    }

    async fn live<T>(&self, work: Work<T>, dies_after: Option<u64>) -> Option<T> {
        let outcome = CALLER.scope(self.function, Mortal { work, awaits_left: dies_after }).await;
        let at = self.world.clock.elapsed_ms();
        let end = if outcome.is_some() { "returns" } else { "dies" };
        self.world.trace.note(format!("{at} {} {end}", self.function));
        outcome
    }
}

impl Cast for Troupe {
    fn http(&self, function: &'static str, instances: Vec<HttpHandler>) -> HttpHandler {
        let part = Part::new(&self.0, function, instances);
        Arc::new(move |request| {
            let part = Arc::clone(&part);
            async move {
                let (instance, dies_after) = part.take();
                let work = (part.instances[instance])(request);
                let response = part.live(work, dies_after).await.unwrap_or_else(bad_gateway);
                part.told(response)
            }
            .boxed()
        })
    }

    fn events(&self, function: &'static str, instances: Vec<EventHandler>) -> EventHandler {
        let part = Part::new(&self.0, function, instances);
        Arc::new(move |event| perform(Arc::clone(&part), event).boxed())
    }
}

/// One delivery of an event, and those that come of it.
async fn perform(part: Arc<Part<EventHandler>>, event: Value) -> Result<Value, Failure> {
    let is_timer = part.function == "sweep" && event.get("Records").is_some();
    let is_lost = part.befalls(Kind::TimerLost);
    if is_timer && is_lost || part.world.plant.is_some_and(|plant| plant.loses(part.function, &event, &part.world)) {
        return Ok(Value::Null);
    }
    // The gateway tells what happens to a connection once, and waits for the answer.
    let is_repeated = part.function != "live";
    let (twice, wait_ms) = (part.befalls(Kind::Twice) && is_repeated, part.dice.below(AGAIN_MS_MAX));
    if twice {
        // A schedule has nothing to deliver again: then two are at it at once.
        let wait = if event.get("source").is_some() && event.get("detail").is_some_and(is_empty) { 0 } else { wait_ms };
        let (part, event) = (Arc::clone(&part), event.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            let (instance, dies_after) = part.take();
            // Nobody hears how the second delivery ends.
            drop(part.live((part.instances[instance])(event), dies_after).await);
        });
    }
    let (instance, dies_after) = part.take();
    let work = (part.instances[instance])(event);
    part.live(work, dies_after).await.unwrap_or_else(|| Err(Failure("the process died".to_owned())))
}

fn is_empty(detail: &Value) -> bool {
    detail.as_object().is_some_and(serde_json::Map::is_empty)
}

/// What a gateway answers for a function that died.
fn bad_gateway() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = http::StatusCode::BAD_GATEWAY;
    response
}

/// Work that ends, unfinished, after so many awaits.
struct Mortal<T> {
    work: Work<T>,
    awaits_left: Option<u64>,
}

impl<T> Future for Mortal<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        if let Poll::Ready(outcome) = self.work.poll_unpin(context) {
            return Poll::Ready(Some(outcome));
        }
        match &mut self.awaits_left {
            Some(0) => Poll::Ready(None),
            Some(left) => {
                *left -= 1;
                Poll::Pending
            }
            None => Poll::Pending,
        }
    }
}
