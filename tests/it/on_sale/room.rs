//! What the waiting room writes: a place, an admission, and what the stream's reader counts of both.

use std::fmt::Write as _;

use domain::{
    booking::Booking,
    hold::Terms,
    queue::{ADMISSION_LIFETIME, ADMISSION_SHARDS, Admission, AdmissionId, QUEUE_SHARDS},
    time::shift,
};
use store::{Store, hold::Claimed, keys::BUYER_SHARDS, queue::Granted};
use testkit::{engine::Engine, sale};

use super::{Counted, PARTITION_WRITES, Rates, counted, grouped, tenths};

/// Write units of one person's way in.
pub(super) struct Room {
    place: u64,
    permit: u64,
    admitted: u64,
    spent: u64,
}

impl Room {
    /// Counted: somebody joins, is let in, and buys; less what buying takes without a waiting room.
    pub(super) async fn now(without: &Counted) -> Self {
        let engine = Engine::temporary().await;
        let store = Store::new(engine.client(), engine.table());
        sale::publish(&store).await;
        let (show, now) = (sale::show(), sale::held_at());
        let booking = Booking { areas: Vec::new(), admission: Some(AdmissionId(5)), ..sale::booking() };
        let (joined, join) = counted(&engine, store.join(show.id, &booking.buyer, 5, show.starts_at)).await;
        assert!(joined.unwrap().is_new);
        store.fill(show.id, 8, &[], now).await.unwrap();
        let admission = Admission { id: AdmissionId(5), expires_at: shift(now, ADMISSION_LIFETIME) };
        let (granted, exchange) = counted(&engine, store.grant(show.id, &booking.buyer, &admission, 0)).await;
        assert_eq!(granted.unwrap(), Granted::Yes);
        let terms = Terms::under(6, AdmissionId(5), now);
        let (held, hold) = counted(&engine, store.claim(&booking, &terms)).await;
        assert_eq!((held.unwrap(), Counted::all(&hold)), (Claimed::Won, Counted::all(&without.hold)));
        let (_, pay) = counted(&engine, super::pay(&store, &booking)).await;
        let spent = Counted::all(&pay) - Counted::all(&without.pay);
        assert_eq!(Counted::of(&pay, "BUYERS"), spent, "nothing but the admission");
        let of = |units, family| Counted::of(units, family);
        assert_eq!((Counted::all(&join), Counted::all(&exchange)), (of(&join, "QUEUE"), 4));
        Self { place: of(&join, "QUEUE"), permit: of(&exchange, "PERMITS"), admitted: of(&exchange, "BUYERS"), spent }
    }

    /// Written for so many joins, admissions, and bookings paid and ended; what is counted from the stream, at most.
    fn units(&self, rates: &Rates) -> [(&'static str, u64, u16); 5] {
        let Rates { bookings, holds, released, joins, .. } = *rates;
        [
            ("places", joins * self.place, QUEUE_SHARDS),
            ("permit counters", holds * self.permit, ADMISSION_SHARDS),
            ("buyers: let in, and bought", holds * self.admitted + bookings * self.spent, BUYER_SHARDS),
            ("who joined, from the stream, at most", joins, QUEUE_SHARDS),
            // Let in, holding, and bought or not.
            ("what became of admissions, from the stream, at most", 2 * holds + bookings + released, BUYER_SHARDS),
        ]
    }

    pub(super) fn all(&self, rates: &Rates) -> u64 {
        self.units(rates).iter().map(|(_, units, _)| units).sum()
    }

    pub(super) fn table(&self) -> String {
        let mut table =
            "| item family | write units/s | keys | a key | of a partition |\n|---|---|---|---|---|\n".to_owned();
        for (name, units, keys) in self.units(&super::rates()) {
            let (keys, a_key) = (u64::from(keys), units * 10 / u64::from(keys));
            assert!(units <= keys * PARTITION_WRITES, "{name} is more than its partitions take");
            let of_partition = tenths(a_key * 100 / PARTITION_WRITES);
            let _ = writeln!(table, "| {name} | {} | {keys} | {} | {of_partition} % |", grouped(units), tenths(a_key));
        }
        table
    }
}
