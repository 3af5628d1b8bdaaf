//! Schedules: a function woken by the clock.

use std::{sync::Arc, time::Duration};

use domain::time::Clock;
use serde_json::{Value, json};

use crate::{functions::EventHandler, knobs::Knobs, stop::Stop, wiring::ScheduleSpec};

/// Schedules up to this long tick at once: what fell due while nothing ran is late enough. Others wait their time, as on
/// AWS.
const AT_ONCE_MAX: Duration = Duration::from_mins(5);

/// Wakes the function at its rate until it is over.
pub(crate) async fn run(
    spec: ScheduleSpec,
    handler: EventHandler,
    clock: Arc<dyn Clock>,
    knobs: Arc<Knobs>,
    mut stop: Stop,
) {
    if spec.every > AT_ONCE_MAX && !stop.pause(spec.every).await {
        return;
    }
    loop {
        if !knobs.schedules_are_paused()
            && let Err(why) = handler(spec.input.clone().unwrap_or_else(|| tick(clock.as_ref()))).await
        {
            tracing::warn!(function = spec.function, "a scheduled call failed: {why}");
        }
        if !stop.pause(spec.every).await {
            return;
        }
    }
}

/// The event of a schedule.
pub(crate) fn tick(clock: &dyn Clock) -> Value {
    json!({
        "version": "0",
        "id": "00000000-0000-0000-0000-000000000000",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "region": "local",
        "resources": ["arn:aws:events:local:000000000000:rule/every-minute"],
        "detail": {},
    })
}
