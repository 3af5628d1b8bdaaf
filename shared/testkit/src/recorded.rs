//! Recorded events of `events/`, as they are or with other values in the same places.

use std::{fs, path::Path};

use serde_json::{Value, json};

/// An event that API Gateway sent.
#[derive(Clone, Debug)]
pub struct Recorded(Value);

impl Recorded {
    /// The event `events/<name>.json`.
    ///
    /// # Panics
    /// There is no such event, or it is not JSON.
    #[must_use]
    pub fn http(name: &str) -> Self {
        Self(value(name))
    }

    /// With `id` in the place of a path parameter.
    #[must_use]
    pub fn path(mut self, parameter: &str, id: &(impl ToString + ?Sized)) -> Self {
        self.0["pathParameters"][parameter] = json!(id.to_string());
        self
    }

    /// With these query parameters and no others.
    #[must_use]
    pub fn query(mut self, parameters: &[(&str, &str)]) -> Self {
        let pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        self.0["rawQueryString"] = json!(pairs.join("&"));
        let map: serde_json::Map<String, Value> =
            parameters.iter().map(|&(name, value)| (name.to_owned(), json!(value))).collect();
        self.0["queryStringParameters"] = Value::Object(map);
        self
    }

    /// With a header; an earlier one of the name is replaced.
    #[must_use]
    pub fn header(mut self, name: &str, text: &str) -> Self {
        self.0["headers"][name] = json!(text);
        self
    }

    /// With another body.
    #[must_use]
    pub fn body(mut self, body: &Value) -> Self {
        self.0["body"] = json!(body.to_string());
        self.0["isBase64Encoded"] = json!(false);
        self
    }

    /// With another body, a changed copy of the recorded one.
    ///
    /// # Panics
    /// The recorded body is not JSON.
    #[must_use]
    pub fn change_body(self, change: impl FnOnce(&mut Value)) -> Self {
        let mut body: Value = serde_json::from_str(self.0["body"].as_str().unwrap_or("{}")).expect("a body of JSON");
        change(&mut body);
        self.body(&body)
    }

    /// Sent by somebody else.
    #[must_use]
    pub fn by(mut self, user: &str, roles: &str) -> Self {
        self.0["requestContext"]["authorizer"] =
            json!({"jwt": {"claims": {"sub": user, "cognito:groups": roles}, "scopes": null}});
        self
    }

    /// Sent without a token.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        if let Some(context) = self.0["requestContext"].as_object_mut() {
            context.remove("authorizer");
        }
        self
    }

    /// The event's text.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.to_string()
    }
}

/// The JSON of `events/<name>.json`.
///
/// # Panics
/// There is no such event, or it is not JSON.
#[must_use]
pub fn value(name: &str) -> Value {
    let path = Path::new(env!("CHECKOUT")).join("events").join(format!("{name}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// Every byte of `text` that a query string gives another meaning, percent-encoded.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
