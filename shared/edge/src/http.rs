//! One HTTP call: what came in, typed, and what goes out.

use std::{borrow::Cow, io::Write as _, str::FromStr};

use domain::{Error, Refusal, ids::IdempotencyKey};
use flate2::{Compression, write::GzEncoder};
use http::{HeaderName, HeaderValue};
use lambda_http::{Body, Request, RequestExt as _, Response, request::RequestContext};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use crate::{
    auth::{Auth, Caller},
    guard::Strained,
    problem,
};

/// The largest body of a command, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// The largest body with a seating plan inline, in bytes.
pub const PLAN_BODY_BYTES_MAX: usize = 1024 * 1024;
/// The longest page of any list.
pub const LIMIT_MAX: u32 = 100;
/// Answers smaller than this are not worth compressing, in bytes.
const GZIP_BYTES_MIN: usize = 512;

/// A request from the API's event, as recorded in `events/` or made by the embedded platform.
///
/// # Errors
/// The text is not an API Gateway event.
pub fn request_from_json(event: &str) -> Result<Request, serde_json::Error> {
    lambda_http::request::from_str(event).map_err(serde::de::Error::custom)
}

/// Which route API Gateway chose; empty when it was none of its events.
pub(crate) fn route(request: &Request) -> &str {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.route_key.as_deref().unwrap_or_default(),
        _ => "",
    }
}

/// The gateway's id of a request; empty when it was none of its events.
pub(crate) fn request_id(request: &Request) -> &str {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.as_deref().unwrap_or_default(),
        _ => "",
    }
}

/// A request on its way through a function.
pub struct Call<'a> {
    auth: &'a Auth,
    request: Request,
}

impl<'a> Call<'a> {
    /// A call by somebody whom `auth` will name.
    #[must_use]
    pub fn new(auth: &'a Auth, request: Request) -> Self {
        Self { auth, request }
    }

    /// Which route API Gateway chose: `POST /v1/shows/{showId}/holds`.
    #[must_use]
    pub fn route(&self) -> &str {
        route(&self.request)
    }

    /// The gateway's id of this request: a problem's `instance`.
    #[must_use]
    pub fn request_id(&self) -> &str {
        request_id(&self.request)
    }

    /// A part of the path, as an id.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]: an ill-formed id names nothing.
    pub fn path<T: FromStr>(&self, name: &'static str) -> Result<T, Refusal> {
        let kind = name.strip_suffix("Id").unwrap_or(name);
        let text = self.request.path_parameters_ref().and_then(|parameters| parameters.first(name));
        let text = text.ok_or(Refusal::NotFound(kind))?;
        let decoded = percent_encoding::percent_decode_str(text).decode_utf8().map_err(|_| Refusal::NotFound(kind))?;
        decoded.parse().map_err(|_| Refusal::NotFound(kind))
    }

    /// A query parameter; an empty one counts as absent.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.request.query_string_parameters_ref()?.first(name).filter(|value| !value.is_empty())
    }

    /// A query parameter that must parse when it is there.
    ///
    /// # Errors
    /// [`Refusal::BadRequest`] names the parameter.
    pub fn query_as<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, Refusal> {
        let parse = |text: &str| text.parse().map_err(|_| Refusal::BadRequest(format!("{name} is not valid")));
        self.query(name).map(parse).transpose()
    }

    /// How long a page to answer: `limit`, 1 to [`LIMIT_MAX`].
    ///
    /// # Errors
    /// [`Refusal::BadRequest`] outside of that.
    pub fn limit(&self, default: u32) -> Result<u32, Refusal> {
        let limit = self.query_as("limit")?.unwrap_or(default);
        if (1..=LIMIT_MAX).contains(&limit) {
            Ok(limit)
        } else {
            Err(Refusal::BadRequest(format!("limit is a number from 1 to {LIMIT_MAX}")))
        }
    }

    /// A header's text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name)?.to_str().ok()
    }

    /// The body as it came, for signatures.
    ///
    /// # Errors
    /// [`Refusal::BodyTooLarge`].
    pub fn bytes(&self, limit_bytes: usize) -> Result<&[u8], Refusal> {
        let bytes: &[u8] = match self.request.body() {
            Body::Text(text) => text.as_bytes(),
            Body::Binary(bytes) => bytes,
            _ => &[],
        };
        if bytes.len() > limit_bytes { Err(Refusal::BodyTooLarge { limit_bytes }) } else { Ok(bytes) }
    }

    /// The body as a command. Commands deny unknown fields, so a misspelt option is never silently ignored.
    ///
    /// # Errors
    /// [`Refusal::BodyTooLarge`], [`Refusal::BadRequest`] with the parser's words.
    pub fn body<T: DeserializeOwned>(&self, limit_bytes: usize) -> Result<T, Refusal> {
        let bytes = self.bytes(limit_bytes)?;
        let bytes = if bytes.is_empty() { b"{}" } else { bytes };
        serde_json::from_slice(bytes).map_err(|why| Refusal::BadRequest(format!("the body is not valid: {why}")))
    }

    /// Who is calling.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`].
    pub fn caller(&self) -> Result<Caller, Refusal> {
        self.auth.caller(&self.request)
    }

    /// Whether whoever is calling is about to be limited.
    #[must_use]
    pub fn is_strained(&self) -> bool {
        self.request.extensions().get::<Strained>().is_some()
    }

    /// The client's name for this attempt.
    ///
    /// # Errors
    /// [`Refusal::IdempotencyKeyRequired`] without one, [`Refusal::BadRequest`] when it is not printable ASCII.
    pub fn idempotency_key(&self) -> Result<IdempotencyKey, Refusal> {
        let Some(value) = self.request.headers().get("idempotency-key") else {
            return Err(Refusal::IdempotencyKeyRequired);
        };
        let text = value.to_str().unwrap_or_default();
        if text.is_empty() && value.is_empty() {
            return Err(Refusal::IdempotencyKeyRequired);
        }
        text.parse().map_err(|_| Refusal::BadRequest("Idempotency-Key: 1 to 255 printable ASCII characters".to_owned()))
    }

    /// The response to this call: the reply, or the problem that stood in its way.
    #[must_use]
    pub fn answer(&self, outcome: Result<Reply, Error>) -> Response<Body> {
        let reply = outcome.unwrap_or_else(|error| problem::answer(&error, self.request_id()));
        reply.into_response(self)
    }

    fn accepts_gzip(&self) -> bool {
        let codings = self.header("accept-encoding").unwrap_or_default();
        codings.split(',').any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            name.trim().eq_ignore_ascii_case("gzip") && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
        })
    }

    fn has_current(&self, etag: &str) -> bool {
        let known = self.header("if-none-match").unwrap_or_default();
        known.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == "*" || tag == etag)
    }
}

/// What a function answers.
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, Cow<'static, str>)>,
    body: Vec<u8>,
    validated: bool,
}

impl Reply {
    /// A JSON answer, not cached unless [`Reply::cached`] says so.
    #[must_use]
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        let body = serde_json::to_vec(value).expect("our answers have string keys and finite numbers");
        Self::bytes(status, "application/json", body)
    }

    /// An answer of any type.
    #[must_use]
    pub fn bytes(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status, headers: vec![("content-type", content_type.into())], body, validated: false }
    }

    /// With this header, in place of an earlier one of the name.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(has, _)| *has != name);
        self.headers.push((name, value.to_owned().into()));
        self
    }

    /// Cacheable by anybody, with a strong validator over the body: an `If-None-Match` that knows it gets a 304.
    #[must_use]
    pub fn cached(self, cache_control: &str) -> Self {
        Self { validated: true, ..self.header("cache-control", cache_control) }
    }

    fn into_response(self, call: &Call<'_>) -> Response<Body> {
        let mut response = Response::builder().status(self.status);
        let mut set = |name: &'static str, value: &str| {
            let value = HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""));
            if let Some(headers) = response.headers_mut() {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        let mut body = self.body;
        let gzip = body.len() >= GZIP_BYTES_MIN && call.accepts_gzip();
        // Text that somebody else gave is told as what the content type says.
        set("x-content-type-options", "nosniff");
        if !self.headers.iter().any(|(name, _)| *name == "cache-control") {
            set("cache-control", "no-store");
        }
        for (name, value) in &self.headers {
            set(name, value);
        }
        let mut unchanged = false;
        if self.validated {
            // A strong validator names the very bytes: the compressed form is another representation.
            let digest = Sha256::digest(&body);
            let hex: String = digest[..12].iter().map(|byte| format!("{byte:02x}")).collect();
            let etag = format!("\"{hex}{}\"", if gzip { "-gz" } else { "" });
            unchanged = call.has_current(&etag);
            set("etag", &etag);
            set("vary", "accept-encoding");
        }
        if unchanged {
            body.clear();
            return response.status(304).body(Body::Empty).expect("the parts are checked above");
        }
        if gzip {
            set("content-encoding", "gzip");
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
            encoder.write_all(&body).expect("writing to memory does not fail");
            let body = encoder.finish().expect("writing to memory does not fail");
            return response.body(Body::Binary(body)).expect("the parts are checked above");
        }
        let body = String::from_utf8(body).map_or_else(|raw| Body::Binary(raw.into_bytes()), Body::Text);
        response.body(body).expect("the parts are checked above")
    }
}
