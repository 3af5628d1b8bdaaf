//! Disputes: what the provider says of them, on the booking.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{StoreError, Timestamp, booking::Booking, dispute::Dispute, ids::ReceiptId};

use crate::{
    Store,
    booking::update,
    codec::{n, s},
    keys::Key,
    receipt::receipt_item,
    transact::Transaction,
};

impl Store {
    /// Records what is disputed, with the receipt of what told us. Whatever the booking's state: a dispute may come at
    /// any time after the capture, and changes nothing else. `due_at` stays as it is.
    pub async fn record_dispute(
        &self,
        booking: &Booking,
        dispute: Dispute,
        receipt: Option<&ReceiptId>,
        now: Timestamp,
    ) -> Result<Option<Booking>, StoreError> {
        let value = AttributeValue::L(vec![n(dispute.amount_minor), s(dispute.status)]);
        let change = update(booking).set("#y = :y", &[("#y", "y")], [(":y", value)]);
        let mut transaction = Transaction::default().update(&Key::Booking(booking.id), change)?;
        if let Some(receipt) = receipt {
            transaction = transaction.write(receipt_item("payments", receipt.as_str(), now)?)?;
        }
        self.apply(booking, &transaction).await
    }
}
