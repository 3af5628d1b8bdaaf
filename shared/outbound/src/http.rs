//! What the calls over plain HTTP share: how they fail, and how much of an answer is read.

use domain::ProviderError;
use reqwest::Response;

/// A call without an answer: it may have been applied.
pub(crate) fn lost(error: &reqwest::Error) -> ProviderError {
    let what = match error {
        error if error.is_timeout() => "timed out",
        error if error.is_connect() => "cannot be reached",
        error if error.is_builder() => "the request cannot be built",
        _ => "the connection broke",
    };
    ProviderError::Unavailable { detail: what.to_owned(), retry_after_seconds: None }
}

/// The whole body, of at most `bytes_max` bytes.
pub(crate) async fn body(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, ProviderError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(&error))? {
        if body.len() + chunk.len() > bytes_max {
            return Err(ProviderError::Garbled(format!("an answer of more than {bytes_max} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
