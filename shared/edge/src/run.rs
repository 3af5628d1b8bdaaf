//! Starting a function on Lambda: logs, then the loop.

use std::fmt;

use aws_lambda_events::sqs::SqsEvent;
use aws_types::SdkConfig;
use domain::Error;
use lambda_http::{Body, Request, Response, service_fn};
use lambda_runtime::LambdaEvent;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tracing::{Instrument as _, Span, Subscriber};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt::MakeWriter,
    prelude::*,
};

use crate::{aws, guard::Guard, http, metrics, settings::Settings};

/// What is logged unless `LOG_LEVEL` says otherwise.
const LOG_LEVEL_DEFAULT: &str = "info";
/// Where the runtime begins the span of an invocation: an error's line needs it at any `LOG_LEVEL`.
const INVOCATION_SPANS: &str = "lambda_runtime::layers::trace";

/// Why a function could not start, or an event could not be handled: the platform tries it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for lambda_runtime::Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: "Failure".to_owned(), error_message: failure.0 }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

impl From<domain::StoreError> for Failure {
    fn from(error: domain::StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<domain::ProviderError> for Failure {
    fn from(error: domain::ProviderError) -> Self {
        Self(error.to_string())
    }
}

/// What wakes the sweep: timers that arrived, or the clock.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Wake {
    /// A batch of messages from the timer queue.
    Messages(SqsEvent),
    /// The schedule's tick; what it says does not matter.
    Tick(serde_json::Value),
}

/// Reads the settings; from then on logs (`LOG_LEVEL`, `info`) and metrics (`STACK_NAME`) are lines of JSON on stdout.
///
/// # Panics
/// It ran before in this process.
#[must_use]
pub fn start() -> Settings {
    let settings = Settings::from_env();
    let levels = settings.get("LOG_LEVEL").unwrap_or(LOG_LEVEL_DEFAULT).parse::<Targets>();
    let levels = levels.unwrap_or_else(|why| {
        let () = settings.malformed("LOG_LEVEL", &why);
        Targets::new().with_default(LevelFilter::INFO)
    });
    let logs = subscriber(levels, std::io::stdout);
    tracing::subscriber::set_global_default(logs).expect("a process starts once");
    metrics::write_to_stdout(settings.get("STACK_NAME").unwrap_or(metrics::NO_STACK));
    settings
}

/// Logs as lines of JSON, each with the invocation and the call that it belongs to. Levels are told by target and
/// nothing finer: patterns over fields would bring a compiler of regular expressions into every function.
fn subscriber<W>(levels: Targets, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let levels = levels.with_target(INVOCATION_SPANS, LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_target(false);
    let lines = lines.with_current_span(false).with_span_list(true).with_writer(writer);
    tracing_subscriber::registry().with(levels).with(lines)
}

/// What a HTTP call is known by in the logs; the gateway's access log has the same id. At any `LOG_LEVEL`, too.
fn call_span(request: &Request) -> Span {
    tracing::error_span!("call", request.id = http::request_id(request), http.route = http::route(request))
}

/// What AWS's clients are made with: this function's own role and region.
#[must_use]
pub fn aws() -> SdkConfig {
    aws::config(&Settings::from_env())
}

/// Serves HTTP calls until Lambda stops the process, behind a [`Guard`] that asks `mode` whether anything new may begin.
///
/// # Errors
/// What is wrong with the settings; the runtime's own.
pub async fn http<M, A, F, Fut>(settings: &Settings, mode: M, handle: F) -> Result<(), Failure>
where
    M: Fn() -> A + Sync,
    A: Future<Output = Option<u64>> + Send,
    F: Fn(Request) -> Fut + Sync,
    Fut: Future<Output = Response<Body>> + Send,
{
    let guard = Guard::new(settings, mode);
    settings.check()?;
    let answer = |request: Request| {
        let span = call_span(&request);
        let response = guard.serve(request, &handle);
        async { Ok::<_, Failure>(response.await) }.instrument(span)
    };
    lambda_http::run(service_fn(answer)).await.map_err(|why| Failure(why.to_string()))
}

/// Handles events until Lambda stops the process.
///
/// # Errors
/// The runtime's own.
pub async fn events<E, R, F, Fut>(handle: F) -> Result<(), Failure>
where
    E: DeserializeOwned,
    R: Serialize,
    F: Fn(E) -> Fut,
    Fut: Future<Output = Result<R, Failure>>,
{
    let answer = |event: LambdaEvent<E>| handle(event.payload);
    lambda_runtime::run(service_fn(answer)).await.map_err(|why| Failure(why.to_string()))
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, sync::Arc};

    use serde_json::Value;

    use super::*;

    #[test]
    fn a_line_names_what_happened_and_the_call_that_it_belongs_to() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let event = include_str!("../../../events/hold.create.json");
        let request = http::request_from_json(event).unwrap();
        tracing::subscriber::with_default(subscriber("error".parse().unwrap(), Arc::new(writer)), || {
            let invocation = tracing::info_span!(target: "lambda_runtime::layers::trace", "invoke", requestId = "r-1");
            let _inside = invocation.enter();
            call_span(&request).in_scope(|| {
                tracing::info!("too little to tell");
                tracing::error!(booking.id = "bkg_1", "bkg_1 is lost");
            });
        });
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["level"], &line["message"]), (&"ERROR".into(), &"bkg_1 is lost".into()));
        assert_eq!(line["booking.id"], "bkg_1");
        assert_eq!(line["spans"][0]["requestId"], "r-1");
        let call = &line["spans"][1];
        assert_eq!((&call["name"], &call["request.id"]), (&"call".into(), &"JKJaXmPLvHcESHA=".into()));
        assert_eq!(call["http.route"], "POST /v1/shows/{showId}/holds");
        assert!(line["timestamp"].as_str().unwrap().parse::<domain::Timestamp>().is_ok());
        assert!(!text.contains("ada"), "{text}");
    }
}
