//! The WebSocket API: opens connections, hands what they say to the function of the route, and sends them what is posted.
//! As API Gateway does it, limits included.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{
        ConnectInfo, RawQuery, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, Response, StatusCode},
    response::IntoResponse as _,
    routing,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use domain::{ids::ConnectionId, live::CONNECTION_LIFETIME, time::Clock};
use edge::live::{CONNECT, DISCONNECT};
use futures::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use outbound::local::LocalConnections;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    event,
    functions::{EventHandler, Functions},
    gateway::problem,
    stop::Stop,
    wiring::SocketSpec,
};

/// The route of what is said, where no other is meant.
const DEFAULT: &str = "$default";
/// A connection that says nothing for so long is ended.
const SILENCE_MAX: Duration = Duration::from_mins(10);
/// The largest message, in bytes.
const MESSAGE_BYTES_MAX: usize = 128 * 1024;
/// The largest frame of a message, in bytes.
const FRAME_BYTES_MAX: usize = 32 * 1024;
/// How long a connection may take to take one message.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections at the same time: a laptop has to answer buyers, too.
const CONNECTIONS_MAX: usize = 10_000;
/// Random bytes of a connection's name.
const NAME_BYTES: usize = 11;

/// What the gateway knows of one connection.
pub(crate) struct Opened {
    pub(crate) id: ConnectionId,
    pub(crate) address: SocketAddr,
    pub(crate) at_millis: i64,
}

/// The routes of the API, with the functions that they lead to.
pub(crate) struct Routes {
    stage: String,
    handlers: HashMap<String, EventHandler>,
    clock: Arc<dyn Clock>,
}

impl Routes {
    /// Those of `spec`.
    ///
    /// # Errors
    /// A route's function is not there, or a route is missing.
    pub(crate) fn new(spec: &SocketSpec, functions: &Functions, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let handler =
            |route: &crate::wiring::RouteSpec| Ok((route.key.clone(), functions.event_handler(&route.function)?));
        let handlers: HashMap<_, _> = spec.routes.iter().map(handler).collect::<Result<_, String>>()?;
        match [CONNECT, DISCONNECT, DEFAULT].into_iter().find(|route| !handlers.contains_key(*route)) {
            Some(missing) => Err(format!("template.yaml: the WebSocket API has no route {missing}")),
            None => Ok(Self { stage: spec.stage.clone(), handlers, clock }),
        }
    }

    /// The status that the function of `route` answers.
    pub(crate) async fn call(&self, route: &str, opened: &Opened, more: Value) -> u16 {
        let kind = match route {
            CONNECT => "CONNECT",
            DISCONNECT => "DISCONNECT",
            _ => "MESSAGE",
        };
        let mut event = json!({
            "requestContext": {
                "routeKey": route,
                "eventType": kind,
                "messageDirection": "IN",
                "connectionId": opened.id,
                "connectedAt": opened.at_millis,
                "requestTimeEpoch": self.clock.now().as_millisecond(),
                "identity": {"sourceIp": opened.address.ip().to_string()},
                "domainName": "127.0.0.1",
                "stage": self.stage,
                "apiId": "local",
            },
            "isBase64Encoded": false,
        });
        if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
            event.extend(more);
        }
        match (self.handlers[route])(event).await {
            Ok(reply) => reply["statusCode"].as_u64().and_then(|status| status.try_into().ok()).unwrap_or(500),
            Err(why) => {
                tracing::error!("{route} of the WebSocket API failed: {why}");
                500
            }
        }
    }
}

/// The API.
pub(crate) struct Live {
    routes: Routes,
    connections: Arc<LocalConnections>,
    stop: Stop,
}

impl Live {
    /// Over these routes.
    pub(crate) fn new(routes: Routes, connections: Arc<LocalConnections>, stop: Stop) -> Self {
        Self { routes, connections, stop }
    }

    /// Where connections are opened: the stage's name.
    pub(crate) fn router(self) -> Router {
        let path = format!("/{}", self.routes.stage);
        Router::new().route(&path, routing::any(open)).with_state(Arc::new(self))
    }

    /// Serves a connection until it ends, and says so.
    async fn serve(&self, opened: &Opened, socket: WebSocket) {
        let posted = self.connections.open(opened.id.clone());
        let (sink, stream) = socket.split();
        let lifetime = Duration::try_from(CONNECTION_LIFETIME).unwrap_or_default();
        let mut stop = self.stop.clone();
        tokio::select! {
            () = self.read(opened, stream) => {}
            () = write(sink, posted) => {}
            () = tokio::time::sleep(lifetime) => {}
            () = stop.wait() => {}
        }
        self.connections.remove(&opened.id);
        self.routes.call(DISCONNECT, opened, json!({})).await;
    }

    /// Hands on what is said, one message after the other, until nothing more comes.
    async fn read(&self, opened: &Opened, mut stream: SplitStream<WebSocket>) {
        while let Ok(Some(Ok(message))) = tokio::time::timeout(SILENCE_MAX, stream.next()).await {
            let body = match message {
                Message::Text(text) => text.to_string(),
                Message::Binary(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Message::Close(_) => return,
                Message::Ping(_) | Message::Pong(_) => continue,
            };
            self.routes.call(DEFAULT, opened, json!({"body": body})).await;
        }
    }
}

/// Sends what is posted until the connection is closed from this side, or takes too long.
async fn write(mut sink: SplitSink<WebSocket, Message>, mut posted: mpsc::Receiver<String>) {
    while let Some(text) = posted.recv().await {
        let sent = tokio::time::timeout(SEND_TIMEOUT, sink.send(Message::Text(text.into()))).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
    let goodbye = CloseFrame { code: close_code::NORMAL, reason: "".into() };
    // Whoever is gone needs no goodbye.
    let _ = tokio::time::timeout(SEND_TIMEOUT, sink.send(Message::Close(Some(goodbye)))).await;
}

/// A handshake: the function decides.
async fn open(
    State(live): State<Arc<Live>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response<Body> {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(FRAME_BYTES_MAX),
        Err(rejection) => return rejection.into_response(),
    };
    let refuse = |status: u16| {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        problem(status, "connection-refused", "the connection is not opened", "live")
    };
    let mut name = [0; NAME_BYTES];
    if live.connections.count() >= CONNECTIONS_MAX || getrandom::fill(&mut name).is_err() {
        return refuse(503);
    }
    let id = BASE64_STANDARD.encode(name).parse().expect("base64 is printable");
    let opened = Opened { id, address, at_millis: live.routes.clock.now().as_millisecond() };
    let facts = json!({
        "headers": event::headers(&headers),
        "queryStringParameters": event::query(query.as_deref().unwrap_or_default()),
    });
    match live.routes.call(CONNECT, &opened, facts).await {
        200..300 => upgrade.on_upgrade(async move |socket| live.serve(&opened, socket).await),
        status => refuse(status),
    }
}
