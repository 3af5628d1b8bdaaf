//! What a buyer is told, as plain data: decided from the booking as it is now, and nothing else.

use domain::{
    booking::{Booking, PAYMENT_FAILURES_MAX, Reason, RefundStatus, Status, Substitute},
    event::Kind,
    money::Money,
};

/// The tone of a letter's headline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Something to look forward to.
    Good,
    /// Something to know.
    Plain,
    /// Something to act on, or a disappointment.
    Bad,
}

/// What is to be said, before it is known about which show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Begins the subject; the show's title follows.
    pub subject: &'static str,
    /// The first line.
    pub headline: &'static str,
    /// Sentences.
    pub paragraphs: Vec<String>,
    /// How it feels.
    pub tone: Tone,
    /// The tickets belong to it.
    pub with_tickets: bool,
}

/// What `kind` means for the buyer of `booking` in its present state; `None` when there is nothing to say (any more): a
/// hold that ended without a payment, a failed payment of a booking that was paid after all.
#[must_use]
pub fn message(kind: Kind, booking: &Booking) -> Option<Message> {
    match kind {
        Kind::BookingPaid => booking.is_paid().then(|| paid(booking)),
        Kind::PaymentFailed => (booking.status == Status::Pending).then(|| payment_failed(booking)),
        Kind::BookingCancelled => match booking.status {
            Status::Cancelled(reason) => cancelled(reason, booking),
            Status::Pending | Status::Confirmed => None,
        },
        Kind::RefundDone => {
            let refund = booking.refund.filter(|it| it.status == RefundStatus::Done && it.amount_minor > 0)?;
            Some(refunded(Money::new(refund.amount_minor, booking.currency), booking))
        }
        Kind::WaitlistOffered => (booking.status == Status::Pending).then(offered),
    }
}

fn offered() -> Message {
    let kept = "Places came back, and you are next in line: they are kept for you alone until the time below.";
    let pay = "Pay by then and they are yours. After that they go to the next in line, and your name is off the list.";
    let no = "If you do not want them, give them back on the same page: somebody else is waiting.";
    Message {
        subject: "Your turn",
        headline: "We have places for you",
        paragraphs: [kept, pay, no].map(str::to_owned).to_vec(),
        tone: Tone::Good,
        with_tickets: false,
    }
}

fn paid(booking: &Booking) -> Message {
    let pdf = "Your tickets are attached: one page with one code for each place, to print or to show on a phone.";
    let care = "Each code admits one person once, so keep them to yourself.";
    let others = "Your payment reached us after your hold had ended, and your seats were taken by then. As you agreed, \
                  you have others: side by side, in the same category, at the same price. They are on your tickets.";
    let others = (booking.substitute == Substitute::Made).then(|| others.to_owned());
    Message {
        subject: "Your tickets",
        headline: "You are going!",
        paragraphs: others.into_iter().chain([pdf.to_owned(), care.to_owned()]).collect(),
        tone: Tone::Good,
        with_tickets: true,
    }
}

fn payment_failed(booking: &Booking) -> Message {
    let left = PAYMENT_FAILURES_MAX.saturating_sub(booking.payment.failures.len());
    let again = match left {
        0 => "Nothing was charged, and your places are on their way back to sale.".to_owned(),
        1 => "Nothing was charged. Your places are kept a little longer: you can try once more.".to_owned(),
        _ => format!("Nothing was charged. Your places are kept a little longer: you can try {left} more times."),
    };
    Message {
        subject: "Your payment did not go through",
        headline: "Your payment did not go through",
        paragraphs: vec![again],
        tone: Tone::Bad,
        with_tickets: false,
    }
}

fn cancelled(reason: Reason, booking: &Booking) -> Option<Message> {
    let refund = refund_text(booking);
    let bad =
        |subject, headline, paragraphs| Message { subject, headline, paragraphs, tone: Tone::Bad, with_tickets: false };
    // Whoever never began to pay knows that the hold is over; a mail about it would be noise.
    let began = booking.payment.started_at.is_some();
    let message = match reason {
        // Who was offered places may not have seen it in time, and their name is off the list now.
        Reason::Expired if !began && booking.offered => {
            let text = "The places that were kept for you went to the next in line, and your name is off the list. You \
                        can put it down again: it comes last then.";
            bad("Your turn has passed", "Your turn has passed", vec![text.to_owned()])
        }
        Reason::Expired | Reason::Released if !began => return None,
        Reason::Expired => {
            let text = "Your payment was not completed in time, so your places went back to sale. Nothing was charged.";
            bad("Your hold has ended", "Your hold has ended", vec![text.to_owned()])
        }
        Reason::Released => Message {
            tone: Tone::Plain,
            ..bad("Your places were released", "You gave your places back", vec!["Nothing was charged.".to_owned()])
        },
        Reason::PaymentFailed => {
            let text = "We could not take the payment, so your places went back to sale. Nothing was charged.";
            bad("Your booking was not completed", "Your booking was not completed", vec![text.to_owned()])
        }
        Reason::Buyer => Message {
            tone: Tone::Plain,
            ..bad(
                "Your booking is cancelled",
                "Your booking is cancelled",
                vec![
                    "You cancelled it, and its tickets no longer admit.".to_owned(),
                    refund.unwrap_or_else(|| "It was too close to the show for a refund.".to_owned()),
                ],
            )
        },
        Reason::ShowCancelled => {
            let text = "The organiser has cancelled the show. We are sorry.".to_owned();
            bad("The show is cancelled", "The show is cancelled", std::iter::once(text).chain(refund).collect())
        }
        Reason::SeatsLost => {
            let text =
                "Your payment reached us after your hold had ended, and your places were taken by then.".to_owned();
            let money = refund.unwrap_or_else(|| "Nothing was charged.".to_owned());
            bad("Your booking was not completed", "We could not keep your places", vec![text, money])
        }
    };
    Some(message)
}

fn refunded(amount: Money, booking: &Booking) -> Message {
    let keeps = booking.status == Status::Confirmed;
    let amount = if keeps { format!("In all, {amount} of {}", booking.total()) } else { amount.to_string() };
    let text = format!("{amount} is on its way back to the card you paid with. Banks take a few days to show it.");
    let tickets = keeps.then(|| "Your tickets stay as they are.".to_owned());
    Message {
        subject: "Your refund",
        headline: "Your refund is on its way",
        paragraphs: std::iter::once(text).chain(tickets).collect(),
        tone: Tone::Plain,
        with_tickets: false,
    }
}

/// What is given back, if anything.
fn refund_text(booking: &Booking) -> Option<String> {
    let refund = booking.refund.filter(|refund| refund.amount_minor > 0)?;
    let amount = Money::new(refund.amount_minor, booking.currency);
    let total = booking.total();
    if amount == total {
        return Some(format!("You get the full price of {amount} back. We write again when it is on its way."));
    }
    Some(format!("You get {amount} of {total} back ({} %). We write again when it is on its way.", refund.percent))
}

#[cfg(test)]
mod tests {
    use domain::booking::{Payment, Refund};

    use testkit::sale::paid_booking;

    use super::*;

    fn cancelled(reason: Reason, change: impl FnOnce(&mut Booking)) -> Option<Message> {
        let mut booking = paid_booking();
        booking.status = Status::Cancelled(reason);
        change(&mut booking);
        message(Kind::BookingCancelled, &booking)
    }

    fn text(message: Option<Message>) -> String {
        message.map(|message| message.paragraphs.join(" ")).unwrap_or_default()
    }

    #[test]
    fn tickets_are_announced_only_while_they_admit() {
        let mut booking = paid_booking();
        assert!(message(Kind::BookingPaid, &booking).is_some_and(|message| message.with_tickets));
        booking.status = Status::Cancelled(Reason::Buyer);
        assert_eq!(message(Kind::BookingPaid, &booking), None);
    }

    #[test]
    fn a_hold_that_ended_without_a_payment_is_not_mentioned() {
        let unpaid = |booking: &mut Booking| booking.payment = Payment::default();
        assert_eq!(cancelled(Reason::Expired, unpaid), None);
        assert_eq!(cancelled(Reason::Released, unpaid), None);
        for reason in [Reason::Expired, Reason::Released, Reason::PaymentFailed] {
            assert!(
                text(cancelled(reason, |booking| booking.payment.captured_at = None)).contains("Nothing was charged")
            );
        }
    }

    #[test]
    fn an_offer_is_told_while_it_is_open_and_its_end_when_nobody_paid() {
        let mut booking = paid_booking();
        booking.offered = true;
        assert_eq!(message(Kind::WaitlistOffered, &booking), None, "it was taken");
        booking.status = Status::Pending;
        booking.payment = Payment::default();
        assert!(text(message(Kind::WaitlistOffered, &booking)).contains("kept for you alone until the time below"));
        booking.status = Status::Cancelled(Reason::Expired);
        assert_eq!(message(Kind::WaitlistOffered, &booking), None, "it is over");
        assert!(text(message(Kind::BookingCancelled, &booking)).contains("your name is off the list"));
        booking.status = Status::Cancelled(Reason::Released);
        assert_eq!(message(Kind::BookingCancelled, &booking), None, "they gave it back themselves");
    }

    #[test]
    fn a_cancellation_says_what_comes_back() {
        let refund = |amount_minor, percent| {
            move |booking: &mut Booking| {
                booking.refund = Some(Refund { amount_minor, percent, status: RefundStatus::Pending });
            }
        };
        assert!(text(cancelled(Reason::Buyer, refund(17_800, 50))).contains("₹178.00 of ₹356.00 back (50 %)"));
        assert!(text(cancelled(Reason::Buyer, refund(0, 0))).contains("too close to the show"));
        assert!(text(cancelled(Reason::Buyer, |_| ())).contains("too close to the show"));
        for reason in [Reason::ShowCancelled, Reason::SeatsLost] {
            assert!(text(cancelled(reason, refund(35_600, 100))).contains("full price of ₹356.00"), "{reason:?}");
        }
        assert!(text(cancelled(Reason::SeatsLost, |_| ())).contains("Nothing was charged"));
        assert_eq!(message(Kind::BookingCancelled, &paid_booking()), None);
    }

    #[test]
    fn a_failed_payment_says_how_often_one_may_try_again() {
        let mut booking = paid_booking();
        booking.payment.captured_at = None;
        booking.status = Status::Pending;
        for (failures, told) in [(1, "try 2 more times"), (2, "try once more"), (3, "back to sale")] {
            booking.payment.failures = (0..failures).map(|n| format!("evt_{n}").parse().unwrap()).collect();
            let text = text(message(Kind::PaymentFailed, &booking));
            assert!(text.contains(told) && text.contains("Nothing was charged"), "{text}");
        }
        assert_eq!(message(Kind::PaymentFailed, &paid_booking()), None);
    }

    #[test]
    fn a_refund_is_told_when_it_is_done() {
        let mut booking = paid_booking();
        booking.refund = Some(Refund { amount_minor: 17_800, percent: 50, status: RefundStatus::Pending });
        assert_eq!(message(Kind::RefundDone, &booking), None);
        booking.refund = Some(Refund { amount_minor: 17_800, percent: 50, status: RefundStatus::Done });
        let kept = text(message(Kind::RefundDone, &booking));
        assert!(
            kept.starts_with("In all, ₹178.00 of ₹356.00 is on its way") && kept.contains("stay as they are"),
            "{kept}"
        );
        booking.status = Status::Cancelled(Reason::Buyer);
        assert!(text(message(Kind::RefundDone, &booking)).starts_with("₹178.00 is on its way"));
        booking.refund = Some(Refund { amount_minor: 0, percent: 0, status: RefundStatus::Done });
        assert_eq!(message(Kind::RefundDone, &booking), None, "nothing is on its way");
    }

    #[test]
    fn whoever_has_other_seats_is_told_why() {
        let mut booking = paid_booking();
        assert!(!text(message(Kind::BookingPaid, &booking)).contains("others"));
        booking.substitute = Substitute::Made;
        assert!(text(message(Kind::BookingPaid, &booking)).contains("As you agreed, you have others"));
    }
}
