//! From a request's JSON to the engine and back.

use dynoxide::{Database, DynoxideError, actions::transact_write_items::TransactWriteItemsRequest};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    WRITES,
    embedded::Shared,
    meter::{self, Capacity as _, Tally},
    tokens::{Digest, Known},
};

/// An answer as HTTP carries it.
type Answer = (u16, Vec<u8>);

/// What the engine is asked to report, so that units can be counted.
const REPORT: &str = "INDEXES";
/// What a plain write costs at least when it is refused.
const REFUSED_WRITE_UNITS: f64 = 1.0;

/// Carries out an operation whose capacity the engine reports, as reads or as writes.
macro_rules! metered {
    ($shared:expr, $body:expr, $method:ident, $request:ident, $units:ident) => {
        run($shared, $body, |database, mut request: dynoxide::actions::$method::$request| {
            if $shared.metered {
                request.return_consumed_capacity = Some(REPORT.to_owned());
            }
            let response = database.$method(request)?;
            let tally = Tally { $units: response.consumed_capacity.units(), ..Tally::default() };
            Ok((response, tally))
        })
    };
}

/// Carries out an operation that costs no capacity.
macro_rules! free {
    ($shared:expr, $body:expr, $method:ident) => {
        run($shared, $body, |database, request| Ok((database.$method(request)?, Tally::default())))
    };
}

/// Carries one call out, and has it counted.
pub(super) fn call(shared: &Shared, operation: &str, body: &[u8]) -> Answer {
    let (answer, mut tally) = match operation {
        "GetItem" => metered!(shared, body, get_item, GetItemRequest, read_units),
        "BatchGetItem" => metered!(shared, body, batch_get_item, BatchGetItemRequest, read_units),
        "Query" => metered!(shared, body, query, QueryRequest, read_units),
        "Scan" => metered!(shared, body, scan, ScanRequest, read_units),
        "TransactGetItems" => metered!(shared, body, transact_get_items, TransactGetItemsRequest, read_units),
        "CreateTable" => free!(shared, body, create_table),
        "DeleteTable" => free!(shared, body, delete_table),
        "DescribeTable" => free!(shared, body, describe_table),
        "ListTables" => free!(shared, body, list_tables),
        "UpdateTimeToLive" => free!(shared, body, update_time_to_live),
        "DescribeTimeToLive" => free!(shared, body, describe_time_to_live),
        _ => write(shared, operation, body),
    };
    let refused = answer.0 >= 400;
    if refused && WRITES.contains(&operation) && tally.write_units == 0.0 {
        tally.write_units = REFUSED_WRITE_UNITS;
    }
    shared.front.answered(operation, refused, tally);
    answer
}

fn write(shared: &Shared, operation: &str, body: &[u8]) -> (Answer, Tally) {
    match operation {
        "PutItem" => metered!(shared, body, put_item, PutItemRequest, write_units),
        "UpdateItem" => metered!(shared, body, update_item, UpdateItemRequest, write_units),
        "DeleteItem" => metered!(shared, body, delete_item, DeleteItemRequest, write_units),
        "BatchWriteItem" => metered!(shared, body, batch_write_item, BatchWriteItemRequest, write_units),
        "TransactWriteItems" => transact_write(shared, body),
        _ => {
            let why = format!("the embedded table has no operation {operation}");
            (refuse(&DynoxideError::ValidationException(why)), Tally::default())
        }
    }
}

fn run<Q: DeserializeOwned, R: Serialize>(
    shared: &Shared,
    body: &[u8],
    operation: impl FnOnce(&Database, Q) -> Result<(R, Tally), DynoxideError>,
) -> (Answer, Tally) {
    let request = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(why) => return (refuse(&not_a_request(&why)), Tally::default()),
    };
    match operation(&shared.database, request) {
        Ok((response, tally)) => (accept(&response), tally),
        Err(why) => (refuse(&why), Tally::default()),
    }
}

/// A transaction, once for each token.
fn transact_write(shared: &Shared, body: &[u8]) -> (Answer, Tally) {
    let mut request = match serde_json::from_slice::<TransactWriteItemsRequest>(body) {
        Ok(request) => request,
        Err(why) => return (refuse(&not_a_request(&why)), Tally::default()),
    };
    if shared.metered {
        request.return_consumed_capacity = Some(REPORT.to_owned());
    }
    // The engine's own look-up of tokens takes ever longer; ours does not.
    let Some(token) = request.client_request_token.take() else { return transact(shared, request) };
    let Ok(Digest(digest)) = serde_json::from_slice(body) else {
        return (refuse(&DynoxideError::SerializationException(String::new())), Tally::default());
    };
    match shared.tokens.claim(&token, digest) {
        Known::Done => ((200, b"{}".to_vec()), Tally::default()),
        Known::Mismatch => {
            let why = "Client request token was used with other parameters".to_owned();
            (refuse(&DynoxideError::IdempotentParameterMismatchException(why)), Tally::default())
        }
        Known::Running => (in_progress(), Tally::default()),
        Known::New => {
            let (answer, tally) = transact(shared, request);
            shared.tokens.settle(&token, answer.0 < 400);
            (answer, tally)
        }
    }
}

fn transact(shared: &Shared, request: TransactWriteItemsRequest) -> (Answer, Tally) {
    let at_full_price = meter::cancelled_units(&request.transact_items);
    match shared.database.transact_write_items(request) {
        Ok(response) => {
            let write_units = response.consumed_capacity.units();
            (accept(&response), Tally { write_units, ..Tally::default() })
        }
        Err(why) => (refuse(&why), Tally { write_units: at_full_price, ..Tally::default() }),
    }
}

/// The body of an answer that the SDK maps to an error by its type.
#[derive(Serialize, Deserialize)]
struct Problem {
    #[serde(rename = "__type")]
    kind: String,
    message: String,
}

fn in_progress() -> Answer {
    let problem = Problem {
        kind: "com.amazonaws.dynamodb.v20120810#TransactionInProgressException".to_owned(),
        message: "Transaction with this token is already in progress".to_owned(),
    };
    (400, serde_json::to_vec(&problem).unwrap_or_default())
}

fn accept(response: &impl Serialize) -> Answer {
    match serde_json::to_vec(response) {
        Ok(body) => (200, body),
        Err(why) => refuse(&DynoxideError::InternalServerError(why.to_string())),
    }
}

fn refuse(why: &DynoxideError) -> Answer {
    (why.status_code(), why.to_json().into_bytes())
}

fn not_a_request(why: &serde_json::Error) -> DynoxideError {
    // The engine marks what it found wrong with a request; the rest is ours to see in a test.
    let text = why.to_string();
    DynoxideError::ValidationException(text.strip_prefix("VALIDATION:").map(str::to_owned).unwrap_or(text))
}
