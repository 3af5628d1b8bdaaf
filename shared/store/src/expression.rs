//! Builds update expressions out of parts that each bring their own names and values.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// An update of one item with its condition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Update {
    sets: Vec<String>,
    removes: Vec<String>,
    adds: Vec<String>,
    deletes: Vec<String>,
    conditions: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

type Names = HashMap<String, String>;
type Values = HashMap<String, AttributeValue>;

impl Update {
    fn with(
        mut self,
        names: &[(&str, &str)],
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Self {
        self.names.extend(names.iter().map(|&(short, name)| (short.to_owned(), name.to_owned())));
        self.values.extend(values.into_iter().map(|(short, value)| (short.to_owned(), value)));
        self
    }

    /// Brings a value whose short name is made as it is needed.
    pub(crate) fn bind(mut self, short: String, value: AttributeValue) -> Self {
        self.values.insert(short, value);
        self
    }

    /// Refuses the write unless `condition` holds.
    pub(crate) fn require(
        mut self,
        condition: &str,
        names: &[(&str, &str)],
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Self {
        self.conditions.push(condition.to_owned());
        self.with(names, values)
    }

    /// `SET action`.
    pub(crate) fn set(
        mut self,
        action: &str,
        names: &[(&str, &str)],
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Self {
        self.sets.push(action.to_owned());
        self.with(names, values)
    }

    /// `SET name = value`, for a name of one letter.
    pub(crate) fn assign(mut self, name: &str, value: AttributeValue) -> Self {
        self.sets.push(format!("#set_{name} = :set_{name}"));
        self.names.insert(format!("#set_{name}"), name.to_owned());
        self.values.insert(format!(":set_{name}"), value);
        self
    }

    /// `REMOVE name`.
    pub(crate) fn remove(mut self, name: &str, names: &[(&str, &str)]) -> Self {
        self.removes.push(name.to_owned());
        self.with(names, [])
    }

    /// `ADD action`.
    pub(crate) fn add(
        mut self,
        action: &str,
        names: &[(&str, &str)],
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Self {
        self.adds.push(action.to_owned());
        self.with(names, values)
    }

    /// `DELETE action`: takes from a set.
    pub(crate) fn delete(
        mut self,
        action: &str,
        names: &[(&str, &str)],
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Self {
        self.deletes.push(action.to_owned());
        self.with(names, values)
    }

    /// Update expression, condition expression, names, values. DynamoDB refuses names and values that are there and empty.
    pub(crate) fn render(self) -> (String, String, Option<Names>, Option<Values>) {
        let mut update = Vec::new();
        for (verb, actions) in
            [("SET", self.sets), ("REMOVE", self.removes), ("ADD", self.adds), ("DELETE", self.deletes)]
        {
            if !actions.is_empty() {
                update.push(format!("{verb} {}", actions.join(", ")));
            }
        }
        let names = Some(self.names).filter(|names| !names.is_empty());
        let values = Some(self.values).filter(|values| !values.is_empty());
        (update.join(" "), self.conditions.join(" AND "), names, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_without_names_or_values_brings_none() {
        let (update, condition, names, values) =
            Update::default().require("attribute_not_exists(PK)", &[], []).render();
        assert_eq!((update.as_str(), condition.as_str()), ("", "attribute_not_exists(PK)"));
        assert_eq!((names, values), (None, None));
    }
}
