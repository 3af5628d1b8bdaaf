//! The Lambda: builds the function from its environment and runs it.

use std::sync::Arc;

use outbound::{clock::SystemClock, secrets};
use store::{Store, mode::Modes};
use waitlist::App;

#[tokio::main]
async fn main() -> Result<(), edge::Failure> {
    let aws = edge::run::aws();
    let settings = edge::run::start().reveal(secrets::reader(&aws)).await;
    let store = Store::connect(&aws, settings.text("TABLE_NAME"));
    let modes = Modes::new(store.clone());
    let app = App::new(&settings, store, Arc::new(SystemClock));
    settings.check()?;
    edge::run::http(&settings, || modes.read_only(), |request| waitlist::handle(&app, request)).await
}
