//! A seat is sold: the whole way, at once to many, and with a provider that repeats itself.

use std::{collections::BTreeMap, sync::Barrier, thread, time::Duration};

use serde_json::{Value, json};

use super::{TIMER_GRACE, authorised, captured_once};
use crate::{
    e2e::{
        report::Story,
        stack::{PAYMENT_WEBHOOK_SECRET, Stack},
        stage::{PRICE_MINOR, Stage, address, hold},
        tap::attachment,
    },
    http::eventually,
    journey::{Person, Wish, list, text},
};

/// Buyers who want the same seat.
const RACERS: usize = 20;
/// From the capture to the mail: stream, bus, the ticket's file, SES.
const MAIL_WITHIN: Duration = Duration::from_secs(60);

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
    let event = authorised(&intent, booking);
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
