//! What everybody shares: the platform, the show, the cache, and what is known of the sale.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::{sync::watch, time::Instant};

use crate::{
    copies::Copies,
    draw::Draw,
    hall::{Hall, states},
    history::{Seen, Who, Wish},
    site::{Caller, Queue, Site},
};

/// How often somebody looks for all.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// When little is left, so many try for each seat.
const TRIERS_PER_SEAT: u64 = 3;

/// The sale as all can see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// Seats for sale.
    pub(crate) free: u64,
    /// Seats held.
    pub(crate) held: u64,
    /// Seats sold.
    pub(crate) sold: u64,
    /// Where the waiting room is; empty without one.
    pub(crate) phase: String,
    /// Whose turn it is.
    pub(crate) serving: Option<String>,
    /// What was drawn with, once it is told.
    pub(crate) secret: Option<String>,
    /// Nothing is left, or nobody waits any longer.
    pub(crate) over: bool,
}

/// How many are where.
#[derive(Default)]
pub(crate) struct Gauges {
    /// Have come.
    pub(crate) come: AtomicU64,
    /// Are in the queue.
    pub(crate) queueing: AtomicU64,
    /// Are at the map.
    pub(crate) choosing: AtomicU64,
    /// Have gone.
    pub(crate) gone: AtomicU64,
}

/// Counts somebody while it lives.
pub(crate) struct Counted<'a>(&'a AtomicU64);

impl<'a> Counted<'a> {
    pub(crate) fn new(gauge: &'a AtomicU64) -> Self {
        gauge.fetch_add(1, Ordering::Relaxed);
        Self(gauge)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What everybody shares.
pub(crate) struct World {
    /// The platform.
    pub(crate) site: Site,
    /// The show.
    pub(crate) hall: Hall,
    /// Whether there is a waiting room.
    pub(crate) gated: bool,
    /// The most that one buyer may have.
    pub(crate) cap: u32,
    /// The cache.
    pub(crate) copies: Copies,
    /// How many are where.
    pub(crate) gauges: Gauges,
    /// Everybody's token.
    pub(crate) tokens: HashMap<Who, Arc<str>>,
    /// When everybody goes home, whatever is left.
    pub(crate) closes: Instant,
    /// Somebody's admission that fell into the wrong hands.
    pub(crate) loot: Mutex<Option<(Who, String)>>,
    news: watch::Sender<News>,
}

impl World {
    /// A sale that nobody has seen yet.
    pub(crate) fn new(
        site: Site,
        hall: Hall,
        (gated, cap): (bool, u32),
        tokens: HashMap<Who, Arc<str>>,
        closes: Instant,
    ) -> Self {
        Self {
            site,
            hall,
            gated,
            cap,
            copies: Copies::default(),
            gauges: Gauges::default(),
            tokens,
            closes,
            loot: Mutex::new(None),
            news: watch::Sender::default(),
        }
    }

    /// What is known now, and what becomes known.
    pub(crate) fn news(&self) -> watch::Receiver<News> {
        self.news.subscribe()
    }

    /// A person of the crowd.
    pub(crate) fn caller(&self, who: Who) -> Caller {
        Caller { who, token: self.tokens.get(&who).cloned().unwrap_or_default() }
    }

    /// Somebody loses an admission.
    pub(crate) fn lose(&self, who: Who, admission: &str) {
        *self.loot.lock().unwrap_or_else(PoisonError::into_inner) = Some((who, admission.to_owned()));
    }

    /// An admission that is not `who`'s.
    pub(crate) fn find(&self, who: Who) -> Option<String> {
        let loot = self.loot.lock().unwrap_or_else(PoisonError::into_inner);
        loot.as_ref().filter(|(owner, _)| *owner != who).map(|(_, admission)| admission.clone())
    }

    /// Looks for all, once a second, until the news is that it is over and nobody needs to know more.
    pub(crate) async fn watch(&self) {
        let mut known: Option<(String, Seen)> = None;
        loop {
            let began = Instant::now();
            let mut news = self.news.borrow().clone();
            if self.gated {
                self.look_at_queue(&mut known, &mut news).await;
            }
            let path = format!("/v1/shows/{}/availability", self.hall.show);
            if let Ok(overview) = self.copies.get(&self.site, &path).await {
                (news.free, news.held, news.sold) =
                    (sum(&overview, "available"), sum(&overview, "held"), sum(&overview, "sold"));
                let gone = news.free == 0 && news.held == 0;
                news.over = news.over || gone || Instant::now() >= self.closes;
            }
            self.news.send_if_modified(|before| {
                let changed = *before != news;
                *before = news;
                changed
            });
            tokio::time::sleep_until(began + LOOK_EVERY).await;
        }
    }

    /// What everybody in the queue reads, asked for once.
    async fn look_at_queue(&self, known: &mut Option<(String, Seen)>, news: &mut News) {
        self.copies.looked(self.gauges.queueing.load(Ordering::Relaxed));
        let before = known.as_ref().map(|(etag, seen)| (etag.as_str(), seen));
        match self.site.queue(&self.hall.show, before).await {
            Queue::Changed { seen, etag } => {
                self.copies.asked(false);
                if let Seen::Queue { phase, serving, secret, .. } = &seen {
                    (news.phase, news.serving, news.secret) = (phase.clone(), serving.clone(), secret.clone());
                }
                *known = etag.map(|etag| (etag, seen));
            }
            Queue::Unchanged => self.copies.asked(true),
            Queue::Silent => self.copies.asked(false),
        }
    }

    /// Seats that somebody picks from the map, or nothing where there is nothing for them now.
    pub(crate) async fn choose(&self, places: u32, best: bool, draw: &mut Draw) -> Option<Wish> {
        let path = format!("/v1/shows/{}/availability", self.hall.show);
        let overview = self.copies.get(&self.site, &path).await.ok()?;
        let free = sum(&overview, "available");
        let triers = self.gauges.choosing.load(Ordering::Relaxed).max(1);
        // When little is left not everybody tries for it at the same moment: people think before they click.
        if free == 0 || (free * TRIERS_PER_SEAT < triers && draw.below(triers) >= free * TRIERS_PER_SEAT) {
            return None;
        }
        if best && free > triers {
            return Some(Wish::Best(places));
        }
        let sections = overview["sections"].as_array()?;
        let of = |section: &Value| section["available"].as_u64().unwrap_or(0);
        // Half of the people want the front; the others go where there is room.
        let mut at = if draw.percent(50) { 0 } else { draw.below(free) };
        let section = sections.iter().find(|section| {
            let free = of(section);
            let here = free > at;
            at = at.saturating_sub(free);
            here
        })?;
        let id = section["sectionId"].as_str()?;
        let section = self.hall.sections.iter().find(|section| section.id == id)?;
        let path = format!("/v1/shows/{}/sections/{id}/availability", self.hall.show);
        let map = self.copies.get(&self.site, &path).await.ok()?;
        let seats = section.free(&states(&map)?, usize::try_from(places).unwrap_or(1), draw);
        (!seats.is_empty()).then_some(Wish::Seats(seats))
    }
}

/// A count over all sections.
fn sum(overview: &Value, name: &str) -> u64 {
    overview["sections"].as_array().into_iter().flatten().filter_map(|section| section[name].as_u64()).sum()
}
