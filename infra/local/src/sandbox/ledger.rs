//! The provider's books: intents, refunds and disputes, and the rules by which they move. No I/O and no HTTP.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Where an intent is, in the provider's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not paid, or the last attempt failed.
    RequiresPaymentMethod,
    /// The buyer has to pass the bank's check.
    RequiresAction,
    /// Under way.
    Processing,
    /// Reserved.
    RequiresCapture,
    /// Taken.
    Succeeded,
    /// Over.
    Canceled,
}

impl Status {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::RequiresCapture => "requires_capture",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }
}

/// How the bank of a test card behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Card {
    Approves,
    Declines(&'static str),
    Asks,
    Ponders,
    /// Approves, and the card holder goes to the bank as soon as the money is taken.
    Disputes,
}

/// The card whose holder disputes every payment.
pub(super) const DISPUTING: &str = "pm_card_createDispute";

impl Card {
    pub(super) fn named(method: &str) -> Option<Self> {
        match method {
            "pm_card_visa" | "pm_card_mastercard" => Some(Self::Approves),
            "pm_card_chargeDeclined" | "pm_card_visa_chargeDeclined" => Some(Self::Declines("generic_decline")),
            "pm_card_chargeDeclinedInsufficientFunds" => Some(Self::Declines("insufficient_funds")),
            "pm_card_authenticationRequired" | "pm_card_threeDSecure2Required" => Some(Self::Asks),
            "pm_card_processing" => Some(Self::Ponders),
            DISPUTING => Some(Self::Disputes),
            _ => None,
        }
    }
}

/// A "no" in the provider's form.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) code: Option<&'static str>,
    pub(super) decline_code: Option<&'static str>,
    pub(super) param: Option<&'static str>,
    pub(super) message: String,
    /// The intent it is about, as it is after the call.
    pub(super) intent: Option<Value>,
    /// Whether the provider had begun to work: then the answer is stored under the idempotency key.
    pub(super) begun: bool,
}

impl Failure {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            kind: "invalid_request_error",
            code: None,
            decline_code: None,
            param: None,
            message: message.into(),
            intent: None,
            begun: false,
        }
    }

    pub(super) fn parameter(param: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { param: Some(param), code: Some(code), ..Self::new(400, message) }
    }

    pub(super) fn missing(what: &str, id: &str, param: &'static str) -> Self {
        let message = format!("No such {what}: '{id}'");
        Self { code: Some("resource_missing"), param: Some(param), ..Self::new(404, message) }
    }

    fn unexpected_state(intent: &Intent, step: &str) -> Self {
        let message =
            format!("This PaymentIntent's status is {}: you cannot {step} it in this state.", intent.status.as_str());
        Self {
            code: Some("payment_intent_unexpected_state"),
            intent: Some(intent.to_json()),
            begun: true,
            ..Self::new(400, message)
        }
    }

    fn declined(code: &'static str, decline_code: Option<&'static str>, message: &str) -> Self {
        Self { kind: "card_error", code: Some(code), decline_code, begun: true, ..Self::new(402, message) }
    }

    pub(super) fn to_json(&self) -> Value {
        let mut error = json!({"type": self.kind, "message": self.message});
        let texts = [("code", self.code), ("decline_code", self.decline_code), ("param", self.param)];
        for (name, text) in texts {
            if let Some(text) = text {
                error[name] = json!(text);
            }
        }
        if let Some(intent) = &self.intent {
            error["payment_intent"] = intent.clone();
        }
        json!({"error": error})
    }
}

/// Something to tell the webhook: the event's type and the object it is about.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) kind: &'static str,
    pub(super) object: Value,
}

/// One payment intent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) status: Status,
    pub(super) manual_capture: bool,
    pub(super) client_secret: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) payment_method: Option<String>,
    pub(super) return_url: Option<String>,
    pub(super) challenge_url: Option<String>,
    pub(super) last_error: Option<Value>,
    pub(super) received: i64,
    pub(super) refunded: i64,
    pub(super) charge: Option<String>,
    pub(super) created: i64,
    pub(super) canceled_at: Option<i64>,
    pub(super) cancellation_reason: Option<String>,
}

impl Intent {
    pub(super) fn to_json(&self) -> Value {
        let capturable = if self.status == Status::RequiresCapture { self.amount } else { 0 };
        let next_action = self.challenge_url.as_ref().map(
            |url| json!({"type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": self.return_url}}),
        );
        json!({
            "id": self.id, "object": "payment_intent", "amount": self.amount, "amount_capturable": capturable,
            "amount_received": self.received, "currency": self.currency, "status": self.status.as_str(),
            "capture_method": if self.manual_capture { "manual" } else { "automatic" },
            "client_secret": self.client_secret, "metadata": self.metadata, "payment_method": self.payment_method,
            "payment_method_types": ["card"], "next_action": next_action, "last_payment_error": self.last_error,
            "latest_charge": self.charge, "created": self.created, "canceled_at": self.canceled_at,
            "cancellation_reason": self.cancellation_reason, "confirmation_method": "automatic", "livemode": false,
        })
    }

    /// As the list of intents has it: with the charge itself where that was asked for.
    pub(super) fn listed(&self, charge: bool) -> Value {
        let mut listed = self.to_json();
        if charge && self.charge.is_some() {
            listed["latest_charge"] = self.charge_json();
        }
        listed
    }

    fn charge_json(&self) -> Value {
        json!({
            "id": self.charge, "object": "charge", "amount": self.amount, "amount_captured": self.received,
            "amount_refunded": self.refunded, "captured": self.received > 0, "currency": self.currency,
            "metadata": self.metadata, "payment_intent": self.id, "paid": true, "status": "succeeded",
            "refunded": self.received > 0 && self.refunded == self.received, "created": self.created,
            "livemode": false,
        })
    }

    fn told(&self, kind: &'static str) -> Told {
        Told { kind, object: self.to_json() }
    }

    /// Pays with `card`. A declined attempt changes the intent too, so its event comes with the failure.
    pub(super) fn confirm(
        &mut self,
        method: &str,
        card: Card,
        charge: String,
        challenge_url: String,
    ) -> (Vec<Told>, Result<(), Failure>) {
        if !matches!(self.status, Status::RequiresPaymentMethod | Status::RequiresAction) {
            return (Vec::new(), Err(Failure::unexpected_state(self, "confirm")));
        }
        self.payment_method = Some(method.to_owned());
        self.challenge_url = None;
        self.last_error = None;
        match card {
            Card::Approves | Card::Disputes => (vec![self.approve(charge)], Ok(())),
            Card::Declines(code) => {
                self.charge = Some(charge);
                let (told, failure) =
                    self.fail(Failure::declined("card_declined", Some(code), "Your card was declined."));
                (vec![told], Err(failure))
            }
            Card::Asks => {
                self.status = Status::RequiresAction;
                self.challenge_url = Some(challenge_url);
                (vec![self.told("payment_intent.requires_action")], Ok(()))
            }
            Card::Ponders => {
                self.status = Status::Processing;
                (vec![self.told("payment_intent.processing")], Ok(()))
            }
        }
    }

    /// The bank says yes: reserved or, without manual capture, taken.
    fn approve(&mut self, charge: String) -> Told {
        self.charge = Some(charge);
        self.challenge_url = None;
        if self.manual_capture {
            self.status = Status::RequiresCapture;
            return self.told("payment_intent.amount_capturable_updated");
        }
        self.status = Status::Succeeded;
        self.received = self.amount;
        self.told("payment_intent.succeeded")
    }

    /// The attempt fails; the buyer may try again.
    fn fail(&mut self, failure: Failure) -> (Told, Failure) {
        self.status = Status::RequiresPaymentMethod;
        self.payment_method = None;
        self.challenge_url = None;
        self.last_error = Some(failure.to_json()["error"].clone());
        let told = self.told("payment_intent.payment_failed");
        (told, Failure { intent: Some(self.to_json()), ..failure })
    }

    /// The bank's check ends, or a payment that was processing does; `None` when neither is under way.
    pub(super) fn resolve(&mut self, from: Status, approved: bool, charge: String) -> Option<Told> {
        if self.status != from {
            return None;
        }
        if approved {
            return Some(self.approve(charge));
        }
        let (code, message) = match from {
            Status::RequiresAction => {
                ("payment_intent_authentication_failure", "The provided PaymentMethod has failed authentication.")
            }
            _ => ("card_declined", "Your card was declined."),
        };
        Some(self.fail(Failure::declined(code, None, message)).0)
    }

    /// Takes `amount` of what is reserved (all of it by default); the rest is let go.
    pub(super) fn capture(&mut self, amount: Option<i64>) -> Result<Told, Failure> {
        if self.status != Status::RequiresCapture {
            return Err(Failure::unexpected_state(self, "capture"));
        }
        let amount = amount.unwrap_or(self.amount);
        if !(1..=self.amount).contains(&amount) {
            let message = "The amount to capture must be positive and at most the amount capturable.";
            return Err(Failure::parameter("amount_to_capture", "amount_too_large", message));
        }
        self.status = Status::Succeeded;
        self.received = amount;
        Ok(self.told("payment_intent.succeeded"))
    }

    pub(super) fn cancel(&mut self, reason: Option<String>, now: i64) -> Result<Told, Failure> {
        if matches!(self.status, Status::Processing | Status::Succeeded | Status::Canceled) {
            return Err(Failure::unexpected_state(self, "cancel"));
        }
        self.status = Status::Canceled;
        self.challenge_url = None;
        self.canceled_at = Some(now);
        self.cancellation_reason = reason;
        Ok(self.told("payment_intent.canceled"))
    }

    /// Gives `amount` of what was taken back (the rest of it by default).
    pub(super) fn refund(&mut self, amount: Option<i64>) -> Result<(i64, Told), Failure> {
        if self.status != Status::Succeeded {
            let message = format!("This PaymentIntent ({}) does not have a successful charge to refund.", self.id);
            return Err(Failure {
                begun: true,
                ..Failure::parameter("payment_intent", "charge_not_refundable", message)
            });
        }
        let left = self.received - self.refunded;
        let amount = amount.unwrap_or(left);
        if left == 0 {
            let message = "The charge has already been refunded.";
            return Err(Failure { begun: true, code: Some("charge_already_refunded"), ..Failure::new(400, message) });
        }
        if !(1..=left).contains(&amount) {
            let message = format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left})");
            return Err(Failure::parameter("amount", "amount_too_large", message));
        }
        self.refunded += amount;
        Ok((amount, Told { kind: "charge.refunded", object: self.charge_json() }))
    }
}

/// Money given back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) intent: String,
    pub(super) charge: Option<String>,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) reason: Option<String>,
    pub(super) created: i64,
}

impl Refund {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "id": self.id, "object": "refund", "amount": self.amount, "charge": self.charge, "created": self.created,
            "currency": self.currency, "metadata": self.metadata, "payment_intent": self.intent,
            "reason": self.reason, "status": "succeeded",
        })
    }
}

/// Where a dispute is, in the provider's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeState {
    /// Evidence is awaited.
    NeedsResponse,
    /// The bank decides.
    UnderReview,
    /// The money stays.
    Won,
    /// The money is gone.
    Lost,
}

impl DisputeState {
    const fn is_open(self) -> bool {
        matches!(self, Self::NeedsResponse | Self::UnderReview)
    }
}

/// A payment that its card holder wants back from the bank.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Dispute {
    pub(super) id: String,
    pub(super) intent: String,
    pub(super) charge: Option<String>,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) status: DisputeState,
    pub(super) created: i64,
}

impl Dispute {
    /// Of all that was taken: the money is withdrawn until the bank has decided.
    pub(super) fn of(intent: &Intent, id: String, now: i64) -> (Self, Vec<Told>) {
        let dispute = Self {
            id,
            intent: intent.id.clone(),
            charge: intent.charge.clone(),
            amount: intent.received,
            currency: intent.currency.clone(),
            status: DisputeState::NeedsResponse,
            created: now,
        };
        let told = ["charge.dispute.created", "charge.dispute.funds_withdrawn"].map(|kind| dispute.told(kind));
        (dispute, told.to_vec())
    }

    fn told(&self, kind: &'static str) -> Told {
        Told { kind, object: self.to_json() }
    }

    /// The bank moves on. `None` when it cannot: a decided dispute stays so.
    pub(super) fn move_to(&mut self, status: DisputeState) -> Option<Vec<Told>> {
        if !self.status.is_open() || self.status == status {
            return None;
        }
        self.status = status;
        let kinds: &[&'static str] = match status {
            DisputeState::NeedsResponse | DisputeState::UnderReview => &["charge.dispute.updated"],
            DisputeState::Won => &["charge.dispute.closed", "charge.dispute.funds_reinstated"],
            DisputeState::Lost => &["charge.dispute.closed"],
        };
        Some(kinds.iter().map(|kind| self.told(kind)).collect())
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "id": self.id, "object": "dispute", "amount": self.amount, "charge": self.charge, "created": self.created,
            "currency": self.currency, "metadata": {}, "payment_intent": self.intent, "reason": "fraudulent",
            "status": self.status, "is_charge_refundable": false, "livemode": false,
        })
    }
}

/// All intents, refunds and disputes, each list in the order they were made.
#[derive(Default)]
pub(super) struct Books {
    pub(super) intents: HashMap<String, Intent>,
    pub(super) intent_order: Vec<String>,
    pub(super) refunds: Vec<Refund>,
    pub(super) disputes: Vec<Dispute>,
}

impl Books {
    pub(super) fn insert(&mut self, intent: Intent) {
        if !self.intents.contains_key(&intent.id) {
            self.intent_order.push(intent.id.clone());
        }
        self.intents.insert(intent.id.clone(), intent);
    }

    pub(super) fn intent(&mut self, id: &str) -> Result<&mut Intent, Failure> {
        self.intents.get_mut(id).ok_or_else(|| Failure::missing("payment_intent", id, "intent"))
    }
}

/// One page of `items` (newest first) after the one called `after`.
pub(super) fn page<'a>(
    items: impl Iterator<Item = (&'a str, Value)>,
    after: Option<&str>,
    limit: usize,
    url: &str,
) -> Value {
    let mut items = items.skip_while(|(id, _)| after.is_some_and(|after| *id != after));
    if after.is_some() {
        items.next();
    }
    let data: Vec<Value> = items.by_ref().take(limit).map(|(_, item)| item).collect();
    json!({"object": "list", "url": url, "data": data, "has_more": items.next().is_some()})
}
