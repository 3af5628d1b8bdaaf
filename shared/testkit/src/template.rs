//! The deployment template as plain JSON: CloudFormation's short tags become their long forms.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value, json};
use serde_saphyr::Tagged;

/// `template.yaml` of this workspace, as it was when this was compiled.
pub const TEXT: &str = include_str!("../../../template.yaml");

/// Parses a template.
///
/// # Errors
/// Where and why it is not YAML, or which tag is not CloudFormation's.
pub fn parse(text: &str) -> Result<Value, String> {
    // As YAML 1.2 has it: `N` is a text, not a "no".
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options::<Node>(text, options)
        .map(|node| node.0)
        .map_err(|why| format!("template.yaml: {why}"))
}

/// What `CreateTable` needs for the resource `logical_id`, and the attribute that items expire by.
///
/// # Errors
/// The template has no such table.
pub fn table(template: &Value, logical_id: &str, name: &str) -> Result<(Value, Option<String>), String> {
    let resource = &template["Resources"][logical_id];
    if resource["Type"] != "AWS::DynamoDB::Table" {
        return Err(format!("template.yaml: {logical_id} is not an AWS::DynamoDB::Table"));
    }
    let properties = &resource["Properties"];
    let mut create = json!({"TableName": name});
    for field in ["AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode", "StreamSpecification"] {
        if !properties[field].is_null() {
            create[field] = properties[field].clone();
        }
    }
    if create["StreamSpecification"].is_object() {
        // CloudFormation leaves out what the API wants said.
        create["StreamSpecification"]["StreamEnabled"] = true.into();
    }
    let expiry = properties["TimeToLiveSpecification"]["AttributeName"].as_str().map(str::to_owned);
    Ok((create, expiry))
}

/// What `UpdateTimeToLive` needs for items of `table` that expire by `attribute`.
#[must_use]
pub fn expiry(table: &str, attribute: &str) -> Value {
    json!({"TableName": table, "TimeToLiveSpecification": {"AttributeName": attribute, "Enabled": true}})
}

/// One node with its tag resolved.
struct Node(Value);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Tagged(Plain(value), tag) = Tagged::<Plain>::deserialize(deserializer)?;
        let tag = tag.as_deref().and_then(|tag| tag.strip_prefix('!'));
        match tag {
            None => Ok(Self(value)),
            Some("Ref") => Ok(Self(json!({"Ref": value}))),
            Some("Condition") => Ok(Self(json!({"Condition": value}))),
            Some("GetAtt") => {
                let parts = value.as_str().and_then(|text| text.split_once('.')).map(|(id, part)| json!([id, part]));
                Ok(Self(json!({"Fn::GetAtt": parts.unwrap_or(value)})))
            }
            Some(
                function @ ("Sub" | "If" | "Not" | "Equals" | "And" | "Or" | "Join" | "Select" | "Split"
                | "ImportValue"),
            ) => Ok(Self(json!({ format!("Fn::{function}"): value }))),
            Some(other) => Err(D::Error::custom(format!("unknown tag !{other}"))),
        }
    }
}

/// A node without its tag.
struct Plain(Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlainVisitor)
    }
}

struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Plain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML node")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Plain, E> {
        Ok(Plain(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Plain, E> {
        Ok(Plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Plain, E> {
        Ok(Plain(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Plain, E> {
        Ok(Plain(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Plain, E> {
        Ok(Plain(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Plain, E> {
        Ok(Plain(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Plain, A::Error> {
        let mut list = Vec::new();
        while let Some(Node(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Plain(list.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Plain, A::Error> {
        let mut map = Map::new();
        while let Some((name, Node(value))) = entries.next_entry::<String, Node>()? {
            map.insert(name, value);
        }
        Ok(Plain(map.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_tags_become_their_long_forms() {
        let text = "a: !Ref Table\nb: !GetAtt Table.Arn\nc: !Sub \"x/${Table}\"\nd: !If [Own, !Ref A, 3]\ne: [$default, on, 1.5]\nf: {g: true}\nh: !GetAtt Table.Some.Part\n";
        let expected = json!({
            "a": {"Ref": "Table"},
            "b": {"Fn::GetAtt": ["Table", "Arn"]},
            "c": {"Fn::Sub": "x/${Table}"},
            "d": {"Fn::If": ["Own", {"Ref": "A"}, 3]},
            "e": ["$default", "on", 1.5],
            "f": {"g": true},
            "h": {"Fn::GetAtt": ["Table", "Some.Part"]},
        });
        assert_eq!(parse(text).unwrap(), expected);
        assert!(parse("a: !Reff Table").unwrap_err().contains("!Reff"));
    }

    #[test]
    fn the_table_is_the_one_that_is_deployed() {
        let (create, expiry) = table(&parse(TEXT).unwrap(), "Table", "usher").unwrap();
        assert_eq!(create["TableName"], "usher");
        assert_eq!(create["GlobalSecondaryIndexes"].as_array().unwrap().len(), 2);
        assert_eq!(
            create["StreamSpecification"],
            json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"})
        );
        assert_eq!(expiry.as_deref(), Some("ttl"));
        assert!(table(&parse(TEXT).unwrap(), "Bus", "usher").is_err());
    }
}
