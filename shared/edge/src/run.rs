//! Starting a function on Lambda: logs, then the loop.

use std::fmt;

use aws_lambda_events::sqs::SqsEvent;
use domain::Error;
use lambda_http::{Body, Request, Response, service_fn};
use lambda_runtime::LambdaEvent;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tracing_subscriber::EnvFilter;

use crate::settings::Settings;

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

/// Sets up logs as JSON lines and reads the settings.
#[must_use]
pub fn start() -> Settings {
    let filter = EnvFilter::try_from_env("LOG_LEVEL").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).with_target(false).init();
    Settings::from_env()
}

/// The AWS configuration of this function's own role and region.
pub async fn aws() -> aws_config::SdkConfig {
    aws_config::load_defaults(aws_config::BehaviorVersion::v2026_01_12()).await
}

/// Serves HTTP calls until Lambda stops the process.
///
/// # Errors
/// The runtime's own.
pub async fn http<F, Fut>(handle: F) -> Result<(), Failure>
where
    F: Fn(Request) -> Fut,
    Fut: Future<Output = Response<Body>> + Send,
{
    let answer = |request| {
        let response = handle(request);
        async { Ok::<_, Failure>(response.await) }
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
