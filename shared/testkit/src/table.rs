//! A [`Store`] on the [`Engine`], patient or not.

use std::time::Duration;

use aws_sdk_dynamodb::{Client, config::retry::RetryConfig};
use store::Store;

use crate::engine::Engine;

/// The pause before the SDK's first retry: a test waits for no network to recover.
const BACKOFF: Duration = Duration::from_millis(1);

/// A store whose client tries a failed call again as often as the deployed one does, but without the waiting.
#[must_use]
pub fn store(engine: &Engine) -> Store {
    let retry = RetryConfig::standard().with_initial_backoff(BACKOFF).with_max_backoff(BACKOFF);
    with(engine, retry)
}

/// A store whose client tries each call once: a fault reaches the caller as it is.
#[must_use]
pub fn impatient_store(engine: &Engine) -> Store {
    with(engine, RetryConfig::disabled())
}

fn with(engine: &Engine, retry: RetryConfig) -> Store {
    let config = engine.client().config().to_builder().retry_config(retry).build();
    Store::new(Client::from_conf(config), engine.table())
}
