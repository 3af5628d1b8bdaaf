//! The Lambda: builds the function from its environment and runs it.

use std::sync::Arc;

use hold::{App, Options};
use outbound::{
    clock::SystemClock,
    payments::stripe::{Stripe, StripeSettings},
    secrets,
    timers::SqsTimers,
};
use settlement::Settlement;
use store::{Store, cache::Catalogue, mode::Modes};

#[tokio::main]
async fn main() -> Result<(), edge::Failure> {
    let aws = edge::run::aws();
    let settings = edge::run::start().reveal(secrets::reader(&aws)).await;
    let store = Store::connect(&aws, settings.text("TABLE_NAME"));
    let modes = Modes::new(store.clone());
    let stripe = StripeSettings::new(settings.text("PAYMENT_BASE_URL"), settings.text("PAYMENT_SECRET_KEY"));
    let timers = SqsTimers::new(&aws, settings.text("TIMER_QUEUE_URL"), Arc::new(SystemClock));
    let options = Options::new(&settings);
    settings.check()?;
    let settlement = Settlement::new(store.clone(), Stripe::new(stripe)?, timers);
    let app = App::new(options, settlement, Catalogue::new(store));
    edge::run::http(&settings, || modes.read_only(), |request| hold::handle(&app, request)).await
}
