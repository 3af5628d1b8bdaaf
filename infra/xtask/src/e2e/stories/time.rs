//! Holds end in time, each of the ways there are.

use serde_json::json;

use super::{SCHEDULE_GRACE, TIMER_GRACE, ends};
use crate::{
    e2e::{
        report::Story,
        stack::Stack,
        stage::{Stage, hold},
    },
    journey::text,
};

/// A hold ends by its timer.
pub(crate) const EXPIRY: Story =
    Story { name: "a hold ends by the delay queue, the schedule being off", functions: &["hold", "sweep"] };
/// A hold ends although its timer was lost.
pub(crate) const SWEEP: Story =
    Story { name: "a hold whose timer is lost ends by the schedule", functions: &["sweep"] };

/// A hold that nobody pays ends by its own timer.
pub(crate) fn expiry(stack: &Stack, stage: &Stage) -> Result<(), String> {
    const SEAT: &str = "hall:A:1";
    let alan = stage.buyer(stack, "alan")?;
    let held = hold(&alan, &stage.brief, SEAT)?;
    ends(&alan, text(&held, "bookingId")?, "expired", TIMER_GRACE)?;
    hold(&stage.buyer(stack, "kurt")?, &stage.brief, SEAT).map(drop)
}

/// A hold ends although its timer never comes: the queue is purged, the schedule goes on.
pub(crate) fn sweep(stack: &Stack, stage: &Stage) -> Result<(), String> {
    let barbara = stage.buyer(stack, "barbara")?;
    let held = hold(&barbara, &stage.brief, "hall:B:1")?;
    stack.aws.json("sqs", "AmazonSQS.PurgeQueue", &json!({"QueueUrl": stack.id("Timers")?}))?;
    if stack.waiting("Timers")? != 0 {
        return Err("the purged queue still has a timer".to_owned());
    }
    stack.schedule(true)?;
    ends(&barbara, text(&held, "bookingId")?, "expired", SCHEDULE_GRACE)
}
