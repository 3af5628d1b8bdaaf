//! `cargo xtask web`: the web app in a real Chromium, against this checkout's embedded platform.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    run::{root, run, run_with},
    smoke::Embedded,
};

/// Names a browser that is kept elsewhere.
const BROWSER_VARIABLE: &str = "CHROMIUM";
/// Where Linux distributions put it.
const BROWSERS: [&str; 4] =
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/snap/bin/chromium"];
/// Holds of the second platform, in seconds: as long as it takes to watch one end.
const SHORT_HOLD_SECONDS: &str = "5";

/// What to run beside the tests.
#[derive(Args)]
pub(crate) struct Web {
    /// Takes a picture of every page, light and dark, on a phone and on a desk, and puts them here.
    #[arg(long)]
    shots: Option<PathBuf>,
    /// Only tests whose name matches.
    #[arg(long)]
    only: Option<String>,
}

/// Installs what it needs, checks the types, starts the platform, and drives the browser.
pub(crate) fn web(arguments: &Web) -> Result<(), String> {
    let folder = root().join("tests/web");
    let browser = browser()?;
    install(&folder)?;
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    run("types", path("node_modules/.bin/tsc"), &["-p", &path("tsconfig.json")])?;
    let house = Embedded::start(&[])?;
    let hasty = Embedded::start_with(&["--no-demo".to_owned()], &[("HOLD_TTL_SECONDS", SHORT_HOLD_SECONDS)])?;
    let variables = [(BROWSER_VARIABLE, &*browser), ("USHER_URL", &*house.url), ("USHER_HASTY_URL", &*hasty.url)];
    if let Some(shots) = &arguments.shots {
        fs::create_dir_all(shots).map_err(|why| format!("{}: {why}", shots.display()))?;
        return run_with("pictures", "node", &[&path("shots.mjs"), &shots.to_string_lossy()], &variables);
    }
    let mut tests: Vec<String> = ["--test", "--test-reporter=spec", "--test-concurrency=1"].map(str::to_owned).into();
    tests.extend(arguments.only.iter().map(|only| format!("--test-name-pattern={only}")));
    tests.extend(test_files(&folder)?);
    let tests: Vec<&str> = tests.iter().map(String::as_str).collect();
    run_with("the web app in Chromium", "node", &tests, &variables)
}

/// The tests' files, in the order of their names.
fn test_files(folder: &Path) -> Result<Vec<String>, String> {
    let entries = fs::read_dir(folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<String> = paths
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    files.sort();
    Ok(files)
}

/// A Chromium: the one that is named, the machine's, or else, as root on a Debian, one that is installed now.
fn browser() -> Result<String, String> {
    if let Some(named) = env::var_os(BROWSER_VARIABLE) {
        return Ok(named.to_string_lossy().into_owned());
    }
    let installed = || BROWSERS.iter().find(|path| Path::new(path).exists()).map(|path| (*path).to_owned());
    if let Some(found) = installed() {
        return Ok(found);
    }
    let apt = run("a browser", "apt-get", &["update", "--quiet"]).and_then(|()| {
        run(
            "a browser",
            "apt-get",
            &["install", "--yes", "--quiet", "--no-install-recommends", "chromium", "fonts-noto-core"],
        )
    });
    let missing = |why: &str| format!("{why}: install Chromium, or say where it is in {BROWSER_VARIABLE}");
    apt.map_err(|why| missing(&why))?;
    installed().ok_or_else(|| missing("it was installed, but not where it is looked for"))
}

/// What the lock file says, once; nothing of it runs a script of its own.
fn install(folder: &Path) -> Result<(), String> {
    let lock = fs::read(folder.join("package-lock.json")).map_err(|why| format!("package-lock.json: {why}"))?;
    let mark = folder.join("node_modules/.installed-lock.json");
    if fs::read(&mark).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let place = folder.to_string_lossy();
    let arguments = ["ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", &place];
    run("what the tests are made with", "npm", &arguments)
        .map_err(|why| format!("{why}: the tests need Node 20 or later, with npm"))?;
    fs::write(&mark, lock).map_err(|why| format!("{}: {why}", mark.display()))
}
