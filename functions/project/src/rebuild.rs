//! A show's map, rebuilt from its seats: after a restored table, or when reconciliation found that it differs.

use domain::{
    StoreError,
    ids::{RowId, SectionId, ShowId},
    live::Topic,
};
use edge::Failure;
use serde::{Deserialize, Serialize};

use crate::{App, tell, tell::News};

/// Rows that a report names, at most.
const ROWS_NAMED_MAX: usize = 100;

/// Whose map.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Order {
    /// Which show.
    pub show_id: ShowId,
}

/// What was rebuilt.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Sections that were looked at.
    pub sections: usize,
    /// Rows that were looked at.
    pub rows: usize,
    /// `section:row` of those that were wrong, the first hundred.
    pub rewritten: Vec<String>,
    /// How many were wrong.
    pub rewritten_in_all: usize,
}

impl Report {
    fn rewrote(&mut self, section: &SectionId, row: &RowId) {
        self.rewritten_in_all += 1;
        if self.rewritten.len() < ROWS_NAMED_MAX {
            self.rewritten.push(format!("{section}:{row}"));
        }
    }
}

/// Looks at every row, a section at a time, writes those that are wrong, and has their watchers told. It may be done at any
/// time, and again.
pub(crate) async fn show(app: &App, order: &Order) -> Result<Report, Failure> {
    let id = order.show_id;
    let absent = |what: &str| StoreError::Corrupt(format!("{id} has no {what}"));
    // Of no show there is nothing to rebuild.
    let Some(show) = app.catalogue.show(id).await? else { return Ok(Report::default()) };
    let plan = app.catalogue.plan_overview(show.venue, show.plan_version).await?.ok_or_else(|| absent("plan"))?;
    let (mut report, mut news) = (Report::default(), News::default());
    for section in &plan.sections {
        let section = app.catalogue.plan_section(show.venue, show.plan_version, &section.id).await?;
        let section = section.ok_or_else(|| absent("section that its plan names"))?;
        let now = app.clock.now();
        let rewritten = app.store.rebuild_section(id, &section, now).await?;
        report.sections += 1;
        report.rows += section.rows.len();
        for row in &rewritten {
            tracing::warn!(show.id = %id, "row {}:{row} of {id} showed something else than its seats", section.id);
            report.rewrote(&section.id, row);
            news.add(Topic::Section(id, section.id.clone()), now, true);
            news.add(Topic::Counts(id), now, true);
        }
    }
    tell::all(app, news).await;
    Ok(report)
}
