//! The platform and the payment provider, over HTTP. Every call that matters to the proof is recorded as it is made.

use std::{sync::Arc, time::Duration};

use reqwest::{
    Client, Method, RequestBuilder,
    header::{ETAG, RETRY_AFTER},
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    history::{Booking, Micros, NOBODY, Outcome, Pass, Recorder, Seen, Status, Step, Who, Wish},
    options::Options,
};

/// How long one call may take: API Gateway gives up after 30 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(35);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Problems are named after this.
const PROBLEM: &str = "urn:problem:usher:";
/// A card that pays, by the provider's name.
pub(crate) const CARD_THAT_PAYS: &str = "pm_card_visa";
/// A card that does not.
pub(crate) const CARD_THAT_FAILS: &str = "pm_card_chargeDeclined";

/// Somebody with a token.
#[derive(Clone)]
pub(crate) struct Caller {
    /// Their number.
    pub(crate) who: Who,
    /// What they show.
    pub(crate) token: Arc<str>,
}

/// An answer as it is needed to go on: the recorded outcome, and what the record leaves out.
pub(crate) struct Heard {
    /// What is recorded.
    pub(crate) outcome: Outcome,
    /// The whole body.
    pub(crate) body: Value,
    /// How long to wait before the next try, if that was said.
    pub(crate) retry_after: Option<Duration>,
}

impl Heard {
    /// The booking in the answer.
    pub(crate) fn booking(&self) -> Option<&Booking> {
        match &self.outcome {
            Outcome::Ok(Seen::Booking(booking)) => Some(booking),
            _ => None,
        }
    }

    /// The slug of a refusal.
    pub(crate) fn refusal(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Refused { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// Whether nobody knows what it did.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self.outcome, Outcome::Unknown { .. })
    }

    /// Whether the same may be asked again a little later: nobody knows what it did, or it was one call too many.
    pub(crate) fn is_for_later(&self) -> bool {
        self.is_unknown() || matches!(self.outcome, Outcome::Refused { status: 429, .. })
    }
}

/// What may be under way at once.
pub(crate) struct Lanes {
    /// People in front of the desk.
    crowd: Semaphore,
    /// People at the desk: they do not wait behind those in front of it.
    desk: Semaphore,
}

/// A platform somewhere.
pub(crate) struct Site {
    http: Client,
    base_url: String,
    payment_url: String,
    payment_key: Option<String>,
    lanes: Lanes,
    /// Where calls are kept.
    pub(crate) recorder: Recorder,
}

/// A bare answer.
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The validator.
    pub(crate) etag: Option<String>,
    /// The body as JSON; nothing where it is something else.
    pub(crate) body: Value,
    retry_after: Option<Duration>,
}

impl Site {
    /// The platform that the options name.
    ///
    /// # Errors
    /// There is no TLS.
    pub(crate) fn new(options: &Options, recorder: Recorder) -> Result<Self, String> {
        let http = Client::builder()
            .timeout(CALL_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(2 * options.at_once)
            .tcp_nodelay(true)
            .build()
            .map_err(|why| why.to_string())?;
        let lanes = Lanes { crowd: Semaphore::new(options.at_once), desk: Semaphore::new(options.at_once) };
        let base_url = options.url.trim_end_matches('/').to_owned();
        let payment_url = options.payment_url.clone().unwrap_or_else(|| format!("{base_url}/sandbox/stripe"));
        Ok(Self { http, base_url, payment_url, payment_key: options.payment_key.clone(), lanes, recorder })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base_url))
    }

    /// A call that is not recorded.
    ///
    /// # Errors
    /// There was no answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let mut request = self.request(method, path);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        answered(request).await
    }

    /// A public GET that must succeed, not recorded.
    ///
    /// # Errors
    /// It did not.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, String> {
        let answer = self.send(Method::GET, path, "", None).await?;
        if answer.status == 200 { Ok(answer.body) } else { Err(format!("{path}: {}: {}", answer.status, answer.body)) }
    }

    /// A public GET with a validator, as a cache sends it.
    ///
    /// # Errors
    /// There was no answer.
    pub(crate) async fn revalidate(&self, path: &str, etag: Option<&str>) -> Result<Answer, String> {
        let mut request = self.request(Method::GET, path);
        if let Some(etag) = etag {
            request = request.header("if-none-match", etag);
        }
        let _permit = self.lanes.desk.acquire().await.map_err(|_| "over".to_owned())?;
        answered(request).await
    }

    /// A recorded call.
    async fn ask(
        &self,
        lane: &Semaphore,
        who: Who,
        step: Step,
        request: RequestBuilder,
        read: impl FnOnce(&Value, Micros) -> Option<Seen>,
    ) -> Heard {
        let Ok(_permit) = lane.acquire().await else { return Heard::nothing("over".to_owned()) };
        let invoked = self.recorder.invoke(who, step);
        let heard = match answered(request).await {
            Err(why) => Heard::nothing(why),
            Ok(answer) => {
                let outcome = outcome(&answer, |body| read(body, invoked.invoked));
                Heard { outcome, body: answer.body, retry_after: answer.retry_after }
            }
        };
        invoked.end(heard.outcome.clone());
        heard
    }

    /// A call of the sale by a person.
    async fn as_person(
        &self,
        lane: &Semaphore,
        caller: &Caller,
        step: Step,
        request: RequestBuilder,
        read: impl FnOnce(&Value, Micros) -> Option<Seen>,
    ) -> Heard {
        self.ask(lane, caller.who, step, request.bearer_auth(&caller.token), read).await
    }

    /// Takes a place in the waiting room.
    pub(crate) async fn join(&self, caller: &Caller, show: &str) -> Heard {
        let request = self.request(Method::POST, &format!("/v1/shows/{show}/queue")).json(&json!({}));
        let read =
            |body: &Value, _| Some(Seen::Place { place: text(&body["place"])?, position: body["position"].as_u64() });
        self.as_person(&self.lanes.crowd, caller, Step::Join, request, read).await
    }

    /// Exchanges a place that is served for an admission.
    pub(crate) async fn admission(&self, caller: &Caller, show: &str, queue_token: &str) -> Heard {
        let path = format!("/v1/shows/{show}/queue/admission");
        let request = self.request(Method::POST, &path).json(&json!({"queueToken": queue_token}));
        let read = |body: &Value, invoked: Micros| {
            body["admissionToken"].as_str()?;
            let lasts = until(&body["expiresAt"])?;
            Some(Seen::Admission { until: invoked + lasts })
        };
        self.as_person(&self.lanes.desk, caller, Step::Admission, request, read).await
    }

    /// Holds places.
    pub(crate) async fn hold(&self, caller: &Caller, show: &str, hold: &Hold<'_>) -> Heard {
        let (path, body) = match hold.wish {
            Wish::Seats(seats) => ("holds", json!({"seatIds": seats})),
            Wish::Best(quantity) => ("best-available", json!({"quantity": quantity})),
        };
        let request = self.request(Method::POST, &format!("/v1/shows/{show}/{path}"));
        let mut request = request.header("idempotency-key", hold.key).json(&body);
        if let Some(admission) = hold.admission {
            request = request.header("usher-admission", admission);
        }
        let step = Step::Hold { key: hold.key.to_owned(), wish: hold.wish.clone(), pass: hold.pass };
        self.as_person(&self.lanes.crowd, caller, step, request, booking).await
    }

    /// Starts a payment, or finishes one.
    pub(crate) async fn confirm(&self, caller: &Caller, id: &str) -> Heard {
        let request = self.request(Method::POST, &format!("/v1/bookings/{id}/confirm")).json(&json!({}));
        self.as_person(&self.lanes.desk, caller, Step::Confirm { booking: id.to_owned() }, request, booking).await
    }

    /// What became of a booking.
    pub(crate) async fn look(&self, caller: &Caller, id: &str) -> Heard {
        let request = self.request(Method::GET, &format!("/v1/bookings/{id}"));
        self.as_person(&self.lanes.desk, caller, Step::Look { booking: id.to_owned() }, request, booking).await
    }

    /// Gives a booking up.
    pub(crate) async fn release(&self, caller: &Caller, id: &str) -> Heard {
        let request = self.request(Method::DELETE, &format!("/v1/bookings/{id}"));
        self.as_person(&self.lanes.desk, caller, Step::Release { booking: id.to_owned() }, request, booking).await
    }

    /// Every booking of a person, each recorded as a call of its own.
    ///
    /// # Errors
    /// They cannot be listed.
    pub(crate) async fn list(&self, caller: &Caller, show: &str) -> Result<(), String> {
        let invoked = self.recorder.now();
        let answer = self.send(Method::GET, "/v1/bookings?limit=100", &caller.token, None).await?;
        if answer.status != 200 {
            return Err(format!("bookings: {}: {}", answer.status, answer.body));
        }
        for shown in answer.body["bookings"].as_array().into_iter().flatten().filter(|shown| shown["showId"] == show) {
            let seen = booking(shown, invoked).ok_or_else(|| format!("not a booking: {shown}"))?;
            self.recorder.invoke_at(invoked, caller.who, Step::List).end(Outcome::Ok(seen));
        }
        Ok(())
    }

    /// Pays at the provider, as a browser does.
    pub(crate) async fn pay(&self, who: Who, id: &str, payment: &Value, card: &str) -> Heard {
        let intent = payment["intentId"].as_str().unwrap_or_default();
        let secret = payment["clientSecret"].as_str().unwrap_or_default();
        let mut request = self.http.post(format!("{}/v1/payment_intents/{intent}/confirm", self.payment_url));
        if let Some(key) = &self.payment_key {
            request = request.bearer_auth(key);
        }
        let request = request.form(&[("client_secret", secret), ("payment_method", card)]);
        let step = Step::Pay { booking: id.to_owned() };
        self.ask(&self.lanes.desk, who, step, request, |_, _| Some(Seen::Nothing)).await
    }

    /// A page of the provider's payments, newest first; needs a secret key or a sandbox that takes any.
    ///
    /// # Errors
    /// There was no answer, or not a page.
    pub(crate) async fn payments(&self, after: Option<&str>) -> Result<Value, String> {
        let start = after.map(|id| format!("&starting_after={id}")).unwrap_or_default();
        let url = format!("{}/v1/payment_intents?limit=100&expand[]=data.latest_charge{start}", self.payment_url);
        let mut request = self.http.get(url);
        if let Some(key) = &self.payment_key {
            request = request.bearer_auth(key);
        }
        let answer = answered(request).await?;
        if answer.status == 200 {
            Ok(answer.body)
        } else {
            Err(format!("payments: {}: {}", answer.status, answer.body))
        }
    }

    /// The waiting room as it is, recorded on everybody's behalf. `known` is what was seen before, with its validator.
    pub(crate) async fn queue(&self, show: &str, known: Option<(&str, &Seen)>) -> Queue {
        let mut request = self.request(Method::GET, &format!("/v1/shows/{show}/queue"));
        if let Some((etag, _)) = known {
            request = request.header("if-none-match", etag);
        }
        let invoked = self.recorder.invoke(NOBODY, Step::Queue);
        let answer = match answered(request).await {
            Ok(answer) => answer,
            Err(why) => {
                invoked.end(Outcome::Unknown { why });
                return Queue::Silent;
            }
        };
        // What is unchanged is what was seen.
        if let (304, Some((_, seen))) = (answer.status, known) {
            invoked.end(Outcome::Ok(seen.clone()));
            return Queue::Unchanged;
        }
        let outcome = outcome(&answer, |body| {
            let joined = body["joined"].as_u64().unwrap_or(0);
            Some(Seen::Queue {
                phase: text(&body["phase"])?,
                serving: text(&body["serving"]),
                joined,
                commitment: text(&body["commitment"])?,
                secret: text(&body["secret"]),
            })
        });
        invoked.end(outcome.clone());
        match outcome {
            Outcome::Ok(seen) => Queue::Changed { seen, etag: answer.etag },
            _ => Queue::Silent,
        }
    }
}

/// A hold to try.
#[derive(Clone, Copy)]
pub(crate) struct Hold<'a> {
    /// The idempotency key.
    pub(crate) key: &'a str,
    /// What.
    pub(crate) wish: &'a Wish,
    /// The admission that is shown.
    pub(crate) admission: Option<&'a str>,
    /// By what right it is shown.
    pub(crate) pass: Pass,
}

/// What a look at the waiting room brought.
pub(crate) enum Queue {
    /// News.
    Changed {
        /// The state.
        seen: Seen,
        /// Its validator.
        etag: Option<String>,
    },
    /// Nothing new.
    Unchanged,
    /// No answer.
    Silent,
}

impl Heard {
    fn nothing(why: String) -> Self {
        Self { outcome: Outcome::Unknown { why }, body: Value::Null, retry_after: None }
    }
}

async fn answered(request: RequestBuilder) -> Result<Answer, String> {
    let response = request.send().await.map_err(|why| told(&why))?;
    let status = response.status().as_u16();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after = header(RETRY_AFTER).and_then(|value| value.parse().ok()).map(Duration::from_secs);
    let etag = header(ETAG).map(str::to_owned);
    let bytes = response.bytes().await.map_err(|why| told(&why))?;
    Ok(Answer { status, etag, body: serde_json::from_slice(&bytes).unwrap_or_default(), retry_after })
}

/// The reason beneath reqwest's "error sending request".
fn told(why: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = why;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Yes, no, or nobody knows: behind a 5xx something may have been done.
fn outcome(answer: &Answer, read: impl FnOnce(&Value) -> Option<Seen>) -> Outcome {
    let body = &answer.body;
    match answer.status {
        200..=299 => read(body).map_or_else(|| unreadable(body), Outcome::Ok),
        status @ 500.. => Outcome::Unknown { why: format!("{status} {}", slug(body)) },
        status => {
            let seats = body["unavailable"].as_array().into_iter().flatten().filter_map(text).collect();
            Outcome::Refused { status, reason: slug(body), seats }
        }
    }
}

fn unreadable(body: &Value) -> Outcome {
    Outcome::Unknown { why: format!("an answer that nobody understands: {body}") }
}

/// A problem's name; the payment provider's code where it is one of its.
fn slug(body: &Value) -> String {
    let problem = body["type"].as_str().and_then(|kind| kind.strip_prefix(PROBLEM));
    problem.or_else(|| body["error"]["code"].as_str()).unwrap_or("unnamed").to_owned()
}

/// Text, or whatever else it is as text: all that is needed is to compare it.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn booking(body: &Value, invoked: Micros) -> Option<Seen> {
    let status = match body["status"].as_str()? {
        "PENDING" => Status::Pending,
        "CONFIRMED" => Status::Confirmed,
        "CANCELLED" => Status::Cancelled,
        _ => return None,
    };
    let seats: Option<Vec<String>> = body["seats"].as_array()?.iter().map(|seat| text(&seat["seatId"])).collect();
    // The server looked at its clock after it was asked: the hold ends, or ended, no earlier than this by ours.
    let left = instant(&body["expiresAt"])?.duration_since(instant(&body["serverTime"])?);
    let ends = i128::from(invoked) + left.as_micros();
    Some(Seen::Booking(Booking {
        id: text(&body["bookingId"])?,
        status,
        seats: seats?,
        total: body["total"]["amountMinor"].as_i64()?,
        ends: Micros::try_from(ends.max(0)).ok()?,
    }))
}

fn instant(value: &Value) -> Option<jiff::Timestamp> {
    value.as_str()?.parse().ok()
}

/// How long it is until then, by this machine's clock.
pub(crate) fn until(value: &Value) -> Option<Micros> {
    Micros::try_from(instant(value)?.duration_since(now()).as_micros()).ok()
}

#[expect(clippy::disallowed_methods, reason = "people have clocks of their own; no rule depends on them")]
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
