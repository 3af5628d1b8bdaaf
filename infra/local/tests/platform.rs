//! The platform as somebody runs it: its own lines, a killed process, a start that must not succeed.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use usher::{Options, Platform, steps};

/// How long anything may take that happens by itself.
const PATIENCE: Duration = Duration::from_secs(20);

async fn get(url: &str) -> Value {
    reqwest::get(url).await.unwrap().json().await.unwrap()
}

async fn post(url: &str, token: &str, key: &str, body: &Value) -> (u16, Value) {
    let call = reqwest::Client::builder()
        .build()
        .unwrap()
        .post(url)
        .bearer_auth(token)
        .header("idempotency-key", key)
        .json(body);
    let answer = call.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_lines_give_a_ticket() {
    let platform = Platform::start(Options { demo: true, ..Options::default() }).await.unwrap();
    let here = tempfile::tempdir().unwrap();
    let script = steps(&platform.base_url()).join("\n");
    let shell = tokio::task::spawn_blocking({
        let here = here.path().to_owned();
        move || Command::new("sh").args(["-e", "-c", &script]).current_dir(here).output().unwrap()
    });
    let output = shell.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let pdf = std::fs::read(here.path().join("ticket.pdf")).unwrap();
    assert!(pdf.starts_with(b"%PDF"), "{}", String::from_utf8_lossy(&pdf));
    wait_until(|| platform.mailer().sent().iter().any(|mail| mail.to == "ada@example.com")).await;
    let page = reqwest::get(format!("{}/dev", platform.base_url())).await.unwrap().text().await.unwrap();
    assert!(page.contains("sort -R") && !page.contains("@STEPS@"));
    platform.stop().await;
}

async fn wait_until(done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "it did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_has_every_category_and_a_stadium_on_sale() {
    let platform = Platform::start(Options { demo: true, ..Options::default() }).await.unwrap();
    let url = platform.base_url();
    for category in ["movies", "concerts", "sports", "theatre"] {
        let listed = get(&format!("{url}/v1/events?category={category}")).await;
        assert_ne!(listed["events"].as_array().unwrap().len(), 0, "{category}");
    }
    let sports = get(&format!("{url}/v1/events?category=sports")).await;
    let event = sports["events"][0]["eventId"].as_str().unwrap();
    let shows = get(&format!("{url}/v1/events/{event}/shows")).await;
    let show = &shows["shows"][0];
    assert_eq!((&show["status"], &show["waitingRoom"]["enabled"]), (&json!("ON_SALE"), &json!(false)));
    let show = show["showId"].as_str().unwrap();
    let availability = get(&format!("{url}/v1/shows/{show}/availability")).await;
    let total: u64 = availability["sections"].as_array().unwrap().iter().map(|it| it["total"].as_u64().unwrap()).sum();
    assert_eq!(total, 50_000);
    platform.stop().await;
}

#[tokio::test]
async fn a_taken_port_and_malformed_settings_say_so() {
    let first = Platform::start(Options::default()).await.unwrap();
    let port = first.base_url().rsplit_once(':').unwrap().1.parse().unwrap();
    let refused = Platform::start(Options { port, ..Options::default() }).await.err().unwrap().to_string();
    assert!(refused.contains(&format!("port {port} is taken")) && refused.contains("--port"), "{refused}");
    first.stop().await;
    let settings = [("HOLD_TTL_SECONDS", "soon"), ("TICKET_SIGNING_KEY", "short"), ("MAIL_FROM", "nobody")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let options = Options { settings: BTreeMap::from(settings), ..Options::default() };
    let refused = Platform::start(options).await.err().unwrap().to_string();
    for name in ["HOLD_TTL_SECONDS", "TICKET_SIGNING_KEY", "MAIL_FROM"] {
        assert!(refused.contains(name), "{name}: {refused}");
    }
}

/// The binary, as `cargo run` starts it.
struct Process {
    child: Child,
    url: String,
}

impl Process {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_usher"))
            .args(["--port", "0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines.map_while(Result::ok).find(|line| line.contains("running at"));
        let url = said.expect("the banner says where").rsplit_once(' ').unwrap().1.to_owned();
        Self { child, url }
    }
}

impl Drop for Process {
    /// As `kill -9`.
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_being_killed() {
    let data = tempfile::tempdir().unwrap();
    let first = Process::start(data.path());
    let url = first.url.clone();
    let events = get(&format!("{url}/v1/events")).await["events"].clone();
    let call =
        reqwest::Client::builder().build().unwrap().post(format!("{url}/dev/token")).body(r#"{"sub":"ada"}"#).send();
    let token: Value = call.await.unwrap().json().await.unwrap();
    let token = token["accessToken"].as_str().unwrap();
    let theatre = get(&format!("{url}/v1/events?category=theatre")).await;
    let event = theatre["events"][0]["eventId"].as_str().unwrap();
    let shows = get(&format!("{url}/v1/events/{event}/shows")).await;
    let show = shows["shows"][0]["showId"].as_str().unwrap();
    let plan = get(&format!("{url}/v1/shows/{show}/plan")).await;
    let section = plan["sections"][0]["sectionId"].as_str().unwrap();
    let seats = get(&format!("{url}/v1/shows/{show}/sections/{section}/plan")).await;
    let seat = seats["rows"][0]["seats"][0]["seatId"].as_str().unwrap();
    let wish = json!({"seatIds": [seat]});
    let (status, booking) = post(&format!("{url}/v1/shows/{show}/holds"), token, "k1", &wish).await;
    assert_eq!(status, 201, "{booking}");
    drop(first);

    let second = Process::start(data.path());
    let url = second.url.clone();
    assert_eq!(get(&format!("{url}/v1/events")).await["events"], events, "nothing is published twice");
    // The same secrets: the old token counts, and the same key is the same booking.
    let (status, again) = post(&format!("{url}/v1/shows/{show}/holds"), token, "k1", &wish).await;
    assert_eq!((status, &again["bookingId"]), (201, &booking["bookingId"]));
    let (status, refused) = post(&format!("{url}/v1/shows/{show}/holds"), token, "k2", &wish).await;
    assert_eq!((status, &refused["unavailable"][0]), (409, &json!(seat)), "{refused}");
    // The stream goes on where it was: the map shows the hold.
    let started = Instant::now();
    let mut held = 0;
    while held == 0 {
        assert!(started.elapsed() < PATIENCE, "availability did not follow");
        let availability = get(&format!("{url}/v1/shows/{show}/availability")).await;
        held = availability["sections"].as_array().unwrap().iter().map(|it| it["held"].as_u64().unwrap()).sum();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(held, 1);
}
