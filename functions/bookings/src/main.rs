//! The Lambda: builds the function from its environment and runs it.

use std::sync::Arc;

use bookings::{App, Options};
use outbound::{
    clock::SystemClock,
    files::S3Files,
    payments::stripe::{Stripe, StripeSettings},
    secrets,
    timers::SqsTimers,
};
use settlement::Settlement;
use store::{Store, mode::Modes};

#[tokio::main]
async fn main() -> Result<(), edge::Failure> {
    let aws = edge::run::aws();
    let settings = edge::run::start().reveal(secrets::reader(&aws)).await;
    let store = Store::connect(&aws, settings.text("TABLE_NAME"));
    let modes = Modes::new(store.clone());
    let stripe = StripeSettings::new(settings.text("PAYMENT_BASE_URL"), settings.text("PAYMENT_SECRET_KEY"));
    let timers = SqsTimers::new(&aws, settings.text("TIMER_QUEUE_URL"), Arc::new(SystemClock));
    let files = Arc::new(S3Files::new(&aws, &settings.text("TICKET_BUCKET"))?);
    let options = Options::new(&settings)?;
    let app = App::new(options, Settlement::new(store, Stripe::new(stripe)?, timers), files);
    edge::run::http(&settings, || modes.read_only(), |request| bookings::handle(&app, request)).await
}
