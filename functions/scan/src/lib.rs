//! `scan`: the door. Lets the holder of a ticket in, once; tells scanners that work offline which tickets are void.

mod revocations;

use std::sync::Arc;

use domain::{
    Error, Refusal, StoreError, Timestamp,
    booking::Reason,
    ids::{AreaId, BookingId, GateId, IdempotencyKey, SeatId, ShowId},
    scan::{self, Fault, Revoked, Scan},
    ticket::{Place, SigningKey, TicketClaim, VerifyingKey},
    time::{Clock, millis},
};
use edge::{
    Auth, Body, Call, Caller, Failure, Reply, Request, Response, Settings,
    http::BODY_BYTES_MAX,
    metrics::{self, Metric},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Store, cache::Catalogue, scan::Admission};

/// The gate of scanners that do not say where they are.
const GATE_DEFAULT: &str = "main";
/// Times a booking is read again because it changed between being read and letting its holder in.
const LOOKS_MAX: usize = 4;
/// The role of who stands at a door.
const DOOR: &str = "door";

/// What the function works with.
pub struct App {
    auth: Auth,
    key: VerifyingKey,
    store: Store,
    catalogue: Catalogue,
    clock: Arc<dyn Clock>,
}

impl App {
    /// Over `store`, with the public half of `TICKET_SIGNING_KEY`: the secret half is not kept.
    ///
    /// # Errors
    /// Everything that is wrong with the settings read so far.
    pub fn new(settings: &Settings, store: Store, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let auth = settings.auth();
        let key: Option<SigningKey> = settings.parsed("TICKET_SIGNING_KEY");
        settings.check()?;
        let key = key.ok_or_else(|| Failure("TICKET_SIGNING_KEY".to_owned()))?.verifying_key();
        Ok(Self { auth, key, catalogue: Catalogue::new(store.clone()), store, clock })
    }
}

/// One HTTP call.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let call = Call::new(&app.auth, request);
    let outcome = route(app, &call).await;
    call.answer(outcome)
}

async fn route(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    match call.route() {
        "POST /v1/shows/{showId}/scans" => admit(app, call).await,
        "GET /v1/shows/{showId}/scans" => admitted(app, call).await,
        "GET /v1/shows/{showId}/revocations" => revocations::list(app, call).await,
        _ => Err(Refusal::NotFound("route").into()),
    }
}

/// Whoever stands at the door of the show in the path.
async fn doorkeeper(app: &App, call: &Call<'_>) -> Result<(Caller, ShowId), Error> {
    let caller = call.caller()?;
    caller.require_role(DOOR)?;
    let show: ShowId = call.path("showId")?;
    app.catalogue.show(show).await?.ok_or(Refusal::NotFound("show"))?;
    Ok((caller, show))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ScanCommand {
    code: String,
    #[serde(default)]
    gate: Option<GateId>,
    /// When a scanner that was offline let the holder in, by its own clock.
    #[serde(default)]
    scanned_at: Option<Timestamp>,
}

/// What the doorkeeper is told.
#[derive(Serialize)]
#[serde(tag = "result", rename_all = "kebab-case", rename_all_fields = "camelCase")]
enum ScanView {
    Admitted {
        #[serde(flatten)]
        ticket: TicketView,
        scanned_at: Timestamp,
        gate: GateId,
    },
    AlreadyScanned {
        #[serde(flatten)]
        ticket: TicketView,
        /// When its holder came in, and where.
        scanned_at: Timestamp,
        gate: GateId,
    },
    Revoked {
        #[serde(flatten)]
        ticket: TicketView,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
    },
    Invalid {
        fault: Fault,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TicketView {
    booking_id: BookingId,
    #[serde(skip_serializing_if = "Option::is_none")]
    seat_id: Option<SeatId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    area_id: Option<AreaId>,
    /// Of the place in its area.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u32>,
}

impl TicketView {
    fn new(claim: &TicketClaim) -> Self {
        let (seat_id, area_id, number) = match &claim.place {
            Place::Seat(seat) => (Some(seat.clone()), None, None),
            Place::Area { area, number } => (None, Some(area.clone()), Some(*number)),
        };
        Self { booking_id: claim.booking, seat_id, area_id, number }
    }
}

async fn admit(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let (_, show) = doorkeeper(app, call).await?;
    let ScanCommand { code, gate, scanned_at } = call.body(BODY_BYTES_MAX)?;
    let view = match scan::read(&app.key, code.trim(), show) {
        Err(fault) => ScanView::Invalid { fault },
        Ok(claim) => {
            let at = app.clock.now();
            let gate = gate.unwrap_or_else(|| GATE_DEFAULT.parse().expect("the default is a slug"));
            let attempt = attempt(call, at)?;
            let scan = Scan { show, ticket: claim.id(), at, gate, offline_at: scanned_at, attempt };
            judge(app, &claim, &scan).await?
        }
    };
    let let_in = matches!(view, ScanView::Admitted { .. });
    metrics::count(if let_in { Metric::TicketsAdmitted } else { Metric::TicketsTurnedAway }, 1);
    Ok(Reply::json(200, &view))
}

/// The scanner's name for this scan; without one every call is a scan of its own.
fn attempt(call: &Call<'_>, at: Timestamp) -> Result<IdempotencyKey, Refusal> {
    match call.idempotency_key() {
        Err(Refusal::IdempotencyKeyRequired) => {
            let name = format!("{}@{}", call.request_id(), millis(at));
            name.parse().map_err(|_| Refusal::BadRequest("the request has no usable id".to_owned()))
        }
        named => named,
    }
}

async fn judge(app: &App, claim: &TicketClaim, scan: &Scan) -> Result<ScanView, Error> {
    let ticket = TicketView::new(claim);
    for _ in 0..LOOKS_MAX {
        let booking = app.store.booking(claim.booking).await?;
        let booking = match (scan::check(claim, booking.as_ref()), booking) {
            (Ok(()), Some(booking)) => booking,
            (Err(Revoked::Cancelled(reason)), _) => return Ok(ScanView::Revoked { ticket, reason: Some(reason) }),
            _ => return Ok(ScanView::Revoked { ticket, reason: None }),
        };
        match app.store.admit(scan, &booking).await? {
            Admission::Admitted(Scan { at: scanned_at, gate, .. }) => {
                return Ok(ScanView::Admitted { ticket, scanned_at, gate });
            }
            Admission::AlreadyScanned(earlier) => {
                let scanned_at = earlier.offline_at.unwrap_or(earlier.at);
                return Ok(ScanView::AlreadyScanned { ticket, scanned_at, gate: earlier.gate });
            }
            Admission::BookingChanged => {}
        }
    }
    Err(StoreError::Throttled.into())
}

async fn admitted(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let (_, show) = doorkeeper(app, call).await?;
    let gates = app.store.admitted(show).await?;
    let total: u64 = gates.values().sum();
    let gates: Vec<_> = gates.iter().map(|(gate, count)| json!({"gate": gate, "admitted": count})).collect();
    Ok(Reply::json(200, &json!({"showId": show, "admitted": total, "gates": gates})))
}
