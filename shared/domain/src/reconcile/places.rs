//! Bookings, seats and buyers' tallies.

use crate::{
    booking::{Booking, Status},
    hold::{Taken, Tally},
    ids::{BookingId, SeatId, ShowId, UserId},
    reconcile::Kind,
};

/// One booking's id and everything that speaks of it, read in one consistent view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The booking, if there is one.
    pub booking: Option<Booking>,
    /// The tally of the buyer who was asked about.
    pub tally: Option<Tally>,
    /// Those of the seats asked about that are taken.
    pub seats: Vec<(SeatId, Taken)>,
}

/// Whether a booking has a claim to places at `show`.
fn is_live(booking: &Booking, show: ShowId) -> bool {
    booking.show == show && matches!(booking.status, Status::Pending | Status::Confirmed)
}

/// How a seat of a live booking is taken.
fn expected(booking: &Booking) -> Taken {
    if booking.status == Status::Pending { Taken::Held(booking.id) } else { Taken::Sold(booking.id) }
}

/// Whether a seat of `show` is rightly taken as it is, given the booking that it names.
#[must_use]
pub fn seat_agrees(show: ShowId, seat: &SeatId, taken: Taken, booking: Option<&Booking>) -> bool {
    let rightly = |booking: &Booking| {
        is_live(booking, show) && booking.seats.iter().any(|line| line.seat == *seat) && expected(booking) == taken
    };
    taken == Taken::Blocked || booking.is_some_and(rightly)
}

/// Whether `buyer`'s tally at `show` says of the booking `id` what the booking says.
#[must_use]
pub fn tally_agrees(
    show: ShowId,
    buyer: &UserId,
    tally: Option<&Tally>,
    id: BookingId,
    booking: Option<&Booking>,
) -> bool {
    let live = booking.filter(|booking| is_live(booking, show) && booking.buyer == *buyer);
    let counted = tally.and_then(|tally| tally.bookings.iter().find(|(booking, _)| *booking == id));
    let sum = |tally: &Tally| tally.bookings.iter().fold(0u32, |sum, (_, places)| sum.saturating_add(*places));
    tally.is_none_or(|tally| tally.total == sum(tally))
        && counted.map(|(_, places)| *places) == live.map(Booking::places)
}

/// Everything that is wrong with the places of the booking `id` at `show`. `buyer` is whose tally was read.
#[must_use]
pub fn check(show: ShowId, id: BookingId, buyer: Option<&UserId>, places: &Places) -> Vec<(Kind, String)> {
    let booking = places.booking.as_ref();
    let status = booking.map_or("absent", |booking| booking.status.as_str());
    let mut wrong = Vec::new();
    for (seat, taken) in &places.seats {
        let names_it = matches!(taken, Taken::Held(of) | Taken::Sold(of) if *of == id);
        let has_claim = booking
            .is_some_and(|booking| is_live(booking, show) && booking.seats.iter().any(|line| line.seat == *seat));
        if names_it && !has_claim {
            wrong.push((
                Kind::SeatStray,
                format!("seat {seat} is taken by {id}, which is {status} and has no claim to it"),
            ));
        }
    }
    if let Some(booking) = booking.filter(|booking| is_live(booking, show)) {
        for line in &booking.seats {
            let taken = places.seats.iter().find(|(seat, _)| *seat == line.seat).map(|(_, taken)| *taken);
            if taken != Some(expected(booking)) {
                let taken = taken.map_or_else(|| "free".to_owned(), |taken| format!("{taken:?}"));
                wrong.push((Kind::SeatMissing, format!("{id} is {status}, and its seat {} is {taken}", line.seat)));
            }
        }
    }
    if let Some(buyer) = buyer
        && !tally_agrees(show, buyer, places.tally.as_ref(), id, booking)
    {
        let counted = places.tally.as_ref().map_or(0, |tally| {
            tally.bookings.iter().filter(|(booking, _)| *booking == id).map(|(_, places)| *places).sum::<u32>()
        });
        let total = places.tally.as_ref().map_or(0, |tally| tally.total);
        let has = booking.filter(|booking| is_live(booking, show)).map_or(0, Booking::places);
        wrong.push((
            Kind::TallyDiffers,
            format!("{id} is {status} with {has} places; its buyer's tally has {counted} of it, {total} in all"),
        ));
    }
    wrong
}
