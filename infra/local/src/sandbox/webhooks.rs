//! Telling the platform: signed events, delivered at least once, in no promised order.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use domain::time::millis;
use outbound::payments::webhook::{SIGNATURE_HEADER, sign};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

use super::{Sandbox, ledger::Told};

/// Events waiting to be delivered, at most; beyond that they are lost (they are hints).
pub(super) const WAITING_MAX: usize = 100_000;

/// Deliveries side by side.
const DELIVERIES_AT_ONCE: usize = 16;

/// Tries of one delivery.
const ATTEMPTS_MAX: u32 = 7;

/// The pause before the second try; each further one is twice as long (12 s in all).
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// How long one try may take.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(15);

/// What becomes of the events that happen from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WebhookMode {
    /// Delivered.
    #[default]
    Deliver,
    /// Delivered twice.
    Duplicate,
    /// Kept back until another mode is set (or [`Sandbox::deliver`] sends one).
    Hold,
    /// Lost.
    Drop,
}

/// Something that happened, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxEvent {
    /// `evt_…`.
    pub id: String,
    /// Such as `payment_intent.succeeded`.
    pub kind: String,
    /// The intent it is about.
    pub intent: Option<String>,
    /// The whole event as JSON text: what is signed and sent.
    pub body: String,
}

impl SandboxEvent {
    pub(super) fn new(id: String, told: &Told, created: i64) -> Self {
        let about =
            if told.object["object"] == "payment_intent" { &told.object["id"] } else { &told.object["payment_intent"] };
        let intent = about.as_str().map(str::to_owned);
        let body = json!({
            "id": id, "object": "event", "type": told.kind, "created": created, "livemode": false,
            "pending_webhooks": 1, "data": {"object": without_secret(told.object.clone())},
        });
        Self { id, kind: told.kind.to_owned(), intent, body: body.to_string() }
    }
}

/// The webhook has no use for the buyer's secret, and logs of bodies are common.
fn without_secret(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("client_secret");
    }
    object
}

/// Delivers what comes until the sandbox is gone.
pub(super) async fn run(sandbox: Weak<Sandbox>, mut waiting: mpsc::Receiver<SandboxEvent>) {
    let permits = Arc::new(Semaphore::new(DELIVERIES_AT_ONCE));
    while let Some(event) = waiting.recv().await {
        let sandbox = sandbox.clone();
        let permits = Arc::clone(&permits);
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        tokio::spawn(async move {
            let mut permit = Some(permit);
            let mut pause = FIRST_PAUSE;
            for attempt in 1..=ATTEMPTS_MAX {
                let Some(sandbox) = sandbox.upgrade() else { return };
                let status = send(&sandbox, &event).await;
                let delivered = status.is_some_and(|status| (200..300).contains(&status));
                if delivered || attempt == ATTEMPTS_MAX {
                    if !delivered {
                        tracing::warn!(event.id, event.kind, "webhook {} was given up", event.id);
                    }
                    sandbox.delivered(&event.id);
                    return;
                }
                drop((sandbox, permit.take()));
                tokio::time::sleep(pause).await;
                pause *= 2;
                permit = Arc::clone(&permits).acquire_owned().await.ok();
            }
        });
    }
}

/// One try: the status that was answered, or `None` when there was no answer or there is nobody to tell.
pub(super) async fn send(sandbox: &Sandbox, event: &SandboxEvent) -> Option<u16> {
    let url = sandbox.webhook_url()?;
    // Signed anew for each try, so that a late one is not stale.
    let signature = sign(&sandbox.settings.webhook_secret, event.body.as_bytes(), sandbox.settings.clock.now());
    let request = sandbox.client.post(url).timeout(DELIVERY_TIMEOUT).header(SIGNATURE_HEADER, signature);
    let request = request.header("content-type", "application/json").body(event.body.clone());
    request.send().await.ok().map(|answer| answer.status().as_u16())
}

/// The clock's seconds: what the provider stamps its objects with.
pub(super) fn seconds(sandbox: &Sandbox) -> i64 {
    millis(sandbox.settings.clock.now()).div_euclid(1000)
}
