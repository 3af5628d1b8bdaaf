//! A booking as the API shows it.

use domain::{
    Timestamp,
    booking::{Booking, Reason, RefundStatus, Substitute},
    dispute::DisputeStatus,
    money::Money,
};
use serde::Serialize;

/// The JSON of a booking.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BookingView {
    booking_id: String,
    show_id: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    seats: Vec<SeatView>,
    areas: Vec<AreaView>,
    total: Money,
    created_at: Timestamp,
    expires_at: Timestamp,
    server_time: Timestamp,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund: Option<RefundView>,
    /// Whether the waitlist offered it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    offered: bool,
    /// Whether it has other seats than those it held.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    substituted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    dispute: Option<DisputeView>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SeatView {
    seat_id: String,
    section: String,
    row: String,
    seat: String,
    category: String,
    price: Money,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AreaView {
    area_id: String,
    quantity: u32,
    price: Money,
}

#[derive(Debug, Serialize)]
struct RefundView {
    amount: Money,
    percent: u8,
    status: RefundStatus,
}

#[derive(Debug, Serialize)]
struct DisputeView {
    amount: Money,
    status: DisputeStatus,
}

impl BookingView {
    /// `booking` as of `now`, the server's time that an honest countdown needs.
    #[must_use]
    pub fn new(booking: &Booking, now: Timestamp) -> Self {
        let money = |minor| Money::new(minor, booking.currency);
        let seats = booking.seats.iter().map(|line| SeatView {
            seat_id: line.seat.to_string(),
            section: line.seat.section.to_string(),
            row: line.seat.row.to_string(),
            seat: line.seat.seat.to_string(),
            category: line.category.to_string(),
            price: money(line.price_minor),
        });
        let mut areas: Vec<AreaView> = Vec::new();
        for line in &booking.areas {
            let area_id = line.area.to_string();
            // From which shards of a counter an area's places were taken is nobody's business.
            match areas.iter_mut().find(|known| known.area_id == area_id) {
                Some(known) => known.quantity += line.quantity,
                None => areas.push(AreaView { area_id, quantity: line.quantity, price: money(line.price_minor) }),
            }
        }
        Self {
            booking_id: booking.id.to_string(),
            show_id: booking.show.to_string(),
            status: booking.status.as_str(),
            reason: booking.status.reason(),
            seats: seats.collect(),
            areas,
            total: booking.total(),
            created_at: booking.created_at,
            expires_at: booking.expires_at,
            server_time: now,
            version: booking.version,
            refund: booking.refund.map(|refund| RefundView {
                amount: money(refund.amount_minor),
                percent: refund.percent,
                status: refund.status,
            }),
            offered: booking.offered,
            substituted: booking.substitute == Substitute::Made,
            dispute: booking
                .dispute
                .map(|dispute| DisputeView { amount: money(dispute.amount_minor), status: dispute.status }),
        }
    }
}
