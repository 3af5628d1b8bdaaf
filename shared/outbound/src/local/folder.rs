//! A directory of files that an address leads to which is signed and ends.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use domain::{ProviderError, time::Clock};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::unavailable;
use crate::files::check_key;

/// What the names of files begin with that are being written.
pub(super) const DRAFT: &str = ".draft-";

/// Files under a directory, and addresses of theirs under a base URL that the embedded platform serves.
pub(super) struct Folder {
    pub(super) directory: Arc<Path>,
    pub(super) base_url: String,
    pub(super) clock: Arc<dyn Clock>,
    /// Made anew by each process: an address does not outlive it.
    secret: [u8; 32],
    writes: AtomicU64,
}

impl Folder {
    /// Files in `directory`, which is made when it is missing; addresses start with `base_url`.
    pub(super) fn new(
        directory: impl Into<PathBuf>,
        base_url: impl Into<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ProviderError> {
        let directory: PathBuf = directory.into();
        fs::create_dir_all(&directory).map_err(|error| unavailable(error.to_string()))?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| unavailable(error.to_string()))?;
        let base_url = base_url.into().trim_end_matches('/').to_owned();
        Ok(Self { directory: directory.into(), base_url, clock, secret, writes: AtomicU64::new(0) })
    }

    /// Where the file of `key` is, whether or not it exists.
    pub(super) fn path(&self, key: &str) -> Result<PathBuf, ProviderError> {
        check_key(key)?;
        Ok(self.directory.join(key))
    }

    /// A new place for a file that is being written.
    pub(super) fn draft(&self) -> PathBuf {
        self.directory.join(format!("{DRAFT}{}", self.writes.fetch_add(1, Ordering::Relaxed)))
    }

    /// The signature of what an address says.
    pub(super) fn signature(&self, said: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes a key of any length");
        mac.update(said.as_bytes());
        let digest = mac.finalize().into_bytes();
        digest.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// Whether this process signed what an address says.
    pub(super) fn is_genuine(&self, said: &str, signature: &str) -> bool {
        self.signature(said).as_bytes().ct_eq(signature.as_bytes()).into()
    }
}

/// Runs file work where blocking is allowed. `None` when the file is not there.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<Option<T>, ProviderError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(Some(done)),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Ok(Err(error)) => Err(unavailable(error.to_string())),
        Err(error) => Err(unavailable(error.to_string())),
    }
}
