//! Where Lambda and HTTP end: events in, answers out. The only crate that names `lambda_http` and `lambda_runtime`.
//!
//! A HTTP function is `route(app, &call) -> Result<Reply, Error>`; everything a transport knows (claims, problem
//! documents, request ids, compression, validators) happens here, once.

pub mod auth;
pub mod availability;
mod aws;
pub mod catalogue;
pub mod cursor;
pub mod guard;
pub mod http;
mod limit;
pub mod live;
pub mod metrics;
mod problem;
pub mod run;
pub mod settings;
pub mod view;

pub use aws_lambda_events::{
    dynamodb::{Event as DynamodbEvent, EventRecord as DynamodbRecord},
    eventbridge::EventBridgeEvent,
    sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage},
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
pub use lambda_http::{Body, Request, Response};

pub use crate::{
    auth::{Auth, Caller},
    http::{Call, Reply},
    run::{Failure, Wake},
    settings::Settings,
};
