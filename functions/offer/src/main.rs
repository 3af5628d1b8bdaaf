//! The Lambda: builds the function from its environment and runs it.

use std::sync::Arc;

use offer::{App, Options};
use outbound::{clock::SystemClock, secrets, timers::SqsTimers};
use store::Store;

#[tokio::main]
async fn main() -> Result<(), edge::Failure> {
    let aws = edge::run::aws();
    let settings = edge::run::start().reveal(secrets::reader(&aws)).await;
    let store = Store::connect(&aws, settings.text("TABLE_NAME"));
    let clock = Arc::new(SystemClock);
    let timers = SqsTimers::new(&aws, settings.text("TIMER_QUEUE_URL"), clock.clone());
    let options = Options::new(&settings);
    settings.check()?;
    let app = App::new(options, store, Arc::new(timers), clock);
    edge::run::events(|wake| offer::handle(&app, wake)).await
}
