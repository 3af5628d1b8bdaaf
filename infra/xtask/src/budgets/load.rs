//! How many holds, and how many paid bookings, the embedded platform makes of many buyers at once, over HTTP. The loader
//! runs on the same machine and takes its share of it.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{Budget, Row};
use crate::{
    journey::{Person, Site, Wish, list, text},
    pay::Provider,
    smoke::Embedded,
    tools,
};

/// Buyers at work at any time.
const BUYERS_AT_ONCE: usize = 16;
/// Holds of one run, each of one seat by somebody else.
const HOLDS: usize = 6_000;
/// Paid bookings of one run.
const PAIRS: usize = 1_500;
/// Between two looks of a buyer who waits for the payment to arrive.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a buyer waits.
const PAID_WITHIN: Duration = Duration::from_secs(30);

/// Somebody, and the seat they want.
struct Job {
    token: String,
    seat: String,
}

/// Measured to be known: a busy machine breaks no budget.
pub(super) fn rows() -> Result<Vec<Row>, String> {
    let directory = tools::target().join("budgets-run/data");
    if directory.exists() {
        std::fs::remove_dir_all(&directory).map_err(|why| format!("{}: {why}", directory.display()))?;
    }
    let kept = ["--data", &directory.to_string_lossy()].map(str::to_owned);
    let holds = on_platform(&[], Stage::holds)?;
    let durable = on_platform(&kept, Stage::holds)?;
    let pairs = on_platform(&[], Stage::pairs)?;
    Ok(vec![
        Row::new("holds/s over HTTP, embedded (aim 1,200)", Budget::None, holds),
        Row::new("holds/s over HTTP, embedded with --data (aim 900)", Budget::None, durable),
        Row::new("hold + paid pairs/s over HTTP, embedded (aim 300)", Budget::None, pairs),
    ])
}

fn on_platform(arguments: &[String], measure: impl Fn(&Stage) -> Result<f64, String>) -> Result<f64, String> {
    let embedded = Embedded::start(arguments)?;
    let site = Site::new(&embedded.url);
    let stage = Stage { show: largest_show(&site)?, site };
    measure(&stage)
}

/// The demo's show with the most seats.
fn largest_show(site: &Site) -> Result<String, String> {
    let events = site.get("/v1/events?q=skyline")?;
    let event = list(&events, "events").first().ok_or("the demo has no stadium")?;
    let shows = site.get(&format!("/v1/events/{}/shows", text(event, "eventId")?))?;
    Ok(text(list(&shows, "shows").first().ok_or("nobody plays in the stadium")?, "showId")?.to_owned())
}

struct Stage {
    site: Site,
    show: String,
}

impl Stage {
    /// Holds a second.
    fn holds(&self) -> Result<f64, String> {
        self.rate(HOLDS, |stage, _, person, seat| stage.hold(person, seat).map(drop))
    }

    /// Paid bookings a second, from the hold to the word that they are sold.
    fn pairs(&self) -> Result<f64, String> {
        self.rate(PAIRS, |stage, provider, person, seat| {
            let id = stage.hold(person, seat)?;
            person.pay(&id, provider)?;
            let began = Instant::now();
            while person.booking(&id)?["status"] != "CONFIRMED" {
                if began.elapsed() > PAID_WITHIN {
                    return Err(format!("{id} is not sold"));
                }
                thread::sleep(LOOK_EVERY);
            }
            Ok(())
        })
    }

    fn hold(&self, person: &Person, seat: &str) -> Result<String, String> {
        let booking = person.hold(&self.show, seat, &Wish::seats(&[seat]))?.expect("a hold", 201)?.json();
        Ok(text(&booking, "bookingId")?.to_owned())
    }

    /// Lets `count` buyers do something, so many at once; answers how many were done a second.
    fn rate(
        &self,
        count: usize,
        work: impl Fn(&Self, &Provider, &Person, &str) -> Result<(), String> + Sync,
    ) -> Result<f64, String> {
        let jobs = self.jobs(count)?;
        let next = AtomicUsize::new(0);
        let began = Instant::now();
        thread::scope(|scope| {
            let buyers: Vec<_> = (0..BUYERS_AT_ONCE).map(|_| scope.spawn(|| self.buy(&jobs, &next, &work))).collect();
            buyers.into_iter().try_for_each(|buyer| buyer.join().map_err(|_| "a buyer's thread broke")?)
        })?;
        Ok(Duration::from_secs(count as u64).div_duration_f64(began.elapsed()))
    }

    /// One buyer after the other over connections of their own.
    fn buy(
        &self,
        jobs: &[Job],
        next: &AtomicUsize,
        work: impl Fn(&Self, &Provider, &Person, &str) -> Result<(), String>,
    ) -> Result<(), String> {
        let site = Site::new(&self.site.base_url);
        let provider = Provider::stripe(&format!("{}/sandbox/stripe", site.base_url), None);
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(self, &provider, &site.person(&*job.token), &job.seat)?;
        }
        Ok(())
    }

    /// The first `count` seats of the show, with somebody for each.
    fn jobs(&self, count: usize) -> Result<Vec<Job>, String> {
        let plan = self.site.get(&format!("/v1/shows/{}/plan", self.show))?;
        let mut jobs = Vec::with_capacity(count);
        for section in list(&plan, "sections") {
            let path = format!("/v1/shows/{}/sections/{}/plan", self.show, text(section, "sectionId")?);
            let section = self.site.get(&path)?;
            for seat in list(&section, "rows").iter().flat_map(|row| list(row, "seats")) {
                if jobs.len() == count {
                    return Ok(jobs);
                }
                let buyer = json!({"sub": format!("buyer-{}", jobs.len()), "roles": []});
                let token = self.site.local_person(&buyer)?.token;
                jobs.push(Job { token, seat: text(seat, "seatId")?.to_owned() });
            }
        }
        Err(format!("the show has fewer than {count} seats"))
    }
}
