//! Random courses of giving back, beside a reference that knows nothing but sums: what is owed is always what it says, and
//! the bank never pays more.

use proptest::{prelude::*, sample::Index};

use super::*;
use crate::{
    booking::{Reason, Status},
    ledger::{Entry, account::Account, steps},
    settlement::tests::{booking, instant},
};

const STARTS_AT: &str = "2026-12-24T19:00:00Z";

/// What becomes of a call of the provider.
#[derive(Clone, Copy, Debug)]
enum Line {
    Works,
    Lost,
    AnswerLost,
}

/// Something that happens to a paid booking.
#[derive(Clone, Debug)]
enum Act {
    /// Its organiser gives this much of it back.
    Part(i64),
    /// Its buyer cancels, so many hours before the show.
    Cancel(i64),
    /// Its show is called off.
    CallOff,
    /// The sweep gives back what is owed, if it can.
    Settle(Line),
    /// One of its refunds fails at the bank after all.
    Fail(Index),
    /// The provider has news of its refunds.
    News,
}

fn act() -> impl Strategy<Value = Act> {
    let line = prop_oneof![3 => Just(Line::Works), 1 => Just(Line::Lost), 1 => Just(Line::AnswerLost)];
    prop_oneof![
        4 => (-2..40_000i64).prop_map(Act::Part),
        1 => (-2..40i64).prop_map(Act::Cancel),
        1 => Just(Act::CallOff),
        5 => line.prop_map(Act::Settle),
        2 => any::<Index>().prop_map(Act::Fail),
        2 => Just(Act::News),
    ]
}

/// What must be owed, by sums alone.
#[derive(Debug)]
struct Reference {
    price: i64,
    owed: i64,
    over: bool,
}

impl Reference {
    /// Whether an organiser may give `part` back; then it is owed.
    fn part(&mut self, part: i64) -> bool {
        let may = !self.over && part > 0 && self.owed + part < self.price;
        self.owed += if may { part } else { 0 };
        may
    }

    /// Of what is left: all of it a day before, half of it, rounded half up, four hours before, nothing later.
    fn cancel(&mut self, hours: i64) {
        let left = self.price - self.owed;
        self.owed += match hours {
            24.. => left,
            4..24 => left / 2 + left % 2,
            _ => 0,
        };
        self.over = true;
    }

    fn call_off(&mut self) {
        (self.owed, self.over) = (self.price, true);
    }
}

/// A booking, the bank, and the ledger of what became of it.
struct Life {
    booking: Booking,
    refunds: Vec<ProviderRefund>,
    entries: Vec<Entry>,
}

impl Life {
    fn paid(prices: (i64, i64)) -> Self {
        let mut paid = booking(Status::Confirmed);
        (paid.seats[0].price_minor, paid.seats[1].price_minor) = prices;
        paid.payment.started_at = Some(paid.created_at);
        paid.payment.intent = "pi_1".parse().ok();
        paid.payment.captured_at = Some(paid.created_at);
        let entries = steps(None, &paid, paid.created_at);
        Self { booking: paid, refunds: Vec::new(), entries }
    }

    fn write(&mut self, change: impl FnOnce(&mut Booking)) {
        let old = self.booking.clone();
        change(&mut self.booking);
        self.booking.version += 1;
        self.entries.extend(steps(Some(&old), &self.booking, old.created_at));
    }

    fn owe(&mut self, refund: Refund, status: Status) {
        self.write(|booking| (booking.refund, booking.status) = (Some(refund), status));
    }

    fn is_done(&self) -> bool {
        self.booking.refund.is_some_and(|refund| refund.status == RefundStatus::Done)
    }

    fn mark(&mut self, status: RefundStatus) {
        self.write(|booking| booking.refund = booking.refund.map(|refund| Refund { status, ..refund }));
    }

    /// As settlement does: look, give what is missing, record. Answers whether it was recorded.
    fn settle(&mut self, line: Line) -> bool {
        if !self.booking.owes_refund() {
            return false;
        }
        let heard = match debt(&self.booking, &self.refunds) {
            Debt::Paid => true,
            Debt::Stuck => false,
            Debt::Owed { rest, made } => {
                assert_eq!(made, self.refunds.iter().filter(|refund| refund.booking == Some(self.booking.id)).count());
                if !matches!(line, Line::Lost) {
                    self.refunds.push(ProviderRefund { amount: rest, booking: Some(self.booking.id), accepted: true });
                }
                matches!(line, Line::Works)
            }
        };
        if heard {
            self.mark(RefundStatus::Done);
        }
        heard
    }

    /// The bank could not deliver what our books call done.
    fn news(&mut self) {
        let recorded = given(&self.booking);
        if self.is_done() && given_back(&self.booking, &self.refunds) < recorded {
            self.mark(RefundStatus::Pending);
        }
    }

    fn account(&self) -> Account {
        Account::of(&self.entries).unwrap()
    }

    /// Lets `act` happen, here and in the reference.
    fn happen(&mut self, act: &Act, reference: &mut Reference) {
        let confirmed = self.booking.status == Status::Confirmed;
        match act {
            Act::Part(minor) => {
                let owed = in_part(&self.booking, Money::new(*minor, self.booking.currency));
                assert_eq!(owed.is_ok(), reference.part(*minor), "{minor} of {reference:?}: {owed:?}");
                if let Ok(owed) = owed {
                    self.owe(owed, Status::Confirmed);
                }
            }
            Act::Cancel(hours) if confirmed => {
                let now = crate::time::shift(instant(STARTS_AT), -SignedDuration::from_hours(*hours));
                let owed = by_policy(&self.booking, &Policy::default(), instant(STARTS_AT), now);
                self.owe(owed, Status::Cancelled(Reason::Buyer));
                reference.cancel(*hours);
            }
            Act::CallOff if confirmed => {
                self.owe(in_full(&self.booking), Status::Cancelled(Reason::ShowCancelled));
                reference.call_off();
            }
            Act::Settle(line) => {
                if self.settle(*line) {
                    assert_eq!(given_back(&self.booking, &self.refunds), reference.owed, "done, and not all of it");
                }
            }
            Act::Fail(which) if !self.refunds.is_empty() => which.get_mut(&mut self.refunds).accepted = false,
            Act::News => self.news(),
            Act::Cancel(_) | Act::CallOff | Act::Fail(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn however_money_is_given_back_it_is_what_the_sums_say_and_never_more(
        prices in (1..40_000i64, 0..40_000i64),
        acts in proptest::collection::vec(act(), 0..24),
        foreign in proptest::option::of(1..1_000i64),
    ) {
        let mut life = Life::paid(prices);
        let mut reference = Reference { price: prices.0 + prices.1, owed: 0, over: false };
        // What somebody gives back at the provider without our name on it counts for nothing here.
        let amount = |minor| Money::new(minor, life.booking.currency);
        life.refunds.extend(foreign.map(|minor| ProviderRefund { amount: amount(minor), booking: None, accepted: true }));
        for act in &acts {
            life.happen(act, &mut reference);
            prop_assert_eq!(given(&life.booking), reference.owed, "after {:?}", act);
            prop_assert!(given_back(&life.booking, &life.refunds) <= reference.owed, "more than is owed after {:?}", act);
            prop_assert!(reference.owed < reference.price || reference.over && reference.owed == reference.price);
            let account = life.account();
            prop_assert!(account.is_balanced(), "{:?} after {:?}", account, act);
            prop_assert_eq!((account.captured, account.owed_in_all), (reference.price, reference.owed));
        }
        // In the end the provider tells what failed, and the sweep gives it again, until a person must look.
        life.news();
        life.settle(Line::Works);
        let back = given_back(&life.booking, &life.refunds);
        if debt(&life.booking, &life.refunds) == Debt::Stuck {
            prop_assert!(life.booking.owes_refund() && back < reference.owed);
        } else {
            prop_assert_eq!(back, reference.owed);
            let account = life.account();
            prop_assert_eq!((account.refunded, account.owed()), (reference.owed, 0));
        }
    }
}
