//! What it takes to start a function, beside the smallest one: CPU time until it asks for its first event.
//!
//! A small server stands for Lambda's runtime API, and for the one service that functions ask while they start, the
//! keeper of secrets; over plain HTTP, so TLS's handshake is not in it. Root certificates are read from one file, as
//! Lambda's system has them: Debian's folder of hundreds of links doubles a function's time and would hide ours.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::Duration,
};

use serde_json::json;

use super::{Budget, Row};
use crate::{
    package::{self, Arch},
    run::root,
    tools,
};

/// How much more than a hello-world a function may take.
const RATIO_MAX: f64 = 6.0;
/// Starts of each; the median counts.
const RUNS: usize = 15;
/// From the start to the first question.
const STARTED_WITHIN: Duration = Duration::from_secs(20);
/// The smallest function, an example of `edge`.
const HELLO: &str = "hello";
/// What is deployed; the same for both.
const PROFILE: &str = "release";
/// The largest request that is read, in bytes.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// Where systems keep their root certificates as one file.
const ROOTS: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// Settings of every function. Those from `secret:` on are read while it starts.
const SETTINGS: [(&str, &str); 19] = [
    ("AWS_REGION", "eu-central-1"),
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("TABLE_NAME", "usher"),
    ("TIMER_QUEUE_URL", "http://127.0.0.1/timers"),
    ("TICK_QUEUE_URL", "http://127.0.0.1/ticks"),
    ("TELLING_QUEUE_URL", "http://127.0.0.1/tellings"),
    ("LIVE_ENDPOINT", "http://127.0.0.1/live"),
    ("EVENT_BUS_NAME", "usher"),
    ("TICKET_BUCKET", "usher"),
    ("PLAN_UPLOAD_BUCKET", "usher"),
    ("MAIL_FROM", "tickets@usher.example"),
    ("PUBLIC_BASE_URL", "https://usher.example"),
    ("PAYMENT_BASE_URL", "https://api.stripe.com"),
    ("PAYMENT_SECRET_KEY", "secret:payment#PAYMENT_SECRET_KEY"),
    ("PAYMENT_WEBHOOK_SECRET", "secret:payment#PAYMENT_WEBHOOK_SECRET"),
    ("TICKET_SIGNING_KEY", "secret:ticket#TICKET_SIGNING_KEY"),
];

/// Builds the functions and the smallest one alike, and starts each many times in turn.
pub(super) fn rows() -> Result<Vec<Row>, String> {
    let folder = tools::target().join("budgets-run/lambda");
    package::build(&folder, Arch::host(), PROFILE)?;
    let names = package::names(&folder)?;
    let hello = tools::target().join("budgets-run/hello");
    package::build_example(HELLO, &hello, Arch::host(), PROFILE)?;
    let lambda = Lambda::start().map_err(|why| format!("the runtime API: {why}"))?;
    let mut taken: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for _ in 0..RUNS {
        taken.entry(HELLO).or_default().push(lambda.start_up(&hello.join(HELLO).join("bootstrap"))?);
        for name in &names {
            taken.entry(name).or_default().push(lambda.start_up(&folder.join(name).join("bootstrap"))?);
        }
    }
    let medians: BTreeMap<&str, Duration> = taken.into_iter().map(|(name, times)| (name, median(times))).collect();
    let hello = medians[HELLO];
    println!("\nCPU time from the start to the first question, medians of {RUNS}");
    for (name, taken) in &medians {
        println!("{name:<14} {:>8.1?}  {:>5.2}", taken, taken.div_duration_f64(hello));
    }
    let dearest = names.iter().max_by_key(|name| medians[name.as_str()]).ok_or("no function was built")?;
    let ratio = medians[dearest.as_str()].div_duration_f64(hello);
    Ok(vec![Row::new(
        format!("start-up CPU against a hello-world Lambda, the dearest: {dearest}"),
        Budget::AtMost(RATIO_MAX),
        ratio,
    )])
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// A running function, stopped when dropped.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What functions are told to ask.
struct Lambda {
    address: String,
    questions: Receiver<Question>,
}

/// What a function asked.
#[derive(Debug, PartialEq)]
enum Question {
    /// The first event: it has started.
    Next,
    /// Nothing: it could not start, and says why.
    Failed(String),
}

impl Lambda {
    fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let (ask, questions) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let ask = ask.clone();
                // A function that is killed breaks its connection: nothing to tell.
                thread::spawn(move || answer(&stream, &ask));
            }
        });
        Ok(Self { address, questions })
    }

    /// Starts a function and answers the CPU time it had taken when it asked for its first event.
    fn start_up(&self, program: &Path) -> Result<Duration, String> {
        let told = |why: &dyn std::fmt::Display| format!("{}: {why}", program.display());
        let mut command = Command::new(program);
        command.env_clear().envs(SETTINGS).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("AWS_LAMBDA_RUNTIME_API", &self.address).env("AWS_LAMBDA_FUNCTION_NAME", "budgets");
        command.env("AWS_ENDPOINT_URL_SECRETS_MANAGER", format!("http://{}", self.address));
        command.env("BOOKING_ID_KEY", "secret:booking#BOOKING_ID_KEY");
        command.env("ADMISSION_KEY", "secret:admission#ADMISSION_KEY");
        command.envs(ROOTS.iter().find(|file| Path::new(file).exists()).map(|file| ("SSL_CERT_FILE", file)));
        command.env("FONTS_DIR", root().join("functions/ticket/fonts"));
        let started = Started(command.spawn().map_err(|why| told(&why))?);
        match self.questions.recv_timeout(STARTED_WITHIN) {
            Ok(Question::Next) => cpu_time(started.0.id()).map_err(|why| told(&why)),
            Ok(Question::Failed(why)) => Err(told(&why)),
            Err(_) => Err(told(&format!("no question within {} s", STARTED_WITHIN.as_secs()))),
        }
    }
}

/// The time on a CPU of all threads of a process.
fn cpu_time(process: u32) -> io::Result<Duration> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let first = text.split(' ').next().and_then(|number| number.parse::<u64>().ok());
        nanos += first.ok_or_else(|| io::Error::other(format!("not a schedstat: {text}")))?;
    }
    Ok(Duration::from_nanos(nanos))
}

/// Answers the requests of one connection.
fn answer(stream: &TcpStream, ask: &Sender<Question>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some((line, body)) = request(&mut reader)? {
        let path = line.split(' ').nth(1).unwrap_or_default();
        let told = if path.ends_with("/runtime/invocation/next") {
            ask.send(Question::Next)
        } else if path == "/" {
            write(stream, &secret(&body))?;
            continue;
        } else {
            ask.send(Question::Failed(format!("{line}: {}", String::from_utf8_lossy(&body))))
        };
        // Whoever asked for an event waits for it until it is killed.
        if told.is_err() {
            break;
        }
    }
    Ok(())
}

/// The first line and the body of a request; nothing where there is none any more.
fn request(reader: &mut impl io::BufRead) -> io::Result<Option<(String, Vec<u8>)>> {
    let (mut first, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if first.is_empty() {
            line.clone_into(&mut first);
        } else if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    if length > REQUEST_BYTES_MAX {
        return Err(io::Error::other("the request is too large"));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((first, body)))
}

/// The keeper's answer: every secret has all the names that a function may look for.
fn secret(request: &[u8]) -> String {
    let asked: serde_json::Value = serde_json::from_slice(request).unwrap_or_default();
    let values = json!({
        "PAYMENT_SECRET_KEY": "sk_test_budgets",
        "PAYMENT_WEBHOOK_SECRET": "whsec_budgets",
        "BOOKING_ID_KEY": "0123456789abcdef",
        "ADMISSION_KEY": "0123456789abcdef",
        "TICKET_SIGNING_KEY": "07".repeat(32),
    });
    json!({"Name": asked["SecretId"], "SecretString": values.to_string()}).to_string()
}

fn write(mut stream: &TcpStream, body: &str) -> io::Result<()> {
    let kind = "content-type: application/x-amz-json-1.1";
    stream.write_all(format!("HTTP/1.1 200 OK\r\n{kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_one_after_the_other() {
        let mut text = "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}GET /x HTTP/1.1\r\n\r\n".as_bytes();
        assert_eq!(request(&mut text).unwrap(), Some(("POST / HTTP/1.1".to_owned(), b"{}".to_vec())));
        assert_eq!(request(&mut text).unwrap(), Some(("GET /x HTTP/1.1".to_owned(), Vec::new())));
        assert_eq!(request(&mut text).unwrap(), None);
        assert!(request(&mut "POST / HTTP/1.1\r\ncontent-length: 9999999\r\n\r\n".as_bytes()).is_err());
    }

    #[test]
    fn a_start_ends_with_the_first_question_or_with_what_went_wrong() {
        let lambda = Lambda::start().unwrap();
        let call = |request: &str| TcpStream::connect(&lambda.address).unwrap().write_all(request.as_bytes()).unwrap();
        call("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n");
        assert_eq!(lambda.questions.recv().unwrap(), Question::Next);
        call("POST /2018-06-01/runtime/init/error HTTP/1.1\r\ncontent-length: 3\r\n\r\nbad");
        assert!(matches!(lambda.questions.recv().unwrap(), Question::Failed(why) if why.ends_with("bad")));
    }

    #[test]
    fn a_process_that_computes_takes_time() {
        let began = std::time::Instant::now();
        let before = cpu_time(std::process::id()).unwrap();
        while began.elapsed() < Duration::from_millis(200) {
            std::hint::spin_loop();
        }
        assert!(cpu_time(std::process::id()).unwrap() > before);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([5, 1, 3].map(Duration::from_secs).to_vec()), Duration::from_secs(3));
    }
}
