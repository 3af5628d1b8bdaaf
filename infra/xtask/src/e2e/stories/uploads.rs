//! A house that is too large for a call.

use serde_json::{Value, json};
use ureq::http::Request;

use crate::{
    e2e::{
        people,
        report::Story,
        stack::Stack,
        stage::{Stage, hold, publish_event, publish_show},
    },
    journey::text,
};

/// Rows of a block.
const ROWS: usize = 50;
/// Seats of a row.
const SEATS: usize = 98;
/// Blocks of the arena: more than a megabyte of text.
const BLOCKS: usize = 3;
/// What a call with a plan in it may have, in bytes.
const INLINE_BYTES_MAX: usize = 1024 * 1024;

/// A large plan is put into the bucket.
pub(crate) const UPLOAD: Story = Story {
    name: "a plan of more than a megabyte: put into the bucket once, published, held from",
    functions: &["organise", "hold"],
};

/// 413 → offered → put → venue → show → hold.
pub(crate) fn upload(stack: &Stack, stage: &Stage) -> Result<(), String> {
    let (olga, file) = (&stage.organiser, arena().to_string());
    let inline = json!({"name": "Arena", "city": "Pune", "timeZone": "Asia/Kolkata", "plan": arena()});
    let refused = olga.post("/v1/venues", &inline)?;
    if file.len() <= INLINE_BYTES_MAX || !refused.is_problem(413, "body-too-large") {
        return Err(format!("{} bytes in a call: status {}: {}", file.len(), refused.status, refused.text()));
    }
    let offer = olga.post("/v1/plan-uploads", &json!({"bytes": file.len()}))?.expect("the offer", 201)?.json();
    let venue = json!({"name": "Arena", "city": "Pune", "timeZone": "Asia/Kolkata", "planUpload": offer["uploadId"]});
    let early = olga.post("/v1/venues", &venue)?;
    if !early.is_problem(422, "invalid") {
        return Err(format!("a venue of nothing: status {}: {}", early.status, early.text()));
    }
    for (what, status) in [("the file", 200), ("another in its place", 412)] {
        let request = Request::builder().method(text(&offer, "method")?).uri(text(&offer, "url")?);
        let headers = offer["headers"].as_object().into_iter().flatten();
        let request =
            headers.fold(request, |request, (name, value)| request.header(name, value.as_str().unwrap_or_default()));
        stage.site.http.send(request, Some(file.clone().into_bytes()))?.expect(what, status)?;
    }
    let rita = people::person(stack, &stage.site, "rita@organiser.example", &["organiser"])?;
    let theirs = rita.post("/v1/venues", &venue)?;
    if !theirs.is_problem(422, "invalid") {
        return Err(format!("a venue of somebody else's upload: status {}: {}", theirs.status, theirs.text()));
    }
    let made = olga.post("/v1/venues", &venue)?.expect("the venue", 201)?.json();
    let show = publish_show(olga, &publish_event(olga)?, text(&made, "venueId")?, None)?;
    let walt = stage.buyer(stack, "walt")?;
    hold(&walt, &show, &format!("block-{BLOCKS}:{ROWS}:{SEATS}")).map(drop)
}

fn arena() -> Value {
    let seat = |place: String, seat: usize| {
        json!({
            "seat_guid": format!("{place}-{seat}"), "seat_number": seat.to_string(), "category": "Standard",
            "position": {"x": seat * 25, "y": 0},
        })
    };
    let row = |block: usize, row: usize| {
        let seats: Vec<Value> = (1..=SEATS).map(|number| seat(format!("{block}-{row}"), number)).collect();
        json!({"row_number": row.to_string(), "position": {"x": 0, "y": row * 32}, "seats": seats})
    };
    let block = |block: usize| {
        let rows: Vec<Value> = (1..=ROWS).map(|number| row(block, number)).collect();
        json!({"name": format!("Block {block}"), "position": {"x": block * 2_600, "y": 0}, "rows": rows, "areas": []})
    };
    json!({
        "name": "Arena", "size": {"width": 8_000, "height": 1_700}, "categories": [{"name": "Standard", "color": "#336699"}],
        "zones": (1..=BLOCKS).map(block).collect::<Vec<_>>(),
    })
}
