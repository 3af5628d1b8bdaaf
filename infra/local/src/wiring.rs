//! The wiring of `template.yaml`: which route, queue, rule, schedule and stream leads to which function.
//!
//! Whatever the template says and this platform does not understand stops the start. Otherwise what runs here would
//! quietly differ from what is deployed.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use crate::pattern::Pattern;

/// Everything that leads to a function.
#[derive(Debug, PartialEq)]
pub(crate) struct Wiring {
    /// By name: the last part of the function's `CodeUri`.
    pub(crate) functions: BTreeMap<String, FunctionSpec>,
    /// HTTP routes.
    pub(crate) routes: Vec<RouteSpec>,
    /// Cross-origin answers of the API.
    pub(crate) cors: Cors,
    /// The WebSocket API.
    pub(crate) socket: SocketSpec,
    /// Stream consumers.
    pub(crate) streams: Vec<StreamSpec>,
    /// Queue consumers.
    pub(crate) queues: Vec<QueueSpec>,
    /// Event rules.
    pub(crate) rules: Vec<RuleSpec>,
    /// Schedules.
    pub(crate) schedules: Vec<ScheduleSpec>,
}

/// A function.
#[derive(Debug, PartialEq)]
pub(crate) struct FunctionSpec {
    /// Names of the settings that it is given.
    pub(crate) settings: Vec<String>,
}

/// A route of the HTTP API.
#[derive(Debug, PartialEq)]
pub(crate) struct RouteSpec {
    /// `GET /v1/events/{eventId}`.
    pub(crate) key: String,
    /// Which function answers.
    pub(crate) function: String,
}

/// The WebSocket API.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct SocketSpec {
    /// The stage, and the path that connections are opened at.
    pub(crate) stage: String,
    /// `$connect`, `$disconnect`, `$default`, each with its function.
    pub(crate) routes: Vec<RouteSpec>,
}

/// What the API tells browsers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cors {
    /// Who may call; `*` for everybody.
    pub(crate) origins: Vec<String>,
    /// `access-control-allow-methods`.
    pub(crate) methods: String,
    /// `access-control-allow-headers`.
    pub(crate) headers: String,
    /// `access-control-expose-headers`.
    pub(crate) exposed: String,
    /// `access-control-max-age`, in seconds.
    pub(crate) max_age_seconds: u64,
}

/// A reader of the table's stream.
#[derive(Debug, PartialEq)]
pub(crate) struct StreamSpec {
    /// Which function reads.
    pub(crate) function: String,
    /// Records in one call, at most.
    pub(crate) batch_size: u32,
    /// One of them must match, when there are any.
    pub(crate) filters: Vec<Pattern>,
    /// How often a failing batch is tried again.
    pub(crate) retries_max: u32,
}

/// A queue and the function that its messages wake.
#[derive(Debug, PartialEq)]
pub(crate) struct QueueSpec {
    /// Logical id of the queue.
    pub(crate) queue: String,
    /// Which function is woken.
    pub(crate) function: String,
    /// Messages in one call, at most.
    pub(crate) batch_size: usize,
    /// How long a received message stays hidden.
    pub(crate) visibility: Duration,
    /// Receipts before a message becomes a dead letter.
    pub(crate) receives_max: u32,
    /// Calls of the function side by side, at most.
    pub(crate) concurrency_max: usize,
}

/// A rule of the event bus.
#[derive(Debug, PartialEq)]
pub(crate) struct RuleSpec {
    /// Which function is told.
    pub(crate) function: String,
    /// Of which events.
    pub(crate) pattern: Pattern,
    /// How often a failing delivery is tried again.
    pub(crate) retries_max: u32,
}

/// A schedule.
#[derive(Debug, PartialEq)]
pub(crate) struct ScheduleSpec {
    /// Which function is woken.
    pub(crate) function: String,
    /// How often.
    pub(crate) every: Duration,
    /// What it is told, where that is not the schedule's own event.
    pub(crate) input: Option<Value>,
}

/// Receipts of a queue without a redrive policy: SQS would never give up, a laptop may.
const RECEIVES_MAX_DEFAULT: u32 = 100;
/// EventBridge's own.
const RULE_RETRIES_DEFAULT: u32 = 185;
/// Calls side by side where the template does not say. Lambda has no bound of its own.
const CONCURRENCY_DEFAULT: usize = 2;
/// SQS's own, in seconds.
const VISIBILITY_SECONDS_DEFAULT: u64 = 30;

impl Wiring {
    /// Reads the template as [`testkit::template::parse`] gives it.
    ///
    /// # Errors
    /// One line for everything that leads nowhere or is not understood.
    pub(crate) fn read(template: &Value) -> Result<Self, String> {
        let mut reader = Reader { template, problems: Vec::new() };
        let wiring = reader.read();
        if reader.problems.is_empty() {
            Ok(wiring)
        } else {
            Err(format!("template.yaml:\n  {}", reader.problems.join("\n  ")))
        }
    }
}

struct Reader<'a> {
    template: &'a Value,
    problems: Vec<String>,
}

impl<'a> Reader<'a> {
    fn read(&mut self) -> Wiring {
        let mut wiring = Wiring {
            functions: BTreeMap::new(),
            routes: Vec::new(),
            cors: Cors::default(),
            socket: SocketSpec::default(),
            streams: Vec::new(),
            queues: Vec::new(),
            rules: Vec::new(),
            schedules: Vec::new(),
        };
        let Some(resources) = self.template["Resources"].as_object() else {
            self.problem("Resources", "missing");
            return wiring;
        };
        for (id, resource) in resources {
            let properties = &resource["Properties"];
            match resource["Type"].as_str().unwrap_or_default() {
                "AWS::Serverless::Function" => self.function(&mut wiring, id, properties),
                "AWS::ApiGatewayV2::Route" => self.route(&mut wiring, id, properties),
                "AWS::ApiGatewayV2::Stage" if self.is_socket(properties) => {
                    wiring.socket.stage = properties["StageName"].as_str().unwrap_or_default().to_owned();
                }
                "AWS::ApiGatewayV2::Api" if properties["ProtocolType"] == "HTTP" => {
                    wiring.cors = self.cors(&properties["CorsConfiguration"]);
                }
                kind if is_plumbing(kind) => {}
                kind => self.problem(id, &format!("the embedded platform does not know {kind}")),
            }
        }
        wiring
    }

    fn problem(&mut self, place: &str, what: &str) {
        self.problems.push(format!("{place}: {what}"));
    }

    fn function(&mut self, wiring: &mut Wiring, id: &str, properties: &'a Value) {
        let Some(name) = function_name(properties) else {
            return self.problem(id, "CodeUri does not end in the function's name");
        };
        let globals = &self.template["Globals"]["Function"]["Environment"]["Variables"];
        let own = &properties["Environment"]["Variables"];
        let names = [globals, own].into_iter().filter_map(Value::as_object).flat_map(|variables| variables.keys());
        wiring.functions.insert(name.to_owned(), FunctionSpec { settings: names.cloned().collect() });
        for (event, source) in properties["Events"].as_object().into_iter().flatten() {
            let place = format!("{id}.Events.{event}");
            let source_properties = &source["Properties"];
            match source["Type"].as_str().unwrap_or_default() {
                "SQS" => self.queue(wiring, &place, name, source_properties),
                "DynamoDB" => self.stream(wiring, &place, name, source_properties),
                "EventBridgeRule" => self.rule(wiring, &place, name, source_properties),
                "Schedule" => self.schedule(wiring, &place, name, source_properties),
                kind => self.problem(&place, &format!("the embedded platform has no event source {kind}")),
            }
        }
    }

    /// Whether a stage or route is the WebSocket API's.
    fn is_socket(&self, properties: &Value) -> bool {
        let api = properties["ApiId"]["Ref"].as_str().unwrap_or_default();
        self.template["Resources"][api]["Properties"]["ProtocolType"] == "WEBSOCKET"
    }

    fn route(&mut self, wiring: &mut Wiring, id: &str, properties: &Value) {
        // Behind a condition where something else reads the template, which this platform is not.
        let target = match &properties["Target"]["Fn::If"] {
            Value::Array(branches) => branches.iter().find(|branch| branch.get("Fn::Sub").is_some()),
            _ => Some(&properties["Target"]),
        };
        let integration = target.and_then(|target| target["Fn::Sub"].as_str());
        let integration = integration.and_then(|target| target.strip_prefix("integrations/${")?.strip_suffix('}'));
        let integration = &self.template["Resources"][integration.unwrap_or_default()]["Properties"];
        let function = &self.template["Resources"][integrated(&integration["IntegrationUri"])]["Properties"];
        match (properties["RouteKey"].as_str(), function_name(function)) {
            (Some(key), Some(function)) => {
                let socket = self.is_socket(properties);
                let routes = if socket { &mut wiring.socket.routes } else { &mut wiring.routes };
                routes.push(RouteSpec { key: key.to_owned(), function: function.to_owned() });
            }
            _ => self.problem(id, "the route leads to no function"),
        }
    }

    fn cors(&mut self, cors: &Value) -> Cors {
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(|text| self.text(text)).collect()
        };
        Cors {
            origins: texts(&cors["AllowOrigins"]),
            methods: texts(&cors["AllowMethods"]).join(","),
            headers: texts(&cors["AllowHeaders"]).join(","),
            exposed: texts(&cors["ExposeHeaders"]).join(","),
            max_age_seconds: cors["MaxAge"].as_u64().unwrap_or_default(),
        }
    }

    /// A text, or the default of the parameter that it refers to.
    fn text(&self, value: &Value) -> Option<String> {
        let parameter = value["Ref"].as_str().map(|name| &self.template["Parameters"][name]["Default"]);
        parameter.unwrap_or(value).as_str().map(str::to_owned)
    }

    fn queue(&mut self, wiring: &mut Wiring, place: &str, function: &str, properties: &Value) {
        let queue = attribute_of(&properties["Queue"], "Arn");
        let resource = &self.template["Resources"][queue];
        if resource["Type"] != "AWS::SQS::Queue" {
            return self.problem(place, "the queue is not an AWS::SQS::Queue of this template");
        }
        let settings = &resource["Properties"];
        wiring.queues.push(QueueSpec {
            queue: queue.to_owned(),
            function: function.to_owned(),
            batch_size: number(&properties["BatchSize"], 10),
            visibility: Duration::from_secs(number(&settings["VisibilityTimeout"], VISIBILITY_SECONDS_DEFAULT)),
            receives_max: number(&settings["RedrivePolicy"]["maxReceiveCount"], RECEIVES_MAX_DEFAULT),
            concurrency_max: number(&properties["ScalingConfig"]["MaximumConcurrency"], CONCURRENCY_DEFAULT),
        });
    }

    fn stream(&mut self, wiring: &mut Wiring, place: &str, function: &str, properties: &Value) {
        if attribute_of(&properties["Stream"], "StreamArn").is_empty() {
            return self.problem(place, "the stream is not that of a table of this template");
        }
        let mut filters = Vec::new();
        for filter in properties["FilterCriteria"]["Filters"].as_array().into_iter().flatten() {
            let text = filter["Pattern"].as_str().unwrap_or_default();
            let pattern = serde_json::from_str(text).map_err(|why| why.to_string());
            match pattern.and_then(|pattern| Pattern::new(&pattern)) {
                Ok(pattern) => filters.push(pattern),
                Err(why) => self.problem(place, &why),
            }
        }
        wiring.streams.push(StreamSpec {
            function: function.to_owned(),
            batch_size: number(&properties["BatchSize"], 100),
            filters,
            retries_max: number(&properties["MaximumRetryAttempts"], u32::MAX),
        });
    }

    fn rule(&mut self, wiring: &mut Wiring, place: &str, function: &str, properties: &Value) {
        match Pattern::new(&properties["Pattern"]) {
            Ok(pattern) => wiring.rules.push(RuleSpec {
                function: function.to_owned(),
                pattern,
                retries_max: number(&properties["RetryPolicy"]["MaximumRetryAttempts"], RULE_RETRIES_DEFAULT),
            }),
            Err(why) => self.problem(place, &why),
        }
    }

    fn schedule(&mut self, wiring: &mut Wiring, place: &str, function: &str, properties: &Value) {
        let text = properties["Schedule"].as_str().unwrap_or_default();
        let input = properties["Input"].as_str().map(serde_json::from_str).transpose();
        match (rate(text), input) {
            (Some(every), Ok(input)) => {
                wiring.schedules.push(ScheduleSpec { function: function.to_owned(), every, input });
            }
            (None, _) => self.problem(place, &format!("not a rate: {text}")),
            (_, Err(why)) => self.problem(place, &format!("the input is not JSON: {why}")),
        }
    }
}

/// Resources that lead to no function by themselves.
fn is_plumbing(kind: &str) -> bool {
    const PLUMBING: [&str; 20] = [
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::ApiMapping",
        "AWS::ApiGatewayV2::Authorizer",
        "AWS::ApiGatewayV2::DomainName",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Stage",
        "AWS::Cognito::UserPool",
        "AWS::Cognito::UserPoolClient",
        "AWS::Cognito::UserPoolGroup",
        "AWS::DynamoDB::Table",
        "AWS::Events::Archive",
        "AWS::Events::EventBus",
        "AWS::IAM::Role",
        "AWS::Lambda::Permission",
        "AWS::Route53::RecordSet",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::SecretsManager::Secret",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
    ];
    // These watch, they do not wire.
    let observes = ["AWS::CloudWatch::", "AWS::Logs::", "AWS::WAFv2::", "AWS::KMS::", "AWS::SNS::"];
    PLUMBING.contains(&kind) || observes.iter().any(|prefix| kind.starts_with(prefix))
}

/// `target/lambda/hold/` is `hold`.
fn function_name(properties: &Value) -> Option<&str> {
    properties["CodeUri"].as_str()?.strip_prefix("target/lambda/").map(|name| name.trim_end_matches('/'))
}

/// The logical id in `Fn::GetAtt: [id, attribute]`; empty when it is something else.
fn attribute_of<'a>(value: &'a Value, attribute: &str) -> &'a str {
    let get = &value["Fn::GetAtt"];
    if get[1] == attribute { get[0].as_str().unwrap_or_default() } else { "" }
}

/// The logical id of the function that an integration calls: by its ARN, or by the long form that has the ARN in it.
fn integrated(uri: &Value) -> &str {
    let long = uri["Fn::Sub"].as_str().and_then(|uri| uri.split_once("/functions/${"));
    match long.and_then(|(_, function)| function.split_once(".Arn}")) {
        Some((function, _)) => function,
        None => attribute_of(uri, "Arn"),
    }
}

fn number<T: TryFrom<u64>>(value: &Value, default: T) -> T {
    value.as_u64().and_then(|number| T::try_from(number).ok()).unwrap_or(default)
}

/// `rate(5 minutes)`.
fn rate(text: &str) -> Option<Duration> {
    let (count, unit) = text.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let count: u64 = count.parse().ok().filter(|&count| count > 0)?;
    let unit_seconds = match unit.trim_end_matches('s') {
        "minute" => 60,
        "hour" => 60 * 60,
        "day" => 24 * 60 * 60,
        _ => return None,
    };
    Some(Duration::from_secs(count * unit_seconds))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::template;

    use super::*;

    fn wiring() -> Wiring {
        Wiring::read(&template::parse(template::TEXT).unwrap()).unwrap()
    }

    #[test]
    fn every_function_is_reached_and_exactly_two_read_the_stream() {
        let wiring = wiring();
        let readers: Vec<&str> = wiring.streams.iter().map(|stream| stream.function.as_str()).collect();
        assert_eq!(readers, ["project", "relay"], "DynamoDB allows a stream two readers");
        let mut reached: Vec<&str> = wiring.routes.iter().map(|route| route.function.as_str()).collect();
        reached.extend(wiring.socket.routes.iter().map(|route| route.function.as_str()));
        reached.extend(readers);
        reached.extend(wiring.queues.iter().map(|queue| queue.function.as_str()));
        reached.extend(wiring.rules.iter().map(|rule| rule.function.as_str()));
        reached.extend(wiring.schedules.iter().map(|schedule| schedule.function.as_str()));
        for name in wiring.functions.keys() {
            assert!(reached.contains(&name.as_str()), "nothing leads to {name}");
        }
        for name in reached {
            assert!(wiring.functions.contains_key(name), "{name} is not there");
        }
        assert_eq!(wiring.functions.len(), 19);
    }

    #[test]
    fn routes_are_those_of_the_contract_and_unique() {
        let wiring = wiring();
        let function =
            |key: &str| wiring.routes.iter().find(|route| route.key == key).map(|route| route.function.as_str());
        assert_eq!(function("POST /v1/shows/{showId}/holds"), Some("hold"));
        assert_eq!(function("GET /v1/shows/{showId}/sections/{sectionId}/availability"), Some("browse"));
        assert_eq!(function("DELETE /v1/bookings/{bookingId}"), Some("bookings"));
        let mut keys: Vec<&str> = wiring.routes.iter().map(|route| route.key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), wiring.routes.len());
    }

    #[test]
    fn the_live_map_is_served_at_its_stage() {
        let socket = wiring().socket;
        assert_eq!(socket.stage, "live");
        let routes: Vec<(&str, &str)> =
            socket.routes.iter().map(|route| (route.key.as_str(), route.function.as_str())).collect();
        assert_eq!(routes, [("$connect", "live"), ("$default", "live"), ("$disconnect", "live")]);
    }

    #[test]
    fn what_the_readers_write_does_not_wake_them() {
        let wiring = wiring();
        let event = |pk: &str| json!({"eventName": "MODIFY", "dynamodb": {"Keys": {"PK": {"S": pk}}}});
        let wakes =
            |reader: usize, pk: &str| wiring.streams[reader].filters.iter().any(|filter| filter.matches(&event(pk)));
        let written = ["AVAIL#s#a", "ARRIVALS#s#1", "ADMITTED#s#1"];
        let others = ["BUYERS#s#1", "QUEUE#s", "PERMITS#s#1", "RECEIPT#stripe#e", "SHOW#s", "EVENT#e", "PLAN#v#1"];
        let others = others.into_iter().chain(["LIVE#s#a", "CONN#s#a#1", "CONNECTION#c"]);
        for pk in written.into_iter().chain(others) {
            assert!(!wakes(0, pk) && !wakes(1, pk), "{pk}");
        }
        assert!(wakes(0, "SEATS#s#a#1") && wakes(0, "AREA#s#a#1") && !wakes(0, "BOOKING#b"));
        let room = |pk: &str, attribute: &str| {
            let image = json!({attribute: {"N": "1"}});
            let event = json!({"dynamodb": {"Keys": {"PK": {"S": pk}}, "NewImage": image}});
            wiring.streams[0].filters.iter().any(|filter| filter.matches(&event))
        };
        assert!(room("QUEUE#s#1", "r") && !room("QUEUE#s", "v"), "a place, and not the room's state");
        assert!(room("BUYERS#s#1", "a") && !room("BUYERS#s#1", "t"), "a buyer who was let in, and no other");
        assert!(wakes(1, "BOOKING#b") && !wakes(1, "SEATS#s#a#1"));
        let removed = json!({"eventName": "REMOVE", "dynamodb": {"Keys": {"PK": {"S": "BOOKING#b"}}}});
        assert!(!wiring.streams[1].filters[0].matches(&removed));
    }

    #[test]
    fn queues_schedules_and_cors_are_read() {
        let wiring = wiring();
        assert_eq!((wiring.queues.len(), wiring.schedules.len(), wiring.rules.len()), (3, 6, 3));
        let queue = |name: &str| wiring.queues.iter().find(|queue| queue.queue == name).unwrap();
        let timers = queue("Timers");
        assert_eq!((timers.function.as_str(), timers.receives_max, timers.concurrency_max), ("sweep", 5, 50));
        assert_eq!(queue("Tellings").function, "push");
        let ticks = queue("Ticks");
        assert_eq!((ticks.function.as_str(), ticks.batch_size), ("queue-admit", 1));
        assert!(timers.visibility >= Duration::from_mins(1));
        let spec = |function: &str, every, input| ScheduleSpec { function: function.into(), every, input };
        let schedules = [
            spec("offer", Duration::from_mins(1), None),
            spec("project", Duration::from_hours(1), Some(json!({"check": "drift"}))),
            spec("queue-admit", Duration::from_mins(1), None),
            spec("reconcile", Duration::from_hours(1), Some(json!({"scope": "all"}))),
            spec("reconcile", Duration::from_mins(5), Some(json!({"scope": "young"}))),
            spec("sweep", Duration::from_mins(1), None),
        ];
        assert_eq!(wiring.schedules, schedules);
        assert_eq!(wiring.cors.origins, ["*"]);
        assert!(wiring.cors.headers.contains("idempotency-key"));
        assert!(wiring.functions["hold"].settings.iter().any(|name| name == "BOOKING_ID_KEY"));
        assert!(wiring.functions["hold"].settings.iter().any(|name| name == "TABLE_NAME"));
    }

    #[test]
    fn whatever_leads_nowhere_stops_the_start() {
        let function = json!({"Type": "AWS::Serverless::Function", "Properties": {
            "CodeUri": "target/lambda/x/",
            "Events": {
                "A": {"Type": "Kinesis"},
                "B": {"Type": "Schedule", "Properties": {"Schedule": "cron(0 0 * * ? *)"}},
                "C": {"Type": "EventBridgeRule", "Properties": {"Pattern": {"source": [{"cidr": "x"}]}}},
                "D": {"Type": "SQS", "Properties": {"Queue": {"Fn::GetAtt": ["Nowhere", "Arn"]}}},
            },
        }});
        let route = json!({"Type": "AWS::ApiGatewayV2::Route", "Properties": {
            "RouteKey": "GET /", "Target": {"Fn::Sub": "integrations/${Nowhere}"},
        }});
        let template = json!({"Resources": {"F": function, "R": route, "K": {"Type": "AWS::Kinesis::Stream"}}});
        let told = Wiring::read(&template).unwrap_err();
        for part in ["Kinesis\n", "cron(", "cidr", "F.Events.D", "R: the route", "AWS::Kinesis::Stream"] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn rates() {
        assert_eq!(rate("rate(1 minute)"), Some(Duration::from_mins(1)));
        assert_eq!(rate("rate(2 hours)"), Some(Duration::from_hours(2)));
        for text in ["rate(0 minutes)", "rate(x minutes)", "rate(1 fortnight)", "cron(* * * * ? *)", ""] {
            assert_eq!(rate(text), None, "{text}");
        }
    }
}
