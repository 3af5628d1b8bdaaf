//! Presale codes of a show: made by the batch or by name, and looked at.

use domain::{
    Error, Refusal, Timestamp,
    catalogue::Show,
    code::{Allowance, CODE_PLACES_MAX, CODES_MAX},
    ids::{AccessCode, ShowId},
};
use edge::{Call, Reply, http::BODY_BYTES_MAX};
use serde::{Deserialize, Serialize};

use crate::{App, check::Check, new_id, organiser, shows};

/// Codes on a page unless asked otherwise.
const LIMIT_DEFAULT: u32 = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateCodes {
    /// Names of your choice.
    #[serde(default)]
    codes: Vec<String>,
    /// Or so many that nobody guesses.
    count: Option<u32>,
    places: u32,
    opens_at: Option<Timestamp>,
    closes_at: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CodeView {
    code: AccessCode,
    places: u32,
    left: u32,
    opens_at: Timestamp,
    closes_at: Timestamp,
}

impl CodeView {
    fn new((code, allowance): (AccessCode, Allowance)) -> Self {
        let Allowance { places, left, opens_at, closes_at } = allowance;
        Self { code, places, left, opens_at, closes_at }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CodePage {
    show_id: ShowId,
    codes: Vec<CodeView>,
    next_cursor: Option<AccessCode>,
}

/// `POST /v1/shows/{showId}/codes`: the same again, or under the same `Idempotency-Key`, makes none twice.
pub(crate) async fn create(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = organiser(call)?;
    let show_id: ShowId = call.path("showId")?;
    let wanted: CreateCodes = call.body(BODY_BYTES_MAX)?;
    let show = shows::own(app, show_id, &caller.user).await?;
    let (named, allowance) = check_codes(&wanted, &show)?;
    let codes = match wanted.count {
        None => named,
        Some(count) => {
            let batch = new_id(app, call, &format!("codes of {show_id}"), &caller.user)?;
            (0..count).map(|number| AccessCode::derive(&app.code_key, show_id, batch, number)).collect()
        }
    };
    let mut made = Vec::with_capacity(codes.len());
    for code in codes {
        let now = app.store.create_code(show.id, &code, allowance).await?;
        made.push(CodeView::new((code, now)));
    }
    Ok(Reply::json(201, &CodePage { show_id, codes: made, next_cursor: None }))
}

/// The names, if names are wanted, and what each code gives.
fn check_codes(wanted: &CreateCodes, show: &Show) -> Result<(Vec<AccessCode>, Allowance), Refusal> {
    let mut check = Check::default();
    let mut named: Vec<AccessCode> = Vec::with_capacity(wanted.codes.len());
    for (number, text) in wanted.codes.iter().enumerate() {
        match text.parse() {
            Ok(code) if named.contains(&code) => check.fault(format!("/codes/{number}"), "it is there twice"),
            Ok(code) => named.push(code),
            Err(_) => check.fault(format!("/codes/{number}"), "4 to 32 letters, digits and hyphens"),
        }
    }
    let names = u32::try_from(wanted.codes.len()).unwrap_or(u32::MAX);
    match wanted.count {
        Some(_) if names > 0 => check.fault("/count", "either names or a count"),
        Some(_) => check.within("/count", wanted.count, &(1..=CODES_MAX)),
        None => check.within("/codes", Some(names), &(1..=CODES_MAX)),
    }
    check.within("/places", Some(wanted.places), &(1..=CODE_PLACES_MAX));
    let allowance = Allowance {
        places: wanted.places,
        left: wanted.places,
        opens_at: wanted.opens_at.unwrap_or(show.created_at),
        closes_at: wanted.closes_at.unwrap_or(show.on_sale_at),
    };
    if allowance.closes_at > show.on_sale_at {
        check.fault("/closesAt", "from the general sale on nobody needs a code");
    }
    if allowance.opens_at >= allowance.closes_at {
        check.fault("/opensAt", "it would close before it opens");
    }
    check.done()?;
    Ok((named, allowance))
}

/// `GET /v1/shows/{showId}/codes`: with what is left of each.
pub(crate) async fn list(app: &App, call: &Call<'_>) -> Result<Reply, Error> {
    let caller = organiser(call)?;
    let show_id: ShowId = call.path("showId")?;
    let limit = call.limit(LIMIT_DEFAULT)?;
    let after: Option<AccessCode> = call.query_as("cursor")?;
    let show = shows::own(app, show_id, &caller.user).await?;
    let (codes, next_cursor) = app.store.codes(show.id, after.as_ref(), limit).await?;
    let codes = codes.into_iter().map(CodeView::new).collect();
    Ok(Reply::json(200, &CodePage { show_id, codes, next_cursor }))
}
