//! The Lambda: builds the function from its environment and runs it.

use std::sync::Arc;

use outbound::bus::EventBridgeBus;
use relay::App;
use store::Store;

#[tokio::main]
async fn main() -> Result<(), edge::Failure> {
    let settings = edge::run::start();
    let aws = edge::run::aws();
    let store = Store::connect(&aws, settings.text("TABLE_NAME"));
    let app = App { store, bus: Arc::new(EventBridgeBus::new(&aws, settings.text("EVENT_BUS_NAME"))) };
    settings.check()?;
    edge::run::events(|batch| async { Ok(relay::handle(&app, batch).await) }).await
}
