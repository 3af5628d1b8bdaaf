//! Who is calling: verified claims, never a body.

use std::collections::HashMap;

use domain::{Refusal, ids::UserId};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use lambda_http::{Request, RequestExt as _, request::RequestContext};
use serde_json::Value;

use crate::settings::Settings;

/// The shortest dev token key, in bytes.
pub const DEV_TOKEN_KEY_BYTES_MIN: usize = 16;

/// Somebody whose token was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's `sub`.
    pub user: UserId,
    /// Where mail goes, when the identity provider says.
    pub email: Option<String>,
    roles: Vec<String>,
}

impl Caller {
    /// Refuses a caller without `role`.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] names the role.
    pub fn require_role(&self, role: &'static str) -> Result<(), Refusal> {
        if self.roles.iter().any(|has| has == role) { Ok(()) } else { Err(Refusal::Forbidden(role)) }
    }
}

/// A caller whose token was looked at already, on the way of this call to its function. Only [`crate::guard`] puts one in.
#[derive(Clone)]
pub(crate) struct Verified(pub(crate) Caller);

/// How callers are known. Deployed, API Gateway's JWT authorizer has verified the token and hands over its claims.
/// Locally, and only there, a dev token is verified here.
pub struct Auth {
    roles_claim: String,
    dev: Option<DecodingKey>,
}

impl Auth {
    /// `ROLES_CLAIM` (default `cognito:groups`); `DEV_TOKEN_KEY`, which stops the start unless the table is local.
    pub(crate) fn from_settings(settings: &Settings) -> Self {
        let roles_claim = settings.get("ROLES_CLAIM").unwrap_or("cognito:groups").to_owned();
        let dev = settings.get("DEV_TOKEN_KEY").and_then(|key| {
            if !settings.is_local() {
                let why = "only for a local table (AWS_ENDPOINT_URL on this machine): it lets anybody be anybody";
                return settings.malformed("DEV_TOKEN_KEY", &why);
            }
            if key.len() < DEV_TOKEN_KEY_BYTES_MIN {
                return settings.malformed("DEV_TOKEN_KEY", &format!("at least {DEV_TOKEN_KEY_BYTES_MIN} bytes"));
            }
            Some(DecodingKey::from_secret(key.as_bytes()))
        });
        Self { roles_claim, dev }
    }

    /// The caller of `request`.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] when no claims came with it, or none that name somebody.
    pub(crate) fn caller(&self, request: &Request) -> Result<Caller, Refusal> {
        if let Some(Verified(caller)) = request.extensions().get() {
            return Ok(caller.clone());
        }
        let claims = authorizer_claims(request).or_else(|| self.dev_claims(request)).ok_or(Refusal::Unauthenticated)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let user = text("sub").and_then(|sub| sub.parse().ok()).ok_or(Refusal::Unauthenticated)?;
        let email = text("email").filter(|email| email.contains('@')).map(str::to_owned);
        Ok(Caller { user, email, roles: claims.get(&self.roles_claim).map(roles).unwrap_or_default() })
    }

    fn dev_claims(&self, request: &Request) -> Option<HashMap<String, Value>> {
        let header = request.headers().get("authorization")?.to_str().ok()?;
        let (scheme, token) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_aud = false;
        jsonwebtoken::decode(token.trim(), self.dev.as_ref()?, &validation).ok().map(|token| token.claims)
    }
}

fn authorizer_claims(request: &Request) -> Option<HashMap<String, Value>> {
    let RequestContext::ApiGatewayV2(context) = request.request_context_ref()? else { return None };
    let claims = &context.authorizer.as_ref()?.jwt.as_ref()?.claims;
    Some(claims.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect())
}

/// Roles are an array in a token; API Gateway makes bracketed text of it: `[organiser door]`.
fn roles(claim: &Value) -> Vec<String> {
    match claim {
        Value::Array(roles) => roles.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::String(text) => {
            let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
            let names = inner.split([',', ' ']).map(|name| name.trim_matches('"'));
            names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::json;

    use super::*;

    const KEY: &str = "a key for this test only";

    fn auth(pairs: &[(&str, &str)]) -> (Auth, Settings) {
        let settings = Settings::new(pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        (settings.auth(), settings)
    }

    fn local() -> Auth {
        auth(&[("DEV_TOKEN_KEY", KEY), ("AWS_ENDPOINT_URL", "http://127.0.0.1:8000")]).0
    }

    fn bearer(claims: &Value, key: &str) -> Request {
        let key = EncodingKey::from_secret(key.as_bytes());
        let token = jsonwebtoken::encode(&Header::default(), claims, &key).unwrap();
        http::Request::builder().header("Authorization", format!("Bearer {token}")).body(().into()).unwrap()
    }

    fn from_gateway(claims: &Value) -> Request {
        let event = json!({
            "version": "2.0", "routeKey": "GET /", "rawPath": "/", "rawQueryString": "", "headers": {},
            "requestContext": {
                "http": {"method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "t"},
                "authorizer": {"jwt": {"claims": claims, "scopes": null}},
                "stage": "$default", "requestId": "r", "timeEpoch": 0
            },
            "isBase64Encoded": false
        });
        lambda_http::request::from_str(&event.to_string()).unwrap()
    }

    #[test]
    fn claims_come_from_the_gateway_in_its_own_text() {
        let (auth, _) = auth(&[]);
        let caller = auth.caller(&from_gateway(&json!({"sub": "ada", "cognito:groups": "[organiser door]"}))).unwrap();
        assert_eq!(caller.user.as_str(), "ada");
        assert_eq!(caller.require_role("door"), Ok(()));
        assert_eq!(caller.require_role("admin"), Err(Refusal::Forbidden("admin")));
    }

    #[test]
    fn a_dev_token_counts_only_with_the_right_key_and_in_time() {
        let claims =
            |exp: i64| json!({"sub": "ada", "exp": exp, "email": "ada@example.org", "cognito:groups": ["organiser"]});
        let caller = local().caller(&bearer(&claims(4_000_000_000), KEY)).unwrap();
        assert_eq!(caller.email.as_deref(), Some("ada@example.org"));
        assert_eq!(caller.require_role("organiser"), Ok(()));
        for request in [bearer(&claims(1_000_000_000), KEY), bearer(&claims(4_000_000_000), "another key, also long")] {
            assert_eq!(local().caller(&request), Err(Refusal::Unauthenticated));
        }
    }

    #[test]
    fn deployed_nobody_is_let_in_by_a_dev_token() {
        let (auth, settings) = auth(&[("DEV_TOKEN_KEY", KEY)]);
        assert!(settings.check().unwrap_err().to_string().contains("DEV_TOKEN_KEY"));
        assert!(auth.caller(&bearer(&json!({"sub": "ada", "exp": 4_000_000_000i64}), KEY)).is_err());
    }
}
