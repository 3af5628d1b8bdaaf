//! From what people call things to ids that are safe in URLs and keys.
//!
//! Deterministic and stable: the same document gives the same ids, and what is appended to it changes no id before.

use std::collections::{HashMap, HashSet};

use deunicode::deunicode_with_tofu;
use unicode_normalization::UnicodeNormalization;

use crate::ids::SLUG_CHARS_MAX;

/// Whether letters keep their case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// Rows and seats: `A` is what stands on the row.
    Kept,
    /// Names of sections, areas and categories: ids that people type.
    Lowered,
}

/// `text` in ASCII letters, digits, `_` and single `-`; empty if nothing of it can be spelled so.
///
/// Never `.` or `..`, which a URL would not keep.
pub(super) fn slug(text: &str, case: Case) -> String {
    // A letter and its marks are one letter, however they are encoded.
    let composed: String = text.nfc().collect();
    let mut slug = String::new();
    for c in deunicode_with_tofu(&composed, "").chars() {
        if slug.len() >= SLUG_CHARS_MAX {
            break;
        }
        match (c.is_ascii_alphanumeric() || c == '_', case) {
            (true, Case::Kept) => slug.push(c),
            (true, Case::Lowered) => slug.push(c.to_ascii_lowercase()),
            (false, _) if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            (false, _) => {}
        }
    }
    trimmed(slug)
}

fn trimmed(mut slug: String) -> String {
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

/// Hands out names that are unique in their scope: the second `A` is `A-2`.
#[derive(Default)]
pub(super) struct Namer {
    taken: HashSet<String>,
    /// The suffix to try next, by name: many equal names must not cost a search each.
    next: HashMap<String, u32>,
}

impl Namer {
    /// `wanted` (a slug), or `wanted-2`, `wanted-3`, …: the first that nobody before got.
    pub(super) fn claim(&mut self, wanted: &str) -> String {
        if self.taken.insert(wanted.to_owned()) {
            return wanted.to_owned();
        }
        let next = self.next.entry(wanted.to_owned()).or_insert(2);
        loop {
            let suffix = format!("-{next}");
            *next += 1;
            let mut name = wanted.to_owned();
            name.truncate(SLUG_CHARS_MAX - suffix.len());
            let name = trimmed(name) + &suffix;
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::is_slug;

    #[test]
    fn names_of_any_script_become_slugs() {
        for (name, expected) in [
            ("Main", "main"),
            ("Balcony (left)", "balcony-left"),
            ("Größe Ütz", "grosse-utz"),
            ("u\u{308}ber", "uber"),
            ("アリーナ", "arina"),
            ("北京", "bei-jing"),
            ("１２", "12"),
            ("١٢", "12"),
            ("..", ""),
            ("…", ""),
            ("", ""),
            ("a.b~c_d", "a-b-c_d"),
            ("x/../y", "x-y"),
            ("an exceedingly long name of a section", "an-exceedingly-long-name-of-a-se"),
            ("an exceedingly long name of a s ection", "an-exceedingly-long-name-of-a-s"),
        ] {
            assert_eq!(slug(name, Case::Lowered), expected, "{name}");
        }
        assert_eq!(slug("AA", Case::Kept), "AA");
        for name in ["पंक्ति", "صف", "ряд", "แถว", "열"] {
            assert!(is_slug(&slug(name, Case::Lowered)), "{name}");
        }
    }

    #[test]
    fn the_second_of_a_name_is_numbered() {
        let mut namer = Namer::default();
        let names = ["A", "A", "A-2", "A", "B", "a"].map(|name| namer.claim(name));
        assert_eq!(names, ["A", "A-2", "A-2-2", "A-3", "B", "a"]);
    }

    proptest! {
        #[test]
        fn claimed_names_are_slugs_and_unique(names in proptest::collection::vec("[a-c-]{1,3}|[ab]{31,32}|\\PC{0,40}", 0..60)) {
            let mut namer = Namer::default();
            let mut seen = HashSet::new();
            for (index, name) in names.iter().enumerate() {
                let wanted = Some(slug(name, Case::Kept)).filter(|slug| !slug.is_empty());
                let claimed = namer.claim(&wanted.unwrap_or_else(|| format!("row-{index}")));
                prop_assert!(is_slug(&claimed), "{:?}", claimed);
                prop_assert!(seen.insert(claimed));
            }
        }
    }
}
