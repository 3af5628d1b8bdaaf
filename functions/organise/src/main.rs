//! The Lambda: builds the function from its environment and runs it.

use std::sync::Arc;

use organise::App;
use outbound::{clock::SystemClock, ids::RandomIds, secrets, uploads::S3Uploads};
use store::{Store, mode::Modes};

#[tokio::main]
async fn main() -> Result<(), edge::Failure> {
    let aws = edge::run::aws();
    let settings = edge::run::start().reveal(secrets::reader(&aws)).await;
    let store = Store::connect(&aws, settings.text("TABLE_NAME"));
    let modes = Modes::new(store.clone());
    let uploads = Arc::new(S3Uploads::new(&aws, &settings.text("PLAN_UPLOAD_BUCKET"))?);
    let app = App::new(&settings, store, uploads, Arc::new(SystemClock), Arc::new(RandomIds));
    settings.check()?;
    edge::run::http(&settings, || modes.read_only(), |request| organise::handle(&app, request)).await
}
