//! What must work on a deployed stack, each as a story.

mod giving_back;
mod operations;
mod paying;
mod sale;
mod time;
mod uploads;

use std::{
    env,
    process::{Command, ExitStatus},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    stack::Stack,
    stage::{BRIEF_SECONDS, Stage},
};
use crate::{
    aws::{ACCESS_KEY, REGION, SECRET_KEY},
    http::eventually,
    journey::{Person, list, text},
};

pub(crate) use self::{
    giving_back::{CALL_OFF, RECONCILE, REFUND, call_off, reconcile, refund},
    operations::{POISON, REPROJECT, TEARDOWN, UPDATE, poison, reproject, teardown, update},
    paying::{CHALLENGE, DECLINE, LATE, UNANSWERED, challenge, decline, late_payment, unanswered},
    sale::{PUBLISH, RACE, SALE, WEBHOOKS, race, sale, webhooks},
    time::{EXPIRY, SWEEP, expiry, sweep},
    uploads::{UPLOAD, upload},
};

/// From the end of a hold to its release by its timer: delivery, and a cold function.
const TIMER_GRACE: Duration = Duration::from_secs(30);
/// From the end of a hold to its release by the schedule: a minute to the next tick, and a function's run.
const SCHEDULE_GRACE: Duration = Duration::from_secs(90);

/// This very program with these arguments, as an operator of the stack runs it: how it ended, and all that it said.
fn xtask(stack: &Stack, arguments: &[&str]) -> Result<(ExitStatus, String), String> {
    let program = env::current_exe().map_err(|why| format!("this very program: {why}"))?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear();
    command.env("AWS_ENDPOINT_URL", stack.endpoint()).env("AWS_REGION", REGION);
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let output = command.output().map_err(|why| format!("the command does not start: {why}"))?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status, String::from_utf8_lossy(&said).into_owned()))
}

/// The provider has this amount, and gave nothing back.
fn captured_once(stage: &Stage, intent: &str, amount: u64) -> Result<(), String> {
    let intent = stage.provider.intent(intent)?.expect("the intent", 200)?.json();
    let charges = list(&intent["charges"], "data");
    let captured = charges.iter().all(|charge| charge["captured"] == true && charge["amount"] == amount);
    if intent["status"] == "succeeded" && charges.len() == 1 && captured {
        return Ok(());
    }
    Err(format!("not captured once: {intent}"))
}

/// Waits until a hold of the brief show has ended for this reason, `grace` after its time at the latest, not before it.
fn ends(buyer: &Person, booking: &str, reason: &str, grace: Duration) -> Result<(), String> {
    let patience = Duration::from_secs(BRIEF_SECONDS) + grace;
    let ended = eventually("the hold's end", patience, || {
        let booking = buyer.booking(booking)?;
        Ok((booking["status"] == "CANCELLED").then_some(booking))
    })?;
    if ended["reason"] != reason {
        return Err(format!("ended for another reason: {ended}"));
    }
    // Texts of one form and zone: their order is that of the moments.
    if text(&ended, "serverTime")? < text(&ended, "expiresAt")? {
        return Err(format!("ended before its time: {ended}"));
    }
    Ok(())
}

/// The provider's news that an intent is authorised. localstripe tells nobody of that.
fn authorised(intent: &str, booking: &str) -> Value {
    json!({
        "id": format!("evt_{}", intent.trim_start_matches("pi_")), "object": "event",
        "type": "payment_intent.amount_capturable_updated",
        "data": {"object": {"id": intent, "object": "payment_intent", "metadata": {"booking_id": booking}}},
    })
}
