//! Bugs, planted: each is one that a checker must catch. They sit between the functions and the world, never in a function.

use aws_smithy_runtime_api::{
    client::orchestrator::{HttpRequest, HttpResponse},
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use testkit::sale;

use crate::{wire::with_body, world::World};

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plant {
    /// A claim demands nothing of its seats.
    SeatUndemanded,
    /// A claim takes its seats but the last.
    ClaimInParts,
    /// A write of a booking demands nothing of it.
    VersionUndemanded,
    /// Whoever lets seats go or sells them does not look whose they are, nor at the booking.
    FenceDown,
    /// A claim demands nothing of its buyer's tally.
    CapUndemanded,
    /// What ends is not counted out of its buyer's tally.
    TallyKept,
    /// Places of an area are taken without a look at what is left.
    PlacesUndemanded,
    /// Places of an area are not given back.
    PlacesKept,
    /// The receipt of a request is not written.
    ReceiptSkipped,
    /// The provider is neither asked nor told before seats are let go.
    ReleaseUnasked,
    /// The money is taken as soon as it is there.
    CaptureUnsold,
    /// Whoever gives back does not look what was given back before.
    RefundTwice,
    /// A refund is written down as done that nobody made.
    RefundUnpaid,
    /// A hold ends minutes early.
    ReleasedEarly,
    /// The sweep finds nothing.
    SweepBlind,
    /// Some events reach nobody.
    EventLost,
    /// Some rows of the map are not written.
    MapStale,
    /// Whoever joins again has another place.
    PlaceMoved,
    /// A tick of the waiting room does not look whether another was first.
    TickUnfenced,
    /// An admission takes no permit.
    PermitUndemanded,
    /// An offer leaves its name's place in line.
    LineInPart,
    /// An offer's hold is made, and its name does not say so.
    OfferUnnamed,
    /// A write of a name demands nothing of it.
    NameUndemanded,
    /// Some names are overlooked.
    NamesOverlooked,
    /// What names wait for is not written.
    WishesUnwritten,
    /// What nobody waits for any more stays written.
    WishesKept,
    /// Nobody serves the line.
    LineUnserved,
    /// Watchers are not told what has changed.
    TellingLost,
    /// Watchers are told something else than what has changed.
    TellingWrong,
    /// A refusal names other seats than those that are taken.
    RefusalWrong,
    /// A hold is answered that does not exist.
    GrantInvented,
}

impl Plant {
    /// All of them, with the promise that each breaks.
    pub const ALL: [(Self, &'static str, &'static str); 31] = [
        (Self::SeatUndemanded, "seat-undemanded", "I1"),
        (Self::ClaimInParts, "claim-in-parts", "I1"),
        (Self::VersionUndemanded, "version-undemanded", "I13"),
        (Self::FenceDown, "fence-down", "I1"),
        (Self::CapUndemanded, "cap-undemanded", "I4"),
        (Self::TallyKept, "tally-kept", "I4"),
        (Self::PlacesUndemanded, "places-undemanded", "I4"),
        (Self::PlacesKept, "places-kept", "I4"),
        (Self::ReceiptSkipped, "receipt-skipped", "I2"),
        (Self::ReleaseUnasked, "release-unasked", "I9"),
        (Self::CaptureUnsold, "capture-unsold", "I2"),
        (Self::RefundTwice, "refund-twice", "I2"),
        (Self::RefundUnpaid, "refund-unpaid", "I2"),
        (Self::ReleasedEarly, "released-early", "I8"),
        (Self::SweepBlind, "sweep-blind", "liveness"),
        (Self::EventLost, "event-lost", "liveness"),
        (Self::MapStale, "map-stale", "I15"),
        (Self::PlaceMoved, "place-moved", "I27"),
        (Self::TickUnfenced, "tick-unfenced", "I29"),
        (Self::PermitUndemanded, "permit-undemanded", "I30"),
        (Self::LineInPart, "line-in-part", "I32"),
        (Self::OfferUnnamed, "offer-unnamed", "I32"),
        (Self::NameUndemanded, "name-undemanded", "I32"),
        (Self::NamesOverlooked, "names-overlooked", "the line"),
        (Self::WishesUnwritten, "wishes-unwritten", "the line"),
        (Self::WishesKept, "wishes-kept", "liveness"),
        (Self::LineUnserved, "line-unserved", "liveness"),
        (Self::TellingLost, "telling-lost", "the live map"),
        (Self::TellingWrong, "telling-wrong", "the live map"),
        (Self::RefusalWrong, "refusal-wrong", "I11"),
        (Self::GrantInvented, "grant-invented", "I12"),
    ];

    /// The name that it is asked for by.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(plant, ..)| *plant == self).map_or("", |(_, name, _)| name)
    }

    /// The plant of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(plant, ..)| *plant)
    }

    /// Whether there must be a waiting room for it.
    pub(crate) const fn is_about_queue(self) -> bool {
        matches!(self, Self::PlaceMoved | Self::TickUnfenced | Self::PermitUndemanded)
    }

    /// Whether there must be a waitlist for it.
    pub(crate) const fn is_about_waitlist(self) -> bool {
        matches!(
            self,
            Self::LineInPart
                | Self::OfferUnnamed
                | Self::NameUndemanded
                | Self::NamesOverlooked
                | Self::WishesUnwritten
                | Self::WishesKept
                | Self::LineUnserved
        )
    }

    /// Whether somebody must watch for it.
    pub(crate) const fn is_about_watchers(self) -> bool {
        matches!(self, Self::TellingLost | Self::TellingWrong)
    }

    /// By how much the last instance's clock is off, in milliseconds.
    pub(crate) const fn skew_ms(self) -> i64 {
        if matches!(self, Self::ReleasedEarly) { 180_000 } else { 0 }
    }

    /// The request as it is sent instead, or what it is answered without being sent. `None` when it is left alone.
    pub(crate) fn tamper(
        self,
        function: &str,
        operation: &str,
        request: &HttpRequest,
        world: &World,
    ) -> Option<(HttpRequest, Option<HttpResponse>)> {
        let mut body: Value = serde_json::from_slice(request.body().bytes()?).ok()?;
        let changed = match operation {
            "TransactWriteItems" if self.swallows(function, &body) => return answered(request, &json!({})),
            "TransactWriteItems" => self.tamper_transaction(body["TransactItems"].as_array_mut()?),
            "UpdateItem" if self == Self::VersionUndemanded && is_under(&body["Key"], "BOOKING#") => void(&mut body),
            "PutItem" if self == Self::PlaceMoved && is_under(&body["Item"], "QUEUE#") => void(&mut body),
            "UpdateItem" if self == Self::TickUnfenced && is_under(&body["Key"], "QUEUE#") => void(&mut body),
            "UpdateItem" | "PutItem" if self == Self::MapStale => {
                let is_map = is_under(&body["Key"], "AVAIL#") || is_under(&body["Item"], "AVAIL#");
                return (is_map && world.counts().0.is_multiple_of(3)).then(|| answered(request, &json!({}))).flatten();
            }
            "Query" if self == Self::SweepBlind && body["IndexName"] == "due" => {
                return answered(request, &json!({"Count": 0, "ScannedCount": 0, "Items": []}));
            }
            "Query" if self == Self::NamesOverlooked && asks_for(&body, "PLACE#") => {
                let is_hit = world.counts().0.is_multiple_of(2);
                let nothing = json!({"Count": 0, "ScannedCount": 0, "Items": []});
                return is_hit.then(|| answered(request, &nothing)).flatten();
            }
            _ => false,
        };
        if changed { Some((with_body(request, &body)?, None)) } else { None }
    }

    /// Whether a transaction is answered as if it had been carried out, and is not.
    fn swallows(self, function: &str, body: &Value) -> bool {
        let actions = body["TransactItems"].as_array().into_iter().flatten();
        let writes_wishes = actions.into_iter().any(|action| is_under(&action["Update"]["Key"], "SHOW#"));
        match self {
            Self::WishesUnwritten => writes_wishes,
            Self::WishesKept => writes_wishes && function == "offer",
            _ => false,
        }
    }

    fn tamper_transaction(self, actions: &mut Vec<Value>) -> bool {
        let is_claim = actions.iter().any(|action| is_under(&action["Put"]["Item"], "BOOKING#"));
        let moves_booking = actions.iter().any(|action| is_under(&action["Update"]["Key"], "BOOKING#"));
        let moves_seats = actions.iter().any(|action| is_under(key(action), "SEATS#"));
        let is_name = |action: &Value| is_under(key(action), "WAITLIST#");
        let names_offer = is_claim && actions.iter().any(is_name);
        let before = actions.len();
        match self {
            Self::SeatUndemanded if is_claim => return void_all(actions, &["SEATS#"]),
            Self::CapUndemanded if is_claim => return void_all(actions, &["BUYERS#"]),
            Self::PlacesUndemanded if is_claim => return void_all(actions, &["AREA#"]),
            Self::VersionUndemanded if moves_booking => return void_all(actions, &["BOOKING#"]),
            Self::FenceDown if moves_booking && moves_seats => return void_all(actions, &["BOOKING#", "SEATS#"]),
            Self::ClaimInParts if is_claim => {
                actions.pop_if(|action| is_under(key(action), "SEATS#"));
            }
            Self::TallyKept if moves_booking => actions.retain(|action| !is_under(key(action), "BUYERS#")),
            Self::PlacesKept if moves_booking => actions.retain(|action| !is_under(key(action), "AREA#")),
            Self::LineInPart if names_offer => {
                actions.retain(|action| action.get("Delete").is_none() || !is_name(action));
            }
            Self::OfferUnnamed if names_offer => actions.retain(|action| !is_name(action)),
            Self::NameUndemanded => return void_all(actions, &["WAITLIST#"]),
            Self::PermitUndemanded => return void_all(actions, &["PERMITS#"]),
            Self::ReceiptSkipped => actions.retain(|action| !is_under(key(action), "RECEIPT#")),
            _ => {}
        }
        actions.len() < before
    }

    /// The body that a function answers instead.
    pub(crate) fn lie(self, function: &str, body: &str) -> Option<(u16, String)> {
        let mut told: Value = serde_json::from_str(body).ok().filter(|_| function == "hold")?;
        let named = told["unavailable"].as_array_mut().filter(|named| !named.is_empty())?;
        match self {
            Self::RefusalWrong => {
                *named = vec![json!("balcony:A:1")];
                Some((409, told.to_string()))
            }
            Self::GrantInvented => {
                let booking = json!({"bookingId": sale::booking().id, "status": "PENDING", "version": 1, "seats": []});
                Some((201, booking.to_string()))
            }
            _ => None,
        }
    }

    /// Whether an event never reaches this function.
    pub(crate) fn loses(self, function: &str, event: &Value, world: &World) -> bool {
        match self {
            Self::SweepBlind => function == "sweep" && event.get("Records").is_some(),
            Self::LineUnserved => function == "offer",
            Self::TellingLost => function == "push",
            Self::EventLost => matches!(function, "ticket" | "notification") && world.counts().1.is_multiple_of(4),
            _ => false,
        }
    }
}

/// The key attributes of an action.
fn key(action: &Value) -> &Value {
    let kinds = ["Update", "Delete", "ConditionCheck"];
    let keyed = kinds.iter().map(|kind| &action[kind]["Key"]).find(|key| !key.is_null());
    keyed.unwrap_or(&action["Put"]["Item"])
}

/// Whether a query asks for sort keys with this beginning.
fn asks_for(body: &Value, prefix: &str) -> bool {
    body["ExpressionAttributeValues"][":prefix"]["S"] == prefix
}

fn is_under(key: &Value, prefix: &str) -> bool {
    key["PK"]["S"].as_str().is_some_and(|pk| pk.starts_with(prefix))
}

/// Makes a condition one that always holds, and keeps all its names and values in use.
fn void(action: &mut Value) -> bool {
    let Some(condition) = action["ConditionExpression"].as_str() else { return false };
    action["ConditionExpression"] = json!(format!("({condition}) OR attribute_not_exists(planted)"));
    true
}

fn void_all(actions: &mut [Value], prefixes: &[&str]) -> bool {
    let mut changed = false;
    for action in actions {
        if !prefixes.iter().any(|prefix| is_under(key(action), prefix)) {
            continue;
        }
        for kind in ["Put", "Update", "Delete", "ConditionCheck"] {
            if action.get(kind).is_some() {
                changed |= void(&mut action[kind]);
            }
        }
    }
    changed
}

fn answered(request: &HttpRequest, body: &Value) -> Option<(HttpRequest, Option<HttpResponse>)> {
    let mut response = HttpResponse::new(StatusCode::try_from(200).ok()?, SdkBody::from(body.to_string()));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    Some((request.try_clone()?, Some(response)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plant_has_a_name_and_is_found_by_it() {
        for (plant, name, _) in Plant::ALL {
            assert_eq!((plant.name(), Plant::named(name)), (name, Some(plant)));
        }
    }
}
