//! One operation, built up from what it takes and what it answers.

use edge::{guard::GOES_ON, http::LIMIT_MAX};
use serde_json::{Map, Value, json};

use super::parts::{bounded_text, count, described, problem_responses, schema, text, within};

/// The longest `Idempotency-Key`, in characters.
const IDEMPOTENCY_KEY_CHARS_MAX: u32 = 255;

/// An operation of the API.
pub(super) struct Operation {
    /// As the path item names it: lower case.
    pub(super) method: &'static str,
    /// `/v1/shows/{showId}`.
    pub(super) path: &'static str,
    value: Value,
    parameters: Vec<Value>,
    responses: Map<String, Value>,
    slugs: Vec<&'static str>,
}

impl Operation {
    /// `route` as the gateway names it. The parameters of its path are those ids.
    pub(super) fn new(route: &'static str, id: &str, tag: &str, summary: &str) -> Self {
        let (method, path) = route.split_once(' ').expect("a route is a method and a path");
        let method = match method {
            "GET" => "get",
            "POST" => "post",
            "PATCH" => "patch",
            _ => "delete",
        };
        let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let parameters = names.map(|name| {
            let kind = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
            json!({"name": name, "in": "path", "required": true, "schema": schema(&kind)})
        });
        Self {
            method,
            path,
            parameters: parameters.collect(),
            value: json!({"operationId": id, "tags": [tag], "summary": summary, "security": []}),
            responses: Map::new(),
            slugs: vec!["internal", "too-many-requests"],
        }
        .unless_read_only(route)
    }

    /// What begins something new is refused while the operator lets nothing begin.
    fn unless_read_only(self, route: &str) -> Self {
        let goes_on = route.starts_with("GET ") || GOES_ON.contains(&route);
        if goes_on { self } else { self.refuses(&["read-only"]) }
    }

    /// More about it.
    pub(super) fn about(mut self, description: &str) -> Self {
        self.value["description"] = json!(description);
        self
    }

    /// With a query parameter that may be left out.
    pub(super) fn query(self, name: &str, schema: &Value, description: &str) -> Self {
        self.parameter(json!({"name": name, "in": "query", "description": description, "schema": schema}))
    }

    fn parameter(mut self, parameter: Value) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// A list that comes in pages.
    pub(super) fn paged(self, default: u32) -> Self {
        let mut limit = within(&(1..=LIMIT_MAX));
        limit["default"] = json!(default);
        let paged = self.query("cursor", &text(), "`nextCursor` of the page before.");
        paged.query("limit", &limit, "How long a page to answer.").refuses(&["bad-request"])
    }

    /// For somebody who is signed in.
    pub(super) fn signed_in(mut self) -> Self {
        self.value["security"] = json!([{"bearer": []}]);
        self.refuses(&["unauthenticated"])
    }

    /// For organisers: their token carries the role.
    pub(super) fn organiser(self) -> Self {
        self.signed_in().refuses(&["forbidden"])
    }

    /// For door staff: their token carries the role.
    pub(super) fn door(self) -> Self {
        self.signed_in().refuses(&["forbidden"])
    }

    /// Under the scheme `name` of `components.securitySchemes`.
    pub(super) fn secured_by(mut self, name: &str) -> Self {
        self.value["security"] = json!([{ name: [] }]);
        self
    }

    /// Takes an `Idempotency-Key`, which is refused for another request.
    pub(super) fn keyed(self, is_required: bool) -> Self {
        let keyed = self.attempted(is_required).refuses(&["idempotency-mismatch"]);
        if is_required { keyed.refuses(&["idempotency-key-required"]) } else { keyed }
    }

    /// Takes an `Idempotency-Key`.
    pub(super) fn attempted(self, is_required: bool) -> Self {
        let about = "Your name for this one attempt: a retry under the same key does nothing twice.";
        let attempted = self.parameter(json!({
            "name": "Idempotency-Key", "in": "header", "required": is_required, "description": about,
            "schema": bounded_text(IDEMPOTENCY_KEY_CHARS_MAX), "example": "5e0c4a4e-checkout-1",
        }));
        attempted.refuses(&["bad-request"])
    }

    /// Takes the solution of a challenge.
    pub(super) fn proved(self) -> Self {
        let about =
            "`<challenge>:<nonce>`: a solution of what `challenge-required` asked for, with the same Idempotency-Key.";
        let proved = self.parameter(json!({
            "name": "Usher-Proof", "in": "header", "required": false, "description": about, "schema": text(),
        }));
        proved.refuses(&["challenge-required"])
    }

    /// Takes an admission of the waiting room.
    pub(super) fn admitted(self) -> Self {
        let about = "`admissionToken` of the waiting room, where the show has one.";
        self.parameter(json!({
            "name": "Usher-Admission", "in": "header", "description": about, "schema": text(),
        }))
    }

    /// Takes a body.
    pub(super) fn takes(mut self, command: &str, is_required: bool, example: &Value) -> Self {
        let content = json!({"application/json": {"schema": schema(command), "example": example}});
        self.value["requestBody"] = json!({"required": is_required, "content": content});
        self.refuses(&["bad-request", "body-too-large"])
    }

    /// Takes somebody else's object as its body: of this form, whatever else is in it.
    pub(super) fn takes_foreign(mut self, description: &str, schema: &Value, example: &Value) -> Self {
        let content = json!({"application/json": {"schema": schema, "example": example}});
        self.value["requestBody"] = json!({"required": true, "description": description, "content": content});
        self.refuses(&["bad-request", "body-too-large"])
    }

    /// Answers this when all goes well.
    pub(super) fn answers(mut self, status: u16, name: &str, description: &str, example: &Value) -> Self {
        let content = json!({"application/json": {"schema": schema(name), "example": example}});
        self.responses.insert(status.to_string(), json!({"description": description, "content": content}));
        self
    }

    /// Cacheable, with a validator.
    pub(super) fn cached(mut self, cache_control: &str) -> Self {
        let headers = json!({
            "ETag": {"description": "A strong validator of the bytes as they were sent.", "schema": text()},
            "Cache-Control": {"schema": text(), "example": cache_control},
        });
        self.responses["200"]["headers"] = headers.clone();
        self.responses.insert("304".to_owned(), json!({"description": "What you have is current", "headers": headers}));
        let about = "The `ETag` of what you have.";
        self.parameter(json!({"name": "If-None-Match", "in": "header", "description": about, "schema": text()}))
    }

    /// By the version of the plan, cacheable for a year.
    pub(super) fn versioned(self) -> Self {
        let about = "The show's `planVersion`: with it the answer may be kept for a year, without it for a minute.";
        self.query("v", &described(count(), "A version of the plan."), about).refuses(&["bad-request", "not-found"])
    }

    /// Reads or writes the table, which may be busy.
    pub(super) fn stored(self) -> Self {
        self.refuses(&["busy"])
    }

    /// May answer these problems too.
    pub(super) fn refuses(mut self, slugs: &[&'static str]) -> Self {
        for slug in slugs {
            if !self.slugs.contains(slug) {
                self.slugs.push(slug);
            }
        }
        self
    }

    /// The operation object.
    pub(super) fn value(mut self) -> Value {
        self.responses.extend(problem_responses(&self.slugs));
        self.value["responses"] = Value::Object(self.responses);
        if !self.parameters.is_empty() {
            self.value["parameters"] = Value::Array(self.parameters);
        }
        self.value
    }
}
