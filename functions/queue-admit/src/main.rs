//! The Lambda: builds the function from its environment and runs it.

use std::sync::Arc;

use outbound::{clock::SystemClock, ticks::SqsTicks};
use queue_admit::App;
use store::Store;

#[tokio::main]
async fn main() -> Result<(), edge::Failure> {
    let settings = edge::run::start();
    let aws = edge::run::aws();
    let store = Store::connect(&aws, settings.text("TABLE_NAME"));
    let ticks = SqsTicks::new(&aws, settings.text("TICK_QUEUE_URL"));
    let app = App::new(&settings, store, Arc::new(ticks), Arc::new(SystemClock));
    settings.check()?;
    edge::run::events(|wake| queue_admit::handle(&app, wake)).await
}
