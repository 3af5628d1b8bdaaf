//! The Lambda: builds the function from its environment and runs it.

use std::sync::Arc;

use outbound::{clock::SystemClock, live::GatewayConnections};
use push::App;
use store::Store;

#[tokio::main]
async fn main() -> Result<(), edge::Failure> {
    let settings = edge::run::start();
    let aws = edge::run::aws();
    let store = Store::connect(&aws, settings.text("TABLE_NAME"));
    let connections = Arc::new(GatewayConnections::new(&aws, &settings.text("LIVE_ENDPOINT"))?);
    settings.check()?;
    let app = App::new(store, connections, Arc::new(SystemClock));
    edge::run::events(|batch| async { Ok(push::handle(&app, batch).await) }).await
}
