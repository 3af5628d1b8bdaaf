//! Where a rehearsal is, for whoever watches.

use std::{sync::atomic::Ordering, time::Duration};

use crate::world::{News, World};

/// How often it is told.
pub const EVERY: Duration = Duration::from_millis(500);

/// Somebody who watches.
pub trait Progress: Sync {
    /// Something begins.
    fn phase(&self, name: &str);
    /// How the sale stands.
    fn sale(&self, scene: &Scene);
}

/// How the sale stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scene {
    /// People who have come.
    pub come: u64,
    /// People who wait in the queue.
    pub queueing: u64,
    /// People in front of the map.
    pub choosing: u64,
    /// People who have gone.
    pub gone: u64,
    /// Seats for sale.
    pub free: u64,
    /// Seats held.
    pub held: u64,
    /// Seats sold.
    pub sold: u64,
    /// Where the waiting room is.
    pub phase: String,
}

impl Scene {
    pub(crate) fn new(world: &World, news: &News) -> Self {
        let of = |gauge: &std::sync::atomic::AtomicU64| gauge.load(Ordering::Relaxed);
        Self {
            come: of(&world.gauges.come),
            queueing: of(&world.gauges.queueing),
            choosing: of(&world.gauges.choosing),
            gone: of(&world.gauges.gone),
            free: news.free,
            held: news.held,
            sold: news.sold,
            phase: news.phase.clone(),
        }
    }
}

/// Nobody watches.
pub struct Unwatched;

impl Progress for Unwatched {
    fn phase(&self, _: &str) {}
    fn sale(&self, _: &Scene) {}
}
