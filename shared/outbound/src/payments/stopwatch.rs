//! How long a piece of work waits for the payment provider: what is left of its time is ours to answer for.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

tokio::task_local! {
    static WAITED: Cell<Option<Duration>>;
}

/// Runs `work` and answers, besides its result, how long it waited for the provider; `None` when it asked nothing of it.
/// Waits side by side add up, and those in tasks of their own are not seen.
pub async fn timed<T>(work: impl Future<Output = T>) -> (T, Option<Duration>) {
    let work = async {
        let result = work.await;
        (result, WAITED.with(Cell::get))
    };
    WAITED.scope(Cell::new(None), work).await
}

/// One call of the provider, noted where somebody asked with [`timed`].
pub(super) async fn waiting<T>(call: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let answer = call.await;
    let note = |waited: &Cell<Option<Duration>>| {
        waited.set(Some(waited.get().unwrap_or_default().saturating_add(began.elapsed())));
    };
    // Outside of `timed` there is nobody to tell.
    let _ = WAITED.try_with(note);
    answer
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const CALL: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn the_waits_of_all_calls_add_up_and_our_own_time_is_not_among_them() {
        let work = async {
            assert_eq!(
                waiting(async {
                    sleep(CALL).await;
                    1
                })
                .await,
                1
            );
            sleep(10 * CALL).await;
            waiting(sleep(CALL)).await;
        };
        let ((), waited) = timed(work).await;
        let waited = waited.unwrap();
        assert!((2 * CALL..10 * CALL).contains(&waited), "{waited:?}");
    }

    #[tokio::test]
    async fn who_asks_nothing_has_not_waited() {
        waiting(async {}).await;
        assert_eq!(timed(async { 1 }).await, (1, None));
    }
}
