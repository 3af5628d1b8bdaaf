//! The function on a real table with mail as files: what is told, once and again, and what is not.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    ProviderError, Timestamp,
    booking::{Reason, Refund, RefundStatus},
    event::Event,
    ticket::file_key,
    time::{Clock, SignedDuration, shift},
};
use edge::{
    EventBridgeEvent, Settings,
    metrics::{Metric, Sample, capture},
};
use mail_parser::{MessageParser, MimeHeaders};
use notification::{App, handle};
use outbound::{
    files::Files,
    local::{LocalFiles, LocalMailer},
    mail::{Mail, Mailer},
};
use store::Store;
use testkit::{
    engine::{CallInfo, Engine, Fault, TABLE},
    sale,
};

const PAID: &str = include_str!("../../../events/notification.booking-paid.json");
const PAYMENT_FAILED: &str = include_str!("../../../events/notification.payment-failed.json");
const CANCELLED: &str = include_str!("../../../events/notification.booking-cancelled.json");
const REFUND_DONE: &str = include_str!("../../../events/notification.refund-done.json");
const OFFERED: &str = include_str!("../../../events/notification.waitlist-offered.json");
const PDF: &[u8] = b"%PDF-1.7 tickets";

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        sale::captured_at()
    }
}

/// A mailer that fails when told to.
struct Shaky {
    mailer: LocalMailer,
    failing: AtomicBool,
}

#[async_trait]
impl Mailer for Shaky {
    async fn send(&self, mail: Mail) -> Result<(), ProviderError> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(ProviderError::Unavailable { detail: "told to fail".to_owned(), retry_after_seconds: None });
        }
        self.mailer.send(mail).await
    }
}

struct World {
    engine: Engine,
    store: Store,
    files: Arc<LocalFiles>,
    mailer: Arc<Shaky>,
    app: App,
}

async fn world() -> World {
    let engine = Engine::temporary().await;
    let store = Store::new(engine.client(), TABLE);
    sale::publish(&store).await;
    let files = LocalFiles::new(engine.directory().join("files"), "http://127.0.0.1", Arc::new(Stopped)).unwrap();
    let files = Arc::new(files);
    let mailer = LocalMailer::new(engine.directory().join("mail")).unwrap();
    let mailer = Arc::new(Shaky { mailer, failing: AtomicBool::new(false) });
    let settings = [("MAIL_FROM", "tickets@usher.example"), ("PUBLIC_BASE_URL", "https://usher.example/")];
    let settings = Settings::new(settings.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let app = App::new(&settings, store.clone(), files.clone(), mailer.clone(), Arc::new(Stopped)).unwrap();
    World { engine, store, files, mailer, app }
}

impl World {
    async fn tell(&self, event: &str) -> Result<(), edge::Failure> {
        let event: EventBridgeEvent<Event> = serde_json::from_str(event).unwrap();
        handle(&self.app, event).await
    }

    async fn write_tickets(&self) {
        self.files.put(&file_key(sale::booking().id), "application/pdf", PDF.to_vec()).await.unwrap();
    }

    fn sent(&self) -> Vec<Mail> {
        self.mailer.mailer.sent()
    }

    fn last_text(&self) -> String {
        let mail = self.sent().pop().unwrap();
        let parsed = MessageParser::default().parse(&mail.mime).unwrap();
        format!("{}\n{}", parsed.subject().unwrap(), parsed.body_text(0).unwrap())
    }
}

#[tokio::test]
async fn a_paid_booking_is_told_once_with_its_tickets() {
    let world = world().await;
    let held = sale::hold(&world.store, |_| ()).await;
    sale::pay(&world.store, held).await;
    world.write_tickets().await;
    world.tell(PAID).await.unwrap();
    world.tell(PAID).await.unwrap();
    let sent = world.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].to.as_str(), sent[0].from.as_str()), ("ada@example.org", "tickets@usher.example"));
    assert_eq!(sent[0].id, format!("{}-5-BookingPaid@usher.example", sale::booking().id));
    let mail = MessageParser::default().parse(&sent[0].mime).unwrap();
    assert_eq!(mail.message_id(), Some(sent[0].id.as_str()));
    let pdf = mail.attachment(0).unwrap();
    assert_eq!((pdf.attachment_name(), pdf.contents()), (Some("tickets-7F3A-92C1.pdf"), PDF));
    let text = world.last_text();
    for part in [
        "Your tickets: संगीत की शाम",
        "When: Saturday, 28 November 2026, 19:30 IST",
        "Where: कमानी सभागार, नई दिल्ली",
        "Places: बालकनी, row अ, seat 2\n  बालकनी, row अ, seat 1\n  Pit, place 1",
        "Price: ₹356.00 INR",
        "https://usher.example/?booking=bkg_7f3a92c1",
    ] {
        assert!(text.replace("\r\n", "\n").contains(part), "{part} in {text}");
    }
}

#[tokio::test]
async fn no_mail_goes_out_before_its_tickets() {
    let world = world().await;
    let held = sale::hold(&world.store, |_| ()).await;
    sale::pay(&world.store, held).await;
    let failure = world.tell(PAID).await.unwrap_err();
    assert!(failure.to_string().contains("not written yet"), "{failure}");
    assert!(world.sent().is_empty());
    // The other function is at it: a short wait is enough.
    let (told, ()) = tokio::join!(world.tell(PAID), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.write_tickets().await;
    });
    told.unwrap();
    assert_eq!(world.sent().len(), 1);
}

#[tokio::test]
async fn a_mail_whose_receipt_was_lost_comes_twice_under_one_id() {
    let world = world().await;
    let held = sale::hold(&world.store, |_| ()).await;
    sale::pay(&world.store, held).await;
    world.write_tickets().await;
    world.mailer.failing.store(true, Ordering::SeqCst);
    assert!(world.tell(PAID).await.is_err());
    world.mailer.failing.store(false, Ordering::SeqCst);
    let lost = |call: &CallInfo<'_>| if call.operation == "PutItem" { Fault::Throttle } else { Fault::None };
    world.engine.set_fault(Some(Arc::new(lost)));
    assert!(world.tell(PAID).await.is_err());
    world.engine.set_fault(None);
    for _ in 0..2 {
        world.tell(PAID).await.unwrap();
    }
    let sent = world.sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].id, sent[1].id);
}

#[tokio::test]
async fn nobody_is_told_without_an_address_or_a_reason() {
    let world = world().await;
    world.tell(PAID).await.unwrap();
    let held = sale::hold(&world.store, |booking| booking.email = None).await;
    let paid = sale::pay(&world.store, held).await;
    world.write_tickets().await;
    world.tell(PAID).await.unwrap();
    // Paid in the meantime, not cancelled, nothing refunded.
    for event in [PAYMENT_FAILED, CANCELLED, REFUND_DONE] {
        world.tell(event).await.unwrap();
    }
    assert_eq!(paid.email, None);
    assert!(world.sent().is_empty());
}

#[tokio::test]
async fn a_hold_given_back_unpaid_is_not_mentioned() {
    let world = world().await;
    let held = sale::hold(&world.store, |_| ()).await;
    world.store.release(&held, Reason::Expired).await.unwrap().unwrap();
    world.tell(CANCELLED).await.unwrap();
    assert!(world.sent().is_empty());
}

#[tokio::test]
async fn whoever_is_offered_places_is_told_until_when() {
    let world = world().await;
    let held = sale::hold(&world.store, |booking| booking.offered = true).await;
    for _ in 0..2 {
        world.tell(OFFERED).await.unwrap();
    }
    let text = world.last_text();
    assert_eq!(world.sent().len(), 1);
    // Ten minutes after it was held, by the venue's clocks.
    let until = "Pay by: Sunday, 22 November 2026, 20:40 IST";
    for part in ["Your turn: संगीत की शाम", until, "https://usher.example/?booking=bkg_7f3a92c1", "Price: ₹356.00 INR"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    world.store.release(&held, Reason::Expired).await.unwrap().unwrap();
    world.tell(CANCELLED).await.unwrap();
    assert!(world.last_text().contains("your name is off the list"), "{}", world.last_text());
}

#[tokio::test]
async fn an_offer_is_not_told_once_its_time_is_up() {
    let world = world().await;
    let change = |booking: &mut domain::booking::Booking| {
        booking.offered = true;
        booking.expires_at = sale::captured_at();
    };
    sale::hold(&world.store, change).await;
    world.tell(OFFERED).await.unwrap();
    assert!(world.sent().is_empty());
}

#[tokio::test]
async fn trouble_and_its_end_are_told() {
    let world = world().await;
    let held = sale::hold(&world.store, |_| ()).await;
    let started = world.store.start_payment(&held, sale::held_at()).await.unwrap().unwrap();
    let until = shift(held.expires_at, SignedDuration::from_mins(2));
    let failure = "evt_1".parse().unwrap();
    let failed = world.store.count_failure(&started, &failure, Some(until)).await.unwrap().unwrap();
    world.tell(PAYMENT_FAILED).await.unwrap();
    assert!(world.last_text().contains("you can try 2 more times"), "{}", world.last_text());
    let paid = sale::pay(&world.store, failed).await;
    let refund = Refund { amount_minor: 17_800, percent: 50, status: RefundStatus::Pending };
    let cancelled = world.store.cancel(&paid, Reason::Buyer, refund, sale::captured_at()).await.unwrap().unwrap();
    world.tell(CANCELLED).await.unwrap();
    assert!(world.last_text().contains("You get ₹178.00 of ₹356.00 back (50 %)"), "{}", world.last_text());
    // Tickets that no longer admit are not sent any more.
    world.write_tickets().await;
    world.tell(PAID).await.unwrap();
    world.store.record_refund(&cancelled).await.unwrap().unwrap();
    world.tell(REFUND_DONE).await.unwrap();
    assert!(world.last_text().contains("₹178.00 is on its way back"), "{}", world.last_text());
    assert_eq!(world.sent().len(), 3);
}

#[tokio::test]
async fn a_mail_is_counted_once_it_is_handed_over() {
    let world = world().await;
    let held = sale::hold(&world.store, |_| ()).await;
    sale::pay(&world.store, held).await;
    world.write_tickets().await;
    let told = async || capture(sale::captured_at(), world.tell(PAID)).await;
    world.mailer.failing.store(true, Ordering::SeqCst);
    let (outcome, samples) = told().await;
    assert!(outcome.is_err() && samples.is_empty(), "{samples:?}");
    world.mailer.failing.store(false, Ordering::SeqCst);
    assert_eq!(told().await.1, [Sample { metric: Metric::MailsSent, value: 1, reason: None }]);
    assert_eq!(told().await.1, [], "it was told before");
}
