//! What only a local platform may offer: tokens for whoever asks, and the files behind signed links, to read and to put there.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header},
};
use domain::time::Clock;
use jsonwebtoken::{EncodingKey, Header};
use outbound::{
    files::Files as _,
    local::{LocalFiles, LocalUploads},
    uploads::HEADERS,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use store::Store;

use crate::{functions::EventHandler, gateway::problem, settings::Values};

/// How long a dev token is valid, in seconds.
const TOKEN_LIFETIME_SECONDS: i64 = 12 * 60 * 60;

/// Makes dev tokens.
pub(crate) struct Tokens {
    key: String,
    roles_claim: String,
    /// Tokens end by this clock.
    pub(crate) clock: Arc<dyn Clock>,
}

/// Who the token is for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenRequest {
    /// The user.
    pub(crate) sub: String,
    /// `organiser`, `door`.
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    /// Where mail goes.
    #[serde(default)]
    pub(crate) email: Option<String>,
}

impl Tokens {
    /// From `DEV_TOKEN_KEY` and `ROLES_CLAIM`.
    #[must_use]
    pub(crate) fn new(settings: &Values, clock: Arc<dyn Clock>) -> Self {
        let text = |name: &str| settings.get(name).cloned().unwrap_or_default();
        Self { key: text("DEV_TOKEN_KEY"), roles_claim: text("ROLES_CLAIM"), clock }
    }

    /// A token for whoever asks.
    ///
    /// # Errors
    /// The key cannot sign.
    pub(crate) fn issue(&self, request: &TokenRequest) -> Result<String, String> {
        let expiry = self.clock.now().as_second() + TOKEN_LIFETIME_SECONDS;
        let mut claims = json!({"sub": request.sub, "exp": expiry});
        claims[&self.roles_claim] = json!(request.roles);
        if let Some(email) = &request.email {
            claims["email"] = Value::from(email.as_str());
        }
        let key = EncodingKey::from_secret(self.key.as_bytes());
        jsonwebtoken::encode(&Header::default(), &claims, &key).map_err(|why| why.to_string())
    }
}

/// `POST /dev/token {"sub","roles":[],"email"?}` answers `{"accessToken"}`.
pub(crate) async fn token(State(tokens): State<Arc<Tokens>>, body: Bytes) -> Response<Body> {
    let request = serde_json::from_slice(&body).map_err(|why| format!("the body is not valid: {why}"));
    match request.and_then(|request| tokens.issue(&request)) {
        Ok(token) => content("application/json", json!({"accessToken": token}).to_string().into_bytes()),
        Err(why) => problem(StatusCode::BAD_REQUEST, "bad-request", &why, "dev"),
    }
}

/// `POST /dev/reconcile {"scope","again"?}` answers the report, as the function would.
pub(crate) async fn reconcile(State(handler): State<EventHandler>, body: Bytes) -> Response<Body> {
    carry_out::<reconcile::Order>(&handler, &body, "it cannot be reconciled now").await
}

/// Whether anything new may begin.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReadOnly {
    read_only: bool,
    retry_after_seconds: u64,
}

/// `POST /dev/read-only {"readOnly","retryAfterSeconds"}`: what `cargo xtask read-only` does on a deployed table.
pub(crate) async fn read_only(State(store): State<Store>, body: Bytes) -> Response<Body> {
    let wanted: ReadOnly = match serde_json::from_slice(&body) {
        Ok(wanted) => wanted,
        Err(why) => {
            let why = format!("the body is not valid: {why}");
            return problem(StatusCode::BAD_REQUEST, "bad-request", &why, "dev");
        }
    };
    let ReadOnly { read_only, retry_after_seconds } = wanted;
    match store.set_read_only(read_only.then_some(retry_after_seconds)).await {
        Ok(()) => content("application/json", json!({"readOnly": read_only}).to_string().into_bytes()),
        Err(why) => {
            tracing::error!("the mode cannot be changed: {why}");
            problem(StatusCode::SERVICE_UNAVAILABLE, "busy", "it cannot be changed now", "dev")
        }
    }
}

/// `POST /dev/reproject {"showId"}` answers what was rebuilt, as the function would.
pub(crate) async fn reproject(State(handler): State<EventHandler>, body: Bytes) -> Response<Body> {
    carry_out::<project::Order>(&handler, &body, "it cannot be rebuilt now").await
}

/// Hands an operator's order to its function, and answers what that reports.
async fn carry_out<Order: DeserializeOwned>(handler: &EventHandler, body: &Bytes, failed: &str) -> Response<Body> {
    let order = serde_json::from_slice::<Order>(body).and_then(|_| serde_json::from_slice(body));
    let order: Value = match order {
        Ok(order) => order,
        Err(why) => {
            let why = format!("the body is not valid: {why}");
            return problem(StatusCode::BAD_REQUEST, "bad-request", &why, "dev");
        }
    };
    match handler(order).await {
        Ok(report) => content("application/json", report.to_string().into_bytes()),
        Err(why) => {
            tracing::error!("{failed}: {why}");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", failed, "dev")
        }
    }
}

/// `GET /dev/files/{key}?expires=…&signature=…`.
pub(crate) async fn file(State(files): State<Arc<LocalFiles>>, Path(key): Path<String>, uri: Uri) -> Response<Body> {
    if !files.verify_link(&key, parameter(&uri, "expires"), parameter(&uri, "signature")) {
        return problem(StatusCode::FORBIDDEN, "link-expired", "this link is not valid any more", "dev");
    }
    match files.get(&key).await {
        Ok(Some(bytes)) => content(LocalFiles::content_type(&key), bytes),
        Ok(None) => problem(StatusCode::NOT_FOUND, "not-found", "there is no such file", "dev"),
        Err(why) => {
            tracing::error!("a file cannot be read: {why}");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the file cannot be read", "dev")
        }
    }
}

/// `PUT /dev/uploads/{key}?bytes=…&expires=…&signature=…`: what S3 does with a presigned request.
pub(crate) async fn upload(
    State(uploads): State<Arc<LocalUploads>>,
    Path(key): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    let refused = |detail: &str| problem(StatusCode::FORBIDDEN, "link-expired", detail, "dev");
    let allowed =
        uploads.allowed(&key, parameter(&uri, "bytes"), parameter(&uri, "expires"), parameter(&uri, "signature"));
    let Some(bytes) = allowed else { return refused("this link is not valid any more") };
    if HEADERS.iter().any(|(name, value)| headers.get(*name).is_none_or(|sent| sent != value)) {
        return refused("this link wants the headers that came with it");
    }
    let length = usize::try_from(bytes).unwrap_or(usize::MAX);
    let body = axum::body::to_bytes(body, length).await.ok().filter(|body| body.len() == length);
    let Some(body) = body else { return refused("this link is for a file of another length") };
    match uploads.put(&key, body.into()).await {
        Ok(true) => Response::new(Body::empty()),
        Ok(false) => problem(StatusCode::PRECONDITION_FAILED, "conflict", "there is a file already", "dev"),
        Err(why) => {
            tracing::error!("an upload cannot be kept: {why}");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the file cannot be kept", "dev")
        }
    }
}

/// A parameter of a signed address, as it is there.
fn parameter<'a>(uri: &'a Uri, name: &str) -> &'a str {
    let mut pairs = uri.query().unwrap_or_default().split('&');
    pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or("")
}

/// An answer of this type.
pub(crate) fn content(kind: &'static str, bytes: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
