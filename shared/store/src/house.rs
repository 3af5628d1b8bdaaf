//! House seats by the range: a job that is done a step at a time. A step is one transaction over its seats and the job, so a
//! job is always exactly as far as it says, whoever carries it on, and however often.

use std::collections::HashMap;

use domain::{
    Error, StoreError,
    house::{Channel, Job, Order, Progress},
    ids::{SeatId, ShowId},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Store,
    codec::{Item, decode, encode, key_attributes, key_of, n, s},
    created::{Fingerprinted, same_request},
    expression::Update,
    keys::{HOUSE_RUNS, Key, fold},
    seat::{STATUS, SeatStatus},
    transact::{Ended, TRIES_MAX, Transaction, pause},
};

/// Seats of one step, at most: a transaction has a hundred actions, and the job and its place in the list are two.
pub const STEP_SEATS_MAX: u32 = 98;

/// The attribute with the job that changed a seat last.
const JOB: &str = "j";
/// The job's version, where conditions find it.
const VERSION: &str = "v";

#[derive(Serialize, Deserialize)]
struct JobItem {
    j: Job,
    v: u64,
    f: String,
}

impl Fingerprinted for JobItem {
    fn fingerprint(&self) -> &str {
        &self.f
    }
}

/// A seat that is not free, as a job sees it.
#[derive(Serialize, Deserialize)]
struct HouseSeat {
    #[serde(rename = "s")]
    status: SeatStatus,
    /// The job that changed it last.
    #[serde(rename = "j", default, skip_serializing_if = "Option::is_none")]
    job: Option<Uuid>,
    /// Whose it is. An index has taken the name `c`.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    channel: Option<Channel>,
    /// Whose it was before that job, if it was off sale then.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    was: Option<Before>,
}

/// Whose a seat was.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Before {
    #[serde(rename = "n")]
    Nobodys,
    #[serde(rename = "c")]
    Of(Channel),
}

impl Store {
    /// Begins a job, once. Answers it as it is: `job`, or what has become of it since an earlier attempt of the same request.
    ///
    /// # Errors
    /// `idempotency-mismatch` when another request has the id; the table's.
    pub async fn begin_job(&self, job: &Job, fingerprint: &str) -> Result<Job, Error> {
        for attempt in 0..TRIES_MAX {
            if let Some(item) = self.get_item(&Key::House(job.show, job.id), true).await? {
                let known: JobItem = decode(item)?;
                same_request(&known, fingerprint)?;
                return Ok(known.j);
            }
            let item = JobItem { j: job.clone(), v: job.version, f: fingerprint.to_owned() };
            let transaction = Transaction::default()
                .create(encode(&Key::House(job.show, job.id), &item)?)?
                .write(key_attributes(&Key::HouseRun(job.show, job.id)))?;
            match self.transact_once(&transaction).await {
                Ok(Ended::Applied) => return Ok(job.clone()),
                Ok(Ended::Refused(_) | Ended::Conflict) | Err(StoreError::Ambiguous(_)) => {
                    tokio::time::sleep(pause(attempt, seed(job))).await;
                }
                Err(why) => return Err(why.into()),
            }
        }
        Err(StoreError::Throttled.into())
    }

    /// The job as it is now.
    ///
    /// # Errors
    /// The table's.
    pub async fn job(&self, show: ShowId, id: Uuid) -> Result<Option<Job>, StoreError> {
        let item = self.get_item(&Key::House(show, id), true).await?;
        Ok(item.map(decode::<JobItem>).transpose()?.map(|item| item.j))
    }

    /// The jobs that are not over.
    ///
    /// # Errors
    /// The table's.
    pub async fn running_jobs(&self) -> Result<Vec<(ShowId, Uuid)>, StoreError> {
        let run = |item: &Item| match key_of(item)? {
            Key::HouseRun(show, id) => Ok((show, id)),
            other => Err(StoreError::Corrupt(format!("{other:?} among running jobs"))),
        };
        self.query_partition(HOUSE_RUNS).await?.iter().map(run).collect()
    }

    /// Carries a job on by at most `steps` steps. `seats` are all of its seats, in the order of its ranges. Answers the job as
    /// it is then; somebody else may have carried it on meanwhile.
    ///
    /// # Errors
    /// The table's; what was done stays done.
    pub async fn carry_on(&self, job: Job, seats: &[SeatId], steps: u32) -> Result<Job, StoreError> {
        let mut job = job;
        for _ in 0..steps {
            if job.is_over() {
                break;
            }
            let step = job.next(STEP_SEATS_MAX);
            let at = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
            let part = seats.get(at(step.start)..at(step.end));
            let part = part.ok_or_else(|| StoreError::Corrupt(format!("job {} has other seats", job.id)))?;
            job = self.step(&job, &step, part).await?;
        }
        Ok(job)
    }

    async fn step(&self, job: &Job, step: &std::ops::Range<u32>, seats: &[SeatId]) -> Result<Job, StoreError> {
        for attempt in 0..TRIES_MAX {
            let (next, transaction) = self.plan_step(job, step, seats).await?;
            match self.transact_once(&transaction).await {
                Ok(Ended::Applied) => return Ok(next),
                Ok(Ended::Refused(_) | Ended::Conflict) | Err(StoreError::Ambiguous(_)) => {
                    let now = self.job(job.show, job.id).await?;
                    if let Some(moved) = now.filter(|now| now.version != job.version) {
                        return Ok(moved);
                    }
                    tokio::time::sleep(pause(attempt, seed(job))).await;
                }
                Err(why) => return Err(why),
            }
        }
        Err(StoreError::Throttled)
    }

    /// The job after a step, and the writes that make it so.
    async fn plan_step(
        &self,
        job: &Job,
        step: &std::ops::Range<u32>,
        seats: &[SeatId],
    ) -> Result<(Job, Transaction), StoreError> {
        let keys: Vec<Key> = seats.iter().map(|seat| Key::Seat(job.show, seat.clone())).collect();
        let mut known: HashMap<SeatId, HouseSeat> = HashMap::new();
        for item in self.batch_get(&keys, true).await? {
            if let Key::Seat(_, seat) = key_of(&item)? {
                known.insert(seat, decode(item)?);
            }
        }
        let is_bought = |seat: &&SeatId| known.get(*seat).is_some_and(|it| it.status != SeatStatus::Blocked);
        let bought: Vec<SeatId> = match (job.progress, job.order) {
            (Progress::Running, Order::Block | Order::Allocate(_)) => seats.iter().filter(is_bought).cloned().collect(),
            _ => Vec::new(),
        };
        let (next, seats) = if bought.is_empty() { (job.after(step), seats) } else { (job.refused(bought), &[][..]) };
        let mut transaction = moved(job, &next)?;
        for seat in seats {
            let (key, known) = (Key::Seat(job.show, seat.clone()), known.get(seat));
            transaction = match job.progress {
                Progress::Running => carried_out(transaction, job, &key, known)?,
                _ => undone(transaction, job, &key, known)?,
            };
        }
        Ok((next, transaction))
    }
}

fn moved(job: &Job, next: &Job) -> Result<Transaction, StoreError> {
    let value = serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(next)
        .map_err(|why| StoreError::Corrupt(format!("a job does not encode: {why}")))?;
    let update = Update::default().require("#v = :old", &[("#v", VERSION)], [(":old", n(job.version))]).set(
        "#v = :new, #j = :j",
        &[("#j", "j")],
        [(":new", n(next.version)), (":j", value)],
    );
    let transaction = Transaction::default().update(&Key::House(job.show, job.id), update)?;
    if next.is_over() { transaction.delete(&Key::HouseRun(job.show, job.id)) } else { Ok(transaction) }
}

fn carried_out(
    transaction: Transaction,
    job: &Job,
    key: &Key,
    known: Option<&HouseSeat>,
) -> Result<Transaction, StoreError> {
    let channel = match job.order {
        Order::Allocate(channel) => Some(channel),
        Order::Block | Order::Release => None,
    };
    match (job.order, known) {
        (Order::Release, Some(seat)) if seat.status == SeatStatus::Blocked => {
            transaction.delete_if(key, STATUS, s(SeatStatus::Blocked.as_str()))
        }
        (Order::Block | Order::Allocate(_), None) => {
            let seat = HouseSeat { status: SeatStatus::Blocked, job: Some(job.id), channel, was: None };
            transaction.create(encode(key, &seat)?)
        }
        (Order::Allocate(_), Some(seat)) if seat.channel != channel => {
            let was = seat.channel.map_or(Before::Nobodys, Before::Of);
            let seat = HouseSeat { status: SeatStatus::Blocked, job: Some(job.id), channel, was: Some(was) };
            transaction.replace_if(encode(key, &seat)?, STATUS, s(SeatStatus::Blocked.as_str()))
        }
        _ => Ok(transaction),
    }
}

/// Puts a seat back as it was before the job, if it is still as the job left it.
fn undone(
    transaction: Transaction,
    job: &Job,
    key: &Key,
    known: Option<&HouseSeat>,
) -> Result<Transaction, StoreError> {
    let Some(seat) = known.filter(|seat| seat.job == Some(job.id)) else { return Ok(transaction) };
    match seat.was {
        None => transaction.delete_if(key, JOB, s(job.id)),
        Some(was) => {
            let channel = match was {
                Before::Nobodys => None,
                Before::Of(channel) => Some(channel),
            };
            let seat = HouseSeat { status: SeatStatus::Blocked, job: None, channel, was: None };
            transaction.replace_if(encode(key, &seat)?, JOB, s(job.id))
        }
    }
}

fn seed(job: &Job) -> u16 {
    fold(job.id.as_bytes(), u16::MAX)
}
