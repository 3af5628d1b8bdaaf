//! What maps show: one item a section, written by `project` only, a whole row at a time.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use domain::{
    StoreError, Timestamp,
    availability::{Checked, Counts, PackedRow, SeatState, SectionAvailability, count, pack},
    catalogue::area_shards,
    hold::Taken,
    house::Allocated,
    ids::{AreaId, RowId, SeatName, SectionId, ShowId},
    plan::{Area, Row, Section},
    time::{SignedDuration, from_millis, millis, shift},
};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    cache::ShowAvailability,
    call::write_failed,
    codec::{Item, decode, encode, key_of, n, s},
    expression::Update,
    keys::{Key, seat_row},
    plan::PlanOverview,
    seat::SeatItem,
    show::REMAINING,
};

/// Attribute with the number of changes.
const VERSION: &str = "v";
/// Attribute with the time of the last change, in milliseconds.
const CHANGED_AT: &str = "u";
/// What the attribute of a row begins with.
const ROW_PREFIX: &str = "r.";
/// In a row: the bits, and the stream position they were read at.
const BITS: &str = "b";
const SEQUENCE: &str = "q";
/// In a row: how many seats each channel has, in the order of `Channel::ALL`; left out where none has any.
const ALLOCATED: &str = "h";
/// Rows of a section that are read at the same time.
const ROWS_AT_ONCE: usize = 8;
/// Rows in one write. DynamoDB takes expressions of up to 4 KB and 300 operators.
const ROWS_PER_WRITE_MAX: usize = 25;
/// Times a row is rebuilt because it changed meanwhile.
const REBUILD_TRIES_MAX: u32 = 4;
/// Stream positions are compared as text of this many digits; DynamoDB's have up to 40.
const SEQUENCE_DIGITS: usize = 40;

/// What was found of a map is kept for so long after its show.
const MAP_CHECK_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// What was found of a show's map.
#[derive(Serialize, Deserialize)]
struct MapCheckItem {
    /// By section: the version that was right, and when the comparison began, in milliseconds.
    #[serde(rename = "m")]
    sections: BTreeMap<SectionId, (Option<u64>, i64)>,
    ttl: i64,
}

/// A section of the map, compared with its seats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The map's version, read before the seats were.
    pub version: u64,
    /// The rows that differ, with what the map shows of them.
    pub differing: BTreeMap<RowId, PackedRow>,
}

/// A stream position as text that compares like the number.
fn padded(sequence: &str) -> String {
    format!("{:0>SEQUENCE_DIGITS$}", sequence.trim_start_matches('0'))
}

fn section_of(item: &Item) -> Result<SectionAvailability, StoreError> {
    let corrupt = || StoreError::Corrupt("a section's availability does not decode".to_owned());
    let number =
        |name: &str| item.get(name).and_then(|value| value.as_n().ok()).and_then(|text| text.parse::<i64>().ok());
    let mut rows = BTreeMap::new();
    for (name, value) in item {
        let Some(row) = name.strip_prefix(ROW_PREFIX) else { continue };
        let parts = value.as_m().map_err(|_| corrupt())?;
        let bits = parts.get(BITS).and_then(|bits| bits.as_b().ok()).ok_or_else(corrupt)?.as_ref().to_vec();
        let sequence = parts.get(SEQUENCE).and_then(|sequence| sequence.as_s().ok()).ok_or_else(corrupt)?;
        let allocated =
            parts.get(ALLOCATED).map_or_else(|| Some(Allocated::default()), allocated_of).ok_or_else(corrupt)?;
        let row: RowId = row.parse().map_err(|_| corrupt())?;
        rows.insert(row, PackedRow { counts: count(&bits), allocated, bits, sequence: sequence.clone() });
    }
    let version = number(VERSION).and_then(|version| u64::try_from(version).ok()).ok_or_else(corrupt)?;
    Ok(SectionAvailability { rows, version, changed_at: number(CHANGED_AT).and_then(from_millis) })
}

fn allocated_of(value: &AttributeValue) -> Option<Allocated> {
    let seats: Vec<u32> =
        value.as_l().ok()?.iter().map(|seats| seats.as_n().ok()?.parse().ok()).collect::<Option<_>>()?;
    Some(Allocated::new(seats.try_into().ok()?))
}

impl Store {
    /// What the map shows of a section; untouched if nothing was ever taken there. At most one read unit up to 8 KB.
    ///
    /// # Errors
    /// The table's.
    pub async fn availability(&self, show: ShowId, section: &SectionId) -> Result<SectionAvailability, StoreError> {
        let item = self.get_item(&Key::Availability(show, section.clone()), false).await?;
        item.map_or_else(|| Ok(SectionAvailability::default()), |item| section_of(&item))
    }

    /// What the map shows of these sections, in their order.
    ///
    /// # Errors
    /// The table's.
    pub async fn availabilities(
        &self,
        show: ShowId,
        sections: &[SectionId],
    ) -> Result<Vec<SectionAvailability>, StoreError> {
        self.section_states(show, sections, false).await
    }

    /// What the map shows of these sections with every change that was written before the call, in their order: twice
    /// the price of [`Store::availabilities`].
    ///
    /// # Errors
    /// The table's.
    pub async fn availabilities_now(
        &self,
        show: ShowId,
        sections: &[SectionId],
    ) -> Result<Vec<SectionAvailability>, StoreError> {
        self.section_states(show, sections, true).await
    }

    async fn section_states(
        &self,
        show: ShowId,
        sections: &[SectionId],
        consistent: bool,
    ) -> Result<Vec<SectionAvailability>, StoreError> {
        let keys: Vec<Key> = sections.iter().map(|section| Key::Availability(show, section.clone())).collect();
        let mut found = BTreeMap::new();
        for item in self.batch_get(&keys, consistent).await? {
            if let Key::Availability(_, section) = key_of(&item)? {
                found.insert(section, section_of(&item)?);
            }
        }
        Ok(sections.iter().map(|section| found.remove(section).unwrap_or_default()).collect())
    }

    /// Places left in each of these areas, in their order: the sum of the area's counters.
    ///
    /// # Errors
    /// The table's.
    pub async fn area_remaining(&self, show: ShowId, areas: &[Area]) -> Result<Vec<u32>, StoreError> {
        let shards = areas.iter().flat_map(|area| (0..area_shards(area.capacity)).map(move |shard| (&area.id, shard)));
        let keys: Vec<Key> = shards.map(|(area, shard)| Key::AreaShard(show, area.clone(), shard)).collect();
        let mut remaining: BTreeMap<AreaId, u32> = BTreeMap::new();
        for item in self.batch_get(&keys, false).await? {
            let Key::AreaShard(_, area, _) = key_of(&item)? else { continue };
            let places =
                item.get(REMAINING).and_then(|value| value.as_n().ok()).and_then(|text| text.parse::<u32>().ok());
            let places =
                places.ok_or_else(|| StoreError::Corrupt(format!("the counter of area {area} is no number")))?;
            *remaining.entry(area).or_default() += places;
        }
        Ok(areas.iter().map(|area| remaining.get(&area.id).copied().unwrap_or_default()).collect())
    }

    /// Every section and area of a show, in plan order.
    ///
    /// # Errors
    /// The table's.
    pub async fn show_availability(
        &self,
        show: ShowId,
        overview: &PlanOverview,
    ) -> Result<ShowAvailability, StoreError> {
        let sections: Vec<SectionId> = overview.sections.iter().map(|section| section.id.clone()).collect();
        let (sections, areas) =
            futures::try_join!(self.availabilities(show, &sections), self.area_remaining(show, &overview.areas))?;
        Ok(ShowAvailability { sections, areas })
    }

    /// Every section of a show, in plan order, with every change that was written before the call; its areas as of a
    /// moment ago.
    ///
    /// # Errors
    /// The table's.
    pub async fn show_availability_now(
        &self,
        show: ShowId,
        overview: &PlanOverview,
    ) -> Result<ShowAvailability, StoreError> {
        let sections: Vec<SectionId> = overview.sections.iter().map(|section| section.id.clone()).collect();
        let (sections, areas) =
            futures::try_join!(self.availabilities_now(show, &sections), self.area_remaining(show, &overview.areas))?;
        Ok(ShowAvailability { sections, areas })
    }

    /// The state of every seat of a row that is not free, as it is now.
    ///
    /// # Errors
    /// The table's.
    pub async fn row_states(
        &self,
        show: ShowId,
        section: &SectionId,
        row: &RowId,
    ) -> Result<BTreeMap<SeatName, SeatState>, StoreError> {
        let taken = self.row_taken(show, section, row).await?;
        Ok(taken.into_iter().map(|(seat, taken)| (seat.seat, state(taken))).collect())
    }

    /// A row as its seats are now, to be shown as read at `sequence` of the stream.
    ///
    /// # Errors
    /// The table's.
    pub async fn row_now(
        &self,
        show: ShowId,
        section: &SectionId,
        row: &Row,
        sequence: String,
    ) -> Result<PackedRow, StoreError> {
        let items = self.query_partition(&seat_row(show, section, &row.id)).await?;
        let (mut states, mut channels) = (BTreeMap::new(), Vec::new());
        for item in items {
            let Key::Seat(_, seat) = key_of(&item)? else {
                return Err(StoreError::Corrupt(format!("an item of row {section}:{} is no seat", row.id)));
            };
            let item: SeatItem = decode(item)?;
            states.insert(seat.seat, state(item.taken()?));
            channels.extend(item.channel);
        }
        Ok(PackedRow { allocated: channels.into_iter().collect(), ..pack(row, &states, sequence) })
    }

    /// Rebuilds a section's map from its seats as they are now. Answers the rows that showed something else, or that
    /// nobody had ever written though seats of theirs are taken; all others are left as they are. A row keeps its stream
    /// position, so a change that is still on its way is shown like any other.
    ///
    /// # Errors
    /// The table's. [`StoreError::Throttled`] for a row that would not stand still.
    pub async fn rebuild_section(
        &self,
        show: ShowId,
        section: &Section,
        now: Timestamp,
    ) -> Result<Vec<RowId>, StoreError> {
        let shown = self.section_now(show, &section.id).await?;
        let rows = section.rows.iter().map(|row| {
            let shown = shown.rows.get(&row.id).cloned();
            async move { Ok::<_, StoreError>((row, self.rebuild_row(show, &section.id, row, shown, now).await?)) }
        });
        let rebuilt: Vec<(&Row, bool)> =
            stream::iter(rows.collect::<Vec<_>>()).buffered(ROWS_AT_ONCE).try_collect().await?;
        Ok(rebuilt.into_iter().filter(|(_, written)| *written).map(|(row, _)| row.id.clone()).collect())
    }

    /// Compares a section of the map with its seats. A change that is on its way to the map looks like a difference, too.
    ///
    /// # Errors
    /// The table's.
    pub async fn compare_section(&self, show: ShowId, section: &Section) -> Result<Comparison, StoreError> {
        let shown = self.section_now(show, &section.id).await?;
        let rows = section.rows.iter().map(|row| {
            let shown = shown.rows.get(&row.id).cloned();
            async move {
                let now = self.row_now(show, &section.id, row, String::new()).await?;
                Ok::<_, StoreError>((&row.id, is_right(&now, shown.as_ref()), shown))
            }
        });
        let rows: Vec<_> = stream::iter(rows.collect::<Vec<_>>()).buffered(ROWS_AT_ONCE).try_collect().await?;
        let differing = rows.into_iter().filter(|(_, right, _)| !right);
        let differing = differing.map(|(row, _, shown)| (row.clone(), shown.unwrap_or_default())).collect();
        Ok(Comparison { version: shown.version, differing })
    }

    /// What was found when the sections of a show's map were last compared with their seats; empty if they never were.
    ///
    /// # Errors
    /// The table's.
    pub async fn map_checked(&self, show: ShowId) -> Result<BTreeMap<SectionId, Checked>, StoreError> {
        let Some(item) = self.get_item(&Key::MapCheck(show), false).await? else { return Ok(BTreeMap::new()) };
        let item: MapCheckItem = decode(item)?;
        let checked = |(section, (version, at))| {
            from_millis(at)
                .map(|at| (section, Checked { version, at }))
                .ok_or_else(|| StoreError::Corrupt(format!("a section of {show} was checked at no time")))
        };
        item.sections.into_iter().map(checked).collect()
    }

    /// Keeps what was found of a show's map, until some time after `ends`. It is no loss if it gets lost.
    ///
    /// # Errors
    /// The table's.
    pub async fn keep_map_checked(
        &self,
        show: ShowId,
        checked: &BTreeMap<SectionId, Checked>,
        ends: Timestamp,
    ) -> Result<(), StoreError> {
        let sections = checked.iter().map(|(section, it)| (section.clone(), (it.version, millis(it.at)))).collect();
        let item = MapCheckItem { sections, ttl: shift(ends, MAP_CHECK_KEPT).as_second() };
        let item = encode(&Key::MapCheck(show), &item)?;
        let put = self.client.put_item().table_name(&*self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(write_failed)
    }

    /// Whether the row had to be written. `shown` is what the map shows of it, read before.
    async fn rebuild_row(
        &self,
        show: ShowId,
        section: &SectionId,
        row: &Row,
        mut shown: Option<PackedRow>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        for _ in 0..REBUILD_TRIES_MAX {
            let sequence = shown.as_ref().map(|shown| shown.sequence.clone()).unwrap_or_default();
            let packed = self.row_now(show, section, row, sequence).await?;
            if is_right(&packed, shown.as_ref()) {
                return Ok(false);
            }
            if self.replace_row(show, section, &row.id, shown.as_ref(), &packed, now).await? {
                return Ok(true);
            }
            // `project` was here: whatever it wrote is looked at anew.
            shown = self.section_now(show, section).await?.rows.remove(&row.id);
        }
        Err(StoreError::Throttled)
    }

    async fn section_now(&self, show: ShowId, section: &SectionId) -> Result<SectionAvailability, StoreError> {
        let item = self.get_item(&Key::Availability(show, section.clone()), true).await?;
        item.map_or_else(|| Ok(SectionAvailability::default()), |item| section_of(&item))
    }

    /// Replaces a row, unless it is not what was read.
    async fn replace_row(
        &self,
        show: ShowId,
        section: &SectionId,
        row: &RowId,
        shown: Option<&PackedRow>,
        packed: &PackedRow,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let attribute = format!("{ROW_PREFIX}{row}");
        // Whoever watches has seen greater versions than those of a lost item: a new one begins beyond all of them.
        let base = now.as_second();
        let change = Update::default()
            .set("#r = :r", &[("#r", &attribute)], [(":r", row_value(packed, &padded(&packed.sequence)))])
            .set("#u = :u", &[("#u", CHANGED_AT)], [(":u", n(millis(now)))])
            .set("#v = if_not_exists(#v, :base) + :one", &[("#v", VERSION)], [(":base", n(base)), (":one", n(1))]);
        let change = match shown {
            Some(shown) => change.require("#r.#q = :q", &[("#q", SEQUENCE)], [(":q", s(padded(&shown.sequence)))]),
            None => change.require("attribute_not_exists(#r)", &[], []),
        };
        self.update_if(&Key::Availability(show, section.clone()), change).await
    }

    /// Replaces a row, unless it was already written from the same stream position or a later one. Whether it was
    /// written.
    ///
    /// # Errors
    /// The table's.
    pub async fn put_row(
        &self,
        show: ShowId,
        section: &SectionId,
        row: &RowId,
        packed: &PackedRow,
        changed_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.put_together(show, section, &[(row, packed)], changed_at).await
    }

    /// [`Store::put_row`] for several rows of a section: in one write as long as none of them was written already, else row
    /// by row. Whether each was written.
    ///
    /// # Errors
    /// The table's; some of the rows may be written then.
    pub async fn put_rows(
        &self,
        show: ShowId,
        section: &SectionId,
        rows: &[(&RowId, &PackedRow)],
        changed_at: Timestamp,
    ) -> Result<Vec<bool>, StoreError> {
        let mut written = Vec::with_capacity(rows.len());
        for rows in rows.chunks(ROWS_PER_WRITE_MAX) {
            if self.put_together(show, section, rows, changed_at).await? {
                written.extend(rows.iter().map(|_| true));
            } else if let [_] = rows {
                written.push(false);
            } else {
                for row in rows {
                    written.push(self.put_together(show, section, std::slice::from_ref(row), changed_at).await?);
                }
            }
        }
        Ok(written)
    }

    /// All of the rows or, where one was written from the same stream position or a later one, none.
    async fn put_together(
        &self,
        show: ShowId,
        section: &SectionId,
        rows: &[(&RowId, &PackedRow)],
        changed_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut change = Update::default()
            .set("#u = :u", &[("#u", CHANGED_AT), ("#q", SEQUENCE)], [(":u", n(millis(changed_at)))])
            .add("#v :one", &[("#v", VERSION)], [(":one", n(1))]);
        for (number, (row, packed)) in rows.iter().enumerate() {
            let (sequence, attribute) = (padded(&packed.sequence), format!("{ROW_PREFIX}{row}"));
            let (name, value, at) = (format!("#r{number}"), format!(":r{number}"), format!(":q{number}"));
            let is_later = format!("(attribute_not_exists({name}) OR {name}.#q < {at})");
            change = change
                .set(&format!("{name} = {value}"), &[(&name, &attribute)], [])
                .require(&is_later, &[], [])
                .bind(value, row_value(packed, &sequence))
                .bind(at, s(sequence));
        }
        self.update_if(&Key::Availability(show, section.clone()), change).await
    }
}

const fn state(taken: Taken) -> SeatState {
    match taken {
        Taken::Held(_) => SeatState::Held,
        Taken::Sold(_) => SeatState::Sold,
        Taken::Blocked => SeatState::Blocked,
    }
}

/// Whether the map shows a row as it is now; one that nobody has written shows free seats.
fn is_right(now: &PackedRow, shown: Option<&PackedRow>) -> bool {
    shown.map_or_else(
        || now.counts == Counts::default(),
        |shown| shown.bits == now.bits && shown.allocated == now.allocated,
    )
}

/// A row as its attribute has it.
fn row_value(packed: &PackedRow, sequence: &str) -> AttributeValue {
    let bits = AttributeValue::B(Blob::new(packed.bits.clone()));
    let mut parts = HashMap::from([(BITS.to_owned(), bits), (SEQUENCE.to_owned(), s(sequence))]);
    if packed.allocated != Allocated::default() {
        let seats = packed.allocated.seats().into_iter().map(n).collect();
        parts.insert(ALLOCATED.to_owned(), AttributeValue::L(seats));
    }
    AttributeValue::M(parts)
}

#[cfg(test)]
mod tests {
    use super::padded;

    #[test]
    fn padded_positions_compare_like_numbers() {
        assert!(padded("9") < padded("10"));
        assert!(padded("100000000000000000009") < padded("100000000000000000010"));
        assert!(padded("999999999999999999999999") < padded("1000000000000000000000000"));
        assert_eq!(padded("0007"), padded("7"));
    }
}
