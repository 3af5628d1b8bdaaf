//! The template's queues that wake functions, and their consumers, as Lambda's event source mappings run them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::time::Clock;
use outbound::local::{LocalQueue, Message};
use serde_json::{Value, json};

use crate::{functions::EventHandler, knobs::Knobs, stop::Stop, wiring::QueueSpec};

/// How long one look at a queue waits for a message.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Every queue that wakes a function, by its logical id in the template.
#[derive(Clone)]
pub(crate) struct Queues(Arc<BTreeMap<String, Arc<LocalQueue>>>);

impl Queues {
    /// Empty queues, as the template describes them.
    pub(crate) fn new(specs: &[QueueSpec], clock: &Arc<dyn Clock>) -> Self {
        let queue =
            |spec: &QueueSpec| (spec.queue.clone(), Arc::new(LocalQueue::new(Arc::clone(clock), spec.receives_max)));
        Self(Arc::new(specs.iter().map(queue).collect()))
    }

    /// Every queue.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<LocalQueue>> {
        self.0.values()
    }

    /// The queue of this logical id.
    ///
    /// # Errors
    /// No queue of this name wakes a function.
    pub(crate) fn named(&self, name: &str) -> Result<Arc<LocalQueue>, String> {
        self.0.get(name).cloned().ok_or_else(|| format!("template.yaml: no queue {name} that wakes a function"))
    }
}

/// Hands messages to the function until it is over.
pub(crate) async fn run(
    spec: Arc<QueueSpec>,
    queue: Arc<LocalQueue>,
    handler: EventHandler,
    knobs: Arc<Knobs>,
    mut stop: Stop,
) {
    let mut paused = knobs.timers();
    while !stop.is_over() {
        tokio::select! {
            () = stop.wait() => return,
            running = paused.wait_for(|paused| !paused) => if running.is_err() { return },
        }
        let messages = queue.receive(spec.batch_size, spec.visibility);
        if messages.is_empty() {
            tokio::select! {
                () = stop.wait() => return,
                () = queue.wait(WAIT_MAX) => {}
            }
            continue;
        }
        deliver(&spec, &queue, &handler, messages).await;
    }
}

/// One call. What the function did not report as failed is done; the rest comes back by itself.
async fn deliver(spec: &QueueSpec, queue: &LocalQueue, handler: &EventHandler, messages: Vec<Message>) {
    let records: Vec<Value> = messages.iter().map(|message| record(&spec.queue, message)).collect();
    let failed = match handler(json!({"Records": records})).await {
        Ok(response) => failed(&response),
        Err(why) => {
            tracing::warn!(function = spec.function, "a batch of messages failed: {why}");
            return;
        }
    };
    for message in messages {
        if !failed.contains(&message.id) {
            queue.delete(&message.handle);
        }
    }
}

fn failed(response: &Value) -> Vec<String> {
    let failures = response["batchItemFailures"].as_array();
    let id = |failure: &Value| failure["itemIdentifier"].as_str().map(str::to_owned);
    failures.into_iter().flatten().filter_map(id).collect()
}

/// The message as SQS hands it to a function.
fn record(queue: &str, message: &Message) -> Value {
    json!({
        "messageId": message.id,
        "receiptHandle": message.handle,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": message.receive_count.to_string(),
            "SentTimestamp": message.sent_at.as_millisecond().to_string(),
            "SenderId": "local",
            "ApproximateFirstReceiveTimestamp": message.sent_at.as_millisecond().to_string(),
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:local:000000000000:{queue}"),
        "awsRegion": "local",
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::FutureExt as _;
    use outbound::clock::SystemClock;

    use super::*;
    use crate::stop::Stopper;

    #[test]
    fn each_queue_of_the_template_is_its_own() {
        let spec = |queue: &str, receives_max| QueueSpec {
            queue: queue.to_owned(),
            function: "f".to_owned(),
            batch_size: 10,
            visibility: Duration::ZERO,
            receives_max,
            concurrency_max: 1,
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let queues = Queues::new(&[spec("A", 1), spec("B", 2)], &clock);
        let (a, b) = (queues.named("A").unwrap(), queues.named("B").unwrap());
        a.send("for A", Duration::ZERO).unwrap();
        assert!(b.receive(10, Duration::ZERO).is_empty());
        assert_eq!(queues.named("A").unwrap().receive(10, Duration::ZERO).len(), 1, "the same one whenever asked");
        assert!(queues.named("C").is_err_and(|why| why.contains("no queue C")));
    }

    #[tokio::test]
    async fn what_failed_comes_again_and_the_rest_is_done() {
        let queue = Arc::new(LocalQueue::new(Arc::new(SystemClock), 2));
        queue.send("good", Duration::ZERO).unwrap();
        queue.send("bad", Duration::ZERO).unwrap();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let remember = Arc::clone(&seen);
        let handler: EventHandler = Arc::new(move |event: Value| {
            let event: edge::SqsEvent = serde_json::from_value(event).unwrap();
            let mut failures = Vec::new();
            for record in event.records {
                let body = record.body.unwrap();
                if body == "bad" {
                    failures.push(json!({"itemIdentifier": record.message_id}));
                }
                remember.lock().unwrap().push(body);
            }
            async move { Ok(json!({"batchItemFailures": failures})) }.boxed()
        });
        let spec = Arc::new(QueueSpec {
            queue: "Timers".to_owned(),
            function: "sweep".to_owned(),
            batch_size: 10,
            visibility: Duration::from_millis(10),
            receives_max: 2,
            concurrency_max: 1,
        });
        let knobs = Arc::new(Knobs::default());
        knobs.pause_timers(true);
        let (stopper, stop) = Stopper::new();
        let running = tokio::spawn(run(spec, Arc::clone(&queue), handler, Arc::clone(&knobs), stop));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(seen.lock().unwrap().is_empty(), "paused");
        knobs.pause_timers(false);
        while queue.stats().dead == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stopper.stop();
        running.await.unwrap();
        assert_eq!(*seen.lock().unwrap(), ["good", "bad", "bad"]);
        assert_eq!(queue.take_dead_letters()[0].body, "bad");
    }
}
