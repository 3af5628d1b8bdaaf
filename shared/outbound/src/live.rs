//! The live map: what has to be told goes through a queue, and from there to each open connection.

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use aws_sigv4::http_request::{SignableBody, SigningSettings};
use domain::{
    ProviderError, Timestamp,
    ids::{ConnectionId, SectionId, ShowId},
    live::Topic,
    time::Clock,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, StatusCode, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize};

use crate::{
    aws,
    http::{body, lost},
    signed::{self, Signer, Unsigned, unsigned},
};

/// Tellings in one call, at most (SQS's limit).
pub const TELLINGS_PER_CALL_MAX: usize = 10;
/// The largest answer of the gateway that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Sees to it that a topic's watchers are told.
#[async_trait]
pub trait Tellings: Send + Sync {
    /// Sends up to [`TELLINGS_PER_CALL_MAX`] tellings. Answers the indexes of those that were not taken. One may come
    /// early by a second and has to wait; it may come twice, and then tells the same twice.
    async fn send(&self, tellings: &[Telling]) -> Result<Vec<usize>, ProviderError>;
}

/// The body of a telling's message: `{"showId":"shw_…","sectionId":"A","tellAt":"…","changedAt":"…"}`; without a section
/// it is about the show's counts. It says what to tell, not the news: those are read when they are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Telling {
    show_id: ShowId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    section_id: Option<SectionId>,
    /// Not before this.
    pub tell_at: Timestamp,
    /// When the oldest change was made that waits for it.
    pub changed_at: Timestamp,
}

impl Telling {
    /// Of `topic`, at `tell_at`.
    #[must_use]
    pub fn new(topic: &Topic, tell_at: Timestamp, changed_at: Timestamp) -> Self {
        Self { show_id: topic.show(), section_id: topic.section().cloned(), tell_at, changed_at }
    }

    /// What is told.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match &self.section_id {
            Some(section) => Topic::Section(self.show_id, section.clone()),
            None => Topic::Counts(self.show_id),
        }
    }
}

/// What became of a message to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It is on its way.
    Sent,
    /// There is no such connection any more.
    Gone,
}

/// Reaches open connections.
#[async_trait]
pub trait Connections: Send + Sync {
    /// Sends a text message.
    async fn post(&self, connection: &ConnectionId, message: &str) -> Result<Posted, ProviderError>;

    /// Ends a connection; one that is gone is as good as ended.
    async fn close(&self, connection: &ConnectionId) -> Result<(), ProviderError>;
}

/// Tellings as messages of an SQS queue. Its delays are whole seconds: the rest of a wait is the receiver's.
#[derive(Clone)]
pub struct SqsTellings {
    client: aws_sdk_sqs::Client,
    queue_url: Arc<str>,
    clock: Arc<dyn Clock>,
}

impl SqsTellings {
    /// Tellings on the queue at `queue_url`.
    pub fn new(config: &SdkConfig, queue_url: impl Into<Arc<str>>, clock: Arc<dyn Clock>) -> Self {
        let config = aws_sdk_sqs::config::Builder::from(config).timeout_config(aws::timeouts()).build();
        Self { client: aws_sdk_sqs::Client::from_conf(config), queue_url: queue_url.into(), clock }
    }
}

/// Whole seconds from `now` to `at`, rounded down: too early can be mended.
fn delay_seconds(now: Timestamp, at: Timestamp) -> i32 {
    i32::try_from(at.duration_since(now).as_secs().clamp(0, 900)).unwrap_or_default()
}

#[async_trait]
impl Tellings for SqsTellings {
    async fn send(&self, tellings: &[Telling]) -> Result<Vec<usize>, ProviderError> {
        check_count(tellings)?;
        let now = self.clock.now();
        let entry = |(index, telling): (usize, &Telling)| {
            let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(text(telling));
            entry.delay_seconds(delay_seconds(now, telling.tell_at)).build()
        };
        let entries = tellings.iter().enumerate().map(entry).collect::<Result<_, _>>();
        let entries = entries.map_err(|why| ProviderError::Refused(format!("SendMessageBatch: {why}")))?;
        let request = self.client.send_message_batch().queue_url(&*self.queue_url).set_entries(Some(entries));
        let answer = request.send().await.map_err(|error| aws::trouble("SendMessageBatch", &error))?;
        Ok(answer.failed().iter().filter_map(|entry| entry.id().parse().ok()).collect())
    }
}

/// Refuses what no queue takes in one call.
pub(crate) fn check_count(tellings: &[Telling]) -> Result<(), ProviderError> {
    if (1..=TELLINGS_PER_CALL_MAX).contains(&tellings.len()) {
        return Ok(());
    }
    let count = tellings.len();
    Err(ProviderError::Refused(format!("{count} tellings in one call; 1 to {TELLINGS_PER_CALL_MAX} are taken")))
}

/// The message's text.
pub(crate) fn text(telling: &Telling) -> String {
    serde_json::to_string(telling).expect("ids and instants always have JSON text")
}

/// Connections of an API Gateway WebSocket API: two plain requests, signed by AWS's own signer.
#[derive(Clone)]
pub struct GatewayConnections {
    client: reqwest::Client,
    signer: Signer,
    /// The stage's address, without a slash at its end.
    stage_url: Arc<str>,
}

impl GatewayConnections {
    /// The connections of the stage at `stage_url`. `Refused` when `config` lacks a region or credentials.
    pub fn new(config: &SdkConfig, stage_url: &str) -> Result<Self, ProviderError> {
        let signer = Signer::new(config, "execute-api", "connections")?;
        let stage_url = stage_url.trim_end_matches('/');
        Ok(Self { client: signed::client(stage_url, "connections")?, signer, stage_url: stage_url.into() })
    }

    /// The status of the answer; nobody but the caller knows what it means.
    async fn call(
        &self,
        name: &str,
        method: Method,
        connection: &ConnectionId,
        message: &str,
    ) -> Result<Posted, ProviderError> {
        let url = format!("{}/@connections/{}", self.stage_url, utf8_percent_encode(connection.as_str(), ESCAPED));
        let headers = if message.is_empty() { Vec::new() } else { vec![(CONTENT_TYPE.as_str(), "application/json")] };
        let request = Unsigned { method, url, headers, body: SignableBody::Bytes(message.as_bytes()) };
        let signature = self.signer.sign(&request, SigningSettings::default()).await;
        let signature = signature.map_err(|error| unsigned(name, &error))?;
        let mut sent = self.client.request(request.method.clone(), &request.url).body(message.to_owned());
        sent = request.headers.iter().fold(sent, |sent, &(name, value)| sent.header(name, value));
        sent = signature.headers().fold(sent, |sent, (header, value)| sent.header(header, value));
        let response = sent.send().await.map_err(|error| lost(&error))?;
        let status = response.status();
        let body = body(response, ANSWER_BYTES_MAX).await?;
        match status {
            StatusCode::GONE => Ok(Posted::Gone),
            _ if status.is_success() => Ok(Posted::Sent),
            _ => Err(aws::judge(name, &String::from_utf8_lossy(&body), Some(status.as_u16()))),
        }
    }
}

/// What is escaped in a connection's name: all but what no URL gives a meaning.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

#[async_trait]
impl Connections for GatewayConnections {
    async fn post(&self, connection: &ConnectionId, message: &str) -> Result<Posted, ProviderError> {
        self.call("PostToConnection", Method::POST, connection, message).await
    }

    async fn close(&self, connection: &ConnectionId) -> Result<(), ProviderError> {
        self.call("DeleteConnection", Method::DELETE, connection, "").await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use domain::time::from_millis;

    use super::*;
    use crate::{aws::tests::service, clock::SystemClock};

    fn show() -> ShowId {
        "shw_00000000000070008000000000000001".parse().unwrap()
    }

    fn connection() -> ConnectionId {
        "L0SM9cOFvHcCIhw=".parse().unwrap()
    }

    fn at(millis: i64) -> Timestamp {
        from_millis(1_800_000_000_000 + millis).unwrap()
    }

    #[test]
    fn a_telling_reads_back() {
        let section = Topic::Section(show(), "A".parse().unwrap());
        let telling = Telling::new(&section, at(500), at(0));
        let expected = format!(
            r#"{{"showId":"{}","sectionId":"A","tellAt":"2027-01-15T08:00:00.5Z","changedAt":"2027-01-15T08:00:00Z"}}"#,
            show()
        );
        assert_eq!(text(&telling), expected);
        for topic in [section, Topic::Counts(show())] {
            let telling = Telling::new(&topic, at(500), at(0));
            let read: Telling = serde_json::from_str(&text(&telling)).unwrap();
            assert_eq!((read.topic(), &read), (topic, &telling));
        }
    }

    #[test]
    fn a_message_is_rather_early_than_late() {
        for (millis, seconds) in [(-5_000, 0), (0, 0), (999, 0), (1_000, 1), (1_999, 1)] {
            assert_eq!(delay_seconds(at(0), at(millis)), seconds, "{millis} ms");
        }
    }

    #[tokio::test]
    async fn tellings_go_out_in_one_call_and_those_not_taken_are_named() {
        let answer = r#"{"Successful":[{"Id":"0","MessageId":"1","MD5OfMessageBody":""}],"Failed":[{"Id":"1","Code":"InternalError","SenderFault":false}]}"#;
        let (config, asked) = service(200, answer).await;
        let tellings = SqsTellings::new(&config, "http://queue/tellings", Arc::new(SystemClock));
        let counts = Telling::new(&Topic::Counts(show()), at(0), at(0));
        let outcome = tellings.send(&[counts.clone(), counts.clone()]).await;
        let asked = asked.lock().unwrap()[0].clone();
        assert_eq!(asked.target, "AmazonSQS.SendMessageBatch");
        let sent: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
        assert_eq!(sent["QueueUrl"], "http://queue/tellings");
        let body = sent["Entries"][1]["MessageBody"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Telling>(body).unwrap(), counts);
        assert_eq!(outcome, Ok(vec![1]));
        assert!(tellings.send(&[]).await.is_err());
        assert!(tellings.send(&vec![counts; TELLINGS_PER_CALL_MAX + 1]).await.is_err());
    }

    #[tokio::test]
    async fn a_message_is_posted_to_its_connection() {
        let (config, asked) = service(200, "").await;
        let stage = format!("{}/live/", config.endpoint_url().unwrap());
        let connections = GatewayConnections::new(&config, &stage).unwrap();
        assert_eq!(connections.post(&connection(), r#"{"type":"pong"}"#).await, Ok(Posted::Sent));
        connections.close(&connection()).await.unwrap();
        let asked = asked.lock().unwrap().clone();
        let calls: Vec<(&str, &str)> = asked.iter().map(|a| (a.method.as_str(), a.path.as_str())).collect();
        let path = "/live/@connections/L0SM9cOFvHcCIhw%3D";
        assert_eq!(calls, [("POST", path), ("DELETE", path)]);
        assert_eq!(asked[0].body, br#"{"type":"pong"}"#);
    }

    #[tokio::test]
    async fn a_connection_that_is_gone_is_told_from_trouble() {
        let (config, _) = service(410, r#"{"message":"GoneException"}"#).await;
        let connections = GatewayConnections::new(&config, config.endpoint_url().unwrap()).unwrap();
        assert_eq!(connections.post(&connection(), "x").await, Ok(Posted::Gone));
        assert_eq!(connections.close(&connection()).await, Ok(()));
        let (config, _) = service(429, r#"{"message":"LimitExceededException"}"#).await;
        let connections = GatewayConnections::new(&config, config.endpoint_url().unwrap()).unwrap();
        let outcome = connections.post(&connection(), "x").await;
        assert!(matches!(outcome, Err(ProviderError::Unavailable { .. })), "{outcome:?}");
    }
}
