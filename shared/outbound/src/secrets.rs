//! Secrets: kept in Secrets Manager, read when a function starts.

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use domain::ProviderError;

use crate::aws;

/// Reads secrets by ARN or name, each as the text that it holds.
pub fn reader(config: &SdkConfig) -> impl AsyncFn(String) -> Result<String, ProviderError> {
    let config = aws_sdk_secretsmanager::config::Builder::from(config).timeout_config(aws::timeouts()).build();
    let client = Client::from_conf(config);
    async move |id: String| read(&client, id).await
}

async fn read(client: &Client, id: String) -> Result<String, ProviderError> {
    let answer = client.get_secret_value().secret_id(id).send().await;
    let answer = answer.map_err(|error| aws::trouble("GetSecretValue", &error))?;
    let text = answer.secret_string().map(str::to_owned);
    text.ok_or_else(|| ProviderError::Garbled("GetSecretValue: the secret is not a text".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::tests::service;

    #[tokio::test]
    async fn a_secret_is_asked_for_by_its_id() {
        let (config, asked) = service(200, r#"{"Name":"payment","SecretString":"{\"KEY\":\"s3cret\"}"}"#).await;
        assert_eq!(reader(&config)("arn:payment".to_owned()).await.unwrap(), r#"{"KEY":"s3cret"}"#);
        let asked = asked.lock().unwrap();
        assert_eq!(asked[0].target, "secretsmanager.GetSecretValue");
        let body: serde_json::Value = serde_json::from_slice(&asked[0].body).unwrap();
        assert_eq!(body, serde_json::json!({"SecretId": "arn:payment"}));
    }

    #[tokio::test]
    async fn a_refusal_and_a_binary_secret_are_told_apart() {
        let (config, _) = service(400, r#"{"__type":"ResourceNotFoundException","message":"no such secret"}"#).await;
        let missing = reader(&config)("arn:x".to_owned()).await;
        assert!(matches!(missing, Err(ProviderError::Refused(_))), "{missing:?}");
        let (config, _) = service(200, r#"{"Name":"x","SecretBinary":"c2VjcmV0"}"#).await;
        let binary = reader(&config)("arn:x".to_owned()).await;
        assert!(matches!(binary, Err(ProviderError::Garbled(_))), "{binary:?}");
    }
}
