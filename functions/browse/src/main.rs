//! The Lambda: builds the function from its environment and runs it.

use std::sync::Arc;

use browse::App;
use outbound::clock::SystemClock;
use store::Store;

#[tokio::main]
async fn main() -> Result<(), edge::Failure> {
    let settings = edge::run::start();
    let aws = edge::run::aws().await;
    let store = Store::connect(&aws, settings.text("TABLE_NAME"));
    let app = App::new(&settings, store, Arc::new(SystemClock));
    settings.check()?;
    edge::run::http(|request| browse::handle(&app, request)).await
}
