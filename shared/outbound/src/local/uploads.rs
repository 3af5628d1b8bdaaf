//! Uploads into a directory, through addresses that are signed and end.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use domain::{
    ProviderError, Timestamp,
    time::{Clock, millis},
};

use super::{
    folder::{DRAFT, Folder, blocking},
    unavailable,
};
use crate::{
    files::check_key,
    uploads::{KEPT, OFFER_LIFETIME_MAX, Offer, UPLOAD_BYTES_MAX, Uploads, expiry},
};

/// Files under a directory, put there through a base URL that the embedded platform serves.
pub struct LocalUploads(Folder);

impl LocalUploads {
    /// Files in `directory`, which is made when it is missing; offers start with `base_url`.
    pub fn new(
        directory: impl Into<PathBuf>,
        base_url: impl Into<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ProviderError> {
        Folder::new(directory, base_url, clock).map(Self)
    }

    /// How many bytes an offer's `bytes`, `expires` and `signature` parameters let anybody put under `key` now; `None` when
    /// they let nobody.
    #[must_use]
    pub fn allowed(&self, key: &str, bytes: &str, expires: &str, signature: &str) -> Option<u32> {
        let (bytes, expires): (u32, i64) = (bytes.parse().ok()?, expires.parse().ok()?);
        let genuine = self.0.is_genuine(&said(key, bytes, expires), signature);
        (genuine && millis(self.0.clock.now()) < expires.saturating_mul(1_000)).then_some(bytes)
    }

    /// Keeps a file whose offer was looked at. Whether it was the first of its key: another one changes nothing.
    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<bool, ProviderError> {
        let (path, directory, now) = (self.0.path(key)?, Arc::clone(&self.0.directory), self.0.clock.now());
        let draft = self.0.draft();
        let written = blocking(move || {
            forget(&directory, now)?;
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&draft, bytes)?;
            // Its age is by the platform's clock.
            fs::File::options().append(true).open(&draft)?.set_modified(SystemTime::from(now))?;
            // Whole or not at all, and never in the place of another.
            let first = match fs::hard_link(&draft, path) {
                Ok(()) => true,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
                Err(error) => return Err(error),
            };
            fs::remove_file(draft)?;
            Ok(first)
        });
        written.await?.ok_or_else(|| unavailable("the directory of the uploads is gone"))
    }
}

/// What an offer says.
fn said(key: &str, bytes: u32, expires: i64) -> String {
    format!("{bytes}\n{expires}\n{key}")
}

/// Whether a file of this age is gone.
fn is_over(metadata: &fs::Metadata, now: Timestamp) -> io::Result<bool> {
    let age = SystemTime::from(now).duration_since(metadata.modified()?);
    Ok(age.unwrap_or_default() >= KEPT)
}

/// Deletes what is over, as a bucket's rule would. Others may do so at the same time, and write.
fn forget(directory: &Path, now: Timestamp) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(DRAFT) {
            continue;
        }
        match forget_one(&entry.path(), now) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => outcome?,
        }
    }
    Ok(())
}

fn forget_one(path: &Path, now: Timestamp) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return forget(path, now);
    }
    if is_over(&metadata, now)? { fs::remove_file(path) } else { Ok(()) }
}

#[async_trait]
impl Uploads for LocalUploads {
    async fn offer(&self, key: &str, bytes: u32, lifetime: Duration) -> Result<Offer, ProviderError> {
        check_key(key)?;
        let expires_at = expiry(self.0.clock.now(), lifetime.min(OFFER_LIFETIME_MAX));
        let expires = expires_at.as_second();
        let signature = self.0.signature(&said(key, bytes, expires));
        let url = format!("{}/{key}?bytes={bytes}&expires={expires}&signature={signature}", self.0.base_url);
        Ok(Offer { url, expires_at })
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, ProviderError> {
        let (path, now) = (self.0.path(key)?, self.0.clock.now());
        let read = blocking(move || {
            let metadata = fs::metadata(&path)?;
            if is_over(&metadata, now)? {
                return Ok(None);
            }
            if metadata.len() > u64::from(UPLOAD_BYTES_MAX) {
                return Ok(Some(Err(ProviderError::Garbled(format!(
                    "an upload of more than {UPLOAD_BYTES_MAX} bytes"
                )))));
            }
            fs::read(path).map(|bytes| Some(Ok(bytes)))
        });
        read.await?.flatten().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::tests::HandClock;

    const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;

    fn uploads() -> (LocalUploads, Arc<HandClock>, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(HandClock::new());
        let uploads = LocalUploads::new(directory.path().join("uploads"), "http://127.0.0.1:3000/up/", clock.clone());
        (uploads.unwrap(), clock, directory)
    }

    /// `bytes`, `expires` and `signature` of an offer.
    fn parts(offer: &Offer) -> [String; 3] {
        let query = offer.url.split_once('?').unwrap().1;
        let values: Vec<String> = query.split('&').map(|pair| pair.split_once('=').unwrap().1.to_owned()).collect();
        values.try_into().unwrap()
    }

    #[tokio::test]
    async fn an_offer_is_for_its_key_and_its_length_until_it_ends() {
        let (uploads, clock, _directory) = uploads();
        let offer = uploads.offer("olga/1.json", 7, Duration::from_secs(60)).await.unwrap();
        assert!(offer.url.starts_with("http://127.0.0.1:3000/up/olga/1.json?bytes=7&"), "{}", offer.url);
        let [bytes, expires, signature] = parts(&offer);
        assert_eq!(offer.expires_at.as_second().to_string(), expires);
        assert_eq!(uploads.allowed("olga/1.json", &bytes, &expires, &signature), Some(7));
        let others = [
            ("rita/1.json", &*bytes, &*expires, &*signature),
            ("olga/1.json", "8", &expires, &signature),
            ("olga/1.json", &bytes, "9999999999", &signature),
            ("olga/1.json", &bytes, &expires, &signature[1..]),
            ("olga/1.json", "", "", ""),
        ];
        for (key, bytes, expires, signature) in others {
            assert_eq!(uploads.allowed(key, bytes, expires, signature), None, "{key} {bytes} {expires}");
        }
        clock.advance_millis(59_999);
        assert_eq!(uploads.allowed("olga/1.json", &bytes, &expires, &signature), Some(7));
        clock.advance_millis(1);
        assert_eq!(uploads.allowed("olga/1.json", &bytes, &expires, &signature), None);
    }

    #[tokio::test]
    async fn the_first_file_of_a_key_stays_and_is_gone_after_a_day() {
        let (uploads, clock, _directory) = uploads();
        assert_eq!(uploads.get("olga/1.json").await, Ok(None));
        assert_eq!(uploads.put("olga/1.json", b"one".to_vec()).await, Ok(true));
        assert_eq!(uploads.put("olga/1.json", b"two".to_vec()).await, Ok(false));
        assert_eq!(uploads.get("olga/1.json").await, Ok(Some(b"one".to_vec())));
        assert_eq!(fs::read_dir(&uploads.0.directory).unwrap().count(), 1, "no drafts are left behind");
        clock.advance_millis(DAY_MILLIS - 1);
        assert_eq!(uploads.get("olga/1.json").await, Ok(Some(b"one".to_vec())));
        clock.advance_millis(1);
        assert_eq!(uploads.get("olga/1.json").await, Ok(None));
        assert_eq!(uploads.put("rita/1.json", b"one".to_vec()).await, Ok(true));
        assert!(!uploads.0.directory.join("olga/1.json").exists(), "whoever comes next takes it away");
    }

    #[tokio::test]
    async fn of_many_who_put_at_once_one_is_first() {
        let (uploads, _, _directory) = uploads();
        let uploads = Arc::new(uploads);
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..8_u8 {
            let uploads = Arc::clone(&uploads);
            tasks.spawn(async move { (number, uploads.put("a/b", vec![number]).await.unwrap()) });
        }
        let outcomes = tasks.join_all().await;
        let first: Vec<u8> = outcomes.into_iter().filter_map(|(number, first)| first.then_some(number)).collect();
        assert_eq!(first.len(), 1);
        assert_eq!(uploads.get("a/b").await, Ok(Some(first)));
    }

    #[tokio::test]
    async fn no_key_leaves_the_directory_and_no_large_file_is_read() {
        let (uploads, _, _directory) = uploads();
        for key in ["../secret", "/etc/passwd", "a/../../secret", "", "."] {
            assert!(uploads.get(key).await.is_err(), "{key}");
            assert!(uploads.put(key, Vec::new()).await.is_err(), "{key}");
            assert!(uploads.offer(key, 1, Duration::from_secs(60)).await.is_err(), "{key}");
        }
        uploads.put("large", Vec::new()).await.unwrap();
        let large = fs::File::options().append(true).open(uploads.0.directory.join("large")).unwrap();
        large.set_len(u64::from(UPLOAD_BYTES_MAX) + 1).unwrap();
        large.set_modified(SystemTime::from(uploads.0.clock.now())).unwrap();
        assert!(matches!(uploads.get("large").await, Err(ProviderError::Garbled(_))));
    }
}
