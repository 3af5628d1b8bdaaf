//! Requests that AWS's own signer signs and a plain HTTP client sends: the few calls for which a whole client would be
//! a tenth of each function that links it.

use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningInstructions, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::{box_error::BoxError, client::identity::Identity};
use domain::{ProviderError, time::Clock as _};
use reqwest::Method;

use crate::{aws, clock::SystemClock};

/// Who signs, and for which service.
#[derive(Clone)]
pub(crate) struct Signer {
    credentials: SharedCredentialsProvider,
    region: String,
    service: &'static str,
}

/// A request before it is signed.
pub(crate) struct Unsigned<'a> {
    pub(crate) method: Method,
    /// As it is sent: what has to be escaped is.
    pub(crate) url: String,
    /// Signed along with it: it counts only if it is sent with these.
    pub(crate) headers: Vec<(&'a str, &'a str)>,
    pub(crate) body: SignableBody<'a>,
}

impl Signer {
    /// Signs for `service` as `config` says. `Refused` when it lacks a region or credentials; `what` is for the words.
    pub(crate) fn new(config: &SdkConfig, service: &'static str, what: &str) -> Result<Self, ProviderError> {
        let lacks = |thing: &str| ProviderError::Refused(format!("{what}: there is no {thing}"));
        let region = config.region().ok_or_else(|| lacks("region"))?.to_string();
        let credentials = config.credentials_provider().ok_or_else(|| lacks("source of credentials"))?;
        Ok(Self { credentials, region, service })
    }

    /// The region whose service is asked.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// What has to be added to a request so that the service knows whose it is. Role credentials are renewed outside, so
    /// each request asks for the present ones.
    pub(crate) async fn sign(
        &self,
        request: &Unsigned<'_>,
        settings: SigningSettings,
    ) -> Result<SigningInstructions, BoxError> {
        let identity: Identity = self.credentials.provide_credentials().await?.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service)
            .time(SystemClock.now().into())
            .settings(settings)
            .build()?;
        let (body, headers) = (request.body.clone(), request.headers.iter().copied());
        let signable = SignableRequest::new(request.method.as_str(), &request.url, headers, body)?;
        Ok(sign(signable, &parameters.into())?.into_parts().0)
    }
}

/// What sends them: bounded, and without trust in anybody's certificate where the endpoint is plain HTTP.
pub(crate) fn client(endpoint: &str, what: &str) -> Result<reqwest::Client, ProviderError> {
    let builder = reqwest::Client::builder()
        .connect_timeout(aws::ATTEMPT_TIMEOUT)
        .timeout(aws::ATTEMPT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none());
    let builder = if endpoint.starts_with("http:") { builder.tls_certs_only([]) } else { builder };
    builder.build().map_err(|error| ProviderError::Refused(format!("{what}: {error}")))
}

/// A request that could not be signed: the credentials could not be had, which may pass.
pub(crate) fn unsigned(name: &str, error: &BoxError) -> ProviderError {
    ProviderError::Unavailable { detail: format!("{name}: not signed: {error}"), retry_after_seconds: None }
}
