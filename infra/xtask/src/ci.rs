//! `cargo xtask ci`: what has to pass before anything lands.

use std::path::PathBuf;

use crate::run::{root, run, run_with};

/// The version of cargo-deny that checks licences and sources.
const CARGO_DENY_VERSION: &str = "0.20.2";

/// Every gate in turn; the cheap ones first.
pub(crate) fn ci() -> Result<(), String> {
    run("format", "cargo", &["fmt", "--all", "--check"])?;
    run("lints", "cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    let denied = run_with("documentation", "cargo", &["doc", "--workspace", "--no-deps", "--locked"], &DOCS)
        .and_then(|()| run("tests", "cargo", &["test", "--workspace", "--locked"]))
        .and_then(|()| cargo_deny());
    denied.map(|()| println!("\nevery gate passed"))
}

const DOCS: [(&str, &str); 1] = [("RUSTDOCFLAGS", "-D warnings")];

/// Licences, sources, bans. The advisory database is on the network, and a gate must not depend on that.
fn cargo_deny() -> Result<(), String> {
    let tools = tools();
    let deny = tools.join("bin/cargo-deny");
    if !deny.exists() {
        let tools = tools.to_string_lossy();
        let version = ["--version", CARGO_DENY_VERSION, "--locked", "--root", &tools];
        run("cargo-deny", "cargo", &[&["install", "cargo-deny"][..], &version].concat())?;
    }
    run("licences", deny, &["check", "bans", "licenses", "sources"])
}

/// Where the commands keep the tools they install: beside the build's own output, so that it is kept as long.
fn tools() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("tools").join(CARGO_DENY_VERSION)
}
