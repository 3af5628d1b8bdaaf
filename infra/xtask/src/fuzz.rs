//! `cargo xtask fuzz`: bytes that a coverage-guided fuzzer makes up, at everything that reads what strangers send.

use std::{fs, path::Path};

use clap::Args;

use crate::{
    run::{root, run_with},
    tools,
};

/// The version of cargo-fuzz, which builds and runs `infra/fuzz`.
const CARGO_FUZZ_VERSION: &str = "0.13.2";
/// Its sanitizer and its coverage are behind a switch of stable compilers.
const STABLE: (&str, &str) = ("RUSTC_BOOTSTRAP", "1");
/// What is fuzzed, and a folder of inputs to begin with where there is one.
const TARGETS: [(&str, Option<&str>); 5] =
    [("cursor", None), ("plan", Some("events/plans")), ("ticket", None), ("token", None), ("webhook", None)];
/// The largest input, in bytes: faults in parsers are small.
const INPUT_BYTES_MAX: &str = "-max_len=8192";

/// How long.
#[derive(Args)]
pub(crate) struct Fuzz {
    /// Seconds for each target.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Only this target.
    #[arg(long, value_parser = TARGETS.map(|(name, _)| name))]
    only: Option<String>,
}

impl Fuzz {
    /// A minute and a half in all, besides building.
    pub(crate) const OF_CI: Self = Self { seconds: 15, only: None };
}

/// Fuzzes each target. What was found before is kept beside the build's output and tried first.
pub(crate) fn fuzz(order: &Fuzz) -> Result<(), String> {
    let program = tools::cargo("cargo-fuzz", CARGO_FUZZ_VERSION)?;
    let work = tools::target().join("fuzz");
    for (target, seeds) in TARGETS {
        if order.only.as_deref().is_some_and(|only| only != target) {
            continue;
        }
        let corpus = work.join("corpus").join(target);
        fs::create_dir_all(&corpus).map_err(|why| format!("{}: {why}", corpus.display()))?;
        run_target(&program, &work, target, &corpus, (seeds, order.seconds))
            .map_err(|why| format!("{why}: the input is in {}", work.join("artifacts").display()))?;
    }
    Ok(())
}

fn run_target(
    program: &Path,
    work: &Path,
    target: &str,
    corpus: &Path,
    (seeds, seconds): (Option<&str>, u64),
) -> Result<(), String> {
    let artifacts = work.join("artifacts");
    fs::create_dir_all(&artifacts).map_err(|why| format!("{}: {why}", artifacts.display()))?;
    let (folder, build) = (root().join("infra/fuzz"), work.join("build"));
    let (folder, build, corpus) = (folder.to_string_lossy(), build.to_string_lossy(), corpus.to_string_lossy());
    let mut arguments = vec!["run", "--fuzz-dir", &*folder, "--target-dir", &*build, target, &*corpus];
    arguments.extend(seeds);
    let time = format!("-max_total_time={seconds}");
    let prefix = format!("-artifact_prefix={}/{target}-", artifacts.display());
    arguments.extend(["--", &*time, &*prefix, INPUT_BYTES_MAX, "-print_final_stats=1", "-verbosity=0"]);
    run_with(target, program, &arguments, &[STABLE])
}
