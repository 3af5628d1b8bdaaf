//! Ticket files: private, fetched through a link that ends soon.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignatureLocation, SigningSettings,
    UriPathNormalizationMode,
};
use domain::ProviderError;
use reqwest::{Method, StatusCode, Url, header::CONTENT_TYPE};

use crate::{
    aws,
    http::{body, lost},
    signed::{self, Signer, Unsigned, unsigned},
};

/// Tries of one request while S3 is out of order.
const TRIES_MAX: u32 = 3;

/// The pause after the first try; it grows by itself with each.
const PAUSE: Duration = Duration::from_millis(100);

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

/// Files in an S3 bucket: four plain requests, signed by AWS's own signer. The whole client of S3 would be a tenth of
/// each function that links it.
#[derive(Clone)]
pub struct S3Files {
    client: reqwest::Client,
    signer: Signer,
    /// The bucket's address, without a slash at its end.
    bucket_url: String,
}

impl S3Files {
    /// The files of `bucket`. `Refused` when `config` lacks a region or credentials; nothing is sent yet.
    pub fn new(config: &SdkConfig, bucket: &str) -> Result<Self, ProviderError> {
        let signer = Signer::new(config, "s3", "ticket files")?;
        // Buckets of an endpoint of our own (an emulator) have no host names of their own.
        let bucket_url = match config.endpoint_url() {
            Some(endpoint) => format!("{}/{bucket}", endpoint.trim_end_matches('/')),
            None => format!("https://{bucket}.s3.{}.amazonaws.com", signer.region()),
        };
        Ok(Self { client: signed::client(&bucket_url, "ticket files")?, signer, bucket_url })
    }

    /// Sends the request, again while S3 is out of order: each of them may be repeated.
    async fn call(&self, name: &str, request: &Unsigned<'_>) -> Result<Answer, ProviderError> {
        let mut tries = 1;
        loop {
            match self.call_once(name, request).await {
                Err(ProviderError::Unavailable { .. }) if tries < TRIES_MAX => {
                    tokio::time::sleep(PAUSE * tries).await;
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn call_once(&self, name: &str, request: &Unsigned<'_>) -> Result<Answer, ProviderError> {
        let mut settings = settings();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let signature = self.signer.sign(request, settings).await.map_err(|error| unsigned(name, &error))?;
        let mut sent = self.client.request(request.method.clone(), &request.url);
        sent = request.content_type.into_iter().fold(sent, |sent, value| sent.header(CONTENT_TYPE, value));
        sent = signature.headers().fold(sent, |sent, (header, value)| sent.header(header, value));
        if let SignableBody::Bytes(bytes) = request.body {
            sent = sent.body(bytes.to_vec());
        }
        let response = sent.send().await.map_err(|error| lost(&error))?;
        let status = response.status();
        let body = body(response, FILE_BYTES_MAX).await?;
        if status.is_success() || status == StatusCode::NOT_FOUND {
            return Ok(Answer { status, body });
        }
        Err(aws::judge(name, code(&body), Some(status.as_u16())))
    }

    fn request<'a>(&self, method: Method, key: &str) -> Result<Unsigned<'a>, ProviderError> {
        check_key(key)?;
        let url = format!("{}/{key}", self.bucket_url);
        Ok(Unsigned { method, url, content_type: None, body: SignableBody::Bytes(&[]) })
    }
}

/// What S3 said: a success, or that something is not there.
struct Answer {
    status: StatusCode,
    body: Vec<u8>,
}

/// How requests to S3 are signed: paths as they are.
fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings
}

/// S3's word for what is wrong.
fn code(body: &[u8]) -> &str {
    let text = str::from_utf8(body).unwrap_or_default();
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    code.map_or("unknown", |(code, _)| code)
}

#[async_trait]
impl Files for S3Files {
    async fn put(&self, key: &str, content_type: &str, bytes: Vec<u8>) -> Result<(), ProviderError> {
        let request = self.request(Method::PUT, key)?;
        let request = Unsigned { content_type: Some(content_type), body: SignableBody::Bytes(&bytes), ..request };
        let answer = self.call("PutObject", &request).await?;
        if answer.status.is_success() { Ok(()) } else { Err(answer.absent("PutObject")) }
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, ProviderError> {
        let answer = self.call("GetObject", &self.request(Method::GET, key)?).await?;
        match code(&answer.body) {
            _ if answer.status.is_success() => Ok(Some(answer.body)),
            "NoSuchKey" => Ok(None),
            _ => Err(answer.absent("GetObject")),
        }
    }

    async fn exists(&self, key: &str) -> Result<bool, ProviderError> {
        // Answers to HEAD have no body: a bucket that is not there looks like a file that is not there.
        Ok(self.call("HeadObject", &self.request(Method::HEAD, key)?).await?.status.is_success())
    }

    async fn link(&self, key: &str, lifetime: Duration) -> Result<String, ProviderError> {
        let request = Unsigned { body: SignableBody::UnsignedPayload, ..self.request(Method::GET, key)? };
        let mut settings = settings();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(lifetime.min(LINK_LIFETIME_MAX));
        let signature = self.signer.sign(&request, settings).await.map_err(|error| unsigned("a link", &error))?;
        let mut link = Url::parse(&request.url).map_err(|error| ProviderError::Refused(error.to_string()))?;
        link.query_pairs_mut().extend_pairs(signature.params());
        Ok(link.into())
    }
}

impl Answer {
    /// That what the request needs is not there.
    fn absent(&self, name: &str) -> ProviderError {
        aws::judge(name, code(&self.body), Some(self.status.as_u16()))
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
