//! What stands before every HTTP function: who may come, how often, and what can wait.
//!
//! In this order: a call that came around the front is turned away; then whoever calls too often; then, while the table
//! is overloaded, what can wait; then, while the operator says so, whatever would begin something new. Browsing and
//! maps are never turned away for their own sake, and what has begun goes on.

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use domain::{
    Refusal,
    ids::UserId,
    rate::{Bucket, Rate},
};
use lambda_http::{Body, Request, RequestExt as _, Response, request::RequestContext};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::{
    auth::{Auth, Verified},
    http::{self, Call},
    limit::{Address, Limiter},
    metrics::{self, Metric},
    settings::Settings,
};

/// The header that what stands before the API proves itself with.
pub const ORIGIN_HEADER: &str = "usher-origin";
/// The header in which `CloudFront` names the viewer: address and port.
pub const VIEWER_HEADER: &str = "cloudfront-viewer-address";
/// The shortest secret of [`ORIGIN_HEADER`], in bytes.
const ORIGIN_SECRET_BYTES_MIN: usize = 32;
/// The largest limit that a setting may ask for.
const CALLS_PER_SECOND_MAX: u32 = 1_000_000;
/// Answers of 503 a second that an instance takes for bad luck; beyond that it is overload.
const BUSY_PER_SECOND: u32 = 2;

/// What goes on while nothing new begins: what is held can be paid or given back, the provider is heard, and who has a
/// ticket comes in.
pub const GOES_ON: [&str; 4] = [
    "DELETE /v1/bookings/{bookingId}",
    "POST /v1/bookings/{bookingId}/confirm",
    "POST /v1/shows/{showId}/scans",
    "POST /v1/webhooks/payments",
];
/// What can wait until the table has room again: figures that read much, and publishing.
const CAN_WAIT: [&str; 6] = [
    "GET /v1/shows/{showId}/ledger",
    "GET /v1/shows/{showId}/money",
    "GET /v1/shows/{showId}/sales",
    "POST /v1/events",
    "POST /v1/events/{eventId}/shows",
    "POST /v1/venues",
];
/// Signed by its sender, who calls from few addresses, and as often as there are payments.
const UNLIMITED: &str = "POST /v1/webhooks/payments";

/// A call was made by a caller who is about to be limited.
#[derive(Clone, Copy)]
pub(crate) struct Strained;

/// Stands before one function. It asks `M` whether the operator lets anything new begin: `None`, or after how many seconds
/// a caller may look again. Asked for each call that would begin something: the answer comes from memory.
pub struct Guard<M> {
    auth: Auth,
    origins: Vec<[u8; 32]>,
    addresses: Limiter<Address>,
    accounts: Limiter<UserId>,
    busy: Mutex<Option<Bucket>>,
    began: Instant,
    mode: M,
}

impl<M, A> Guard<M>
where
    M: Fn() -> A,
    A: Future<Output = Option<u64>>,
{
    /// `ORIGIN_SECRET` (none: calls may come from anywhere; between commas, the first and those before it while it is
    /// rotated), `ADDRESS_CALLS_PER_SECOND` and `ACCOUNT_CALLS_PER_SECOND` (0: no limit).
    pub fn new(settings: &Settings, mode: M) -> Self {
        let limit = |name| settings.number(name, 0..=CALLS_PER_SECOND_MAX, 0);
        let secrets = settings.get("ORIGIN_SECRET").map(|_| settings.list("ORIGIN_SECRET")).unwrap_or_default();
        if secrets.iter().any(|secret| secret.len() < ORIGIN_SECRET_BYTES_MIN) {
            let () = settings.malformed("ORIGIN_SECRET", &format!("at least {ORIGIN_SECRET_BYTES_MIN} bytes"));
        }
        Self {
            auth: settings.auth(),
            origins: secrets.iter().map(|secret| digest(secret)).collect(),
            addresses: Limiter::new(limit("ADDRESS_CALLS_PER_SECOND")),
            accounts: Limiter::new(limit("ACCOUNT_CALLS_PER_SECOND")),
            busy: Mutex::default(),
            began: Instant::now(),
            mode,
        }
    }

    /// The answer of `handle`, if the call may come to it.
    pub async fn serve<F>(&self, mut request: Request, handle: impl FnOnce(Request) -> F) -> Response<Body>
    where
        F: Future<Output = Response<Body>>,
    {
        let admitted = match self.admit(&mut request) {
            Ok(()) => self.check_mode(&request).await,
            refused => refused,
        };
        if let Err(refusal) = admitted {
            metrics::refused(Metric::CallsRefused, &refusal);
            return Call::new(&self.auth, request).answer(Err(refusal.into()));
        }
        let response = handle(request).await;
        if response.status() == 503 {
            self.note_busy();
        }
        response
    }

    /// Everything that needs no waiting.
    fn admit(&self, request: &mut Request) -> Result<(), Refusal> {
        let is_through_front = self.is_through_front(request)?;
        let mut is_strained = false;
        if http::route(request) != UNLIMITED {
            if let Some(address) = address(request, is_through_front) {
                is_strained |= self.addresses.take(address)?;
            }
            if let Ok(caller) = self.auth.caller(request) {
                is_strained |= self.accounts.take(caller.user.clone())?;
                request.extensions_mut().insert(Verified(caller));
            }
        }
        if is_strained {
            request.extensions_mut().insert(Strained);
        }
        if CAN_WAIT.contains(&http::route(request)) && self.is_overloaded() { Err(Refusal::Shed) } else { Ok(()) }
    }

    async fn check_mode(&self, request: &Request) -> Result<(), Refusal> {
        if request.method() == "GET" || GOES_ON.contains(&http::route(request)) {
            return Ok(());
        }
        match (self.mode)().await {
            None => Ok(()),
            Some(retry_after_seconds) => Err(Refusal::ReadOnly { retry_after_seconds }),
        }
    }

    /// Whether the call proves that it came through what stands before the API; without a secret nothing does.
    fn is_through_front(&self, request: &Request) -> Result<bool, Refusal> {
        if self.origins.is_empty() {
            return Ok(false);
        }
        let shown = request.headers().get(ORIGIN_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let shown = digest(shown);
        // Every secret is compared, and each to its end: the time tells nothing.
        let is_one = self.origins.iter().fold(false, |found, origin| found | is_equal(origin, &shown));
        if is_one { Ok(true) } else { Err(Refusal::DirectAccess) }
    }

    fn note_busy(&self) {
        let (Some(rate), now) = (Rate::new(BUSY_PER_SECOND), self.began.elapsed()) else { return };
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        // Empty is as bad as it gets.
        let _ = busy.get_or_insert_with(|| Bucket::full(rate, now)).take(rate, now);
    }

    /// Whether this instance has answered 503 more often, lately, than bad luck explains.
    fn is_overloaded(&self) -> bool {
        let (Some(rate), now) = (Rate::new(BUSY_PER_SECOND), self.began.elapsed()) else { return false };
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.is_some_and(|bucket| bucket.is_empty(rate, now))
    }
}

/// Where the call comes from: through the front, whom that names; otherwise whoever the gateway sees. Nothing else that
/// a caller says is believed.
fn address(request: &Request, is_through_front: bool) -> Option<Address> {
    let ip = if is_through_front {
        let viewer = request.headers().get(VIEWER_HEADER)?.to_str().ok()?;
        viewer.rsplit_once(':')?.0.trim_matches(['[', ']']).parse::<IpAddr>()
    } else {
        match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref()?.parse(),
            _ => return None,
        }
    };
    ip.ok().map(Address::from)
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Takes as long wherever the two differ. They are digests: nobody steers where that is, either.
fn is_equal(left: &[u8; 32], right: &[u8; 32]) -> bool {
    left.iter().zip(right).fold(0, |differing, (left, right)| differing | (left ^ right)) == 0
}
