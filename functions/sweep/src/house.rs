//! Work on house seats that whoever began it does not carry on.

use edge::Failure;
use store::cache::Catalogue;

use crate::App;

/// Steps of each job in one tick, at most: some twenty thousand seats.
const STEPS_PER_TICK_MAX: u32 = 200;

/// Carries on every job that is not over. One that cannot be does not keep the others waiting.
pub(crate) async fn all(app: &App) -> Result<(), Failure> {
    let store = &app.settlement.store;
    let catalogue = Catalogue::new(store.clone());
    for (show_id, id) in store.running_jobs().await? {
        let (Some(show), Some(job)) = (catalogue.show(show_id).await?, store.job(show_id, id).await?) else { continue };
        let Some(seats) = catalogue.seats_of(&show, &job.ranges).await? else { continue };
        match store.carry_on(job, &seats, STEPS_PER_TICK_MAX).await {
            Ok(job) => {
                tracing::info!(show.id = %show_id, job.done = job.done, "house seats of {show_id}: {} of {}", job.done, job.total);
            }
            Err(error) => {
                tracing::error!(show.id = %show_id, %error, "house seats of {show_id} wait for the next tick");
            }
        }
    }
    Ok(())
}
