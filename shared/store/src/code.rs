//! Presale codes: what each still gives. A claim takes from it, a release gives it back, in their own transactions.

use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use domain::{
    Error, Fault, Refusal, StoreError, Timestamp,
    code::Allowance,
    hold::CodeState,
    ids::{AccessCode, ShowId},
    time::{from_millis, millis},
};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    call::{read_failed, write_failed},
    codec::{Item, PK, decode, encode, key_attributes, key_of, n, s},
    expression::Update,
    keys::{self, CODE_SHARDS, Key},
};

/// Codes are created one after the other; a batch is small.
const LEFT: &str = "l";

#[derive(Serialize, Deserialize)]
struct CodeItem {
    /// Places in all.
    p: u32,
    /// Places left.
    l: u32,
    /// From, ms.
    f: i64,
    /// Until, ms.
    u: i64,
}

/// Takes `places` of a code at `now`, if it gives them.
pub(crate) fn take(places: u32, now: Timestamp) -> Update {
    Update::default()
        .require("#l >= :q", &[("#l", LEFT)], [(":q", n(places))])
        .require("#f <= :now", &[("#f", "f")], [(":now", n(millis(now)))])
        .require("#u > :now", &[("#u", "u")], [])
        .set("#l = #l - :q", &[], [])
}

/// Takes `places` of a code again, whatever the time: for a hold that it was good for.
pub(crate) fn take_again(places: u32) -> Update {
    Update::default().require("#l >= :q", &[("#l", LEFT)], [(":q", n(places))]).set("#l = #l - :q", &[], [])
}

/// Gives `places` of a code back.
pub(crate) fn give_back(places: u32) -> Update {
    Update::default().require("attribute_exists(#l)", &[("#l", LEFT)], [(":q", n(places))]).set("#l = #l + :q", &[], [])
}

/// What a refused claim met of its code.
pub(crate) fn met(item: Item) -> Result<CodeState, StoreError> {
    if item.is_empty() { Ok(CodeState::Absent) } else { Ok(CodeState::Is(decode_allowance(item)?)) }
}

fn decode_allowance(item: Item) -> Result<Allowance, StoreError> {
    let CodeItem { p, l, f, u } = decode(item)?;
    let instant = |ms| from_millis(ms).ok_or_else(|| StoreError::Corrupt("a code's time is none".to_owned()));
    Ok(Allowance { places: p, left: l, opens_at: instant(f)?, closes_at: instant(u)? })
}

impl Store {
    /// What the code gives, as it is now.
    ///
    /// # Errors
    /// The table's.
    pub async fn code(&self, show: ShowId, code: &AccessCode) -> Result<Option<Allowance>, StoreError> {
        self.get_item(&Key::Code(show, code.clone()), true).await?.map(decode_allowance).transpose()
    }

    /// Creates the code; answers what it gives now. The same again changes nothing.
    ///
    /// # Errors
    /// `invalid` when it is there with another allowance; the table's.
    pub async fn create_code(&self, show: ShowId, code: &AccessCode, allowance: Allowance) -> Result<Allowance, Error> {
        let Allowance { places, left, opens_at, closes_at } = allowance;
        let item = CodeItem { p: places, l: left, f: millis(opens_at), u: millis(closes_at) };
        let put = self.client.put_item().table_name(&*self.table);
        let put = put.set_item(Some(encode(&Key::Code(show, code.clone()), &item)?));
        let put = put.condition_expression("attribute_not_exists(#pk)").expression_attribute_names("#pk", PK);
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(allowance) };
        let Some(aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(failed)) =
            error.as_service_error()
        else {
            return Err(write_failed(error).into());
        };
        let known = decode_allowance(failed.item().cloned().unwrap_or_default())?;
        let told = |it: Allowance| (it.places, millis(it.opens_at), millis(it.closes_at));
        let is_the_same = told(known) == told(allowance);
        if is_the_same {
            return Ok(known);
        }
        let detail = format!("the code {code} is there already, with another allowance");
        Err(Refusal::Invalid(vec![Fault::new("/codes", detail)]).into())
    }

    /// A page of a show's codes from behind `after`, with where to go on. They stand in no order that means anything.
    ///
    /// # Errors
    /// The table's.
    pub async fn codes(
        &self,
        show: ShowId,
        after: Option<&AccessCode>,
        limit: u32,
    ) -> Result<(Vec<(AccessCode, Allowance)>, Option<AccessCode>), StoreError> {
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let first = after.map_or(0, keys::code_shard);
        let mut start = after.map(|after| key_attributes(&Key::Code(show, after.clone())));
        let mut codes: Vec<(AccessCode, Allowance)> = Vec::new();
        for shard in first..CODE_SHARDS {
            let left = i32::try_from(wanted.saturating_sub(codes.len())).unwrap_or(i32::MAX);
            let query = self.client.query().table_name(&*self.table).consistent_read(true);
            let query = query.key_condition_expression("PK = :pk");
            let query = query.expression_attribute_values(":pk", s(keys::codes(show, shard)));
            let answer = query.set_exclusive_start_key(start.take()).limit(left).send().await.map_err(read_failed)?;
            for item in answer.items.unwrap_or_default() {
                let Key::Code(_, code) = key_of(&item)? else {
                    return Err(StoreError::Corrupt("something else among codes".to_owned()));
                };
                codes.push((code, decode_allowance(item)?));
            }
            let more = answer.last_evaluated_key.is_some_and(|key| !key.is_empty());
            if more || codes.len() >= wanted {
                let is_last = !more && shard + 1 == CODE_SHARDS;
                let next = codes.last().filter(|_| !is_last).map(|(code, _)| code.clone());
                return Ok((codes, next));
            }
        }
        Ok((codes, None))
    }
}
