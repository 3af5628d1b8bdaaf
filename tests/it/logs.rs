//! What is logged: every field is documented, and nothing personal or secret is among the values.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde_json::json;
use tracing_subscriber::EnvFilter;
use usher::sandbox::{Fault, Operation};

use crate::support::{Stage, eventually, id, seat};

/// Everything that our own crates can say, and what others think is worth a warning.
const LEVELS: &str = "warn,domain=debug,store=debug,outbound=debug,settlement=debug,edge=debug,usher=debug,\
    browse=debug,hold=debug,confirm=debug,webhook=debug,bookings=debug,sweep=debug,reconcile=debug,project=debug,relay=debug,\
    ticket=debug,notification=debug,organise=debug";
/// A name that nothing else is called.
const BUYER: &str = "zx81-secretive-buyer";

/// The lines of the whole process: other tests may run in it.
static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Keep;

impl io::Write for Keep {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lines() -> String {
    String::from_utf8_lossy(&LINES.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

fn listen() {
    let logs = tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(EnvFilter::new(LEVELS));
    tracing::subscriber::set_global_default(logs.with_writer(|| Keep).finish()).unwrap();
}

/// A purchase with whatever may go wrong on its way, its cancellation, and calls that fail: no line of it says who
/// bought, with what, or by which secret.
#[tokio::test(flavor = "multi_thread")]
async fn no_line_says_who_bought_or_by_which_secret() {
    listen();
    let stage = Stage::open().await;
    let buyer = stage.buyer(BUYER);
    let token = stage.platform.token(BUYER, &[]);
    let booking = buyer.hold(&[seat("A", 1)]).await.expect(201);
    buyer.hold(&[seat("A", 1)]).await.expect(201);
    buyer.hold_as("another", &json!({"seatIds": [seat("A", 1)]})).await.problem(409, "seat-unavailable");
    buyer.hold_as("ill-formed", &json!({"seatIds": BUYER})).await.problem(400, "bad-request");
    let confirmed = buyer.confirm(&booking).await.expect(200);
    buyer.pay_with(&confirmed, "pm_card_chargeDeclined").await;
    stage.platform.sandbox().fail_next(Operation::Capture, Fault::Before);
    buyer.pay_with(&confirmed, "pm_card_visa").await.expect(200);
    let path = format!("/v1/bookings/{}/tickets", id(&booking));
    let tickets = eventually("the tickets are there", async || {
        let answer = buyer.get(&path).await;
        (answer.status == 200 && answer.body["pdfUrl"].is_string()).then_some(answer.body)
    })
    .await;
    eventually("the mail is sent", async || stage.platform.mailer().sent().into_iter().next()).await;
    stage.platform.sandbox().fail_next(Operation::Refund, Fault::Before);
    buyer.delete(&booking).await.expect(200);
    stage.platform.tick().await.unwrap();
    let told = |words: &str| lines().lines().any(|line| line.contains(id(&booking)) && line.contains(words));
    for words in ["is CONFIRMED", "tickets of", "the refund of", "\"booking.reason\":\"buyer\""] {
        eventually(words, async || told(words).then_some(())).await;
    }

    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let settings = ["PAYMENT_SECRET_KEY", "PAYMENT_WEBHOOK_SECRET", "BOOKING_ID_KEY", "ADMISSION_KEY", "DEV_TOKEN_KEY"];
    let mut hidden = vec![
        BUYER.to_owned(),
        token,
        text(&confirmed["payment"]["clientSecret"]),
        text(&tickets["tickets"][0]["code"]),
        stage.platform.setting("TICKET_SIGNING_KEY"),
        "pm_card_".to_owned(),
    ];
    hidden.extend(settings.map(|name| stage.platform.setting(name)));
    let lines = lines();
    for value in hidden {
        assert!(!value.is_empty());
        let said = lines.lines().find(|line| line.contains(&value));
        assert_eq!(said, None, "it says {value}");
    }
}

pub(crate) fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names of the fields that a source file logs: what stands between a macro's bracket and its message.
fn fields(source: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for macro_name in ["error!(", "warn!(", "info!(", "debug!(", "error_span!(", "info_span!("] {
        for call in source.split(&format!("tracing::{macro_name}")).skip(1) {
            for part in call.split(',').map(str::trim).skip_while(|part| *part == "\"call\"") {
                let name = part.split('=').next().unwrap_or_default().trim().trim_start_matches(['%', '?']);
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
                if name.is_empty() || !name.chars().all(is_name) {
                    break;
                }
                names.insert(name.to_owned());
                let mut depth = part.chars().scan(0, |depth, c| {
                    *depth += i32::from(c == '(') - i32::from(c == ')');
                    Some(*depth)
                });
                if depth.any(|depth| depth < 0) {
                    break;
                }
            }
        }
    }
    names
}

#[test]
fn every_field_that_a_function_logs_is_documented() {
    let root = Path::new(env!("CHECKOUT"));
    let docs = std::fs::read_to_string(root.join("docs/observability.md")).unwrap();
    let mut found = Vec::new();
    sources(&root.join("functions"), &mut found);
    sources(&root.join("shared"), &mut found);
    let mut names = BTreeSet::new();
    for path in found.iter().filter(|path| path.components().any(|part| part.as_os_str() == "src")) {
        names.extend(fields(&std::fs::read_to_string(path).unwrap()));
    }
    for known in ["booking.id", "request.id", "http.route", "alarm", "error"] {
        assert!(names.contains(known), "{known} is not among {names:?}");
    }
    for name in names {
        assert!(docs.contains(&format!("| `{name}` |")), "{name} is not documented");
    }
}

#[test]
fn every_alarm_of_the_template_is_documented() {
    let root = Path::new(env!("CHECKOUT"));
    let docs = std::fs::read_to_string(root.join("docs/observability.md")).unwrap();
    let template = testkit::template::parse(testkit::template::TEXT).unwrap();
    let resources = template["Resources"].as_object().unwrap().iter();
    let alarms: Vec<&String> =
        resources.filter(|(_, resource)| resource["Type"] == "AWS::CloudWatch::Alarm").map(|(name, _)| name).collect();
    assert!(alarms.len() > 10, "{alarms:?}");
    for name in alarms {
        assert!(docs.contains(&format!("`{name}`")), "{name} is not documented");
    }
}
