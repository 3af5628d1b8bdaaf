//! Money goes back, and the books agree.

use serde_json::{Value, json};

use super::{SCHEDULE_GRACE, TIMER_GRACE, xtask};
use crate::{
    e2e::{
        report::Story,
        stack::Stack,
        stage::{PRICE_MINOR, Stage, hold},
    },
    http::eventually,
    journey::{list, text},
};

/// A buyer changes their mind.
pub(crate) const REFUND: Story =
    Story { name: "a paid booking is cancelled and refunded", functions: &["bookings", "sweep"] };
/// A show does not take place.
pub(crate) const CALL_OFF: Story = Story {
    name: "part is given back, then the show is cancelled and everybody refunded",
    functions: &["organise", "sweep", "relay"],
};
/// The books are compared on the deployed stack.
pub(crate) const RECONCILE: Story =
    Story { name: "cargo xtask reconcile --function finds the books in order", functions: &["reconcile"] };

/// Cancelling gives the money back, once, and the seat.
pub(crate) fn refund(stack: &Stack, stage: &Stage) -> Result<(), String> {
    const SEAT: &str = "hall:C:2";
    let edsger = stage.buyer(stack, "edsger")?;
    let held = hold(&edsger, &stage.usual, SEAT)?;
    let booking = text(&held, "bookingId")?;
    let intent = edsger.pay(booking, &stage.provider)?;
    edsger.until_paid(booking)?;
    let cancelled = edsger.cancel_and_refund(booking)?;
    edsger.end(booking)?;
    let refunds = stage.provider.refunds(&intent)?.expect("the refunds", 200)?.json();
    let amounts: Vec<&Value> = list(&refunds, "data").iter().map(|refund| &refund["amount"]).collect();
    if amounts != [&json!(PRICE_MINOR)] {
        return Err(format!("given back: {amounts:?}; the booking: {cancelled}"));
    }
    hold(&stage.buyer(stack, "next")?, &stage.usual, SEAT).map(drop)
}

/// An organiser looks at a show, gives part of a sale back, and cancels; the schedule does the rest.
pub(crate) fn call_off(stack: &Stack, stage: &Stage) -> Result<(), String> {
    const PART: u64 = 5_000;
    let (olga, path) = (&stage.organiser, |what: &str| format!("/v1/shows/{}{what}", stage.doomed));
    let (margaret, hedy) = (stage.buyer(stack, "margaret")?, stage.buyer(stack, "hedy")?);
    let held = hold(&margaret, &stage.doomed, "hall:A:1")?;
    let (sold, waiting) = (text(&held, "bookingId")?, hold(&hedy, &stage.doomed, "hall:A:2")?);
    let intent = margaret.pay(sold, &stage.provider)?;
    margaret.until_paid(sold)?;
    olga.post(&path("/blocks"), &json!({"seatIds": ["hall:D:9"]}))?.expect("a block", 200)?;
    let part = json!({"bookingId": sold, "amount": {"amountMinor": PART, "currency": "INR"}});
    for _ in 0..2 {
        olga.post_once(&path("/refunds"), "goodwill", &part)?.expect("part of the money", 200)?;
    }
    eventually("part of the money", SCHEDULE_GRACE, || Ok((given_back(stage, &intent)? == PART).then_some(())))?;
    olga.patch(&path(""), &json!({"status": "CANCELLED"}))?.expect("the cancellation", 200)?;
    for (person, booking) in [(&margaret, sold), (&hedy, text(&waiting, "bookingId")?)] {
        eventually("the booking's end", SCHEDULE_GRACE, || {
            Ok((person.booking(booking)?["reason"] == "show-cancelled").then_some(()))
        })?;
    }
    eventually("all of the money", SCHEDULE_GRACE, || Ok((given_back(stage, &intent)? == PRICE_MINOR).then_some(())))?;
    let progress = olga.get(&path("/cancellation"))?.expect("the progress", 200)?.json();
    if progress["bookingsLeft"] != 0 {
        return Err(format!("bookings are left: {progress}"));
    }
    olga.get(&path("/sales"))?.expect("the sales", 200)?;
    eventually("the ledger's sums", TIMER_GRACE, || {
        let money = olga.get(&path("/money"))?.expect("the money", 200)?.json();
        let settled = money["balanced"] == true && money["captured"] == money["refunded"];
        Ok((settled && money["captured"]["amountMinor"] == PRICE_MINOR).then_some(()))
    })?;
    let ledger = olga.get(&path("/ledger"))?.expect("the ledger", 200)?.json();
    if list(&ledger, "entries").is_empty() { Err(format!("nothing in the ledger: {ledger}")) } else { Ok(()) }
}

/// What the provider gave back of a payment.
fn given_back(stage: &Stage, intent: &str) -> Result<u64, String> {
    let refunds = stage.provider.refunds(intent)?.expect("the refunds", 200)?.json();
    Ok(list(&refunds, "data").iter().filter_map(|refund| refund["amount"].as_u64()).sum())
}

/// The command, as an operator runs it, finds nothing that a person must look at.
pub(crate) fn reconcile(stack: &Stack, _: &Stage) -> Result<(), String> {
    let (status, told) = xtask(stack, &["reconcile", "--function", stack.id("ReconcileFunction")?, "--scope", "all"])?;
    let compared = told.lines().next().and_then(|line| line.strip_prefix("compared: ")).unwrap_or_default();
    let intents: u64 = compared.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or_default();
    if status.success() && intents > 0 { Ok(()) } else { Err(format!("it ended with {status}:\n{told}")) }
}
