//! What a run did and found, as an operator reads it.

use domain::{
    ids::BookingId,
    reconcile::{Finding, Scope},
};
use serde::Serialize;
use tracing::field::display;

/// Findings and repairs in one report, at most; each is in the log besides, whatever their number.
pub const LISTED_MAX: usize = 100;

/// A booking that the settlement protocol brought on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Repair {
    /// Which booking.
    pub booking_id: BookingId,
    /// What has become of it.
    pub detail: String,
}

/// The answer of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What was compared.
    pub scope: Scope,
    /// Intents of ours that were compared with their booking.
    pub intents: usize,
    /// Intents that are not ours.
    pub foreign: usize,
    /// Shows whose walk was begun.
    pub shows: usize,
    /// Bookings whose places were compared.
    pub bookings: usize,
    /// What was mended, the first [`LISTED_MAX`].
    pub repaired: Vec<Repair>,
    /// How many bookings were.
    pub repaired_in_all: usize,
    /// What a person must look at, the first [`LISTED_MAX`].
    pub findings: Vec<Finding>,
    /// How many findings there were.
    pub findings_in_all: usize,
    /// Whether the pass came to its end. If not, the next run goes on where this one stopped.
    pub complete: bool,
    /// Why it did not, where it was not only for want of time.
    pub stopped: Option<String>,
}

impl Report {
    /// Nothing looked at yet.
    pub(crate) fn new(scope: Scope) -> Self {
        Self {
            scope,
            intents: 0,
            foreign: 0,
            shows: 0,
            bookings: 0,
            repaired: Vec::new(),
            repaired_in_all: 0,
            findings: Vec::new(),
            findings_in_all: 0,
            complete: false,
            stopped: None,
        }
    }

    /// Takes a finding in and tells it, once a run: a page that is looked at again finds it again.
    pub(crate) fn found(&mut self, finding: Finding) {
        if self.findings.contains(&finding) {
            return;
        }
        let (kind, detail) = (finding.kind.to_string(), finding.detail.as_str());
        let (booking, intent) = (finding.booking_id.map(display), finding.intent_id.as_ref().map(display));
        tracing::error!(booking.id = booking, intent.id = intent, alarm = kind, "a person must look: {kind}: {detail}");
        self.findings_in_all += 1;
        if self.findings.len() < LISTED_MAX {
            self.findings.push(finding);
        }
    }

    /// Takes a repair in and tells it.
    pub(crate) fn mended(&mut self, booking_id: BookingId, detail: String) {
        tracing::warn!(booking.id = %booking_id, "{detail}");
        self.repaired_in_all += 1;
        if self.repaired.len() < LISTED_MAX {
            self.repaired.push(Repair { booking_id, detail });
        }
    }
}
