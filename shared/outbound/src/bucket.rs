//! An S3 bucket: a few plain requests, signed by AWS's own signer. The whole client of S3 would be a tenth of each function
//! that links it.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignatureLocation, SigningSettings,
    UriPathNormalizationMode,
};
use domain::ProviderError;
use reqwest::{Method, StatusCode, Url, header::CONTENT_TYPE};

use crate::{
    aws,
    files::check_key,
    http::{body, lost},
    signed::{self, Signer, Unsigned, unsigned},
};

/// Tries of one request while S3 is out of order.
const TRIES_MAX: u32 = 3;

/// The pause after the first try; it grows by itself with each.
const PAUSE: Duration = Duration::from_millis(100);

/// How much is read of an answer that is not a file, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A bucket, and who asks.
#[derive(Clone)]
pub(crate) struct Bucket {
    client: reqwest::Client,
    signer: Signer,
    /// The bucket's address, without a slash at its end.
    url: String,
}

impl Bucket {
    /// The bucket of this name, which is for `what`. `Refused` when `config` lacks a region or credentials; nothing is sent
    /// yet.
    pub(crate) fn new(config: &SdkConfig, name: &str, what: &str) -> Result<Self, ProviderError> {
        let signer = Signer::new(config, "s3", what)?;
        // Buckets of an endpoint of our own (an emulator) have no host names of their own.
        let url = match config.endpoint_url() {
            Some(endpoint) => format!("{}/{name}", endpoint.trim_end_matches('/')),
            None => format!("https://{name}.s3.{}.amazonaws.com", signer.region()),
        };
        Ok(Self { client: signed::client(&url, what)?, signer, url })
    }

    /// Writes the whole file; the same key again replaces it.
    pub(crate) async fn put(&self, key: &str, content_type: &str, bytes: &[u8]) -> Result<(), ProviderError> {
        let request = self.request(Method::PUT, key)?;
        let headers = vec![(CONTENT_TYPE.as_str(), content_type)];
        let request = Unsigned { headers, body: SignableBody::Bytes(bytes), ..request };
        let answer = self.call("PutObject", &request, ANSWER_BYTES_MAX).await?;
        if answer.status.is_success() { Ok(()) } else { Err(answer.absent("PutObject")) }
    }

    /// Reads the whole file; `None` when there is none. `Garbled` when it is larger than `bytes_max`: no more of it is read.
    pub(crate) async fn get(&self, key: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, ProviderError> {
        let answer = self.call("GetObject", &self.request(Method::GET, key)?, bytes_max).await?;
        match code(&answer.body) {
            _ if answer.status.is_success() => Ok(Some(answer.body)),
            "NoSuchKey" => Ok(None),
            _ => Err(answer.absent("GetObject")),
        }
    }

    /// Whether the file is there.
    pub(crate) async fn exists(&self, key: &str) -> Result<bool, ProviderError> {
        // Answers to HEAD have no body: a bucket that is not there looks like a file that is not there.
        let request = self.request(Method::HEAD, key)?;
        Ok(self.call("HeadObject", &request, ANSWER_BYTES_MAX).await?.status.is_success())
    }

    /// Where anybody may send this request within `lifetime`, with exactly these headers. Links end with the credentials
    /// that signed them, if that is sooner.
    pub(crate) async fn link(
        &self,
        method: Method,
        key: &str,
        headers: Vec<(&str, &str)>,
        lifetime: Duration,
    ) -> Result<String, ProviderError> {
        let request = Unsigned { headers, body: SignableBody::UnsignedPayload, ..self.request(method, key)? };
        let mut settings = settings();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(lifetime);
        let signature = self.signer.sign(&request, settings).await.map_err(|error| unsigned("a link", &error))?;
        let mut link = Url::parse(&request.url).map_err(|error| ProviderError::Refused(error.to_string()))?;
        link.query_pairs_mut().extend_pairs(signature.params());
        Ok(link.into())
    }

    /// Sends the request, again while S3 is out of order: each of them may be repeated.
    async fn call(&self, name: &str, request: &Unsigned<'_>, bytes_max: usize) -> Result<Answer, ProviderError> {
        let mut tries = 1;
        loop {
            match self.call_once(name, request, bytes_max).await {
                Err(ProviderError::Unavailable { .. }) if tries < TRIES_MAX => {
                    tokio::time::sleep(PAUSE * tries).await;
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn call_once(&self, name: &str, request: &Unsigned<'_>, bytes_max: usize) -> Result<Answer, ProviderError> {
        let mut settings = settings();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let signature = self.signer.sign(request, settings).await.map_err(|error| unsigned(name, &error))?;
        let mut sent = self.client.request(request.method.clone(), &request.url);
        sent = request.headers.iter().fold(sent, |sent, &(header, value)| sent.header(header, value));
        sent = signature.headers().fold(sent, |sent, (header, value)| sent.header(header, value));
        if let SignableBody::Bytes(bytes) = request.body {
            sent = sent.body(bytes.to_vec());
        }
        let response = sent.send().await.map_err(|error| lost(&error))?;
        let status = response.status();
        let body = body(response, bytes_max).await?;
        if status.is_success() || status == StatusCode::NOT_FOUND {
            return Ok(Answer { status, body });
        }
        Err(aws::judge(name, code(&body), Some(status.as_u16())))
    }

    fn request<'a>(&self, method: Method, key: &str) -> Result<Unsigned<'a>, ProviderError> {
        check_key(key)?;
        let url = format!("{}/{key}", self.url);
        Ok(Unsigned { method, url, headers: Vec::new(), body: SignableBody::Bytes(&[]) })
    }
}

/// What S3 said: a success, or that something is not there.
struct Answer {
    status: StatusCode,
    body: Vec<u8>,
}

impl Answer {
    /// That what the request needs is not there.
    fn absent(&self, name: &str) -> ProviderError {
        aws::judge(name, code(&self.body), Some(self.status.as_u16()))
    }
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
