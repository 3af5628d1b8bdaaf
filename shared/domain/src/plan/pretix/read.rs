//! Reading a JSON document that people wrote: every fault is kept with its place, and reading goes on.

use std::fmt;

use serde_json::{Map, Value};

use crate::{Fault, plan::COORDINATE_UNITS_MAX};

/// Faults named in an answer; the last one then says how many more there are.
pub const FAULTS_MAX: usize = 100;
/// Characters of the document that a fault repeats.
const QUOTE_CHARS_MAX: usize = 40;

/// Where in the document something is. Displays as a JSON pointer (RFC 6901).
///
/// A chain of borrowed parts: the text is made only for what has a fault. Keys are this format's own, so none holds a
/// `/` or `~` that would need escaping.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    part: Part,
}

#[derive(Clone, Copy)]
enum Part {
    Root,
    Key(&'static str),
    Index(usize),
}

impl<'a> Place<'a> {
    /// The whole document.
    pub(super) const ROOT: Place<'static> = Place { parent: None, part: Part::Root };

    pub(super) fn key(&'a self, key: &'static str) -> Self {
        Self { parent: Some(self), part: Part::Key(key) }
    }

    pub(super) fn index(&'a self, index: usize) -> Self {
        Self { parent: Some(self), part: Part::Index(index) }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}")?;
        }
        match self.part {
            Part::Root => Ok(()),
            Part::Key(key) => write!(f, "/{key}"),
            Part::Index(index) => write!(f, "/{index}"),
        }
    }
}

/// The faults found so far, bounded.
#[derive(Default)]
pub(super) struct Faults {
    named: Vec<Fault>,
    count: usize,
}

impl Faults {
    /// `detail` is wrong at `place`.
    pub(super) fn add(&mut self, place: &Place<'_>, detail: fmt::Arguments<'_>) {
        self.count += 1;
        if self.named.len() < FAULTS_MAX {
            self.named.push(Fault::new(place.to_string(), detail.to_string()));
        }
    }

    /// All of them, at most [`FAULTS_MAX`]; empty if the document is sound.
    pub(super) fn into_list(mut self) -> Vec<Fault> {
        if self.count > FAULTS_MAX {
            self.named.truncate(FAULTS_MAX - 1);
            let more = self.count - self.named.len();
            self.named.push(Fault::new("", format!("{more} more faults were found")));
        }
        self.named
    }
}

/// Text of the document as a fault repeats it: quoted and short.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(QUOTE_CHARS_MAX) {
            Some((end, _)) => write!(f, "\"{}…\"", &self.0[..end]),
            None => write!(f, "\"{}\"", self.0),
        }
    }
}

/// What a JSON value is, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A position in the units of the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

impl std::ops::Add for Point {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { x: self.x + other.x, y: self.y + other.y }
    }
}

/// An object of the document, with its place. Unknown members are nobody's business.
#[derive(Clone, Copy)]
pub(super) struct Object<'a> {
    map: &'a Map<String, Value>,
    pub(super) place: Place<'a>,
}

impl<'a> Object<'a> {
    pub(super) fn new(value: &'a Value, place: Place<'a>, faults: &mut Faults) -> Option<Self> {
        match value {
            Value::Object(map) => Some(Self { map, place }),
            other => {
                faults.add(&place, format_args!("an object is expected here, not {}", kind(other)));
                None
            }
        }
    }

    /// The member of that name; `null` counts as absent.
    pub(super) fn get(&self, key: &'static str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// Says that the member is missing. The place is the object's: the member has none.
    pub(super) fn missing(&self, key: &'static str, faults: &mut Faults) {
        faults.add(&self.place, format_args!("`{key}` is missing"));
    }

    /// A list; an absent or ill-typed one is `None`.
    pub(super) fn list(&self, key: &'static str, faults: &mut Faults) -> Option<&'a [Value]> {
        match self.get(key)? {
            Value::Array(list) => Some(list),
            other => {
                faults.add(&self.place.key(key), format_args!("a list is expected here, not {}", kind(other)));
                None
            }
        }
    }

    /// A list that must be there; an absent or ill-typed one is `None`.
    pub(super) fn required_list(&self, key: &'static str, faults: &mut Faults) -> Option<&'a [Value]> {
        if self.get(key).is_none() {
            self.missing(key, faults);
        }
        self.list(key, faults)
    }

    /// A name or a number that serves as one, runs of white space and control characters made one space.
    /// `None` if absent, blank or at fault.
    pub(super) fn text(&self, key: &'static str, chars_max: usize, faults: &mut Faults) -> Option<String> {
        let text = match self.get(key)? {
            Value::String(text) => tidy(text),
            // Hand-made files number rows and seats with numbers.
            Value::Number(number) if number.is_u64() || number.is_i64() => number.to_string(),
            other => {
                faults.add(&self.place.key(key), format_args!("text is expected here, not {}", kind(other)));
                return None;
            }
        };
        if text.chars().count() > chars_max {
            faults.add(&self.place.key(key), format_args!("{} is longer than {chars_max} characters", Quoted(&text)));
            return None;
        }
        Some(text).filter(|text| !text.is_empty())
    }

    /// As [`Object::text`], and it is a fault if there is none.
    pub(super) fn required_text(&self, key: &'static str, chars_max: usize, faults: &mut Faults) -> Option<String> {
        match self.get(key) {
            None => self.missing(key, faults),
            Some(Value::String(text)) if tidy(text).is_empty() => {
                faults.add(&self.place.key(key), format_args!("`{key}` must not be empty"));
            }
            Some(_) => return self.text(key, chars_max, faults),
        }
        None
    }

    /// A flag under the first of its spellings that is present; `false` if none is.
    pub(super) fn flag(&self, spellings: &[&'static str], faults: &mut Faults) -> bool {
        let Some((key, value)) = spellings.iter().find_map(|&key| Some((key, self.get(key)?))) else {
            return false;
        };
        value.as_bool().unwrap_or_else(|| {
            faults.add(&self.place.key(key), format_args!("true or false is expected here, not {}", kind(value)));
            false
        })
    }

    /// The member of that name, `{x, y}`; `None` if absent, the origin if at fault.
    pub(super) fn point(&self, key: &'static str, faults: &mut Faults) -> Option<Point> {
        let place = self.place.key(key);
        let value = self.get(key)?;
        let Some(point) = Object::new(value, place, faults) else { return Some(Point::default()) };
        Some(Point { x: point.coordinate("x", faults), y: point.coordinate("y", faults) })
    }

    /// The member `position`.
    pub(super) fn position(&self, faults: &mut Faults) -> Option<Point> {
        self.point("position", faults)
    }

    /// As [`Object::position`], and it is a fault if there is none.
    pub(super) fn required_position(&self, faults: &mut Faults) -> Point {
        if self.get("position").is_none() {
            self.missing("position", faults);
        }
        self.position(faults).unwrap_or_default()
    }

    fn coordinate(&self, key: &'static str, faults: &mut Faults) -> f64 {
        match self.get(key).map(|value| (value, value.as_f64())) {
            Some((_, Some(units))) if units.abs() <= COORDINATE_UNITS_MAX => return units,
            Some((value, Some(_))) => faults.add(
                &self.place.key(key),
                format_args!("{value} is off any plan: at most {COORDINATE_UNITS_MAX} units either way"),
            ),
            Some((value, None)) => {
                faults.add(&self.place.key(key), format_args!("a number is expected here, not {}", kind(value)));
            }
            None => self.missing(key, faults),
        }
        0.0
    }
}

/// `text` with runs of white space and control characters made one space, and none at its ends.
fn tidy(text: &str) -> String {
    let parts = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(" ")
}
