//! `cargo xtask verify-draw`: was the draw fair? Computes it again, from what a waiting room tells everybody and from the
//! places that people hold up, with nothing of the platform's own code: buyers, journalists and auditors can do the same
//! with any tool that knows SHA-256.
//!
//! - the commitment is SHA-256 of the secret's text;
//! - a buyer at a show is the first 32 digits of SHA-256 of `usher place\n<show>\n<user>`, the last part of their place;
//! - what is drawn for them is the first 32 digits of HMAC-SHA256, under the secret's text, of those 32 digits;
//! - places that begin with `0-` come in the order of what was drawn, before all that begin with `1-`, which come as they
//!   are, as text;
//! - whose turn is not behind `serving` is served.

use std::{collections::HashSet, fmt::Write as _, fs, path::PathBuf};

use clap::Args;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::http::Http;

/// Places that one file may have.
const PLACES_MAX: usize = 1_000_000;
/// Turns that are printed, at most.
const PRINTED_MAX: usize = 50;

/// Where the room is, and whose places to look at.
#[derive(Args)]
pub(crate) struct VerifyDraw {
    /// A running Usher: `http://127.0.0.1:3000`.
    #[arg(long, required_unless_present_any = ["state", "record"], conflicts_with = "state")]
    url: Option<String>,
    /// What `GET /v1/shows/{showId}/queue` answered, in a file, in place of asking now.
    #[arg(long)]
    state: Option<PathBuf>,
    /// The commitment as it was told before the opening, to hold against the one told now.
    #[arg(long)]
    commitment: Option<String>,
    /// The show.
    #[arg(long, required_unless_present = "record", default_value = "")]
    show: String,
    /// A buyer's user id and place with a space between: `ada 0-1795359600123-…`. Again for each.
    #[arg(long = "place", value_name = "USER PLACE")]
    places: Vec<String>,
    /// A file of such lines: in the order in which people were let in, when it is to be checked that nobody was passed over
    /// (see `--in-order`).
    #[arg(long)]
    file: Option<PathBuf>,
    /// The lines of the file are in the order of admission.
    #[arg(long, requires = "file")]
    in_order: bool,
    /// The record that a rehearsal leaves of its draw: everybody's place, who was let in, and what the room told, first and
    /// last. Nothing else is needed then.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["url", "state", "show", "commitment", "places", "file"])]
    record: Option<PathBuf>,
}

/// What a room tells.
#[derive(Debug, PartialEq)]
struct Told {
    commitment: String,
    secret: String,
    serving: String,
}

/// A buyer with the place that they hold up.
#[derive(Clone, Debug, PartialEq)]
struct Claimed {
    user: String,
    place: String,
}

/// Checks all of it. An error says what is wrong.
pub(crate) fn verify_draw(arguments: &VerifyDraw) -> Result<(), String> {
    if let Some(file) = &arguments.record {
        let text = fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()))?;
        print!("{}", verify_record(&text)?);
        return Ok(());
    }
    let state = match (&arguments.state, &arguments.url) {
        (Some(file), _) => fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()))?,
        (None, Some(url)) => {
            let path = format!("{}/v1/shows/{}/queue", url.trim_end_matches('/'), arguments.show);
            Http::new().get(&path)?.expect("the room", 200)?.text()
        }
        (None, None) => return Err("say where: --url or --state".to_owned()),
    };
    let told = Told::read(&state)?;
    told.check(arguments.commitment.as_deref())?;
    println!("the secret is what was committed to: {}", told.commitment);
    let mut claimed = arguments.places.iter().map(|line| Claimed::read(line)).collect::<Result<Vec<_>, _>>()?;
    if let Some(file) = &arguments.file {
        let text = fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()))?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            claimed.push(Claimed::read(line)?);
        }
    }
    if claimed.len() > PLACES_MAX {
        return Err(format!("more than {PLACES_MAX} places"));
    }
    let turns = turns(&told.secret, &arguments.show, &claimed)?;
    if arguments.in_order {
        check_order(&turns)?;
        println!("{} people were let in, in the order of their turns", turns.len());
    }
    print!("{}", table(&told.serving, turns));
    Ok(())
}

/// Of what a rehearsal leaves: every place is its user's own, the secret is what was committed to, and whoever was let in
/// is served.
fn verify_record(text: &str) -> Result<String, String> {
    let record: Value = serde_json::from_str(text).map_err(|why| format!("the record is not JSON: {why}"))?;
    let no_record = || "not the record of a draw".to_owned();
    let told = Told::read(&record["room"].to_string())?;
    told.check(Some(record["commitment"].as_str().ok_or_else(no_record)?))?;
    let places = record["places"].as_object().ok_or_else(no_record)?.iter();
    let claimed = places.map(|(user, place)| Claimed::read(&format!("{user} {}", place.as_str().unwrap_or_default())));
    let show = record["show"].as_str().ok_or_else(no_record)?;
    let turns = turns(&told.secret, show, &claimed.collect::<Result<Vec<_>, _>>()?)?;
    let served: HashSet<&str> =
        turns.iter().filter(|(turn, _)| *turn <= told.serving).map(|(_, user)| user.as_str()).collect();
    let admitted = record["admitted"].as_array().ok_or_else(no_record)?;
    if let Some(user) = admitted.iter().find(|user| !user.as_str().is_some_and(|user| served.contains(user))) {
        return Err(format!("{user} was let in, and their turn has not come"));
    }
    let (commitment, admitted) = (&told.commitment, admitted.len());
    Ok(format!(
        "the secret is what was committed to: {commitment}\n{admitted} people were let in, each of them served\n{}",
        table(&told.serving, turns)
    ))
}

impl Told {
    fn read(text: &str) -> Result<Self, String> {
        let state: Value = serde_json::from_str(text).map_err(|why| format!("the room's state is not JSON: {why}"))?;
        let text = |name: &str| state[name].as_str().map(str::to_owned);
        let (Some(commitment), Some(serving)) = (text("commitment"), text("serving")) else {
            return Err(format!("not a room's state: {state}"));
        };
        let secret = text("secret").ok_or("the secret is not told yet: it is, a moment after the opening")?;
        Ok(Self { commitment, secret, serving })
    }

    fn check(&self, before: Option<&str>) -> Result<(), String> {
        let computed = hex(&Sha256::digest(&self.secret));
        if computed != self.commitment {
            return Err(format!(
                "the secret is not the one committed to: its SHA-256 is {computed}, not {}",
                self.commitment
            ));
        }
        match before.map(str::trim) {
            Some(before) if before != self.commitment => {
                Err(format!("the commitment was {before} before the opening, and is {} now", self.commitment))
            }
            _ => Ok(()),
        }
    }
}

impl Claimed {
    /// `<user> <place>`: the place has no space, a user may have.
    fn read(line: &str) -> Result<Self, String> {
        let parts = line.trim_end().rsplit_once([' ', '\t']);
        let (user, place) = parts.ok_or_else(|| format!("not a user and a place: {line}"))?;
        let parts: Vec<&str> = place.split('-').collect();
        let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_hexdigit());
        match parts.as_slice() {
            ["0" | "1", arrival, hash] if digits(arrival, 13) && digits(hash, 32) => {
                Ok(Self { user: user.trim().to_owned(), place: place.to_owned() })
            }
            _ => Err(format!("not a place: {place}")),
        }
    }
}

/// Each place's turn, with whose it is, in the order given.
fn turns(secret: &str, show: &str, claimed: &[Claimed]) -> Result<Vec<(String, String)>, String> {
    let turn = |claimed: &Claimed| {
        let Claimed { user, place } = claimed;
        let hash = hex(&Sha256::digest(format!("usher place\n{show}\n{user}")))[..32].to_owned();
        if !place.ends_with(&hash) {
            return Err(format!("{place} is not a place of {user} at {show}: theirs ends in {hash}"));
        }
        let turn = if place.starts_with("0-") {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
            mac.update(hash.as_bytes());
            format!("0-0000000000000-{}", &hex(&mac.finalize().into_bytes())[..32])
        } else {
            place.clone()
        };
        Ok((turn, user.clone()))
    };
    claimed.iter().map(turn).collect()
}

/// Nobody was let in before somebody whose turn came earlier.
fn check_order(turns: &[(String, String)]) -> Result<(), String> {
    for pair in turns.windows(2) {
        let [(earlier, before), (later, after)] = pair else { continue };
        if earlier > later {
            return Err(format!("{before} ({earlier}) was let in before {after} ({later}), whose turn came first"));
        }
    }
    Ok(())
}

/// The turns in order, and who is served.
fn table(serving: &str, mut turns: Vec<(String, String)>) -> String {
    turns.sort();
    let mut text = String::new();
    for (number, (turn, user)) in turns.iter().take(PRINTED_MAX).enumerate() {
        let served = if turn.as_str() <= serving { "served" } else { "waits" };
        let _ = writeln!(text, "{:>6}. {turn}  {served:<6}  {user}", number + 1);
    }
    if turns.len() > PRINTED_MAX {
        let _ = writeln!(text, "        … and {} more", turns.len() - PRINTED_MAX);
    }
    let served = turns.iter().filter(|(turn, _)| turn.as_str() <= serving).count();
    let _ = writeln!(text, "{served} of {} are served", turns.len());
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SHOW: &str = "shw_00000000000000000000000000000007";

    fn told(commitment: &str, secret: Option<&str>) -> String {
        let serving = format!("0-0000000000000-{}", "8".repeat(32));
        json!({"phase": "OPEN", "serving": serving, "commitment": commitment, "secret": secret}).to_string()
    }

    fn secret() -> String {
        "ab".repeat(32)
    }

    /// The very values that the platform's own test has, from other tools.
    const ADA: &str = "0-1795359600123-00cca5e3dcf843bff955f19d14ff4492";
    const ADAS_TURN: &str = "0-0000000000000-678474d0b1253c22d18bb4dec66130ea";
    const COMMITMENT: &str = "271a413bd339c5709fdceaec41f14f11e9fbfb5042d72d331c65f32b284cd09a";

    #[test]
    fn a_secret_is_held_against_its_commitment_and_the_one_before() {
        let honest = Told::read(&told(COMMITMENT, Some(&secret()))).unwrap();
        assert_eq!(honest.check(None), Ok(()));
        assert_eq!(honest.check(Some(COMMITMENT)), Ok(()));
        assert!(honest.check(Some(&"00".repeat(32))).unwrap_err().contains("before the opening"));
        let swapped = Told::read(&told(COMMITMENT, Some(&"cd".repeat(32)))).unwrap();
        assert!(swapped.check(None).unwrap_err().contains("not the one committed to"));
        assert!(Told::read(&told(COMMITMENT, None)).unwrap_err().contains("not told yet"));
        for text in ["", "{}", "[1]"] {
            assert!(Told::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_place_is_its_buyers_own_and_its_turn_is_what_was_drawn() {
        let ada = Claimed::read(&format!("ada {ADA}")).unwrap();
        assert_eq!(
            turns(&secret(), SHOW, std::slice::from_ref(&ada)),
            Ok(vec![(ADAS_TURN.to_owned(), "ada".to_owned())])
        );
        let stolen = Claimed { user: "bob".to_owned(), ..ada.clone() };
        assert!(turns(&secret(), SHOW, &[stolen]).unwrap_err().contains("is not a place of bob"));
        let later = ADA.replacen('0', "1", 1);
        let line = Claimed { place: later.clone(), ..ada };
        assert_eq!(turns(&secret(), SHOW, &[line]).unwrap()[0].0, later, "after the opening, the place is the turn");
    }

    #[test]
    fn whoever_was_passed_over_is_named() {
        let turn = |at: u32, user: &str| (format!("1-{at:013}-0"), user.to_owned());
        assert_eq!(check_order(&[turn(1, "ada"), turn(1, "ada"), turn(2, "bob")]), Ok(()));
        let wrong = check_order(&[turn(1, "ada"), turn(3, "cy"), turn(2, "bob")]).unwrap_err();
        assert!(wrong.starts_with("cy ") && wrong.contains("before bob"), "{wrong}");
        let text = table(&turn(1, "").0, vec![turn(2, "bob"), turn(1, "ada")]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("served") && lines[0].ends_with("ada") && lines[1].contains("waits"), "{text}");
        assert_eq!(lines[2], "1 of 2 are served");
    }

    #[test]
    fn a_record_of_a_rehearsal_is_checked_as_a_whole() {
        let record = |commitment: &str, user: &str, serving: &str, admitted: &[&str]| {
            let room = json!({"commitment": COMMITMENT, "serving": serving, "secret": secret()});
            let record = json!({
                "show": SHOW, "commitment": commitment, "room": room, "places": {user: ADA}, "admitted": admitted,
            });
            verify_record(&record.to_string())
        };
        let right = record(COMMITMENT, "ada", ADAS_TURN, &["ada"]).unwrap();
        assert!(right.contains("1 people were let in") && right.ends_with("1 of 1 are served\n"), "{right}");
        let ahead = "0-0000000000000-00000000000000000000000000000000";
        assert!(record(COMMITMENT, "ada", ahead, &[]).unwrap().ends_with("0 of 1 are served\n"));
        for (wrong, why) in [
            (record(&"00".repeat(32), "ada", ADAS_TURN, &[]), "before the opening"),
            (record(COMMITMENT, "bob", ADAS_TURN, &[]), "is not a place of bob"),
            (record(COMMITMENT, "ada", ahead, &["ada"]), "their turn has not come"),
            (record(COMMITMENT, "ada", ADAS_TURN, &["eve"]), "was let in"),
            (verify_record("{}"), "not a room's state"),
        ] {
            assert!(wrong.unwrap_err().contains(why), "{why}");
        }
    }

    #[test]
    fn a_line_is_a_user_and_a_place() {
        let place = format!("1-1795359600123-{}", "0a".repeat(16));
        for user in ["ada", "google-oauth2|1155", "two words"] {
            assert_eq!(Claimed::read(&format!("{user} {place}")).unwrap().user, user);
            assert_eq!(Claimed::read(&format!("{user}\t{place}\r\n")).unwrap().place, place);
        }
        for wrong in ["", "ada", "ada 1-2-3", "ada 2-1795359600123-0a", &format!("{place} ada")] {
            assert!(Claimed::read(wrong).is_err(), "{wrong}");
        }
    }
}
