//! The Lambda: builds the function from its environment and runs it.

use std::sync::Arc;

use outbound::{clock::SystemClock, live::SqsTellings};
use project::App;
use store::Store;

#[tokio::main]
async fn main() -> Result<(), edge::Failure> {
    let settings = edge::run::start();
    let aws = edge::run::aws();
    let store = Store::connect(&aws, settings.text("TABLE_NAME"));
    let tellings = SqsTellings::new(&aws, settings.text("TELLING_QUEUE_URL"), Arc::new(SystemClock));
    settings.check()?;
    let app = App::new(store, Arc::new(tellings), Arc::new(SystemClock));
    edge::run::events(|work| project::work(&app, work)).await
}
