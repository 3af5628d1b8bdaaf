//! AWS's API as an operator calls it: signed requests, to AWS or to the emulator that stands in for it.

use std::{env, time::Duration};

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use ureq::http::Request;

use crate::http::{Answer, Http, pairs};

/// Where the emulator's stack lives.
pub(crate) const REGION: &str = "eu-central-1";
/// The emulator's root account. These open nothing anywhere else.
pub(crate) const ACCESS_KEY: &str = "test";
/// Of [`ACCESS_KEY`].
pub(crate) const SECRET_KEY: &str = "test";

/// Who calls, and where.
struct Caller {
    region: String,
    access_key: String,
    secret_key: String,
    /// Of a role that is taken on for a while.
    session_token: Option<String>,
}

/// The API of AWS, or the emulator's.
pub(crate) struct Aws {
    http: Http,
    /// The emulator's name and port; `None` calls each service where it is.
    emulator: Option<String>,
    caller: Caller,
}

/// One request, before it is signed.
struct Call<'a> {
    method: &'a str,
    service: &'a str,
    path: &'a str,
    query: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Aws {
    /// The emulator's API at `host`, a name and a port.
    pub(crate) fn new(host: &str) -> Self {
        let caller = Caller {
            region: REGION.to_owned(),
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
            session_token: None,
        };
        Self { http: Http::new(), emulator: Some(host.to_owned()), caller }
    }

    /// AWS's own API, or the emulator's at `AWS_ENDPOINT_URL`, as whoever the environment says. An answer may take as long
    /// as `patience`.
    pub(crate) fn from_environment(patience: Duration) -> Result<Self, String> {
        let text =
            |name: &str| env::var_os(name).and_then(|value| value.into_string().ok()).filter(|it| !it.is_empty());
        let must = |name: &str| text(name).ok_or_else(|| format!("{name} is not set"));
        let region = text("AWS_REGION").or_else(|| text("AWS_DEFAULT_REGION"));
        let caller = Caller {
            region: region.ok_or("AWS_REGION is not set")?,
            access_key: must("AWS_ACCESS_KEY_ID")?,
            secret_key: must("AWS_SECRET_ACCESS_KEY")?,
            session_token: text("AWS_SESSION_TOKEN"),
        };
        let emulator = text("AWS_ENDPOINT_URL").map(|url| emulator_at(&url)).transpose()?;
        Ok(Self { http: Http::patient(patience), emulator, caller })
    }

    /// The address of a service, and its name for the signature.
    fn place(&self, service: &str) -> (String, String) {
        if let Some(host) = &self.emulator {
            return (format!("http://{host}"), host.clone());
        }
        let host = format!("{service}.{}.amazonaws.com", self.caller.region);
        (format!("https://{host}"), host)
    }

    /// A call of a service that takes JSON: `target` is `AmazonSQS.SendMessage` and the like.
    pub(crate) fn json(&self, service: &str, target: &str, body: &Value) -> Result<Value, String> {
        // SQS and DynamoDB speak version 1.0 of the protocol; the others take both.
        let headers =
            vec![("content-type", "application/x-amz-json-1.0".to_owned()), ("x-amz-target", target.to_owned())];
        let body = body.to_string().into_bytes();
        let call = Call { method: "POST", service, path: "/", query: String::new(), headers, body };
        Ok(self.send(&call)?.expect(target, 200)?.json())
    }

    /// A call of a service that takes a form and answers XML.
    pub(crate) fn query(&self, service: &str, fields: &[(&str, &str)]) -> Result<Answer, String> {
        let headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
        let body = pairs(fields).into_bytes();
        self.send(&Call { method: "POST", service, path: "/", query: String::new(), headers, body })
    }

    /// A call of a service that has paths and methods.
    pub(crate) fn rest(
        &self,
        service: &str,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let mut query = query.to_vec();
        query.sort_unstable();
        let headers = body.map(|_| ("content-type", "application/json".to_owned())).into_iter().collect();
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        self.send(&Call { method, service, path, query: pairs(&query), headers, body })
    }

    fn send(&self, call: &Call<'_>) -> Result<Answer, String> {
        let (base, host) = self.place(call.service);
        let mut url = format!("{base}{}", call.path);
        if !call.query.is_empty() {
            url = format!("{url}?{}", call.query);
        }
        let mut request = Request::builder().method(call.method).uri(url);
        for (name, value) in call.signed(&self.caller, &host, now()) {
            request = request.header(name, value);
        }
        self.http.send(request, (call.method != "GET").then(|| call.body.clone()))
    }
}

/// The name and port of an emulator's address.
fn emulator_at(url: &str) -> Result<String, String> {
    let host = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    let host = host.filter(|host| !host.is_empty() && !host.contains('/'));
    host.map(str::to_owned).ok_or_else(|| format!("AWS_ENDPOINT_URL: {url} is not http://HOST:PORT"))
}

impl Call<'_> {
    /// The headers to send, the signature (version 4) among them.
    fn signed(&self, caller: &Caller, host: &str, now: Timestamp) -> Vec<(&'static str, String)> {
        let (moment, day) = (now.strftime("%Y%m%dT%H%M%SZ").to_string(), now.strftime("%Y%m%d").to_string());
        let digest = hex(&Sha256::digest(&self.body));
        let mut headers = self.headers.clone();
        headers.extend([("x-amz-content-sha256", digest.clone()), ("x-amz-date", moment.clone())]);
        headers.extend(caller.session_token.clone().map(|token| ("x-amz-security-token", token)));
        let mut named: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        named.push(("host", host));
        named.sort_unstable();
        let names = named.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: String = named.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical = [self.method, self.path, &self.query, &lines, &names, &digest].join("\n");
        let scope = format!("{day}/{}/{}/aws4_request", caller.region, self.service);
        let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let parts = [day.as_str(), &caller.region, self.service, "aws4_request"];
        let secret = format!("AWS4{}", caller.secret_key).into_bytes();
        let key = parts.iter().fold(secret, |key, part| mac(&key, part.as_bytes()));
        let signature = hex(&mac(&key, text.as_bytes()));
        let credential = format!("{}/{scope}", caller.access_key);
        let value = format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}");
        headers.push(("authorization", value));
        headers
    }
}

/// The payment provider's signature of a webhook's body, made now.
pub(crate) fn webhook_signature(secret: &str, body: &str) -> String {
    let seconds = now().as_second();
    let signature = hex(&mac(secret.as_bytes(), format!("{seconds}.{body}").as_bytes()));
    format!("t={seconds},v1={signature}")
}

#[expect(clippy::disallowed_methods, reason = "signatures are checked against the wall clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What stands inside each element of this name, in order. Enough XML for lists of names.
pub(crate) fn elements<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).filter_map(|rest| Some(rest.split_once(&close)?.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_in_order() {
        let xml = "<a><n>1</n><m>x</m></a><a><n>2</n></a>";
        assert_eq!(elements(xml, "n"), ["1", "2"]);
        assert!(elements(xml, "none").is_empty());
    }

    #[test]
    fn an_emulator_is_a_name_and_a_port() {
        assert_eq!(emulator_at("http://127.0.0.1:4566/").as_deref(), Ok("127.0.0.1:4566"));
        for wrong in
            ["https://lambda.eu-central-1.amazonaws.com", "http://", "http://127.0.0.1:4566/x", "127.0.0.1:4566"]
        {
            assert!(emulator_at(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_signature_depends_on_everything_that_is_sent() {
        let call = |path, body: &str| Call {
            method: "POST",
            service: "sqs",
            path,
            query: String::new(),
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        };
        let at = |second| Timestamp::from_second(second).unwrap();
        let caller = |token: Option<&str>| Caller {
            region: REGION.to_owned(),
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
            session_token: token.map(str::to_owned),
        };
        let of = |call: Call<'_>, host, second| call.signed(&caller(None), host, at(second)).pop().unwrap().1;
        let base = of(call("/", "{}"), "localhost", 1_800_000_000);
        assert!(
            base.starts_with("AWS4-HMAC-SHA256 Credential=test/20270115/eu-central-1/sqs/aws4_request, "),
            "{base}"
        );
        assert!(base.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date, "), "{base}");
        for other in [
            of(call("/x", "{}"), "localhost", 1_800_000_000),
            of(call("/", "{1}"), "localhost", 1_800_000_000),
            of(call("/", "{}"), "localhos", 1_800_000_000),
            of(call("/", "{}"), "localhost", 1_800_000_001),
        ] {
            assert_ne!(other, base);
        }
        let taken_on = call("/", "{}").signed(&caller(Some("t")), "localhost", at(1_800_000_000));
        assert!(taken_on.contains(&("x-amz-security-token", "t".to_owned())), "{taken_on:?}");
        assert!(taken_on.last().unwrap().1.contains(";x-amz-date;x-amz-security-token, "), "{taken_on:?}");
        let moved = Caller { region: "us-east-1".to_owned(), ..caller(None) };
        assert_ne!(call("/", "{}").signed(&moved, "localhost", at(1_800_000_000)).pop().unwrap().1, base);
    }
}
