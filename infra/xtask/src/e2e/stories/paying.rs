//! Payments that do not go as buyers hope: declined, challenged by the bank, and too late.

use std::time::Duration;

use serde_json::Value;

use super::{TIMER_GRACE, authorised, captured_once, ends};
use crate::{
    e2e::{
        report::Story,
        stack::{PAYMENT_WEBHOOK_SECRET, Stack},
        stage::{PRICE_MINOR, Stage, address, hold},
    },
    http::eventually,
    journey::{Person, text},
    pay::{CARD_THAT_IS_DECLINED, CARD_THAT_PAYS},
};

/// What a failed attempt but the last adds to a hold, in seconds.
const EXTENSION_SECONDS: i64 = 120;
/// From a change of the booking to the mail about it: stream, bus, SES.
const MAIL_WITHIN: Duration = Duration::from_secs(60);

/// Cards are declined.
pub(crate) const DECLINE: Story = Story {
    name: "declined once and paid by another card; declined thrice and over",
    functions: &["webhook", "confirm", "relay", "notification"],
};
/// The bank wants to know who pays (3-D Secure).
pub(crate) const CHALLENGE: Story =
    Story { name: "3-D Secure: refused by its buyer, then passed, then captured", functions: &["confirm", "webhook"] };
/// Nobody answers the bank.
pub(crate) const UNANSWERED: Story =
    Story { name: "3-D Secure: nobody answers, and the hold ends", functions: &["sweep", "confirm"] };
/// A payment arrives when its hold is over.
pub(crate) const LATE: Story = Story {
    name: "late payments: the same seat again, or else let go and told",
    functions: &["sweep", "webhook", "relay", "notification"],
};

/// A booking whose payment has begun.
struct Paying {
    buyer: Person,
    booking: String,
    intent: String,
    secret: String,
    expires_at: jiff::Timestamp,
}

impl Paying {
    fn begin(stack: &Stack, stage: &Stage, name: &str, show: &str, seat: &str) -> Result<Self, String> {
        let buyer = stage.buyer(stack, name)?;
        let held = hold(&buyer, show, seat)?;
        let booking = text(&held, "bookingId")?.to_owned();
        let confirmed = buyer.confirm(&booking)?;
        let payment = |name| text(&confirmed["payment"], name).map(str::to_owned);
        let (intent, secret) = (payment("intentId")?, payment("clientSecret")?);
        Ok(Self { buyer, booking, intent, secret, expires_at: moment(&held, "expiresAt")? })
    }

    /// A card that is declined, and the provider's own webhook that says so: the booking knows of so many attempts.
    fn declined(&self, stage: &Stage) -> Result<(), String> {
        let answer = stage.provider.attempt(&self.intent, &self.secret, CARD_THAT_IS_DECLINED)?;
        answer.expect("a declined card", 402).map(drop)
    }

    fn attempts(&self, count: i64) -> Result<(), String> {
        eventually(&format!("{count} failed attempts are counted"), TIMER_GRACE, || {
            Ok((self.buyer.confirm(&self.booking)?["payment"]["attempts"] == count).then_some(()))
        })?;
        let extended = moment(&self.buyer.booking(&self.booking)?, "expiresAt")?.duration_since(self.expires_at);
        if extended.as_secs() == count * EXTENSION_SECONDS {
            return Ok(());
        }
        Err(format!("{count} failed attempts later the hold lasts {extended:#} longer"))
    }

    fn pay(&self, stage: &Stage) -> Result<(), String> {
        stage.provider.pay(&self.intent, &self.secret, CARD_THAT_PAYS)
    }

    /// Sold, and taken once.
    fn sold(&self, stage: &Stage) -> Result<(), String> {
        self.buyer.until_paid(&self.booking)?;
        captured_once(stage, &self.intent, PRICE_MINOR)
    }

    /// Over for this reason; the provider has nothing and can take nothing.
    fn nothing_taken(&self, stage: &Stage, reason: &str) -> Result<(), String> {
        let booking = self.buyer.booking(&self.booking)?;
        let intent = stage.provider.intent(&self.intent)?.expect("the intent", 200)?.json();
        let dead = intent["status"] == "canceled";
        let over = booking["status"] == "CANCELLED" && booking["reason"] == reason && booking["refund"].is_null();
        if over && dead { Ok(()) } else { Err(format!("not over for {reason}: {booking}; its intent: {intent}")) }
    }

    /// As the provider's webhook would: it is authorised.
    fn hint(&self, stage: &Stage) -> Result<(), String> {
        let event = authorised(&self.intent, &self.booking);
        stage.webhook(PAYMENT_WEBHOOK_SECRET, &event)?.expect("a webhook", 200).map(drop)
    }
}

fn moment(booking: &Value, name: &str) -> Result<jiff::Timestamp, String> {
    text(booking, name)?.parse().map_err(|why| format!("{name}: {why}"))
}

/// A mail of this subject is on its way to the buyer.
fn mailed(stack: &Stack, name: &str, subject: &str) -> Result<(), String> {
    let to = address(name);
    eventually(&format!("'{subject}' to {name}"), MAIL_WITHIN, || {
        let mails = stack.tap.mails();
        Ok(mails.iter().any(|mail| mail.contains(&to) && mail.contains(subject)).then_some(()))
    })
}

/// Two failures give more time each, and another card may pay; the third ends the hold. Nobody is charged for any.
pub(crate) fn decline(stack: &Stack, stage: &Stage) -> Result<(), String> {
    const SEATS: [&str; 2] = ["hall:C:5", "hall:C:6"];
    let rosalind = Paying::begin(stack, stage, "rosalind", &stage.usual, SEATS[0])?;
    rosalind.declined(stage)?;
    rosalind.attempts(1)?;
    mailed(stack, "rosalind", "Your payment did not go through")?;
    rosalind.pay(stage)?;
    rosalind.sold(stage)?;
    let emmy = Paying::begin(stack, stage, "emmy", &stage.usual, SEATS[1])?;
    for attempt in 1..=2 {
        emmy.declined(stage)?;
        emmy.attempts(attempt)?;
    }
    emmy.declined(stage)?;
    eventually("the hold's end", TIMER_GRACE, || {
        Ok((emmy.buyer.booking(&emmy.booking)?["status"] == "CANCELLED").then_some(()))
    })?;
    emmy.nothing_taken(stage, "payment-failed")?;
    mailed(stack, "emmy", "Your booking was not completed")?;
    hold(&stage.buyer(stack, "lise")?, &stage.usual, SEATS[1]).map(drop)
}

/// The bank's question is asked, refused, asked again and passed.
pub(crate) fn challenge(stack: &Stack, stage: &Stage) -> Result<(), String> {
    let ida = Paying::begin(stack, stage, "ida", &stage.usual, "hall:C:7")?;
    let card = stage.provider.card_that_asks()?;
    for passes in [false, true] {
        let answer = stage.provider.attempt(&ida.intent, &ida.secret, &card)?.expect("a card that asks", 200)?;
        let confirmed = ida.buyer.confirm(&ida.booking)?;
        let asked = (&answer.json()["status"], &confirmed["payment"]["status"]) == (&ASKS.into(), &ASKS.into());
        if !asked || confirmed["status"] != "PENDING" {
            return Err(format!("the bank asks, and confirm answers {confirmed}"));
        }
        stage.provider.answer_challenge(&ida.intent, &ida.secret, passes)?.expect("the bank's answer", 200)?;
    }
    ida.sold(stage)
}

/// What the provider and we call an intent whose bank asks.
const ASKS: &str = "requires_action";

/// Whoever leaves the bank's question unanswered has nothing to answer once the hold is over.
pub(crate) fn unanswered(stack: &Stack, stage: &Stage) -> Result<(), String> {
    let sofia = Paying::begin(stack, stage, "sofia", &stage.brief, "hall:C:3")?;
    let card = stage.provider.card_that_asks()?;
    stage.provider.attempt(&sofia.intent, &sofia.secret, &card)?.expect("a card that asks", 200)?;
    ends(&sofia.buyer, &sofia.booking, "expired", TIMER_GRACE)?;
    let late = stage.provider.answer_challenge(&sofia.intent, &sofia.secret, true)?;
    if late.status != 400 {
        return Err(format!("answered after the end: status {}: {}", late.status, late.text()));
    }
    sofia.nothing_taken(stage, "expired")
}

/// The provider says that two payments are cancelled, and lets them through when their holds are over. One seat is free
/// and goes to its buyer again; the other is somebody else's by then, and its money is let go.
pub(crate) fn late_payment(stack: &Stack, stage: &Stage) -> Result<(), String> {
    const TAKEN: &str = "hall:C:2";
    let joan = Paying::begin(stack, stage, "joan", &stage.brief, "hall:C:1")?;
    let dorothy = Paying::begin(stack, stage, "dorothy", &stage.brief, TAKEN)?;
    for paying in [&joan, &dorothy] {
        stage.provider.pretend_to_cancel(&paying.intent)?.expect("a provider that breaks its word", 200)?;
    }
    for paying in [&joan, &dorothy] {
        ends(&paying.buyer, &paying.booking, "expired", TIMER_GRACE)?;
    }
    hold(&stage.buyer(stack, "annie")?, &stage.brief, TAKEN)?;
    for paying in [&joan, &dorothy] {
        paying.pay(stage)?;
        paying.hint(stage)?;
    }
    joan.sold(stage)?;
    dorothy.nothing_taken(stage, "seats-lost")?;
    mailed(stack, "joan", "Your tickets")?;
    mailed(stack, "dorothy", "Your booking was not completed")
}
