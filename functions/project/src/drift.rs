//! Whether maps still show what seats are. They converge by themselves as long as every change arrives; a change that was
//! given up, or a table that was restored, leaves a row wrong until its next change.

use std::{collections::BTreeMap, time::Duration};

use domain::{StoreError, availability::PackedRow, ids::RowId, ids::ShowId, plan::Section};
use edge::{
    Failure,
    metrics::{self, Metric},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::App;

/// A row that differs is looked at again after this: by then a change that was on its way has arrived.
const SECOND_LOOK: Duration = Duration::from_secs(3);
/// How long the look at all maps may take; the function ends after 30 s.
const TIME_MAX: Duration = Duration::from_secs(20);

/// What the clock asks for: `{"check":"drift"}`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(tag = "check", rename_all = "lowercase")]
pub enum Check {
    /// Compare every coming show's map with its seats.
    Drift,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Drift {
    /// Shows that were looked at, the next to come first.
    pub shows: usize,
    /// Rows that differ and did not come round.
    pub rows: usize,
    /// Whether there was time for all of them.
    pub complete: bool,
}

/// Compares the maps of coming shows with their seats, the next one first, for as long as there is time.
pub(crate) async fn check(app: &App) -> Result<Drift, Failure> {
    let began = Instant::now();
    let (mut drift, mut after) = (Drift::default(), None);
    loop {
        after = app.store.next_show(app.clock.now(), after.as_ref()).await?;
        let Some(place) = &after else {
            drift.complete = true;
            break;
        };
        if began.elapsed() > TIME_MAX {
            tracing::warn!("there was no time for the maps of all shows");
            break;
        }
        drift.rows += check_show(app, place.show).await?;
        drift.shows += 1;
    }
    metrics::count(Metric::MapDrift, drift.rows);
    Ok(drift)
}

async fn check_show(app: &App, id: ShowId) -> Result<usize, StoreError> {
    let Some(show) = app.catalogue.show(id).await? else { return Ok(0) };
    let Some(plan) = app.catalogue.plan_overview(show.venue, show.plan_version).await? else { return Ok(0) };
    let mut suspects = Vec::new();
    for section in &plan.sections {
        let section = app.catalogue.plan_section(show.venue, show.plan_version, &section.id).await?;
        let Some(section) = section else { continue };
        let differing = app.store.differing_rows(id, &section).await?;
        if !differing.is_empty() {
            suspects.push((section, differing));
        }
    }
    if suspects.is_empty() {
        return Ok(0);
    }
    tokio::time::sleep(SECOND_LOOK).await;
    let mut rows = 0;
    for (section, before) in suspects {
        rows += still(app, id, &section, &before).await?;
    }
    Ok(rows)
}

/// How many of the rows differ as they did before: nothing has come for them meanwhile.
async fn still(
    app: &App,
    show: ShowId,
    section: &Section,
    before: &BTreeMap<RowId, PackedRow>,
) -> Result<usize, StoreError> {
    let now = app.store.differing_rows(show, section).await?;
    let rows = now.iter().filter(|(row, shown)| before.get(*row) == Some(*shown));
    let mut count = 0;
    for (row, _) in rows {
        count += 1;
        tracing::error!(show.id = %show, "the map of {show} shows row {}:{row} otherwise than its seats are", section.id);
    }
    Ok(count)
}
