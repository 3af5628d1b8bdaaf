//! Amazon's DynamoDB Local, when the environment names one: a table of its own for each engine, which goes with it.

use std::{
    env,
    fmt::Write as _,
    fs::OpenOptions,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::Write as _,
    path::PathBuf,
    sync::Arc,
};

use aws_smithy_http_client::{
    Connector,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector as _, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream, error::display::DisplayErrorContext};
use serde_json::{Value, json};

use super::{EngineError, Front, TABLE_RESOURCE, meter::Tally};
use crate::template;

/// Names the DynamoDB Local that [`super::Engine::temporary`] uses: `http://127.0.0.1:8000`.
pub const URL_VARIABLE: &str = "DYNAMODB_LOCAL_URL";
/// Names a file to which every engine on DynamoDB Local adds, when it ends, a line with the number of calls answered.
pub const CALLS_VARIABLE: &str = "DYNAMODB_LOCAL_CALLS";

/// DynamoDB Local wants to see whose request it is, and believes it.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 \
     Credential=local/20260101/local/dynamodb/aws4_request, SignedHeaders=host, Signature=0";

/// Where tests were told to keep their tables.
pub(super) struct Place {
    url: String,
    calls: Option<PathBuf>,
}

impl Place {
    /// What the environment says; `None` leaves the tests on the embedded engine.
    pub(super) fn from_environment() -> Option<Self> {
        let url = env::var_os(URL_VARIABLE)?.into_string().expect("an address is ASCII");
        Some(Self { url, calls: env::var_os(CALLS_VARIABLE).map(PathBuf::from) })
    }
}

/// One table on DynamoDB Local.
pub(super) struct Local {
    place: Place,
    table: String,
    http: SharedHttpConnector,
    front: Arc<Front>,
}

impl Local {
    /// Creates the template's table under a name that nothing else has.
    pub(super) async fn create(place: Place, front: Arc<Front>) -> Result<Self, EngineError> {
        let mut table = "usher-".to_owned();
        write!(table, "{:016x}", RandomState::new().build_hasher().finish()).expect("a text takes more text");
        let template = template::parse(template::TEXT).map_err(EngineError)?;
        let (mut create, expiry) = template::table(&template, TABLE_RESOURCE, &table).map_err(EngineError)?;
        // It keeps the records of all streams it ever had, and each write takes longer for them: four times after 200
        // tables. Nobody reads them here.
        create.as_object_mut().and_then(|create| create.remove("StreamSpecification"));
        let local = Self { place, table, http: connect(), front };
        ask(&local.http, &local.place.url, "CreateTable", &create).await?;
        if let Some(attribute) = expiry {
            let request = template::expiry(&local.table, &attribute);
            ask(&local.http, &local.place.url, "UpdateTimeToLive", &request).await?;
        }
        Ok(local)
    }

    pub(super) fn url(&self) -> &str {
        &self.place.url
    }

    pub(super) fn table(&self) -> &str {
        &self.table
    }

    /// Passes the SDK's request on as it is.
    pub(super) async fn call(&self, operation: &str, mut request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        request.headers_mut().insert("authorization", AUTHORIZATION);
        let response = self.http.call(request).await?;
        self.front.answered(operation, !response.status().is_success(), Tally::UNTOLD);
        Ok(response)
    }

    fn add_calls(&self) -> std::io::Result<()> {
        let Some(file) = &self.place.calls else { return Ok(()) };
        let line = format!("{}\n", self.front.meter.total().calls);
        // One write of one line: those of other tests stay whole.
        OpenOptions::new().create(true).append(true).open(file)?.write_all(line.as_bytes())
    }
}

impl Drop for Local {
    /// Deletes the table. A failure is told and no more: a test that ends may not panic twice.
    fn drop(&mut self) {
        if let Err(why) = self.add_calls() {
            eprintln!("the calls to {} are not counted: {why}", self.table);
        }
        let (url, request) = (self.place.url.clone(), json!({"TableName": self.table}));
        // On a thread with a runtime of its own: that of the test may be ending, with its connections.
        let delete = move || -> Result<(), EngineError> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|why| EngineError(why.to_string()))?;
            runtime.block_on(async { ask(&connect(), &url, "DeleteTable", &request).await })
        };
        if let Ok(Err(why)) = std::thread::spawn(delete).join() {
            eprintln!("{} stays: {why}", self.table);
        }
    }
}

/// The SDK's own HTTP client. It trusts nobody's certificate: what is on this machine is asked without TLS.
fn connect() -> SharedHttpConnector {
    let nobody = TlsContext::builder().with_trust_store(TrustStore::empty()).build().expect("nothing to go wrong with");
    let client = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(nobody);
    SharedHttpConnector::new(client.build())
}

/// A call of our own, beside the SDK.
async fn ask(http: &SharedHttpConnector, url: &str, operation: &str, body: &Value) -> Result<(), EngineError> {
    let failed = |why: &dyn std::fmt::Display| EngineError(format!("{operation} at {url}: {why}"));
    let mut request = HttpRequest::new(SdkBody::from(body.to_string()));
    request.set_method("POST").map_err(|why| failed(&why))?;
    request.set_uri(url.to_owned()).map_err(|why| failed(&why))?;
    request.headers_mut().insert("authorization", AUTHORIZATION);
    request.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    request.headers_mut().insert("x-amz-target", format!("DynamoDB_20120810.{operation}"));
    let response = http.call(request).await.map_err(|why| failed(&DisplayErrorContext(why)))?;
    if response.status().is_success() {
        return Ok(());
    }
    let answer = ByteStream::new(response.into_body()).collect().await.map_err(|why| failed(&why))?;
    Err(failed(&String::from_utf8_lossy(&answer.into_bytes())))
}
