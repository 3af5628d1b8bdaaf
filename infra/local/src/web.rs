//! The web app at `/`: the files of `web/`, in the binary (a debug build reads them from the checkout, so that a page can be
//! changed without building), and the one file that says where its services are.
//!
//! On AWS the same files lie in a bucket behind a distribution; see `web/README.md`.

use std::{
    collections::HashMap,
    io::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header},
};
use domain::ticket::SigningKey;
use flate2::{Compression, write::GzEncoder};
use rust_embed::{EmbeddedFile, RustEmbed};
use serde_json::{Value, json};

use crate::{StartError, settings::Values};

/// Where a deployment's own configuration is: a file that replaces the embedded one.
const CONFIG_FILE: &str = "WEB_CONFIG";
/// What the app asks for first.
const CONFIG_PATH: &str = "config.json";
/// The page that every address of the app is.
const SHELL: &str = "index.html";
/// What belongs to others: no address below these is a page of the app.
const RESERVED: [&str; 5] = ["v1", "dev", "sandbox", "live", CONFIG_PATH];
/// Smaller answers are not worth compressing, in bytes.
const GZIP_BYTES_MIN: usize = 256;

#[derive(RustEmbed)]
#[folder = "../../web"]
struct Files;

/// What is served for an address.
pub(crate) struct Web {
    config: Bytes,
    policy: String,
    /// Whether the live map's connections are opened here, at the host that a page came from.
    live_is_here: bool,
    /// Files as they were compressed last, by the digest of what they say.
    compressed: Mutex<HashMap<[u8; 32], Bytes>>,
}

impl Web {
    /// With the configuration that `settings` describe: this machine's sign-in and sandbox, or what `WEB_CONFIG` says.
    ///
    /// # Errors
    /// `WEB_CONFIG` names a file that cannot be read or is no JSON object.
    pub(crate) fn new(settings: &Values) -> Result<Self, StartError> {
        let config = match settings.get(CONFIG_FILE).map(String::as_str) {
            None | Some("") => local_config(settings),
            Some(path) => read_config(path)?,
        };
        let policy = policy(&config);
        let live_is_here = config.pointer("/live").and_then(Value::as_str).is_some_and(|live| live.starts_with('/'));
        if HeaderValue::from_str(&policy).is_err() {
            return Err(StartError(format!("{CONFIG_FILE}: an address in it cannot stand in a header")));
        }
        Ok(Self { config: config.to_string().into(), policy, live_is_here, compressed: Mutex::default() })
    }

    /// The answer to a request that no other route took; `None` when it is not for the app.
    pub(crate) fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Response<Body>> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return None;
        }
        let path = path.trim_start_matches('/');
        if path == CONFIG_PATH {
            return Some(self.respond(&Found::config(self.config.clone()), headers));
        }
        let first = path.split('/').next().unwrap_or_default();
        if RESERVED.contains(&first) {
            return None;
        }
        let path = if path.is_empty() { SHELL } else { path };
        if let Some(file) = Files::get(path) {
            return Some(self.respond(&Found::file(path, file), headers));
        }
        // An address of the app, asked for by a browser; a missing script must not be answered with a page.
        let is_page = !path.rsplit('/').next().unwrap_or_default().contains('.');
        let wants_page = is_page && accepts(headers, header::ACCEPT, "text/html");
        let shell = wants_page.then(|| Files::get(SHELL)).flatten()?;
        Some(self.respond(&Found::file(SHELL, shell), headers))
    }

    fn respond(&self, found: &Found, headers: &HeaderMap) -> Response<Body> {
        let gzip = accepts(headers, header::ACCEPT_ENCODING, "gzip") && found.bytes.len() >= GZIP_BYTES_MIN;
        let tag: String = found.digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        let tag = if gzip { format!("\"{tag}-gz\"") } else { format!("\"{tag}\"") };
        let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut response = Response::new(Body::empty());
        if known.split(',').any(|candidate| candidate.trim().trim_start_matches("W/") == tag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            *response.body_mut() = Body::from(if gzip { self.compress(found) } else { found.bytes.clone() });
        }
        let out = response.headers_mut();
        let mut set = |name: header::HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                out.insert(name, value);
            }
        };
        set(header::CONTENT_TYPE, found.kind);
        // Names do not change with what is in them, so each use asks whether it is still the same: a 304 has no body.
        set(header::CACHE_CONTROL, "no-cache");
        set(header::ETAG, &tag);
        set(header::VARY, "Accept-Encoding");
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(header::REFERRER_POLICY, "same-origin");
        // What a page may do, where there is one.
        if found.kind.starts_with("text/html") {
            set(header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
            set(header::HeaderName::from_static("permissions-policy"), "camera=(self), geolocation=(), microphone=()");
            set(header::CONTENT_SECURITY_POLICY, &self.policy_for(headers));
        }
        if gzip {
            set(header::CONTENT_ENCODING, "gzip");
        }
        response
    }

    /// The policy of a page. Not every browser knows that `'self'` has this host's sockets in it.
    fn policy_for(&self, headers: &HeaderMap) -> String {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).filter(|host| is_host(host));
        match host.filter(|_| self.live_is_here) {
            Some(host) => {
                self.policy.replacen("connect-src 'self'", &format!("connect-src 'self' ws://{host} wss://{host}"), 1)
            }
            None => self.policy.clone(),
        }
    }

    fn compress(&self, found: &Found) -> Bytes {
        let mut compressed = self.compressed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = compressed.get(&found.digest) {
            return bytes.clone();
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        // Writing to memory does not fail.
        let bytes = encoder.write_all(&found.bytes).and_then(|()| encoder.finish()).unwrap_or_default();
        let bytes = Bytes::from(bytes);
        compressed.insert(found.digest, bytes.clone());
        bytes
    }
}

/// A file to answer with.
struct Found {
    kind: &'static str,
    digest: [u8; 32],
    bytes: Bytes,
}

impl Found {
    fn file(path: &str, file: EmbeddedFile) -> Self {
        let bytes = match file.data {
            std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
        };
        Self { kind: kind(path), digest: file.metadata.sha256_hash(), bytes }
    }

    fn config(bytes: Bytes) -> Self {
        use sha2::Digest as _;
        Self { kind: kind(CONFIG_PATH), digest: sha2::Sha256::digest(&bytes).into(), bytes }
    }
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn accepts(headers: &HeaderMap, name: header::HeaderName, what: &str) -> bool {
    headers.get_all(name).iter().any(|value| value.to_str().is_ok_and(|text| text.contains(what)))
}

fn read_config(path: &str) -> Result<Value, StartError> {
    let unusable = |why: &dyn std::fmt::Display| StartError(format!("{CONFIG_FILE}: {path}: {why}"));
    let text = std::fs::read(path).map_err(|why| unusable(&why))?;
    let config: Value = serde_json::from_slice(&text).map_err(|why| unusable(&why))?;
    if config.is_object() { Ok(config) } else { Err(unusable(&"expected a JSON object")) }
}

/// This machine's: anybody may be anybody, and cards are test cards.
fn local_config(settings: &Values) -> Value {
    let key = settings.get("TICKET_SIGNING_KEY").and_then(|seed| seed.parse::<SigningKey>().ok());
    let digits = |key: SigningKey| key.verifying_key().to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let keys: Vec<String> = key.map(digits).into_iter().collect();
    json!({
        "api": "",
        "live": "/live",
        "signIn": {"kind": "dev"},
        "payment": {"kind": "sandbox", "url": "/sandbox/stripe/v1"},
        "ticketKeys": keys,
    })
}

/// Nothing but what the app itself is made of, and the services that its configuration names.
fn policy(config: &Value) -> String {
    let named = |pointer: &str| config.pointer(pointer).and_then(Value::as_str).filter(|text| text.contains("://"));
    let (mut connect, mut script, mut frame) = ("'self'".to_owned(), "'self'".to_owned(), String::new());
    for origin in [named("/api"), named("/live"), named("/signIn/issuer"), named("/payment/url")].into_iter().flatten()
    {
        connect.push(' ');
        connect.push_str(&origin_of(origin));
    }
    for origin in config.pointer("/signIn/connect").and_then(Value::as_array).into_iter().flatten() {
        connect.push(' ');
        connect.push_str(origin.as_str().unwrap_or_default());
    }
    if config.pointer("/payment/kind").and_then(Value::as_str) == Some("stripe") {
        connect.push_str(" https://api.stripe.com");
        script.push_str(" https://js.stripe.com");
        frame.push_str("; frame-src https://js.stripe.com https://hooks.stripe.com");
    }
    format!(
        "default-src 'none'; script-src {script}; style-src 'self'; img-src 'self' data: blob:; connect-src {connect}{frame}; \
         media-src 'self' blob:; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// Whether a header's host, with or without a port, can stand in a policy as it is.
fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte))
}

/// Scheme, host and port.
fn origin_of(address: &str) -> String {
    address.split('/').take(3).collect::<Vec<_>>().join("/")
}

/// The app as a route's state.
pub(crate) type Shared = Arc<Web>;

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> Web {
        Web::new(&Values::new()).unwrap_or_else(|why| panic!("{why}"))
    }

    fn get(path: &str, headers: &[(&'static str, &str)]) -> Option<Response<Body>> {
        let headers = headers.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap()));
        web().answer(&Method::GET, path, &headers.collect())
    }

    const BROWSER: (&str, &str) = ("accept", "text/html,*/*");

    #[test]
    fn every_address_of_the_app_is_its_page_and_no_address_of_others() {
        for path in ["/", "/events/evt_1", "/bookings"] {
            let answer = get(path, &[BROWSER]).unwrap();
            assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8", "{path}");
        }
        for path in ["/v1/nothing", "/dev/nothing", "/sandbox", "/live", "/js/missing.js", "/favicon.ico"] {
            assert!(
                get(path, &[BROWSER]).is_none_or(|answer| path == "/favicon.ico" && answer.status() == 200),
                "{path}"
            );
        }
        assert!(get("/events/evt_1", &[("accept", "application/json")]).is_none());
        assert!(web().answer(&Method::POST, "/", &HeaderMap::new()).is_none());
    }

    #[test]
    fn an_answer_is_compressed_for_who_can_read_it_and_sent_once() {
        let answer = get("/style.css", &[("accept-encoding", "gzip, br")]).unwrap();
        assert_eq!(answer.headers()["content-encoding"], "gzip");
        let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
        let again = get("/style.css", &[("accept-encoding", "gzip"), ("if-none-match", &tag)]).unwrap();
        assert_eq!(again.status(), 304);
        let plain = get("/style.css", &[("if-none-match", &tag)]).unwrap();
        assert_eq!((plain.status().as_u16(), plain.headers().get("content-encoding")), (200, None));
    }

    #[test]
    fn nothing_inline_runs_and_only_named_services_are_called() {
        let answer = get("/", &[BROWSER]).unwrap();
        let policy = answer.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let config = json!({
            "api": "https://api.example/v1", "live": "wss://live.example/live", "payment": {"kind": "stripe"},
            "signIn": {"issuer": "https://id.example/pool"},
        });
        let policy = super::policy(&config);
        assert!(
            policy.contains(
                "connect-src 'self' https://api.example wss://live.example https://id.example https://api.stripe.com;"
            ),
            "{policy}"
        );
        assert!(policy.contains("script-src 'self' https://js.stripe.com;"), "{policy}");
    }

    #[test]
    fn the_live_map_is_where_the_page_came_from_and_no_header_adds_to_the_policy() {
        for (host, named) in [("127.0.0.1:3000", true), ("[::1]:8080", true), ("a; script-src *", false)] {
            let answer = get("/", &[BROWSER, ("host", host)]).unwrap();
            let policy = answer.headers()["content-security-policy"].to_str().unwrap();
            let live = format!("connect-src 'self' ws://{host} wss://{host};");
            assert_eq!((policy.contains(&live), policy.contains("script-src *")), (named, false), "{policy}");
        }
    }

    #[test]
    fn the_bucket_s_distribution_sends_the_same_policy() {
        let template = include_str!("../../web/template.yaml");
        let line = template.lines().map(str::trim).find(|line| line.starts_with("default-src")).unwrap();
        let config = json!({"api": "https://api.example", "payment": {"kind": "stripe"}});
        assert_eq!(line.replace("${Services}", "https://api.example"), policy(&config));
    }

    #[test]
    fn a_configuration_that_cannot_be_read_stops_the_start() {
        let settings = Values::from([(CONFIG_FILE.to_owned(), "/nowhere/config.json".to_owned())]);
        assert!(Web::new(&settings).err().unwrap().to_string().contains("/nowhere/config.json"));
    }
}
