//! A room's state, what was drawn in it, and the list of the rooms that are looked after.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{error::SdkError, operation::put_item::PutItemError, primitives::Blob, types::AttributeValue};
use domain::{
    StoreError, Timestamp,
    ids::ShowId,
    queue::{Draw, Histogram, Place, Room, Uptake},
    time::{from_millis, millis},
};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    call::write_failed,
    codec::{Item, PK, decode, encode, key_attributes, key_of, n},
    expression::Update,
    keys::{Key, WAITING_ROOMS},
};

/// Bytes of one mark of a draw.
const MARK_BYTES: usize = 16;

/// The item. A tick writes all of it but two: when the doors open, and the secret.
#[derive(Serialize, Deserialize)]
struct RoomItem {
    /// Opens, ms.
    o: i64,
    /// The draw's secret. Never told before the opening, never logged, never changed.
    x: String,
    /// Version.
    v: u64,
    /// Serving.
    s: Place,
    /// Who joined.
    h: Histogram,
    /// The newest of them, ms.
    n: i64,
    /// Last tick, ms.
    k: i64,
    /// Its message.
    y: String,
    /// Sold out since, ms.
    z: Option<i64>,
    /// Expected.
    w: u64,
    /// Permits used.
    u: u64,
    /// Uptake. (`b` is an index's.)
    t: Uptake,
    /// Marks of the pace.
    m: Vec<(i64, u64)>,
    /// Idle ticks.
    i: u32,
    /// Live admissions.
    l: u64,
}

fn item_of(room: &Room) -> RoomItem {
    RoomItem {
        o: millis(room.opens_at),
        x: room.secret.reveal().to_owned(),
        v: room.version,
        s: room.serving,
        h: room.histogram.clone(),
        n: room.newest_ms,
        k: room.ticked_ms,
        y: room.ticked_by.clone(),
        z: room.sold_out_ms,
        w: room.expected,
        u: room.used,
        t: room.uptake.clone(),
        m: room.marks.clone(),
        i: room.idle,
        l: room.live,
    }
}

pub(crate) fn room_of(item: Item) -> Result<Room, StoreError> {
    let key = key_of(&item)?;
    let corrupt = |what: &str| StoreError::Corrupt(format!("{key:?}: {what}"));
    let item: RoomItem = decode(item)?;
    Ok(Room {
        opens_at: from_millis(item.o).ok_or_else(|| corrupt("an opening outside the calendar"))?,
        secret: item.x.parse().map_err(|_| corrupt("no secret"))?,
        version: item.v,
        serving: item.s,
        histogram: item.h,
        newest_ms: item.n,
        ticked_ms: item.k,
        ticked_by: item.y,
        sold_out_ms: item.z,
        expected: item.w,
        used: item.u,
        uptake: item.t,
        marks: item.m,
        idle: item.i,
        live: item.l,
    })
}

impl Store {
    /// The room of a show, if it ever had one.
    ///
    /// # Errors
    /// The table's.
    pub async fn room(&self, show: ShowId) -> Result<Option<Room>, StoreError> {
        self.get_item(&Key::Room(show), false).await?.map(room_of).transpose()
    }

    /// The room as it is now.
    ///
    /// # Errors
    /// The table's.
    pub async fn room_now(&self, show: ShowId) -> Result<Option<Room>, StoreError> {
        self.get_item(&Key::Room(show), true).await?.map(room_of).transpose()
    }

    /// Makes the show's room, and answers it, or the one that was there: a secret that was committed to is never replaced.
    ///
    /// # Errors
    /// The table's.
    pub async fn make_room(&self, show: ShowId, room: &Room) -> Result<Room, StoreError> {
        self.create_once(encode(&Key::Room(show), &item_of(room))?).await?;
        let made = self.room_now(show).await?;
        made.ok_or_else(|| StoreError::Ambiguous(format!("the room of {show} is not there yet")))
    }

    /// Moves the opening, if it is still what was read. Whether it is moved.
    ///
    /// # Errors
    /// The table's.
    pub async fn move_opening(&self, show: ShowId, from: Timestamp, to: Timestamp) -> Result<bool, StoreError> {
        let moved = Update::default().require("#o = :from", &[("#o", "o")], [(":from", n(millis(from)))]).set(
            "#o = :to",
            &[],
            [(":to", n(millis(to)))],
        );
        match self.update_if(&Key::Room(show), moved).await {
            // A repeat of our own write, which had arrived, is refused by itself.
            Ok(false) => Ok(self.room_now(show).await?.is_some_and(|room| room.opens_at == to)),
            Err(StoreError::Ambiguous(why)) => match self.room_now(show).await? {
                Some(room) if room.opens_at == to => Ok(true),
                _ => Err(StoreError::Ambiguous(why)),
            },
            outcome => outcome,
        }
    }

    /// Writes what a tick made of the room that was read one version before. `false`: another tick was first, or the
    /// opening was moved; read again.
    ///
    /// # Errors
    /// The table's.
    pub async fn put_room(&self, show: ShowId, room: &Room) -> Result<bool, StoreError> {
        // In one order, so that the same write is the same request.
        let mut fields: BTreeMap<_, _> = encode(&Key::Room(show), &item_of(room))?.into_iter().collect();
        fields.retain(|name, _| !matches!(name.as_str(), "PK" | "SK" | "o" | "x"));
        let before = room.version.saturating_sub(1);
        let same = Update::default().require(
            "#v = :before AND #o = :o",
            &[("#v", "v"), ("#o", "o")],
            [(":before", n(before)), (":o", n(millis(room.opens_at)))],
        );
        let change = fields.into_iter().fold(same, |change, (name, value)| change.assign(&name, value));
        match self.update_if(&Key::Room(show), change).await {
            // A repeat of our own write, which had arrived, is refused by itself. No other tick makes the very same: it has
            // the message in it.
            Ok(false) => Ok(self.room_now(show).await?.is_some_and(|found| found == *room)),
            Err(StoreError::Ambiguous(why)) => match self.room_now(show).await? {
                Some(found) if found == *room => Ok(true),
                Some(found) if found.version < room.version => Err(StoreError::Ambiguous(why)),
                _ => Ok(false),
            },
            outcome => outcome,
        }
    }

    /// What was drawn, once it is.
    ///
    /// # Errors
    /// The table's.
    pub async fn draw(&self, show: ShowId) -> Result<Option<Draw>, StoreError> {
        self.get_item(&Key::Draw(show), true).await?.map(|item| draw_of(&item)).transpose()
    }

    /// Notes what was drawn, once; answers what is noted.
    ///
    /// # Errors
    /// The table's.
    pub async fn put_draw(&self, show: ShowId, draw: &Draw) -> Result<Draw, StoreError> {
        let mut item = key_attributes(&Key::Draw(show));
        let marks: Vec<u8> = draw.marks().iter().flat_map(|mark| mark.to_be_bytes()).collect();
        item.insert("n".to_owned(), n(draw.total()));
        item.insert("m".to_owned(), AttributeValue::B(Blob::new(marks)));
        self.create_once(item).await?;
        self.draw(show).await?.ok_or_else(|| StoreError::Ambiguous(format!("the draw of {show} is not there yet")))
    }

    /// The shows whose waiting rooms are looked after.
    ///
    /// # Errors
    /// The table's.
    pub async fn waiting_rooms(&self) -> Result<Vec<ShowId>, StoreError> {
        let show = |item: Item| match key_of(&item)? {
            Key::WaitingRoom(show) => Ok(show),
            other => Err(StoreError::Corrupt(format!("{other:?} among waiting rooms"))),
        };
        self.query_partition(WAITING_ROOMS).await?.into_iter().map(show).collect()
    }

    /// Has the show's waiting room looked after.
    ///
    /// # Errors
    /// The table's.
    pub async fn watch_room(&self, show: ShowId) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(&*self.table);
        let put = put.set_item(Some(key_attributes(&Key::WaitingRoom(show))));
        put.send().await.map(drop).map_err(write_failed)
    }

    /// Has it looked after no more.
    ///
    /// # Errors
    /// The table's.
    pub async fn unwatch_room(&self, show: ShowId) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&*self.table);
        let delete = delete.set_key(Some(key_attributes(&Key::WaitingRoom(show))));
        delete.send().await.map(drop).map_err(write_failed)
    }

    /// Creates an item that nobody ever replaces. That it was there, or that the answer was lost, is no error: whoever
    /// creates it reads it next.
    async fn create_once(&self, item: Item) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(&*self.table).set_item(Some(item));
        let put = put.condition_expression("attribute_not_exists(#pk)").expression_attribute_names("#pk", PK);
        match put.send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(inner))
                if matches!(inner.err(), PutItemError::ConditionalCheckFailedException(_)) =>
            {
                Ok(())
            }
            Err(error) => match write_failed(error) {
                StoreError::Ambiguous(_) => Ok(()),
                why => Err(why),
            },
        }
    }
}

fn draw_of(item: &Item) -> Result<Draw, StoreError> {
    let total = item.get("n").and_then(|value| value.as_n().ok()).and_then(|number| number.parse().ok());
    let marks = item.get("m").and_then(|value| value.as_b().ok()).map(|blob| {
        let (whole, rest) = blob.as_ref().as_chunks::<MARK_BYTES>();
        rest.is_empty().then(|| whole.iter().map(|mark| u128::from_be_bytes(*mark)).collect())
    });
    match (total, marks.flatten()) {
        (Some(total), Some(marks)) => Ok(Draw::from_parts(total, marks)),
        _ => Err(StoreError::Corrupt("a draw does not decode".to_owned())),
    }
}
