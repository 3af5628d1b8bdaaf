//! What must be true at the end, of the books, of what people were told, and of what they have in their hands. What must
//! be true after every single write, the witness has seen to.

mod books;
mod line;
mod rest;
mod told;

use usher::assembly::Assembly;

use crate::{people::Person, watch::Switchboard, world::World};

pub(crate) use rest::unrest;

/// What booking ids are derived with.
pub(crate) const BOOKING_ID_KEY: &str = "the booking ids of the simulation";

/// Everything, once everything is at rest.
pub(crate) async fn everything(world: &World, house: &Assembly, visitor: &Person, board: &Switchboard) {
    told::claims(world);
    told::bookings(world);
    line::names(world);
    line::quicker(world);
    books::money(world);
    books::parts(world);
    books::ledger(world).await;
    books::tickets(world);
    books::map(world, visitor, board).await;
    books::reconciled(world, house).await;
}
