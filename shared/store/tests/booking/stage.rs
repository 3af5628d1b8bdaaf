//! A published show, and claims on it.

use domain::{
    Timestamp,
    booking::{AreaLine, Booking, SeatLine},
    hold::{Taken, Terms},
    ids::{BookingId, SeatId},
    time::{SignedDuration, shift},
};
use store::{
    Store,
    hold::Claimed,
    keys::{DUE_SHARDS, Key},
};
use testkit::{engine::Engine, sale, table};
use uuid::Uuid;

pub(crate) const CAP: u32 = 6;

pub(crate) struct Stage {
    pub(crate) engine: Engine,
    pub(crate) store: Store,
}

impl Stage {
    pub(crate) async fn open() -> Self {
        let engine = Engine::temporary().await;
        let store = table::store(&engine);
        sale::publish(&store).await;
        Self { engine, store }
    }

    pub(crate) async fn claim(&self, booking: &Booking) -> Claimed {
        self.store.claim(booking, &Terms::within(CAP)).await.unwrap()
    }

    pub(crate) async fn held(&self, booking: Booking) -> Booking {
        assert_eq!(self.claim(&booking).await, Claimed::Won);
        booking
    }

    pub(crate) async fn read(&self, booking: &Booking) -> Option<Booking> {
        self.store.booking(booking.id).await.unwrap()
    }

    /// Payment started and the intent recorded.
    pub(crate) async fn begun(&self, booking: Booking) -> Booking {
        let held = self.held(booking).await;
        let started = self.store.start_payment(&held, sale::held_at()).await.unwrap().unwrap();
        self.store.record_intent(&started, &"pi_1".parse().unwrap()).await.unwrap().unwrap()
    }

    pub(crate) async fn sold(&self, booking: Booking) -> Booking {
        let begun = self.begun(booking).await;
        self.store.confirm(&begun, None, sale::held_at()).await.unwrap().unwrap()
    }

    pub(crate) async fn paid(&self, booking: Booking) -> Booking {
        let sold = self.sold(booking).await;
        self.store.record_capture(&sold, sale::captured_at()).await.unwrap().unwrap()
    }

    /// Who has each of the booking's seats; free ones are left out.
    pub(crate) async fn seats(&self, booking: &Booking) -> Vec<(SeatId, Taken)> {
        let probe = Booking { id: BookingId::from_uuid(Uuid::max()), ..booking.clone() };
        let mut seats = self.store.look(&probe, &Terms::within(u32::MAX)).await.unwrap().seats;
        seats.sort_by_key(|(seat, _)| booking.seats.iter().position(|line| line.seat == *seat));
        seats
    }

    /// Places left in the pit.
    pub(crate) async fn pit(&self) -> u32 {
        let shards = self.store.area_shards(sale::show().id, &"pit".parse().unwrap(), 1).await.unwrap();
        shards.iter().map(|(_, left)| left).sum()
    }

    /// Places counted for `buyer`.
    pub(crate) async fn counted(&self, buyer: &str) -> u32 {
        let tallies = self.store.tallies(sale::show().id).await.unwrap();
        let key = Key::Buyer(sale::show().id, buyer.parse().unwrap());
        tallies.iter().find(|(found, _)| *found == key).map_or(0, |(_, tally)| {
            assert_eq!(tally.total, tally.bookings.iter().map(|(_, places)| places).sum::<u32>());
            tally.total
        })
    }

    /// Everything that is due at `now`.
    pub(crate) async fn due(&self, now: Timestamp) -> Vec<BookingId> {
        let mut all = Vec::new();
        for shard in 0..DUE_SHARDS {
            all.extend(self.store.due(shard, now, None, 100).await.unwrap().0);
        }
        all
    }

    /// Nothing is left of it but the booking itself.
    pub(crate) async fn assert_gone(&self, booking: &Booking) {
        assert_eq!(self.seats(booking).await, []);
        assert_eq!((self.pit().await, self.counted(booking.buyer.as_str()).await), (50, 0));
        assert_eq!(self.due(Timestamp::MAX).await, []);
    }
}

/// A claim number `number` by `buyer` on seats of row A.
pub(crate) fn wish(number: u128, buyer: &str, seats: &[u32]) -> Booking {
    let line = |seat: &u32| SeatLine {
        seat: format!("balcony:A:{seat}").parse().unwrap(),
        category: "silver".parse().unwrap(),
        price_minor: 12_800,
    };
    Booking {
        id: BookingId::from_uuid(Uuid::from_u128(number)),
        buyer: buyer.parse().unwrap(),
        seats: seats.iter().map(line).collect(),
        areas: Vec::new(),
        ..sale::booking()
    }
}

/// With `places` in the pit, too.
pub(crate) fn and_pit(mut booking: Booking, places: u32) -> Booking {
    let area = "pit".parse().unwrap();
    booking.areas = vec![AreaLine { area, quantity: places, price_minor: 10_000, shard: 0 }];
    booking
}

pub(crate) fn later(seconds: i64) -> Timestamp {
    shift(sale::held_at(), SignedDuration::from_secs(seconds))
}
