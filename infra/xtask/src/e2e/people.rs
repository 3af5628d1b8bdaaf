//! People of the stack's user pool, with tokens that its API verifies.

use serde_json::{Value, json};

use super::stack::Stack;
use crate::journey::{Person, Site, text};

/// A password that the pool accepts; nobody else has one.
const PASSWORD: &str = "correct-Horse-7-battery";

/// Signs up somebody, who proves nothing but a password.
pub(crate) fn person(stack: &Stack, site: &Site, email: &str, groups: &[&str]) -> Result<Person, String> {
    let (pool, client) = (stack.id("Users")?, stack.id("UsersClient")?);
    let call = |name: &str, body: &Value| {
        stack.aws.json("cognito-idp", &format!("AWSCognitoIdentityProviderService.{name}"), body)
    };
    let verified = json!([{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]);
    let user = json!({"UserPoolId": pool, "Username": email, "UserAttributes": verified, "MessageAction": "SUPPRESS"});
    call("AdminCreateUser", &user)?;
    let password = json!({"UserPoolId": pool, "Username": email, "Password": PASSWORD, "Permanent": true});
    call("AdminSetUserPassword", &password)?;
    for group in groups {
        call("AdminAddUserToGroup", &json!({"UserPoolId": pool, "Username": email, "GroupName": group}))?;
    }
    let proof = json!({"USERNAME": email, "PASSWORD": PASSWORD});
    let flow = json!({
        "UserPoolId": pool, "ClientId": client, "AuthFlow": "ADMIN_USER_PASSWORD_AUTH", "AuthParameters": proof,
    });
    let session = call("AdminInitiateAuth", &flow)?;
    // The ID token: it says who, in which groups, and where mail goes.
    Ok(site.person(text(&session["AuthenticationResult"], "IdToken")?))
}
