//! What must work on a deployed stack, each as a story.

use std::{collections::BTreeMap, sync::Barrier, thread, time::Duration};

use serde_json::{Value, json};

use super::{
    report::Story,
    stack::{PAYMENT_WEBHOOK_SECRET, Stack},
    stage::{BRIEF_SECONDS, PRICE_MINOR, Stage, address, hold},
    tap::attachment,
};
use crate::{
    http::eventually,
    journey::{Person, Wish, list, text},
};

/// Buyers who want the same seat.
const RACERS: usize = 20;
/// From the end of a hold to its release by its timer: delivery, and a cold function.
const TIMER_GRACE: Duration = Duration::from_secs(30);
/// From the end of a hold to its release by the schedule: a minute to the next tick, and a function's run.
const SCHEDULE_GRACE: Duration = Duration::from_secs(90);
/// From the capture to the mail: stream, bus, the ticket's file, SES.
const MAIL_WITHIN: Duration = Duration::from_secs(60);
/// From the first delivery of a message that cannot succeed to its dead-letter queue: five deliveries, each with a call
/// of the provider that runs out of time.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(180);
/// Longer than a call of the provider may take.
const PROVIDER_CALL: Duration = Duration::from_secs(12);
/// Seconds until a failed message comes again, while the poison is tried; deployed it is six minutes.
const VISIBILITY_SECONDS: &str = "2";
/// How long holds live after the update, where their show does not say.
const UPDATED_HOLD_SECONDS: i64 = 300;

/// A house is published.
pub(crate) const PUBLISH: Story =
    Story { name: "publish a venue, an event and its shows", functions: &["organise", "browse"] };
/// The whole way of a seat.
pub(crate) const SALE: Story = Story {
    name: "browse, hold, pay, confirmed, captured, PDF in the bucket, mail",
    functions: &["hold", "confirm", "webhook", "relay", "ticket", "notification", "project", "bookings"],
};
/// Many want one seat.
pub(crate) const RACE: Story = Story { name: "twenty buyers race for one seat", functions: &["hold"] };
/// The provider repeats itself.
pub(crate) const WEBHOOKS: Story =
    Story { name: "webhooks: forged, signed, and each of them twice", functions: &["webhook", "confirm"] };
/// A buyer changes their mind.
pub(crate) const REFUND: Story =
    Story { name: "a paid booking is cancelled and refunded", functions: &["bookings", "sweep"] };
/// A show does not take place.
pub(crate) const CALL_OFF: Story = Story {
    name: "part is given back, then the show is cancelled and everybody refunded",
    functions: &["organise", "sweep", "relay"],
};
/// A hold ends by its timer.
pub(crate) const EXPIRY: Story =
    Story { name: "a hold ends by the delay queue, the schedule being off", functions: &["hold", "sweep"] };
/// A hold ends although its timer was lost.
pub(crate) const SWEEP: Story =
    Story { name: "a hold whose timer is lost ends by the schedule", functions: &["sweep"] };
/// The stack is changed while it sells.
pub(crate) const UPDATE: Story = Story { name: "the stack is updated in place and sells on", functions: &["hold"] };
/// Messages that cannot succeed.
pub(crate) const POISON: Story =
    Story { name: "poisoned timers end in the dead-letter queue and are redriven", functions: &["sweep"] };
/// The end.
pub(crate) const TEARDOWN: Story = Story { name: "the stack is deleted; what is retained stays", functions: &[] };

/// Browse → hold → pay → CONFIRMED → captured → PDF → mail.
pub(crate) fn sale(stack: &Stack, stage: &Stage) -> Result<(), String> {
    let ada = stage.buyer(stack, "ada")?;
    stage.site.any_place(&stage.usual)?;
    let seats = ["hall:A:1", "hall:A:2"];
    let held = ada.hold(&stage.usual, "e2e sale", &Wish::seats(&seats))?.expect("the hold", 201)?.json();
    let booking = text(&held, "bookingId")?;
    let intent = ada.pay(booking, &stage.provider)?;
    ada.until_paid(booking)?;
    captured_once(stage, &intent, 2 * PRICE_MINOR)?;
    let (codes, file) = ada.tickets(booking)?;
    if codes != seats.len() {
        return Err(format!("{codes} tickets for {} seats", seats.len()));
    }
    let bucket = format!("/{}", stack.id("Tickets")?);
    let listed = stack.aws.rest("s3", "GET", &bucket, &[("list-type", "2")], None)?.expect("the bucket", 200)?.text();
    if !listed.contains(&booking.replace("bkg_", "")) && !listed.contains(booking) {
        return Err(format!("no file of {booking} in the bucket: {listed}"));
    }
    mailed(stack, "ada", &file)?;
    map_says(stage, &seats, 2)?;
    webhook_delivered(stack)
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

/// One mail to the buyer, with the ticket that the bucket has.
fn mailed(stack: &Stack, name: &str, file: &[u8]) -> Result<(), String> {
    let to = address(name);
    eventually("the mail in SES", MAIL_WITHIN, || {
        let mails = stack.mails()?;
        let all = mails["messages"].as_object().into_iter().flat_map(|accounts| accounts.values());
        let mut all = all.filter_map(Value::as_array).flatten();
        Ok(all.any(|mail| list(mail, "To").iter().any(|address| *address == to)).then_some(()))
    })?;
    let mails = stack.tap.mails();
    let mail = mails.iter().find(|mail| mail.contains(&to)).ok_or("the mail was not seen on its way")?;
    match attachment(mail, "application/pdf") {
        Some(attached) if attached == file => Ok(()),
        Some(attached) => Err(format!("attached are {} bytes, the bucket has {}", attached.len(), file.len())),
        None => Err(format!("no PDF in the mail:\n{}", mail.chars().take(2_000).collect::<String>())),
    }
}

/// Waits until the map shows these many seats of the hall sold or more.
fn map_says(stage: &Stage, seats: &[&str], sold: u64) -> Result<(), String> {
    eventually(&format!("the map shows {seats:?} sold"), TIMER_GRACE, || {
        let map = stage.site.get(&format!("/v1/shows/{}/availability", stage.usual))?;
        Ok(list(&map, "sections").iter().any(|section| section["sold"].as_u64() >= Some(sold)).then_some(()))
    })
}

/// The provider's own webhook reached the function through the API, and its signature was good.
fn webhook_delivered(stack: &Stack) -> Result<(), String> {
    eventually("the provider's own webhook", TIMER_GRACE, || {
        Ok(stack.stripe.said(r#"webhook "payment_intent.succeeded" successfully delivered"#).then_some(()))
    })
}

/// Exactly one of many gets the seat; everybody else is told which seat is gone.
pub(crate) fn race(stack: &Stack, stage: &Stage) -> Result<(), String> {
    const SEAT: &str = "hall:B:5";
    let racers: Vec<Person> =
        (0..RACERS).map(|number| stage.buyer(stack, &format!("racer{number}"))).collect::<Result<_, _>>()?;
    let start = Barrier::new(RACERS);
    let run = |racer: &Person| {
        start.wait();
        racer.hold(&stage.usual, "race", &Wish::seats(&[SEAT]))
    };
    let answers = thread::scope(|scope| {
        let threads: Vec<_> = racers.iter().map(|racer| scope.spawn(|| run(racer))).collect();
        let answers =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a racer panicked".to_owned())));
        answers.collect::<Result<Vec<_>, String>>()
    })?;
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for answer in &answers {
        *statuses.entry(answer.status).or_default() += 1;
        let told = answer.status == 201
            || answer.is_problem(409, "seat-unavailable") && answer.json()["unavailable"] == json!([SEAT]);
        if !told {
            return Err(format!("a racer was told {}: {}", answer.status, answer.text()));
        }
    }
    if statuses == BTreeMap::from([(201, 1), (409, RACERS - 1)]) {
        return Ok(());
    }
    Err(format!("answers by status: {statuses:?}"))
}

/// A webhook is believed when it is signed, and works once.
pub(crate) fn webhooks(stack: &Stack, stage: &Stage) -> Result<(), String> {
    let grace = stage.buyer(stack, "grace")?;
    let held = hold(&grace, &stage.usual, "hall:C:1")?;
    let booking = text(&held, "bookingId")?;
    let intent = grace.pay(booking, &stage.provider)?;
    let event = json!({
        "id": format!("evt_{}", intent.trim_start_matches("pi_")), "object": "event",
        "type": "payment_intent.amount_capturable_updated",
        "data": {"object": {"id": intent, "object": "payment_intent", "metadata": {"booking_id": booking}}},
    });
    let forged = stage.webhook("whsec_of_somebody_else", &event)?;
    if !forged.is_problem(400, "bad-signature") {
        return Err(format!("a forged webhook: status {}: {}", forged.status, forged.text()));
    }
    if grace.booking(booking)?["status"] != "PENDING" {
        return Err("a forged webhook was believed".to_owned());
    }
    // At the same time, and once more: the provider promises neither once nor in turn.
    let deliver = || stage.webhook(PAYMENT_WEBHOOK_SECRET, &event)?.expect("a webhook", 200).map(drop);
    thread::scope(|scope| {
        let other = scope.spawn(deliver);
        deliver().and(other.join().unwrap_or_else(|_| Err("a delivery panicked".to_owned())))
    })?;
    let paid = grace.booking(booking)?;
    if paid["status"] != "CONFIRMED" {
        return Err(format!("two webhooks later: {paid}"));
    }
    deliver()?;
    captured_once(stage, &intent, PRICE_MINOR)
}

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

/// Another parameter, deployed over what is there: holds survive, and functions follow.
pub(crate) fn update(stack: &mut Stack, stage: &Stage) -> Result<(), String> {
    let before = stage.buyer(stack, "tony")?;
    let held = hold(&before, &stage.usual, "hall:D:1")?;
    let (api, table) = (stack.id("Api")?.to_owned(), stack.id("Table")?.to_owned());
    stack.deploy(&[("HoldTtlSeconds", &UPDATED_HOLD_SECONDS.to_string())])?;
    if (stack.id("Api")?, stack.id("Table")?) != (&api, &table) {
        return Err("the update replaced the API or the table".to_owned());
    }
    let booking = text(&held, "bookingId")?;
    before.pay(booking, &stage.provider)?;
    before.until_paid(booking)?;
    let after = hold(&stage.buyer(stack, "donald")?, &stage.usual, "hall:D:2")?;
    let moment = |name| text(&after, name)?.parse::<jiff::Timestamp>().map_err(|why| why.to_string());
    let lives = moment("expiresAt")?.duration_since(moment("createdAt")?).as_secs();
    if lives == UPDATED_HOLD_SECONDS { Ok(()) } else { Err(format!("after the update a hold lives {lives} s")) }
}

/// While the provider does not answer, the timer of a started payment fails until it is given up; so does a message that
/// is no timer at all. The operator moves back the one that can succeed by now.
pub(crate) fn poison(stack: &Stack, stage: &Stage) -> Result<(), String> {
    const NO_TIMER: &str = r#"{"no":"timer"}"#;
    let leslie = stage.buyer(stack, "leslie")?;
    let held = hold(&leslie, &stage.brief, "hall:D:5")?;
    let booking = text(&held, "bookingId")?;
    leslie.confirm(booking)?;
    stack.schedule(false)?;
    impatient(stack)?;
    stack.stripe.signal("STOP")?;
    send(stack, "Timers", NO_TIMER)?;
    let patience = Duration::from_secs(BRIEF_SECONDS) + GIVEN_UP_WITHIN;
    let given_up = eventually("both messages in the dead-letter queue", patience, || {
        Ok((stack.waiting("TimerFailures")? >= 2).then_some(()))
    });
    // Those that were on their way when the last one was counted must not find the provider back.
    thread::sleep(PROVIDER_CALL);
    stack.stripe.signal("CONT")?;
    given_up?;
    if leslie.booking(booking)?["status"] != "PENDING" {
        return Err("the booking ended although nobody could ask the provider".to_owned());
    }
    redrive(stack, booking)?;
    ends(&leslie, booking, "expired", TIMER_GRACE)?;
    if stack.waiting("TimerFailures")? != 0 {
        return Err("something is left in the dead-letter queue".to_owned());
    }
    stack.schedule(true)
}

/// Failed messages come again soon.
fn impatient(stack: &Stack) -> Result<(), String> {
    let body = json!({"QueueUrl": stack.id("Timers")?, "Attributes": {"VisibilityTimeout": VISIBILITY_SECONDS}});
    stack.aws.json("sqs", "AmazonSQS.SetQueueAttributes", &body).map(drop)
}

fn send(stack: &Stack, queue: &str, message: &str) -> Result<(), String> {
    let body = json!({"QueueUrl": stack.id(queue)?, "MessageBody": message});
    stack.aws.json("sqs", "AmazonSQS.SendMessage", &body).map(drop)
}

/// As an operator does by hand: what can succeed goes back where it came from, the rest is looked at and deleted.
fn redrive(stack: &Stack, booking: &str) -> Result<(), String> {
    let queue = stack.id("TimerFailures")?;
    let body = json!({"QueueUrl": queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 2});
    let failed = stack.aws.json("sqs", "AmazonSQS.ReceiveMessage", &body)?;
    let (mut back, mut deleted) = (0, 0);
    for message in list(&failed, "Messages") {
        if text(message, "Body")?.contains(booking) {
            send(stack, "Timers", text(message, "Body")?)?;
            back += 1;
        }
        let body = json!({"QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"]});
        stack.aws.json("sqs", "AmazonSQS.DeleteMessage", &body)?;
        deleted += 1;
    }
    if (back, deleted) == (1, 2) { Ok(()) } else { Err(format!("moved back {back} of {deleted} messages: {failed}")) }
}

/// Nothing is left that costs or answers; what must not be lost is.
pub(crate) fn teardown(stack: &Stack, stage: &Stage) -> Result<(), String> {
    stack.delete()?;
    if stack.exists()? {
        return Err("the stack is still there".to_owned());
    }
    let answers = stage.site.http.get(&format!("{}/v1/events", stage.site.base_url))?.status;
    if answers == 200 {
        return Err("the API still answers".to_owned());
    }
    let functions = stack.aws.rest("lambda", "GET", "/2015-03-31/functions", &[], None)?.expect("functions", 200)?;
    let queues = stack.aws.json("sqs", "AmazonSQS.ListQueues", &json!({}))?;
    let rules = stack.aws.json("events", "AWSEvents.ListRules", &json!({}))?;
    let left = [
        ("functions", list(&functions.json(), "Functions").len()),
        ("queues", list(&queues, "QueueUrls").len()),
        ("rules", list(&rules, "Rules").len()),
    ];
    if left.iter().any(|(_, count)| *count != 0) {
        return Err(format!("left of {:?}: {left:?}", stack.kinds()));
    }
    let table = json!({"TableName": stack.id("Table")?});
    stack.aws.json("dynamodb", "DynamoDB_20120810.DescribeTable", &table)?;
    let bucket = format!("/{}", stack.id("Tickets")?);
    let files = stack.aws.rest("s3", "GET", &bucket, &[("list-type", "2")], None)?.expect("the bucket", 200)?.text();
    if files.contains("<Key>") { Ok(()) } else { Err(format!("the tickets are gone: {files}")) }
}
