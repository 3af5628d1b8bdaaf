//! What happened, as the people saw it: every call with when it was made, when it was answered, and what was said. One
//! line of JSON each, so that a rehearsal can be checked again, by others, long after the platform is gone.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use serde::{Deserialize, Serialize};

/// Microseconds since the rehearsal began.
pub type Micros = u64;

/// Somebody; [`NOBODY`] is whoever asks on behalf of all, as a cache does.
pub type Who = u32;

/// Not a person. People count from 1.
pub const NOBODY: Who = 0;

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Line {
    /// The first: what was for sale.
    Stage(Stage),
    /// A call.
    Call(Call),
    /// The last: what was left.
    End(End),
}

/// What is for sale, and by which rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// The show.
    pub show: String,
    /// What everything is paid in.
    pub currency: String,
    /// Every seat with its price in minor units.
    pub seats: BTreeMap<String, i64>,
    /// Places that one buyer may have.
    pub cap: u32,
    /// Whether there is a waiting room.
    pub gated: bool,
    /// When the waiting room opens.
    pub opens: Micros,
    /// Whether nobody buys but the people of this history.
    pub exclusive: bool,
    /// How many people come.
    pub people: u32,
}

/// A call and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Who called.
    pub who: Who,
    /// When it was sent: it had no effect before.
    pub invoked: Micros,
    /// When it was answered. Of a call whose answer never came, when nobody waited any more: its effect may come later.
    pub ended: Micros,
    /// What was asked.
    pub step: Step,
    /// What was said.
    pub outcome: Outcome,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Step {
    /// A place in the waiting room.
    Join,
    /// How far the waiting room is.
    Queue,
    /// To be let in.
    Admission,
    /// Places.
    Hold {
        /// The idempotency key.
        key: String,
        /// Which ones.
        wish: Wish,
        /// By what right.
        pass: Pass,
    },
    /// To give a booking up.
    Release {
        /// The booking.
        booking: String,
    },
    /// To pay for a booking.
    Confirm {
        /// The booking.
        booking: String,
    },
    /// The provider, to take the card.
    Pay {
        /// The booking.
        booking: String,
    },
    /// What became of a booking.
    Look {
        /// The booking.
        booking: String,
    },
    /// All bookings of this person: one call for each that the list has.
    List,
}

impl Step {
    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Queue => "queue state",
            Self::Admission => "admission",
            Self::Hold { .. } => "hold",
            Self::Release { .. } => "release",
            Self::Confirm { .. } => "confirm",
            Self::Pay { .. } => "pay",
            Self::Look { .. } => "look",
            Self::List => "list",
        }
    }
}

/// Which places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Wish {
    /// These.
    Seats(Vec<String>),
    /// The best that are left, so many side by side.
    Best(u32),
}

impl Wish {
    /// How many places.
    #[must_use]
    pub fn places(&self) -> usize {
        match self {
            Self::Seats(seats) => seats.len(),
            Self::Best(count) => usize::try_from(*count).unwrap_or(usize::MAX),
        }
    }
}

/// By what right somebody holds places of a show with a waiting room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Pass {
    /// None.
    None,
    /// The admission that was given to them.
    Own,
    /// Somebody else's admission.
    Stolen,
    /// An admission that was tampered with.
    Forged,
    /// Their own, which has already bought something.
    Spent,
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Outcome {
    /// Yes.
    Ok(Seen),
    /// No, and nothing was done.
    Refused {
        /// The status code.
        status: u16,
        /// The problem's slug.
        reason: String,
        /// The seats that it names.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        seats: Vec<String>,
    },
    /// Nobody knows whether anything was done.
    Unknown {
        /// What was seen instead of an answer.
        why: String,
    },
}

/// What an answer shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Seen {
    /// Nothing that matters here.
    Nothing,
    /// A place in the waiting room.
    Place {
        /// The place.
        place: String,
        /// How many are before it, if that is told.
        position: Option<u64>,
    },
    /// The waiting room.
    Queue {
        /// Where the sale is.
        phase: String,
        /// Who is served: whose turn is not behind this one.
        serving: Option<String>,
        /// How many have joined.
        joined: u64,
        /// What the draw's secret is committed to by.
        commitment: String,
        /// The secret, once it is told.
        secret: Option<String>,
    },
    /// An admission.
    Admission {
        /// It is not valid after this.
        until: Micros,
    },
    /// A booking.
    Booking(Booking),
}

/// A booking as it was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Booking {
    /// Its id.
    pub id: String,
    /// Where it is.
    pub status: Status,
    /// Its seats.
    pub seats: Vec<String>,
    /// What it costs, in minor units.
    pub total: i64,
    /// A hold does not end before this.
    pub ends: Micros,
}

/// Where a booking is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Held.
    Pending,
    /// Sold.
    Confirmed,
    /// Over.
    Cancelled,
}

/// What was left when everybody had gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// When.
    pub at: Micros,
    /// The map: every seat's state.
    pub map: BTreeMap<String, SeatState>,
    /// What the payment provider has; nothing where it cannot be asked.
    pub charges: Option<Vec<Charge>>,
    /// What the organiser's ledger says was captured and not given back; nothing where it cannot be asked.
    pub captured: Option<i64>,
    /// People who would not have given up and went without a seat.
    pub unserved: u32,
}

/// A seat on the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SeatState {
    /// For sale.
    Free,
    /// Held.
    Held,
    /// Sold.
    Sold,
    /// Not for sale.
    Blocked,
}

/// A payment as the provider has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Charge {
    /// The booking that it is for.
    pub booking: String,
    /// What was taken, in minor units.
    pub captured: i64,
    /// What was given back of it.
    pub refunded: i64,
}

/// A whole rehearsal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// What was for sale.
    pub stage: Stage,
    /// What was asked and said, in the order of the answers.
    pub calls: Vec<Call>,
    /// What was left.
    pub end: End,
}

impl History {
    /// Reads a file of lines.
    ///
    /// # Errors
    /// It cannot be read, a line is not ours, or the first or last line is missing.
    pub fn read(path: &Path) -> Result<Self, String> {
        let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let file = File::open(path).map_err(|why| told(&why))?;
        let (mut stage, mut calls, mut end) = (None, Vec::new(), None);
        for (number, line) in BufReader::new(file).lines().enumerate() {
            let line = line.map_err(|why| told(&why))?;
            let line = serde_json::from_str(&line).map_err(|why| told(&format!("line {}: {why}", number + 1)))?;
            match line {
                Line::Stage(first) => stage = Some(first),
                Line::Call(call) => calls.push(call),
                Line::End(last) => end = Some(last),
            }
        }
        let stage = stage.ok_or_else(|| told(&"it does not say what was for sale"))?;
        let end = end.ok_or_else(|| told(&"it stops before the end"))?;
        Ok(Self { stage, calls, end })
    }
}

/// Keeps every line, in memory and in a file.
pub struct Recorder {
    began: Instant,
    kept: Mutex<Kept>,
}

struct Kept {
    calls: Vec<Call>,
    file: BufWriter<File>,
    /// The first thing that went wrong with the file.
    failed: Option<io::Error>,
}

impl Recorder {
    /// Begins a file. Time counts from now on.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn new(path: &Path) -> Result<Self, String> {
        let file = File::create(path).map_err(|why| format!("{}: {why}", path.display()))?;
        let kept = Kept { calls: Vec::new(), file: BufWriter::new(file), failed: None };
        Ok(Self { began: Instant::now(), kept: Mutex::new(kept) })
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Micros {
        Micros::try_from(self.began.elapsed().as_micros()).unwrap_or(Micros::MAX)
    }

    /// Keeps what was for sale.
    pub fn stage(&self, stage: &Stage) {
        self.kept().write(&Line::Stage(stage.clone()));
    }

    /// Notes that a call is being made. It is kept when it ends, also when nobody waits for its end.
    #[must_use]
    pub fn invoke(&self, who: Who, step: Step) -> Invoked<'_> {
        self.invoke_at(self.now(), who, step)
    }

    /// Notes a part of a call that was made before.
    #[must_use]
    pub fn invoke_at(&self, invoked: Micros, who: Who, step: Step) -> Invoked<'_> {
        Invoked { recorder: self, who, invoked, step: Some(step) }
    }

    fn keep(&self, call: Call) {
        let mut kept = self.kept();
        let line = Line::Call(call);
        kept.write(&line);
        if let Line::Call(call) = line {
            kept.calls.push(call);
        }
    }

    /// Looks at the calls so far.
    pub fn with_calls<T>(&self, look: impl FnOnce(&[Call]) -> T) -> T {
        look(&self.kept().calls)
    }

    /// The whole, with its last line.
    ///
    /// # Errors
    /// Something could not be written to the file.
    pub fn finish(&self, stage: Stage, end: End) -> Result<History, String> {
        let mut kept = self.kept();
        kept.write(&Line::End(end.clone()));
        let flushed = kept.file.flush();
        if let Some(why) = kept.failed.take().or(flushed.err()) {
            return Err(format!("the history is not whole: {why}"));
        }
        let calls = std::mem::take(&mut kept.calls);
        Ok(History { stage, calls, end })
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn write(&mut self, line: &Line) {
        let written = serde_json::to_writer(&mut self.file, line).map_err(io::Error::from);
        if let Err(why) = written.and_then(|()| self.file.write_all(b"\n")) {
            self.failed.get_or_insert(why);
        }
    }
}

/// A call under way.
pub struct Invoked<'a> {
    recorder: &'a Recorder,
    who: Who,
    /// When it was sent.
    pub invoked: Micros,
    step: Option<Step>,
}

impl Invoked<'_> {
    /// Keeps the call with its answer.
    pub fn end(mut self, outcome: Outcome) {
        self.keep(outcome);
    }

    fn keep(&mut self, outcome: Outcome) {
        if let Some(step) = self.step.take() {
            let ended = self.recorder.now();
            self.recorder.keep(Call { who: self.who, invoked: self.invoked, ended, step, outcome });
        }
    }
}

impl Drop for Invoked<'_> {
    /// Whoever stopped waiting does not know what became of it.
    fn drop(&mut self) {
        self.keep(Outcome::Unknown { why: "nobody waited for the answer".to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_can_be_read_again_also_what_nobody_waited_for() {
        let path = std::env::temp_dir().join(format!("rehearse-history-{}.jsonl", std::process::id()));
        let recorder = Recorder::new(&path).unwrap();
        let stage = Stage { show: "shw_1".to_owned(), seats: [("a:1:1".to_owned(), 100)].into(), ..Stage::default() };
        recorder.stage(&stage);
        let wish = Wish::Seats(vec!["a:1:1".to_owned()]);
        let hold = recorder.invoke(1, Step::Hold { key: "k".to_owned(), wish, pass: Pass::Own });
        let booking = Booking {
            id: "bkg_1".to_owned(),
            status: Status::Pending,
            seats: vec!["a:1:1".to_owned()],
            total: 100,
            ends: 5,
        };
        hold.end(Outcome::Ok(Seen::Booking(booking)));
        drop(recorder.invoke(2, Step::Join));
        let end = End { map: [("a:1:1".to_owned(), SeatState::Held)].into(), ..End::default() };
        let history = recorder.finish(stage, end).unwrap();
        let read = History::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read, history);
        assert!(matches!(read.calls[1], Call { who: 2, step: Step::Join, outcome: Outcome::Unknown { .. }, .. }));
        assert!(read.calls[0].invoked <= read.calls[0].ended);
    }

    #[test]
    fn a_history_that_stops_is_not_read_as_a_whole() {
        let path = std::env::temp_dir().join(format!("rehearse-cut-{}.jsonl", std::process::id()));
        let recorder = Recorder::new(&path).unwrap();
        recorder.stage(&Stage::default());
        recorder.kept().file.flush().unwrap();
        let read = History::read(&path);
        std::fs::remove_file(&path).unwrap();
        assert!(read.unwrap_err().contains("before the end"));
    }
}
