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
/// A platform whose holds last, in seconds, as long as it takes to watch one end.
const HASTY: [(&str, &str); 1] = [("HOLD_TTL_SECONDS", "5")];
/// Holds of one person after which a platform that is suspicious asks for work.
const CHURN_HOLDS_MAX: &str = "2";

/// What to run beside the tests.
#[derive(Args, Default)]
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
    let empty = ["--no-demo".to_owned()];
    let hasty = Embedded::start_with(&empty, &HASTY)?;
    // As deployed: it has an account at a payment provider, and it is wary.
    let deployed = [("CHURN_HOLDS_MAX", CHURN_HOLDS_MAX), ("WEB_CONFIG", &*path("deployed.config.json"))];
    let deployed = Embedded::start_with(&empty, &deployed)?;
    let variables = [
        (BROWSER_VARIABLE, &*browser),
        ("USHER_URL", &*house.url),
        ("USHER_HASTY_URL", &*hasty.url),
        ("USHER_DEPLOYED_URL", &*deployed.url),
    ];
    if let Some(shots) = &arguments.shots {
        fs::create_dir_all(shots).map_err(|why| format!("{}: {why}", shots.display()))?;
        return run_with("pictures", "node", &[&path("shots.mjs"), &shots.to_string_lossy()], &variables);
    }
    let all = path("all.mjs");
    let tests: Vec<&str> = [&*all].into_iter().chain(arguments.only.as_deref()).collect();
    run_with("the web app in Chromium", "node", &tests, &variables)
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
