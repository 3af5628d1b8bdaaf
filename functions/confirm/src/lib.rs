//! `confirm`: begins the payment of a hold, or finishes it.

use std::time::Instant;

use domain::{Error, Refusal, booking::Substitute, ids::BookingId, payment::IntentStatus};
use edge::{
    Auth, Body, Call, Reply, Request, Response,
    http::BODY_BYTES_MAX,
    metrics::{self, Metric},
    view::BookingView,
};
use outbound::payments::stopwatch;
use serde::{Deserialize, Serialize};
use settlement::{Paying, Settlement};

/// What the function works with.
pub struct App {
    /// Names callers.
    pub auth: Auth,
    /// Carries bookings through payment.
    pub settlement: Settlement,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConfirmCommand {
    /// Should the payment come too late, other seats side by side in the same category will do.
    #[serde(default)]
    accept_substitutes: bool,
}

#[derive(Serialize)]
struct ConfirmView {
    #[serde(flatten)]
    booking: BookingView,
    payment: PaymentView,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PaymentView {
    provider: &'static str,
    intent_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    status: &'static str,
    attempts: usize,
}

impl PaymentView {
    fn new(paying: &Paying) -> Self {
        // In the provider's own words: the client talks to it with these.
        let status = match paying.intent.status {
            IntentStatus::RequiresPayment => "requires_payment_method",
            IntentStatus::RequiresAction => "requires_action",
            IntentStatus::Processing => "processing",
            IntentStatus::Authorised => "requires_capture",
            IntentStatus::Captured => "succeeded",
            IntentStatus::Cancelled => "canceled",
        };
        Self {
            provider: "stripe",
            intent_id: paying.intent.id.to_string(),
            client_secret: paying.intent.client_secret.clone(),
            status,
            attempts: paying.booking.payment.failures.len(),
        }
    }
}

/// One HTTP call.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let began = Instant::now();
    let call = Call::new(&app.auth, request);
    let (outcome, waited) = stopwatch::timed(Box::pin(route(app, &call))).await;
    metrics::took(Metric::ConfirmMilliseconds, began.elapsed().saturating_sub(waited.unwrap_or_default()));
    if let Some(waited) = waited {
        metrics::took(Metric::ProviderMilliseconds, waited);
    }
    call.answer(outcome)
}

async fn route(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    match call.route() {
        "POST /v1/bookings/{bookingId}/confirm" => confirm(app, call).await,
        _ => Err(Refusal::NotFound("route").into()),
    }
}

async fn confirm(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = call.caller()?;
    let id: BookingId = call.path("bookingId")?;
    let wanted: ConfirmCommand = call.body(BODY_BYTES_MAX)?;
    let booking = app.settlement.store.booking(id).await?;
    let booking = booking.filter(|booking| booking.buyer == caller.user).ok_or(Refusal::NotFound("booking"))?;
    if wanted.accept_substitutes && booking.substitute == Substitute::Refused {
        // Nothing is lost where this fails: it is over then, or somebody else is at it, and `pay` finds out.
        app.settlement.store.accept_substitutes(&booking).await?;
    }
    let paying = app.settlement.pay(id).await?;
    let payment = PaymentView::new(&paying);
    let booking = BookingView::new(&paying.booking, app.settlement.clock.now());
    Ok(Reply::json(200, &ConfirmView { booking, payment }))
}
