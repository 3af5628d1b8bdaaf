//! The settings of every function on this machine: a default for each, the environment over it, and secrets that last as
//! long as the data.

use std::{collections::BTreeMap, io, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use testkit::engine::TABLE;

use crate::gateway::BODY_BYTES_MAX;

/// Where secrets are kept in a data directory.
const SECRETS_FILE: &str = "secrets.json";
/// Random bytes of a secret: an Ed25519 seed takes exactly these.
const SECRET_BYTES: usize = 32;
/// Tells `edge` that the table is this machine's own. Nothing connects to it.
const LOCAL_ENDPOINT: (&str, &str) = ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1");

/// Calls a second of one account: more than deployed, because one instance answers all of them.
const ACCOUNT_CALLS_PER_SECOND: u32 = 500;

/// Names and values.
pub(crate) type Values = BTreeMap<String, String>;

/// Every setting: the defaults, then what `environment` has of them, then `overrides`.
pub(crate) fn gather(
    base_url: &str,
    secrets: Values,
    environment: impl Iterator<Item = (String, String)>,
    overrides: &Values,
) -> Values {
    let fixed = [
        ("STACK_NAME", "local".to_owned()),
        ("TABLE_NAME", TABLE.to_owned()),
        ("TIMER_QUEUE_URL", "local".to_owned()),
        ("TICK_QUEUE_URL", "local".to_owned()),
        ("ADMISSIONS_MAX", domain::queue::ADMISSIONS_MAX_DEFAULT.to_string()),
        ("TELLING_QUEUE_URL", "local".to_owned()),
        ("LIVE_ENDPOINT", "local".to_owned()),
        ("LIVE_WATCHERS_MAX", live::WATCHERS_MAX_DEFAULT.to_string()),
        ("EVENT_BUS_NAME", "local".to_owned()),
        ("TICKET_BUCKET", "local".to_owned()),
        ("PLAN_UPLOAD_BUCKET", "local".to_owned()),
        ("MAIL_FROM", "tickets@usher.example".to_owned()),
        ("PAYMENT_BASE_URL", format!("{base_url}/sandbox/stripe")),
        ("PUBLIC_BASE_URL", base_url.to_owned()),
        ("HOLD_TTL_SECONDS", domain::catalogue::HOLD_TTL_SECONDS_DEFAULT.to_string()),
        ("WAITLIST_OFFER_SECONDS", domain::waitlist::OFFER_SECONDS_DEFAULT.to_string()),
        ("ROLES_CLAIM", "cognito:groups".to_owned()),
        // Everybody here is the same address, and nothing stands before this API unless it is said.
        ("ORIGIN_SECRET", String::new()),
        ("ADDRESS_CALLS_PER_SECOND", "0".to_owned()),
        ("ACCOUNT_CALLS_PER_SECOND", ACCOUNT_CALLS_PER_SECOND.to_string()),
        ("FONTS_DIR", concat!(env!("CHECKOUT"), "functions/ticket/fonts").to_owned()),
        ("CHURN_HOLDS_MAX", "300".to_owned()),
        ("CHALLENGE_BITS", "18".to_owned()),
        // What API Gateway takes: the stadium's plan is larger than a function takes by default.
        ("PLAN_BYTES_MAX", BODY_BYTES_MAX.to_string()),
        // A file that says where the web app's services are; without one, here.
        ("WEB_CONFIG", String::new()),
    ];
    let mut values: Values = fixed.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    values.extend(secrets);
    for (name, value) in environment {
        if let Some(default) = values.get_mut(&name) {
            *default = value;
        }
    }
    values.extend(overrides.clone());
    values.insert(LOCAL_ENDPOINT.0.to_owned(), LOCAL_ENDPOINT.1.to_owned());
    values
}

/// What the function of this name is given: the settings that the template declares for it.
#[must_use]
pub(crate) fn of_function(values: &Values, declared: &[String]) -> edge::Settings {
    let given = values.iter().filter(|(name, _)| **name == LOCAL_ENDPOINT.0 || declared.contains(name));
    edge::Settings::new(given.map(|(name, value)| (name.clone(), value.clone())))
}

/// The secrets in `directory`, made when there are none.
///
/// # Errors
/// The directory cannot be read or written.
pub(crate) fn secrets(directory: &Path) -> io::Result<Values> {
    let file = directory.join(SECRETS_FILE);
    let kept: Values = match std::fs::read(&file) {
        Ok(text) => serde_json::from_slice(&text)?,
        Err(why) if why.kind() == io::ErrorKind::NotFound => Values::new(),
        Err(why) => return Err(why),
    };
    // A secret that came with a newer version joins those of an older directory.
    let mut all = make_secrets()?;
    all.extend(kept.clone());
    if all != kept {
        // Whole or not at all: a half-written file would stop every later start.
        let draft = directory.join(".secrets.draft");
        std::fs::write(&draft, serde_json::to_vec_pretty(&all)?)?;
        std::fs::rename(draft, file)?;
    }
    Ok(all)
}

fn make_secrets() -> io::Result<Values> {
    let bytes = || {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        Ok::<_, io::Error>(bytes)
    };
    let random = || bytes().map(|bytes| BASE64_STANDARD.encode(bytes));
    let digits = || bytes().map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect());
    let letters = || Ok::<_, io::Error>(random()?.replace(|c: char| !c.is_ascii_alphanumeric(), "x"));
    Ok(Values::from([
        ("BOOKING_ID_KEY".to_owned(), random()?),
        ("ADMISSION_KEY".to_owned(), random()?),
        ("TICKET_SIGNING_KEY".to_owned(), digits()?),
        ("DEV_TOKEN_KEY".to_owned(), random()?),
        ("PAYMENT_SECRET_KEY".to_owned(), format!("sk_test_{}", letters()?)),
        ("PAYMENT_WEBHOOK_SECRET".to_owned(), format!("whsec_{}", letters()?)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_beats_defaults_and_a_test_beats_both() {
        let environment = [("HOLD_TTL_SECONDS", "5"), ("ROLES_CLAIM", "roles"), ("PATH", "/bin")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let overrides = Values::from([("ROLES_CLAIM".to_owned(), "groups".to_owned())]);
        let values = gather("http://127.0.0.1:1", Values::new(), environment.into_iter(), &overrides);
        assert_eq!((values["HOLD_TTL_SECONDS"].as_str(), values["ROLES_CLAIM"].as_str()), ("5", "groups"));
        assert_eq!(values["PAYMENT_BASE_URL"], "http://127.0.0.1:1/sandbox/stripe");
        assert!(!values.contains_key("PATH"));
    }

    #[test]
    fn a_function_gets_what_the_template_declares() {
        let values = gather("http://127.0.0.1:1", Values::new(), std::iter::empty(), &Values::new());
        let settings = of_function(&values, &["TABLE_NAME".to_owned()]);
        assert_eq!(settings.get("TABLE_NAME"), Some("usher"));
        assert_eq!(settings.get("TICKET_BUCKET"), None);
        assert!(settings.is_local());
    }

    #[test]
    fn secrets_last_as_long_as_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let made = secrets(directory.path()).unwrap();
        assert_eq!(secrets(directory.path()).unwrap(), made);
        assert_eq!(made["TICKET_SIGNING_KEY"].len(), 2 * SECRET_BYTES);
        let mut older = made.clone();
        older.remove("ADMISSION_KEY");
        std::fs::write(directory.path().join(SECRETS_FILE), serde_json::to_vec(&older).unwrap()).unwrap();
        let newer = secrets(directory.path()).unwrap();
        assert_eq!(newer["BOOKING_ID_KEY"], made["BOOKING_ID_KEY"], "what there was stays");
        assert_eq!(secrets(directory.path()).unwrap(), newer, "and what was missing is made once");
        let other = tempfile::tempdir().unwrap();
        assert_ne!(secrets(other.path()).unwrap(), made);
    }
}
