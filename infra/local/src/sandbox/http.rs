//! The sandbox's HTTP: Stripe's calls, forms, errors and idempotency keys.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State as Shared},
    http::{HeaderMap, Method, StatusCode, request::Parts},
    response::Response,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use domain::money::Currency;
use serde_json::{Value, json};

use super::{
    ANSWER_LIFETIME_SECONDS, Fault, Operation, Sandbox, SandboxSettings, State, Stored,
    journal::{Kind, Row},
    ledger::{Card, DISPUTING, Dispute, Failure, Intent, Refund, Status, Told, page},
    new_id, webhooks,
};

/// Where the API is.
pub(super) const PREFIX: &str = "/sandbox/stripe";

/// The largest request body.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// The largest amount, in minor units (the provider takes twelve digits at most).
const AMOUNT_MAX: i64 = 999_999_999_999;

/// The provider's longest idempotency key.
const KEY_CHARS_MAX: usize = 255;

/// Objects in a page, when not said and at most.
const PAGE_DEFAULT: usize = 10;
const PAGE_MAX: usize = 100;

pub(super) fn router(sandbox: Arc<Sandbox>) -> Router {
    let path = format!("{PREFIX}/{{*path}}");
    Router::new().route(&path, axum::routing::any(serve)).with_state(sandbox)
}

async fn serve(Shared(sandbox): Shared<Arc<Sandbox>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default().trim_matches('/').to_owned();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return refuse(&Failure::new(413, "The request body is too large."));
    };
    let segments: Vec<&str> = path.split('/').collect();
    if let ["3ds", intent] = segments[..] {
        return challenge_page(&sandbox, &parts.method, intent, &body);
    }
    let query = parts.uri.query().unwrap_or_default();
    let pairs = |text| form_urlencoded::parse(text).into_owned();
    let params: Params = pairs(query.as_bytes()).chain(pairs(&body)).collect();
    let Some((operation, id)) = route(&parts.method, &segments) else {
        let message = format!("Unrecognized request URL ({}: /{path}).", parts.method);
        return refuse(&Failure::new(404, message));
    };
    let call = Call { operation, id, params, origin: origin(&parts) };
    call.answer(&sandbox, &parts.headers)
}

fn route<'a>(method: &Method, segments: &[&'a str]) -> Option<(Operation, &'a str)> {
    Some(match (method.as_str(), segments) {
        ("POST", ["v1", "payment_intents"]) => (Operation::Create, ""),
        ("GET", ["v1", "payment_intents"]) => (Operation::List, ""),
        ("GET", ["v1", "payment_intents", id]) => (Operation::Retrieve, *id),
        ("POST", ["v1", "payment_intents", id, "confirm"]) => (Operation::Confirm, *id),
        ("POST", ["v1", "payment_intents", id, "capture"]) => (Operation::Capture, *id),
        ("POST", ["v1", "payment_intents", id, "cancel"]) => (Operation::Cancel, *id),
        ("POST", ["v1", "refunds"]) => (Operation::Refund, ""),
        ("GET", ["v1", "refunds"]) => (Operation::Refunds, ""),
        ("GET", ["v1", "disputes"]) => (Operation::Disputes, ""),
        _ => return None,
    })
}

/// Where this server is, as its caller sees it.
fn origin(parts: &Parts) -> String {
    let host = parts.headers.get("host").and_then(|host| host.to_str().ok());
    format!("http://{}", host.unwrap_or("localhost"))
}

type Params = BTreeMap<String, String>;

/// Who calls: the platform with its secret key, or a buyer's browser that knows one intent's client secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    Platform,
    Browser,
}

/// One call of the API.
struct Call<'a> {
    operation: Operation,
    id: &'a str,
    params: Params,
    origin: String,
}

/// What a call did: its answer, what to write and what to tell.
struct Outcome {
    answer: Result<Value, Failure>,
    rows: Vec<Row>,
    told: Vec<Told>,
}

impl Outcome {
    /// Of a call that changes nothing.
    fn read(answer: impl FnOnce() -> Result<Value, Failure>) -> Self {
        Self { answer: answer(), rows: Vec::new(), told: Vec::new() }
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self { answer: Err(failure), rows: Vec::new(), told: Vec::new() }
    }
}

impl Call<'_> {
    fn answer(&self, sandbox: &Sandbox, headers: &HeaderMap) -> Response {
        let caller = match self.caller(&sandbox.settings, headers) {
            Ok(caller) => caller,
            Err(failure) => return refuse(&failure),
        };
        let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
        if key.len() > KEY_CHARS_MAX {
            return refuse(&Failure::new(400, format!("Idempotency keys have at most {KEY_CHARS_MAX} characters.")));
        }
        let mut state = sandbox.state();
        let fault = state.faults.get_mut(&self.operation).and_then(std::collections::VecDeque::pop_front);
        match fault {
            Some(Fault::Before) => return broken(),
            Some(Fault::Limited) => return limited(),
            Some(Fault::Lost) | None => {}
        }
        let response = self.once(sandbox, state, key, caller);
        if fault == Some(Fault::Lost) { broken() } else { response }
    }

    /// Carries the call out, unless its key was used: then its answer is given again.
    fn once(
        &self,
        sandbox: &Sandbox,
        mut state: std::sync::MutexGuard<'_, State>,
        key: &str,
        caller: Caller,
    ) -> Response {
        let now = webhooks::seconds(sandbox);
        let reads =
            matches!(self.operation, Operation::Retrieve | Operation::List | Operation::Refunds | Operation::Disputes);
        let keyed = !key.is_empty() && !reads;
        let forgotten = state.forget(now);
        if let Some(stored) = state.answers.get(key).filter(|_| keyed) {
            return if stored.fingerprint == self.fingerprint() {
                answer(stored.status, &stored.body, &[("idempotent-replayed", "true")])
            } else {
                let message = format!(
                    "Keys for idempotent requests can only be used with the same parameters they were first used with. \
                     Try using a key other than '{key}' if you meant to execute a different request."
                );
                refuse(&Failure { kind: "idempotency_error", ..Failure::new(400, message) })
            };
        }
        let mut outcome = self.carry_out(&mut state, now);
        if matches!(self.operation, Operation::Confirm | Operation::Capture) {
            self.dispute_if_its_card_does(&mut state, &mut outcome, now);
        }
        outcome.rows.extend(forgotten);
        let (status, mut body, store) = match &outcome.answer {
            Ok(body) => (200, body.clone(), true),
            Err(failure) => (failure.status, failure.to_json(), failure.begun),
        };
        if keyed && store {
            let stored = Stored { fingerprint: self.fingerprint(), status, body: body.clone(), at: now };
            outcome.rows.push(Row::put(Kind::Answer, key, &stored));
            state.answers.insert(key.to_owned(), stored);
            state.answer_order.push_back((now, key.to_owned()));
        }
        sandbox.conclude(state, outcome.rows, outcome.told);
        if caller == Caller::Browser {
            hide_from_browser(&mut body);
        }
        answer(status, &body, &[])
    }

    fn carry_out(&self, state: &mut State, now: i64) -> Outcome {
        match self.operation {
            Operation::Create => self.create(state, now),
            Operation::Confirm => self.confirm(state),
            Operation::Capture => {
                let amount = match self.amount("amount_to_capture") {
                    Ok(amount) => amount,
                    Err(failure) => return failure.into(),
                };
                self.step(state, |intent| intent.capture(amount))
            }
            Operation::Cancel => {
                let reason = self.params.get("cancellation_reason").cloned();
                self.step(state, |intent| intent.cancel(reason, now))
            }
            Operation::Refund => self.refund(state, now).unwrap_or_else(Outcome::from),
            Operation::Retrieve => Outcome::read(|| Ok(state.books.intent(self.id)?.to_json())),
            Operation::List => Outcome::read(|| self.list(state)),
            Operation::Refunds => Outcome::read(|| self.refunds(state)),
            Operation::Disputes => Outcome::read(|| self.disputes(state)),
        }
    }

    /// What was taken from a card that disputes everything is disputed at once.
    fn dispute_if_its_card_does(&self, state: &mut State, outcome: &mut Outcome, now: i64) {
        let Some(intent) = state.books.intents.get(self.id) else { return };
        let disputes = intent.status == Status::Succeeded && intent.payment_method.as_deref() == Some(DISPUTING);
        if outcome.answer.is_err() || !disputes {
            return;
        }
        let (dispute, told) = Dispute::of(intent, new_id("du"), now);
        outcome.rows.push(Row::put(Kind::Dispute, &dispute.id, &dispute));
        outcome.told.extend(told);
        state.books.disputes.push(dispute);
    }

    fn create(&self, state: &mut State, now: i64) -> Outcome {
        let intent = match self.new_intent(now) {
            Ok(intent) => intent,
            Err(failure) => return failure.into(),
        };
        let (row, object) = (Row::put(Kind::Intent, &intent.id, &intent), intent.to_json());
        state.books.insert(intent);
        let told = Told { kind: "payment_intent.created", object: object.clone() };
        Outcome { answer: Ok(object), rows: vec![row], told: vec![told] }
    }

    fn new_intent(&self, now: i64) -> Result<Intent, Failure> {
        const KNOWN: [&str; 6] =
            ["amount", "currency", "capture_method", "description", "receipt_email", "payment_method_types[]"];
        let known = |name: &str| {
            KNOWN.contains(&name)
                || ["metadata[", "payment_method_types[", "automatic_payment_methods["]
                    .iter()
                    .any(|p| name.starts_with(p))
        };
        if let Some(name) = self.params.keys().find(|name| !known(name)) {
            let message = format!("Received unknown parameter: {name}");
            return Err(Failure { code: Some("parameter_unknown"), ..Failure::new(400, message) });
        }
        let amount = self.amount("amount")?;
        let amount = amount
            .ok_or_else(|| Failure::parameter("amount", "parameter_missing", "Missing required param: amount."))?;
        let currency = self.params.get("currency").map(String::as_str).unwrap_or_default();
        if currency.to_ascii_uppercase().parse::<Currency>().is_err() {
            let message = format!("Invalid currency: {currency}.");
            return Err(Failure { param: Some("currency"), ..Failure::new(400, message) });
        }
        let manual_capture = match self.params.get("capture_method").map(String::as_str) {
            Some("manual") => true,
            None | Some("automatic" | "automatic_async") => false,
            Some(_) => {
                return Err(Failure { param: Some("capture_method"), ..Failure::new(400, "Invalid capture_method.") });
            }
        };
        let id = new_id("pi");
        Ok(Intent {
            client_secret: new_id(&format!("{id}_secret")),
            id,
            amount,
            currency: currency.to_ascii_lowercase(),
            status: Status::RequiresPaymentMethod,
            manual_capture,
            metadata: self.metadata(),
            payment_method: None,
            return_url: None,
            challenge_url: None,
            last_error: None,
            received: 0,
            refunded: 0,
            charge: None,
            created: now,
            canceled_at: None,
            cancellation_reason: None,
        })
    }

    fn confirm(&self, state: &mut State) -> Outcome {
        let method = self.params.get("payment_method").map(String::as_str).unwrap_or_default();
        let Some(card) = Card::named(method) else {
            return Failure::missing("PaymentMethod", method, "payment_method").into();
        };
        let intent = match self.known_intent(state) {
            Ok(intent) => intent,
            Err(failure) => return failure.into(),
        };
        let web = |url: &&String| url.starts_with("http://") || url.starts_with("https://");
        intent.return_url = self.params.get("return_url").filter(web).cloned();
        let challenge_url = format!("{}{PREFIX}/3ds/{}", self.origin, intent.id);
        let (told, outcome) = intent.confirm(method, card, new_id("ch"), challenge_url);
        let answer = outcome.map(|()| intent.to_json());
        Outcome { answer, rows: vec![Row::put(Kind::Intent, self.id, intent)], told }
    }

    fn step(&self, state: &mut State, step: impl FnOnce(&mut Intent) -> Result<Told, Failure>) -> Outcome {
        let intent = match state.books.intent(self.id) {
            Ok(intent) => intent,
            Err(failure) => return failure.into(),
        };
        match step(intent) {
            Ok(told) => {
                let rows = vec![Row::put(Kind::Intent, self.id, intent)];
                Outcome { answer: Ok(intent.to_json()), rows, told: vec![told] }
            }
            Err(failure) => failure.into(),
        }
    }

    fn refund(&self, state: &mut State, now: i64) -> Result<Outcome, Failure> {
        let id = self.params.get("payment_intent").map(String::as_str).unwrap_or_default();
        let amount = self.amount("amount")?;
        let intent =
            state.books.intents.get_mut(id).ok_or_else(|| Failure::missing("payment_intent", id, "payment_intent"))?;
        let (amount, told) = intent.refund(amount)?;
        let refund = Refund {
            id: new_id("re"),
            intent: intent.id.clone(),
            charge: intent.charge.clone(),
            amount,
            currency: intent.currency.clone(),
            metadata: self.metadata(),
            reason: self.params.get("reason").cloned(),
            created: now,
        };
        let rows = vec![Row::put(Kind::Intent, id, intent), Row::put(Kind::Refund, &refund.id, &refund)];
        let object = refund.to_json();
        state.books.refunds.push(refund);
        Ok(Outcome { answer: Ok(object), rows, told: vec![told] })
    }

    fn list(&self, state: &State) -> Result<Value, Failure> {
        let after = self.params.get("starting_after").map(String::as_str);
        let (since, until) = (self.seconds("created[gte]")?, self.seconds("created[lte]")?);
        let charges = self.params.get("expand[]").is_some_and(|path| path == "data.latest_charge");
        let intents = state.books.intent_order.iter().rev().filter_map(|id| state.books.intents.get(id));
        let intents = intents.filter(|intent| {
            since.is_none_or(|since| intent.created >= since) && until.is_none_or(|until| intent.created <= until)
        });
        let items = intents.map(|intent| (intent.id.as_str(), intent.listed(charges)));
        Ok(page(items, after, self.limit()?, "/v1/payment_intents"))
    }

    fn refunds(&self, state: &State) -> Result<Value, Failure> {
        let after = self.params.get("starting_after").map(String::as_str);
        let wanted = self.params.get("payment_intent");
        let refunds = state.books.refunds.iter().rev().filter(|refund| wanted.is_none_or(|id| refund.intent == *id));
        let items = refunds.map(|refund| (refund.id.as_str(), refund.to_json()));
        Ok(page(items, after, self.limit()?, "/v1/refunds"))
    }

    fn disputes(&self, state: &State) -> Result<Value, Failure> {
        let after = self.params.get("starting_after").map(String::as_str);
        let wanted = self.params.get("payment_intent");
        let disputes = state.books.disputes.iter().rev().filter(|it| wanted.is_none_or(|id| it.intent == *id));
        let items = disputes.map(|dispute| (dispute.id.as_str(), dispute.to_json()));
        Ok(page(items, after, self.limit()?, "/v1/disputes"))
    }

    /// The intent of the call; a client secret, where one is given, must be its own.
    fn known_intent<'s>(&self, state: &'s mut State) -> Result<&'s mut Intent, Failure> {
        let intent = state.books.intent(self.id)?;
        match self.params.get("client_secret") {
            Some(secret) if *secret != intent.client_secret => {
                let message = "The client_secret provided does not match any associated PaymentIntent on this account.";
                Err(Failure { param: Some("client_secret"), ..Failure::new(400, message) })
            }
            _ => Ok(intent),
        }
    }

    fn caller(&self, settings: &SandboxSettings, headers: &HeaderMap) -> Result<Caller, Failure> {
        let header = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let key = match header.split_once(' ') {
            Some(("Bearer", key)) => key.trim().to_owned(),
            Some(("Basic", text)) => {
                let decoded = BASE64_STANDARD.decode(text.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                decoded.unwrap_or_default().trim_end_matches(':').to_owned()
            }
            _ => String::new(),
        };
        if key == settings.secret_key && !key.is_empty() {
            return Ok(Caller::Platform);
        }
        let browser = (key.is_empty() || key.starts_with("pk_")) && self.params.contains_key("client_secret");
        match self.operation {
            Operation::Confirm if browser => Ok(Caller::Browser),
            _ if settings.open && (key.is_empty() || key.starts_with("sk_test_")) => Ok(Caller::Platform),
            _ if key.is_empty() => Err(Failure::new(401, "You did not provide an API key.")),
            _ => Err(Failure::new(401, "Invalid API Key provided.")),
        }
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        let entry = |(name, value): (&String, &String)| {
            let key = name.strip_prefix("metadata[")?.strip_suffix(']')?;
            Some((key.to_owned(), value.clone()))
        };
        self.params.iter().filter_map(entry).collect()
    }

    fn amount(&self, name: &'static str) -> Result<Option<i64>, Failure> {
        let Some(text) = self.params.get(name) else { return Ok(None) };
        let amount = text.parse().ok().filter(|amount| (1..=AMOUNT_MAX).contains(amount));
        let message = || format!("Invalid integer: {text}");
        amount.map(Some).ok_or_else(|| Failure::parameter(name, "parameter_invalid_integer", message()))
    }

    /// An instant in seconds since 1970, where there is one.
    fn seconds(&self, name: &'static str) -> Result<Option<i64>, Failure> {
        let Some(text) = self.params.get(name) else { return Ok(None) };
        let message = || format!("Invalid timestamp: {text}");
        text.parse().map(Some).map_err(|_| Failure::parameter(name, "parameter_invalid_integer", message()))
    }

    fn limit(&self) -> Result<usize, Failure> {
        let Some(text) = self.params.get("limit") else { return Ok(PAGE_DEFAULT) };
        let limit = text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
        limit
            .ok_or_else(|| Failure::parameter("limit", "parameter_invalid_integer", format!("Invalid integer: {text}")))
    }

    fn fingerprint(&self) -> String {
        format!("{:?} {} {:?}", self.operation, self.id, self.params)
    }
}

impl State {
    /// Forgets the answers whose day is over.
    fn forget(&mut self, now: i64) -> Vec<Row> {
        let mut rows = Vec::new();
        while let Some((at, key)) = self.answer_order.front() {
            if now - at < ANSWER_LIFETIME_SECONDS {
                break;
            }
            self.answers.remove(key);
            rows.push(Row::gone(Kind::Answer, key));
            self.answer_order.pop_front();
        }
        rows
    }
}

/// A browser learns what its buyer needs, not what the platform noted.
fn hide_from_browser(body: &mut Value) {
    for pointer in ["", "/error/payment_intent"] {
        let Some(intent) = body.pointer_mut(pointer).and_then(Value::as_object_mut) else { continue };
        for field in ["metadata", "latest_charge", "amount_received", "amount_capturable"] {
            intent.remove(field);
        }
    }
}

fn answer(status: u16, body: &Value, headers: &[(&str, &str)]) -> Response {
    let mut builder = Response::builder().status(status).header("content-type", "application/json");
    builder = builder.header("request-id", new_id("req"));
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Body::from(body.to_string())).unwrap_or_else(|_| broken())
}

fn refuse(failure: &Failure) -> Response {
    answer(failure.status, &failure.to_json(), &[])
}

fn broken() -> Response {
    let body = json!({"error": {"type": "api_error", "message": "An unknown error occurred."}});
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

fn limited() -> Response {
    let failure = Failure { code: Some("rate_limit"), ..Failure::new(429, "Too many requests.") };
    answer(429, &failure.to_json(), &[("retry-after", "1")])
}

/// The bank's page: the buyer approves or refuses. `POST` with `outcome=approve` or `outcome=fail`.
fn challenge_page(sandbox: &Sandbox, method: &Method, id: &str, body: &[u8]) -> Response {
    let intent = sandbox.state().books.intents.get(id).cloned();
    let Some(intent) = intent else { return html(404, "<p>There is no such payment.</p>") };
    if method == Method::POST {
        let outcome =
            form_urlencoded::parse(body).find(|(name, _)| name == "outcome").map(|(_, value)| value.into_owned());
        let approved = match outcome.as_deref() {
            Some("approve") => true,
            Some("fail") => false,
            _ => return html(400, "<p>Say <code>outcome=approve</code> or <code>outcome=fail</code>.</p>"),
        };
        if !sandbox.challenge(id, approved) {
            return html(409, "<p>This payment is not waiting for you any more.</p>");
        }
        let status = if approved { "succeeded" } else { "failed" };
        return match intent.return_url {
            Some(url) => redirect(&url, id, status),
            None => html(200, &format!("<p>Done: the check {status}. You can close this page.</p>")),
        };
    }
    let amount = format!("{} {}", intent.amount, intent.currency.to_uppercase());
    let form = "<form method=\"post\"><button name=\"outcome\" value=\"approve\">Approve</button>
        <button name=\"outcome\" value=\"fail\">Refuse</button></form>";
    html(200, &format!("<p>Your bank asks: pay {amount} (minor units)?</p>{form}"))
}

fn redirect(url: &str, id: &str, status: &str) -> Response {
    let join = if url.contains('?') { '&' } else { '?' };
    let location = format!("{url}{join}payment_intent={id}&redirect_status={status}");
    let response = Response::builder().status(303).header("location", location).body(Body::empty());
    response.unwrap_or_else(|_| html(200, "<p>Done. You can close this page.</p>"))
}

fn html(status: u16, text: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Payment sandbox</title><h1>Payment sandbox</h1>{text}</html>"
    );
    let mut response = Response::new(Body::from(page));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    response.headers_mut().insert("content-type", axum::http::HeaderValue::from_static("text/html; charset=utf-8"));
    response
}
