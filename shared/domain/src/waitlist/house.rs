//! What is free, and what of it a wish fits.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    availability::{SeatState, SectionAvailability, state_at},
    best::{best_block, fitting},
    ids::{AreaId, CategoryId, RowId, SeatId, SectionId},
    plan::{Row, Section},
    waitlist::{Wish, Wishes},
};

/// What a wish can be given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Found {
    /// These seats, side by side.
    Seats(Vec<SeatId>),
    /// So many places of this area.
    Places(AreaId, u32),
}

/// A section with free seats.
#[derive(Clone, Debug)]
struct Floor {
    section: Arc<Section>,
    /// Whether a seat is free, by row and seat number.
    free: HashMap<RowId, Vec<bool>>,
}

/// An area with places left.
#[derive(Clone, Debug)]
struct Standing {
    area: AreaId,
    category: CategoryId,
    remaining: u32,
}

/// What is free of a show, by the map: a hint, as ever. It only shrinks, so a wish that fits nothing never fits again.
#[derive(Clone, Debug, Default)]
pub struct House {
    floors: Vec<Floor>,
    areas: Vec<Standing>,
    hopeless: HashSet<Wish>,
}

impl House {
    /// With the free seats of `section`: those that `states` shows free, and those of `freed`, which came back a moment
    /// ago.
    pub fn add_section(&mut self, section: Arc<Section>, states: &SectionAvailability, freed: &HashSet<SeatId>) {
        let mut free = HashMap::new();
        for row in &section.rows {
            let bits = states.rows.get(&row.id).map_or(&[][..], |packed| &packed.bits);
            let is_free = |(index, seat): (usize, &crate::plan::Seat)| {
                let id = || SeatId { section: section.id.clone(), row: row.id.clone(), seat: seat.name.clone() };
                state_at(bits, index) == SeatState::Free || !freed.is_empty() && freed.contains(&id())
            };
            let seats: Vec<bool> = row.seats.iter().enumerate().map(is_free).collect();
            if seats.contains(&true) {
                free.insert(row.id.clone(), seats);
            }
        }
        if !free.is_empty() {
            self.floors.push(Floor { section, free });
        }
    }

    /// With `remaining` places of an area.
    pub fn add_area(&mut self, area: AreaId, category: CategoryId, remaining: u32) {
        if remaining > 0 {
            self.areas.push(Standing { area, category, remaining });
        }
    }

    /// The best that is free for `wish`: seats in the first section, in plan order, that has such a block; else places of
    /// the first area that has so many.
    pub fn find(&mut self, wish: &Wish) -> Option<Found> {
        if self.hopeless.contains(wish) {
            return None;
        }
        let found = self.search(wish, |_, _| false, |_| false);
        if found.is_none() {
            self.hopeless.insert(wish.clone());
        }
        found
    }

    /// Whether anything that is free fits any of `wishes`.
    pub fn fits_any(&mut self, wishes: &Wishes) -> bool {
        wishes.iter().any(|wish| self.find(wish).is_some())
    }

    /// Whether `wish` can be had by anybody: something that fits it is free, and nobody waits for that.
    #[must_use]
    pub fn sells(&self, wish: &Wish, wishes: &Wishes) -> bool {
        let mut awaited: HashMap<(&SectionId, &RowId), Vec<bool>> = HashMap::new();
        for floor in &self.floors {
            for row in &floor.section.rows {
                awaited.insert((&floor.section.id, &row.id), awaited_in(row, wishes, |seat| floor.is_free(row, seat)));
            }
        }
        let seat = |section: &Section, (row, seat): (&Row, usize)| {
            awaited.get(&(&section.id, &row.id)).and_then(|seats| seats.get(seat)).copied().unwrap_or(false)
        };
        self.search(wish, seat, |area| wishes.await_places(&area.category, area.remaining)).is_some()
    }

    fn search(
        &self,
        wish: &Wish,
        keep_seat: impl Fn(&Section, (&Row, usize)) -> bool,
        keep_area: impl Fn(&Standing) -> bool,
    ) -> Option<Found> {
        let ask = wish.ask();
        let block = |floor: &Floor| {
            let section = &floor.section;
            best_block(section, &ask, |row, seat| floor.is_free(row, seat) && !keep_seat(section, (row, seat)))
        };
        let area = |area: &&Standing| {
            !wish.accessible && wish.takes(&area.category) && area.remaining >= wish.quantity && !keep_area(area)
        };
        let seats = self.floors.iter().find_map(block).map(Found::Seats);
        seats.or_else(|| Some(Found::Places(self.areas.iter().find(area)?.area.clone(), wish.quantity)))
    }

    /// These are not free any more.
    pub fn take(&mut self, found: &Found) {
        match found {
            Found::Seats(seats) => seats.iter().for_each(|seat| self.take_seat(seat)),
            Found::Places(area, quantity) => self.take_places(area, *quantity),
        }
    }

    /// Not free after all.
    pub fn take_seat(&mut self, id: &SeatId) {
        for floor in self.floors.iter_mut().filter(|floor| floor.section.id == id.section) {
            let number = floor.section.row(&id.row).and_then(|row| row.seats.iter().position(|it| it.name == id.seat));
            let seat = floor.free.get_mut(&id.row).zip(number).and_then(|(seats, number)| seats.get_mut(number));
            if let Some(free) = seat {
                *free = false;
            }
        }
    }

    /// So many places fewer than was thought.
    pub fn take_places(&mut self, id: &AreaId, quantity: u32) {
        for area in self.areas.iter_mut().filter(|area| area.area == *id) {
            area.remaining = area.remaining.saturating_sub(quantity);
        }
    }
}

impl Floor {
    fn is_free(&self, row: &Row, seat: usize) -> bool {
        self.free.get(&row.id).and_then(|seats| seats.get(seat)).copied().unwrap_or(false)
    }
}

/// For each seat of a row whether somebody waits for it: whether it is free, and in a block that fits some wish.
#[must_use]
pub fn awaited_in(row: &Row, wishes: &Wishes, is_free: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut awaited = vec![false; row.seats.len()];
    for wish in wishes.iter() {
        for block in fitting(row, &wish.ask(), &is_free) {
            awaited[block].fill(true);
        }
    }
    awaited
}
