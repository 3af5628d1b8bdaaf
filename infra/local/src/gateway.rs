//! The HTTP API: finds the route, makes the event, calls the function, answers what it says.

use std::{
    collections::HashMap,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts},
};
use domain::time::Clock;
use futures::FutureExt as _;
use serde_json::json;

use crate::{
    event::{self, CallFacts},
    functions::HttpHandler,
    wiring::{Cors, RouteSpec},
};

/// The largest body that API Gateway takes, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;
/// How long API Gateway waits for a function.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(29);
/// When to come back after a 503 of the gateway's own, in seconds.
const RETRY_AFTER_SECONDS: &str = "1";

/// The API of the template.
pub(crate) struct Gateway {
    routes: HashMap<Method, Vec<Route>>,
    cors: Cors,
    clock: Arc<dyn Clock>,
    /// Request ids are this start's own.
    start: String,
    requests: AtomicU64,
}

struct Route {
    key: String,
    segments: Vec<Segment>,
    handler: HttpHandler,
}

enum Segment {
    Literal(String),
    Parameter(String),
}

/// The largest number of parameters in a route's path.
const PARAMETERS_MAX: usize = 4;

impl Gateway {
    /// The routes with the functions that they lead to.
    ///
    /// # Errors
    /// A route's key is not `METHOD /path`, or its function is not there.
    pub(crate) fn new(
        routes: Vec<RouteSpec>,
        cors: Cors,
        handlers: &HashMap<&'static str, HttpHandler>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let mut by_method: HashMap<Method, Vec<Route>> = HashMap::new();
        for route in routes {
            let unusable = || format!("the route {} cannot be served", route.key);
            let (method, path) = route.key.split_once(' ').ok_or_else(unusable)?;
            let method = Method::from_bytes(method.as_bytes()).map_err(|_| unusable())?;
            let handler = handlers.get(route.function.as_str()).cloned();
            let handler = handler.ok_or_else(|| {
                format!(
                    "the route {} leads to the function {}, which is not one that serves HTTP",
                    route.key, route.function
                )
            })?;
            let segments = path.split('/').skip(1).map(Segment::new).collect();
            by_method.entry(method).or_default().push(Route { key: route.key, segments, handler });
        }
        for routes in by_method.values_mut() {
            // As API Gateway: the most specific route wins.
            routes.sort_by_key(|route| {
                route.segments.iter().filter(|part| matches!(part, Segment::Parameter(_))).count()
            });
        }
        let start = format!("{:08x}", clock.now().as_millisecond() & 0xffff_ffff);
        Ok(Self { routes: by_method, cors, clock, start, requests: AtomicU64::new(0) })
    }

    /// One call.
    pub(crate) async fn serve(&self, request: Parts, body: Body, peer: SocketAddr) -> Response<Body> {
        if is_preflight(&request) {
            return self.preflight();
        }
        let origin = request.headers.contains_key(header::ORIGIN);
        let mut response = self.route(&request, body, peer).await;
        if origin {
            self.allow_origin(response.headers_mut());
        }
        response
    }

    async fn route(&self, request: &Parts, body: Body, peer: SocketAddr) -> Response<Body> {
        let request_id = format!("{}-{:08x}", self.start, self.requests.fetch_add(1, Ordering::Relaxed));
        let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
            return problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-large",
                "the body is larger than 10 MB",
                &request_id,
            );
        };
        let mut parameters = [("", ""); PARAMETERS_MAX];
        let path = request.uri.path();
        let routes = self.routes.get(&request.method).map(Vec::as_slice).unwrap_or_default();
        let found = routes.iter().find_map(|route| Some((route, route.matches(path, &mut parameters)?)));
        let Some((route, count)) = found else {
            return problem(StatusCode::NOT_FOUND, "not-found", "there is no such route", &request_id);
        };
        let facts = CallFacts {
            route_key: &route.key,
            path_parameters: &parameters[..count],
            request_id: &request_id,
            source_ip: &peer.ip().to_string(),
            now: self.clock.now(),
        };
        let event = event::write(request, &body, &facts);
        self.invoke(route, &event, &request_id).await
    }

    async fn invoke(&self, route: &Route, event: &str, request_id: &str) -> Response<Body> {
        let Ok(request) = edge::http::request_from_json(event) else {
            return problem(StatusCode::BAD_REQUEST, "bad-request", "the request cannot be an event", request_id);
        };
        // A panic ends the invocation, not the platform, as on Lambda.
        let call = AssertUnwindSafe((route.handler)(request)).catch_unwind();
        match tokio::time::timeout(FUNCTION_TIMEOUT, call).await {
            Ok(Ok(response)) => answer(response),
            Ok(Err(_)) => {
                tracing::error!(request.id = request_id, "{} panicked", route.key);
                problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong", request_id)
            }
            Err(_) => {
                tracing::error!(request.id = request_id, "{} took too long", route.key);
                problem(StatusCode::SERVICE_UNAVAILABLE, "busy", "the function took too long", request_id)
            }
        }
    }

    fn preflight(&self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        self.allow_origin(headers);
        set(headers, header::ACCESS_CONTROL_ALLOW_METHODS, &self.cors.methods);
        set(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, &self.cors.headers);
        set(headers, header::ACCESS_CONTROL_MAX_AGE, &self.cors.max_age_seconds.to_string());
        response
    }

    fn allow_origin(&self, headers: &mut HeaderMap) {
        set(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, self.cors.origins.first().map_or("", String::as_str));
        set(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, &self.cors.exposed);
    }
}

fn is_preflight(request: &Parts) -> bool {
    request.method == Method::OPTIONS
        && request.headers.contains_key(header::ORIGIN)
        && request.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value)
        && !value.is_empty()
    {
        headers.insert(name, value);
    }
}

impl Segment {
    fn new(text: &str) -> Self {
        match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(name) => Self::Parameter(name.to_owned()),
            None => Self::Literal(text.to_owned()),
        }
    }
}

impl Route {
    /// How many parameters of the path were found, if it is this route's.
    fn matches<'a>(&'a self, path: &'a str, parameters: &mut [(&'a str, &'a str); PARAMETERS_MAX]) -> Option<usize> {
        let mut parts = path.split('/').skip(1);
        let mut count = 0;
        for segment in &self.segments {
            match (segment, parts.next()?) {
                (Segment::Literal(literal), part) if literal == part => {}
                (Segment::Parameter(name), part) if !part.is_empty() => {
                    *parameters.get_mut(count)? = (name, part);
                    count += 1;
                }
                _ => return None,
            }
        }
        parts.next().is_none().then_some(count)
    }
}

fn answer(response: Response<edge::Body>) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let body = match body {
        edge::Body::Text(text) => Body::from(text),
        edge::Body::Binary(bytes) => Body::from(Bytes::from(bytes)),
        _ => Body::empty(),
    };
    Response::from_parts(parts, body)
}

/// A problem of the gateway's own.
pub(crate) fn problem(status: StatusCode, slug: &str, detail: &str, request_id: &str) -> Response<Body> {
    let problem = json!({
        "type": format!("urn:problem:usher:{slug}"),
        "title": status.canonical_reason().unwrap_or("Problem"),
        "status": status.as_u16(),
        "detail": detail,
        "instance": request_id,
    });
    let mut response = Response::new(Body::from(problem.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway() -> Gateway {
        let handler: HttpHandler = Arc::new(|request: edge::Request| {
            async move {
                assert_ne!(request.uri().path(), "/v1/panics/1", "on purpose");
                Response::new(edge::Body::Text(request.uri().path().to_owned()))
            }
            .boxed()
        });
        let route = |key: &str| RouteSpec { key: key.to_owned(), function: "f".to_owned() };
        let routes =
            ["GET /v1/events/{eventId}", "GET /v1/events/new", "GET /v1/panics/{id}", "POST /v1/webhooks/payments"];
        let cors = Cors {
            origins: vec!["*".to_owned()],
            methods: "GET,POST".to_owned(),
            headers: "idempotency-key".to_owned(),
            exposed: "etag".to_owned(),
            max_age_seconds: 60,
        };
        let clock = Arc::new(outbound::clock::SystemClock);
        let handlers = HashMap::from([("f", handler)]);
        Gateway::new(routes.map(route).into(), cors, &handlers, clock).unwrap()
    }

    async fn call(method: &str, path: &str, headers: &[(&str, &str)], body: Body) -> (u16, HeaderMap, String) {
        let mut request = axum::http::Request::builder().method(method).uri(path).header("host", "127.0.0.1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let response = gateway().serve(parts, body, ([127, 0, 0, 1], 1).into()).await;
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_call_reaches_its_function() {
        let (status, headers, body) = call("GET", "/v1/events/evt_1", &[], Body::empty()).await;
        assert_eq!((status, body.as_str()), (200, "/v1/events/evt_1"));
        assert!(!headers.contains_key("access-control-allow-origin"));
    }

    #[tokio::test]
    async fn unknown_paths_and_methods_are_problems() {
        for (method, path) in
            [("GET", "/v1/nothing"), ("DELETE", "/v1/events/evt_1"), ("GET", "/v1/events/"), ("GET", "/v1/events/a/b")]
        {
            let (status, headers, body) = call(method, path, &[], Body::empty()).await;
            assert_eq!(status, 404, "{method} {path}");
            assert_eq!(headers["content-type"], "application/problem+json");
            assert!(body.contains("urn:problem:usher:not-found"), "{body}");
        }
    }

    #[tokio::test]
    async fn a_body_beyond_ten_megabytes_is_refused() {
        let body = Body::from(vec![b'x'; BODY_BYTES_MAX + 1]);
        assert_eq!(call("POST", "/v1/webhooks/payments", &[], body).await.0, 413);
    }

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        assert_eq!(call("GET", "/v1/panics/1", &[], Body::empty()).await.0, 500);
    }

    #[tokio::test]
    async fn browsers_are_told_what_they_may() {
        let origin = ("origin", "https://web.example");
        let preflight = [origin, ("access-control-request-method", "POST")];
        let (status, headers, _) = call("OPTIONS", "/v1/shows/x/holds", &preflight, Body::empty()).await;
        assert_eq!(status, 204);
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert_eq!(headers["access-control-allow-headers"], "idempotency-key");
        assert_eq!(headers["access-control-max-age"], "60");
        let (_, headers, _) = call("GET", "/v1/events/new", &[origin], Body::empty()).await;
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert_eq!(headers["access-control-expose-headers"], "etag");
    }

    #[test]
    fn a_route_to_no_function_stops_the_start() {
        let route = RouteSpec { key: "GET /".to_owned(), function: "nobody".to_owned() };
        let clock = Arc::new(outbound::clock::SystemClock);
        let refused = Gateway::new(vec![route], Cors::default(), &HashMap::new(), clock);
        assert!(refused.err().unwrap().contains("nobody"));
    }
}
