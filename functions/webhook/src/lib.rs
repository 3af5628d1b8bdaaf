//! `webhook`: the payment provider has news. A hint: what counts is what the provider says when it is asked.

use domain::{
    Error, Refusal,
    ids::{BookingId, IntentId},
    payment::Notification,
    settlement::Cause,
};
use edge::{
    Auth, Body, Call, Reply, Request, Response,
    http::BODY_BYTES_MAX,
    metrics::{self, Metric},
};
use outbound::payments::webhook::verify;
use serde_json::json;
use settlement::Settlement;

/// What the function works with.
pub struct App {
    /// Webhooks carry a signature, not a token; the frame wants it all the same.
    pub auth: Auth,
    /// Secrets that sign: the present one, and the one before while it is rotated.
    pub secrets: Vec<String>,
    /// Carries bookings through payment.
    pub settlement: Settlement,
}

/// One HTTP call.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let call = Call::new(&app.auth, request);
    let outcome = route(app, &call).await;
    if matches!(outcome, Err(Error::Refused(Refusal::BadSignature))) {
        metrics::count(Metric::WebhooksRefused, 1);
    }
    call.answer(outcome)
}

async fn route(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    match call.route() {
        "POST /v1/webhooks/payments" => take_note(app, call).await,
        _ => Err(Refusal::NotFound("route").into()),
    }
}

/// Acknowledged once there is nothing left to do; until then an error makes the provider deliver it again.
async fn take_note(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let signature = call.header("stripe-signature").unwrap_or_default();
    let body = call.bytes(BODY_BYTES_MAX)?;
    let notification = verify(&app.secrets, signature, body, app.settlement.clock.now())?;
    if let Some(booking) = booking(app, &notification).await? {
        if notification.is_dispute() {
            app.settlement.disputed(booking, Some(&notification)).await?;
        } else if notification.is_failure() {
            app.settlement.payment_failed(booking, &notification.id).await?;
        } else if notification.is_about_refund() {
            app.settlement.refund_news(booking).await?;
        } else {
            app.settlement.drive(booking, Cause::Hint, Some(&notification.id)).await?;
        }
    }
    Ok(Reply::json(200, &json!({"received": true})))
}

/// The booking that the notification is about, if it is one of ours: as it says, or as the provider says of its intent.
async fn booking(app: &App, notification: &Notification) -> Result<Option<BookingId>, Error> {
    if !notification.is_news() {
        return Ok(None);
    }
    let about: Option<&IntentId> = notification.intent.as_ref();
    match (notification.booking, about) {
        (Some(booking), _) => Ok(Some(booking)),
        (None, None) => Ok(None),
        (None, Some(intent)) => match app.settlement.payments.fetch(intent).await {
            Ok(intent) => Ok(intent.booking),
            Err(domain::ProviderError::Absent) => Ok(None),
            Err(error) => Err(error.into()),
        },
    }
}
