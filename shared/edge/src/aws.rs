//! Who a function is at AWS, and where AWS is.
//!
//! Lambda puts role and region into the environment. The SDK's own loader would also look for files, containers and
//! machines that hand out roles, which Lambda has not: a tenth of each function, and time at each start.

use std::{collections::BTreeMap, time::Duration};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_http_client::{
    Connector,
    proxy::ProxyConfig,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    behavior_version::BehaviorVersion,
    http::{HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn},
};
use aws_types::{
    SdkConfig,
    region::Region,
    service_config::{LoadServiceConfig, ServiceConfigKey},
};

use crate::settings::Settings;

/// Where AWS is when it is not where it always is (an emulator).
const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";

/// How long establishing a connection may take; the SDK's own bound.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3100);

/// The clients' configuration from these settings.
pub(crate) fn config(settings: &Settings) -> SdkConfig {
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .service_config(Endpoints(settings.starting_with(ENDPOINT_URL)))
        .http_client(client());
    config.set_region(settings.get("AWS_REGION").map(|region| Region::new(region.to_owned())));
    config.set_endpoint_url(settings.get(ENDPOINT_URL).map(str::to_owned));
    config.set_credentials_provider(credentials(settings).map(SharedCredentialsProvider::new));
    config.build()
}

/// The role's credentials. They end after this process does, so nobody renews them.
fn credentials(settings: &Settings) -> Option<Credentials> {
    let (id, secret) = (settings.get("AWS_ACCESS_KEY_ID")?, settings.get("AWS_SECRET_ACCESS_KEY")?);
    Some(Credentials::new(id, secret, settings.get("AWS_SESSION_TOKEN").map(str::to_owned), None, "environment"))
}

/// One for all clients: each of its own would read the machine's root certificates again.
fn client() -> SharedHttpClient {
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
    let builder = Connector::builder().connector_settings(settings).tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    let connector = SharedHttpConnector::new(builder.proxy_config(ProxyConfig::from_env()).build());
    http_client_fn(move |_, _| connector.clone())
}

/// `AWS_ENDPOINT_URL`, and `AWS_ENDPOINT_URL_<SERVICE>` for those that are elsewhere.
#[derive(Debug)]
struct Endpoints(BTreeMap<String, String>);

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_uppercase().replace(' ', "_");
        self.0.get(&format!("{}_{service}", key.env())).or_else(|| self.0.get(key.env())).cloned()
    }
}

#[cfg(test)]
mod tests {
    use aws_credential_types::provider::ProvideCredentials as _;

    use super::*;

    fn of(values: &[(&str, &str)]) -> SdkConfig {
        config(&Settings::new(values.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()))))
    }

    fn endpoint(config: &SdkConfig, service: &str) -> Option<String> {
        let key = ServiceConfigKey::builder().service_id(service).env(ENDPOINT_URL).profile("endpoint_url").build();
        config.service_config().unwrap().load_config(key.unwrap())
    }

    #[tokio::test]
    async fn role_and_region_are_lambdas() {
        let role = [
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "ASIA1"),
            ("AWS_SECRET_ACCESS_KEY", "s3cret"),
            ("AWS_SESSION_TOKEN", "t0ken"),
        ];
        let config = of(&role);
        assert_eq!(config.region().unwrap().as_ref(), "eu-central-1");
        let credentials = config.credentials_provider().unwrap().provide_credentials().await.unwrap();
        assert_eq!((credentials.access_key_id(), credentials.secret_access_key()), ("ASIA1", "s3cret"));
        assert_eq!((credentials.session_token(), credentials.expiry()), (Some("t0ken"), None));
        assert_eq!((config.endpoint_url(), endpoint(&config, "DynamoDB")), (None, None));
        // A key alone is nobody's.
        assert!(of(&role[..2]).credentials_provider().is_none());
    }

    #[test]
    fn a_service_may_be_elsewhere_than_all_others() {
        let config = of(&[
            (ENDPOINT_URL, "http://127.0.0.1:1"),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:2"),
            ("AWS_ENDPOINT_URL_SQS", ""),
        ]);
        assert_eq!(config.endpoint_url(), Some("http://127.0.0.1:1"));
        assert_eq!(endpoint(&config, "Secrets Manager").as_deref(), Some("http://127.0.0.1:2"));
        assert_eq!(endpoint(&config, "SQS").as_deref(), Some("http://127.0.0.1:1"));
    }
}
