//! The Lambda: builds the function from its environment and runs it.

use project::App;
use store::Store;

#[tokio::main]
async fn main() -> Result<(), edge::Failure> {
    let settings = edge::run::start();
    let aws = edge::run::aws().await;
    let app = App::new(Store::connect(&aws, settings.text("TABLE_NAME")));
    settings.check()?;
    edge::run::events(|event| async { Ok(project::handle(&app, event).await) }).await
}
