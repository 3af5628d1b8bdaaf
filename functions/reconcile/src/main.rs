//! The Lambda: builds the function from its environment and runs it.

use std::sync::Arc;

use outbound::{
    clock::SystemClock,
    payments::stripe::{Stripe, StripeSettings},
    secrets,
    timers::SqsTimers,
};
use reconcile::App;
use settlement::Settlement;
use store::Store;

#[tokio::main]
async fn main() -> Result<(), edge::Failure> {
    let aws = edge::run::aws();
    let settings = edge::run::start().reveal(secrets::reader(&aws)).await;
    let store = Store::connect(&aws, settings.text("TABLE_NAME"));
    let stripe = StripeSettings::new(settings.text("PAYMENT_BASE_URL"), settings.text("PAYMENT_SECRET_KEY"));
    let timers = SqsTimers::new(&aws, settings.text("TIMER_QUEUE_URL"), Arc::new(SystemClock));
    settings.check()?;
    let app = App { settlement: Settlement::new(store, Stripe::new(stripe)?, timers) };
    edge::run::events(|order| reconcile::handle(&app, order)).await
}
