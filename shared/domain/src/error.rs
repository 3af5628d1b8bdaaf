//! How things go wrong, free of any transport. `edge` maps these to problem documents, in one place.
//!
//! When to use which: a [`Refusal`] is an answer, it names what the caller can do about it and is not logged as a
//! failure; a [`StoreError`] or [`ProviderError`] is trouble of ours, logged once at the boundary and answered without
//! its internal text.

use crate::{
    Timestamp,
    booking::Reason,
    challenge::Challenge,
    ids::{AreaId, BookingId, SeatId},
};

/// One thing wrong with a document, and where.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// JSON pointer (RFC 6901) into the document as it was sent.
    pub pointer: String,
    /// What is wrong there, for the person who wrote the document.
    pub detail: String,
}

impl Fault {
    /// A fault at `pointer`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// Something that could not be had by a hold: a seat, or places of an area.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Unavailable {
    /// Held, sold or blocked.
    Seat(SeatId),
    /// Fewer places left than were asked for.
    Area(AreaId),
}

/// An expected "no": each names what the caller can do. The problem's slug is the variant's name in kebab case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request is not of the documented form.
    #[error("{0}")]
    BadRequest(String),
    /// The body is larger than the operation takes.
    #[error("the body may have at most {limit_bytes} bytes")]
    BodyTooLarge {
        /// How large it may be.
        limit_bytes: usize,
    },
    /// Holds and best-available need an `Idempotency-Key`.
    #[error("send an Idempotency-Key header: a name of your choice for this one attempt")]
    IdempotencyKeyRequired,
    /// The key was used before for another request.
    #[error("this Idempotency-Key was used for a different request")]
    IdempotencyMismatch,
    /// No token, or not a valid one.
    #[error("sign in: a valid bearer token is needed")]
    Unauthenticated,
    /// Signed in, but without the role.
    #[error("the role '{0}' is needed")]
    Forbidden(&'static str),
    /// It does not exist, or it is somebody else's: the two are not told apart.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The plan has no such seats or areas.
    #[error("the plan of this show has no such seat: {}", .0.join(", "))]
    UnknownSeat(Vec<String>),
    /// Somebody else has some of what was asked for. In request order.
    #[error("some of these seats are taken")]
    SeatUnavailable(Vec<Unavailable>),
    /// No adjacent seats of that number are left.
    #[error("no block of that many seats is free")]
    NoBlock,
    /// It would leave single seats that it need not leave.
    #[error("this would leave single seats: take {} too, or other seats", listed(.0))]
    OrphanSeat(Vec<SeatId>),
    /// Some of it is at a table that is sold whole.
    #[error("these seats are sold together: {} too, or none", listed(.0))]
    SoldWhole(Vec<SeatId>),
    /// Some of what was asked for came back for those who wait for it. In request order.
    #[error("some of these seats are kept for the waitlist of this show; join it to be offered some in your turn")]
    Waitlisted(Vec<Unavailable>),
    /// A waitlist is for what cannot be had.
    #[error("what you ask for is on sale: hold it")]
    NotSoldOut,
    /// A hold was offered to the buyer, and is theirs to pay or to give back.
    #[error("a hold was offered to you: pay for booking {0}, or give it back")]
    OfferOpen(BookingId),
    /// The buyer would have more places at this show than it allows.
    #[error("at most {limit} places for one buyer at this show; {held} are held or bought already")]
    BuyerLimit {
        /// Places one buyer may have.
        limit: u32,
        /// Places this buyer has.
        held: u32,
    },
    /// Sales have not begun, or have ended.
    #[error("this show is not on sale")]
    NotOnSale {
        /// When sales begin, if that is still ahead.
        on_sale_at: Option<Timestamp>,
    },
    /// The organiser has paused sales.
    #[error("sales for this show are paused; try again soon")]
    SalesPaused,
    /// The show has a waiting room and the request carries no admission.
    #[error("this show admits buyers through its waiting room")]
    AdmissionRequired,
    /// The show has no waiting room.
    #[error("this show has no waiting room")]
    NoWaitingRoom,
    /// The place is not served yet, or as many are let in as may be.
    #[error("your turn has not come; look at the queue again in a moment")]
    NotYetAdmitted,
    /// The place was exchanged, and that admission has expired or bought.
    #[error("this turn is over; join the queue again for another")]
    TurnOver,
    /// The hold is over.
    #[error("this hold has ended")]
    HoldExpired {
        /// How it ended; `None` when its time is up but nobody has released it yet.
        reason: Option<Reason>,
    },
    /// The provider is at work on this booking's payment.
    #[error("the payment of this booking is in progress; try again soon")]
    PaymentInProgress,
    /// Tickets exist once the payment is captured.
    #[error("this booking is not paid")]
    NotPaid,
    /// The seating plan has faults; each is named with its place.
    #[error("the seating plan has {} fault(s)", .0.len())]
    InvalidPlan(Vec<Fault>),
    /// The document is well-formed but asks for something that cannot be.
    #[error("the request cannot be carried out: {}", faults_text(.0))]
    Invalid(Vec<Fault>),
    /// Somebody changed it in between.
    #[error("it was changed by somebody else; read it again")]
    Conflict,
    /// A webhook's signature does not verify, or is too old.
    #[error("the signature is missing, wrong or stale")]
    BadSignature,
    /// More calls from one address, or by one account, than are answered.
    #[error("too many requests; slow down")]
    TooManyRequests {
        /// When one more is answered.
        retry_after_seconds: u64,
    },
    /// The operator lets nothing new begin.
    #[error("nothing new can begin for the moment; what you hold can be paid, and what you have bought is yours")]
    ReadOnly {
        /// When to look again.
        retry_after_seconds: u64,
    },
    /// Too much is going on for what can wait.
    #[error("too much is going on; this can wait")]
    Shed,
    /// A machine may be at work: solve this, and send it again.
    #[error("solve the challenge, and send the same request again with the solution in the header Usher-Proof")]
    ChallengeRequired(Box<Challenge>),
    /// There is no such presale code, or it is not its time.
    #[error("this code does not open this sale, or not now")]
    CodeInvalid,
    /// The presale code has fewer places left than were asked for.
    #[error("this code has {left} places left")]
    CodeSpent {
        /// Places it still gives.
        left: u32,
    },
    /// The call came around what stands before the API.
    #[error("this address is not open to you; use the public one")]
    DirectAccess,
}

fn listed(seats: &[SeatId]) -> String {
    seats.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn faults_text(faults: &[Fault]) -> String {
    let texts: Vec<&str> = faults.iter().map(|fault| fault.detail.as_str()).collect();
    texts.join("; ")
}

/// The table did not do what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Too much traffic on a partition, or conflicts beyond the retries. Nothing was written, unless an earlier attempt of
    /// the same call was and its answer got lost: repeating it finds that out.
    #[error("the table is busy")]
    Throttled,
    /// The answer was lost and reading back did not tell: it may have been written.
    #[error("the outcome of a write is unknown: {0}")]
    Ambiguous(String),
    /// An item does not decode. Nothing is guessed.
    #[error("an item is corrupt: {0}")]
    Corrupt(String),
    /// The table cannot be reached or refuses the call.
    #[error("the table is unavailable: {0}")]
    Unavailable(String),
}

/// The payment provider (or another service outside) did not do what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It cannot be reached, answers 5xx, or limits us. It may have been applied: ask again with the same key.
    #[error("the provider is unavailable: {detail}")]
    Unavailable {
        /// Internal text.
        detail: String,
        /// How long it asks us to wait.
        retry_after_seconds: Option<u64>,
    },
    /// It knows the object and refuses the step in its present state.
    #[error("the provider refused: {0}")]
    Refused(String),
    /// It has no such object.
    #[error("the provider has no such object")]
    Absent,
    /// It answered something that the protocol does not have.
    #[error("the provider's answer makes no sense: {0}")]
    Garbled(String),
}

/// Everything a use case can end with besides success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An expected "no".
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Trouble with the table.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Trouble with a service outside.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}
