//! `cargo xtask ci`: what has to pass before anything lands.

use crate::{
    crash::{Crash, crash},
    dynamodb_local::dynamodb_local,
    e2e::{E2e, e2e},
    fuzz::{Fuzz, fuzz},
    run::{run, run_with},
    schemathesis::{Schemathesis, schemathesis},
    simulate,
    smoke::{Smoke, smoke},
    template::template,
    tools,
    web::{Web, web},
};

/// The version of cargo-deny that checks licences and sources.
const CARGO_DENY_VERSION: &str = "0.20.2";

/// Every gate in turn; the cheap ones first.
pub(crate) fn ci() -> Result<(), String> {
    run("format", "cargo", &["fmt", "--all", "--check"])?;
    run("lints", "cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    let denied = run_with("documentation", "cargo", &["doc", "--workspace", "--no-deps", "--locked"], &DOCS)
        .and_then(|()| run("tests", "cargo", &["test", "--workspace", "--locked"]))
        .and_then(|()| smoke(&Smoke::OF_CI))
        .and_then(|()| simulate::of_ci())
        .and_then(|()| dynamodb_local())
        .and_then(|()| web(&Web::default()))
        .and_then(|()| schemathesis(&Schemathesis::OF_CI))
        .and_then(|()| crash(&Crash::OF_CI))
        .and_then(|()| fuzz(&Fuzz::OF_CI))
        .and_then(|()| template())
        .and_then(|()| e2e(&E2e::default()))
        .and_then(|()| cargo_deny());
    denied.map(|()| println!("\nevery gate passed"))
}

const DOCS: [(&str, &str); 1] = [("RUSTDOCFLAGS", "-D warnings")];

/// Licences, sources, bans. The advisory database is on the network, and a gate must not depend on that.
fn cargo_deny() -> Result<(), String> {
    let deny = tools::cargo("cargo-deny", CARGO_DENY_VERSION)?;
    run("licences", deny, &["check", "bans", "licenses", "sources"])
}
