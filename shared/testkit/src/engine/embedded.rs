//! The engine that is linked in: `dynoxide` on a SQLite file.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, PoisonError, mpsc},
};

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::ConnectorError};
use aws_smithy_types::body::SdkBody;
use dynoxide::Database;
use tokio::sync::oneshot;

use super::{
    EngineError, Front, Options, TABLE, TABLE_RESOURCE, dispatch, lost, respond, stream::Stream, tokens::Tokens,
};
use crate::template;

/// Threads that run the engine: one is in it, the others read requests and write answers.
const WORKERS: usize = 3;
/// The file of the table in a data directory.
const FILE: &str = "usher.sqlite";

pub(super) struct Embedded {
    shared: Arc<Shared>,
    stream: Arc<Stream>,
    line: Line,
    directory: PathBuf,
    /// Removed with the engine.
    _temporary: Option<tempfile::TempDir>,
}

/// What every worker sees.
pub(super) struct Shared {
    pub(super) database: Database,
    pub(super) tokens: Tokens,
    pub(super) metered: bool,
    pub(super) front: Arc<Front>,
}

impl Embedded {
    /// Opens the table, and creates it when the directory has none.
    pub(super) fn open(options: &Options, front: Arc<Front>) -> Result<Self, EngineError> {
        let failed = |why: &dyn std::fmt::Display| EngineError(why.to_string());
        let temporary = match options.directory {
            None => Some(tempfile::Builder::new().prefix("usher-").tempdir().map_err(|why| failed(&why))?),
            Some(_) => None,
        };
        let directory = options.directory.as_deref().or(temporary.as_ref().map(tempfile::TempDir::path));
        let directory = directory.map(Path::to_path_buf).ok_or_else(|| failed(&"no directory"))?;
        std::fs::create_dir_all(&directory).map_err(|why| failed(&why))?;
        let file = directory.join(FILE);
        if !file.exists() {
            std::fs::write(&file, empty()?).map_err(|why| failed(&why))?;
        }
        let database = open(&file)?;
        let synchronous =
            if temporary.is_some() { database.enable_bulk_loading() } else { database.disable_bulk_loading() };
        synchronous.map_err(|why| failed(&why))?;
        let stream = Stream::open(&file, TABLE, temporary.is_none(), options.clock.clone());
        let stream = stream.map_err(|why| failed(&why))?;
        let shared = Arc::new(Shared { database, tokens: Tokens::default(), metered: options.metered, front });
        let line = match options.clock {
            Some(_) => Line::Here(Arc::clone(&shared)),
            None => Line::Workers(start_workers(&shared).map_err(|why| failed(&why))?),
        };
        Ok(Self { shared, stream: Arc::new(stream), line, directory, _temporary: temporary })
    }

    pub(super) fn line(&self) -> Line {
        self.line.clone()
    }

    pub(super) fn stream(&self) -> Arc<Stream> {
        Arc::clone(&self.stream)
    }

    pub(super) const fn is_stepwise(&self) -> bool {
        matches!(self.line, Line::Here(_))
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) async fn expire(&self) -> Result<usize, EngineError> {
        let shared = Arc::clone(&self.shared);
        let sweep = tokio::task::spawn_blocking(move || shared.database.sweep_ttl());
        let swept = sweep.await.map_err(|why| EngineError(why.to_string()))?;
        swept.map_err(|why| EngineError(why.to_string()))
    }
}

fn open(file: &Path) -> Result<Database, EngineError> {
    let path = file.to_str().ok_or_else(|| EngineError("the path is not UTF-8".to_owned()))?;
    Database::new(path).map_err(|why| EngineError(why.to_string()))
}

/// The file of an empty table. It is made once in a process: reading the template takes longer than most tests.
fn empty() -> Result<&'static [u8], EngineError> {
    static EMPTY: OnceLock<Result<Vec<u8>, EngineError>> = OnceLock::new();
    let make = || {
        let failed = |why: &dyn std::fmt::Display| EngineError(why.to_string());
        let directory = tempfile::Builder::new().prefix("usher-").tempdir().map_err(|why| failed(&why))?;
        let file = directory.path().join(FILE);
        // Closed before it is read, so that all of it is in the one file.
        create_table(&open(&file)?).map_err(|why| failed(&why))?;
        std::fs::read(&file).map_err(|why| failed(&why))
    };
    EMPTY.get_or_init(make).as_deref().map_err(Clone::clone)
}

/// The table of the template.
fn create_table(database: &Database) -> Result<(), String> {
    let list = |why: dynoxide::DynoxideError| why.to_string();
    let (create, expiry) = template::table(&template::parse(template::TEXT)?, TABLE_RESOURCE, TABLE)?;
    let create = serde_json::from_value(create).map_err(|why| why.to_string())?;
    database.create_table(create).map_err(list)?;
    if let Some(attribute) = expiry {
        let request = serde_json::from_value(template::expiry(TABLE, &attribute)).map_err(|why| why.to_string())?;
        database.update_time_to_live(request).map_err(list)?;
    }
    Ok(())
}

/// One call on its way to a worker.
pub(super) struct Job {
    operation: String,
    body: SdkBody,
    answer: oneshot::Sender<(u16, Vec<u8>)>,
}

/// The way to the engine.
#[derive(Clone)]
pub(super) enum Line {
    /// Threads carry calls out.
    Workers(mpsc::Sender<Job>),
    /// Whoever calls does.
    Here(Arc<Shared>),
}

impl Line {
    pub(super) async fn call(&self, operation: String, body: SdkBody) -> Result<HttpResponse, ConnectorError> {
        let workers = match self {
            Self::Here(shared) => {
                return respond(dispatch::call(shared, &operation, body.bytes().unwrap_or_default()));
            }
            Self::Workers(workers) => workers,
        };
        let (sender, answer) = oneshot::channel();
        let closed = || lost("the engine has stopped");
        workers.send(Job { operation, body, answer: sender }).map_err(|_| closed())?;
        respond(answer.await.map_err(|_| closed())?)
    }
}

/// The engine's calls block, so they have threads of their own. These end when the last line is gone.
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
