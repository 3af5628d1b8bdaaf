//! What the sale would have cost on AWS: what the embedded platform counted, at list prices.
//!
//! Prices are those of us-east-1 without free tiers and discounts, in billionths of a dollar, as the price pages named
//! beside them had them in November 2026.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::site::Site;

/// Billionths of a dollar.
pub type NanoDollars = u64;

/// A write unit of an on-demand table: $0.625 a million (aws.amazon.com/dynamodb/pricing/on-demand).
pub const WRITE_UNIT: NanoDollars = 625;
/// A read unit: $0.125 a million (same page).
pub const READ_UNIT: NanoDollars = 125;
/// A call of a function: $0.20 a million (aws.amazon.com/lambda/pricing).
pub const FUNCTION_CALL: NanoDollars = 200;
/// A second of a function with a gigabyte, on arm64: $0.0000133334 (same page).
pub const GIGABYTE_SECOND: NanoDollars = 13_333;
/// A request to a HTTP API: $1.00 a million (aws.amazon.com/api-gateway/pricing).
pub const API_REQUEST: NanoDollars = 1_000;
/// A request to a standard queue: $0.40 a million (aws.amazon.com/sqs/pricing).
pub const QUEUE_REQUEST: NanoDollars = 400;
/// Requests of a message's life: sent, received, deleted.
pub const QUEUE_REQUESTS_PER_MESSAGE: u64 = 3;
/// An event of our own on a bus: $1.00 a million (aws.amazon.com/eventbridge/pricing).
pub const BUS_EVENT: NanoDollars = 1_000;
/// A HTTPS request to the CDN: $0.0100 for ten thousand (aws.amazon.com/cloudfront/pricing).
pub const CDN_REQUEST: NanoDollars = 1_000;

/// A function's memory in megabytes, as `template.yaml` has it.
#[must_use]
pub fn memory_mb(function: &str) -> u64 {
    match function {
        "organise" => 2_048,
        "queue-admit" | "ticket" => 1_024,
        _ => 512,
    }
}

/// What the embedded platform counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// Calls of the table.
    pub table_calls: u64,
    /// Of these, refused ones.
    pub table_refused: u64,
    /// Write units, in thousandths.
    pub write_milliunits: u64,
    /// Read units, in thousandths.
    pub read_milliunits: u64,
    /// Functions behind the API.
    pub http: BTreeMap<String, Work>,
    /// Functions that events wake.
    pub events: BTreeMap<String, Work>,
}

/// What a function did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// How often it was called.
    pub calls: u64,
    /// How long that took in all, on this machine, whatever else it did meanwhile.
    pub micros: u64,
}

impl Meter {
    /// As it stands now; nothing on a platform that does not count.
    pub(crate) async fn read(site: &Site) -> Option<Self> {
        Self::of(&site.get("/dev/meter").await.ok()?)
    }

    fn of(body: &Value) -> Option<Self> {
        let table = &body["table"];
        let works = |name: &str| -> Option<BTreeMap<String, Work>> {
            let entries = body[name].as_object()?.iter();
            let work =
                |value: &Value| Some(Work { calls: value["calls"].as_u64()?, micros: value["microseconds"].as_u64()? });
            entries.map(|(name, value)| Some((name.clone(), work(value)?))).collect()
        };
        Some(Self {
            table_calls: table["calls"].as_u64()?,
            table_refused: table["refused"].as_u64()?,
            write_milliunits: milli(&table["writeUnits"])?,
            read_milliunits: milli(&table["readUnits"])?,
            http: works("http")?,
            events: works("events")?,
        })
    }

    /// What was counted after `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let works = |after: &BTreeMap<String, Work>, before: &BTreeMap<String, Work>| {
            let since = |name: &String, work: &Work| {
                let earlier = before.get(name).copied().unwrap_or_default();
                Work { calls: work.calls - earlier.calls, micros: work.micros - earlier.micros }
            };
            after.iter().map(|(name, work)| (name.clone(), since(name, work))).collect()
        };
        Self {
            table_calls: self.table_calls - before.table_calls,
            table_refused: self.table_refused - before.table_refused,
            write_milliunits: self.write_milliunits - before.write_milliunits,
            read_milliunits: self.read_milliunits - before.read_milliunits,
            http: works(&self.http, &before.http),
            events: works(&self.events, &before.events),
        }
    }
}

/// Thousandths of a number that may have a fraction.
fn milli(value: &Value) -> Option<u64> {
    let text = format!("{:.3}", value.as_f64()?);
    text.replace('.', "").parse().ok()
}

/// A line of the bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What for.
    pub what: &'static str,
    /// How many of it.
    pub quantity: u64,
    /// What it costs.
    pub cost: NanoDollars,
}

/// What else is billed, and not in the meter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Messages to queues.
    pub messages: u64,
    /// Events on the bus.
    pub events: u64,
    /// What people read through the CDN.
    pub cdn_reads: u64,
}

/// The bill.
#[must_use]
pub fn bill(meter: &Meter, counts: Counts) -> Vec<Line> {
    let calls = |works: &BTreeMap<String, Work>| works.values().map(|work| work.calls).sum::<u64>();
    let (http, events) = (calls(&meter.http), calls(&meter.events));
    let megabyte_micros: u64 =
        meter.http.iter().chain(&meter.events).map(|(name, work)| memory_mb(name) * work.micros).sum();
    let line = |what, quantity: u64, price: NanoDollars| Line { what, quantity, cost: quantity * price };
    let gigabyte_millis = megabyte_micros / 1_024 / 1_000;
    vec![
        line("DynamoDB write units", meter.write_milliunits / 1_000, WRITE_UNIT),
        line("DynamoDB read units", meter.read_milliunits / 1_000, READ_UNIT),
        line("Lambda calls", http + events, FUNCTION_CALL),
        Line {
            what: "Lambda gigabyte-milliseconds, as measured here",
            quantity: gigabyte_millis,
            cost: gigabyte_millis * GIGABYTE_SECOND / 1_000,
        },
        line("API Gateway requests", http, API_REQUEST),
        line("SQS requests", counts.messages * QUEUE_REQUESTS_PER_MESSAGE, QUEUE_REQUEST),
        line("EventBridge events", counts.events, BUS_EVENT),
        line("CloudFront requests", counts.cdn_reads + http, CDN_REQUEST),
    ]
}

/// Dollars with six decimals.
#[must_use]
pub fn dollars(nano: NanoDollars) -> String {
    let micro = nano.div_ceil(1_000);
    format!("${}.{:06}", micro / 1_000_000, micro % 1_000_000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_million_of_each_costs_what_the_price_page_says() {
        for (price, dollars_a_million) in [
            (WRITE_UNIT, "$0.625000"),
            (READ_UNIT, "$0.125000"),
            (FUNCTION_CALL, "$0.200000"),
            (API_REQUEST, "$1.000000"),
            (QUEUE_REQUEST, "$0.400000"),
            (BUS_EVENT, "$1.000000"),
        ] {
            assert_eq!(dollars(1_000_000 * price), dollars_a_million);
        }
        assert_eq!(dollars(10_000 * CDN_REQUEST), "$0.010000");
    }

    #[test]
    fn what_happened_before_is_not_billed() {
        let told = |calls: u64, units: f64| {
            let body = json!({
                "table": {"calls": calls, "refused": 0, "writeUnits": units, "readUnits": 0.5},
                "http": {"hold": {"calls": calls, "microseconds": 2_000 * calls}}, "events": {},
            });
            Meter::of(&body).unwrap()
        };
        let meter = told(3, 30.0).since(&told(1, 10.5));
        assert_eq!((meter.table_calls, meter.write_milliunits, meter.read_milliunits), (2, 19_500, 0));
        assert_eq!(meter.http["hold"], Work { calls: 2, micros: 4_000 });
        let lines = bill(&meter, Counts { messages: 2, events: 1, cdn_reads: 7 });
        let of = |what: &str| lines.iter().find(|line| line.what == what).unwrap();
        assert_eq!(of("DynamoDB write units").cost, 19 * WRITE_UNIT);
        assert_eq!(of("SQS requests").quantity, 6);
        assert_eq!(of("CloudFront requests").quantity, 9);
    }

    #[test]
    fn a_platform_that_does_not_count_has_no_meter() {
        assert_eq!(Meter::of(&json!({})), None);
        let unmetered = json!({"table": {"calls": 1, "refused": 0, "writeUnits": null, "readUnits": null}, "http": {}, "events": {}});
        assert_eq!(Meter::of(&unmetered), None);
    }
}
