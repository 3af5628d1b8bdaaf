//! What an organiser may write: each thing wrong is named with its place.

use std::{collections::BTreeMap, ops::RangeInclusive};

use domain::{Fault, Refusal, catalogue::PRICE_MINOR_MAX, ids::CategoryId};

/// A title or a name, in characters.
pub const TITLE_CHARS_MAX: usize = 200;
/// A city, in characters.
pub const CITY_CHARS_MAX: usize = 100;
/// A description, in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 5_000;
/// An artist, in characters.
pub const ARTIST_CHARS_MAX: usize = 100;
/// Artists of one event.
pub const ARTISTS_MAX: usize = 20;
/// Faults that one answer names.
const FAULTS_MAX: usize = 50;

/// Collects what is wrong with a command.
#[derive(Default)]
pub struct Check {
    faults: Vec<Fault>,
}

impl Check {
    /// Notes a fault.
    pub fn fault(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault::new(pointer, detail));
        }
    }

    /// Notes what somebody else found.
    pub fn extend(&mut self, faults: Vec<Fault>) {
        self.faults.extend(faults);
        self.faults.truncate(FAULTS_MAX);
    }

    /// One line of text, trimmed.
    pub fn line(&mut self, pointer: &str, text: &str, chars_max: usize) -> String {
        self.text(pointer, text, chars_max, char::is_control)
    }

    /// Text with line breaks, trimmed.
    pub fn paragraphs(&mut self, pointer: &str, text: &str, chars_max: usize) -> String {
        self.text(pointer, text, chars_max, |c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    }

    fn text(&mut self, pointer: &str, text: &str, chars_max: usize, is_bad: fn(char) -> bool) -> String {
        let text = text.trim();
        if text.is_empty() {
            self.fault(pointer, "it is empty");
        } else if text.chars().count() > chars_max {
            self.fault(pointer, format!("at most {chars_max} characters"));
        } else if text.contains(is_bad) {
            self.fault(pointer, "control characters are not allowed");
        }
        text.to_owned()
    }

    /// A number inside its range.
    pub fn within(&mut self, pointer: &str, number: Option<u32>, range: &RangeInclusive<u32>) {
        if number.is_some_and(|number| !range.contains(&number)) {
            self.fault(pointer, format!("a number from {} to {}", range.start(), range.end()));
        }
    }

    /// Prices by category id. `known` are the categories there are.
    pub fn prices(&mut self, prices: &BTreeMap<String, i64>, known: &[CategoryId]) -> BTreeMap<CategoryId, i64> {
        let mut checked = BTreeMap::new();
        for (category, &minor) in prices {
            let pointer = format!("/prices/{}", escaped(category));
            // A card cannot be charged nothing: free places need a way to be confirmed without a payment.
            if !(1..=PRICE_MINOR_MAX).contains(&minor) {
                self.fault(&pointer, format!("a price is from 1 to {PRICE_MINOR_MAX} minor units"));
            }
            match category.parse::<CategoryId>() {
                Ok(id) if known.contains(&id) => {
                    checked.insert(id, minor);
                }
                _ => self.fault(&pointer, "the plan has no such category"),
            }
        }
        checked
    }

    /// Refuses if anything was wrong.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] with all of it.
    pub fn done(self) -> Result<(), Refusal> {
        if self.faults.is_empty() { Ok(()) } else { Err(Refusal::Invalid(self.faults)) }
    }
}

/// One step of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(check: Check) -> Vec<(String, String)> {
        match check.done() {
            Err(Refusal::Invalid(faults)) => faults.into_iter().map(|f| (f.pointer, f.detail)).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn text_is_trimmed_and_bounded() {
        let mut check = Check::default();
        assert_eq!(check.line("/title", "  Die Zauberflöte ", 200), "Die Zauberflöte");
        assert_eq!(check.paragraphs("/description", "a\nb", 200), "a\nb");
        assert!(faults(check).is_empty());
        for (text, max) in [("", 9), ("   ", 9), ("a\u{0}b", 9), ("a\nb", 9), ("äöü", 2)] {
            let mut check = Check::default();
            check.line("/title", text, max);
            assert_eq!(faults(check).len(), 1, "{text:?}");
        }
    }

    #[test]
    fn a_price_is_of_a_category_of_the_plan() {
        let known = ["gold".parse().unwrap(), "silver".parse().unwrap()];
        let prices = BTreeMap::from([("gold".to_owned(), 1), ("a/b".to_owned(), 1), ("silver".to_owned(), -1)]);
        let mut check = Check::default();
        check.prices(&prices, &known);
        let pointers: Vec<String> = faults(check).into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(pointers, ["/prices/a~1b", "/prices/silver"]);
    }
}
