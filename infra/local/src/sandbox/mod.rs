//! A payment provider to play with, speaking Stripe's API under `/sandbox/stripe`: intents that are really confirmed,
//! captured, cancelled and refunded by the provider's rules, and signed webhooks about it. No card is real here.

#![expect(clippy::result_large_err, reason = "a failure carries the intent it met, as the provider's answers do")]

mod http;
mod journal;
mod ledger;
mod webhooks;

use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::time::Clock;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use journal::{Journal, Kind, Row};
use ledger::{Books, Dispute, Intent, Refund, Told};

pub use ledger::{DisputeState, Status};
pub use webhooks::{SandboxEvent, WebhookMode};

/// Events kept to be looked at and sent again; beyond that the oldest goes.
const EVENTS_KEPT_MAX: usize = 10_000;

/// How long an answer is remembered under its idempotency key, in seconds: the provider's own day.
const ANSWER_LIFETIME_SECONDS: i64 = 24 * 60 * 60;

/// How to run a sandbox.
#[derive(Clone)]
pub struct SandboxSettings {
    /// `sk_…`: what the platform calls with.
    pub secret_key: String,
    /// Whether anybody may call, without a key or with any `sk_test_…`: who tries the platform has no account to look
    /// the key up in. A key of another kind is still refused.
    pub open: bool,
    /// What webhooks are signed with.
    pub webhook_secret: String,
    /// Where webhooks go; see also [`Sandbox::set_webhook_url`].
    pub webhook_url: Option<String>,
    /// Whose time objects and signatures carry.
    pub clock: Arc<dyn Clock>,
    /// Where the books are kept; in memory only when `None`.
    pub data_dir: Option<PathBuf>,
}

/// The sandbox's books cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The directory cannot be made.
    #[error("the sandbox's directory: {0}")]
    Directory(#[from] std::io::Error),
    /// The file cannot be read or written.
    #[error("the sandbox's file: {0}")]
    File(#[from] rusqlite::Error),
    /// The file has something that is not ours.
    #[error("a record of the sandbox's file: {0}")]
    Record(#[from] serde_json::Error),
    /// No source of randomness, or no HTTP client.
    #[error("the sandbox cannot start: {0}")]
    Start(String),
}

/// The calls that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `POST payment_intents`
    Create,
    /// `GET payment_intents/{id}`
    Retrieve,
    /// `GET payment_intents`
    List,
    /// `POST payment_intents/{id}/confirm`
    Confirm,
    /// `POST payment_intents/{id}/capture`
    Capture,
    /// `POST payment_intents/{id}/cancel`
    Cancel,
    /// `POST refunds`
    Refund,
    /// `GET refunds`
    Refunds,
    /// `GET disputes`
    Disputes,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 500 and nothing was done.
    Before,
    /// Done, then 500: the answer is lost.
    Lost,
    /// 429 with `Retry-After: 1`, nothing done.
    Limited,
}

/// An intent in the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerIntent {
    /// `pi_…`.
    pub id: String,
    /// The metadata's `booking_id`.
    pub booking: Option<String>,
    /// Where it is.
    pub status: Status,
    /// Lower case.
    pub currency: String,
    /// What it is for, in the provider's minor units; so are the others.
    pub amount: i64,
    /// What was taken.
    pub captured: i64,
    /// What was given back of it.
    pub refunded: i64,
}

/// A refund in the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRefund {
    /// `re_…`.
    pub id: String,
    /// Of which intent.
    pub intent: String,
    /// The metadata's `booking_id`.
    pub booking: Option<String>,
    /// In the provider's minor units.
    pub amount: i64,
}

/// The books, oldest first: what reconciliation and tests compare with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// All intents.
    pub intents: Vec<LedgerIntent>,
    /// All refunds.
    pub refunds: Vec<LedgerRefund>,
}

/// An answer under an idempotency key.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    /// The call and its parameters: the same key with others is refused.
    fingerprint: String,
    status: u16,
    body: Value,
    at: i64,
}

struct State {
    books: Books,
    answers: HashMap<String, Stored>,
    /// Keys by age, to forget them in turn.
    answer_order: VecDeque<(i64, String)>,
    events: VecDeque<SandboxEvent>,
    held: Vec<SandboxEvent>,
    mode: WebhookMode,
    faults: HashMap<Operation, VecDeque<Fault>>,
    webhook_url: Option<String>,
    journal: Journal,
}

/// The provider. Everything it knows is behind one lock; calls are short.
pub struct Sandbox {
    settings: SandboxSettings,
    client: reqwest::Client,
    state: Mutex<State>,
    waiting: mpsc::Sender<SandboxEvent>,
    outstanding: watch::Sender<usize>,
}

impl Sandbox {
    /// Opens the books and starts delivering webhooks; call it inside a Tokio runtime. Deliveries end with the last
    /// reference to the sandbox.
    ///
    /// # Errors
    /// The directory or file of the books cannot be used.
    pub fn new(settings: SandboxSettings) -> Result<Arc<Self>, SandboxError> {
        let start = |error: &dyn std::fmt::Display| SandboxError::Start(error.to_string());
        random(&mut [0; 1]).map_err(|error| start(&error))?;
        // Webhooks go to this machine: no root certificates needed.
        let client = reqwest::Client::builder().tls_certs_only([]).build().map_err(|error| start(&error))?;
        let journal = Journal::open(settings.data_dir.as_deref())?;
        let mut books = Books::default();
        journal.read::<Intent>(Kind::Intent)?.into_iter().for_each(|(_, intent)| books.insert(intent));
        books.refunds = journal.read::<Refund>(Kind::Refund)?.into_iter().map(|(_, refund)| refund).collect();
        books.disputes = journal.read::<Dispute>(Kind::Dispute)?.into_iter().map(|(_, dispute)| dispute).collect();
        let answers: HashMap<String, Stored> = journal.read(Kind::Answer)?.into_iter().collect();
        let mut answer_order: Vec<(i64, String)> = answers.iter().map(|(key, it)| (it.at, key.clone())).collect();
        answer_order.sort_unstable();
        let undelivered = journal.read::<SandboxEvent>(Kind::Event)?;
        let state = State {
            books,
            answers,
            answer_order: answer_order.into(),
            events: VecDeque::new(),
            held: Vec::new(),
            mode: WebhookMode::Deliver,
            faults: HashMap::new(),
            webhook_url: settings.webhook_url.clone(),
            journal,
        };
        let (waiting, receiver) = mpsc::channel(webhooks::WAITING_MAX);
        let outstanding = watch::Sender::new(0);
        let sandbox = Arc::new(Self { settings, client, state: Mutex::new(state), waiting, outstanding });
        tokio::spawn(webhooks::run(Arc::downgrade(&sandbox), receiver));
        for (_, event) in undelivered {
            sandbox.queue(event);
        }
        Ok(sandbox)
    }

    /// The API, under `/sandbox/stripe`.
    pub fn router(self: &Arc<Self>) -> axum::Router {
        http::router(Arc::clone(self))
    }

    /// Where webhooks go from now on.
    pub fn set_webhook_url(&self, url: impl Into<String>) {
        self.state().webhook_url = Some(url.into());
    }

    /// What becomes of the events that happen from now on. Leaving [`WebhookMode::Hold`] sends what was kept back.
    pub fn webhooks(&self, mode: WebhookMode) {
        let held = {
            let mut state = self.state();
            state.mode = mode;
            if mode == WebhookMode::Hold { Vec::new() } else { std::mem::take(&mut state.held) }
        };
        for event in held {
            self.dispatch(event, mode);
        }
    }

    /// The latest events, oldest first, whatever became of them.
    #[must_use]
    pub fn events(&self) -> Vec<SandboxEvent> {
        self.state().events.iter().cloned().collect()
    }

    /// Sends one of [`Self::events`] now (again), signed now: the status it was answered with, or `None` when there is
    /// no such event, no webhook or no answer.
    pub async fn deliver(&self, event_id: &str) -> Option<u16> {
        let event = self.state().events.iter().find(|event| event.id == event_id).cloned()?;
        webhooks::send(self, &event).await
    }

    /// Waits until nothing is waiting to be delivered or tried again.
    pub async fn settled(&self) {
        let mut outstanding = self.outstanding.subscribe();
        // The sender is ours, so it cannot be gone.
        let _ = outstanding.wait_for(|count| *count == 0).await;
    }

    /// Makes the next call of this operation that has no fault yet fail so.
    pub fn fail_next(&self, operation: Operation, fault: Fault) {
        self.state().faults.entry(operation).or_default().push_back(fault);
    }

    /// Ends a payment that is processing (`pm_card_processing`). `false` when it is not.
    pub fn settle(&self, intent: &str, approved: bool) -> bool {
        self.resolve(intent, Status::Processing, approved)
    }

    /// Ends the bank's check (`pm_card_authenticationRequired`). `false` when none is under way.
    pub fn challenge(&self, intent: &str, approved: bool) -> bool {
        self.resolve(intent, Status::RequiresAction, approved)
    }

    /// Moves the disputes about an intent on, as its bank does. `false` when there is none that is open, or it is there.
    pub fn decide_dispute(&self, intent: &str, status: DisputeState) -> bool {
        let mut state = self.state();
        let (mut rows, mut told) = (Vec::new(), Vec::new());
        for dispute in state.books.disputes.iter_mut().filter(|dispute| dispute.intent == intent) {
            if let Some(news) = dispute.move_to(status) {
                rows.push(Row::put(Kind::Dispute, &dispute.id, dispute));
                told.extend(news);
            }
        }
        let moved = !rows.is_empty();
        self.conclude(state, rows, told);
        moved
    }

    /// Lets an authorisation lapse, as a bank does after some days. `false` when there is none.
    pub fn lapse(&self, intent: &str) -> bool {
        let now = webhooks::seconds(self);
        self.change(intent, |intent| {
            let authorised = intent.status == Status::RequiresCapture;
            authorised.then(|| intent.cancel(Some("automatic".to_owned()), now).ok()).flatten()
        })
    }

    /// The books.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        let state = self.state();
        let booking = |metadata: &std::collections::BTreeMap<String, String>| metadata.get("booking_id").cloned();
        let intents = state.books.intent_order.iter().filter_map(|id| state.books.intents.get(id));
        let intents = intents.map(|intent| LedgerIntent {
            id: intent.id.clone(),
            booking: booking(&intent.metadata),
            status: intent.status,
            currency: intent.currency.clone(),
            amount: intent.amount,
            captured: intent.received,
            refunded: intent.refunded,
        });
        let refunds = state.books.refunds.iter().map(|refund| LedgerRefund {
            id: refund.id.clone(),
            intent: refund.intent.clone(),
            booking: booking(&refund.metadata),
            amount: refund.amount,
        });
        Ledger { intents: intents.collect(), refunds: refunds.collect() }
    }

    fn resolve(&self, intent: &str, from: Status, approved: bool) -> bool {
        let charge = new_id("ch");
        self.change(intent, |intent| intent.resolve(from, approved, charge))
    }

    /// Changes an intent outside any call of the API. `false` when nothing changed.
    fn change(&self, id: &str, change: impl FnOnce(&mut Intent) -> Option<Told>) -> bool {
        let mut state = self.state();
        let Ok(intent) = state.books.intent(id) else { return false };
        let Some(told) = change(intent) else { return false };
        let row = Row::put(Kind::Intent, id, intent);
        self.conclude(state, vec![row], vec![told]);
        true
    }

    /// Writes a call's effects and tells its events, once the lock is free.
    #[expect(clippy::needless_pass_by_value, reason = "the lock ends here")]
    fn conclude(&self, mut state: MutexGuard<'_, State>, mut rows: Vec<Row>, told: Vec<Told>) {
        let now = webhooks::seconds(self);
        let mode = state.mode;
        let events: Vec<_> = told.iter().map(|told| SandboxEvent::new(new_id("evt"), told, now)).collect();
        for event in &events {
            if mode != WebhookMode::Drop {
                rows.push(Row::put(Kind::Event, &event.id, event));
            }
            if state.events.len() == EVENTS_KEPT_MAX {
                state.events.pop_front();
            }
            state.events.push_back(event.clone());
        }
        if let Err(error) = state.journal.write(&rows) {
            tracing::error!(%error, "the sandbox's books are in memory only: {error}");
        }
        if mode == WebhookMode::Hold {
            state.held.extend(events);
            return;
        }
        drop(state);
        for event in events {
            self.dispatch(event, mode);
        }
    }

    fn dispatch(&self, event: SandboxEvent, mode: WebhookMode) {
        match mode {
            WebhookMode::Deliver => self.queue(event),
            WebhookMode::Duplicate => {
                self.queue(event.clone());
                self.queue(event);
            }
            WebhookMode::Hold | WebhookMode::Drop => {}
        }
    }

    fn queue(&self, event: SandboxEvent) {
        self.outstanding.send_modify(|count| *count += 1);
        let id = event.id.clone();
        if self.waiting.try_send(event).is_err() {
            tracing::warn!(event.id = id, "too many webhooks are waiting: {id} is lost");
            self.delivered(&id);
        }
    }

    /// A delivery came to its end, one way or the other.
    fn delivered(&self, event_id: &str) {
        if let Err(error) = self.state().journal.write(&[Row::gone(Kind::Event, event_id)]) {
            tracing::warn!(event.id = event_id, %error, "webhook {event_id} will be sent again after a restart");
        }
        self.outstanding.send_modify(|count| *count = count.saturating_sub(1));
    }

    fn webhook_url(&self) -> Option<String> {
        self.state().webhook_url.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new id as the provider makes them: a prefix and 24 letters and digits nobody can guess.
fn new_id(prefix: &str) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut bytes = [0; 24];
    random(&mut bytes).expect("the machine's randomness worked when the sandbox started");
    let letters = bytes.iter().map(|&byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
    format!("{prefix}_{}", letters.collect::<String>())
}

fn random(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
    getrandom::fill(bytes)
}

#[cfg(test)]
mod tests;
