//! DynamoDB for tests and for `cargo run`, behind the real SDK client.
//!
//! It is `dynoxide` on a SQLite file in this process: what the SDK would send over a socket goes straight to the
//! engine. In between sit the things that a laptop lacks and tests need: a transport that fails on request ([`Fault`])
//! and a meter of what AWS would bill ([`Meter`]).
//!
//! Durability: a file that is asked for is opened with SQLite's WAL and `synchronous=NORMAL`; it survives a killed
//! process whole, and a power cut up to the last checkpoint. A temporary one has `synchronous=OFF`.
//!
//! # On Amazon's DynamoDB Local
//! With `DYNAMODB_LOCAL_URL` in the environment, [`Engine::temporary`] is a table of its own on the DynamoDB Local
//! there, with the same faults and the same counting of calls in front. `cargo xtask dynamodb-local` starts one
//! (1.25.1) and runs on it the suites of the table: those of `store` and `settlement`, and this crate's own. Where the
//! two differ, and what we do about it:
//!
//! | | dynoxide, here | DynamoDB Local | so |
//! |---|---|---|---|
//! | units of a transaction | 2 for each 1 KB of an item, indexes included, as billed | not as billed: 4 for one item and 4 for three | [`Tally`]'s units are NaN, every comparison with them fails; tests of units are in modules `budgets` and run here only |
//! | change stream | [`Stream`] reads the file | an API of its own, which nobody here speaks; writes slow down with every stream there ever was | its tables have none, and [`Engine::stream`] panics; tests of it are in modules `embedded` and run here only |
//! | a write that changes nothing | is in the stream ([`Record::is_idle`]) | is not, like in AWS | readers of the stream pass it over |
//! | time to live | [`Engine::expire`] deletes when told | in its own time | [`Engine::expire`] panics; no code relies on a deletion |
//! | files | kept where they are asked for | in memory | [`Engine::directory`] panics |
//! | tokens of transactions | of this engine, ten minutes | of all tables at once | tests put the table's name into theirs |
//! | an item named twice in a transaction | the request is refused | conditions are tried first, in order: it may be cancelled for the first one's effect | no transaction of ours does it |
//! | items that another transaction is at | calls come one after the other, nobody meets anybody | the same: 900 writes by six threads at one item, no `TransactionConflict` | [`Fault::TransactionConflict`] makes them |
//! | busy partitions, lost calls, lost answers | never | never | [`Fault`] makes them on either |
//! | stale reads, late indexes | never | none seen | only AWS has them: what relies on them is read consistently or looked at again |

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Region, StalledStreamProtectionConfig, timeout::TimeoutConfig},
};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use domain::time::Clock;
use tokio::sync::Notify;

mod dispatch;
mod embedded;
mod fault;
mod local;
mod meter;
mod stream;
mod tokens;

pub use fault::{CallInfo, Fault, FaultHook};
pub use local::{CALLS_VARIABLE, URL_VARIABLE};
pub use meter::{Meter, Tally};
pub use stream::{Record, Stream};
pub use tokens::digest_of;

use embedded::Embedded;
use local::{Local, Place};

/// The table's name in the embedded engine. Every engine tells its own: [`Engine::table`].
pub const TABLE: &str = "usher";
/// The table's logical id in the template.
const TABLE_RESOURCE: &str = "Table";
/// Where requests to the embedded engine seem to go.
const EMBEDDED_URL: &str = "http://dynamodb.local";
/// A table that has not answered a call by then never will.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Operations that change items.
const WRITES: [&str; 5] = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"];

/// How to start an [`Engine`].
#[derive(Clone, Default)]
pub struct Options {
    /// Where the table is kept; `None` is a temporary directory that goes with the engine.
    pub directory: Option<PathBuf>,
    /// Whether to count capacity units (calls are counted anyway).
    pub metered: bool,
    /// For whoever brings their own time: calls are carried out where they are made, one after the other, instead of on
    /// threads of the engine, and changes are dated by this clock.
    pub clock: Option<Arc<dyn Clock>>,
}

/// The engine did not start.
#[derive(Clone, Debug)]
pub struct EngineError(String);

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the table cannot be opened: {}", self.0)
    }
}

impl std::error::Error for EngineError {}

/// A running engine with the table of `template.yaml`. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    front: Arc<Front>,
    home: Home,
}

/// Where the table is.
enum Home {
    Embedded(Embedded),
    Local(Arc<Local>),
}

/// What stands before either engine.
#[derive(Default)]
struct Front {
    meter: Meter,
    fault: RwLock<Option<FaultHook>>,
    written: Written,
}

/// How many writes there were. Whoever waits for the next is told in the order in which they began to wait: what runs in
/// virtual time must do the same each time.
#[derive(Default)]
struct Written {
    count: AtomicU64,
    changed: Notify,
}

impl Written {
    fn tell(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_waiters();
    }
}

/// Tells of writes.
pub struct Writes {
    front: Arc<Front>,
    seen: u64,
}

impl Writes {
    /// Waits until there is a write that was not told of.
    pub async fn changed(&mut self) {
        let written = &self.front.written;
        loop {
            let changed = written.changed.notified();
            tokio::pin!(changed);
            // Registered before the look at the count, so that no write in between is missed.
            changed.as_mut().enable();
            let count = written.count.load(Ordering::Acquire) + 1;
            if count != self.seen {
                self.seen = count;
                return;
            }
            changed.await;
        }
    }
}

impl Front {
    /// Counts a call that the table answered, and tells the stream's readers of a write.
    fn answered(&self, operation: &str, refused: bool, tally: Tally) {
        self.meter.add(operation, Tally { calls: 1, refused: u64::from(refused), ..tally });
        if !refused && WRITES.contains(&operation) {
            self.written.tell();
        }
    }
}

impl Engine {
    /// Opens the table on the embedded engine, and creates it when the directory has none.
    ///
    /// # Errors
    /// The directory cannot be written, or its file is not a table of ours.
    pub async fn start(options: Options) -> Result<Self, EngineError> {
        let front = Arc::new(Front::default());
        let behind = Arc::clone(&front);
        let open = tokio::task::spawn_blocking(move || Embedded::open(&options, behind));
        let embedded = open.await.map_err(|why| EngineError(why.to_string()))??;
        Ok(Self { inner: Arc::new(Inner { front, home: Home::Embedded(embedded) }) })
    }

    /// An engine for one test, gone when dropped: embedded and metered, or a table on the DynamoDB Local that the
    /// environment names ([`URL_VARIABLE`]).
    ///
    /// # Panics
    /// There is no room for temporary files; or nothing answers where the environment says.
    pub async fn temporary() -> Self {
        let Some(place) = Place::from_environment() else {
            let options = Options { metered: true, ..Options::default() };
            return Self::start(options).await.expect("temporary files can be written");
        };
        let front = Arc::new(Front::default());
        let local = Local::create(place, Arc::clone(&front)).await.expect("DynamoDB Local is running");
        Self { inner: Arc::new(Inner { front, home: Home::Local(Arc::new(local)) }) }
    }

    /// The real SDK client on this engine.
    #[must_use]
    pub fn client(&self) -> Client {
        self.build_client(None)
    }

    /// A client of its own whose calls `fault` decides about, beside [`Engine::set_fault`].
    #[must_use]
    pub fn client_with_fault(&self, fault: FaultHook) -> Client {
        self.build_client(Some(fault))
    }

    fn build_client(&self, fault: Option<FaultHook>) -> Client {
        let (url, way) = match &self.inner.home {
            Home::Embedded(embedded) => (EMBEDDED_URL, Way::Embedded(embedded.line())),
            Home::Local(local) => (local.url(), Way::Local(Arc::clone(local))),
        };
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("local"))
            .endpoint_url(url)
            .allow_no_auth()
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ANSWER_WITHIN).build())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(Connector { way, front: Arc::clone(&self.inner.front), fault })
            .build();
        Client::from_conf(config)
    }

    /// The table's name on this engine.
    #[must_use]
    pub fn table(&self) -> &str {
        match &self.inner.home {
            Home::Embedded(_) => TABLE,
            Home::Local(local) => local.table(),
        }
    }

    /// Decides about every call of every client from now on; `None` lets them through.
    pub fn set_fault(&self, fault: Option<FaultHook>) {
        *self.inner.front.fault.write().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// What was called and what it would have cost.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.inner.front.meter
    }

    /// The table's change stream.
    ///
    /// # Panics
    /// On DynamoDB Local.
    #[must_use]
    pub fn stream(&self) -> Arc<Stream> {
        self.embedded().stream()
    }

    /// Whether calls are carried out where they are made.
    #[must_use]
    pub fn is_stepwise(&self) -> bool {
        matches!(&self.inner.home, Home::Embedded(embedded) if embedded.is_stepwise())
    }

    /// Tells of every write, those before included.
    #[must_use]
    pub fn writes(&self) -> Writes {
        Writes { front: Arc::clone(&self.inner.front), seen: 0 }
    }

    /// Where the table is kept.
    ///
    /// # Panics
    /// On DynamoDB Local.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.embedded().directory()
    }

    /// Deletes the items whose time to live is over. Answers how many.
    ///
    /// # Errors
    /// The engine's.
    ///
    /// # Panics
    /// On DynamoDB Local.
    pub async fn expire(&self) -> Result<usize, EngineError> {
        self.embedded().expire().await
    }

    fn embedded(&self) -> &Embedded {
        match &self.inner.home {
            Home::Embedded(embedded) => embedded,
            Home::Local(_) => panic!("only the embedded engine does this: the test belongs into a module `embedded`"),
        }
    }
}

/// How a request gets to the table.
#[derive(Clone)]
enum Way {
    Embedded(embedded::Line),
    Local(Arc<Local>),
}

/// Takes the SDK's requests to the table, or loses them.
#[derive(Clone)]
struct Connector {
    way: Way,
    front: Arc<Front>,
    fault: Option<FaultHook>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpClient for Connector {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let fault = self.fault_of(&operation, request.body());
        HttpConnectorFuture::new(self.clone().carry(operation, request, fault))
    }
}

impl Connector {
    fn fault_of(&self, operation: &str, body: &SdkBody) -> Fault {
        let number = self.front.meter.arrived();
        let everywhere = self.front.fault.read().unwrap_or_else(PoisonError::into_inner).clone();
        let info = CallInfo { operation, body: body.bytes().unwrap_or_default(), number };
        let decide = |hook: &FaultHook| hook(&info);
        let own = self.fault.as_ref().map(decide).unwrap_or_default();
        if own == Fault::None { everywhere.as_ref().map(decide).unwrap_or_default() } else { own }
    }

    async fn carry(
        self,
        operation: String,
        request: HttpRequest,
        fault: Fault,
    ) -> Result<HttpResponse, ConnectorError> {
        match fault {
            Fault::Throttle => return respond(fault::throttled()),
            Fault::TransactionConflict => {
                if let Some(answer) = fault::conflict(&operation, request.body().bytes().unwrap_or_default()) {
                    return respond(answer);
                }
            }
            Fault::Unprocessed => {
                if let Some(answer) = fault::unprocessed(&operation, request.body().bytes().unwrap_or_default()) {
                    return respond(answer);
                }
            }
            Fault::DropBeforeSend => return Err(lost("the request was lost")),
            Fault::Delay(wait) => tokio::time::sleep(wait).await,
            Fault::None | Fault::DropAfterCommit => {}
        }
        let response = match &self.way {
            Way::Embedded(line) => line.call(operation, request.into_body()).await?,
            Way::Local(local) => local.call(&operation, request).await?,
        };
        if fault == Fault::DropAfterCommit { Err(lost("the answer was lost")) } else { Ok(response) }
    }
}

fn lost(why: &'static str) -> ConnectorError {
    ConnectorError::io(why.into())
}

fn respond((status, body): (u16, Vec<u8>)) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(status).map_err(|why| ConnectorError::other(why.into(), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    Ok(response)
}
