//! What an operator does: change the stack, move failed messages back, delete it.

use std::{thread, time::Duration};

use serde_json::json;

use super::{SCHEDULE_GRACE, TIMER_GRACE, ends, xtask};
use crate::{
    e2e::{
        report::Story,
        stack::Stack,
        stage::{BRIEF_SECONDS, Stage, hold},
    },
    http::eventually,
    journey::{list, text},
};

/// From the first delivery of a message that cannot succeed to its dead-letter queue: five deliveries, each with a call
/// of the provider that runs out of time.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(180);
/// Longer than a call of the provider may take.
const PROVIDER_CALL: Duration = Duration::from_secs(12);
/// Seconds until a failed message comes again, while the poison is tried; deployed it is six minutes.
const VISIBILITY_SECONDS: &str = "2";
/// How long holds live after the update, where their show does not say.
const UPDATED_HOLD_SECONDS: i64 = 300;

/// The stack is changed while it sells.
pub(crate) const UPDATE: Story = Story { name: "the stack is updated in place and sells on", functions: &["hold"] };
/// A map is lost.
pub(crate) const REPROJECT: Story =
    Story { name: "cargo xtask reproject --function rebuilds a lost map byte for byte", functions: &["project"] };
/// Messages that cannot succeed.
pub(crate) const POISON: Story =
    Story { name: "poisoned timers end in the dead-letter queue and are redriven", functions: &["sweep"] };
/// The end.
pub(crate) const TEARDOWN: Story = Story { name: "the stack is deleted; what is retained stays", functions: &[] };

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

/// The command, as an operator runs it: it finds nothing wrong with a map that is right, rebuilds one that is lost, and says
/// what it cannot do.
pub(crate) fn reproject(stack: &Stack, stage: &Stage) -> Result<(), String> {
    let function = stack.id("ProjectFunction")?;
    let rebuild = |show: &str| xtask(stack, &["reproject", "--function", function, "--show", show]);
    let is_right = || {
        let (status, told) = rebuild(&stage.usual)?;
        if !status.success() {
            return Err(format!("it ended with {status}:\n{told}"));
        }
        Ok(told.ends_with(" of which 0 showed something else\n").then_some(()))
    };
    let shown = || {
        let url = format!("{}/v1/shows/{}/sections/hall/availability", stage.site.base_url, stage.usual);
        Ok::<_, String>(text(&stage.site.http.get(&url)?.expect("the map", 200)?.json(), "seats")?.to_owned())
    };
    // A change may be on its way: then it is the command that shows it first.
    eventually("a map that is right", SCHEDULE_GRACE, is_right)?;
    let before = shown()?;
    let key = json!({"PK": {"S": format!("AVAIL#{}#hall", stage.usual)}, "SK": {"S": "AVAIL"}});
    let lose = json!({"TableName": stack.id("Table")?, "Key": key});
    stack.aws.json("dynamodb", "DynamoDB_20120810.DeleteItem", &lose)?;
    let (status, told) = rebuild(&stage.usual)?;
    if !status.success() || !told.contains("rewritten: hall:") {
        return Err(format!("of a lost map it said, with {status}:\n{told}"));
    }
    eventually("the map as it was", SCHEDULE_GRACE, || Ok((shown()? == before).then_some(())))?;
    let (status, told) = rebuild("shw_00000000000070008000000000000001")?;
    if status.success() || !told.contains("there is no show") {
        return Err(format!("of no show it said, with {status}:\n{told}"));
    }
    Ok(())
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
