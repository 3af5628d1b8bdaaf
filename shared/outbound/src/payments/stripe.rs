//! [`Payments`] on Stripe's HTTP API: form-encoded requests, JSON answers, an `Idempotency-Key` where a repeat would
//! otherwise make a second object.
//!
//! Which steps carry a key, and why: *create* and *refund* make objects, so each carries a key derived from the
//! booking. *Capture* and *cancel* move one object along its own states, so the provider applies them once by itself;
//! a stored answer would only hurt them, because the provider replays a stored **refusal** for a day after the reason
//! for it is gone. Their repeat is settled by looking: if the intent is already where the step leads, the step is done.
//! Where *create* or *refund* meets such a stored refusal or failure, nothing was made under its key: it takes the next.

mod intents;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    ProviderError, Timestamp,
    dispute::{DisputeStatus, ProviderDispute},
    ids::{BookingId, IntentId},
    money::{Currency, Money},
    payment::{Intent, IntentPage, IntentStatus, ProviderRefund},
};
use reqwest::{Method, RequestBuilder, StatusCode, Url, header::HeaderMap};
use serde::{Deserialize, de::DeserializeOwned};

use super::{METADATA_BOOKING, Payments, stopwatch::waiting};
use crate::http::{body, lost};

/// The version of the provider's API that this adapter was written against.
const API_VERSION: &str = "2025-03-31.basil";

/// How long establishing a connection may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long one call may take from first byte out to last byte in.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(8);

/// Objects asked for in one page of a list (the provider's maximum).
const PER_PAGE: usize = 100;

/// Pages of refunds or disputes of one intent, at most. A booking has a few; this many mean that something is very wrong.
const PAGES_MAX: usize = 10;

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// The provider's error texts are cut to this many characters.
const DETAIL_CHARS_MAX: usize = 300;

/// Keys that making an object tries: each next one only after the provider has stored a failure or a refusal under the one
/// before and would replay it for a day.
const KEYS_MAX: u32 = 3;

/// How long calls may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the connection.
    pub connect: Duration,
    /// For the whole call.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: CONNECT_TIMEOUT, total: CALL_TIMEOUT }
    }
}

/// Where the provider is and how to call it.
#[derive(Clone)]
pub struct StripeSettings {
    /// What comes before `/v1/…`: `https://api.stripe.com`, or a sandbox's address. Plain `http` is accepted for this
    /// machine only.
    pub base_url: String,
    /// `sk_…`. Never logged.
    pub secret_key: String,
    /// How long calls may take.
    pub timeouts: Timeouts,
}

impl StripeSettings {
    /// These settings with the usual timeouts.
    pub fn new(base_url: impl Into<String>, secret_key: impl Into<String>) -> Self {
        Self { base_url: base_url.into(), secret_key: secret_key.into(), timeouts: Timeouts::default() }
    }
}

impl fmt::Debug for StripeSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripeSettings")
            .field("base_url", &self.base_url)
            .field("secret_key", &"<redacted>")
            .field("timeouts", &self.timeouts)
            .finish()
    }
}

/// The provider over HTTP. Cheap to clone: clones share connections.
#[derive(Clone)]
pub struct Stripe {
    client: reqwest::Client,
    base_url: String,
    secret_key: String,
    /// The provider has refused to list intents by their time, and will again.
    lists_everything: Arc<AtomicBool>,
}

impl fmt::Debug for Stripe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stripe").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl Stripe {
    /// The adapter for `settings`. `Refused` when the address or the key cannot be used; nothing is sent yet.
    pub fn new(settings: StripeSettings) -> Result<Self, ProviderError> {
        let unusable = |why: &str| ProviderError::Refused(format!("payment settings: {why}"));
        let url: Url = settings.base_url.parse().map_err(|_| unusable("the base URL is not a URL"))?;
        let secure = match url.scheme() {
            "https" => true,
            "http" if is_this_machine(url.host_str().unwrap_or_default()) => false,
            "http" => return Err(unusable("the secret key leaves this machine over https only")),
            _ => return Err(unusable("the base URL is neither http nor https")),
        };
        if settings.secret_key.is_empty() || !settings.secret_key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(unusable("the secret key is empty or not printable"));
        }
        let builder = reqwest::Client::builder()
            .connect_timeout(settings.timeouts.connect)
            .timeout(settings.timeouts.total)
            // A redirect would carry the secret key elsewhere.
            .redirect(reqwest::redirect::Policy::none());
        // Without TLS the machine's root certificates are not needed, so they need not exist.
        let builder = if secure { builder } else { builder.tls_certs_only([]) };
        let client = builder.build().map_err(|error| unusable(&error.to_string()))?;
        let base_url = settings.base_url.trim_end_matches('/').to_owned();
        Ok(Self { client, base_url, secret_key: settings.secret_key, lists_everything: Arc::default() })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}/v1/{path}", self.base_url))
            .bearer_auth(&self.secret_key)
            .header("Stripe-Version", API_VERSION)
    }

    async fn get(&self, path: &str) -> Result<Answer, ProviderError> {
        waiting(Answer::read(self.request(Method::GET, path), ANSWER_BYTES_MAX)).await
    }

    async fn post(&self, path: &str, form: &[(&str, String)], key: Option<&str>) -> Result<Answer, ProviderError> {
        let request = self.request(Method::POST, path).form(form);
        let request = match key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        };
        waiting(Answer::read(request, ANSWER_BYTES_MAX)).await
    }

    /// Makes an object under `key`; under the next one where the provider has stored that it made none.
    async fn make(&self, path: &str, form: &[(&str, String)], key: &str) -> Result<Answer, ProviderError> {
        let mut answer = self.post(path, form, Some(key)).await?;
        for number in 2..=KEYS_MAX {
            if !answer.is_stored_no() {
                break;
            }
            answer = self.post(path, form, Some(&format!("{key}-{number}"))).await?;
        }
        Ok(answer)
    }

    /// Every object of `list` that is about the intent, all pages.
    async fn all<W, T>(&self, list: &str, intent: &IntentId) -> Result<Vec<T>, ProviderError>
    where
        W: DeserializeOwned + Named + TryInto<T, Error = ProviderError>,
    {
        let query = format!("{list}?payment_intent={}&limit={PER_PAGE}", path_safe(intent.as_str())?);
        let mut all = Vec::new();
        let mut path = query.clone();
        for _ in 0..PAGES_MAX {
            let page: WireList<W> = self.get(&path).await?.decode()?;
            let last = page.data.last().map(|wire| wire.id().to_owned());
            for wire in page.data {
                all.push(wire.try_into()?);
            }
            match last {
                _ if !page.has_more => return Ok(all),
                Some(last) => path = format!("{query}&starting_after={}", path_safe(&last)?),
                None => return Err(ProviderError::Garbled(format!("an empty page of {list} that has more"))),
            }
        }
        Err(ProviderError::Garbled(format!("more than {} {list} of one intent", PAGES_MAX * PER_PAGE)))
    }

    /// Moves the intent by `step` to `goal`. A refusal is final only if the intent is not at the goal already.
    async fn advance(&self, intent: &IntentId, step: &str, goal: IntentStatus) -> Result<Intent, ProviderError> {
        let path = format!("payment_intents/{}/{step}", path_safe(intent.as_str())?);
        let answer = self.post(&path, &[], None).await?;
        match answer.decode::<WireIntent>() {
            Ok(wire) => wire.try_into(),
            Err(ProviderError::Refused(why)) => {
                let present = self.fetch(intent).await?;
                if present.status == goal { Ok(present) } else { Err(ProviderError::Refused(why)) }
            }
            Err(other) => Err(other),
        }
    }
}

#[async_trait]
impl Payments for Stripe {
    async fn create(&self, booking: BookingId, total: Money) -> Result<Intent, ProviderError> {
        let form = [
            ("amount", provider_amount(total)?.to_string()),
            ("currency", total.currency.code().to_ascii_lowercase()),
            ("capture_method", "manual".to_owned()),
            ("payment_method_types[]", "card".to_owned()),
            (METADATA_BOOKING_FIELD, booking.to_string()),
        ];
        // An intent that a stored failure left behind was never told to anybody, so it can never be paid.
        let answer = self.make("payment_intents", &form, &booking.to_string()).await?;
        let replayed = answer.replayed;
        let intent: Intent = answer.decode::<WireIntent>()?.try_into()?;
        // A replay shows the intent as it was when it was made.
        if replayed { self.fetch(&intent.id).await } else { Ok(intent) }
    }

    async fn fetch(&self, intent: &IntentId) -> Result<Intent, ProviderError> {
        let path = format!("payment_intents/{}", path_safe(intent.as_str())?);
        self.get(&path).await?.decode::<WireIntent>()?.try_into()
    }

    async fn capture(&self, intent: &IntentId) -> Result<Intent, ProviderError> {
        self.advance(intent, "capture", IntentStatus::Captured).await
    }

    async fn cancel(&self, intent: &IntentId) -> Result<Intent, ProviderError> {
        self.advance(intent, "cancel", IntentStatus::Cancelled).await
    }

    async fn refunds(&self, intent: &IntentId) -> Result<Vec<ProviderRefund>, ProviderError> {
        self.all::<WireRefund, _>("refunds", intent).await
    }

    async fn refund(
        &self,
        intent: &IntentId,
        booking: BookingId,
        amount: Money,
        made: usize,
    ) -> Result<ProviderRefund, ProviderError> {
        let form = [
            ("payment_intent", intent.as_str().to_owned()),
            ("amount", provider_amount(amount)?.to_string()),
            (METADATA_BOOKING_FIELD, booking.to_string()),
        ];
        // The amount is not part of the key: with another one the provider refuses, and the caller looks again.
        let key = format!("{booking}-refund-{made}");
        self.make("refunds", &form, &key).await?.decode::<WireRefund>()?.try_into()
    }

    async fn disputes(&self, intent: &IntentId) -> Result<Vec<ProviderDispute>, ProviderError> {
        self.all::<WireDispute, _>("disputes", intent).await
    }

    async fn intents(&self, since: Timestamp, after: Option<&IntentId>) -> Result<IntentPage, ProviderError> {
        self.page_of_intents(since, after).await
    }
}

/// The form field of [`METADATA_BOOKING`].
const METADATA_BOOKING_FIELD: &str = "metadata[booking_id]";

/// What came back, unjudged.
struct Answer {
    status: StatusCode,
    retry_after_seconds: Option<u64>,
    /// The provider stored this answer under the key earlier and sends it again.
    replayed: bool,
    body: Vec<u8>,
}

impl Answer {
    async fn read(request: RequestBuilder, bytes_max: usize) -> Result<Self, ProviderError> {
        let response = request.send().await.map_err(|error| lost(&error))?;
        let (status, headers) = (response.status(), response.headers());
        let retry_after_seconds = number(headers, "retry-after");
        let replayed = headers.get("idempotent-replayed").is_some_and(|value| value == "true");
        Ok(Self { status, retry_after_seconds, replayed, body: body(response, bytes_max).await? })
    }

    /// Whether the provider replays that it made nothing: asking again under this key can only give that again, although
    /// its reason may be gone.
    fn is_stored_no(&self) -> bool {
        self.replayed && !self.status.is_success()
    }

    fn decode<T: DeserializeOwned>(&self) -> Result<T, ProviderError> {
        if !self.status.is_success() {
            return Err(self.failure());
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| ProviderError::Garbled(format!("status {}: {error}", self.status.as_u16())))
    }

    fn failure(&self) -> ProviderError {
        let status = self.status.as_u16();
        let error = serde_json::from_slice::<WireFailure>(&self.body).ok().map(|failure| failure.error);
        let text = error.as_ref().map_or_else(|| "no error object".to_owned(), WireError::text);
        let unavailable = |detail| ProviderError::Unavailable { detail, retry_after_seconds: self.retry_after_seconds };
        match (status, error) {
            (401 | 403, _) => unavailable(format!("status {status}: our secret key is not accepted")),
            // 409: another call under the same key is at work. 429: too many calls, or the object is locked.
            (408 | 409 | 429 | 500.., _) => unavailable(format!("status {status}: {text}")),
            (_, Some(error)) if status == 404 || error.code.as_deref() == Some("resource_missing") => {
                ProviderError::Absent
            }
            (400..500, Some(_)) => ProviderError::Refused(text),
            _ => ProviderError::Garbled(format!("status {status}: {text}")),
        }
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// The provider's ids as they may stand in a path. Whatever has other characters is none of its ids.
fn path_safe(id: &str) -> Result<&str, ProviderError> {
    let safe = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if safe { Ok(id) } else { Err(ProviderError::Absent) }
}

fn is_this_machine(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = literal.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    loopback || host == "localhost" || host.ends_with(".localhost") || host == "host.docker.internal"
}

/// The digits after the decimal point in the provider's amounts. They differ from ISO 4217 for a few currencies:
/// ISK and UGX have no minor unit any more but are still told in hundredths, MGA the other way round.
/// Source: the provider's "supported currencies" page, zero-decimal list and special cases.
fn provider_exponent(currency: Currency) -> u32 {
    match currency.code() {
        "BIF" | "CLP" | "DJF" | "GNF" | "JPY" | "KMF" | "KRW" | "MGA" | "PYG" | "RWF" | "VND" | "VUV" | "XAF"
        | "XOF" | "XPF" => 0,
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// Our minor units as the provider counts them.
fn provider_amount(money: Money) -> Result<i64, ProviderError> {
    let (ours, theirs) = (u32::from(money.currency.exponent()), provider_exponent(money.currency));
    rescale(money.amount_minor, ours, theirs)
        .ok_or_else(|| ProviderError::Refused(format!("{money} is no amount the provider can take")))
}

/// The provider's amount in our minor units.
fn our_money(amount: i64, currency: &str) -> Result<Money, ProviderError> {
    let garbled = || ProviderError::Garbled(format!("an amount of {amount} '{}'", cut(currency)));
    let currency: Currency = currency.to_ascii_uppercase().parse().map_err(|_| garbled())?;
    let amount_minor = rescale(amount, provider_exponent(currency), u32::from(currency.exponent()));
    Ok(Money::new(amount_minor.ok_or_else(garbled)?, currency))
}

/// `amount` with `to` digits after the point instead of `from`; `None` when that is not exact.
fn rescale(amount: i64, from: u32, to: u32) -> Option<i64> {
    let factor = 10i64.checked_pow(from.abs_diff(to))?;
    if to >= from {
        return amount.checked_mul(factor);
    }
    (amount % factor == 0).then_some(amount / factor)
}

fn cut(text: &str) -> String {
    text.chars().take(DETAIL_CHARS_MAX).collect()
}

#[derive(Deserialize)]
struct WireIntent {
    id: String,
    amount: i64,
    currency: String,
    status: String,
    client_secret: Option<String>,
    #[serde(default)]
    metadata: Option<HashMap<String, String>>,
}

impl TryFrom<WireIntent> for Intent {
    type Error = ProviderError;

    fn try_from(wire: WireIntent) -> Result<Self, ProviderError> {
        let status = match wire.status.as_str() {
            "requires_payment_method" | "requires_confirmation" => IntentStatus::RequiresPayment,
            "requires_action" => IntentStatus::RequiresAction,
            "processing" => IntentStatus::Processing,
            "requires_capture" => IntentStatus::Authorised,
            "succeeded" => IntentStatus::Captured,
            "canceled" => IntentStatus::Cancelled,
            other => return Err(ProviderError::Garbled(format!("an intent that is '{}'", cut(other)))),
        };
        let id = wire.id.parse().map_err(|_| ProviderError::Garbled("an intent without a usable id".to_owned()))?;
        let amount = our_money(wire.amount, &wire.currency)?;
        Ok(Self { id, status, amount, booking: booking_of(wire.metadata), client_secret: wire.client_secret })
    }
}

#[derive(Deserialize)]
struct WireRefund {
    id: String,
    amount: i64,
    currency: String,
    /// The provider documents that it can be null; such a refund is under way.
    status: Option<String>,
    #[serde(default)]
    metadata: Option<HashMap<String, String>>,
}

impl TryFrom<WireRefund> for ProviderRefund {
    type Error = ProviderError;

    fn try_from(wire: WireRefund) -> Result<Self, ProviderError> {
        let accepted = match wire.status.as_deref() {
            None | Some("succeeded" | "pending" | "requires_action") => true,
            Some("failed" | "canceled") => false,
            Some(other) => return Err(ProviderError::Garbled(format!("a refund that is '{}'", cut(other)))),
        };
        let amount = our_money(wire.amount, &wire.currency)?;
        Ok(Self { amount, booking: booking_of(wire.metadata), accepted })
    }
}

#[derive(Deserialize)]
struct WireDispute {
    id: String,
    amount: i64,
    currency: String,
    status: String,
}

impl TryFrom<WireDispute> for ProviderDispute {
    type Error = ProviderError;

    /// An inquiry (`warning_…`) takes no money yet, but wants an answer all the same.
    fn try_from(wire: WireDispute) -> Result<Self, ProviderError> {
        let status = match wire.status.as_str() {
            "needs_response" | "warning_needs_response" => DisputeStatus::NeedsResponse,
            "under_review" | "warning_under_review" => DisputeStatus::UnderReview,
            "lost" => DisputeStatus::Lost,
            "won" | "warning_closed" | "prevented" => DisputeStatus::Won,
            other => return Err(ProviderError::Garbled(format!("a dispute that is '{}'", cut(other)))),
        };
        Ok(Self { amount: our_money(wire.amount, &wire.currency)?, status })
    }
}

/// What a page of a list goes on from.
trait Named {
    fn id(&self) -> &str;
}

impl Named for WireRefund {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Named for WireDispute {
    fn id(&self) -> &str {
        &self.id
    }
}

fn booking_of(metadata: Option<HashMap<String, String>>) -> Option<BookingId> {
    metadata?.get(METADATA_BOOKING)?.parse().ok()
}

#[derive(Deserialize)]
struct WireList<T> {
    data: Vec<T>,
    has_more: bool,
}

#[derive(Deserialize)]
struct WireFailure {
    error: WireError,
}

#[derive(Deserialize)]
struct WireError {
    code: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<String>,
}

impl WireError {
    fn text(&self) -> String {
        let code = self.code.as_deref().or(self.kind.as_deref()).unwrap_or("error");
        format!("{}: {}", cut(code), cut(self.message.as_deref().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests;
