//! What happened, in order: a hash of all of it, and the lines themselves for whoever wants to read them.

use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

/// Lines so far.
pub(crate) struct Trace {
    inner: Mutex<Inner>,
    keeps: bool,
}

#[derive(Default)]
struct Inner {
    hash: Sha256,
    lines: Vec<String>,
}

impl Trace {
    /// Nothing yet; `keeps` the lines, or only their hash.
    pub(crate) fn new(keeps: bool) -> Self {
        Self { inner: Mutex::default(), keeps }
    }

    /// One more line.
    pub(crate) fn note(&self, line: String) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.hash.update(line.as_bytes());
        inner.hash.update(b"\n");
        if self.keeps {
            inner.lines.push(line);
        }
    }

    /// The hash of every line, and the lines if they were kept.
    pub(crate) fn end(&self) -> (String, Vec<String>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = inner.hash.clone().finalize();
        let hash = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        (hash, std::mem::take(&mut inner.lines))
    }
}
