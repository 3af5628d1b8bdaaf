//! Event patterns: what EventBridge rules and stream filters match with.
//!
//! An object matches member by member; an array is a list of alternatives, literals or `{"prefix": …}` / `{"exists": …}`.
//! Any other operator stops the start: better than a rule that never fires.

use serde_json::Value;

/// A checked pattern.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pattern(Node);

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Members(Vec<(String, Node)>),
    AnyOf(Vec<Test>),
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Literal(Value),
    Prefix(String),
    Exists(bool),
}

impl Pattern {
    /// Checks a pattern.
    ///
    /// # Errors
    /// What is not a pattern, or which operator the embedded platform does not know.
    pub(crate) fn new(pattern: &Value) -> Result<Self, String> {
        match Node::new(pattern)? {
            node @ Node::Members(_) => Ok(Self(node)),
            Node::AnyOf(_) => Err("a pattern is an object".to_owned()),
        }
    }

    /// Whether `event` matches.
    #[must_use]
    pub(crate) fn matches(&self, event: &Value) -> bool {
        self.0.matches(Some(event))
    }

    /// Whether an event may match that has the members of `part` and others.
    #[must_use]
    pub(crate) fn may_match(&self, part: &Value) -> bool {
        self.0.may_match(part)
    }
}

impl Node {
    fn new(pattern: &Value) -> Result<Self, String> {
        match pattern {
            Value::Object(members) => {
                let member = |(name, value): (&String, &Value)| Ok((name.clone(), Self::new(value)?));
                Ok(Self::Members(members.iter().map(member).collect::<Result<_, String>>()?))
            }
            Value::Array(tests) => Ok(Self::AnyOf(tests.iter().map(Test::new).collect::<Result<_, _>>()?)),
            other => Err(format!("a pattern has objects and arrays, not {other}")),
        }
    }

    fn may_match(&self, part: &Value) -> bool {
        match self {
            Self::Members(members) => {
                members.iter().all(|(name, node)| part.get(name).is_none_or(|part| node.may_match(part)))
            }
            Self::AnyOf(_) => self.matches(Some(part)),
        }
    }

    fn matches(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Members(members) => {
                members.iter().all(|(name, node)| node.matches(value.and_then(|value| value.get(name))))
            }
            Self::AnyOf(tests) => match value {
                // An array in the event matches when one of its elements does.
                Some(Value::Array(values)) => {
                    values.iter().any(|value| tests.iter().any(|test| test.matches(Some(value))))
                }
                _ => tests.iter().any(|test| test.matches(value)),
            },
        }
    }
}

impl Test {
    fn new(test: &Value) -> Result<Self, String> {
        let Value::Object(operator) = test else { return Ok(Self::Literal(test.clone())) };
        let mut operators = operator.iter();
        match (operators.next(), operators.next()) {
            (Some((name, Value::String(prefix))), None) if name == "prefix" => Ok(Self::Prefix(prefix.clone())),
            (Some((name, Value::Bool(exists))), None) if name == "exists" => Ok(Self::Exists(*exists)),
            _ => Err(format!("unknown operator in an event pattern: {test}")),
        }
    }

    fn matches(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Literal(literal) => value == Some(literal),
            Self::Prefix(prefix) => value.and_then(Value::as_str).is_some_and(|text| text.starts_with(prefix)),
            Self::Exists(exists) => value.is_some() == *exists,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn alternatives_prefixes_and_presence() {
        let keys = |pk: &str| json!({"eventName": "MODIFY", "dynamodb": {"Keys": {"PK": {"S": pk}}}});
        let seats =
            Pattern::new(&json!({"dynamodb": {"Keys": {"PK": {"S": [{"prefix": "SEATS#"}, {"prefix": "AREA#"}]}}}}))
                .unwrap();
        for (pk, expected) in [("SEATS#1", true), ("AREA#2", true), ("AVAIL#1", false), ("SEAT", false)] {
            assert_eq!(seats.matches(&keys(pk)), expected, "{pk}");
            assert_eq!(seats.may_match(&keys(pk)), expected, "{pk}");
        }
        assert!(!seats.matches(&json!({})));
        let kinds = Pattern::new(&json!({"source": ["usher.bookings"], "detail-type": ["A", "B"]})).unwrap();
        assert!(kinds.matches(&json!({"source": "usher.bookings", "detail-type": "B", "more": 1})));
        assert!(!kinds.matches(&json!({"source": "usher.bookings", "detail-type": "C"})));
        assert!(!kinds.matches(&json!({"detail-type": "A"})));
        let absent = Pattern::new(&json!({"dynamodb": {"OldImage": [{"exists": false}]}})).unwrap();
        assert!(absent.matches(&json!({"dynamodb": {}})));
        assert!(!absent.matches(&json!({"dynamodb": {"OldImage": {"PK": {}}}})));
        let present = Pattern::new(&json!({"k": {"S": ["x"]}, "new": {"r": [{"exists": true}]}})).unwrap();
        assert!(present.may_match(&json!({"k": {"S": "x"}})), "the rest is not known");
        assert!(!present.matches(&json!({"k": {"S": "x"}})));
        assert!(!present.may_match(&json!({"k": {"S": "y"}})));
        let among = Pattern::new(&json!({"resources": ["x"]})).unwrap();
        assert!(among.matches(&json!({"resources": ["y", "x"]})));
    }

    #[test]
    fn unknown_operators_are_refused() {
        for pattern in [
            json!({"source": [{"anything-but": "x"}]}),
            json!({"source": [{"prefix": "x", "suffix": "y"}]}),
            json!({"source": "x"}),
            json!(["x"]),
        ] {
            assert!(Pattern::new(&pattern).is_err(), "{pattern}");
        }
    }
}
