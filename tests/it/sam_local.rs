//! What `sam local` is told (infra/sam-local, events/README.md), held against the template and the handlers.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;
use testkit::template;
use usher::{Options, Platform};

use crate::events::{HTTP, event, recorded};

/// A line of the list in events/README.md.
struct Listed {
    file: String,
    command: String,
    /// What the function answers on a table with nothing in it.
    answer: String,
}

fn list() -> Vec<Listed> {
    let path = Path::new(env!("CHECKOUT")).join("events/README.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `sam local invoke "));
    let cells = rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect());
    cells
        .map(|cells: Vec<String>| {
            let command = cells[0].trim_matches('`').to_owned();
            let file = command.rsplit('/').next().unwrap().to_owned();
            Listed { file, command, answer: cells[1].clone() }
        })
        .collect()
}

/// `201`, or ``404 `not-found` `` as the list has it.
fn of_response(status: u16, body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let slug = body["type"].as_str().and_then(|kind| kind.strip_prefix("urn:problem:usher:"));
    slug.map_or_else(|| status.to_string(), |slug| format!("{status} `{slug}`"))
}

/// The name of the template's function, as `sam local invoke` wants it.
fn logical_id(function: &str) -> String {
    let capital = |word: &str| format!("{}{}", word[..1].to_uppercase(), &word[1..]);
    format!("{}Function", function.split('-').map(capital).collect::<String>())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_recorded_event_is_listed_with_what_its_function_answers_on_a_new_table() {
    let mut problems = Vec::new();
    // Each function checks its settings when it starts: what they are told on a laptop has to pass.
    let mut settings: BTreeMap<String, String> = environment().into_values().flatten().collect();
    settings.remove("FONTS_DIR");
    // Docker's name of this machine is told only to containers; whom else a resolver lets wait for an answer is not ours to try.
    for value in settings.values_mut() {
        *value = value.replace("host.docker.internal", "127.0.0.1");
    }
    let mut listed: BTreeMap<String, Listed> = list().into_iter().map(|row| (row.file.clone(), row)).collect();
    for (name, path) in recorded() {
        let function = name.split('.').next().unwrap();
        let options = Options { settings: settings.clone(), ..Options::default() };
        let platform = Platform::start(options).await.expect("the platform starts");
        let event = event(&path, "shw_01990000000070008000000000000003");
        let answer = if HTTP.contains(&function) {
            let response = platform.call(function, &event.to_string()).await.unwrap();
            let body = String::from_utf8_lossy(response.body().as_ref()).into_owned();
            of_response(response.status().as_u16(), &body)
        } else {
            format!("`{}`", platform.invoke(function, event).await.unwrap())
        };
        let command = format!("sam local invoke {} --event events/{name}", logical_id(function));
        match listed.remove(&name) {
            Some(row) if row.answer == answer && row.command == command => {}
            _ => problems.push(format!("| `{command}` | {answer} |")),
        }
    }
    problems.extend(listed.into_keys().map(|name| format!("{name} is listed, and there is no such event")));
    assert!(problems.is_empty(), "events/README.md should have:\n{}", problems.join("\n"));
}

/// infra/sam-local/env.json: the settings of each function.
fn environment() -> BTreeMap<String, BTreeMap<String, String>> {
    serde_json::from_str(&sam_local("env.json")).unwrap()
}

fn sam_local(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CHECKOUT")).join("infra/sam-local").join(file)).unwrap()
}

#[test]
fn functions_outside_of_containers_are_told_the_same() {
    let mut wanted: BTreeMap<String, String> = environment().into_values().flatten().collect();
    for value in wanted.values_mut() {
        *value = value.replace("host.docker.internal", "127.0.0.1").replace("/var/task/", "functions/ticket/");
    }
    for (name, value) in [("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test"), ("REGION", "us-east-1")] {
        wanted.insert(format!("AWS_{name}"), value.to_owned());
    }
    let text = sam_local("watch.env");
    let pairs = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_once('=').unwrap());
    let told: BTreeMap<String, String> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(told, wanted);
}

#[test]
fn the_environment_file_gives_each_function_exactly_the_settings_that_the_template_declares() {
    let template = template::parse(template::TEXT).unwrap();
    let given = environment();
    let globals = &template["Globals"]["Function"]["Environment"]["Variables"];
    let mut functions = 0;
    for (id, resource) in template["Resources"].as_object().unwrap() {
        if resource["Type"] != "AWS::Serverless::Function" {
            continue;
        }
        functions += 1;
        let own = &resource["Properties"]["Environment"]["Variables"];
        let mut declared: Vec<&String> =
            [globals, own].into_iter().filter_map(Value::as_object).flat_map(|all| all.keys()).collect();
        declared.sort();
        let names: Vec<&String> = given[id].keys().collect();
        assert_eq!(names, declared, "{id}");
    }
    assert_eq!(given.len(), functions);
    let mut values: BTreeMap<&String, &String> = BTreeMap::new();
    for (name, value) in given.values().flatten() {
        assert_eq!(values.insert(name, value).unwrap_or(value), value, "{name} is one setting, not two");
        assert!(!value.starts_with("secret:"), "{name} is not on this machine");
    }
    // What stands in for AWS is on this machine, for every function.
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "TIMER_QUEUE_URL", "PAYMENT_BASE_URL"] {
        assert!(values[&name.to_owned()].starts_with("http://host.docker.internal:"), "{name}");
    }
}
