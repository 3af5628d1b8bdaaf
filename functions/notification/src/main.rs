//! The Lambda: builds the function from its environment and runs it.

use std::sync::Arc;

use notification::App;
use outbound::{clock::SystemClock, files::S3Files, mail::SesMailer};
use store::Store;

#[tokio::main]
async fn main() -> Result<(), edge::Failure> {
    let settings = edge::run::start();
    let aws = edge::run::aws();
    let store = Store::connect(&aws, settings.text("TABLE_NAME"));
    let files = Arc::new(S3Files::new(&aws, &settings.text("TICKET_BUCKET"))?);
    let app = App::new(&settings, store, files, Arc::new(SesMailer::new(&aws)), Arc::new(SystemClock))?;
    edge::run::events(|event| notification::handle(&app, event)).await
}
