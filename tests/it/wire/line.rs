//! A line to a provider, on which calls are lost, unanswered, or answered by somebody else.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// The largest request or answer that is carried.
const BYTES_MAX: usize = 1 << 20;
/// How long a silent line is held open: longer than any caller waits.
const SILENCE: Duration = Duration::from_secs(5);

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// It goes through.
    None,
    /// The connection ends before the provider hears of it.
    Lost,
    /// The provider does it, and the connection ends.
    AnswerLost,
    /// The provider does it, and nobody answers.
    Unanswered,
    /// 500, and nothing was done.
    Failed,
    /// The provider does it, and something in between says 502.
    FailedAfter,
    /// 409: a call under the same key is at work.
    Busy,
    /// 429, come back in a second.
    Limited,
    /// A cancellation is answered as if it had happened.
    Pretended,
}

/// All that can happen to any call.
pub const LIES: [Lie; 7] =
    [Lie::Lost, Lie::AnswerLost, Lie::Unanswered, Lie::Failed, Lie::FailedAfter, Lie::Busy, Lie::Limited];

/// Decides about each call, by its first line (`POST /v1/refunds HTTP/1.1`) and its number, from 0 on.
pub type Hook = Arc<dyn Fn(&str, u64) -> Lie + Send + Sync>;

/// A listener in front of a provider. Its tasks end with the test's runtime.
#[derive(Clone)]
pub struct Line {
    address: SocketAddr,
    hook: Arc<Mutex<Option<Hook>>>,
    calls: Arc<AtomicU64>,
}

impl Line {
    /// A line to `provider` that is true, for now.
    pub async fn to(provider: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = Self { address: listener.local_addr().unwrap(), hook: Arc::default(), calls: Arc::default() };
        let ours = line.clone();
        tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                let line = ours.clone();
                // A line that breaks is what this is about.
                tokio::spawn(async move { drop(line.carry(caller, provider).await) });
            }
        });
        line
    }

    /// Where to call instead of the provider.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Decides about every call from now on; `None` lets them through.
    pub fn set(&self, hook: Option<Hook>) {
        *self.hook.lock().unwrap() = hook;
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    async fn carry(&self, mut caller: TcpStream, provider: SocketAddr) -> io::Result<()> {
        let request = read_message(&mut caller).await?;
        let first = request.lines().next().unwrap_or_default().to_owned();
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let hook = self.hook.lock().unwrap().clone();
        let failure = |status, code: &str| {
            Some(answer(status, &json!({"error": {"type": "api_error", "code": code, "message": "a lie"}})))
        };
        let reply = match hook.map_or(Lie::None, |hook| hook(&first, number)) {
            Lie::None => Some(ask(provider, &request).await?),
            Lie::Lost => None,
            Lie::AnswerLost => {
                ask(provider, &request).await?;
                None
            }
            Lie::Unanswered => {
                ask(provider, &request).await?;
                tokio::time::sleep(SILENCE).await;
                None
            }
            Lie::Failed => failure("500 Internal Server Error", "api_error"),
            Lie::FailedAfter => {
                ask(provider, &request).await?;
                Some(raw("502 Bad Gateway", "<html>bad gateway</html>"))
            }
            Lie::Busy => failure("409 Conflict", "idempotency_key_in_use"),
            Lie::Limited => failure("429 Too Many Requests\r\nretry-after: 1", "rate_limit"),
            Lie::Pretended => Some(pretend(provider, &request).await?),
        };
        if let Some(reply) = reply {
            caller.write_all(reply.as_bytes()).await?;
        }
        caller.shutdown().await
    }
}

/// What the provider says to one request, on a connection of its own.
async fn ask(provider: SocketAddr, request: &str) -> io::Result<String> {
    let (first, rest) = request.split_once("\r\n").unwrap_or((request, ""));
    let mut connection = TcpStream::connect(provider).await?;
    connection.write_all(format!("{first}\r\nconnection: close\r\n{rest}").as_bytes()).await?;
    let mut answer = Vec::new();
    connection.take(BYTES_MAX as u64).read_to_end(&mut answer).await?;
    String::from_utf8(answer).map_err(io::Error::other)
}

/// The intent as the provider has it, but for its status: the provider never heard of the cancellation.
async fn pretend(provider: SocketAddr, cancellation: &str) -> io::Result<String> {
    let (head, _) = cancellation.split_once("\r\n\r\n").unwrap_or((cancellation, ""));
    let head = head.replacen("POST ", "GET ", 1).replacen("/cancel ", " ", 1);
    let lines = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("content-"));
    let question = lines.collect::<Vec<_>>().join("\r\n") + "\r\n\r\n";
    let told = ask(provider, &question).await?;
    let (_, body) = told.split_once("\r\n\r\n").unwrap_or_default();
    let mut intent: Value = serde_json::from_str(body).map_err(io::Error::other)?;
    intent["status"] = json!("canceled");
    Ok(answer("200 OK", &intent))
}

fn answer(status: &str, body: &Value) -> String {
    raw(status, &body.to_string())
}

fn raw(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// One request, head and body.
async fn read_message(from: &mut TcpStream) -> io::Result<String> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if bytes.len() >= end + 4 + length.unwrap_or(0_usize) {
                return String::from_utf8(bytes).map_err(io::Error::other);
            }
        }
        if from.read_buf(&mut bytes).await? == 0 || bytes.len() > BYTES_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
