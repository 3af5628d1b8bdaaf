//! The live map's side of the gateway: what a connection brings, and what it is told. `docs/live.md` is its contract.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::{ConnectionId, SectionId, ShowId};
use serde::{Deserialize, Serialize};

use crate::availability::{SectionStates, ShowStates};

/// The largest message that is read, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024;

/// The route of a connection that opens. Its answer decides whether it does.
pub const CONNECT: &str = "$connect";
/// The route of a connection that has ended. It may be left out.
pub const DISCONNECT: &str = "$disconnect";

/// API Gateway's event for a WebSocket connection: what of it is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SocketEvent {
    /// Whose it is.
    pub request_context: SocketContext,
    /// Of a connection that opens.
    #[serde(default)]
    pub query_string_parameters: Option<BTreeMap<String, String>>,
    /// What was said.
    #[serde(default)]
    pub body: Option<String>,
}

/// The part of the event that names the connection.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SocketContext {
    /// `$connect`, `$disconnect`, `$default`.
    pub route_key: String,
    /// Which connection.
    pub connection_id: ConnectionId,
}

impl SocketEvent {
    /// A parameter of the address that was connected to.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query_string_parameters.as_ref()?.get(name).map(String::as_str)
    }
}

/// The answer to such an event. A connection opens with 200 and not otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SocketReply {
    /// As of HTTP.
    pub status_code: u16,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase", deny_unknown_fields)]
pub enum Command {
    /// Tell me of these, too.
    Subscribe {
        /// Which sections.
        #[serde(default)]
        sections: BTreeSet<SectionId>,
        /// What the client has of them already.
        #[serde(default)]
        versions: BTreeMap<SectionId, u64>,
        /// The counts.
        #[serde(default)]
        counts: bool,
    },
    /// No longer of these.
    Unsubscribe {
        /// Which sections.
        #[serde(default)]
        sections: BTreeSet<SectionId>,
        /// The counts.
        #[serde(default)]
        counts: bool,
    },
    /// I am still here.
    Ping {
        /// What the client has.
        #[serde(default)]
        versions: BTreeMap<SectionId, u64>,
    },
}

/// What a client is told.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum Told<'a> {
    /// A section, whole.
    Section {
        /// Of which show.
        show_id: ShowId,
        /// Its seats, as `GET …/sections/{sectionId}/availability` has them.
        #[serde(flatten)]
        states: SectionStates<'a>,
    },
    /// A show's counts, as `GET …/availability` has them.
    Counts(ShowStates<'a>),
    /// All that the connection follows now.
    Subscribed {
        /// Of which show.
        show_id: ShowId,
        /// Which sections.
        sections: &'a BTreeSet<SectionId>,
        /// The counts.
        counts: bool,
    },
    /// The answer to a ping.
    Pong,
    /// There are too many: the connection ends.
    Poll {
        /// Not to be tried again before.
        retry_after_seconds: u32,
    },
    /// What was asked for was not done.
    Error {
        /// Of the list in `docs/live.md`.
        slug: &'static str,
        /// For people.
        detail: String,
        /// Those that the plan does not have.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        sections: Vec<SectionId>,
    },
}

impl Told<'_> {
    /// The message's text.
    ///
    /// # Panics
    /// Never: ids, numbers and text always have JSON.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("ids, numbers and text always have JSON")
    }
}

#[cfg(test)]
mod tests {
    use domain::availability::SectionAvailability;

    use super::*;

    fn section() -> domain::plan::Section {
        let seat = |name: &str| domain::plan::Seat {
            name: name.parse().unwrap(),
            label: name.to_owned(),
            x: 0.0,
            y: 0.0,
            category: "standard".parse().unwrap(),
            accessible: false,
            companion: false,
            obstructed_view: false,
        };
        let seats = ["1", "2", "3", "4", "5"].map(seat).into();
        let row = domain::plan::Row { id: "r1".parse().unwrap(), label: "1".to_owned(), whole: false, seats };
        domain::plan::Section { id: "A".parse().unwrap(), name: "A".to_owned(), rows: vec![row] }
    }

    #[test]
    fn commands_are_those_of_the_contract_and_nothing_else() {
        let set = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<BTreeSet<SectionId>>();
        let versions = BTreeMap::from([("B".parse().unwrap(), 41)]);
        let text = r#"{"action":"subscribe","sections":["A","B"],"versions":{"B":41},"counts":true}"#;
        let expected = Command::Subscribe { sections: set(&["A", "B"]), versions: versions.clone(), counts: true };
        assert_eq!(serde_json::from_str::<Command>(text).unwrap(), expected);
        let expected = Command::Unsubscribe { sections: set(&["A"]), counts: false };
        assert_eq!(serde_json::from_str::<Command>(r#"{"action":"unsubscribe","sections":["A"]}"#).unwrap(), expected);
        let ping = |versions| Command::Ping { versions };
        assert_eq!(serde_json::from_str::<Command>(r#"{"action":"ping"}"#).unwrap(), ping(BTreeMap::new()));
        let text = r#"{"action":"ping","versions":{"B":41}}"#;
        assert_eq!(serde_json::from_str::<Command>(text).unwrap(), ping(versions));
        for text in [
            "",
            "[]",
            "{}",
            r#"{"action":"shout"}"#,
            r#"{"action":"ping","more":1}"#,
            r#"{"action":"subscribe","sections":["a b"]}"#,
            r#"{"action":"subscribe","sections":"A"}"#,
            r#"{"action":"subscribe","versions":{"A":-1}}"#,
        ] {
            assert!(serde_json::from_str::<Command>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn messages_are_those_of_the_contract() {
        let show_id: ShowId = "shw_00000000000000000000000000000001".parse().unwrap();
        let section = section();
        let states = SectionAvailability { version: 17, ..SectionAvailability::default() };
        let told = Told::Section { show_id, states: SectionStates::new(&section, &states) };
        let expected =
            format!(r#"{{"type":"section","showId":"{show_id}","sectionId":"A","version":17,"seats":"AAA="}}"#);
        assert_eq!(told.text(), expected);
        let since = "2026-11-22T15:00:00Z".parse().unwrap();
        let sections = [(&section.id, 5, &states)].into_iter();
        let area = "pit".parse().unwrap();
        let told = Told::Counts(ShowStates::new(show_id, since, sections, [(&area, 3)].into_iter()));
        let counts = r#"{"sectionId":"A","total":5,"available":5,"held":0,"sold":0,"blocked":0,"version":17}"#;
        let expected = format!(
            r#"{{"type":"counts","showId":"{show_id}","asOf":"2026-11-22T15:00:00Z","sections":[{counts}],"areas":[{{"areaId":"pit","remaining":3}}]}}"#
        );
        assert_eq!(told.text(), expected);
        let told = Told::Subscribed { show_id, sections: &BTreeSet::from([section.id.clone()]), counts: false };
        assert_eq!(
            told.text(),
            format!(r#"{{"type":"subscribed","showId":"{show_id}","sections":["A"],"counts":false}}"#)
        );
        assert_eq!(Told::Pong.text(), r#"{"type":"pong"}"#);
        assert_eq!(Told::Poll { retry_after_seconds: 30 }.text(), r#"{"type":"poll","retryAfterSeconds":30}"#);
        let error = |sections| Told::Error { slug: "unknown-section", detail: "no".to_owned(), sections };
        assert_eq!(error(Vec::new()).text(), r#"{"type":"error","slug":"unknown-section","detail":"no"}"#);
        let expected = r#"{"type":"error","slug":"unknown-section","detail":"no","sections":["A"]}"#;
        assert_eq!(error(vec![section.id.clone()]).text(), expected);
    }
}
