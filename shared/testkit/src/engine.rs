//! DynamoDB inside this process: `dynoxide` on a SQLite file, behind the real SDK client.
//!
//! What the SDK would send over a socket goes straight to the engine. In between sit the things that a laptop lacks and
//! tests need: a transport that fails on request ([`Fault`]) and a meter of what AWS would bill ([`Meter`]).
//!
//! Durability: a file that is asked for is opened with SQLite's WAL and `synchronous=NORMAL`; it survives a killed process
//! whole, and a power cut up to the last checkpoint. A temporary one has `synchronous=OFF`.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, mpsc},
};

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Region, StalledStreamProtectionConfig},
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
use dynoxide::Database;
use tokio::sync::{oneshot, watch};

mod dispatch;
mod fault;
mod meter;
mod stream;
mod tokens;

pub use fault::{CallInfo, Fault, FaultHook};
pub use meter::{Meter, Tally};
pub use stream::{Record, Stream};

use crate::template;

/// The table's name in this process.
pub const TABLE: &str = "usher";
/// The table's logical id in the template.
const TABLE_RESOURCE: &str = "Table";
/// Threads that run the engine: one is in it, the others read requests and write answers.
const WORKERS: usize = 3;
/// The file of the table in a data directory.
const FILE: &str = "usher.sqlite";

/// How to start an [`Engine`].
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the table is kept; `None` is a temporary directory that goes with the engine.
    pub directory: Option<PathBuf>,
    /// Whether to count capacity units (calls are counted anyway).
    pub metered: bool,
}

/// The engine did not start.
#[derive(Debug)]
pub struct EngineError(String);

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the table cannot be opened: {}", self.0)
    }
}

impl std::error::Error for EngineError {}

/// A running engine with the table `usher` of `template.yaml`. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    stream: Arc<Stream>,
    work: mpsc::Sender<Job>,
    directory: PathBuf,
    /// Removed with the engine.
    _temporary: Option<tempfile::TempDir>,
}

/// What every worker and every connector sees.
struct Shared {
    database: Database,
    tokens: tokens::Tokens,
    meter: Meter,
    metered: bool,
    fault: RwLock<Option<FaultHook>>,
    written: watch::Sender<()>,
}

/// One call on its way to a worker.
struct Job {
    operation: String,
    body: SdkBody,
    answer: oneshot::Sender<(u16, Vec<u8>)>,
}

impl Engine {
    /// Opens the table, and creates it when the directory has none.
    ///
    /// # Errors
    /// The directory cannot be written, or its file is not a table of ours.
    pub async fn start(options: Options) -> Result<Self, EngineError> {
        let open = tokio::task::spawn_blocking(move || Self::open(&options));
        open.await.map_err(|why| EngineError(why.to_string()))?
    }

    /// An engine for one test, metered, gone when dropped.
    ///
    /// # Panics
    /// There is no room for temporary files.
    pub async fn temporary() -> Self {
        Self::start(Options { directory: None, metered: true }).await.expect("temporary files can be written")
    }

    fn open(options: &Options) -> Result<Self, EngineError> {
        let failed = |why: &dyn fmt::Display| EngineError(why.to_string());
        let temporary = match options.directory {
            None => Some(tempfile::Builder::new().prefix("usher-").tempdir().map_err(|why| failed(&why))?),
            Some(_) => None,
        };
        let directory = options.directory.as_deref().or(temporary.as_ref().map(tempfile::TempDir::path));
        let directory = directory.map(Path::to_path_buf).ok_or_else(|| failed(&"no directory"))?;
        std::fs::create_dir_all(&directory).map_err(|why| failed(&why))?;
        let file = directory.join(FILE);
        let path = file.to_str().ok_or_else(|| failed(&"the path is not UTF-8"))?;
        let database = Database::new(path).map_err(|why| failed(&why))?;
        let synchronous =
            if temporary.is_some() { database.enable_bulk_loading() } else { database.disable_bulk_loading() };
        synchronous.map_err(|why| failed(&why))?;
        create_table(&database).map_err(|why| failed(&why))?;
        let stream = Stream::open(&file, TABLE, temporary.is_none()).map_err(|why| failed(&why))?;
        let shared = Arc::new(Shared {
            database,
            tokens: tokens::Tokens::default(),
            meter: Meter::default(),
            metered: options.metered,
            fault: RwLock::default(),
            written: watch::Sender::new(()),
        });
        let work = start_workers(&shared).map_err(|why| failed(&why))?;
        let inner = Inner { shared, stream: Arc::new(stream), work, directory, _temporary: temporary };
        Ok(Self { inner: Arc::new(inner) })
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
        let connector = Connector { work: self.inner.work.clone(), shared: Arc::clone(&self.inner.shared), fault };
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("local"))
            .endpoint_url("http://dynamodb.local")
            .allow_no_auth()
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(connector)
            .build();
        Client::from_conf(config)
    }

    /// Decides about every call of every client from now on; `None` lets them through.
    pub fn set_fault(&self, fault: Option<FaultHook>) {
        *self.inner.shared.fault.write().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// What was called and what it would have cost.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.inner.shared.meter
    }

    /// The table's change stream.
    #[must_use]
    pub fn stream(&self) -> Arc<Stream> {
        Arc::clone(&self.inner.stream)
    }

    /// Tells of every write.
    #[must_use]
    pub fn writes(&self) -> watch::Receiver<()> {
        self.inner.shared.written.subscribe()
    }

    /// Where the table is kept.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.inner.directory
    }

    /// Deletes the items whose time to live is over. Answers how many.
    ///
    /// # Errors
    /// The engine's.
    pub async fn expire(&self) -> Result<usize, EngineError> {
        let shared = Arc::clone(&self.inner.shared);
        let sweep = tokio::task::spawn_blocking(move || shared.database.sweep_ttl());
        let swept = sweep.await.map_err(|why| EngineError(why.to_string()))?;
        swept.map_err(|why| EngineError(why.to_string()))
    }
}

/// The table of the template, when the file has none yet.
fn create_table(database: &Database) -> Result<(), String> {
    let list = |why: dynoxide::DynoxideError| why.to_string();
    let tables = database.list_tables(dynoxide::actions::list_tables::ListTablesRequest::default()).map_err(list)?;
    if tables.table_names.iter().any(|name| name == TABLE) {
        return Ok(());
    }
    let (create, expiry) = template::table(&template::parse(template::TEXT)?, TABLE_RESOURCE, TABLE)?;
    let create = serde_json::from_value(create).map_err(|why| why.to_string())?;
    database.create_table(create).map_err(list)?;
    if let Some(attribute) = expiry {
        let request = serde_json::json!({
            "TableName": TABLE,
            "TimeToLiveSpecification": {"AttributeName": attribute, "Enabled": true},
        });
        let request = serde_json::from_value(request).map_err(|why| why.to_string())?;
        database.update_time_to_live(request).map_err(list)?;
    }
    Ok(())
}

/// The engine's calls block, so they have threads of their own. These end when the last connector is gone.
fn start_workers(shared: &Arc<Shared>) -> Result<mpsc::Sender<Job>, std::io::Error> {
    let (work, jobs) = mpsc::channel::<Job>();
    let jobs = Arc::new(std::sync::Mutex::new(jobs));
    for _ in 0..WORKERS {
        let (jobs, shared) = (Arc::clone(&jobs), Arc::clone(shared));
        let run = move || loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return };
            let answer = dispatch::call(&shared, &job.operation, job.body.bytes().unwrap_or_default());
            // Whoever asked may be gone; the write stays.
            drop(job.answer.send(answer));
        };
        std::thread::Builder::new().name("table".to_owned()).spawn(run)?;
    }
    Ok(work)
}

/// Takes the SDK's requests to the workers.
#[derive(Clone)]
struct Connector {
    work: mpsc::Sender<Job>,
    shared: Arc<Shared>,
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
        let body = request.into_body();
        let fault = self.fault_of(&operation, &body);
        HttpConnectorFuture::new(self.clone().carry(operation, body, fault))
    }
}

impl Connector {
    fn fault_of(&self, operation: &str, body: &SdkBody) -> Fault {
        let number = self.shared.meter.arrived();
        let everywhere = self.shared.fault.read().unwrap_or_else(PoisonError::into_inner).clone();
        let info = CallInfo { operation, body: body.bytes().unwrap_or_default(), number };
        let decide = |hook: &FaultHook| hook(&info);
        let own = self.fault.as_ref().map(decide).unwrap_or_default();
        if own == Fault::None { everywhere.as_ref().map(decide).unwrap_or_default() } else { own }
    }

    async fn carry(self, operation: String, body: SdkBody, fault: Fault) -> Result<HttpResponse, ConnectorError> {
        match fault {
            Fault::Throttle => return respond(fault::throttled()),
            Fault::TransactionConflict => {
                if let Some(answer) = fault::conflict(&operation, body.bytes().unwrap_or_default()) {
                    return respond(answer);
                }
            }
            Fault::DropBeforeSend => return Err(lost("the request was lost")),
            Fault::Delay(wait) => tokio::time::sleep(wait).await,
            Fault::None | Fault::DropAfterCommit => {}
        }
        let (sender, answer) = oneshot::channel();
        let closed = || lost("the engine has stopped");
        self.work.send(Job { operation, body, answer: sender }).map_err(|_| closed())?;
        let answer = answer.await.map_err(|_| closed())?;
        if fault == Fault::DropAfterCommit { Err(lost("the answer was lost")) } else { respond(answer) }
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

#[cfg(test)]
mod tests;
