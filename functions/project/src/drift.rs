//! Whether maps still show what seats are. They converge by themselves as long as every change arrives; a change that was
//! given up, or a table that was restored, leaves a row wrong until its next change.
//!
//! Comparing reads every row of seats, so a section is compared when there is a reason: it was written since it was last
//! found right, it was found wrong, or that is almost a day ago ([`Checked::is_due`]). The last is for changes that never
//! arrived: they leave no trace in the map. A show where nothing happens costs two reads an hour, whatever its size.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::{
    StoreError, Timestamp,
    availability::Checked,
    catalogue::Show,
    ids::{SectionId, ShowId},
    plan::Section,
};
use edge::{
    Failure,
    metrics::{self, Metric},
};
use serde::{Deserialize, Serialize};
use store::Comparison;
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
    /// Compare coming shows' maps with their seats, where there is a reason.
    Drift,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Drift {
    /// Shows that were looked at, the next to come first.
    pub shows: usize,
    /// Sections that were compared.
    pub sections: usize,
    /// Rows that differ and did not come round.
    pub rows: usize,
    /// Whether there was time for all of them.
    pub complete: bool,
}

/// Looks at the maps of coming shows, the next one first, for as long as there is time. What was found right is passed over
/// for a day, so a run that ends early is gone on with by the next.
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
        check_show(app, place.show, &mut drift).await?;
        drift.shows += 1;
    }
    metrics::count(Metric::MapDrift, drift.rows);
    Ok(drift)
}

async fn check_show(app: &App, id: ShowId, drift: &mut Drift) -> Result<(), StoreError> {
    let now = app.clock.now();
    let mut checked = app.store.map_checked(id).await?;
    let known = due(app, id, &checked, now).await?;
    if known.is_empty() && !checked.is_empty() {
        return Ok(());
    }
    let Some(show) = app.catalogue.show(id).await? else { return Ok(()) };
    let due = if checked.is_empty() { all_sections(app, &show).await? } else { known };
    if due.is_empty() {
        return Ok(());
    }
    let mut suspects = Vec::new();
    for name in due {
        let section = app.catalogue.plan_section(show.venue, show.plan_version, &name).await?;
        let Some(section) = section else { continue };
        let found = app.store.compare_section(id, &section).await?;
        drift.sections += 1;
        if found.differing.is_empty() {
            checked.insert(name, Checked { version: Some(found.version), at: now });
        } else {
            suspects.push((section, found));
        }
    }
    if !suspects.is_empty() {
        tokio::time::sleep(SECOND_LOOK).await;
    }
    for (section, before) in suspects {
        let (rows, version) = look_again(app, id, &section, &before).await?;
        drift.rows += rows;
        checked.insert(section.id.clone(), Checked { version, at: now });
    }
    app.store.keep_map_checked(id, &checked, show.starts_at).await
}

/// The sections that have to be compared, of those that ever were.
async fn due(
    app: &App,
    id: ShowId,
    checked: &BTreeMap<SectionId, Checked>,
    now: Timestamp,
) -> Result<Vec<SectionId>, StoreError> {
    let sections: Vec<SectionId> = checked.keys().cloned().collect();
    // As of a moment ago: what is missed of a write is seen an hour later.
    let states = app.store.availabilities(id, &sections).await?;
    let versions = states.iter().map(|states| states.version);
    let due = checked.iter().zip(versions).filter(|((_, checked), version)| checked.is_due(*version, now));
    Ok(due.map(|((section, _), _)| section.clone()).collect())
}

async fn all_sections(app: &App, show: &Arc<Show>) -> Result<Vec<SectionId>, StoreError> {
    let plan = app.catalogue.plan_overview(show.venue, show.plan_version).await?;
    let sections = plan.iter().flat_map(|plan| plan.sections.iter().map(|section| section.id.clone()));
    Ok(sections.collect())
}

/// How many rows differ as they did before: nothing has come for them meanwhile. And the version that is right, if the
/// section is.
async fn look_again(
    app: &App,
    show: ShowId,
    section: &Section,
    before: &Comparison,
) -> Result<(usize, Option<u64>), StoreError> {
    let now = app.store.compare_section(show, section).await?;
    let rows = now.differing.iter().filter(|(row, shown)| before.differing.get(*row) == Some(*shown));
    let mut count = 0;
    for (row, _) in rows {
        count += 1;
        tracing::error!(show.id = %show, "the map of {show} shows row {}:{row} otherwise than its seats are", section.id);
    }
    Ok((count, now.differing.is_empty().then_some(now.version)))
}
