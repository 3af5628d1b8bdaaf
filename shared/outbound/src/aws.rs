//! What the AWS clients of this crate share: bounds on a call, and the words for its failure.

use std::time::Duration;

use aws_sdk_sqs::{
    config::timeout::TimeoutConfig,
    error::{ProvideErrorMetadata, SdkError},
};
use domain::ProviderError;

/// How long one try of a call may take.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a call may take with its retries.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);

/// The bounds of every call.
pub(crate) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).operation_timeout(CALL_TIMEOUT).build()
}

/// The failure of `call`: the service's code and message, or how the call failed; never what was sent.
///
/// A service that understood the call and says no (a status of 4xx other than "slow down") is `Refused`: sending the
/// same again cannot help. All else is `Unavailable`.
pub(crate) fn trouble<E: ProvideErrorMetadata, R: Status>(call: &str, error: &SdkError<E, R>) -> ProviderError {
    let (text, status) = match error {
        SdkError::ServiceError(failure) => {
            let meta = failure.err();
            let text = format!("{}: {}", meta.code().unwrap_or("unknown"), meta.message().unwrap_or_default());
            (text, Some(failure.raw().status()))
        }
        SdkError::TimeoutError(_) => ("timed out".to_owned(), None),
        SdkError::DispatchFailure(_) => ("cannot be reached".to_owned(), None),
        SdkError::ConstructionFailure(_) => ("the request cannot be built".to_owned(), None),
        _ => ("the answer cannot be read".to_owned(), None),
    };
    judge(call, &text, status)
}

/// The failure of `call` in the service's words `text` and with its HTTP status; none when there was no answer.
pub(crate) fn judge(call: &str, text: &str, status: Option<u16>) -> ProviderError {
    let detail = format!("{call}: {text}");
    let throttled = ["throttl", "limit", "toomany", "slowdown"].iter().any(|word| text.to_lowercase().contains(word));
    match status {
        // 401 and 403 are ours to mend (a role, a clock): the work itself may succeed later.
        Some(400 | 404 | 405 | 409..=417) if !throttled => ProviderError::Refused(detail),
        _ => ProviderError::Unavailable { detail, retry_after_seconds: None },
    }
}

/// Where the HTTP status of a raw answer is.
pub(crate) trait Status {
    /// The status code.
    fn status(&self) -> u16;
}

impl Status for aws_sdk_sqs::config::http::HttpResponse {
    fn status(&self) -> u16 {
        Self::status(self).as_u16()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
    use axum::{
        Router,
        body::{Body, to_bytes},
        extract::Request,
        response::Response,
    };
    use tokio::net::TcpListener;

    /// What the loopback service was asked.
    #[derive(Clone, Debug)]
    pub(crate) struct Asked {
        pub(crate) method: String,
        pub(crate) path: String,
        pub(crate) target: String,
        pub(crate) content_type: String,
        pub(crate) body: Vec<u8>,
    }

    /// An AWS service on loopback that answers every call alike, and the record of what it was asked.
    pub(crate) async fn service(status: u16, body: &'static str) -> (SdkConfig, Arc<Mutex<Vec<Asked>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&asked);
        let router = Router::new().fallback(move |request: Request| {
            let record = Arc::clone(&record);
            async move {
                let (parts, sent) = request.into_parts();
                let header = |name| parts.headers.get(name).map_or("", |v| v.to_str().unwrap()).to_owned();
                let asked = Asked {
                    method: parts.method.to_string(),
                    path: parts.uri.to_string(),
                    target: header("x-amz-target"),
                    content_type: header("content-type"),
                    body: to_bytes(sent, 1 << 20).await.unwrap().to_vec(),
                };
                record.lock().unwrap().push(asked);
                Response::builder().status(status).body(Body::from(body)).unwrap()
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let credentials = Credentials::new("test", "test", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .endpoint_url(endpoint)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled())
            .build();
        (config, asked)
    }
}
