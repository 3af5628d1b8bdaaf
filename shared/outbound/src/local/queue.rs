//! A queue with SQS's promises: delays, a visibility timeout, at least once, no order, dead letters.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{
    ProviderError, Timestamp,
    time::{Clock, SignedDuration, shift},
};
use tokio::sync::Notify;

use super::unavailable;

/// Messages in one queue, at most: ten minutes of holds at the platform's best rate, twice.
const MESSAGES_MAX: usize = 2_000_000;

/// Dead letters kept; beyond that the oldest goes.
const DEAD_LETTERS_MAX: usize = 10_000;

/// A received message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The same however often it is received.
    pub id: String,
    /// Names this receipt; a later receipt of the same message makes it void.
    pub handle: String,
    /// What was sent.
    pub body: String,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// How often it was received, this time included.
    pub receive_count: u32,
}

/// How much is in a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Ready to be received.
    pub visible: usize,
    /// Sent with a delay that is not over.
    pub delayed: usize,
    /// Received and not yet deleted; they come back when their visibility timeout ends.
    pub in_flight: usize,
    /// Received too often.
    pub dead: usize,
}

struct Entry {
    body: String,
    sent_at: Timestamp,
    due_at: Timestamp,
    receive_count: u32,
}

#[derive(Default)]
struct State {
    next: u64,
    messages: HashMap<u64, Entry>,
    /// When each message becomes visible (again), soonest first.
    schedule: BTreeSet<(Timestamp, u64)>,
    dead: VecDeque<Message>,
}

/// A queue in memory. Due times follow the clock it was given.
pub struct LocalQueue {
    clock: Arc<dyn Clock>,
    receives_max: u32,
    state: Mutex<State>,
    changed: Notify,
}

impl LocalQueue {
    /// An empty queue whose messages become dead letters when they were received `receives_max` times and come due
    /// once more.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, receives_max: u32) -> Self {
        Self { clock, receives_max, state: Mutex::default(), changed: Notify::new() }
    }

    /// Adds a message that becomes visible after `delay`, and answers its id. `Unavailable` when the queue is full.
    pub fn send(&self, body: impl Into<String>, delay: Duration) -> Result<String, ProviderError> {
        let sent_at = self.clock.now();
        let due_at = later(sent_at, delay);
        let mut state = self.state();
        if state.messages.len() >= MESSAGES_MAX {
            return Err(unavailable(format!("the queue holds {MESSAGES_MAX} messages")));
        }
        let number = state.next;
        state.next += 1;
        state.messages.insert(number, Entry { body: body.into(), sent_at, due_at, receive_count: 0 });
        state.schedule.insert((due_at, number));
        drop(state);
        self.changed.notify_waiters();
        Ok(id(number))
    }

    /// Takes up to `max` visible messages, longest due first; each stays hidden for `visibility` unless deleted.
    /// Messages that were received too often become dead letters instead.
    pub fn receive(&self, max: usize, visibility: Duration) -> Vec<Message> {
        let now = self.clock.now();
        let mut state = self.state();
        let mut taken = Vec::new();
        while taken.len() < max {
            let Some(&(due_at, number)) = state.schedule.first() else { break };
            if due_at > now {
                break;
            }
            state.schedule.pop_first();
            let Some(entry) = state.messages.get_mut(&number) else { continue };
            if entry.receive_count >= self.receives_max {
                state.bury(number);
                continue;
            }
            entry.receive_count += 1;
            entry.due_at = later(now, visibility);
            taken.push(message(number, entry));
            let hidden_until = entry.due_at;
            state.schedule.insert((hidden_until, number));
        }
        taken
    }

    /// Removes a received message. `false` when it is gone, or was received again since.
    pub fn delete(&self, handle: &str) -> bool {
        let mut state = self.state();
        let Some(number) = state.current(handle) else { return false };
        state.remove(number).is_some()
    }

    /// Makes a received message visible again after `delay` instead of at the end of its visibility timeout. `false`
    /// as for [`Self::delete`].
    pub fn release(&self, handle: &str, delay: Duration) -> bool {
        let due_at = later(self.clock.now(), delay);
        let mut state = self.state();
        let Some(number) = state.current(handle) else { return false };
        let Some(entry) = state.messages.get_mut(&number) else { return false };
        let before = std::mem::replace(&mut entry.due_at, due_at);
        state.schedule.remove(&(before, number));
        state.schedule.insert((due_at, number));
        drop(state);
        self.changed.notify_waiters();
        true
    }

    /// Waits until a message may be visible: the soonest is due, or something changed, or `wait_max` is over. By the
    /// machine's time, so with a hand-wound clock call [`Self::receive`] after winding instead.
    pub async fn wait(&self, wait_max: Duration) {
        let changed = self.changed.notified();
        tokio::pin!(changed);
        // Registered before the look at the schedule, so that no send in between is missed.
        changed.as_mut().enable();
        let soonest = self.state().schedule.first().map(|&(due_at, _)| due_at);
        let until_due = soonest.map(|due_at| due_at.duration_since(self.clock.now()));
        let wait = until_due.map_or(wait_max, |wait| Duration::try_from(wait).unwrap_or_default().min(wait_max));
        let _ = tokio::time::timeout(wait, changed).await;
    }

    /// Removes every dead letter and answers them, oldest first.
    pub fn take_dead_letters(&self) -> Vec<Message> {
        self.state().dead.drain(..).collect()
    }

    /// Sends every dead letter again, as new messages, and answers how many.
    pub fn redrive(&self) -> Result<usize, ProviderError> {
        let letters = self.take_dead_letters();
        for letter in &letters {
            self.send(letter.body.clone(), Duration::ZERO)?;
        }
        Ok(letters.len())
    }

    /// How much is in it now.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        let now = self.clock.now();
        let state = self.state();
        let mut stats = QueueStats { dead: state.dead.len(), ..QueueStats::default() };
        for entry in state.messages.values() {
            match (entry.due_at <= now, entry.receive_count) {
                (true, _) => stats.visible += 1,
                (false, 0) => stats.delayed += 1,
                (false, _) => stats.in_flight += 1,
            }
        }
        stats
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, and a queue is no worse for it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The message whose latest receipt `handle` is.
    fn current(&self, handle: &str) -> Option<u64> {
        let (number, receipt) = handle.split_once('.')?;
        let number = number.parse().ok()?;
        let entry = self.messages.get(&number)?;
        (entry.receive_count > 0 && entry.receive_count.to_string() == receipt).then_some(number)
    }

    fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.messages.remove(&number)?;
        self.schedule.remove(&(entry.due_at, number));
        Some(entry)
    }

    fn bury(&mut self, number: u64) {
        let Some(entry) = self.remove(number) else { return };
        if self.dead.len() == DEAD_LETTERS_MAX {
            self.dead.pop_front();
        }
        self.dead.push_back(message(number, &entry));
    }
}

fn message(number: u64, entry: &Entry) -> Message {
    Message {
        id: id(number),
        handle: format!("{number}.{}", entry.receive_count),
        body: entry.body.clone(),
        sent_at: entry.sent_at,
        receive_count: entry.receive_count,
    }
}

fn id(number: u64) -> String {
    format!("msg-{number:012}")
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    shift(at, SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::tests::HandClock;

    const HIDDEN: Duration = Duration::from_secs(30);

    fn queue() -> (LocalQueue, Arc<HandClock>) {
        let clock = Arc::new(HandClock::new());
        (LocalQueue::new(clock.clone(), 3), clock)
    }

    #[test]
    fn a_message_waits_for_its_delay() {
        let (queue, clock) = queue();
        queue.send("late", Duration::from_secs(10)).unwrap();
        queue.send("now", Duration::ZERO).unwrap();
        assert_eq!(queue.stats(), QueueStats { visible: 1, delayed: 1, ..QueueStats::default() });
        assert_eq!(bodies(&queue.receive(10, HIDDEN)), ["now"]);
        clock.advance_millis(9_999);
        assert!(queue.receive(10, HIDDEN).is_empty());
        clock.advance_millis(1);
        assert_eq!(bodies(&queue.receive(10, HIDDEN)), ["late"]);
    }

    #[test]
    fn what_is_not_deleted_comes_back_and_its_old_receipt_is_void() {
        let (queue, clock) = queue();
        queue.send("a", Duration::ZERO).unwrap();
        let first = queue.receive(1, HIDDEN).remove(0);
        assert!(queue.receive(1, HIDDEN).is_empty());
        assert_eq!(queue.stats().in_flight, 1);
        clock.advance_millis(30_000);
        let second = queue.receive(1, HIDDEN).remove(0);
        assert_eq!((second.id.clone(), second.receive_count), (first.id, 2));
        assert!(!queue.delete(&first.handle));
        assert!(queue.delete(&second.handle));
        assert!(!queue.delete(&second.handle));
        assert_eq!(queue.stats(), QueueStats::default());
    }

    #[test]
    fn a_released_message_is_visible_when_it_was_said() {
        let (queue, clock) = queue();
        queue.send("a", Duration::ZERO).unwrap();
        let first = queue.receive(1, HIDDEN).remove(0);
        assert!(queue.release(&first.handle, Duration::from_secs(2)));
        clock.advance_millis(2_000);
        assert_eq!(queue.receive(1, HIDDEN)[0].receive_count, 2);
        assert!(!queue.release(&first.handle, Duration::ZERO));
    }

    #[test]
    fn a_message_that_is_never_deleted_becomes_a_dead_letter_and_can_be_sent_again() {
        let (queue, clock) = queue();
        queue.send("poison", Duration::ZERO).unwrap();
        for count in 1..=3 {
            assert_eq!(queue.receive(1, HIDDEN)[0].receive_count, count);
            clock.advance_millis(30_000);
        }
        assert!(queue.receive(1, HIDDEN).is_empty());
        assert_eq!(queue.stats(), QueueStats { dead: 1, ..QueueStats::default() });
        assert_eq!(queue.redrive(), Ok(1));
        assert_eq!(queue.receive(1, HIDDEN)[0].receive_count, 1);
        assert_eq!(queue.stats().dead, 0);
    }

    #[test]
    fn nonsense_handles_are_refused() {
        let (queue, _) = queue();
        queue.send("a", Duration::ZERO).unwrap();
        for handle in ["", ".", "0", "0.0", "0.1", "x.1", "99999999999999999999.1"] {
            assert!(!queue.delete(handle), "{handle}");
        }
    }

    #[tokio::test]
    async fn a_send_wakes_who_waits() {
        let (queue, _) = queue();
        let queue = Arc::new(queue);
        let waiting = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.wait(Duration::from_secs(60)).await }
        });
        tokio::task::yield_now().await;
        queue.send("a", Duration::ZERO).unwrap();
        tokio::time::timeout(Duration::from_secs(5), waiting)
            .await
            .expect("woken long before its longest wait")
            .unwrap();
    }

    fn bodies(messages: &[Message]) -> Vec<&str> {
        messages.iter().map(|message| message.body.as_str()).collect()
    }
}
