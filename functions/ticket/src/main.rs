//! The Lambda: builds the function from its environment and runs it.

use std::sync::Arc;

use outbound::{files::S3Files, secrets};
use store::Store;
use ticket::App;

#[tokio::main]
async fn main() -> Result<(), edge::Failure> {
    let aws = edge::run::aws();
    let settings = edge::run::start().reveal(secrets::reader(&aws)).await;
    let store = Store::connect(&aws, settings.text("TABLE_NAME"));
    let files = Arc::new(S3Files::new(&aws, &settings.text("TICKET_BUCKET"))?);
    let app = App::new(&settings, store, files)?;
    edge::run::events(|event| ticket::handle(&app, event)).await
}
