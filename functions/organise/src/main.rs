//! The Lambda: builds the function from its environment and runs it.

use std::sync::Arc;

use organise::App;
use outbound::{clock::SystemClock, ids::RandomIds};
use store::Store;

#[tokio::main]
async fn main() -> Result<(), edge::Failure> {
    let settings = edge::run::start();
    let aws = edge::run::aws().await;
    let store = Store::connect(&aws, settings.text("TABLE_NAME"));
    let app = App::new(&settings, store, Arc::new(SystemClock), Arc::new(RandomIds));
    settings.check()?;
    edge::run::http(|request| organise::handle(&app, request)).await
}
