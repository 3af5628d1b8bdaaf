//! The table. The only crate that names `aws_sdk_dynamodb`: keys, items, codec, transactions, one module an aggregate.
//!
//! A write that can lose a race says so in its answer; a write whose answer was lost is read back before anybody
//! believes anything ([`domain::StoreError::Ambiguous`] is what remains when even that fails).

mod availability;
pub mod block;
pub mod booking;
mod buyer;
pub mod cache;
mod call;
pub mod call_off;
pub mod catalogue;
pub mod code;
mod codec;
mod confirm;
mod created;
mod dispute;
mod event;
mod expression;
pub mod hold;
pub mod house;
pub mod keys;
pub mod ledger;
pub mod live;
pub mod mode;
pub mod plan;
pub mod queue;
pub mod receipt;
mod reconcile;
mod release;
pub mod scan;
mod seat;
mod show;
pub mod stream;
mod transact;
mod venue;
pub mod waitlist;

pub use availability::Comparison;

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
};

/// One attempt of a call, at most.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// A call with the SDK's own retries, at most: below every function's own timeout.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);
/// Attempts of one call.
const ATTEMPTS_MAX: u32 = 3;

/// The table, through the SDK. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    client: Client,
    table: Arc<str>,
}

impl Store {
    /// The table named `table`, behind any client.
    pub fn new(client: Client, table: impl Into<Arc<str>>) -> Self {
        Self { client, table: table.into() }
    }

    /// The table named `table` in this function's account, with bounded waits and retries.
    pub fn connect(aws: &aws_config::SdkConfig, table: impl Into<Arc<str>>) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let config = aws_sdk_dynamodb::config::Builder::from(aws)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX));
        Self::new(Client::from_conf(config.build()), table)
    }
}
