//! Files in a directory, with links that are signed and end.

use std::{
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    ProviderError, Timestamp,
    time::{Clock, millis},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::unavailable;
use crate::files::{FILE_BYTES_MAX, Files, LINK_LIFETIME_MAX, check_key};

/// Files under a directory; links under a base URL that the embedded platform serves.
pub struct LocalFiles {
    directory: Arc<Path>,
    base_url: String,
    clock: Arc<dyn Clock>,
    /// Made anew by each process: a link does not outlive it.
    secret: [u8; 32],
    writes: AtomicU64,
}

impl LocalFiles {
    /// Files in `directory`, which is made when it is missing; links start with `base_url`.
    pub fn new(
        directory: impl Into<PathBuf>,
        base_url: impl Into<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ProviderError> {
        let directory: PathBuf = directory.into();
        std::fs::create_dir_all(&directory).map_err(|error| unavailable(error.to_string()))?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| unavailable(error.to_string()))?;
        let base_url = base_url.into().trim_end_matches('/').to_owned();
        Ok(Self { directory: directory.into(), base_url, clock, secret, writes: AtomicU64::new(0) })
    }

    /// Where the file of `key` is on this machine, whether or not it exists.
    pub fn path(&self, key: &str) -> Result<PathBuf, ProviderError> {
        check_key(key)?;
        Ok(self.directory.join(key))
    }

    /// Whether a link's `expires` and `signature` parameters open the file of `key` now.
    #[must_use]
    pub fn verify_link(&self, key: &str, expires: &str, signature: &str) -> bool {
        let Ok(expires_seconds) = expires.parse::<i64>() else { return false };
        let genuine = self.signature(key, expires_seconds).as_bytes().ct_eq(signature.as_bytes());
        bool::from(genuine) && seconds(self.clock.now()) < expires_seconds
    }

    /// The content type to serve the file of `key` with, by its extension.
    #[must_use]
    pub fn content_type(key: &str) -> &'static str {
        match key.rsplit_once('.').map(|(_, extension)| extension) {
            Some("pdf") => "application/pdf",
            Some("svg") => "image/svg+xml",
            Some("json") => "application/json",
            Some("txt") => "text/plain; charset=utf-8",
            _ => "application/octet-stream",
        }
    }

    fn signature(&self, key: &str, expires_seconds: i64) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes a key of any length");
        mac.update(expires_seconds.to_string().as_bytes());
        mac.update(b"\n");
        mac.update(key.as_bytes());
        let digest = mac.finalize().into_bytes();
        digest.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

fn seconds(at: Timestamp) -> i64 {
    millis(at).div_euclid(1000)
}

/// Runs file work where blocking is allowed.
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

#[async_trait]
impl Files for LocalFiles {
    async fn put(&self, key: &str, _content_type: &str, bytes: Vec<u8>) -> Result<(), ProviderError> {
        let path = self.path(key)?;
        let draft = self.directory.join(format!(".draft-{}", self.writes.fetch_add(1, Ordering::Relaxed)));
        let written = blocking(move || {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            // Whole or not at all, also when the process dies in between.
            std::fs::write(&draft, bytes)?;
            std::fs::rename(draft, path)
        });
        written.await?.ok_or_else(|| unavailable("the directory of the files is gone"))
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, ProviderError> {
        let path = self.path(key)?;
        let bytes = blocking(move || std::fs::read(path)).await?;
        if bytes.as_ref().is_some_and(|bytes| bytes.len() > FILE_BYTES_MAX) {
            return Err(ProviderError::Garbled(format!("a file of more than {FILE_BYTES_MAX} bytes")));
        }
        Ok(bytes)
    }

    async fn exists(&self, key: &str) -> Result<bool, ProviderError> {
        let path = self.path(key)?;
        Ok(blocking(move || std::fs::metadata(path)).await?.is_some_and(|meta| meta.is_file()))
    }

    async fn link(&self, key: &str, lifetime: Duration) -> Result<String, ProviderError> {
        check_key(key)?;
        let lifetime_seconds = i64::try_from(lifetime.min(LINK_LIFETIME_MAX).as_secs()).unwrap_or(i64::MAX);
        let expires = seconds(self.clock.now()) + lifetime_seconds;
        Ok(format!("{}/{key}?expires={expires}&signature={}", self.base_url, self.signature(key, expires)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::tests::HandClock;

    fn files() -> (LocalFiles, Arc<HandClock>, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(HandClock::new());
        let files = LocalFiles::new(directory.path().join("files"), "http://127.0.0.1:3000/files/", clock.clone());
        (files.unwrap(), clock, directory)
    }

    #[tokio::test]
    async fn a_file_is_written_whole_replaced_and_read() {
        let (files, _, _directory) = files();
        assert_eq!(files.get("tickets/a.pdf").await, Ok(None));
        assert_eq!(files.exists("tickets/a.pdf").await, Ok(false));
        files.put("tickets/a.pdf", "application/pdf", b"one".to_vec()).await.unwrap();
        files.put("tickets/a.pdf", "application/pdf", b"two".to_vec()).await.unwrap();
        assert_eq!(files.get("tickets/a.pdf").await, Ok(Some(b"two".to_vec())));
        assert_eq!(files.exists("tickets/a.pdf").await, Ok(true));
        assert_eq!(files.exists("tickets").await, Ok(false));
        let left = std::fs::read_dir(&*files.directory).unwrap().count();
        assert_eq!(left, 1, "no drafts are left behind");
    }

    #[tokio::test]
    async fn no_key_leaves_the_directory() {
        let (files, _, directory) = files();
        std::fs::write(directory.path().join("secret"), "x").unwrap();
        for key in ["../secret", "/etc/passwd", "a/../../secret", "", "."] {
            assert!(files.get(key).await.is_err(), "{key}");
            assert!(files.put(key, "text/plain", Vec::new()).await.is_err(), "{key}");
            assert!(files.link(key, Duration::from_secs(60)).await.is_err(), "{key}");
        }
    }

    #[tokio::test]
    async fn a_link_opens_its_file_until_it_ends() {
        let (files, clock, _directory) = files();
        let link = files.link("a/b.pdf", Duration::from_secs(60)).await.unwrap();
        let (path, query) = link.split_once('?').unwrap();
        assert_eq!(path, "http://127.0.0.1:3000/files/a/b.pdf");
        let (expires, signature) = query.strip_prefix("expires=").unwrap().split_once("&signature=").unwrap();
        assert!(files.verify_link("a/b.pdf", expires, signature));
        assert!(!files.verify_link("a/c.pdf", expires, signature));
        assert!(!files.verify_link("a/b.pdf", &format!("{expires}0"), signature));
        assert!(!files.verify_link("a/b.pdf", "soon", signature));
        assert!(!files.verify_link("a/b.pdf", expires, &signature[1..]));
        clock.advance_millis(59_999);
        assert!(files.verify_link("a/b.pdf", expires, signature));
        clock.advance_millis(1);
        assert!(!files.verify_link("a/b.pdf", expires, signature));
    }

    #[tokio::test]
    async fn another_process_has_other_links() {
        let (files, _, _directory) = files();
        let (other, _, _other_directory) = self::files();
        let link = files.link("a", Duration::from_secs(60)).await.unwrap();
        assert_ne!(link, other.link("a", Duration::from_secs(60)).await.unwrap());
    }
}
