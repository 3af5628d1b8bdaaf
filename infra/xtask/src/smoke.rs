//! `cargo xtask smoke`: buys a test ticket against any base URL, as the last step of a deployment.

use std::{
    env,
    ffi::OsStr,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::Instant,
};

use clap::Args;
use serde_json::json;

use crate::{
    journey::{Person, Site, Wish, text},
    pay::Provider,
    run::{fresh_number, run},
    tools,
};

/// The environment's name of the provider's test key: secrets do not belong on a command line.
const KEY_VARIABLE: &str = "PAYMENT_TEST_KEY";

/// What to try, and as whom; by default a demo show of this checkout's embedded platform.
#[derive(Args, Default)]
pub(crate) struct Smoke {
    /// Where the platform is: `http://127.0.0.1:3000`, or the stack's output `ApiUrl`. Without one, this checkout's
    /// embedded platform is started for as long as it takes.
    #[arg(long)]
    url: Option<String>,
    /// A buyer's token. Without one the embedded platform is asked for it.
    #[arg(long)]
    token: Option<String>,
    /// The show to buy for. Without one, the first that sells.
    #[arg(long)]
    show: Option<String>,
    /// Where the payment provider is. The embedded platform has its own. The provider's test key is taken from the
    /// environment: `PAYMENT_TEST_KEY=pk_test_…` or `sk_test_…`.
    #[arg(long, default_value = "https://api.stripe.com")]
    payment_url: String,
    /// Keeps the ticket instead of cancelling it.
    #[arg(long)]
    keep: bool,
}

impl Smoke {
    /// At this checkout's embedded platform, which has a provider of its own.
    pub(crate) const OF_CI: Self = Self { url: None, token: None, show: None, payment_url: String::new(), keep: false };
}

/// Buys, looks at the ticket, and gives it back.
pub(crate) fn smoke(arguments: &Smoke) -> Result<(), String> {
    if let Some(url) = &arguments.url {
        return buy_and_cancel(arguments, url);
    }
    let embedded = Embedded::start(&[])?;
    buy_and_cancel(arguments, &embedded.url)
}

fn buy_and_cancel(arguments: &Smoke, url: &str) -> Result<(), String> {
    let site = Site::new(url);
    let began = Instant::now();
    let (buyer, provider) = step("token", || buyer(arguments, &site))?;
    let (show, wish) = step("browse", || {
        let show = arguments.show.clone().map_or_else(|| site.show_on_sale(), Ok)?;
        let wish = site.any_place(&show)?;
        Ok((show, wish))
    })?;
    let booking = step("hold", || hold(&buyer, &show, &wish))?;
    let bought = buy(&buyer, &booking, &provider);
    let ended = match &bought {
        Ok(()) if arguments.keep => {
            println!("kept: {booking}");
            Ok(())
        }
        Ok(()) => step("cancel and refund", || buyer.cancel_and_refund(&booking).map(drop)),
        // Nothing is left lying about, whatever went wrong.
        Err(_) => step("release", || buyer.end(&booking).map(drop)),
    };
    bought.and(ended)?;
    println!("smoke: a ticket was bought at {url} in {:.1} s", began.elapsed().as_secs_f32());
    Ok(())
}

fn buy(buyer: &Person, booking: &str, provider: &Provider) -> Result<(), String> {
    step("pay", || buyer.pay(booking, provider).map(drop))?;
    step("sold and captured", || buyer.until_paid(booking).map(drop))?;
    let (codes, file) = step("ticket", || buyer.tickets(booking))?;
    if codes != 1 {
        return Err(format!("{codes} tickets for one place"));
    }
    println!("  the PDF has {} bytes", file.len());
    Ok(())
}

/// The embedded platform, at a port of its own choice.
pub(crate) struct Embedded {
    child: Child,
    /// Where it answers.
    pub(crate) url: String,
}

impl Embedded {
    /// With these arguments beside the port.
    pub(crate) fn start(arguments: &[String]) -> Result<Self, String> {
        Self::start_with(arguments, &[])
    }

    /// With these settings too.
    pub(crate) fn start_with(arguments: &[String], settings: &[(&str, &str)]) -> Result<Self, String> {
        Self::build()?;
        Self::spawn(arguments, settings)
    }

    /// Builds it.
    pub(crate) fn build() -> Result<(), String> {
        // With the whole workspace's features, so that nothing is compiled twice.
        run("embedded platform", "cargo", &["build", "--quiet", "--locked", "--workspace", "--bin", "usher"])
    }

    /// Starts what was built. Dropped, it is killed, without a word.
    pub(crate) fn spawn(arguments: &[String], settings: &[(&str, &str)]) -> Result<Self, String> {
        let mut command = Command::new(tools::target().join("debug/usher"));
        // What becomes of each booking is told by whoever asked for it.
        command
            .args(["--port", "0"])
            .args(arguments)
            .env("LOG_LEVEL", "warn")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|why| format!("the embedded platform: {why}"))?;
        let lines = child.stdout.take().into_iter().flat_map(|output| BufReader::new(output).lines());
        let url =
            lines.map_while(Result::ok).find_map(|line| Some(line.split_once("running at ")?.1.trim().to_owned()));
        let mut embedded = Self { child, url: String::new() };
        embedded.url = url.ok_or("the embedded platform did not say where it is")?;
        Ok(embedded)
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Who buys, and where they pay.
fn buyer(arguments: &Smoke, site: &Site) -> Result<(Person, Provider), String> {
    let Some(token) = &arguments.token else {
        let buyer = site.local_person(&json!({"sub": "smoke", "roles": [], "email": "smoke@example.com"}));
        let buyer = buyer.map_err(|why| format!("no --token, and no embedded platform to ask for one: {why}"))?;
        return Ok((buyer, Provider::stripe(&format!("{}/sandbox/stripe", site.base_url), None)));
    };
    let key = test_key(env::var_os(KEY_VARIABLE).as_deref())?;
    Ok((site.person(token), Provider::stripe(&arguments.payment_url, Some(key))))
}

/// The provider's key, which must not be one that moves money.
fn test_key(value: Option<&OsStr>) -> Result<String, String> {
    let key = value.and_then(OsStr::to_str).unwrap_or_default();
    if key.starts_with("pk_test_") || key.starts_with("sk_test_") {
        return Ok(key.to_owned());
    }
    Err(format!("{KEY_VARIABLE} must be set to a test key of the payment provider (pk_test_… or sk_test_…)"))
}

/// Holds a place under a key that no other run uses.
fn hold(buyer: &Person, show: &str, wish: &Wish) -> Result<String, String> {
    let booking = buyer.hold(show, &format!("smoke-{}", fresh_number()), wish)?.expect("the hold", 201)?.json();
    Ok(text(&booking, "bookingId")?.to_owned())
}

/// Does one step and tells how long it took.
fn step<T>(name: &str, work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let began = Instant::now();
    let outcome = work();
    let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
    println!("{name:<18} {:>7} ms  {verdict}", began.elapsed().as_millis());
    outcome.map_err(|why| format!("{name}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_test_keys_are_taken() {
        for key in ["pk_test_1", "sk_test_1"] {
            assert_eq!(test_key(Some(OsStr::new(key))).as_deref(), Ok(key));
        }
        for key in [None, Some(""), Some("sk_live_1"), Some("rk_test_1")] {
            assert!(test_key(key.map(OsStr::new)).is_err(), "{key:?}");
        }
    }
}
