//! Files that somebody outside puts into a bucket themselves: what is too large for a call of the API.
//!
//! An offer says where a file of so many bytes may be put, once, and until when. Whoever has it needs nothing else: it is
//! signed. A file that was put never changes, and is gone some time after [`KEPT`].

use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use domain::{
    ProviderError, Timestamp,
    time::{Clock as _, SignedDuration, millis, shift},
};
use reqwest::{Method, header::CONTENT_LENGTH};

use crate::{bucket::Bucket, clock::SystemClock};

/// The largest file, in bytes.
pub const UPLOAD_BYTES_MAX: u32 = 32 * 1024 * 1024;
/// How long a file is kept at least. The bucket's own rule forgets by whole days, so it may be there for some longer.
pub const KEPT: Duration = Duration::from_hours(24);
/// The longest time that an offer stands. Those of AWS end with the credentials that signed them, if that is sooner.
pub const OFFER_LIFETIME_MAX: Duration = Duration::from_hours(1);
/// The method that an offer is taken up with.
pub const METHOD: &str = "PUT";

/// What is sent with the file, as it is here. The signature covers it, and the file's length. The last one says that nothing
/// may be there yet: of two who put something there the second is refused, and what was read once is what is read ever after.
pub const HEADERS: [(&str, &str); 2] = [("content-type", "application/json"), ("if-none-match", "*")];

/// Where a file may be put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// With [`METHOD`] and [`HEADERS`]; a secret as long as it stands.
    pub url: String,
    /// Until then.
    pub expires_at: Timestamp,
}

/// Takes files of JSON from outside, under keys as those of [`crate::files::Files`].
#[async_trait]
pub trait Uploads: Send + Sync {
    /// Where anybody may put a file of exactly so many bytes under `key`, once, for `lifetime`, at most
    /// [`OFFER_LIFETIME_MAX`]. Nothing is stored for it.
    async fn offer(&self, key: &str, bytes: u32, lifetime: Duration) -> Result<Offer, ProviderError>;

    /// The file that was put under `key`; `None` when there is none, or none any more. `Garbled` when it is larger than
    /// [`UPLOAD_BYTES_MAX`].
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, ProviderError>;
}

/// Files in an S3 bucket, put there through presigned requests.
#[derive(Clone)]
pub struct S3Uploads(Bucket);

impl S3Uploads {
    /// The files of `bucket`. `Refused` when `config` lacks a region or credentials; nothing is sent yet.
    pub fn new(config: &SdkConfig, bucket: &str) -> Result<Self, ProviderError> {
        Bucket::new(config, bucket, "uploads").map(Self)
    }
}

#[async_trait]
impl Uploads for S3Uploads {
    async fn offer(&self, key: &str, bytes: u32, lifetime: Duration) -> Result<Offer, ProviderError> {
        let (length, lifetime) = (bytes.to_string(), lifetime.min(OFFER_LIFETIME_MAX));
        let mut headers = vec![(CONTENT_LENGTH.as_str(), &*length)];
        headers.extend(HEADERS);
        // Before it is signed, in whole seconds: never later than S3 counts.
        let expires_at = expiry(SystemClock.now(), lifetime);
        let url = self.0.link(Method::PUT, key, headers, lifetime).await?;
        Ok(Offer { url, expires_at })
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, ProviderError> {
        self.0.get(key, usize::try_from(UPLOAD_BYTES_MAX).unwrap_or(usize::MAX)).await
    }
}

/// When something of this lifetime ends that begins now, in whole seconds.
pub(crate) fn expiry(now: Timestamp, lifetime: Duration) -> Timestamp {
    let into_second = SignedDuration::from_millis(millis(now).rem_euclid(1_000));
    shift(shift(now, -into_second), SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fmt::Write as _};

    use hmac::{Hmac, KeyInit, Mac};
    use reqwest::Url;
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::aws::tests::service;

    /// What S3 knows of a request besides its address.
    struct Asked<'a> {
        method: &'a str,
        headers: &'a [(&'a str, &'a str)],
        secret: &'a str,
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    fn hmac(key: &[u8], text: &str) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    fn escaped(text: &str) -> String {
        let byte = |byte: u8| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        text.bytes().map(byte).collect()
    }

    /// Whether S3 takes the request, as its documentation of presigned requests says: signature version 4 over method, path,
    /// query and the signed headers as they came.
    fn is_taken(url: &str, asked: &Asked<'_>) -> bool {
        let url = Url::parse(url).unwrap();
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let pairs = query.iter().filter(|(name, _)| *name != "X-Amz-Signature");
        let pairs: Vec<String> = pairs.map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        let host = format!("{}{port}", url.host_str().unwrap());
        let mut headers = String::new();
        for name in query["X-Amz-SignedHeaders"].split(';') {
            let sent = asked.headers.iter().find(|(sent, _)| *sent == name).map(|(_, value)| *value);
            let value = if name == "host" { &host } else { sent.unwrap_or_default() };
            let _ = writeln!(headers, "{name}:{value}");
        }
        let (method, path, pairs) = (asked.method, url.path(), pairs.join("&"));
        let signed = &query["X-Amz-SignedHeaders"];
        let request = format!("{method}\n{path}\n{pairs}\n{headers}\n{signed}\nUNSIGNED-PAYLOAD");
        let scope = query["X-Amz-Credential"].split_once('/').unwrap().1;
        let digest = hex(&Sha256::digest(request.as_bytes()));
        let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{digest}", query["X-Amz-Date"]);
        let key = scope.split('/').fold(format!("AWS4{}", asked.secret).into_bytes(), |key, part| hmac(&key, part));
        hex(&hmac(&key, &to_sign)) == query["X-Amz-Signature"]
    }

    /// The example of AWS's documentation, "Authenticating Requests: Using Query Parameters".
    #[test]
    fn the_test_judges_as_s3_does() {
        let url = "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
                   &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
                   &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
                   &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        assert!(is_taken(url, &Asked { method: "GET", headers: &[], secret }));
        assert!(!is_taken(url, &Asked { method: "PUT", headers: &[], secret }));
    }

    #[tokio::test]
    async fn an_offer_is_for_one_length_of_one_kind_and_never_for_the_second_who_comes() {
        let (config, asked) = service(200, "").await;
        let before = SystemClock.now();
        let uploads = S3Uploads::new(&config, "plans").unwrap();
        let offer = uploads.offer("olga/1.json", 1_234, Duration::from_secs(900)).await.unwrap();
        assert!(asked.lock().unwrap().is_empty(), "signing asks nobody");
        assert!(offer.url.contains("/plans/olga/1.json?") && offer.url.contains("X-Amz-Expires=900"), "{}", offer.url);
        let lives = offer.expires_at.duration_since(before);
        assert!((899..=905).contains(&lives.as_secs()) && millis(offer.expires_at) % 1_000 == 0, "{lives:?}");
        let right = [HEADERS[0], HEADERS[1], ("content-length", "1234")];
        let put = |headers: &[(&str, &str)]| is_taken(&offer.url, &Asked { method: METHOD, headers, secret: "test" });
        assert!(put(&right));
        assert!(!put(&[right[0], right[1], ("content-length", "1235")]), "another length");
        assert!(!put(&[right[0], right[2]]), "in the place of what is there");
        assert!(!put(&[("content-type", "text/html"), right[1], right[2]]), "another kind");
        let get = Asked { method: "GET", headers: &right, secret: "test" };
        assert!(!is_taken(&offer.url, &get), "to read it");
        let elsewhere = offer.url.replace("olga", "rita");
        assert!(!is_taken(&elsewhere, &Asked { method: METHOD, headers: &right, secret: "test" }), "somewhere else");
        let longer = offer.url.replace("X-Amz-Expires=900", "X-Amz-Expires=9000");
        assert!(!is_taken(&longer, &Asked { method: METHOD, headers: &right, secret: "test" }), "for longer");
    }

    #[tokio::test]
    async fn no_offer_stands_for_long_or_leaves_its_bucket() {
        let (config, _) = service(200, "").await;
        let uploads = S3Uploads::new(&config, "plans").unwrap();
        let offer = uploads.offer("a", 1, Duration::from_hours(48)).await.unwrap();
        assert!(offer.url.contains("X-Amz-Expires=3600"), "{}", offer.url);
        assert!(uploads.offer("../a", 1, Duration::from_secs(1)).await.is_err());
    }

    #[tokio::test]
    async fn what_was_put_is_read_and_what_was_not_is_none() {
        let (config, asked) = service(200, "{}").await;
        assert_eq!(S3Uploads::new(&config, "plans").unwrap().get("a/b.json").await, Ok(Some(b"{}".to_vec())));
        assert_eq!(asked.lock().unwrap()[0].path, "/plans/a/b.json");
        let (config, _) = service(404, "<Error><Code>NoSuchKey</Code></Error>").await;
        assert_eq!(S3Uploads::new(&config, "plans").unwrap().get("a").await, Ok(None));
        // Without the right to list the bucket S3 would say so of every key: that is ours to mend, and no answer.
        let (config, _) = service(403, "<Error><Code>AccessDenied</Code></Error>").await;
        let outcome = S3Uploads::new(&config, "plans").unwrap().get("a").await;
        assert!(matches!(outcome, Err(ProviderError::Unavailable { .. })), "{outcome:?}");
    }
}
