//! What is not at rest yet.

use domain::{
    booking::{Booking, Reason, RefundStatus, Status},
    event::{Event, Kind},
    ticket,
};

use crate::{
    check::{books::unbalanced, line::unserved},
    shelf::{Postbox, Shelf},
    world::World,
};

/// Everything that still has to happen: stuck seats, debts, tickets and mail.
pub(crate) fn unrest(world: &World, shelf: &Shelf, postbox: &Postbox) -> Vec<String> {
    let mut left = unbalanced(world);
    left.extend(unserved(world));
    let seen = world.witness().seen();
    for booking in seen.bookings.values() {
        let id = booking.id;
        if booking.status == Status::Pending || booking.due_at.is_some() {
            left.push(format!("{id} is {:?} and due at {:?}", booking.status, booking.due_at));
        }
        if booking.status == Status::Confirmed && seen.is_known_called_off {
            left.push(format!("{id} is CONFIRMED for a show that was called off"));
        }
        if booking.owes_refund() {
            left.push(format!("{id} is owed a refund"));
        }
        if booking.is_paid() && !shelf.holds(&ticket::file_key(id)) {
            left.push(format!("{id} has no tickets"));
        }
        for kind in [Kind::BookingPaid, Kind::BookingCancelled, Kind::RefundDone] {
            let last = seen.events.iter().rfind(|event| event.booking_id == id && event.kind == kind);
            if let Some(event) = last.filter(|event| must_be_told(event, booking) && !postbox.has(&event.id)) {
                left.push(format!("nobody was told {}", event.id));
            }
        }
    }
    left
}

/// Whether the buyer has to be told of it, as the booking is in the end.
fn must_be_told(event: &Event, booking: &Booking) -> bool {
    let refunded = booking.refund.is_some_and(|it| it.status == RefundStatus::Done && it.amount_minor > 0);
    match (event.kind, booking.status) {
        (Kind::BookingPaid, _) => booking.is_paid(),
        (Kind::RefundDone, _) => refunded,
        // An offer that nobody took was perhaps not seen in time.
        (Kind::BookingCancelled, Status::Cancelled(Reason::Expired)) if booking.offered => true,
        // Of a hold that nobody began to pay there is nothing to say.
        (Kind::BookingCancelled, Status::Cancelled(reason)) => {
            matches!(reason, Reason::Buyer | Reason::ShowCancelled | Reason::SeatsLost)
        }
        _ => false,
    }
}
