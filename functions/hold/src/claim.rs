//! A claim, from the wish to the booking.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::{
    Error, Refusal, StoreError, Timestamp,
    booking::{AreaLine, Booking},
    catalogue::{Show, area_shards},
    challenge::{Subject, harder},
    code::check_presale,
    error::Unavailable,
    hold::{Churn, Claimant, Obstacles, Terms, Verdict, Wish, check_on_sale, decide, judge, spread},
    ids::{
        AccessCode, AreaId, BookingId, CategoryId, IdempotencyKey, RowId, SeatId, SeatName, SectionId, ShowId, UserId,
    },
    queue::Admission,
    settlement::Cause,
    time::SignedDuration,
};
use edge::{
    Caller,
    metrics::{self, Metric},
};
use store::hold::Claimed;

use crate::{App, Shown};

/// Times a claim is made before the buyer is asked to come back: each round, what was in the way has moved.
const TRIES_MAX: u32 = 4;

impl App {
    /// Holds what `wish` asks for, or answers what the same request was answered before.
    ///
    /// # Errors
    /// A refusal that says what is in the way; nothing is held then.
    pub(crate) async fn claim(
        &self,
        caller: &Caller,
        show: ShowId,
        key: &IdempotencyKey,
        wish: &Wish,
        shown: Shown<'_>,
    ) -> Result<Booking, Error> {
        let show = self.catalogue.show(show).await?.ok_or(Refusal::NotFound("show"))?;
        let id = BookingId::derive(&self.options.booking_id_key, &caller.user, show.id, key);
        let cap = show.max_seats_per_buyer();
        let admission = self.admission(&show, caller, shown.admission);
        let ttl = SignedDuration::from_secs(i64::from(show.hold_ttl_seconds(self.options.hold_ttl_seconds)));
        let presented: Option<AccessCode> = shown.code.and_then(|code| code.parse().ok());
        let wish = &wish.clone().presenting(presented.as_ref());
        let admitted = match self.churn(&caller.user, show.id, id, shown).await {
            Ok(churn) => self.presale(&show, wish, shown, presented).await.map(|code| (churn, code)),
            Err(error) => Err(error),
        };
        let planned = match admitted {
            Ok((churn, code)) => {
                let (buyer, email) = (caller.user.clone(), caller.email.clone());
                let admitted_as = admission.map(|admission| admission.id);
                let claimant = Claimant { id, buyer, email, ttl, cap, code, admission: admitted_as };
                self.plan_claim(&show, wish, claimant, admission.as_ref()).await.map(|booking| (booking, churn))
            }
            Err(error) => Err(error),
        };
        match planned {
            Ok((booking, churn)) => {
                let terms = admission.map_or(Terms::within(cap), |admission| {
                    Terms::under(cap, admission.id, self.settlement.clock.now())
                });
                self.take(booking, &show, &Terms { churn: Some(churn), ..terms }).await
            }
            Err(Error::Refused(refusal)) => self.replay(id, wish.fingerprint(), refusal).await,
            Err(error) => Err(error),
        }
    }

    /// The admission that the caller shows, where the show asks for one. What the table thinks of it, the claim finds out.
    fn admission(&self, show: &Show, caller: &Caller, token: Option<&str>) -> Option<Admission> {
        let token = token.filter(|_| show.waiting_room.enabled)?;
        self.options.admission_key.admission(token, show.id, &caller.user)
    }

    /// A request that would be refused now may have been granted before: then that is still the answer.
    pub(crate) async fn replay(
        &self,
        id: BookingId,
        fingerprint: [u8; 16],
        refusal: Refusal,
    ) -> Result<Booking, Error> {
        match self.settlement.store.booking(id).await? {
            Some(booking) if booking.fingerprint == fingerprint => Ok(booking),
            Some(_) => Err(Refusal::IdempotencyMismatch.into()),
            None => Err(refusal.into()),
        }
    }

    /// How the hold is counted: without a limit for whoever has solved a challenge that was made for it.
    async fn churn(&self, buyer: &UserId, show: ShowId, booking: BookingId, shown: Shown<'_>) -> Result<Churn, Error> {
        let now = self.settlement.clock.now();
        let subject = Subject { buyer: buyer.clone(), show, booking };
        let is_solved = match shown.proof {
            Some(proof) => self.challenger.is_solved(&subject, proof, now).await?,
            None => false,
        };
        if shown.is_strained && !is_solved {
            return Err(self.challenge(&subject, 0).into());
        }
        Ok(Churn::at(now, (!is_solved).then_some(self.options.churn_holds_max)))
    }

    fn challenge(&self, subject: &Subject, harder: u32) -> Refusal {
        Refusal::ChallengeRequired(Box::new(self.challenger.ask(subject, harder, self.settlement.clock.now())))
    }

    /// The code that the hold takes its places from: before the general sale one that gives them, afterwards none. A look
    /// spares a wrong code its write units; whether it gives the places is decided in the claim.
    async fn presale(
        &self,
        show: &Show,
        wish: &Wish,
        shown: Shown<'_>,
        presented: Option<AccessCode>,
    ) -> Result<Option<AccessCode>, Error> {
        let now = self.settlement.clock.now();
        if shown.code.is_none() || now >= show.on_sale_at {
            return Ok(None);
        }
        let code = presented.ok_or(Refusal::CodeInvalid)?;
        let allowance = self.settlement.store.code(show.id, &code).await?.ok_or(Refusal::CodeInvalid)?;
        allowance.check(wish.places(), now)?;
        Ok(Some(code))
    }

    /// The booking that is wanted, priced by the plan, if the show sells.
    async fn plan_claim(
        &self,
        show: &Show,
        wish: &Wish,
        claimant: Claimant,
        admission: Option<&Admission>,
    ) -> Result<Booking, Error> {
        let now = self.settlement.clock.now();
        match claimant.code {
            Some(_) => check_presale(show, now)?,
            None => check_on_sale(show, admission, now)?,
        }
        let mut seats: HashMap<&SeatId, CategoryId> = HashMap::new();
        let mut missing = Vec::new();
        for (section_id, row_id, wanted) in by_row(wish.seats()) {
            let section = self.catalogue.plan_section(show.venue, show.plan_version, section_id).await?;
            let Some(row) = section.as_deref().and_then(|section| section.row(row_id)) else { continue };
            let id = |seat: &SeatName| SeatId { section: section_id.clone(), row: row_id.clone(), seat: seat.clone() };
            missing.extend(row.missing(&wanted).map(id));
            for seat in wish.seats().iter().filter(|seat| (&seat.section, &seat.row) == (section_id, row_id)) {
                seats.extend(row.seat(&seat.seat).map(|found| (seat, found.category.clone())));
            }
        }
        let mut areas: HashMap<&AreaId, (CategoryId, u16)> = HashMap::new();
        if !wish.areas().is_empty() {
            let plan = self.catalogue.plan_overview(show.venue, show.plan_version).await?;
            for (area, _) in wish.areas() {
                if let Some(found) = plan.as_deref().and_then(|plan| plan.area(area)) {
                    let shard = store::keys::fold(claimant.id.uuid().as_bytes(), area_shards(found.capacity));
                    areas.insert(area, (found.category.clone(), shard));
                }
            }
        }
        let booking =
            decide(show, wish, claimant, |seat| seats.get(seat).cloned(), |area| areas.get(area).cloned(), now)?;
        if missing.is_empty() { Ok(booking) } else { Err(Refusal::SoldWhole(missing).into()) }
    }

    /// Claims, and where something is in the way, finds out what it is and what can be done about it. Nothing of what is
    /// kept for the waitlist is claimed, nor what would leave single seats; what is in the way of it is told first, and
    /// ended where it is over.
    async fn take(&self, mut booking: Booking, show: &Show, terms: &Terms) -> Result<Booking, Error> {
        let store = &self.settlement.store;
        let seats = |booking: &Booking| booking.seats.iter().map(|line| line.seat.clone()).collect::<Vec<_>>();
        let mut look = self.hints.any(show.id, seats(&booking).iter(), self.settlement.clock.now());
        for attempt in 0..TRIES_MAX {
            // With every try: what has returned since the last may be what somebody waits for.
            let kept = self.kept(show, &booking).await?;
            let around = self.surroundings(show, &booking).await?;
            let met = if look || !kept.is_empty() || !around.orphans.is_empty() {
                store.look(&booking, terms).await?
            } else {
                Obstacles::default()
            };
            if met.is_empty() && !kept.is_empty() {
                return Err(Refusal::Waitlisted(kept).into());
            }
            if met.is_empty() && !around.orphans.is_empty() {
                return Err(Refusal::OrphanSeat(around.orphans).into());
            }
            let met = if met.is_empty() {
                match store.claim(&booking, &Terms { beside: around.beside, ..terms.clone() }).await? {
                    Claimed::Won => {
                        self.hints.note(show.id, seats(&booking).iter(), self.settlement.clock.now());
                        metrics::count(Metric::HoldsGranted, 1);
                        self.settlement.wake(&booking).await;
                        return Ok(booking);
                    }
                    Claimed::Met(met) => met,
                    Claimed::Conflict => {
                        tokio::time::sleep(store::hold::pause_after_conflict(&booking, attempt)).await;
                        Obstacles::default()
                    }
                }
            } else {
                met
            };
            look = true;
            if let Some(settled) = self.resolve(&mut booking, show, terms, &met).await? {
                return Ok(settled);
            }
        }
        Err(StoreError::Throttled.into())
    }

    /// Deals with what a claim met: answers an earlier grant, refuses, or clears the way for another try.
    async fn resolve(
        &self,
        booking: &mut Booking,
        show: &Show,
        terms: &Terms,
        met: &Obstacles,
    ) -> Result<Option<Booking>, Error> {
        let now = self.settlement.clock.now();
        self.hints.note(show.id, met.seats.iter().map(|(seat, _)| seat), now);
        let holders = match met.holders(booking, terms) {
            ids if ids.is_empty() => Vec::new(),
            ids => self.settlement.store.bookings(&ids).await?,
        };
        match judge(booking, terms, met, &holders, now) {
            Verdict::Replay(own) => return Ok(Some(*own)),
            Verdict::Refuse(refusal) => return Err(refusal.into()),
            Verdict::Challenge(count) => {
                let subject = Subject { buyer: booking.buyer.clone(), show: show.id, booking: booking.id };
                return Err(self.challenge(&subject, harder(count, self.options.churn_holds_max)).into());
            }
            Verdict::End(overdue) => {
                for id in overdue {
                    match self.settlement.drive(id, Cause::Due, None).await {
                        Ok(_) => {}
                        // The provider cannot say whether it was paid: until it can, it has its seats.
                        Err(Error::Provider(_)) => return Err(still_taken(booking, terms, met, &holders)),
                        Err(error) => return Err(error),
                    }
                }
                self.hints.forget(show.id, met.seats.iter().map(|(seat, _)| seat));
            }
            Verdict::OtherShards(areas) => self.other_shards(booking, show, &areas).await?,
            Verdict::Again => self.hints.forget(show.id, met.seats.iter().map(|(seat, _)| seat)),
        }
        renew(booking, now);
        Ok(None)
    }

    /// Takes an area's places from wherever its shards still have them, from several if no single one has enough.
    async fn other_shards(&self, booking: &mut Booking, show: &Show, areas: &[AreaId]) -> Result<(), Error> {
        let plan = self.catalogue.plan_overview(show.venue, show.plan_version).await?;
        let mut lacking = Vec::new();
        for area in areas {
            let shards = plan.as_deref().and_then(|plan| plan.area(area)).map_or(0, |area| area_shards(area.capacity));
            let store = &self.settlement.store;
            let (wanted, others): (Vec<_>, Vec<_>) = booking.areas.drain(..).partition(|line| line.area == *area);
            booking.areas = others;
            let quantity = wanted.iter().map(|line| line.quantity).sum();
            let parts = match spread(&store.area_shards(show.id, area, shards).await?, quantity) {
                None => spread(&store.area_shards_at_once(show.id, area, shards).await?, quantity),
                parts => parts,
            };
            let Some((parts, price_minor)) = parts.zip(wanted.first().map(|line| line.price_minor)) else {
                lacking.push(Unavailable::Area(area.clone()));
                continue;
            };
            booking.areas.extend(parts.into_iter().map(|(shard, quantity)| AreaLine {
                area: area.clone(),
                quantity,
                price_minor,
                shard,
            }));
        }
        if lacking.is_empty() { Ok(()) } else { Err(Refusal::SeatUnavailable(lacking).into()) }
    }
}

/// The seats of each row that some are wanted of.
pub(crate) fn by_row<'a>(
    seats: impl IntoIterator<Item = &'a SeatId>,
) -> impl Iterator<Item = (&'a SectionId, &'a RowId, HashSet<&'a SeatName>)> {
    let mut rows: BTreeMap<(&SectionId, &RowId), HashSet<&SeatName>> = BTreeMap::new();
    for seat in seats {
        rows.entry((&seat.section, &seat.row)).or_default().insert(&seat.seat);
    }
    rows.into_iter().map(|((section, row), seats)| (section, row, seats))
}

/// A hold lives from when it is made, not from when it was first tried.
fn renew(booking: &mut Booking, now: Timestamp) {
    let ttl = booking.expires_at.duration_since(booking.created_at);
    booking.created_at = now;
    booking.expires_at = domain::time::shift(now, ttl);
    booking.due_at = Some(booking.expires_at);
}

/// The refusal for when what is overdue cannot be ended.
fn still_taken(booking: &Booking, terms: &Terms, met: &Obstacles, holders: &[Booking]) -> Error {
    // At the beginning of time nothing is overdue.
    match judge(booking, terms, met, holders, Timestamp::MIN) {
        Verdict::Refuse(refusal) => refusal.into(),
        _ => StoreError::Throttled.into(),
    }
}
