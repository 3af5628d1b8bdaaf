//! The report: one file of HTML with everything in it, light or dark as its reader has it, that asks nobody for anything.

mod chart;

use std::fmt::Write as _;

use crate::{
    Rehearsal,
    check::{Finding, Verdict},
    cost::{Counts, Line, NanoDollars, bill, dollars},
    figures::{Figures, tenths_per_second},
    history::{Micros, Outcome, Step},
};

use chart::{Curve, Title, bars, lines};

/// Violations of one claim that are shown.
const SHOWN_MAX: usize = 20;
/// Refusals that get a curve of their own.
const REASONS_MAX: usize = 5;

/// Everything that a report shows.
pub struct Report<'a> {
    /// What happened.
    pub rehearsal: &'a Rehearsal,
    /// What the checker says.
    pub verdicts: &'a [Verdict],
    /// What it adds up to.
    pub figures: &'a Figures,
    /// How it can be played again.
    pub command: String,
}

impl Report<'_> {
    /// The bill, where the platform counted.
    #[must_use]
    pub fn bill(&self) -> Option<Vec<Line>> {
        let meter = self.rehearsal.meter.as_ref()?;
        let held = self.rehearsal.history.calls.iter();
        let held =
            held.filter(|call| matches!((&call.step, &call.outcome), (Step::Hold { .. }, Outcome::Ok(_)))).count();
        let counts = Counts {
            messages: u64::try_from(held).unwrap_or(u64::MAX),
            events: self.figures.bookings_sold + self.figures.bookings_lost,
            cdn_reads: self.rehearsal.reads.read,
        };
        Some(bill(meter, counts))
    }

    /// What a ticket cost, of the bill.
    #[must_use]
    pub fn per_ticket(&self, bill: &[Line]) -> NanoDollars {
        bill.iter().map(|line| line.cost).sum::<u64>() / self.figures.seats_sold.max(1)
    }

    /// The page.
    #[must_use]
    pub fn html(&self) -> String {
        let mut page = String::with_capacity(64 * 1024);
        let broken = self.verdicts.iter().any(|verdict| !verdict.violations().is_empty());
        let (class, headline) = if broken { ("bad", "The sale was not right") } else { ("good", "The sale was right") };
        let stage = &self.rehearsal.history.stage;
        let _ = write!(
            page,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>On-sale rehearsal: {} seats</title><style>{STYLE}</style></head><body><main>\
             <header><p class=\"eyebrow\">On-sale rehearsal</p><h1 class=\"{class}\">{headline}</h1>\
             <p class=\"lead\">{} people came for {} seats{}. <code>{}</code></p></header>",
            stage.seats.len(),
            grouped(u64::from(stage.people)),
            grouped(u64::try_from(stage.seats.len()).unwrap_or(u64::MAX)),
            if stage.gated { ", through a waiting room" } else { ", without a waiting room" },
            escaped(&self.command),
        );
        self.tiles(&mut page);
        self.proof(&mut page);
        self.charts(&mut page);
        self.steps(&mut page);
        self.costs(&mut page);
        page.push_str("</main></body></html>\n");
        page
    }

    fn tiles(&self, page: &mut String) {
        let figures = self.figures;
        let stage = &self.rehearsal.history.stage;
        let of = |step: &str| figures.steps.iter().find(|waits| waits.step == step).cloned().unwrap_or_default();
        let hold = of("hold");
        page.push_str("<section class=\"tiles\">");
        let mut tile = |name: &str, value: String, note: String| {
            let _ = write!(
                page,
                "<div class=\"tile\"><p class=\"name\">{name}</p><p class=\"value\">{value}</p><p class=\"note\">{note}</p></div>"
            );
        };
        tile(
            "Seats sold",
            grouped(figures.seats_sold),
            format!("of {} there are", grouped(u64::try_from(stage.seats.len()).unwrap_or(u64::MAX))),
        );
        tile("Sold in", time(figures.selling), format!("{} paid bookings", grouped(figures.bookings_sold)));
        let rate = tenths_per_second(figures.seats_sold, figures.selling);
        tile("Seats a second", tenths(rate), "from the first hold to the last sale".to_owned());
        tile(
            "Hold, 99th percentile",
            time(hold.p99),
            format!("median {}, {} calls", time(hold.p50), grouped(hold.calls())),
        );
        if let Some(bill) = self.bill() {
            tile("Estimated cost", dollars(self.per_ticket(&bill)), "on AWS, for each ticket".to_owned());
        }
        page.push_str("</section>");
    }

    fn proof(&self, page: &mut String) {
        page.push_str("<section><h2>Proof</h2><p>Checked from the recorded history alone; the same file gives the same answer to anybody.</p><ul class=\"proof\">");
        for verdict in self.verdicts {
            let (class, mark, detail) = match &verdict.finding {
                Finding::Proved { of } => ("good", "✓", escaped(of)),
                Finding::NotChecked { why } => ("open", "–", format!("not checked: {}", escaped(why))),
                Finding::Violated { how } => {
                    let shown = how.iter().take(SHOWN_MAX).map(|one| format!("<br>{}", escaped(one)));
                    ("bad", "✗", format!("{} times{}", how.len(), shown.collect::<String>()))
                }
            };
            let _ = write!(
                page,
                "<li class=\"{class}\"><span class=\"mark\" aria-hidden=\"true\">{mark}</span><div><strong>{}</strong><br><span class=\"note\">{detail}</span></div></li>",
                verdict.claim
            );
        }
        page.push_str("</ul></section>");
    }

    fn charts(&self, page: &mut String) {
        let curves = &self.figures.curves;
        page.push_str("<section class=\"charts\">");
        let seats = [Curve { name: "sold", values: &curves.sold }, Curve { name: "held", values: &curves.held }];
        page.push_str(&lines(&Title("Seats", "sold and held, as people saw it"), &seats, curves.every, grouped));
        if self.rehearsal.history.stage.gated {
            let queue = [
                Curve { name: "joined", values: &curves.joined },
                Curve { name: "admitted", values: &curves.admitted },
            ];
            page.push_str(&lines(&Title("Queue", "what lies between the lines waits"), &queue, curves.every, grouped));
        }
        let holds = [
            Curve { name: "median", values: &curves.hold_p50 },
            Curve { name: "99th percentile", values: &curves.hold_p99 },
        ];
        page.push_str(&lines(
            &Title("Waiting for a hold", "from sending it to its answer"),
            &holds,
            curves.every,
            time,
        ));
        let mut reasons: Vec<_> = curves.refusals.iter().collect();
        reasons.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.iter().sum::<u64>()));
        let refusals: Vec<Curve> =
            reasons.iter().take(REASONS_MAX).map(|(name, values)| Curve { name, values }).collect();
        if !refusals.is_empty() {
            let note = format!("every {}", time(curves.every));
            page.push_str(&lines(&Title("Refusals", &note), &refusals, curves.every, grouped));
        }
        page.push_str("</section>");
    }

    fn steps(&self, page: &mut String) {
        page.push_str(
            "<section><h2>Every step</h2><div class=\"scroll\"><table><thead><tr><th>step</th><th>calls</th><th>granted</th>\
             <th>refused</th><th>unknown</th><th>median</th><th>99 %</th><th>slowest</th></tr></thead><tbody>",
        );
        for waits in &self.figures.steps {
            let _ = write!(
                page,
                "<tr><th>{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                waits.step,
                grouped(waits.calls()),
                grouped(waits.ok),
                grouped(waits.refused),
                grouped(waits.unknown),
                time(waits.p50),
                time(waits.p99),
                time(waits.max),
            );
        }
        page.push_str("</tbody></table></div>");
        let reads = self.rehearsal.reads;
        let _ = write!(
            page,
            "<p class=\"note\">Maps and the queue were read {} times; a cache of one second asked the platform {} times, and {} of these answers were unchanged.</p>",
            grouped(reads.read),
            grouped(reads.origin),
            grouped(reads.unchanged),
        );
        if !self.figures.refusals.is_empty() {
            let rows: Vec<(&str, u64)> =
                self.figures.refusals.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
            page.push_str("<h2>Refusals by reason</h2>");
            page.push_str(&bars(&rows, grouped));
        }
        page.push_str("</section>");
    }

    fn costs(&self, page: &mut String) {
        let Some(bill) = self.bill() else { return };
        page.push_str(
            "<section><h2>What it would have cost on AWS</h2><div class=\"scroll\"><table><thead><tr><th>what</th><th>how many</th><th>cost</th></tr></thead><tbody>",
        );
        let mut total = 0;
        for line in &bill {
            total += line.cost;
            let _ = write!(
                page,
                "<tr><th>{}</th><td>{}</td><td>{}</td></tr>",
                line.what,
                grouped(line.quantity),
                dollars(line.cost)
            );
        }
        let _ = write!(
            page,
            "<tr class=\"sum\"><th>in all</th><td></td><td>{}</td></tr></tbody></table></div>\
             <p class=\"note\">{} a ticket. Counted by the embedded platform; list prices of us-east-1, November 2026, without free tiers. Data transfer, logs and the payment provider are not in it.</p></section>",
            dollars(total),
            dollars(self.per_ticket(&bill)),
        );
    }
}

/// Thousands set apart.
#[must_use]
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (number, digit) in digits.chars().enumerate() {
        if number > 0 && (digits.len() - number).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A time as people say it.
#[must_use]
pub fn time(micros: Micros) -> String {
    match micros {
        0..10_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        1_000_000..100_000_000 => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
        _ => format!("{} s", micros / 1_000_000),
    }
}

/// A number of tenths.
#[must_use]
pub fn tenths(tenths: u64) -> String {
    format!("{}.{}", grouped(tenths / 10), tenths % 10)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const STYLE: &str = include_str!("report/style.css");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check::check, cost::Meter, figures::figures, history::History};

    #[test]
    fn numbers_are_told_as_people_read_them() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]);
        assert_eq!(
            [900, 9_950, 10_500, 1_500_000, 100_000_000].map(time),
            ["0.9 ms", "9.9 ms", "10 ms", "1.5 s", "100 s"]
        );
        assert_eq!(tenths(12_345), "1\u{202f}234.5");
    }

    #[test]
    fn a_page_is_whole_asks_nobody_and_says_what_is_wrong() {
        let mut history = History::default();
        history.stage.seats.insert("a:<b>:1".to_owned(), 5);
        history.stage.exclusive = true;
        let verdicts = check(&history);
        assert!(verdicts.iter().any(|verdict| !verdict.violations().is_empty()), "the map lacks the seat");
        let figures = figures(&history);
        let rehearsal = Rehearsal { history, reads: crate::Reads::default(), meter: Some(Meter::default()), bots: 0 };
        let report =
            Report { rehearsal: &rehearsal, verdicts: &verdicts, figures: &figures, command: "a & b".to_owned() };
        let html = report.html();
        assert!(
            html.contains("The sale was not right") && html.contains("a:&lt;b&gt;:1") && html.contains("a &amp; b")
        );
        for outside in ["http:", "https:", "<script", "url(", "@import", "<link", "src="] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert_eq!(html.matches("<section").count(), html.matches("</section>").count());
        assert_eq!(html.matches("<svg").count(), html.matches("</svg>").count());
    }
}
