//! What is measured: a closed list of metrics, one line each on stdout in the embedded metric format (EMF), from which
//! `CloudWatch` makes metrics without a call. Names carry their units; `docs/observability.md` says what each means.
//!
//! Nothing is written unless [`crate::run::start`] said so: the embedded platform and tests stay quiet. A test hears what
//! was measured with [`capture`].

use std::{cell::RefCell, io::Write as _, pin::Pin, sync::OnceLock, time::Duration};

use aws_lambda_events::dynamodb::EventRecord;
use domain::{
    Refusal, Timestamp,
    time::{from_millis, millis},
};
use serde_json::{Map, Value, json};

use crate::problem;

/// What every metric is found under.
const NAMESPACE: &str = "Usher";
/// The value of the dimension `Stack` where no stack is named. A dimension must have a value.
pub(crate) const NO_STACK: &str = "local";

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Thousandths of a second.
    Milliseconds,
    /// Seconds.
    Seconds,
}

impl Unit {
    /// As `CloudWatch` spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
        }
    }
}

macro_rules! metrics {
    ($($(#[$says:meta])* $name:ident: $unit:ident,)+) => {
        /// Everything that is measured. The names are an interface: dashboards and alarms ask for them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Metric {
            $($(#[$says])* $name,)+
        }

        impl Metric {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The metric's name in `CloudWatch`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// What its values count.
            #[must_use]
            pub const fn unit(self) -> Unit {
                match self {
                    $(Self::$name => Unit::$unit,)+
                }
            }
        }
    };
}

metrics! {
    /// `hold`: claims that were won. A repeat of an earlier one is not another.
    HoldsGranted: Count,
    /// `hold`: calls that were refused, also by the problem's slug.
    HoldsRefused: Count,
    /// `hold`: from the event to the answer, less the wait for the payment provider.
    HoldMilliseconds: Milliseconds,
    /// Every HTTP function: calls that were turned away before it looked at them, also by the problem's slug.
    CallsRefused: Count,
    /// `confirm`: from the event to the answer, less the wait for the payment provider.
    ConfirmMilliseconds: Milliseconds,
    /// `confirm`: the wait for the payment provider, of calls that asked it.
    ProviderMilliseconds: Milliseconds,
    /// `relay`: holds that ended unpaid because their time was up.
    HoldsExpired: Count,
    /// `relay`: bookings whose seats were sold.
    BookingsConfirmed: Count,
    /// `relay`: bookings whose capture was recorded.
    BookingsPaid: Count,
    /// `relay`: bookings that were over and took their seats again, because they were paid after all.
    LatePayments: Count,
    /// `relay`: attempts to pay that failed.
    PaymentsFailed: Count,
    /// `relay`: refunds of more than nothing that began to be owed.
    RefundsOwed: Count,
    /// `relay`: refunds of more than nothing that the provider has accepted.
    RefundsDone: Count,
    /// `relay`: disputes that were opened, or opened again.
    DisputesOpened: Count,
    /// `relay`: holds that the waitlist offered.
    WaitlistOffers: Count,
    /// `relay`: offers of the waitlist that were taken: their seats were sold.
    WaitlistTaken: Count,
    /// `relay`: offers of the waitlist that ended unpaid.
    WaitlistLapsed: Count,
    /// `offer`: shows with a waitlist that a tick looked after. Zero is told too.
    WaitlistShows: Count,
    /// `relay`: how old the oldest change of a batch is when the batch is done.
    OutboxLagMilliseconds: Milliseconds,
    /// `project`: how old the oldest change of a batch is when the map shows it.
    MapLagMilliseconds: Milliseconds,
    /// `project`: rows whose map differs from their seats and does not come round. Zero is told too.
    MapDrift: Count,
    /// `project`: topics of the live map whose watchers nobody will tell of a change, for want of the queue.
    TellingsLost: Count,
    /// `push`: messages that were handed over to connections.
    LiveMessages: Count,
    /// `push`, `live`: messages that connections did not take.
    LiveMessagesLost: Count,
    /// `push`: how old the oldest change of a telling is when the watchers have it.
    LiveLagMilliseconds: Milliseconds,
    /// `live`: watchers that were sent away because a show has as many as it may have.
    WatchersRefused: Count,
    /// `ticket`: from the recorded capture to the stored file.
    TicketMilliseconds: Milliseconds,
    /// `notification`: mails that were handed over.
    MailsSent: Count,
    /// `sweep`: bookings that a tick found due. Zero is told too.
    BookingsDue: Count,
    /// `sweep`: how long the longest overdue of them has waited. Zero is told too.
    DueOldestSeconds: Seconds,
    /// `sweep`: bookings that could not be settled, by a tick or a timer.
    SettleFailures: Count,
    /// `reconcile`: intents of ours that a run compared. Zero is told too.
    IntentsReconciled: Count,
    /// `reconcile`: bookings that a run had settled. Zero is told too.
    BookingsRepaired: Count,
    /// `reconcile`: what a run found that a person must look at. Zero is told too.
    ReconcileFindings: Count,
    /// `reconcile`: passes that came to their end.
    ReconcilePasses: Count,
    /// `scan`: tickets whose holders were let in, as often as a scanner was told so.
    TicketsAdmitted: Count,
    /// `scan`: codes that let nobody in: scanned before, revoked, or no ticket for the show.
    TicketsTurnedAway: Count,
    /// `webhook`: calls whose signature was missing, wrong or stale.
    WebhooksRefused: Count,
    /// `queue`: places that were taken in waiting rooms. Asking for one's place again is not another.
    PlacesTaken: Count,
    /// `queue`: places that were exchanged for an admission. A repeat is not another.
    AdmissionsGranted: Count,
    /// `queue`: exchanges that were refused, also by the problem's slug.
    AdmissionsRefused: Count,
    /// `queue-admit`: how long ago the last tick was, where somebody waits.
    AdmissionLagSeconds: Seconds,
}

/// One measured value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Of what.
    pub metric: Metric,
    /// In the metric's unit.
    pub value: u64,
    /// Why, where the metric is also told by reason.
    pub reason: Option<&'static str>,
}

/// Where samples go in place of stdout.
struct Captured {
    now: Timestamp,
    samples: RefCell<Vec<Sample>>,
}

tokio::task_local! {
    static CAPTURED: Captured;
}

/// The stack whose metrics this process writes.
static STACK: OnceLock<String> = OnceLock::new();

/// From now on, this process writes metrics to stdout, for `stack`.
pub(crate) fn write_to_stdout(stack: &str) {
    STACK.get_or_init(|| stack.to_owned());
}

/// Runs `work` and answers, besides its result, what it measured on the way, in order. Ages are as of `now`. What runs
/// in tasks of its own is not heard.
pub fn capture<'a, T: 'a>(
    now: Timestamp,
    work: impl Future<Output = T> + 'a,
) -> Pin<Box<dyn Future<Output = (T, Vec<Sample>)> + 'a>> {
    let captured = Captured { now, samples: RefCell::default() };
    let work = async {
        let result = work.await;
        (result, CAPTURED.with(|captured| captured.samples.take()))
    };
    // A function's whole work is large: it is moved once, here.
    Box::pin(CAPTURED.scope(captured, work))
}

/// `number` more.
pub fn count(metric: Metric, number: usize) {
    record(metric, None, |_| u64::try_from(number).unwrap_or(u64::MAX));
}

/// One more refusal, in all and by its reason.
pub fn refused(metric: Metric, refusal: &Refusal) {
    record(metric, Some(problem::slug(refusal)), |_| 1);
}

/// It took this long.
pub fn took(metric: Metric, time: Duration) {
    record(metric, None, |_| in_unit(metric, time));
}

/// It is this long since `then`; no time at all when that is ahead, by another machine's clock.
pub fn since(metric: Metric, then: Timestamp) {
    record(metric, None, |now| in_unit(metric, now.duration_since(then).try_into().unwrap_or_default()));
}

/// It is this long since the oldest of these changes was made, as far as the stream says when.
pub fn since_oldest(metric: Metric, records: &[EventRecord]) {
    let times = records.iter().map(|record| record.change.approximate_creation_date_time.timestamp_millis());
    // A record without a time reads as the beginning of time.
    let oldest = times.filter(|&time| time > 0).min().and_then(from_millis);
    if let Some(oldest) = oldest {
        since(metric, oldest);
    }
}

fn in_unit(metric: Metric, time: Duration) -> u64 {
    match metric.unit() {
        Unit::Seconds => time.as_secs(),
        Unit::Milliseconds | Unit::Count => u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
    }
}

/// The value is asked for only where somebody listens.
fn record(metric: Metric, reason: Option<&'static str>, value: impl Fn(Timestamp) -> u64) {
    let sample = |now| Sample { metric, value: value(now), reason };
    let captured = CAPTURED.try_with(|captured| captured.samples.borrow_mut().push(sample(captured.now)));
    if captured.is_ok() {
        return;
    }
    if let Some(stack) = STACK.get() {
        let now = wall_clock();
        // With nobody on the other end of stdout there is nobody to tell that, either.
        let _ = writeln!(std::io::stdout().lock(), "{}", line(stack, now, &sample(now)));
    }
}

/// The machine's time. `edge` knows no clock but this: it dates what is measured and decides nothing.
#[expect(clippy::disallowed_methods, reason = "only dates what is measured")]
fn wall_clock() -> Timestamp {
    Timestamp::now()
}

/// The sample as a line of EMF. It has the level and the time that Lambda adds to lines without them.
fn line(stack: &str, now: Timestamp, sample: &Sample) -> Value {
    let name = sample.metric.name();
    let mut dimensions = vec![json!(["Stack"])];
    let mut document = Map::new();
    document.insert("Stack".to_owned(), json!(stack));
    if let Some(reason) = sample.reason {
        dimensions.push(json!(["Stack", "Reason"]));
        document.insert("Reason".to_owned(), json!(reason));
    }
    let metric = json!({"Name": name, "Unit": sample.metric.unit().as_str()});
    let directive = json!({"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": [metric]});
    document.insert("_aws".to_owned(), json!({"Timestamp": millis(now), "CloudWatchMetrics": [directive]}));
    document.insert("level".to_owned(), json!("INFO"));
    document.insert("timestamp".to_owned(), json!(now));
    document.insert(name.to_owned(), json!(sample.value));
    document.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What EMF allows in one line.
    const DIMENSIONS_MAX: usize = 30;
    const DOCS: &str = include_str!("../../../docs/observability.md");

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn sample(metric: Metric, value: u64) -> Sample {
        Sample { metric, value, reason: None }
    }

    #[test]
    fn a_name_says_its_unit_and_is_documented_with_it() {
        let names: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        assert_eq!(names.len(), Metric::ALL.len(), "each name once");
        for metric in Metric::ALL {
            let (name, unit) = (metric.name(), metric.unit());
            let said = [Unit::Milliseconds, Unit::Seconds].into_iter().find(|unit| name.ends_with(unit.as_str()));
            assert_eq!(said.unwrap_or(Unit::Count), unit, "{name}");
            assert!(DOCS.contains(&format!("| `{name}` | {} |", unit.as_str())), "{name} is not documented");
        }
    }

    /// The specification's demands: every dimension and metric that is named is a member of the root, with a value.
    #[test]
    fn every_line_is_what_cloudwatch_reads() {
        for reason in [None, Some("seat-unavailable")] {
            for &metric in Metric::ALL {
                let line = line("usher-prod", at("2026-11-22T15:00:00.123Z"), &Sample { metric, value: 7, reason });
                assert!(!line.to_string().contains('\n'));
                assert_eq!(line["_aws"]["Timestamp"], 1_795_359_600_123_i64);
                let directive = &line["_aws"]["CloudWatchMetrics"][0];
                assert_eq!(directive["Namespace"], "Usher");
                assert_eq!(directive["Metrics"], json!([{"Name": metric.name(), "Unit": metric.unit().as_str()}]));
                assert_eq!(line[metric.name()], 7);
                let sets = directive["Dimensions"].as_array().unwrap();
                assert_eq!(sets.len(), 1 + usize::from(reason.is_some()));
                for set in sets.iter().map(|set| set.as_array().unwrap()) {
                    assert!((1..=DIMENSIONS_MAX).contains(&set.len()));
                    assert!(set.iter().all(|name| !line[name.as_str().unwrap()].as_str().unwrap().is_empty()));
                }
            }
        }
    }

    #[tokio::test]
    async fn what_work_measures_is_captured_and_no_more() {
        let work = async {
            count(Metric::HoldsGranted, 2);
            took(Metric::HoldMilliseconds, Duration::from_micros(12_900));
            since(Metric::TicketMilliseconds, at("2026-11-22T14:59:58.500Z"));
            since(Metric::DueOldestSeconds, at("2026-11-22T14:58:00.500Z"));
            since(Metric::DueOldestSeconds, at("2026-11-22T15:00:01Z"));
            refused(Metric::HoldsRefused, &Refusal::BuyerLimit { limit: 6, held: 6 });
            5
        };
        count(Metric::MailsSent, 1);
        let (result, samples) = capture(at("2026-11-22T15:00:00Z"), work).await;
        count(Metric::MailsSent, 1);
        assert_eq!(result, 5);
        let expected = [
            sample(Metric::HoldsGranted, 2),
            sample(Metric::HoldMilliseconds, 12),
            sample(Metric::TicketMilliseconds, 1_500),
            sample(Metric::DueOldestSeconds, 119),
            sample(Metric::DueOldestSeconds, 0),
            Sample { metric: Metric::HoldsRefused, value: 1, reason: Some("buyer-limit") },
        ];
        assert_eq!(samples, expected);
    }

    #[tokio::test]
    async fn a_batch_is_as_old_as_its_oldest_record_that_has_a_time() {
        let record = |at: i64| {
            let change = json!({"ApproximateCreationDateTime": at, "Keys": {}, "SizeBytes": 1, "SequenceNumber": "1"});
            let event = json!({"awsRegion": "", "dynamodb": change, "eventID": "1", "eventName": "MODIFY"});
            serde_json::from_value::<EventRecord>(event).unwrap()
        };
        let now = at("2026-11-22T15:00:00Z");
        let age = async |times: &[i64]| {
            let records: Vec<EventRecord> = times.iter().map(|&time| record(time)).collect();
            capture(now, async { since_oldest(Metric::MapLagMilliseconds, &records) }).await.1
        };
        assert_eq!(age(&[1_795_359_599, 1_795_359_590, 0]).await, [sample(Metric::MapLagMilliseconds, 10_000)]);
        assert_eq!(age(&[0]).await, []);
        assert_eq!(age(&[]).await, []);
    }
}
