//! `cargo run`: the whole platform on this machine.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use clap::Parser;
use tracing_subscriber::EnvFilter;
use usher::{Options, PORT_DEFAULT, Platform, banner};

/// Ticketing for seated events, the whole platform in one process. It needs nothing else.
#[derive(Parser)]
#[command(name = "usher", version)]
struct Arguments {
    /// Where to listen, on 127.0.0.1; 0 takes any free port
    #[arg(long, default_value_t = PORT_DEFAULT)]
    port: u16,
    /// Keep everything in this directory; without it everything goes when the platform stops
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Start without the demo's venues and events
    #[arg(long)]
    no_demo: bool,
    /// Count capacity units as AWS bills them, for `GET /dev/meter`
    #[arg(long)]
    metered: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("LOG_LEVEL").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(std::io::stderr).init();
    let options = Options {
        port: arguments.port,
        data: arguments.data,
        demo: !arguments.no_demo,
        metered: arguments.metered,
        environment: true,
        ..Options::default()
    };
    match Platform::start(options).await {
        Ok(platform) => {
            // Nobody has to read it: a closed pipe is no reason to stop.
            let _ = writeln!(std::io::stdout(), "{}", banner(&platform));
            usher::until_interrupted().await;
            platform.stop().await;
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("usher cannot start: {why}");
            ExitCode::FAILURE
        }
    }
}
