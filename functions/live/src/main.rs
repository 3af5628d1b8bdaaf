//! The Lambda: builds the function from its environment and runs it.

use std::sync::Arc;

use live::App;
use outbound::{clock::SystemClock, live::GatewayConnections};
use store::Store;

#[tokio::main]
async fn main() -> Result<(), edge::Failure> {
    let settings = edge::run::start();
    let aws = edge::run::aws();
    let store = Store::connect(&aws, settings.text("TABLE_NAME"));
    let connections = Arc::new(GatewayConnections::new(&aws, &settings.text("LIVE_ENDPOINT"))?);
    let app = App::new(&settings, store, connections, Arc::new(SystemClock));
    settings.check()?;
    edge::run::events(|event| async { Ok(live::handle(&app, event).await) }).await
}
