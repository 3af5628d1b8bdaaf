//! ARCHITECTURE.md I17 and I18: who may know whom, read from cargo itself.

use std::{collections::BTreeSet, path::PathBuf, process::Command};

use serde_json::Value;

const SHARED: [&str; 6] = ["domain", "store", "outbound", "edge", "settlement", "testkit"];
/// What composes functions, or checks them.
const ABOVE: [&str; 6] = ["model", "rehearse", "simulate", "usher", "tests", "xtask"];

/// A package of the workspace.
struct Package {
    name: String,
    directory: PathBuf,
    /// Names of the dependencies that are linked into it.
    linked: BTreeSet<String>,
}

fn workspace() -> Vec<Package> {
    let mut cargo = Command::new(env!("CARGO"));
    let cargo = cargo.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(env!("CHECKOUT"));
    let metadata: Value = serde_json::from_slice(&cargo.output().unwrap().stdout).unwrap();
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

fn package(package: &Value) -> Package {
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    // Cargo leaves the kind out for what is linked, and says "dev" or "build" for the others.
    let linked = dependencies.filter(|dependency| dependency["kind"].is_null());
    let mut directory: PathBuf = package["manifest_path"].as_str().unwrap().into();
    directory.pop();
    Package {
        name: package["name"].as_str().unwrap().to_owned(),
        directory,
        linked: linked.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect(),
    }
}

#[test]
fn each_crate_knows_only_what_is_below_it() {
    let packages = workspace();
    let names: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    for package in &packages {
        let name = package.name.as_str();
        let may: &[&str] = match name {
            "domain" => &[],
            "store" | "outbound" | "edge" | "model" => &["domain"],
            "settlement" | "testkit" => &["domain", "store", "outbound"],
            _ if ABOVE.contains(&name) => continue,
            _function => &["domain", "store", "outbound", "edge", "settlement"],
        };
        let ours = package.linked.iter().map(String::as_str).filter(|dependency| names.contains(dependency));
        let ours: Vec<&str> = ours.collect();
        assert!(ours.iter().all(|dependency| may.contains(dependency)), "{name} knows {ours:?}; it may know {may:?}");
    }
}

#[test]
fn only_its_own_crate_names_a_sdk() {
    let homes: [(&str, &[&str]); 9] = [
        ("aws-sdk-dynamodb", &["store", "testkit"]),
        ("aws-sdk-sqs", &["outbound"]),
        ("aws-sdk-eventbridge", &["outbound"]),
        ("aws-sigv4", &["outbound"]),
        ("aws-sdk-secretsmanager", &["outbound"]),
        ("aws-sdk-sesv2", &["outbound"]),
        ("lambda_http", &["edge"]),
        ("lambda_runtime", &["edge"]),
        ("aws_lambda_events", &["edge"]),
    ];
    for package in workspace().iter().filter(|package| !ABOVE.contains(&package.name.as_str())) {
        for (sdk, homes) in homes {
            let names = package.linked.contains(sdk);
            assert!(!names || homes.contains(&package.name.as_str()), "{} names {sdk}", package.name);
        }
    }
}

/// What proves a sale right knows the platform by its HTTP only.
#[test]
fn the_rehearsal_and_the_commands_know_no_crate_of_the_workspace() {
    let packages = workspace();
    let names: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    for package in packages.iter().filter(|package| ["rehearse", "xtask"].contains(&package.name.as_str())) {
        let ours: Vec<&String> = package.linked.iter().filter(|it| names.contains(it.as_str())).collect();
        assert!(ours.is_empty(), "{} knows {ours:?}", package.name);
    }
}

/// What judges the functions runs them as the platform does, and knows none of them itself.
#[test]
fn the_simulator_knows_the_platform_and_no_function() {
    let packages = workspace();
    let is_function =
        |name: &str| packages.iter().any(|it| it.name == name && it.directory.ends_with(format!("functions/{name}")));
    let simulator = packages.iter().find(|package| package.name == "simulate").unwrap();
    let known: Vec<&String> = simulator.linked.iter().filter(|name| is_function(name)).collect();
    assert!(known.is_empty(), "it knows {known:?}");
    assert!(simulator.linked.contains("usher"));
}

#[test]
fn a_composition_root_fits_25_lines_and_does_not_branch() {
    for package in workspace() {
        let name = package.name.as_str();
        if SHARED.contains(&name) || ABOVE.contains(&name) {
            continue;
        }
        let path = package.directory.join("src/main.rs");
        let source = std::fs::read_to_string(&path).unwrap();
        let code: Vec<&str> = source.lines().filter(|line| !line.starts_with("//") && !line.is_empty()).collect();
        let body: Vec<&&str> = code.iter().skip_while(|line| !line.contains("fn main")).collect();
        assert!(body.len() <= 25, "{name} has {} lines", body.len());
        assert!(body.iter().all(|line| !line.contains("if ") && !line.contains("match ")), "{name} branches");
    }
}
