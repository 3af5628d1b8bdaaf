//! API Gateway's event for a HTTP call (payload format 2.0), written as the gateway writes it.

use std::{borrow::Cow, collections::BTreeMap};

use axum::http::{HeaderMap, request::Parts};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Serialize;

/// What the gateway knows of a call besides the request itself.
pub(crate) struct CallFacts<'a> {
    /// `GET /v1/events/{eventId}`.
    pub(crate) route_key: &'a str,
    /// The path's parts that the route names, still encoded.
    pub(crate) path_parameters: &'a [(&'a str, &'a str)],
    /// The gateway's id of this request.
    pub(crate) request_id: &'a str,
    /// Who is on the other end of the connection.
    pub(crate) source_ip: &'a str,
    /// When the request came.
    pub(crate) now: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'a str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<&'a str>,
    headers: BTreeMap<&'a str, Cow<'a, str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    path_parameters: BTreeMap<&'a str, Cow<'a, str>>,
    request_context: Context<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    account_id: &'static str,
    api_id: &'static str,
    domain_name: &'a str,
    domain_prefix: &'static str,
    http: Http<'a>,
    request_id: &'a str,
    route_key: &'a str,
    stage: &'static str,
    time: String,
    time_epoch: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    source_ip: &'a str,
    user_agent: &'a str,
}

/// The event's JSON.
pub(crate) fn write(request: &Parts, body: &[u8], facts: &CallFacts<'_>) -> String {
    let path = request.uri.path();
    let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = std::str::from_utf8(body);
    let body = match text {
        _ if body.is_empty() => None,
        Ok(text) => Some(Cow::Borrowed(text)),
        Err(_) => Some(Cow::Owned(BASE64_STANDARD.encode(body))),
    };
    let decoded = |value| percent_decode_str(value).decode_utf8_lossy();
    let event = Event {
        version: "2.0",
        route_key: facts.route_key,
        raw_path: path,
        raw_query_string: request.uri.query().unwrap_or_default(),
        cookies: header("cookie").split("; ").filter(|cookie| !cookie.is_empty()).collect(),
        headers: headers(&request.headers),
        query_string_parameters: query(request.uri.query().unwrap_or_default()),
        path_parameters: facts.path_parameters.iter().map(|&(name, value)| (name, decoded(value))).collect(),
        request_context: Context {
            account_id: "000000000000",
            api_id: "local",
            domain_name: header("host"),
            domain_prefix: "local",
            http: Http {
                method: request.method.as_str(),
                path,
                protocol: "HTTP/1.1",
                source_ip: facts.source_ip,
                user_agent: header("user-agent"),
            },
            request_id: facts.request_id,
            route_key: facts.route_key,
            stage: "$default",
            time: facts.now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            time_epoch: facts.now.as_millisecond(),
        },
        body,
        is_base64_encoded: text.is_err(),
    };
    serde_json::to_string(&event).expect("the event has string keys only")
}

/// Names in lower case, as HTTP/2 has them; repeated ones joined by commas; cookies apart.
pub(crate) fn headers(headers: &HeaderMap) -> BTreeMap<&str, Cow<'_, str>> {
    let mut joined: BTreeMap<&str, Cow<'_, str>> = BTreeMap::new();
    for (name, value) in headers {
        if name == "cookie" {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        match joined.get_mut(name.as_str()) {
            Some(sofar) => *sofar = Cow::Owned(format!("{sofar},{value}")),
            None => drop(joined.insert(name.as_str(), value)),
        }
    }
    joined
}

/// Decoded; repeated ones joined by commas.
pub(crate) fn query(query: &str) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let value = decode(value);
        joined.entry(decode(name)).and_modify(|sofar| *sofar = format!("{sofar},{value}")).or_insert(value);
    }
    joined
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(body: &[u8]) -> Value {
        let request = axum::http::Request::builder()
            .method("POST")
            .uri("/v1/shows/shw_1/holds?city=S%C3%A3o+Paulo&q=a&q=b&flag")
            .header("Host", "127.0.0.1:3000")
            .header("Cookie", "a=1; b=2")
            .header("Idempotency-Key", "k")
            .header("X-Twice", "1")
            .header("X-Twice", "2")
            .body(())
            .unwrap();
        let facts = CallFacts {
            route_key: "POST /v1/shows/{showId}/holds",
            path_parameters: &[("showId", "shw%5F1")],
            request_id: "r1",
            source_ip: "127.0.0.1",
            now: "2026-11-22T14:48:09.123Z".parse().unwrap(),
        };
        serde_json::from_str(&write(&request.into_parts().0, body, &facts)).unwrap()
    }

    #[test]
    fn an_event_is_what_api_gateway_sends() {
        let event = event(b"{\"seatIds\":[]}");
        assert_eq!(event["version"], "2.0");
        assert_eq!(event["rawPath"], "/v1/shows/shw_1/holds");
        assert_eq!(event["rawQueryString"], "city=S%C3%A3o+Paulo&q=a&q=b&flag");
        assert_eq!(event["queryStringParameters"], json!({"city": "São Paulo", "q": "a,b", "flag": ""}));
        assert_eq!(event["pathParameters"], json!({"showId": "shw_1"}));
        assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
        assert_eq!(event["headers"], json!({"host": "127.0.0.1:3000", "idempotency-key": "k", "x-twice": "1,2"}));
        assert_eq!(event["requestContext"]["http"]["method"], "POST");
        assert_eq!(event["requestContext"]["routeKey"], "POST /v1/shows/{showId}/holds");
        assert_eq!(event["requestContext"]["time"], "22/Nov/2026:14:48:09 +0000");
        assert_eq!(event["requestContext"]["timeEpoch"], 1_795_358_889_123_i64);
        assert_eq!(event["body"], "{\"seatIds\":[]}");
        assert_eq!(event["isBase64Encoded"], false);
    }

    #[test]
    fn bytes_that_are_not_text_travel_as_base64() {
        let binary = event(&[0xff, 0x00]);
        assert_eq!((&binary["body"], &binary["isBase64Encoded"]), (&json!("/wA="), &json!(true)));
        assert!(event(b"").get("body").is_none());
    }

    #[test]
    fn a_function_reads_it() {
        let request = edge::http::request_from_json(&event(b"{}").to_string()).unwrap();
        assert_eq!(request.headers()["idempotency-key"], "k");
        assert_eq!(request.method(), "POST");
    }
}
