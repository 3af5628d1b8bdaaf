//! Ticket files: private, fetched through a link that ends soon.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::{error::SdkError, presigning::PresigningConfig, primitives::ByteStream};
use domain::ProviderError;

use crate::aws;

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
pub struct S3Files {
    client: aws_sdk_s3::Client,
    bucket: Arc<str>,
}

impl S3Files {
    /// The files of `bucket`.
    pub fn new(config: &SdkConfig, bucket: impl Into<Arc<str>>) -> Self {
        // Buckets of an endpoint of our own (an emulator) have no host names of their own.
        let path_style = config.endpoint_url().is_some();
        let config = aws_sdk_s3::config::Builder::from(config);
        let config = config.force_path_style(path_style).timeout_config(aws::timeouts()).build();
        Self { client: aws_sdk_s3::Client::from_conf(config), bucket: bucket.into() }
    }
}

#[async_trait]
impl Files for S3Files {
    async fn put(&self, key: &str, content_type: &str, bytes: Vec<u8>) -> Result<(), ProviderError> {
        check_key(key)?;
        let request = self.client.put_object().bucket(&*self.bucket).key(key);
        let request = request.content_type(content_type).body(ByteStream::from(bytes));
        request.send().await.map(drop).map_err(|error| aws::trouble("PutObject", &error))
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, ProviderError> {
        check_key(key)?;
        let answer = match self.client.get_object().bucket(&*self.bucket).key(key).send().await {
            Ok(answer) => answer,
            Err(SdkError::ServiceError(failure)) if failure.err().is_no_such_key() => return Ok(None),
            Err(error) => return Err(aws::trouble("GetObject", &error)),
        };
        let mut stream = answer.body;
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| ProviderError::Unavailable {
                detail: "GetObject: the body broke off".to_owned(),
                retry_after_seconds: None,
            })?;
            if bytes.len() + chunk.len() > FILE_BYTES_MAX {
                return Err(ProviderError::Garbled(format!("a file of more than {FILE_BYTES_MAX} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes))
    }

    async fn exists(&self, key: &str) -> Result<bool, ProviderError> {
        check_key(key)?;
        match self.client.head_object().bucket(&*self.bucket).key(key).send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(failure)) if failure.err().is_not_found() => Ok(false),
            Err(error) => Err(aws::trouble("HeadObject", &error)),
        }
    }

    async fn link(&self, key: &str, lifetime: Duration) -> Result<String, ProviderError> {
        check_key(key)?;
        let lifetime = PresigningConfig::expires_in(lifetime.min(LINK_LIFETIME_MAX))
            .map_err(|error| ProviderError::Refused(error.to_string()))?;
        let request = self.client.get_object().bucket(&*self.bucket).key(key).presigned(lifetime).await;
        request.map(|request| request.uri().to_owned()).map_err(|error| aws::trouble("GetObject", &error))
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
        let files = S3Files::new(&config, "tickets");
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
        let files = S3Files::new(&config, "tickets");
        assert_eq!(files.get("a").await, Ok(None));
        let (config, _) = service(404, "").await;
        assert_eq!(S3Files::new(&config, "tickets").exists("a").await, Ok(false));
        let (config, _) = service(404, "<Error><Code>NoSuchBucket</Code></Error>").await;
        let outcome = S3Files::new(&config, "tickets").get("a").await;
        assert!(matches!(outcome, Err(ProviderError::Refused(_))), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_link_is_signed_and_ends() {
        let (config, asked) = service(200, "").await;
        let link = S3Files::new(&config, "tickets").link("a/b.pdf", Duration::from_secs(600)).await.unwrap();
        assert!(link.contains("/tickets/a/b.pdf?"), "{link}");
        assert!(link.contains("X-Amz-Expires=600") && link.contains("X-Amz-Signature="), "{link}");
        assert!(asked.lock().unwrap().is_empty(), "signing asks nobody");
    }
}
