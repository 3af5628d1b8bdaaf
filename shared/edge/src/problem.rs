//! From an error to a problem document (RFC 9457), in one match.

use domain::{Error, ProviderError, Refusal, StoreError, challenge::Challenge, error::Unavailable};
use serde_json::{Map, Value, json};

use crate::http::Reply;

/// When to come back after a 503, in seconds.
const RETRY_AFTER_SECONDS: u64 = 1;
/// When to come back with what can wait, in seconds.
const SHED_RETRY_AFTER_SECONDS: u64 = 10;

/// What a problem's type begins with.
const TYPE_PREFIX: &str = "urn:problem:usher:";

struct Problem {
    status: u16,
    slug: &'static str,
    title: &'static str,
    extras: Map<String, Value>,
    retry_after_seconds: Option<u64>,
}

impl Problem {
    fn new(status: u16, slug: &'static str, title: &'static str) -> Self {
        Self { status, slug, title, extras: Map::new(), retry_after_seconds: None }
    }

    fn with(mut self, name: &str, value: Value) -> Self {
        self.extras.insert(name.to_owned(), value);
        self
    }

    fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }
}

fn refusal(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::BadRequest(_) => Problem::new(400, "bad-request", "Not of the documented form"),
        Refusal::BodyTooLarge { limit_bytes } => {
            Problem::new(413, "body-too-large", "Body too large").with("limitBytes", json!(limit_bytes))
        }
        Refusal::IdempotencyKeyRequired => Problem::new(400, "idempotency-key-required", "Idempotency-Key missing"),
        Refusal::IdempotencyMismatch => Problem::new(422, "idempotency-mismatch", "Idempotency-Key used before"),
        Refusal::Unauthenticated => Problem::new(401, "unauthenticated", "Sign in first"),
        Refusal::Forbidden(role) => Problem::new(403, "forbidden", "Role missing").with("role", json!(role)),
        Refusal::NotFound(_) => Problem::new(404, "not-found", "Not found"),
        Refusal::UnknownSeat(unknown) => {
            Problem::new(404, "unknown-seat", "No such seat").with("unknown", json!(unknown))
        }
        Refusal::SeatUnavailable(taken) => {
            let taken: Vec<String> = taken.iter().map(taken_name).collect();
            Problem::new(409, "seat-unavailable", "Seats taken").with("unavailable", json!(taken))
        }
        Refusal::NoBlock => Problem::new(409, "no-block", "No such block of seats"),
        Refusal::OrphanSeat(seats) => {
            Problem::new(409, "orphan-seat", "Single seats left").with("orphans", json!(seats))
        }
        Refusal::SoldWhole(seats) => Problem::new(409, "sold-whole", "Sold together").with("missing", json!(seats)),
        Refusal::Waitlisted(kept) => {
            let kept: Vec<String> = kept.iter().map(taken_name).collect();
            Problem::new(409, "waitlisted", "Kept for the waitlist").with("waitlisted", json!(kept))
        }
        Refusal::NotSoldOut => Problem::new(409, "not-sold-out", "Not sold out"),
        Refusal::OfferOpen(booking) => {
            Problem::new(409, "offer-open", "An offer is open").with("bookingId", json!(booking))
        }
        Refusal::BuyerLimit { limit, held } => Problem::new(409, "buyer-limit", "Too many seats for one buyer")
            .with("limit", json!(limit))
            .with("held", json!(held)),
        Refusal::NotOnSale { on_sale_at } => {
            let problem = Problem::new(409, "not-on-sale", "Not on sale");
            on_sale_at.iter().fold(problem, |problem, at| problem.with("onSaleAt", json!(at)))
        }
        Refusal::SalesPaused => Problem::new(409, "sales-paused", "Sales paused").retry_after(30),
        Refusal::AdmissionRequired => Problem::new(403, "admission-required", "Waiting room"),
        Refusal::NoWaitingRoom => Problem::new(409, "no-waiting-room", "No waiting room"),
        Refusal::NotYetAdmitted => Problem::new(409, "not-yet-admitted", "Not your turn yet").retry_after(2),
        Refusal::TurnOver => Problem::new(409, "turn-over", "This turn is over"),
        Refusal::HoldExpired { reason } => {
            let problem = Problem::new(410, "hold-expired", "The hold has ended");
            reason.iter().fold(problem, |problem, reason| problem.with("reason", json!(reason)))
        }
        Refusal::PaymentInProgress => Problem::new(409, "payment-in-progress", "Payment in progress").retry_after(30),
        Refusal::NotPaid => Problem::new(409, "not-paid", "Not paid yet"),
        Refusal::InvalidPlan(faults) => {
            Problem::new(422, "invalid-plan", "The seating plan has faults").with("faults", json!(faults))
        }
        Refusal::Invalid(faults) => Problem::new(422, "invalid", "Cannot be carried out").with("faults", json!(faults)),
        Refusal::Conflict => Problem::new(409, "conflict", "Changed in between"),
        Refusal::BadSignature => Problem::new(400, "bad-signature", "Signature not valid"),
        Refusal::TooManyRequests { retry_after_seconds } => {
            Problem::new(429, "too-many-requests", "Too many requests").retry_after(*retry_after_seconds)
        }
        Refusal::ReadOnly { retry_after_seconds } => {
            Problem::new(503, "read-only", "Nothing new for the moment").retry_after(*retry_after_seconds)
        }
        Refusal::Shed => Problem::new(503, "busy", "Busy").retry_after(SHED_RETRY_AFTER_SECONDS),
        Refusal::ChallengeRequired(challenge) => {
            let Challenge { kind, text, bits, expires_at } = &**challenge;
            let asked = json!({"kind": kind, "challenge": text, "bits": bits, "expiresAt": expires_at});
            Problem::new(403, "challenge-required", "Show that you are no machine").with("challenge", asked)
        }
        Refusal::CodeInvalid => Problem::new(403, "code-invalid", "No such code"),
        Refusal::CodeSpent { left } => Problem::new(409, "code-spent", "The code is used up").with("left", json!(left)),
        Refusal::DirectAccess => Problem::new(403, "direct-access", "Not the public address"),
    }
}

/// What a refusal is called in its problem's type.
pub(crate) fn slug(no: &Refusal) -> &'static str {
    refusal(no).slug
}

fn taken_name(taken: &Unavailable) -> String {
    match taken {
        Unavailable::Seat(seat) => seat.to_string(),
        Unavailable::Area(area) => area.to_string(),
    }
}

/// The answer to `error`; internal text goes to the log, once, and never to the client.
pub(crate) fn answer(error: &Error, request_id: &str) -> Reply {
    let (problem, detail) = match error {
        Error::Refused(no) => (refusal(no), no.to_string()),
        Error::Store(StoreError::Corrupt(_)) => {
            tracing::error!(request.id = request_id, error = %error, "request {request_id} failed");
            let detail = "something is wrong on our side; it has been noted".to_owned();
            (Problem::new(500, "internal", "Internal error"), detail)
        }
        Error::Store(_) => {
            tracing::error!(request.id = request_id, error = %error, "request {request_id} failed");
            let detail = "too much is going on; try again with the same Idempotency-Key".to_owned();
            (Problem::new(503, "busy", "Busy").retry_after(RETRY_AFTER_SECONDS), detail)
        }
        Error::Provider(why) => {
            tracing::error!(request.id = request_id, error = %error, "request {request_id} failed");
            let detail = "the payment provider does not answer; nothing is lost, try again".to_owned();
            let wait = match why {
                ProviderError::Unavailable { retry_after_seconds: Some(wait), .. } => *wait,
                _ => RETRY_AFTER_SECONDS,
            };
            (Problem::new(503, "provider-unavailable", "Payment provider unavailable").retry_after(wait), detail)
        }
    };
    let mut document = Map::new();
    document.insert("type".to_owned(), json!(format!("{TYPE_PREFIX}{}", problem.slug)));
    document.insert("title".to_owned(), json!(problem.title));
    document.insert("status".to_owned(), json!(problem.status));
    document.insert("detail".to_owned(), json!(detail));
    document.insert("instance".to_owned(), json!(request_id));
    document.extend(problem.extras);
    let reply = Reply::json(problem.status, &document).header("content-type", "application/problem+json");
    let reply = reply.header("cache-control", "no-store");
    match problem.retry_after_seconds {
        Some(seconds) => reply.header("retry-after", &seconds.to_string()),
        None => reply,
    }
}
