//! HTTP as the commands need it: a call, and an answer whose status is looked at by whoever asked.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use ureq::{
    Agent,
    http::{Request, request::Builder},
    tls::TlsConfig,
};

/// How long one call may take: API Gateway gives up after 30 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(35);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// A client. Cheap to clone: clones share connections.
#[derive(Clone)]
pub(crate) struct Http(Agent);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The body, whatever it is.
    pub(crate) body: Vec<u8>,
}

impl Http {
    /// With bounded waits.
    pub(crate) fn new() -> Self {
        Self::patient(CALL_TIMEOUT)
    }

    /// With waits as long as `patience`.
    pub(crate) fn patient(patience: Duration) -> Self {
        // The one TLS stack of the workspace.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(provider).build();
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(patience));
        Self(config.tls_config(tls).build().into())
    }

    /// A GET of `url`.
    pub(crate) fn get(&self, url: &str) -> Result<Answer, String> {
        self.send(Request::get(url), None)
    }

    /// A POST of a form, as browsers send it.
    pub(crate) fn post_form(&self, request: Builder, fields: &[(&str, &str)]) -> Result<Answer, String> {
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        self.send(request, Some(pairs(fields).into_bytes()))
    }

    /// Any request.
    pub(crate) fn send(&self, request: Builder, body: Option<Vec<u8>>) -> Result<Answer, String> {
        let url = request.uri_ref().map(ToString::to_string).unwrap_or_default();
        let failed = |why: &dyn std::fmt::Display| format!("{url}: {why}");
        let response = match body {
            None => request.body(()).map_err(|why| failed(&why)).map(|request| self.0.run(request))?,
            Some(body) => request.body(body).map_err(|why| failed(&why)).map(|request| self.0.run(request))?,
        };
        let mut response = response.map_err(|why| failed(&why))?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        Ok(Answer { status, body: body.map_err(|why| failed(&why))? })
    }
}

impl Answer {
    /// The body as text, for messages.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; nothing where it is something else.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// This answer, if it has the status that `what` must have.
    pub(crate) fn expect(self, what: &str, status: u16) -> Result<Self, String> {
        if self.status == status {
            return Ok(self);
        }
        Err(format!("{what}: status {} instead of {status}: {}", self.status, self.text()))
    }

    /// Whether this is the problem of this name.
    pub(crate) fn is_problem(&self, status: u16, slug: &str) -> bool {
        self.status == status && self.json()["type"] == format!("urn:problem:usher:{slug}")
    }
}

/// Names and values as a query or a form has them.
pub(crate) fn pairs(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect::<Vec<_>>().join("&")
}

/// `text` as it may stand in a query or a form: all but RFC 3986's unreserved characters escaped.
pub(crate) fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// Looks until there is something to see, at most for `patience`.
pub(crate) fn eventually<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Result<Option<T>, String>,
) -> Result<T, String> {
    const LOOK_AGAIN: Duration = Duration::from_millis(250);
    let began = Instant::now();
    loop {
        if let Some(seen) = look()? {
            return Ok(seen);
        }
        if began.elapsed() >= patience {
            return Err(format!("{what}: not within {} s", patience.as_secs()));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_plain_is_escaped() {
        assert_eq!(escaped("aZ0-_.~"), "aZ0-_.~");
        assert_eq!(escaped("cognito:a b/ü"), "cognito%3Aa%20b%2F%C3%BC");
    }

    #[test]
    fn waiting_ends_with_what_is_seen_an_error_or_the_bound() {
        let mut looks = 0;
        let seen = eventually("it", Duration::from_secs(5), || {
            looks += 1;
            Ok((looks == 2).then_some(looks))
        });
        assert_eq!(seen, Ok(2));
        assert_eq!(eventually::<()>("it", Duration::from_secs(5), || Err("no".to_owned())), Err("no".to_owned()));
        assert_eq!(eventually::<()>("it", Duration::ZERO, || Ok(None)), Err("it: not within 0 s".to_owned()));
    }
}
