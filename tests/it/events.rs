//! Every recorded event goes through the handler that its name says, twice.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::Stage;

/// Functions that answer HTTP calls; the others handle events.
pub(crate) const HTTP: [&str; 9] =
    ["bookings", "browse", "confirm", "hold", "organise", "queue", "scan", "waitlist", "webhook"];

pub(crate) fn recorded() -> Vec<(String, PathBuf)> {
    let directory = Path::new(env!("CHECKOUT")).join("events");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let json = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let mut named: Vec<(String, PathBuf)> =
        json.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path)).collect();
    named.sort();
    named
}

/// The recorded show does not exist here: the one on sale takes its place, so that the calls have something to do.
pub(crate) fn event(path: &Path, show: &str) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str(&text.replace("shw_01990000000070008000000000000003", show)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_event_goes_through_its_handler_twice() {
    let stage = Stage::open().await;
    let recorded = recorded();
    assert!(recorded.len() >= 25, "{} files", recorded.len());
    for (name, path) in recorded {
        let function = name.split('.').next().unwrap();
        let event = event(&path, &stage.show);
        for time in ["once", "twice"] {
            if HTTP.contains(&function) {
                let response = stage.platform.call(function, &event.to_string()).await.unwrap();
                let status = response.status().as_u16();
                assert!(status < 500, "{name}, {time}: {status} {:?}", response.body());
                let expected = match name.as_str() {
                    "hold.create.json" | "hold.best-available.json" => 201,
                    "bookings.list.json" | "browse.get-show.json" | "browse.list-events.json" => 200,
                    "bookings.detail.json" | "confirm.start.json" | "bookings.end.json" => 404,
                    "waitlist.join.json" | "waitlist.read.json" | "waitlist.leave.json" => {
                        if name == "waitlist.join.json" { 422 } else { 404 }
                    }
                    "webhook.authorised.json" | "webhook.disputed.json" => 400,
                    _ => continue,
                };
                assert_eq!(status, expected, "{name}, {time}: {:?}", response.body());
            } else {
                let answer = stage.platform.invoke(function, event.clone()).await;
                let answer = answer.unwrap_or_else(|why| panic!("{name}, {time}: {why}"));
                let failures = answer["batchItemFailures"].as_array().map_or(0, Vec::len);
                assert_eq!(failures, 0, "{name}, {time}: {answer}");
            }
        }
    }
}

#[test]
fn every_function_has_a_recorded_event() {
    let recorded = recorded();
    let functions = std::fs::read_dir(Path::new(env!("CHECKOUT")).join("functions")).unwrap();
    for function in functions {
        let function = function.unwrap().file_name().to_string_lossy().into_owned();
        assert!(recorded.iter().any(|(name, _)| name.starts_with(&format!("{function}."))), "{function}");
    }
}
