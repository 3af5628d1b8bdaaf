//! The show: published for the occasion, or one that is there; its seats in the order of the plan, and their prices.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    draw::Draw,
    history::{SeatState, Stage},
    site::{Site, now, text, until},
};

/// Seats in a row of a house of ours.
const ROW_SEATS: u32 = 25;
/// Rows in a block.
const BLOCK_ROWS: u32 = 20;
/// Rows of a block that cost more.
const FRONT_ROWS: u32 = 5;
/// What seats cost, in minor units.
const PRICES: [(&str, i64); 2] = [("front", 450_000), ("rear", 178_000)];
/// What they are paid in.
const CURRENCY: &str = "INR";

/// A show's seats.
#[derive(Debug)]
pub(crate) struct Hall {
    /// The show.
    pub(crate) show: String,
    /// Its sections, as the plan has them.
    pub(crate) sections: Vec<Section>,
}

/// A section.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its id.
    pub(crate) id: String,
    /// Its seats, row by row.
    pub(crate) rows: Vec<Vec<String>>,
}

/// Publishes a show with so many seats; answers its id.
///
/// # Errors
/// What the platform answered instead of 201.
pub(crate) async fn publish(site: &Site, organiser: &str, seats: u32) -> Result<String, String> {
    let venue = json!({
        "name": "Rehearsal Hall", "city": "Mumbai", "timeZone": "Asia/Kolkata", "plan": plan(seats),
    });
    let venue = create(site, organiser, "/v1/venues", &venue).await?;
    let event = json!({"title": "Dress Rehearsal", "category": "concerts", "city": "Mumbai"});
    let event = create(site, organiser, "/v1/events", &event).await?;
    let categories = venue["categories"].as_array().into_iter().flatten();
    let prices: serde_json::Map<String, Value> = categories
        .filter_map(|category| {
            let name = category["name"].as_str()?;
            let price = PRICES.iter().find(|(known, _)| *known == name)?.1;
            Some((text(&category["categoryId"])?, price.into()))
        })
        .collect();
    let show = json!({
        "venueId": venue["venueId"], "startsAt": "2090-01-01T14:00:00Z", "onSaleAt": "2020-01-01T00:00:00Z",
        "currency": CURRENCY, "prices": prices,
    });
    let path = format!("/v1/events/{}/shows", event["eventId"].as_str().unwrap_or_default());
    let show = create(site, organiser, &path, &show).await?;
    text(&show["showId"]).ok_or_else(|| format!("no show in {show}"))
}

async fn create(site: &Site, organiser: &str, path: &str, body: &Value) -> Result<Value, String> {
    let answer = site.send(Method::POST, path, organiser, Some(body)).await?;
    if answer.status == 201 { Ok(answer.body) } else { Err(format!("POST {path}: {}: {}", answer.status, answer.body)) }
}

/// Opens a waiting room in so long.
///
/// # Errors
/// The platform did not.
pub(crate) async fn gate(site: &Site, organiser: &str, show: &str, opens: Duration) -> Result<(), String> {
    let opens = jiff::SignedDuration::try_from(opens).map_err(|why| why.to_string())?;
    let opens = now().checked_add(opens).map_err(|why| why.to_string())?;
    let body = json!({"waitingRoom": {"enabled": true, "opensAt": opens.to_string()}});
    let answer = site.send(Method::PATCH, &format!("/v1/shows/{show}"), organiser, Some(&body)).await?;
    if answer.status == 200 { Ok(()) } else { Err(format!("waiting room: {}: {}", answer.status, answer.body)) }
}

/// A house of blocks, in pretix's open format.
fn plan(seats: u32) -> Value {
    let block_seats = ROW_SEATS * BLOCK_ROWS;
    let zones: Vec<Value> = (0..seats.div_ceil(block_seats))
        .map(|block| zone(block, (seats - block * block_seats).min(block_seats)))
        .collect();
    json!({
        "name": "Rehearsal Hall", "size": {"width": 1000, "height": 1000},
        "categories": [{"name": "front", "color": "#b5433a"}, {"name": "rear", "color": "#336699"}],
        "zones": zones,
    })
}

fn zone(block: u32, seats: u32) -> Value {
    let row = |row: u32| {
        let category = if row < FRONT_ROWS { "front" } else { "rear" };
        let seat = |seat: u32| {
            json!({
                "seat_guid": format!("{block}-{row}-{seat}"), "seat_number": (seat + 1).to_string(),
                "category": category, "position": {"x": 30 * seat, "y": 0},
            })
        };
        let seats = (0..(seats - row * ROW_SEATS).min(ROW_SEATS)).map(seat);
        json!({
            "row_number": (row + 1).to_string(), "position": {"x": 0, "y": 40 * row},
            "seats": seats.collect::<Vec<_>>(),
        })
    };
    let rows = (0..seats.div_ceil(ROW_SEATS)).map(row);
    json!({
        "name": format!("Block {}", block + 1), "position": {"x": 0, "y": 900 * block}, "rows": rows.collect::<Vec<_>>(),
    })
}

/// The show's seats, and what the checker has to know of it.
///
/// # Errors
/// It cannot be read, or has something else than seats only.
pub(crate) async fn read(site: &Site, show: &str) -> Result<(Hall, Stage), String> {
    let detail = site.get(&format!("/v1/shows/{show}")).await?;
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let prices: BTreeMap<String, i64> = list(&detail, "prices")
        .iter()
        .filter_map(|line| Some((text(&line["category"])?, line["price"]["amountMinor"].as_i64()?)))
        .collect();
    let currency = detail["prices"][0]["price"]["currency"].as_str().unwrap_or_default().to_owned();
    let plan = site.get(&format!("/v1/shows/{show}/plan")).await?;
    let (mut sections, mut seats) = (Vec::new(), BTreeMap::new());
    for section in list(&plan, "sections") {
        let id = text(&section["sectionId"]).ok_or("a section without an id")?;
        let section = site.get(&format!("/v1/shows/{show}/sections/{id}/plan")).await?;
        let mut rows = Vec::new();
        for row in list(&section, "rows") {
            let mut ids = Vec::new();
            for seat in list(&row, "seats") {
                let id = text(&seat["seatId"]).ok_or("a seat without an id")?;
                let price = prices.get(seat["category"].as_str().unwrap_or_default());
                seats.insert(id.clone(), *price.ok_or_else(|| format!("{id} has no price"))?);
                ids.push(id);
            }
            rows.push(ids);
        }
        sections.push(Section { id, rows });
    }
    let stage = Stage {
        show: show.to_owned(),
        currency,
        seats,
        cap: detail["maxSeatsPerBuyer"].as_u64().and_then(|cap| u32::try_from(cap).ok()).unwrap_or(u32::MAX),
        gated: detail["waitingRoom"]["enabled"] == true,
        opens: until(&detail["waitingRoom"]["opensAt"]).map_or(0, |time| site.recorder.now() + time),
        ..Stage::default()
    };
    Ok((Hall { show: show.to_owned(), sections }, stage))
}

/// Two bits a seat, most significant first, as the map has them.
pub(crate) fn states(map: &Value) -> Option<Vec<SeatState>> {
    let packed = STANDARD.decode(map["seats"].as_str()?).ok()?;
    let state = |byte: u8, place: u8| match (byte >> (6 - 2 * place)) & 3 {
        0 => SeatState::Free,
        1 => SeatState::Held,
        2 => SeatState::Sold,
        _ => SeatState::Blocked,
    };
    Some(packed.into_iter().flat_map(|byte| (0..4).map(move |place| state(byte, place))).collect())
}

impl Section {
    /// So many free seats side by side, or as many as there are, in a row that chance finds first.
    pub(crate) fn free(&self, states: &[SeatState], wanted: usize, draw: &mut Draw) -> Vec<String> {
        let first = draw.index(self.rows.len());
        let starts: Vec<usize> = self
            .rows
            .iter()
            .scan(0, |next, row| {
                let start = *next;
                *next += row.len();
                Some(start)
            })
            .collect();
        let mut best: &[String] = &[];
        for number in (first..self.rows.len()).chain(0..first) {
            let row = &self.rows[number];
            let free = |seat: usize| states.get(starts[number] + seat) == Some(&SeatState::Free);
            let mut seat = 0;
            while seat < row.len() {
                let run = (seat..row.len()).take_while(|&seat| free(seat)).count();
                if run >= wanted {
                    let skip = draw.index(run - wanted + 1);
                    return row[seat + skip..seat + skip + wanted].to_vec();
                }
                if run > best.len() {
                    best = &row[seat..seat + run];
                }
                seat += run + 1;
            }
        }
        best.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_house_has_the_seats_that_were_asked_for() {
        for seats in [1, 25, 26, 499, 500, 501, 5_000] {
            let plan = plan(seats);
            let zones = plan["zones"].as_array().unwrap().iter();
            let rows = zones.flat_map(|zone| zone["rows"].as_array().unwrap());
            let count: usize = rows.map(|row| row["seats"].as_array().unwrap().len()).sum();
            assert_eq!(count, usize::try_from(seats).unwrap());
        }
    }

    #[test]
    fn the_map_is_read_from_its_most_significant_bits() {
        let map = json!({"seats": STANDARD.encode([0b00_01_10_11])});
        let all = [SeatState::Free, SeatState::Held, SeatState::Sold, SeatState::Blocked];
        assert_eq!(states(&map).unwrap(), all);
        assert_eq!(states(&json!({"seats": "*"})), None);
    }

    #[test]
    fn seats_side_by_side_are_found_or_as_many_as_there_are() {
        let ids = |row: &str, count: u32| (1..=count).map(|seat| format!("s:{row}:{seat}")).collect::<Vec<_>>();
        let section = Section { id: "s".to_owned(), rows: vec![ids("a", 3), ids("b", 4)] };
        let (free, sold) = (SeatState::Free, SeatState::Sold);
        let states = [free, sold, free, sold, free, free, free];
        for seed in 0..20 {
            let mut draw = Draw::new(seed, 1);
            let pair = section.free(&states, 2, &mut draw);
            assert!(pair == ["s:b:2", "s:b:3"] || pair == ["s:b:3", "s:b:4"], "{pair:?}");
            assert_eq!(section.free(&states, 4, &mut draw), ["s:b:2", "s:b:3", "s:b:4"]);
        }
        assert!(section.free(&[sold; 7], 1, &mut Draw::new(1, 1)).is_empty());
    }
}
