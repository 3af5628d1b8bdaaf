//! Ticket files: private, fetched through a link that ends soon.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use domain::ProviderError;
use reqwest::Method;

use crate::bucket::Bucket;

/// The longest life of a link. The links of AWS end with the credentials that signed them, often sooner than a day.
pub const LINK_LIFETIME_MAX: Duration = Duration::from_hours(6);

/// The largest file that is read whole.
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The longest key.
pub const KEY_CHARS_MAX: usize = 512;

/// Stores files under keys: `/`-separated parts of ASCII letters, digits, `-`, `_`, `.`, none of them `.` or `..`.
#[async_trait]
pub trait Files: Send + Sync {
    /// Writes the whole file; the same key again replaces it.
    async fn put(&self, key: &str, content_type: &str, bytes: Vec<u8>) -> Result<(), ProviderError>;

    /// Reads the whole file; `None` when there is none.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, ProviderError>;

    /// Whether the file is there.
    async fn exists(&self, key: &str) -> Result<bool, ProviderError>;

    /// A link that anybody may read the file through for `lifetime`, at most [`LINK_LIFETIME_MAX`].
    async fn link(&self, key: &str, lifetime: Duration) -> Result<String, ProviderError>;
}

/// Refuses a key that is not of the documented form.
pub(crate) fn check_key(key: &str) -> Result<(), ProviderError> {
    let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let part_ok = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(safe);
    if key.len() <= KEY_CHARS_MAX && key.split('/').all(part_ok) {
        return Ok(());
    }
    Err(ProviderError::Refused("a file key is made of letters, digits, '-', '_', '.' and '/'".to_owned()))
}

/// Files in an S3 bucket.
#[derive(Clone)]
pub struct S3Files(Bucket);

impl S3Files {
    /// The files of `bucket`. `Refused` when `config` lacks a region or credentials; nothing is sent yet.
    pub fn new(config: &SdkConfig, bucket: &str) -> Result<Self, ProviderError> {
        Bucket::new(config, bucket, "ticket files").map(Self)
    }
}

#[async_trait]
impl Files for S3Files {
    async fn put(&self, key: &str, content_type: &str, bytes: Vec<u8>) -> Result<(), ProviderError> {
        self.0.put(key, content_type, &bytes).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, ProviderError> {
        self.0.get(key, FILE_BYTES_MAX).await
    }

    async fn exists(&self, key: &str) -> Result<bool, ProviderError> {
        self.0.exists(key).await
    }

    async fn link(&self, key: &str, lifetime: Duration) -> Result<String, ProviderError> {
        self.0.link(Method::GET, key, Vec::new(), lifetime.min(LINK_LIFETIME_MAX)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::tests::service;

    #[test]
    fn keys_cannot_leave_their_place() {
        for key in ["a", "tickets/bkg_1/v1.pdf", "..a", "a..b/c"] {
            assert!(check_key(key).is_ok(), "{key}");
        }
        let long = "a".repeat(KEY_CHARS_MAX + 1);
        for key in ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\\b", "a b", "ä", "a\0", "a%2f", &long]
        {
            assert!(check_key(key).is_err(), "{key}");
        }
    }

    #[tokio::test]
    async fn a_file_is_put_read_and_looked_for() {
        let (config, asked) = service(200, "%PDF").await;
        let files = S3Files::new(&config, "tickets").unwrap();
        files.put("a/b.pdf", "application/pdf", b"%PDF".to_vec()).await.unwrap();
        assert_eq!(files.get("a/b.pdf").await, Ok(Some(b"%PDF".to_vec())));
        assert_eq!(files.exists("a/b.pdf").await, Ok(true));
        let asked = asked.lock().unwrap().clone();
        let calls: Vec<(&str, &str)> =
            asked.iter().map(|a| (a.method.as_str(), a.path.split('?').next().unwrap())).collect();
        assert_eq!(calls, [("PUT", "/tickets/a/b.pdf"), ("GET", "/tickets/a/b.pdf"), ("HEAD", "/tickets/a/b.pdf")]);
        assert_eq!(asked[0].content_type, "application/pdf");
    }

    #[tokio::test]
    async fn a_missing_file_is_no_error_but_a_missing_bucket_is() {
        let (config, _) = service(404, "<Error><Code>NoSuchKey</Code></Error>").await;
        let files = S3Files::new(&config, "tickets").unwrap();
        assert_eq!(files.get("a").await, Ok(None));
        let (config, _) = service(404, "").await;
        assert_eq!(S3Files::new(&config, "tickets").unwrap().exists("a").await, Ok(false));
        let (config, _) = service(404, "<Error><Code>NoSuchBucket</Code></Error>").await;
        let outcome = S3Files::new(&config, "tickets").unwrap().get("a").await;
        assert!(matches!(outcome, Err(ProviderError::Refused(_))), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_link_is_signed_and_ends() {
        let (config, asked) = service(200, "").await;
        let link = S3Files::new(&config, "tickets").unwrap().link("a/b.pdf", Duration::from_secs(600)).await.unwrap();
        assert!(link.contains("/tickets/a/b.pdf?"), "{link}");
        assert!(link.contains("X-Amz-Expires=600") && link.contains("X-Amz-Signature="), "{link}");
        assert!(asked.lock().unwrap().is_empty(), "signing asks nobody");
    }
}
