//! The cache between people and platform: what thousands look at is asked for once a second, as behind a CDN.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::site::Site;

/// How long an answer is fresh: `max-age` of what changes.
const FRESH: Duration = Duration::from_secs(1);

/// Copies of public answers.
#[derive(Default)]
pub(crate) struct Copies {
    by_path: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Held>>>>,
    reads: AtomicU64,
    origin: AtomicU64,
    unchanged: AtomicU64,
}

#[derive(Default)]
struct Held {
    asked: Option<Instant>,
    etag: Option<String>,
    body: Arc<Value>,
}

/// What the cache was good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// What people read.
    pub read: u64,
    /// Of these, what the platform was asked for.
    pub origin: u64,
    /// Of these, what had not changed.
    pub unchanged: u64,
}

impl Copies {
    /// The answer at `path`, at most a second old. While one asks, the others wait for what it brings.
    ///
    /// # Errors
    /// There is none and the platform does not answer.
    pub(crate) async fn get(&self, site: &Site, path: &str) -> Result<Arc<Value>, String> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let copy =
            self.by_path.lock().unwrap_or_else(PoisonError::into_inner).entry(path.to_owned()).or_default().clone();
        let mut held = copy.lock().await;
        if held.asked.is_some_and(|asked| asked.elapsed() < FRESH) {
            return Ok(Arc::clone(&held.body));
        }
        self.origin.fetch_add(1, Ordering::Relaxed);
        let answer = site.revalidate(path, held.etag.as_deref()).await?;
        match answer.status {
            200 => (held.body, held.etag) = (Arc::new(answer.body), answer.etag),
            304 => drop(self.unchanged.fetch_add(1, Ordering::Relaxed)),
            status => return Err(format!("{path}: {status}: {}", answer.body)),
        }
        held.asked = Some(Instant::now());
        Ok(Arc::clone(&held.body))
    }

    /// Counts looks that people took at something that was not asked for again.
    pub(crate) fn looked(&self, times: u64) {
        self.reads.fetch_add(times, Ordering::Relaxed);
    }

    /// Counts a question that this cache did not ask itself.
    pub(crate) fn asked(&self, unchanged: bool) {
        self.origin.fetch_add(1, Ordering::Relaxed);
        self.unchanged.fetch_add(u64::from(unchanged), Ordering::Relaxed);
    }

    /// What it was good for.
    pub(crate) fn reads(&self) -> Reads {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Reads { read: of(&self.reads), origin: of(&self.origin), unchanged: of(&self.unchanged) }
    }
}
