//! How people find events: words that compare alike however they are typed, and which show a search finds first.

use std::collections::BTreeSet;

use deunicode::deunicode_char;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::{
    Timestamp,
    catalogue::{Category, Listed, ListedShow, ListedVenue},
    ids::VenueId,
};

/// Words that an event is found by, at most: of its title first, then of its artists.
pub const EVENT_WORDS_MAX: usize = 32;
/// Words of a venue's name that its shows are found by, at most.
pub const VENUE_WORDS_MAX: usize = 12;
/// Words of a search, at most; the rest do not count.
pub const SEARCH_WORDS_MAX: usize = 8;
/// A word is cut to this many characters.
pub const WORD_CHARS_MAX: usize = 40;

/// The first `max` distinct words of `texts`, as they compare: compatibility forms unified, lower case, Latin letters
/// without their marks. Other scripts stay as they are; a Chinese or Japanese character is a word of its own, because
/// nothing separates words there.
#[must_use]
pub fn words<'a>(texts: impl IntoIterator<Item = &'a str>, max: usize) -> Vec<String> {
    let mut found = Vec::new();
    for text in texts {
        let mut word = String::new();
        for letter in text.nfkc().flat_map(char::to_lowercase) {
            if stands_alone(letter) {
                keep(&mut found, &mut word, max);
                word.push(letter);
                keep(&mut found, &mut word, max);
            } else if letter.is_alphanumeric() || is_combining_mark(letter) {
                push_folded(&mut word, letter);
            } else if !matches!(letter, '\'' | '’') {
                keep(&mut found, &mut word, max);
            }
        }
        keep(&mut found, &mut word, max);
    }
    found
}

/// A city as browsing compares it: its words, joined. `São Paulo` is `sao-paulo`.
#[must_use]
pub fn city_key(city: &str) -> String {
    words([city], SEARCH_WORDS_MAX).join("-")
}

/// Takes `word` into `found` unless it is there, and empties it.
fn keep(found: &mut Vec<String>, word: &mut String, max: usize) {
    let whole: String = std::mem::take(word).chars().take(WORD_CHARS_MAX).collect();
    if !whole.is_empty() && found.len() < max && !found.contains(&whole) {
        found.push(whole);
    }
}

fn push_folded(word: &mut String, letter: char) {
    let is_latin = letter <= '\u{024f}' || ('\u{1e00}'..='\u{1eff}').contains(&letter);
    if is_latin {
        let plain = deunicode_char(letter).unwrap_or_default();
        word.extend(plain.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()));
    } else if !('\u{0300}'..='\u{036f}').contains(&letter) {
        word.push(letter);
    }
}

fn stands_alone(letter: char) -> bool {
    matches!(letter, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{323af}')
}

/// Which venue a search asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VenueFilter {
    /// This one.
    Id(VenueId),
    /// Every venue whose name has all of these words.
    Words(Vec<String>),
}

/// What somebody looks for. Everything given must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The city, as [`city_key`] makes it.
    pub city: Option<String>,
    /// What kind of thing.
    pub category: Option<Category>,
    /// Words of the title, the artists or the venue of one show.
    pub words: Vec<String>,
    /// Where.
    pub venue: Option<VenueFilter>,
    /// Shows that start at this time or later.
    pub from: Timestamp,
    /// Shows that start at this time or earlier.
    pub to: Option<Timestamp>,
}

impl Search {
    /// The shows of `listed` that this search finds, earliest first. Cancelled shows are not found.
    #[must_use]
    pub fn shows_of<'a>(&self, listed: &'a Listed) -> Vec<(&'a ListedShow, &'a ListedVenue)> {
        let event = &listed.event;
        let elsewhere = self.city.as_ref().is_some_and(|city| *city != city_key(&event.city));
        if elsewhere || self.category.is_some_and(|category| category != event.category) {
            return Vec::new();
        }
        let own: BTreeSet<String> = event_words(listed).into_iter().collect();
        let fits = |venue: &ListedVenue| {
            let name: BTreeSet<String> = venue_words(&venue.name).into_iter().collect();
            let asked = match &self.venue {
                None => true,
                Some(VenueFilter::Id(id)) => *id == venue.id,
                Some(VenueFilter::Words(words)) => words.iter().all(|word| name.contains(word)),
            };
            asked && self.words.iter().all(|word| own.contains(word) || name.contains(word))
        };
        let venues: Vec<Option<&ListedVenue>> =
            listed.venues.iter().map(|venue| fits(venue).then_some(venue)).collect();
        let mut shows: Vec<_> = listed
            .shows
            .iter()
            .filter(|show| {
                !show.cancelled && show.starts_at >= self.from && self.to.is_none_or(|to| show.starts_at <= to)
            })
            .filter_map(|show| Some((show, (*venues.get(usize::from(show.venue))?)?)))
            .collect();
        shows.sort_by_key(|(show, _)| (show.starts_at, show.id));
        shows
    }
}

/// The words that an event itself is found by.
#[must_use]
pub fn event_words(listed: &Listed) -> Vec<String> {
    let texts = std::iter::once(listed.event.title.as_str()).chain(listed.event.artists.iter().map(String::as_str));
    words(texts, EVENT_WORDS_MAX)
}

/// The words of a venue's name that its shows are found by.
#[must_use]
pub fn venue_words(name: &str) -> Vec<String> {
    words([name], VENUE_WORDS_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) -> Vec<String> {
        words([text], 100)
    }

    #[test]
    fn words_compare_alike_however_they_are_typed() {
        let cases: [(&str, &[&str]); 10] = [
            ("The Magic Flute", &["the", "magic", "flute"]),
            ("Café  Müller — 2", &["cafe", "muller", "2"]),
            ("Cafe\u{301}", &["cafe"]),
            ("STRASSE Straße", &["strasse"]),
            ("Łódź Øresund", &["lodz", "oresund"]),
            ("Don't stop", &["dont", "stop"]),
            ("ｆｕｌｌ", &["full"]),
            ("東京ドーム live", &["東", "京", "ド", "ー", "ム", "live"]),
            ("दिल से", &["दिल", "से"]),
            ("…!?", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(all(text), expected, "{text}");
        }
        assert_eq!(all("Москва"), all("МОСКВА"));
    }

    #[test]
    fn a_city_is_one_key() {
        assert_eq!(city_key("  são PAULO "), "sao-paulo");
        assert_eq!(city_key("Sao-Paulo"), "sao-paulo");
        assert_eq!(city_key("München"), "munchen");
        assert_eq!(city_key("!"), "");
    }

    proptest! {
        #[test]
        fn words_are_bounded_distinct_and_safe_in_keys(text in ".{0,300}") {
            let found = words([text.as_str()], 7);
            prop_assert!(found.len() <= 7);
            let distinct: BTreeSet<_> = found.iter().collect();
            prop_assert_eq!(distinct.len(), found.len());
            for word in &found {
                prop_assert!(!word.is_empty() && word.chars().count() <= WORD_CHARS_MAX && !word.contains('#'));
            }
        }

        /// What is stored is found again by typing it, in capitals too.
        #[test]
        fn a_word_is_its_own_word(text in "[a-zA-Zäöüßéçñøа-яА-Я0-9 ,.-]{0,40}") {
            let found = all(&text);
            prop_assert_eq!(&words(found.iter().map(String::as_str), 100), &found);
            let capitals = text.to_uppercase();
            prop_assert_eq!(all(&capitals), found);
        }
    }
}
