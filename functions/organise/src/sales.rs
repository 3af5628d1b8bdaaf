//! Sales figures of a show.

use domain::{
    Error, Refusal, Timestamp,
    availability::Counts,
    house::{Allocated, Channel},
    ids::{AreaId, SectionId, ShowId},
};
use edge::{Call, Reply};
use serde::Serialize;
use store::waitlist;

use crate::{App, organiser, shows};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sales {
    show_id: ShowId,
    as_of: Timestamp,
    seats: Figures,
    channels: Vec<ChannelSeats>,
    unallocated: u32,
    sections: Vec<SectionSales>,
    areas: Vec<AreaSales>,
    waitlist: Names,
}

/// Seats that are off sale for a channel.
#[derive(Serialize)]
struct ChannelSeats {
    channel: Channel,
    seats: u32,
}

/// Names on the show's waitlist: in line, and with an open offer.
#[derive(Serialize)]
struct Names {
    waiting: u32,
    offered: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SectionSales {
    section_id: SectionId,
    name: String,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Clone, Copy, Default, Serialize)]
struct Figures {
    total: u32,
    available: u32,
    held: u32,
    sold: u32,
    blocked: u32,
}

/// Places of an area are counted down when they are held: `taken` is held and sold together.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AreaSales {
    area_id: AreaId,
    name: String,
    capacity: u32,
    remaining: u32,
    taken: u32,
}

impl Figures {
    fn new(total: u32, counts: Counts) -> Self {
        let Counts { held, sold, blocked } = counts;
        Self { total, available: total.saturating_sub(held + sold + blocked), held, sold, blocked }
    }
}

/// `GET /v1/shows/{showId}/sales`: counted from the availability, so up to two seconds behind the seats.
pub(crate) async fn read(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = organiser(call)?;
    let show = shows::own(app, call.path("showId")?, &caller.user).await?;
    let overview = app.catalogue.plan_overview(show.venue, show.plan_version).await?;
    let overview = overview.ok_or(Refusal::NotFound("show"))?;
    let states = app.store.show_availability(show.id, &overview).await?;
    let sections = overview.sections.iter().zip(&states.sections).map(|(section, states)| SectionSales {
        section_id: section.id.clone(),
        name: section.name.clone(),
        figures: Figures::new(section.seat_count, states.counts()),
    });
    let areas = overview.areas.iter().zip(&states.areas).map(|(area, &remaining)| AreaSales {
        area_id: area.id.clone(),
        name: area.name.clone(),
        capacity: area.capacity,
        remaining,
        taken: show.area_places(area.capacity).saturating_sub(remaining),
    });
    let total = overview.sections.iter().map(|section| section.seat_count).sum();
    let counts = states.sections.iter().fold(Counts::default(), |sum, section| sum + section.counts());
    let allocated = states.sections.iter().fold(Allocated::default(), |sum, section| sum + section.allocated());
    let channels = Channel::ALL.into_iter().zip(allocated.seats());
    let waitlist::Counts { waiting, offered } = app.store.waitlist_counts(show.id).await?;
    let changed_at = states.sections.iter().filter_map(|section| section.changed_at).max();
    let sales = Sales {
        show_id: show.id,
        as_of: changed_at.unwrap_or(show.created_at),
        seats: Figures::new(total, counts),
        channels: channels.map(|(channel, seats)| ChannelSeats { channel, seats }).collect(),
        unallocated: counts.blocked.saturating_sub(allocated.total()),
        sections: sections.collect(),
        areas: areas.collect(),
        waitlist: Names { waiting, offered },
    };
    Ok(Reply::json(200, &sales))
}
