//! Files in a directory, with links that are signed and end.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{
    ProviderError, Timestamp,
    time::{Clock, millis},
};

use super::{
    folder::{Folder, blocking},
    unavailable,
};
use crate::files::{FILE_BYTES_MAX, Files, LINK_LIFETIME_MAX, check_key};

/// Files under a directory; links under a base URL that the embedded platform serves.
pub struct LocalFiles(Folder);

impl LocalFiles {
    /// Files in `directory`, which is made when it is missing; links start with `base_url`.
    pub fn new(
        directory: impl Into<PathBuf>,
        base_url: impl Into<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ProviderError> {
        Folder::new(directory, base_url, clock).map(Self)
    }

    /// Where the file of `key` is on this machine, whether or not it exists.
    pub fn path(&self, key: &str) -> Result<PathBuf, ProviderError> {
        self.0.path(key)
    }

    /// Whether a link's `expires` and `signature` parameters open the file of `key` now.
    #[must_use]
    pub fn verify_link(&self, key: &str, expires: &str, signature: &str) -> bool {
        let Ok(expires_seconds) = expires.parse::<i64>() else { return false };
        self.0.is_genuine(&said(key, expires_seconds), signature) && seconds(self.0.clock.now()) < expires_seconds
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
}

/// What a link says.
fn said(key: &str, expires_seconds: i64) -> String {
    format!("{expires_seconds}\n{key}")
}

fn seconds(at: Timestamp) -> i64 {
    millis(at).div_euclid(1000)
}

#[async_trait]
impl Files for LocalFiles {
    async fn put(&self, key: &str, _content_type: &str, bytes: Vec<u8>) -> Result<(), ProviderError> {
        let path = self.path(key)?;
        let draft = self.0.draft();
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
        let expires = seconds(self.0.clock.now()) + lifetime_seconds;
        let signature = self.0.signature(&said(key, expires));
        Ok(format!("{}/{key}?expires={expires}&signature={signature}", self.0.base_url))
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
        let left = std::fs::read_dir(&*files.0.directory).unwrap().count();
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
