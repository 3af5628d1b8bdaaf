//! ARCHITECTURE.md I17 and I18: who may know whom, read from cargo itself.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

const SHARED: [&str; 6] = ["domain", "store", "outbound", "edge", "settlement", "testkit"];
/// What composes functions, or checks them.
const ABOVE: [&str; 3] = ["usher", "tests", "xtask"];

/// Names of a package's dependencies that are linked into it.
fn linked(package: &Package) -> BTreeSet<&str> {
    let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    normal.map(|dependency| dependency.name.as_str()).collect()
}

fn workspace() -> Vec<Package> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
    metadata.workspace_packages().into_iter().cloned().collect()
}

#[test]
fn each_crate_knows_only_what_is_below_it() {
    let packages = workspace();
    let names: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    for package in &packages {
        let name = package.name.as_str();
        let may: &[&str] = match name {
            "domain" => &[],
            "store" | "outbound" | "edge" => &["domain"],
            "settlement" => &["domain", "store", "outbound"],
            "testkit" => &["domain", "store", "outbound"],
            _ if ABOVE.contains(&name) => continue,
            _function => &["domain", "store", "outbound", "edge", "settlement"],
        };
        let ours: Vec<&str> = linked(package).into_iter().filter(|dependency| names.contains(dependency)).collect();
        assert!(ours.iter().all(|dependency| may.contains(dependency)), "{name} knows {ours:?}; it may know {may:?}");
    }
}

#[test]
fn only_its_own_crate_names_a_sdk() {
    let homes: [(&str, &[&str]); 8] = [
        ("aws-sdk-dynamodb", &["store", "testkit"]),
        ("aws-sdk-sqs", &["outbound"]),
        ("aws-sdk-eventbridge", &["outbound"]),
        ("aws-sdk-s3", &["outbound"]),
        ("aws-sdk-sesv2", &["outbound"]),
        ("lambda_http", &["edge"]),
        ("lambda_runtime", &["edge"]),
        ("aws_lambda_events", &["edge"]),
    ];
    for package in workspace().iter().filter(|package| !ABOVE.contains(&package.name.as_str())) {
        for (sdk, homes) in homes {
            let names = linked(package).contains(sdk);
            assert!(!names || homes.contains(&package.name.as_str()), "{} names {sdk}", package.name);
        }
    }
}

#[test]
fn a_composition_root_fits_25_lines_and_does_not_branch() {
    for package in workspace() {
        let name = package.name.as_str();
        if SHARED.contains(&name) || ABOVE.contains(&name) {
            continue;
        }
        let path = package.manifest_path.with_file_name("src").join("main.rs");
        let source = std::fs::read_to_string(&path).unwrap();
        let code: Vec<&str> = source.lines().filter(|line| !line.starts_with("//") && !line.is_empty()).collect();
        let body: Vec<&&str> = code.iter().skip_while(|line| !line.contains("fn main")).collect();
        assert!(body.len() <= 25, "{path} has {} lines", body.len());
        assert!(body.iter().all(|line| !line.contains("if ") && !line.contains("match ")), "{path} branches");
    }
}
