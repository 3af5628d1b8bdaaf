//! One booking and its intent, looked at until it is sure what to say of them.

use domain::{
    Error, ProviderError,
    booking::Booking,
    ids::{BookingId, IntentId},
    payment::{Intent, IntentStatus},
    reconcile::{Finding, Kind, Refunds, Seen, Verdict, compare},
    settlement::Cause,
};

use crate::{App, stops};

/// Times that a booking which somebody else keeps changing is read again.
const LOOKS_MAX: usize = 4;

/// What became of a look.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// What a person must look at.
    pub(crate) finding: Option<Finding>,
    /// What was mended.
    pub(crate) repair: Option<(BookingId, String)>,
}

/// A booking and the provider's side of it, read while the booking did not change.
struct View {
    booking: Option<Booking>,
    seen: Seen,
}

impl App {
    /// Compares `booking`, as just read, with an intent of the list. Whatever does not agree is read again, driven if
    /// that may mend it, and read again.
    pub(crate) async fn examine_listed(&self, booking: Option<Booking>, seen: Seen) -> Result<Outcome, Error> {
        let (id, intent) = (seen.intent.booking, seen.intent.id.clone());
        match compare(booking.as_ref(), &seen, self.settlement.clock.now()) {
            Verdict::Agrees | Verdict::Foreign => Ok(Outcome::default()),
            Verdict::Look | Verdict::Drive { .. } | Verdict::OweAgain(_) | Verdict::Found(_) => {
                let id = booking.map(|booking| booking.id).or(id);
                let Some(id) = id else { return Ok(Outcome::default()) };
                self.examine(id, &intent, seen.received).await
            }
        }
    }

    /// Looks up the intent of a booking. One whose payment never began has none, and is only driven if it is over.
    pub(crate) async fn examine_booking(&self, booking: &Booking) -> Result<Outcome, Error> {
        if let Some(intent) = &booking.payment.intent {
            return self.examine(booking.id, intent, None).await;
        }
        let now = self.settlement.clock.now();
        let driven = self.drive(booking.id, Cause::Due).await?;
        let Some(after) = self.settlement.store.booking(booking.id).await? else { return Ok(Outcome::default()) };
        if after.version != booking.version {
            return Ok(Outcome { repair: Some(mended(&after)), finding: None });
        }
        let detail = format!("its hold was over at {} and {}", booking.expires_at, told(driven.as_ref()));
        let over = after.is_overdue(now) || after.status == domain::booking::Status::Confirmed;
        let kind =
            if after.status == domain::booking::Status::Confirmed { Kind::NotCaptured } else { Kind::NotReleased };
        Ok(Outcome { finding: over.then(|| Finding::new(kind, Some(booking.id), None, detail)), repair: None })
    }

    async fn examine(
        &self,
        id: BookingId,
        intent: &IntentId,
        received: Option<domain::money::Money>,
    ) -> Result<Outcome, Error> {
        let mut before = None;
        let mut driven = None;
        for drives in 0..2 {
            let view = match self.view(id, intent, received).await {
                Ok(Some(view)) => view,
                // Somebody is at it in this moment: the next pass sees what became of it.
                Ok(None) => return Ok(Outcome::default()),
                Err(error) if stops(&error) => return Err(error),
                Err(error) => return Ok(unseen(id, intent, &error)),
            };
            let version = view.booking.as_ref().map(|booking| booking.version);
            let first = *before.get_or_insert(version);
            let verdict = compare(view.booking.as_ref(), &view.seen, self.settlement.clock.now());
            let found = |kind| Outcome { finding: Some(finding(kind, id, &view, driven.as_ref())), repair: None };
            match verdict {
                Verdict::Agrees | Verdict::Foreign | Verdict::Look => {
                    let repair = view.booking.as_ref().filter(|_| drives > 0 && version != first).map(mended);
                    return Ok(Outcome { repair, finding: None });
                }
                Verdict::Found(kind) => return Ok(found(kind)),
                Verdict::Drive { kind, .. } | Verdict::OweAgain(kind) if drives > 0 => return Ok(found(kind)),
                Verdict::Drive { cause, .. } => driven = self.drive(id, cause).await?,
                Verdict::OweAgain(_) => driven = told_apart(self.settlement.refund_news(id).await)?,
            }
        }
        Ok(Outcome::default())
    }

    /// Has the booking settled. What one booking's settling ends with is told with the finding, if there is one: whether
    /// the provider is there at all, the next look at it tells.
    async fn drive(&self, id: BookingId, cause: Cause) -> Result<Option<Error>, Error> {
        told_apart(self.settlement.drive(id, cause, None).await.map(drop))
    }

    /// Reads the booking, the intent with its refunds, and the booking again, until it is the same one before and after.
    async fn view(
        &self,
        id: BookingId,
        intent: &IntentId,
        received: Option<domain::money::Money>,
    ) -> Result<Option<View>, Error> {
        let store = &self.settlement.store;
        let mut booking = store.booking(id).await?;
        for _ in 0..LOOKS_MAX {
            let seen = self.seen(intent, received).await?;
            let after = store.booking(id).await?;
            if after == booking {
                return Ok(Some(View { booking, seen }));
            }
            booking = after;
        }
        Ok(None)
    }

    async fn seen(&self, intent: &IntentId, received: Option<domain::money::Money>) -> Result<Seen, ProviderError> {
        let payments = &self.settlement.payments;
        let intent: Intent = payments.fetch(intent).await?;
        let taken = intent.status == IntentStatus::Captured;
        let refunds = if taken { payments.refunds(&intent.id).await? } else { Vec::new() };
        Ok(Seen { received: received.filter(|_| taken), refunds: Refunds::Each(refunds), intent })
    }
}

/// The table's trouble stops the run; what else went wrong is one booking's.
fn told_apart(settled: Result<(), Error>) -> Result<Option<Error>, Error> {
    match settled {
        Ok(()) => Ok(None),
        Err(error @ Error::Store(_)) if stops(&error) => Err(error),
        Err(error) => Ok(Some(error)),
    }
}

/// The provider knows nothing of the intent, or nothing that makes sense.
fn unseen(id: BookingId, intent: &IntentId, error: &Error) -> Outcome {
    let kind = match error {
        Error::Provider(ProviderError::Absent) => Kind::IntentAbsent,
        _ => Kind::Unreadable,
    };
    let finding = Finding::new(kind, Some(id), Some(intent.clone()), error.to_string());
    Outcome { finding: Some(finding), repair: None }
}

fn finding(kind: Kind, id: BookingId, view: &View, driven: Option<&Error>) -> Finding {
    let intent = &view.seen.intent;
    let ours = view.booking.as_ref().map_or_else(|| "no such booking".to_owned(), books);
    let back = match &view.seen.refunds {
        Refunds::Each(refunds) => {
            refunds.iter().filter(|refund| refund.accepted).map(|refund| refund.amount.amount_minor).sum()
        }
        Refunds::Sum(sum) => sum.amount_minor,
        Refunds::Untold => 0,
    };
    let mut detail = format!(
        "provider: {:?} {}, given back {back}; Usher: {ours}",
        intent.status,
        view.seen.received.unwrap_or(intent.amount)
    );
    if let Some(error) = driven {
        detail = format!("{detail}; settling it: {error}");
    }
    Finding::new(kind, Some(id), Some(intent.id.clone()), detail)
}

/// A booking as our books have it, in one line.
fn books(booking: &Booking) -> String {
    let reason = booking.status.reason().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let captured = if booking.payment.captured_at.is_some() { ", captured" } else { "" };
    let refund = booking.refund.map(|refund| format!(", refund of {} {:?}", refund.amount_minor, refund.status));
    format!("{}{reason} {}{captured}{}", booking.status.as_str(), booking.total(), refund.unwrap_or_default())
}

fn mended(booking: &Booking) -> (BookingId, String) {
    (booking.id, format!("{} was brought on: {}", booking.id, books(booking)))
}

fn told(driven: Option<&Error>) -> String {
    driven.map_or_else(|| "it does not end".to_owned(), |error| format!("it does not end: {error}"))
}
