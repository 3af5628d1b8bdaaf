//! Stream consumers, as Lambda's event source mappings run them: batches in order, filtered, retried from the first
//! record that failed, put aside when that does not help.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use testkit::engine::{Engine, Record, Stream};

use crate::{backoff, functions::EventHandler, knobs::Knobs, stop::Stop, wiring::StreamSpec};

/// How often a consumer looks for records. Lambda looks four times a second; records gather in between.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The first wait after a failed batch.
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// The longest wait after a failed batch.
const RETRY_LONGEST: Duration = Duration::from_secs(5);
/// The stream's name in events.
const STREAM_ARN: &str = "arn:aws:dynamodb:local:000000000000:table/usher/stream/local";

/// One consumer of the stream.
pub(crate) struct Consumer {
    spec: StreamSpec,
    handler: EventHandler,
    engine: Engine,
    knobs: Arc<Knobs>,
    position: AtomicI64,
}

impl Consumer {
    /// Continues where the consumer was when it was last heard of.
    ///
    /// # Errors
    /// The stream cannot be read.
    pub(crate) async fn resume(
        spec: StreamSpec,
        handler: EventHandler,
        engine: Engine,
        knobs: Arc<Knobs>,
    ) -> Result<Self, String> {
        let name = spec.function.clone();
        let position = on_stream(&engine, move |stream| stream.position(&name)).await?;
        Ok(Self { spec, handler, engine, knobs, position: AtomicI64::new(position) })
    }

    /// The function that reads.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        &self.spec.function
    }

    /// Everything up to here was handled or put aside.
    #[must_use]
    pub(crate) fn position(&self) -> i64 {
        self.position.load(Ordering::Acquire)
    }

    /// Reads until it is over.
    pub(crate) async fn run(self: Arc<Self>, mut stop: Stop) {
        let mut writes = self.engine.writes();
        loop {
            tokio::select! {
                () = writes.changed() => {}
                () = stop.wait() => return,
            }
            let mut wait = POLL_INTERVAL;
            loop {
                if !stop.pause(wait).await {
                    return;
                }
                match self.next_batch(&mut stop).await {
                    Ok(0) => break,
                    // Whoever is behind does not wait for more to gather.
                    Ok(count) => wait = if count == self.batch_max() { Duration::ZERO } else { POLL_INTERVAL },
                    Err(why) => {
                        tracing::error!(function = self.name(), "the stream cannot be read: {why}");
                        break;
                    }
                }
            }
        }
    }

    /// Records in one batch, at most.
    fn batch_max(&self) -> usize {
        usize::try_from(self.spec.batch_size).unwrap_or(usize::MAX)
    }

    /// Handles the next batch. Answers how many records there were.
    async fn next_batch(&self, stop: &mut Stop) -> Result<usize, String> {
        let (after, limit) = (self.position(), self.spec.batch_size);
        let records = on_stream(&self.engine, move |stream| stream.read(after, limit)).await?;
        let Some(last) = records.last().map(|record| record.sequence) else { return Ok(0) };
        let count = records.len();
        let events = self.events(records)?;
        self.handle(events, stop).await;
        if !stop.is_over() {
            self.position.store(last, Ordering::Release);
        }
        Ok(count)
    }

    /// The records that the function wants, each with its sequence number.
    fn events(&self, records: Vec<Record>) -> Result<Vec<(i64, String, Value)>, String> {
        let mut events = Vec::with_capacity(records.len());
        for record in records {
            // Most records are somebody else's: they are not read further than their keys.
            let keys = json!({"dynamodb": {"Keys": record.keys}});
            let is_wanted = self.spec.filters.is_empty() || self.spec.filters.iter().any(|it| it.may_match(&keys));
            if !is_wanted || record.is_idle() {
                continue;
            }
            let event = record.event(STREAM_ARN).map_err(|why| why.to_string())?;
            if self.spec.filters.is_empty() || self.spec.filters.iter().any(|filter| filter.matches(&event)) {
                events.push((record.sequence, record.sequence_number(), event));
            }
        }
        Ok(events)
    }

    /// Calls the function until every record is handled or put aside, or it is over.
    async fn handle(&self, mut events: Vec<(i64, String, Value)>, stop: &mut Stop) {
        let mut tries = 0;
        while !events.is_empty() {
            let batch: Vec<&Value> = events.iter().map(|(_, _, event)| event).collect();
            let failed_at = match (self.handler)(json!({"Records": batch})).await {
                Ok(response) => first_failed(&response, &events),
                Err(why) => {
                    tracing::warn!(function = self.name(), "a stream batch failed: {why}");
                    Some(0)
                }
            };
            let Some(failed_at) = failed_at else { return };
            self.advance(&events[..failed_at]);
            events.drain(..failed_at);
            tries = if failed_at > 0 { 1 } else { tries + 1 };
            if tries > self.spec.retries_max {
                tracing::error!(function = self.name(), stream.record = events[0].1, "a stream record is given up");
                self.knobs.give_up();
                self.advance(&events[..1]);
                events.remove(0);
                tries = 0;
            } else if !stop.pause(backoff::wait(tries, RETRY_FIRST, RETRY_LONGEST)).await {
                return;
            }
        }
    }

    fn advance(&self, done: &[(i64, String, Value)]) {
        if let Some((sequence, _, _)) = done.last() {
            self.position.store(*sequence, Ordering::Release);
        }
    }
}

/// The index of the first record that the function reports as failed.
fn first_failed(response: &Value, events: &[(i64, String, Value)]) -> Option<usize> {
    let failures = response["batchItemFailures"].as_array()?;
    let index = |failure: &Value| {
        let number = failure["itemIdentifier"].as_str().unwrap_or_default();
        // An identifier that is none of the batch's fails all of it, as on Lambda.
        events.iter().position(|(_, known, _)| known == number).unwrap_or(0)
    };
    failures.iter().map(index).min()
}

/// Runs a look at the stream where blocking is allowed; where calls of the table are carried out, if that is here.
pub(crate) async fn on_stream<T: Send + 'static, E: std::fmt::Display + Send + 'static>(
    engine: &Engine,
    look: impl FnOnce(&Stream) -> Result<T, E> + Send + 'static,
) -> Result<T, String> {
    let stream = engine.stream();
    if engine.is_stepwise() {
        return look(&stream).map_err(|why| why.to_string());
    }
    let look = tokio::task::spawn_blocking(move || look(&stream).map_err(|why| why.to_string()));
    look.await.map_err(|why| why.to_string())?
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::FutureExt as _;
    use serde_json::json;
    use testkit::engine::TABLE;

    use super::*;
    use crate::{pattern::Pattern, stop::Stopper};

    async fn put(engine: &Engine, pk: &str) {
        let text = |value: &str| aws_sdk_dynamodb::types::AttributeValue::S(value.to_owned());
        let call = engine.client().put_item().table_name(TABLE).item("PK", text(pk)).item("SK", text("x"));
        call.send().await.unwrap();
    }

    fn spec(retries_max: u32) -> StreamSpec {
        let filter = Pattern::new(&json!({"dynamodb": {"Keys": {"PK": {"S": [{"prefix": "SEATS#"}]}}}})).unwrap();
        StreamSpec { function: "reader".to_owned(), batch_size: 100, filters: vec![filter], retries_max }
    }

    type Seen = Arc<Mutex<Vec<Vec<String>>>>;

    /// Remembers the keys of each batch, and answers as `verdict` says of the batch and how many came before it.
    fn handler(
        verdict: impl Fn(usize, &Value) -> Result<Value, String> + Send + Sync + 'static,
    ) -> (EventHandler, Seen) {
        let seen: Seen = Arc::default();
        let remember = Arc::clone(&seen);
        let handler: EventHandler = Arc::new(move |event: Value| {
            let records = event["Records"].as_array().unwrap();
            let keys = records.iter().map(|record| record["dynamodb"]["Keys"]["PK"]["S"].as_str().unwrap().to_owned());
            let mut seen = remember.lock().unwrap();
            let answer = verdict(seen.len(), &event).map_err(edge::Failure);
            seen.push(keys.collect());
            async move { answer }.boxed()
        });
        (handler, seen)
    }

    async fn read_all(retries_max: u32, handler: EventHandler, engine: &Engine) -> Arc<Knobs> {
        let knobs = Arc::new(Knobs::default());
        let consumer = Consumer::resume(spec(retries_max), handler, engine.clone(), Arc::clone(&knobs)).await.unwrap();
        let (_stopper, mut stop) = Stopper::new();
        while consumer.next_batch(&mut stop).await.unwrap() > 0 {}
        assert_eq!(consumer.position(), engine.stream().newest().unwrap());
        knobs
    }

    #[tokio::test]
    async fn only_what_the_filter_wants_arrives_in_order() {
        let engine = Engine::temporary().await;
        for pk in ["SEATS#1", "AVAIL#1", "SEATS#2", "SEATS#1"] {
            put(&engine, pk).await;
        }
        let (handler, seen) = handler(|_, _| Ok(json!({"batchItemFailures": []})));
        read_all(3, handler, &engine).await;
        assert_eq!(*seen.lock().unwrap(), [["SEATS#1", "SEATS#2"]], "a write that changed nothing is no record");
    }

    #[tokio::test]
    async fn a_failed_record_is_tried_again_from_there() {
        let engine = Engine::temporary().await;
        for pk in ["SEATS#1", "SEATS#2", "SEATS#3"] {
            put(&engine, pk).await;
        }
        let (handler, seen) = handler(|calls, event| match calls {
            0 => Ok(
                json!({"batchItemFailures": [{"itemIdentifier": event["Records"][1]["dynamodb"]["SequenceNumber"]}]}),
            ),
            1 => Err("down".to_owned()),
            _ => Ok(Value::Null),
        });
        read_all(3, handler, &engine).await;
        let rest = vec!["SEATS#2".to_owned(), "SEATS#3".to_owned()];
        assert_eq!(seen.lock().unwrap()[1..], [rest.clone(), rest]);
    }

    #[tokio::test]
    async fn a_record_that_never_works_is_put_aside_and_the_rest_goes_on() {
        let engine = Engine::temporary().await;
        put(&engine, "SEATS#1").await;
        put(&engine, "SEATS#2").await;
        let (handler, seen) = handler(|_, event| match event["Records"][0]["dynamodb"]["Keys"]["PK"]["S"].as_str() {
            Some("SEATS#1") => Err("poison".to_owned()),
            _ => Ok(Value::Null),
        });
        let knobs = read_all(1, handler, &engine).await;
        assert_eq!(seen.lock().unwrap().last().unwrap(), &["SEATS#2"]);
        assert_eq!(knobs.given_up(), 1);
    }
}
