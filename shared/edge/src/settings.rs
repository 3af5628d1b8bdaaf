//! Settings from the environment: the same names deployed and local, every problem told at once.

use std::{collections::BTreeMap, fmt::Display, ops::RangeInclusive, str::FromStr, sync::Mutex};

use domain::{ProviderError, queue::TokenKey};
use serde_json::Value;

use crate::{auth::Auth, run::Failure};

/// What the value of a setting that is kept elsewhere begins with.
const SECRET_PREFIX: &str = "secret:";
/// The shortest key that booking ids are derived with, in bytes.
const BOOKING_ID_KEY_BYTES_MIN: usize = 16;

/// The named values a function starts from, and what is wrong with them.
pub struct Settings {
    values: BTreeMap<String, String>,
    problems: Mutex<Vec<String>>,
}

impl Settings {
    /// From the process environment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one home of the environment")]
    pub fn from_env() -> Self {
        Self::new(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// From the given names and values.
    pub fn new(values: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { values: values.into_iter().collect(), problems: Mutex::default() }
    }

    /// Replaces every value `secret:<id>#<name>` by what `read` finds: the secret `id` is an object of texts in JSON, and
    /// `name` one of them. Each secret is read once. What cannot be read is noted; [`Settings::check`] tells.
    #[must_use]
    pub async fn reveal(mut self, read: impl AsyncFn(String) -> Result<String, ProviderError>) -> Self {
        let mut secrets: BTreeMap<String, Result<Value, String>> = BTreeMap::new();
        for (setting, value) in self.values.clone() {
            let Some((id, name)) = value.strip_prefix(SECRET_PREFIX).and_then(|place| place.rsplit_once('#')) else {
                continue;
            };
            if !secrets.contains_key(id) {
                let text = read(id.to_owned()).await.map_err(|why| why.to_string());
                let object = text.and_then(|text| serde_json::from_str(&text).map_err(|_| "not JSON".to_owned()));
                secrets.insert(id.to_owned(), object);
            }
            let revealed = match &secrets[id] {
                Ok(object) => object[name].as_str().unwrap_or_default().to_owned(),
                Err(why) => self.malformed(&setting, &format!("the secret {id}: {why}")),
            };
            self.values.insert(setting, revealed);
        }
        self
    }

    /// The value, when there is one that is not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The values whose names begin with `prefix`, those that are not empty.
    pub(crate) fn starting_with(&self, prefix: &str) -> BTreeMap<String, String> {
        let named = self.values.iter().filter(|(name, value)| name.starts_with(prefix) && !value.is_empty());
        named.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// A value that must be there.
    pub fn text(&self, name: &str) -> String {
        self.get(name).map_or_else(|| self.missing(name), str::to_owned)
    }

    /// A value that must be there and parse; `None` is noted as a problem.
    pub fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Option<T> {
        match self.get(name) {
            None => self.missing(name),
            Some(text) => text.parse().map_or_else(|why| self.malformed(name, &why), Some),
        }
    }

    /// Values between commas, at least one: the first counts, the others still do.
    pub fn list(&self, name: &str) -> Vec<String> {
        let text = self.text(name);
        text.split(',').map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect()
    }

    /// A whole number inside `range`, or `default` when it is not set.
    pub fn number(&self, name: &str, range: RangeInclusive<u32>, default: u32) -> u32 {
        let Some(text) = self.get(name) else { return default };
        match text.parse() {
            Ok(number) if range.contains(&number) => number,
            _ => self.malformed(name, &format!("expected a whole number from {} to {}", range.start(), range.end())),
        }
    }

    /// `ADMISSION_KEY`: what places and admissions of waiting rooms are signed with.
    pub fn admission_key(&self) -> TokenKey {
        let key = self.text("ADMISSION_KEY").into_bytes();
        if !key.is_empty() && key.len() < TokenKey::BYTES_MIN {
            let () = self.malformed("ADMISSION_KEY", &format!("at least {} bytes", TokenKey::BYTES_MIN));
        }
        TokenKey::new(key)
    }

    /// `BOOKING_ID_KEY`: what booking ids are derived with.
    pub fn booking_id_key(&self) -> Vec<u8> {
        let key = self.text("BOOKING_ID_KEY").into_bytes();
        if !key.is_empty() && key.len() < BOOKING_ID_KEY_BYTES_MIN {
            let () = self.malformed("BOOKING_ID_KEY", &format!("at least {BOOKING_ID_KEY_BYTES_MIN} bytes"));
        }
        key
    }

    /// How callers are known: see [`Auth`].
    pub fn auth(&self) -> Auth {
        Auth::from_settings(self)
    }

    /// Whether DynamoDB is this machine's own, and never AWS's.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let endpoint = self.get("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| self.get("AWS_ENDPOINT_URL"));
        endpoint.and_then(host).is_some_and(|host| {
            let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
            host == "localhost" || host == "host.docker.internal" || ip.is_ok_and(|ip| ip.is_loopback())
        })
    }

    /// Notes what is wrong with `name`; [`Settings::check`] tells.
    pub fn malformed<T: Default>(&self, name: &str, why: &dyn Display) -> T {
        self.problem(format!("{name}: {why}"));
        T::default()
    }

    fn missing<T: Default>(&self, name: &str) -> T {
        self.malformed(name, &"not set")
    }

    fn problem(&self, text: String) {
        let mut problems = self.problems.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !problems.contains(&text) {
            problems.push(text);
        }
    }

    /// Stops the start when anything was wrong, naming all of it.
    ///
    /// # Errors
    /// One line a problem. Values are never in it: they may be secrets.
    pub fn check(&self) -> Result<(), Failure> {
        let problems = self.problems.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if problems.is_empty() { Ok(()) } else { Err(Failure(format!("settings:\n  {}", problems.join("\n  ")))) }
    }
}

/// The host of a URL, without port.
fn host(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if authority.starts_with('[') {
        return authority.split_inclusive(']').next();
    }
    authority.split(':').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        Settings::new(pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())))
    }

    #[test]
    fn every_problem_is_told_at_once_and_no_value() {
        let settings = settings(&[("HOLD_TTL_SECONDS", "s3cret"), ("EMPTY", "")]);
        settings.text("TABLE_NAME");
        settings.text("EMPTY");
        settings.number("HOLD_TTL_SECONDS", 60..=840, 600);
        let told = settings.check().unwrap_err().to_string();
        for part in
            ["TABLE_NAME: not set", "EMPTY: not set", "HOLD_TTL_SECONDS: expected a whole number from 60 to 840"]
        {
            assert!(told.contains(part), "{told}");
        }
        assert!(!told.contains("s3cret"), "{told}");
    }

    #[test]
    fn a_key_of_booking_ids_that_can_be_guessed_stops_the_start_and_is_not_told() {
        let told = |key: &str| {
            let settings = settings(&[("BOOKING_ID_KEY", key)]);
            assert_eq!(settings.booking_id_key(), key.as_bytes());
            settings.check().err().map(|failure| failure.to_string())
        };
        let only = |problem: &str| Some(format!("settings:\n  BOOKING_ID_KEY: {problem}"));
        assert_eq!(told("0123456789abcdef"), None);
        assert_eq!(told("0123456789abcde"), only("at least 16 bytes"));
        assert_eq!(told(""), only("not set"));
    }

    #[tokio::test]
    async fn a_secret_is_read_once_and_each_setting_takes_its_part() {
        let given = settings(&[
            ("PAYMENT_SECRET_KEY", "secret:arn:aws:secretsmanager:eu-central-1:1:secret:pay-AbC#KEY"),
            ("PAYMENT_WEBHOOK_SECRET", "secret:arn:aws:secretsmanager:eu-central-1:1:secret:pay-AbC#HOOK"),
            ("TICKET_SIGNING_KEY", "secret:arn:aws:secretsmanager:eu-central-1:1:secret:pay-AbC#NONE"),
            ("TABLE_NAME", "usher"),
        ]);
        let asked = Mutex::new(Vec::new());
        let settings = given.reveal(async |id| {
            asked.lock().unwrap().push(id);
            Ok(r#"{"KEY":"sk_1","HOOK":"whsec_1"}"#.to_owned())
        });
        let settings = settings.await;
        assert_eq!(*asked.lock().unwrap(), ["arn:aws:secretsmanager:eu-central-1:1:secret:pay-AbC"]);
        assert_eq!(settings.get("PAYMENT_SECRET_KEY"), Some("sk_1"));
        assert_eq!(settings.list("PAYMENT_WEBHOOK_SECRET"), ["whsec_1"]);
        assert_eq!(settings.get("TICKET_SIGNING_KEY"), None, "a name that is not in it is as good as not set");
        assert_eq!(settings.get("TABLE_NAME"), Some("usher"));
    }

    #[tokio::test]
    async fn a_secret_that_cannot_be_read_stops_the_start_and_is_not_told() {
        let given = settings(&[("A", "secret:gone#A"), ("B", "secret:text#B")]);
        let settings = given.reveal(async |id| match id.as_str() {
            "gone" => Err(ProviderError::Refused("GetSecretValue: AccessDenied".to_owned())),
            _ => Ok("s3cret".to_owned()),
        });
        let told = settings.await.check().unwrap_err().to_string();
        assert!(told.contains("A: the secret gone: ") && told.contains("AccessDenied"), "{told}");
        assert!(told.contains("B: the secret text: not JSON") && !told.contains("s3cret"), "{told}");
    }

    #[test]
    fn only_this_machine_is_local() {
        let cases = [
            ("http://127.0.0.1:8000", true),
            ("http://localhost:4566/", true),
            ("http://[::1]:8000", true),
            ("http://host.docker.internal:8000", true),
            ("https://dynamodb.eu-central-1.amazonaws.com", false),
            ("http://localhost.evil.example", false),
            ("http://127.0.0.1@evil.example", false),
            ("http://10.0.0.1:8000", false),
        ];
        for (url, local) in cases {
            assert_eq!(settings(&[("AWS_ENDPOINT_URL", url)]).is_local(), local, "{url}");
        }
        assert!(!settings(&[]).is_local());
    }
}
