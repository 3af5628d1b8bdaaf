//! AWS's API as an operator calls it: signed requests to the emulator that stands in for it.

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use ureq::http::Request;

use crate::http::{Answer, Http, pairs};

/// Where the stack lives.
pub(crate) const REGION: &str = "eu-central-1";
/// The emulator's root account. These open nothing anywhere else.
pub(crate) const ACCESS_KEY: &str = "test";
/// Of [`ACCESS_KEY`].
pub(crate) const SECRET_KEY: &str = "test";

/// The emulator's API.
pub(crate) struct Aws {
    http: Http,
    host: String,
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
    /// The API at `host`, a name and a port.
    pub(crate) fn new(host: &str) -> Self {
        Self { http: Http::new(), host: host.to_owned() }
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
        let mut url = format!("http://{}{}", self.host, call.path);
        if !call.query.is_empty() {
            url = format!("{url}?{}", call.query);
        }
        let mut request = Request::builder().method(call.method).uri(url);
        for (name, value) in call.signed(&self.host, now()) {
            request = request.header(name, value);
        }
        self.http.send(request, (call.method != "GET").then(|| call.body.clone()))
    }
}

impl Call<'_> {
    /// The headers to send, the signature (version 4) among them.
    fn signed(&self, host: &str, now: Timestamp) -> Vec<(&'static str, String)> {
        let (moment, day) = (now.strftime("%Y%m%dT%H%M%SZ").to_string(), now.strftime("%Y%m%d").to_string());
        let digest = hex(&Sha256::digest(&self.body));
        let mut headers = self.headers.clone();
        headers.extend([("x-amz-content-sha256", digest.clone()), ("x-amz-date", moment.clone())]);
        let mut named: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        named.push(("host", host));
        named.sort_unstable();
        let names = named.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: String = named.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical = [self.method, self.path, &self.query, &lines, &names, &digest].join("\n");
        let scope = format!("{day}/{REGION}/{}/aws4_request", self.service);
        let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let parts = [day.as_str(), REGION, self.service, "aws4_request"];
        let key = parts.iter().fold(format!("AWS4{SECRET_KEY}").into_bytes(), |key, part| mac(&key, part.as_bytes()));
        let signature = hex(&mac(&key, text.as_bytes()));
        let value =
            format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={names}, Signature={signature}");
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
        let of = |call: Call<'_>, host, second| call.signed(host, at(second)).pop().unwrap().1;
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
    }
}
