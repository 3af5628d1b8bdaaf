//! `reconcile`: compares the provider's books with our bookings, and bookings with seats and tallies. What the settlement
//! protocol can mend it mends; whatever else it finds it tells a person.
//!
//! It walks in pages and keeps where it is: a run that ends early is gone on with by the next, and nothing is skipped. It
//! moves no seat and no money by itself: the one thing it ever does is to have a booking settled.

mod examine;
mod intents;
mod places;
mod report;
mod shows;

use domain::{
    Error, ProviderError, StoreError, Timestamp,
    reconcile::{Pass, PassState, Position, Scope, begin},
    time::{SignedDuration, shift},
};
use edge::{
    Failure,
    metrics::{self, Metric},
};
use serde::Deserialize;
use settlement::Settlement;

pub use crate::report::{LISTED_MAX, Repair, Report};

/// A run over young intents ends after this: the next is due.
const YOUNG_RUN_MAX: SignedDuration = SignedDuration::from_mins(4);
/// A run over everything ends after this: below the function's own time limit by more than a page takes.
const ALL_RUN_MAX: SignedDuration = SignedDuration::from_mins(12);
/// How often a run keeps where it is: a crash costs this much work.
const KEEP_EVERY: SignedDuration = SignedDuration::from_secs(10);
/// Bookings looked at side by side.
const CONCURRENCY: usize = 8;

/// What the function works with.
pub struct App {
    /// Carries bookings to rest; its table, provider and clock are read here.
    pub settlement: Settlement,
}

/// What wakes it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// What to compare.
    pub scope: Scope,
    /// Begin from the start, whatever was done before.
    #[serde(default)]
    pub again: bool,
}

/// One run of a pass. A pass that did for now answers an empty report that is complete.
///
/// # Errors
/// Where the pass is cannot be read or kept.
pub async fn handle(app: &App, order: Order) -> Result<Report, Failure> {
    let (store, scope) = (&app.settlement.store, order.scope);
    let now = app.settlement.clock.now();
    let state = store.reconciliation(scope).await?;
    let mut report = Report::new(scope);
    let Some(pass) = begin(scope, &state, order.again, now) else {
        report.complete = true;
        return Ok(report);
    };
    let limit = if scope == Scope::All { ALL_RUN_MAX } else { YOUNG_RUN_MAX };
    let mut run = Run { app, scope, completed: state.completed, pass, report, deadline: shift(now, limit), kept: now };
    let stopped = run.walk().await.err();
    if let Some(why) = &stopped {
        tracing::warn!(reconcile.scope = scope.as_str(), error = %why, "the {} pass stopped: {why}", scope.as_str());
        run.report.stopped = Some(why.to_string());
    }
    run.keep().await?;
    let report = run.report;
    metrics::count(Metric::IntentsReconciled, report.intents);
    metrics::count(Metric::BookingsRepaired, report.repaired_in_all);
    metrics::count(Metric::ReconcileFindings, report.findings_in_all);
    if report.complete {
        metrics::count(Metric::ReconcilePasses, 1);
    }
    Ok(report)
}

/// A run: a pass as far as it goes.
struct Run<'a> {
    app: &'a App,
    scope: Scope,
    completed: Option<Timestamp>,
    pass: Pass,
    report: Report,
    deadline: Timestamp,
    /// When the position was kept last.
    kept: Timestamp,
}

impl Run<'_> {
    fn now(&self) -> Timestamp {
        self.app.settlement.clock.now()
    }

    /// Step after step until the pass ends or time is up.
    async fn walk(&mut self) -> Result<(), Error> {
        while self.now() < self.deadline {
            let Some(next) = self.step().await? else {
                self.report.complete = true;
                return Ok(());
            };
            self.pass.position = next;
            if self.now() >= shift(self.kept, KEEP_EVERY) {
                self.keep().await?;
            }
        }
        Ok(())
    }

    /// Looks at one page; answers where to go on.
    async fn step(&mut self) -> Result<Option<Position>, Error> {
        match self.pass.position.clone() {
            Position::Intents(after) => self.intents(after).await,
            Position::Shows(after) => self.next_show(after).await,
            Position::Buyers(place) => self.buyers(place).await,
            Position::Rows(place) => self.rows(place).await,
        }
    }

    /// Keeps where the pass is, or that it is over.
    async fn keep(&mut self) -> Result<(), StoreError> {
        let state = if self.report.complete {
            PassState { completed: Some(self.pass.began_at), open: None }
        } else {
            PassState { completed: self.completed, open: Some(self.pass.clone()) }
        };
        self.app.settlement.store.keep_reconciliation(self.scope, state).await?;
        self.kept = self.now();
        Ok(())
    }
}

/// Whether the trouble is the whole line's and not one item's: then the run stops, and goes on from here later.
fn stops(error: &Error) -> bool {
    match error {
        Error::Store(why) => !matches!(why, StoreError::Corrupt(_)),
        Error::Provider(why) => matches!(why, ProviderError::Unavailable { .. }),
        Error::Refused(_) => false,
    }
}
