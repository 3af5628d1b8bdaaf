//! What somebody needs who wants to compute the draw again: who had which place, and what the waiting room told.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::Value;

use crate::history::{History, Outcome, Seen, Step, Who};

/// The record of a draw, for `cargo xtask verify-draw --record`.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DrawRecord {
    show: String,
    /// The commitment as it was first told.
    commitment: String,
    /// The room, as it was last told.
    room: Room,
    /// Everybody's place, by user id.
    places: BTreeMap<String, String>,
    /// Who was let in.
    admitted: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Room {
    commitment: String,
    serving: Option<String>,
    secret: Option<String>,
}

/// The record of a history; nothing where there was no waiting room. `tokens` tell who people are.
pub(crate) fn draw_record(history: &History, tokens: &HashMap<Who, Arc<str>>) -> Option<DrawRecord> {
    let mut looks = history.calls.iter().filter_map(|call| match &call.outcome {
        Outcome::Ok(Seen::Queue { commitment, serving, secret, .. }) => {
            Some(Room { commitment: commitment.clone(), serving: serving.clone(), secret: secret.clone() })
        }
        _ => None,
    });
    let first = looks.next()?;
    let (commitment, room) = (first.commitment.clone(), looks.next_back().unwrap_or(first));
    let (mut places, mut admitted) = (BTreeMap::new(), BTreeSet::new());
    for call in &history.calls {
        let Some(user) = tokens.get(&call.who).and_then(|token| user(token)) else { continue };
        match (&call.step, &call.outcome) {
            (Step::Join, Outcome::Ok(Seen::Place { place, .. })) => drop(places.insert(user, place.clone())),
            (Step::Admission, Outcome::Ok(Seen::Admission { .. })) => drop(admitted.insert(user)),
            _ => {}
        }
    }
    Some(DrawRecord { show: history.stage.show.clone(), commitment, room, places, admitted })
}

/// Whose token it is, as the token says.
fn user(token: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Value>(&claims).ok()?["sub"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Call;

    #[test]
    fn a_record_has_everybody_by_name_with_the_first_commitment_and_the_last_word() {
        let call = |who, step, seen| Call { who, invoked: 0, ended: 0, step, outcome: Outcome::Ok(seen) };
        let look = |serving: Option<&str>, secret: Option<&str>| {
            let seen = Seen::Queue {
                phase: "OPEN".to_owned(),
                serving: serving.map(str::to_owned),
                joined: 2,
                commitment: "c".to_owned(),
                secret: secret.map(str::to_owned),
            };
            call(0, Step::Queue, seen)
        };
        let place = |place: &str| Seen::Place { place: place.to_owned(), position: None };
        let calls = vec![
            look(None, None),
            call(1, Step::Join, place("0-1-a")),
            call(2, Step::Join, place("0-2-b")),
            look(Some("0-0-b"), Some("s")),
            call(2, Step::Admission, Seen::Admission { until: 9 }),
        ];
        let history = History { calls, ..History::default() };
        let token = |claims: &str| Arc::from(format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims)));
        let tokens = HashMap::from([(1, token(r#"{"sub":"ada"}"#)), (2, token(r#"{"sub":"bob"}"#))]);
        let record = draw_record(&history, &tokens).unwrap();
        assert_eq!(record.commitment, "c");
        let room = Room { commitment: "c".to_owned(), serving: Some("0-0-b".to_owned()), secret: Some("s".to_owned()) };
        assert_eq!(record.room, room);
        assert_eq!(
            record.places,
            BTreeMap::from([("ada", "0-1-a"), ("bob", "0-2-b")].map(|(a, b)| (a.to_owned(), b.to_owned())))
        );
        assert_eq!(record.admitted, BTreeSet::from(["bob".to_owned()]));
        assert_eq!(draw_record(&History::default(), &tokens), None);
        assert_eq!(user("no token"), None);
    }
}
