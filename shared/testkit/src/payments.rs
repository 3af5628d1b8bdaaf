//! A payment provider inside the process, honest to Stripe's rules of what may follow what, and a wrapper around any
//! provider that loses requests, loses answers and refuses.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    ProviderError, Timestamp,
    dispute::ProviderDispute,
    ids::{BookingId, IntentId},
    money::Money,
    payment::{Intent, IntentPage, IntentStatus, ListedIntent, ProviderRefund},
};
use outbound::payments::Payments;

/// Intents in a page of the list: few, so that a handful of them takes several.
pub const INTENTS_PER_PAGE: usize = 3;

/// How a buyer's attempt to pay ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The money is reserved (or taken, where the provider [takes it at once](Provider::taking_at_once)).
    Approved,
    /// The card is declined; another attempt may follow.
    Declined,
    /// The bank wants to see the buyer first.
    Challenged,
    /// The provider is still at it.
    Pondered,
}

/// Intents and refunds, by the rules of the real one.
#[derive(Debug, Default)]
pub struct Provider {
    books: Mutex<Books>,
    takes_at_once: bool,
}

#[derive(Debug, Default)]
struct Books {
    /// In the order they were made; number n is `pi_n`.
    intents: Vec<Intent>,
    /// When each of them was made.
    made_at: Vec<Timestamp>,
    /// The provider's time.
    now: Timestamp,
    /// By intent.
    refunds: Vec<(IntentId, ProviderRefund)>,
    /// By intent, as the banks have it now.
    disputes: HashMap<IntentId, Vec<ProviderDispute>>,
    /// Which intent an idempotency key made.
    keys: HashMap<BookingId, IntentId>,
    /// Which refund an idempotency key made.
    refund_keys: HashMap<(BookingId, usize), ProviderRefund>,
}

impl Books {
    fn enter(&mut self, intent: Intent) {
        self.intents.push(intent);
        self.made_at.push(self.now);
    }

    fn intent(&mut self, id: &IntentId) -> Result<&mut Intent, ProviderError> {
        self.intents.iter_mut().find(|intent| intent.id == *id).ok_or(ProviderError::Absent)
    }

    /// What was accepted of it, in minor units.
    fn refunded(&self, id: &IntentId) -> i64 {
        self.refunds
            .iter()
            .filter(|(of, refund)| of == id && refund.accepted)
            .map(|(_, refund)| refund.amount.amount_minor)
            .sum()
    }
}

fn refused(intent: &Intent, step: &str) -> ProviderError {
    ProviderError::Refused(format!("{} is {:?}: it cannot {step}", intent.id, intent.status))
}

impl Provider {
    /// One without manual capture: what is approved is taken.
    #[must_use]
    pub fn taking_at_once() -> Self {
        Self { takes_at_once: true, ..Self::default() }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The buyer tries to pay. `None` when the intent cannot be paid in its present state, or does not exist.
    pub fn attempt(&self, id: &IntentId, outcome: Outcome) -> Option<Intent> {
        let mut books = self.books();
        let intent = books.intent(id).ok()?;
        if !matches!(intent.status, IntentStatus::RequiresPayment | IntentStatus::RequiresAction) {
            return None;
        }
        intent.status = self.reached(outcome);
        Some(intent.clone())
    }

    /// A payment that was processing ends. `None` when none was.
    pub fn decide(&self, id: &IntentId, outcome: Outcome) -> Option<Intent> {
        let mut books = self.books();
        let intent = books.intent(id).ok().filter(|intent| intent.status == IntentStatus::Processing)?;
        intent.status = self.reached(outcome);
        Some(intent.clone())
    }

    fn reached(&self, outcome: Outcome) -> IntentStatus {
        match outcome {
            Outcome::Approved if self.takes_at_once => IntentStatus::Captured,
            Outcome::Approved => IntentStatus::Authorised,
            Outcome::Declined => IntentStatus::RequiresPayment,
            Outcome::Challenged => IntentStatus::RequiresAction,
            Outcome::Pondered => IntentStatus::Processing,
        }
    }

    /// An authorisation that nobody captured ends by itself. `None` when the intent has none.
    pub fn lapse(&self, id: &IntentId) -> Option<Intent> {
        let mut books = self.books();
        let intent = books.intent(id).ok().filter(|intent| intent.status == IntentStatus::Authorised)?;
        intent.status = IntentStatus::Cancelled;
        Some(intent.clone())
    }

    /// Somebody changes what the intent is for, behind our back.
    pub fn reprice(&self, id: &IntentId, amount: Money) {
        if let Ok(intent) = self.books().intent(id) {
            intent.amount = amount;
        }
    }

    /// What the card holder's bank says now of disputes about the intent.
    pub fn dispute(&self, id: &IntentId, disputes: Vec<ProviderDispute>) {
        self.books().disputes.insert(id.clone(), disputes);
    }

    /// Whether it is one without manual capture.
    #[must_use]
    pub const fn takes_at_once(&self) -> bool {
        self.takes_at_once
    }

    /// Breaks its word: the intent is what it could not have become.
    pub fn force(&self, id: &IntentId, status: IntentStatus) {
        if let Ok(intent) = self.books().intent(id) {
            intent.status = status;
        }
    }

    /// A day passes: idempotency keys of refunds are forgotten.
    pub fn forget_keys(&self) {
        self.books().refund_keys.clear();
    }

    /// The last refund that was accepted does not reach the buyer, and fails after all.
    pub fn fail_refund(&self, booking: BookingId) {
        let mut books = self.books();
        let refund =
            books.refunds.iter_mut().rev().find(|(_, refund)| refund.booking == Some(booking) && refund.accepted);
        if let Some((_, refund)) = refund {
            refund.accepted = false;
        }
    }

    /// From now on it is this time at the provider. Until then it is the beginning of time.
    pub fn set_time(&self, now: Timestamp) {
        self.books().now = now;
    }

    /// Somebody else's intent, or one that we made and forgot.
    ///
    /// # Panics
    /// Never.
    pub fn add(&self, booking: Option<BookingId>, amount: Money, status: IntentStatus) -> IntentId {
        let mut books = self.books();
        let id: IntentId = format!("pi_{}", books.intents.len() + 1).parse().expect("a printable id");
        books.enter(Intent { id: id.clone(), status, amount, booking, client_secret: None });
        id
    }

    /// Somebody gives money back at the provider, without us; `accepted` says whether it reaches the buyer.
    pub fn give_back(&self, id: &IntentId, booking: Option<BookingId>, amount: Money, accepted: bool) {
        self.books().refunds.push((id.clone(), ProviderRefund { amount, booking, accepted }));
    }

    /// Every intent made for the booking; more than one means that its key was not used.
    #[must_use]
    pub fn intents_of(&self, booking: BookingId) -> Vec<Intent> {
        self.books().intents.iter().filter(|intent| intent.booking == Some(booking)).cloned().collect()
    }

    /// What was taken for the booking, in minor units.
    #[must_use]
    pub fn taken(&self, booking: BookingId) -> i64 {
        let intents = self.intents_of(booking);
        let captured = intents.iter().filter(|intent| intent.status == IntentStatus::Captured);
        captured.map(|intent| intent.amount.amount_minor).sum()
    }

    /// What was given back of it, in minor units.
    #[must_use]
    pub fn given_back(&self, booking: BookingId) -> i64 {
        self.intents_of(booking).iter().map(|intent| self.books().refunded(&intent.id)).sum()
    }
}

#[async_trait]
impl Payments for Provider {
    async fn create(&self, booking: BookingId, total: Money) -> Result<Intent, ProviderError> {
        let mut books = self.books();
        if let Some(id) = books.keys.get(&booking).cloned() {
            return books.intent(&id).cloned();
        }
        let number = books.intents.len() + 1;
        let id: IntentId = format!("pi_{number}").parse().expect("a printable id");
        let intent = Intent {
            id: id.clone(),
            status: IntentStatus::RequiresPayment,
            amount: total,
            booking: Some(booking),
            client_secret: Some(format!("pi_{number}_secret")),
        };
        books.keys.insert(booking, id);
        books.enter(intent.clone());
        Ok(intent)
    }

    async fn fetch(&self, intent: &IntentId) -> Result<Intent, ProviderError> {
        self.books().intent(intent).cloned()
    }

    async fn capture(&self, intent: &IntentId) -> Result<Intent, ProviderError> {
        let mut books = self.books();
        let intent = books.intent(intent)?;
        if !matches!(intent.status, IntentStatus::Authorised | IntentStatus::Captured) {
            return Err(refused(intent, "be captured"));
        }
        intent.status = IntentStatus::Captured;
        Ok(intent.clone())
    }

    async fn cancel(&self, intent: &IntentId) -> Result<Intent, ProviderError> {
        let mut books = self.books();
        let intent = books.intent(intent)?;
        if matches!(intent.status, IntentStatus::Processing | IntentStatus::Captured) {
            return Err(refused(intent, "be cancelled"));
        }
        intent.status = IntentStatus::Cancelled;
        Ok(intent.clone())
    }

    async fn refunds(&self, intent: &IntentId) -> Result<Vec<ProviderRefund>, ProviderError> {
        let mut books = self.books();
        books.intent(intent)?;
        Ok(books.refunds.iter().filter(|(of, _)| of == intent).map(|(_, refund)| refund.clone()).collect())
    }

    async fn refund(
        &self,
        intent: &IntentId,
        booking: BookingId,
        amount: Money,
        made: usize,
    ) -> Result<ProviderRefund, ProviderError> {
        let mut books = self.books();
        if let Some(known) = books.refund_keys.get(&(booking, made)) {
            let same = known.amount == amount;
            return if same { Ok(known.clone()) } else { Err(ProviderError::Refused("another amount".to_owned())) };
        }
        let left = {
            let intent = books.intent(intent)?.clone();
            if intent.status != IntentStatus::Captured {
                return Err(refused(&intent, "be refunded"));
            }
            intent.amount.amount_minor - books.refunded(&intent.id)
        };
        if !(1..=left).contains(&amount.amount_minor) {
            return Err(ProviderError::Refused(format!("{} of {left} cannot be refunded", amount.amount_minor)));
        }
        let refund = ProviderRefund { amount, booking: Some(booking), accepted: true };
        books.refunds.push((intent.clone(), refund.clone()));
        books.refund_keys.insert((booking, made), refund.clone());
        Ok(refund)
    }

    async fn disputes(&self, intent: &IntentId) -> Result<Vec<ProviderDispute>, ProviderError> {
        let mut books = self.books();
        books.intent(intent)?;
        Ok(books.disputes.get(intent).cloned().unwrap_or_default())
    }

    async fn intents(&self, since: Timestamp, after: Option<&IntentId>) -> Result<IntentPage, ProviderError> {
        let books = self.books();
        let newest_first = books.intents.iter().zip(&books.made_at).rev().filter(|(_, made_at)| **made_at >= since);
        let behind = newest_first.skip_while(|(intent, _)| after.is_some_and(|after| intent.id != *after));
        let mut rest = behind.skip(usize::from(after.is_some()));
        let listed = |(intent, made_at): (&Intent, &Timestamp)| {
            let taken = intent.status == IntentStatus::Captured;
            let back = Money::new(books.refunded(&intent.id), intent.amount.currency);
            ListedIntent {
                intent: intent.clone(),
                created_at: *made_at,
                received: taken.then_some(intent.amount),
                refunded: taken.then_some(back),
            }
        };
        let intents: Vec<ListedIntent> = rest.by_ref().take(INTENTS_PER_PAGE).map(listed).collect();
        let last = intents.last().map(|listed| listed.intent.id.clone());
        Ok(IntentPage { next: last.filter(|_| rest.next().is_some()), intents, unreadable: Vec::new() })
    }
}

/// A call of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// [`Payments::create`].
    Create,
    /// [`Payments::fetch`].
    Fetch,
    /// [`Payments::capture`].
    Capture,
    /// [`Payments::cancel`].
    Cancel,
    /// [`Payments::refunds`].
    Refunds,
    /// [`Payments::refund`].
    Refund,
    /// [`Payments::disputes`].
    Disputes,
    /// [`Payments::intents`].
    Intents,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PaymentFault {
    /// It goes through.
    #[default]
    None,
    /// It is lost on the way.
    Lost,
    /// It is carried out, and the answer is lost.
    AnswerLost,
    /// The provider says no, and does nothing.
    Refused,
}

/// Decides the fate of each call, given its number, from 0 on.
pub type PaymentHook = Arc<dyn Fn(Call, u64) -> PaymentFault + Send + Sync>;

/// Decides how long each call is on its way, given its number, from 0 on.
pub type PaceHook = Arc<dyn Fn(Call, u64) -> Duration + Send + Sync>;

/// A provider whose line fails, and takes its time, when told.
#[derive(Clone)]
pub struct FaultyPayments {
    provider: Arc<dyn Payments>,
    hook: Arc<Mutex<Option<PaymentHook>>>,
    pace: Arc<Mutex<Option<PaceHook>>>,
    calls: Arc<AtomicU64>,
}

impl FaultyPayments {
    /// A line to `provider` that works, for now.
    #[must_use]
    pub fn new(provider: Arc<dyn Payments>) -> Self {
        Self { provider, hook: Arc::default(), pace: Arc::default(), calls: Arc::default() }
    }

    /// Decides about every call from now on; `None` lets them through.
    pub fn set_fault(&self, hook: Option<PaymentHook>) {
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) = hook;
    }

    /// Decides how long every call takes from now on; `None` takes no time.
    pub fn set_pace(&self, pace: Option<PaceHook>) {
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner) = pace;
    }

    /// How many calls were made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    async fn carry<T: Send>(
        &self,
        call: Call,
        answer: impl Future<Output = Result<T, ProviderError>> + Send,
    ) -> Result<T, ProviderError> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(pace) = pace {
            tokio::time::sleep(pace(call, number)).await;
        }
        let hook = self.hook.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lost = |what: &str| ProviderError::Unavailable { detail: what.to_owned(), retry_after_seconds: None };
        match hook.map(|hook| hook(call, number)).unwrap_or_default() {
            PaymentFault::None => answer.await,
            PaymentFault::Lost => Err(lost("the request was lost")),
            PaymentFault::AnswerLost => {
                // Whatever it was, nobody hears it.
                drop(answer.await);
                Err(lost("the answer was lost"))
            }
            PaymentFault::Refused => Err(ProviderError::Refused(format!("{call:?} is refused by the test"))),
        }
    }
}

#[async_trait]
impl Payments for FaultyPayments {
    async fn create(&self, booking: BookingId, total: Money) -> Result<Intent, ProviderError> {
        self.carry(Call::Create, self.provider.create(booking, total)).await
    }

    async fn fetch(&self, intent: &IntentId) -> Result<Intent, ProviderError> {
        self.carry(Call::Fetch, self.provider.fetch(intent)).await
    }

    async fn capture(&self, intent: &IntentId) -> Result<Intent, ProviderError> {
        self.carry(Call::Capture, self.provider.capture(intent)).await
    }

    async fn cancel(&self, intent: &IntentId) -> Result<Intent, ProviderError> {
        self.carry(Call::Cancel, self.provider.cancel(intent)).await
    }

    async fn refunds(&self, intent: &IntentId) -> Result<Vec<ProviderRefund>, ProviderError> {
        self.carry(Call::Refunds, self.provider.refunds(intent)).await
    }

    async fn refund(
        &self,
        intent: &IntentId,
        booking: BookingId,
        amount: Money,
        made: usize,
    ) -> Result<ProviderRefund, ProviderError> {
        self.carry(Call::Refund, self.provider.refund(intent, booking, amount, made)).await
    }

    async fn disputes(&self, intent: &IntentId) -> Result<Vec<ProviderDispute>, ProviderError> {
        self.carry(Call::Disputes, self.provider.disputes(intent)).await
    }

    async fn intents(&self, since: Timestamp, after: Option<&IntentId>) -> Result<IntentPage, ProviderError> {
        self.carry(Call::Intents, self.provider.intents(since, after)).await
    }
}
