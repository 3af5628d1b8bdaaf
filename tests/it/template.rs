//! What `template.yaml` promises an operator: permissions by name, nothing unencrypted, nothing that fails unseen.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use testkit::template;

/// The routes that need no token. Webhooks prove themselves by their signature.
const OPEN_ROUTES: [&str; 11] = [
    "GET /v1/events",
    "GET /v1/events/{eventId}",
    "GET /v1/events/{eventId}/shows",
    "GET /v1/openapi.json",
    "GET /v1/shows/{showId}",
    "GET /v1/shows/{showId}/availability",
    "GET /v1/shows/{showId}/plan",
    "GET /v1/shows/{showId}/queue",
    "GET /v1/shows/{showId}/sections/{sectionId}/availability",
    "GET /v1/shows/{showId}/sections/{sectionId}/plan",
    "POST /v1/webhooks/payments",
];

fn parsed() -> Value {
    template::parse(template::TEXT).unwrap()
}

/// The resources of a type, by logical id.
fn of_type<'a>(template: &'a Value, kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let resources = template["Resources"].as_object().unwrap().iter();
    let of_type = resources.filter(|(_, resource)| resource["Type"] == kind);
    of_type.map(|(id, resource)| (id.as_str(), &resource["Properties"])).collect()
}

/// `!GetAtt Table.Arn` as `Table.Arn`, `!Ref X` as `X`, `!Sub` and plain text as they are.
fn named(value: &Value) -> String {
    match value.as_object().and_then(|object| object.iter().next()) {
        Some((function, argument)) if function == "Fn::GetAtt" => {
            format!("{}.{}", argument[0].as_str().unwrap(), argument[1].as_str().unwrap())
        }
        Some((_, argument)) => argument.as_str().unwrap_or_else(|| panic!("{value}")).to_owned(),
        None => value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned(),
    }
}

/// What stands there under a condition and nothing otherwise, with the condition's name; or simply what stands there.
fn unless_absent(value: &Value) -> (&Value, String) {
    match value.get("Fn::If").and_then(Value::as_array).map(Vec::as_slice) {
        Some([condition, there, absent]) if absent["Ref"] == "AWS::NoValue" => {
            (there, format!(" if {}", named(condition)))
        }
        _ => (value, String::new()),
    }
}

fn one_or_many(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |many| many.iter().collect())
}

/// The function whose role this is.
fn role_of(function: &Value) -> String {
    named(&function["Role"]).strip_suffix(".Arn").unwrap().to_owned()
}

/// What a role may do: `resource: action, action`.
fn permissions(role: &Value) -> Vec<String> {
    let policies = role["Policies"].as_array().unwrap();
    assert_eq!(policies.len(), 1, "one policy a function");
    let statements = policies[0]["PolicyDocument"]["Statement"].as_array().unwrap().iter();
    let lines = statements.flat_map(|statement| {
        let (statement, condition) = unless_absent(statement);
        assert_eq!(statement["Effect"], "Allow");
        let actions: Vec<String> = one_or_many(&statement["Action"]).into_iter().map(named).collect();
        let resources = one_or_many(&statement["Resource"]).into_iter();
        let only = statement.get("Condition").map_or(condition, |only| format!(" if {only}"));
        resources.map(move |resource| format!("{}: {}{only}", named(resource), actions.join(", "))).collect::<Vec<_>>()
    });
    lines.collect()
}

#[test]
fn each_function_may_do_what_it_does_and_no_more() {
    let template = parsed();
    let roles = of_type(&template, "AWS::IAM::Role");
    let mut told: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (id, function) in of_type(&template, "AWS::Serverless::Function") {
        let granted = permissions(roles[role_of(function).as_str()]);
        for permission in &granted {
            let (resource, actions) = permission.split_once(": ").unwrap();
            let actions = actions.split_once(" if ").map_or(actions, |(actions, _)| actions);
            assert!(!actions.contains('*'), "{id}: {permission}");
            // X-Ray's segments have no ARN. `/*` is below one: a bucket's objects, a table's streams.
            let everything = resource == "*" || resource.ends_with(":*");
            assert!(!everything || actions == "xray:PutTelemetryRecords, xray:PutTraceSegments", "{id}: {permission}");
        }
        assert!(function["Policies"].is_null(), "{id}: a policy beside the role");
        told.insert(id, granted);
    }
    assert_eq!(roles.len(), told.len(), "each function has a role of its own");
    assert!(roles.values().all(|role| role["ManagedPolicyArns"].is_null()), "managed policies grant everything");
    insta::assert_json_snapshot!("permissions", told);
}

#[test]
fn a_function_reads_secrets_from_where_they_are_kept_and_may() {
    let template = parsed();
    let roles = of_type(&template, "AWS::IAM::Role");
    let mut secrets = 0;
    for (id, function) in of_type(&template, "AWS::Serverless::Function") {
        let granted = permissions(roles[role_of(function).as_str()]);
        for (name, value) in function["Environment"]["Variables"].as_object().unwrap_or(&Map::new()) {
            if !["_KEY", "_SECRET"].iter().any(|end| name.ends_with(end)) {
                continue;
            }
            secrets += 1;
            let (value, condition) = unless_absent(value);
            let place = value["Fn::Sub"].as_str().and_then(|text| text.strip_prefix("secret:${"));
            let (secret, key) =
                place.and_then(|place| place.split_once("}#")).unwrap_or_else(|| panic!("{id}: {name}"));
            assert_eq!(key, name, "{id}: one name everywhere");
            let may = format!("{secret}: secretsmanager:GetSecretValue{condition}");
            assert!(granted.contains(&may), "{id} may not read {name}");
        }
    }
    assert_eq!(secrets, 24, "each is looked at");
    for (name, parameter) in template["Parameters"].as_object().unwrap() {
        assert!(parameter["NoEcho"].is_null() || name == "DevTokenKey", "{name} would carry a secret");
    }
}

#[test]
fn each_function_is_traced_bounded_and_has_a_log_that_ends() {
    let template = parsed();
    let logs = of_type(&template, "AWS::Logs::LogGroup");
    let globals = &template["Globals"]["Function"];
    assert_eq!(globals["Tracing"], "Active");
    assert_eq!(globals["Architectures"], serde_json::json!([{"Ref": "Architecture"}]));
    assert_eq!(template["Parameters"]["Architecture"]["Default"], "arm64");
    let functions = of_type(&template, "AWS::Serverless::Function");
    for (id, function) in &functions {
        let log = function["LoggingConfig"]["LogGroup"]["Ref"].as_str().unwrap_or_else(|| panic!("{id} has no log"));
        assert_eq!(function["LoggingConfig"]["LogFormat"], "JSON", "{id}");
        assert_eq!(logs[log]["RetentionInDays"]["Ref"], "LogRetentionDays", "{id}");
        let timeout = function["Timeout"].as_u64().or(globals["Timeout"].as_u64()).unwrap();
        // The longest that Lambda allows: a pass over all books works through pages for as long as it may.
        let longest = if *id == "ReconcileFunction" { 900 } else { 60 };
        assert!((10..=longest).contains(&timeout), "{id} takes {timeout} s");
    }
    let own: BTreeSet<&str> =
        functions.values().map(|f| f["LoggingConfig"]["LogGroup"]["Ref"].as_str().unwrap()).collect();
    assert_eq!(own.len(), functions.len(), "each function has a log of its own");
}

#[test]
fn dead_letters_are_kept_and_somebody_is_told() {
    let template = parsed();
    let queues = of_type(&template, "AWS::SQS::Queue");
    let mut dead = BTreeSet::new();
    for (id, queue) in &queues {
        assert_eq!(queue["SqsManagedSseEnabled"], true, "{id}");
        match queue["RedrivePolicy"]["deadLetterTargetArn"].as_object() {
            Some(_) => drop(dead.insert(named(&queue["RedrivePolicy"]["deadLetterTargetArn"]))),
            None => assert_eq!(queue["MessageRetentionPeriod"], 1_209_600, "{id} forgets before a fortnight"),
        }
    }
    for (id, function) in of_type(&template, "AWS::Serverless::Function") {
        for (name, event) in function["Events"].as_object().unwrap_or(&Map::new()) {
            let event_properties = &event["Properties"];
            match event["Type"].as_str().unwrap() {
                "DynamoDB" => {
                    assert_eq!(event_properties["BisectBatchOnFunctionError"], true, "{id}.{name}");
                    dead.insert(named(&event_properties["DestinationConfig"]["OnFailure"]["Destination"]));
                }
                "EventBridgeRule" => {
                    let kept = named(&event_properties["DeadLetterConfig"]["Arn"]);
                    let failed = named(&function["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Destination"]);
                    assert_eq!(kept, failed, "{id}.{name}");
                    dead.insert(kept);
                }
                "SQS" => assert!(event_properties["ScalingConfig"]["MaximumConcurrency"].is_u64(), "{id}.{name}"),
                "Schedule" => continue,
                other => panic!("{id}.{name}: {other}"),
            }
            if event["Type"] != "EventBridgeRule" {
                let partial = serde_json::json!(["ReportBatchItemFailures"]);
                assert_eq!(event_properties["FunctionResponseTypes"], partial, "{id}.{name}");
            }
        }
    }
    let watched: BTreeSet<String> = of_type(&template, "AWS::CloudWatch::Alarm")
        .values()
        .filter(|alarm| alarm["MetricName"] == "ApproximateNumberOfMessagesVisible")
        .map(|alarm| named(&alarm["Dimensions"][0]["Value"]).replace(".QueueName", ".Arn"))
        .collect();
    assert_eq!(dead, watched, "an alarm for each queue of dead letters");
    let wakes = |queue: &&Value| queue["RedrivePolicy"].is_object();
    let waking = queues.values().copied().filter(wakes).count();
    assert_eq!(dead.len(), queues.len() - waking, "every queue that wakes nobody holds dead letters");
}

#[test]
fn whoever_changes_something_shows_a_token() {
    let template = parsed();
    let mut routes = of_type(&template, "AWS::ApiGatewayV2::Route");
    // The live map tells what is public.
    let live = routes.extract_if(.., |_, route| route["ApiId"]["Ref"] == "LiveApi");
    let live: BTreeSet<&str> = live.map(|(id, _)| id).collect();
    let awaited = template["Resources"]["LiveStage"]["DependsOn"].as_array().unwrap().iter().filter_map(Value::as_str);
    assert_eq!(awaited.collect::<BTreeSet<&str>>(), live);
    let open = routes.values().filter(|route| route["AuthorizationType"] != "JWT");
    let mut open: Vec<&str> = open.map(|route| route["RouteKey"].as_str().unwrap()).collect();
    open.sort_unstable();
    assert_eq!(open, OPEN_ROUTES);
    // The stage names routes in its limits; CloudFormation must have made them before.
    let stage = &template["Resources"]["Stage"];
    let awaited: BTreeSet<&str> = stage["DependsOn"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(awaited, routes.keys().copied().collect());
    let keys: BTreeSet<&str> = routes.values().map(|route| route["RouteKey"].as_str().unwrap()).collect();
    for (limited, _) in stage["Properties"]["RouteSettings"].as_object().unwrap() {
        assert!(keys.contains(limited.as_str()), "{limited} is no route");
    }
    let format = stage["Properties"]["AccessLogSettings"]["Format"].as_str().unwrap();
    let format: Value = serde_json::from_str(format).unwrap();
    for personal in ["identity", "claims", "header"] {
        assert!(!format.to_string().contains(personal), "the access log tells {personal}");
    }
}

/// Besides the limits by address and account that stand before every function, and the firewall's on everything under
/// `/queue`.
#[test]
fn joining_is_throttled() {
    let template = parsed();
    let limits = &template["Resources"]["Stage"]["Properties"]["RouteSettings"];
    for route in ["POST /v1/shows/{showId}/queue", "POST /v1/shows/{showId}/queue/admission"] {
        for limit in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
            assert_eq!(limits[route][limit]["Ref"], "QueueRateLimit", "{route}");
        }
    }
    // A join is one write, and no partition takes more than a thousand a second.
    let most = template["Parameters"]["QueueRateLimit"]["Default"].as_u64().unwrap();
    assert!(most <= 1_000 * u64::from(domain::queue::QUEUE_SHARDS) / 2, "{most}");
}

#[test]
fn what_people_own_is_encrypted_protected_and_kept() {
    let template = parsed();
    for id in ["Table", "Tickets", "Users", "TicketSecret", "BookingIdSecret", "AdmissionSecret"] {
        assert_eq!(template["Resources"][id]["DeletionPolicy"], "Retain", "{id}");
        assert_eq!(template["Resources"][id]["UpdateReplacePolicy"], "Retain", "{id}");
    }
    let table = &template["Resources"]["Table"]["Properties"];
    assert_eq!(table["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
    assert_eq!(table["DeletionProtectionEnabled"]["Ref"], "DeletionProtection");
    assert_eq!(table["SSESpecification"]["SSEEnabled"], true);
    let warm = &table["WarmThroughput"];
    for index in table["GlobalSecondaryIndexes"].as_array().unwrap() {
        assert_eq!(index["WarmThroughput"], *warm, "a cold index throttles a warm table");
    }
    let blocked = template["Resources"]["Tickets"]["Properties"]["PublicAccessBlockConfiguration"].as_object().unwrap();
    assert!(blocked.len() == 4 && blocked.values().all(|on| on == true));
}

/// Strangers' browsers write into it: one kind of file, from one origin, for a day.
#[test]
fn what_organisers_put_beside_the_api_is_private_and_soon_gone() {
    let template = parsed();
    let bucket = &template["Resources"]["PlanUploads"]["Properties"];
    let tickets = &template["Resources"]["Tickets"]["Properties"];
    for same in ["BucketEncryption", "OwnershipControls", "PublicAccessBlockConfiguration"] {
        assert!(bucket[same].is_object() && bucket[same] == tickets[same], "{same}");
    }
    let rules = bucket["LifecycleConfiguration"]["Rules"].as_array().unwrap();
    assert_eq!(
        (rules.len(), &rules[0]["Status"], rules[0]["ExpirationInDays"].as_u64()),
        (1, &"Enabled".into(), Some(1))
    );
    assert_eq!(outbound::uploads::KEPT, std::time::Duration::from_hours(24));
    let rules = bucket["CorsConfiguration"]["CorsRules"].as_array().unwrap();
    assert_eq!(rules.len(), 1);
    assert_eq!(rules[0]["AllowedMethods"], serde_json::json!([outbound::uploads::METHOD]));
    assert_eq!(rules[0]["AllowedHeaders"], serde_json::json!(outbound::uploads::HEADERS.map(|(name, _)| name)));
    let api = &of_type(&template, "AWS::ApiGatewayV2::Api")["Api"]["CorsConfiguration"];
    assert_eq!(rules[0]["AllowedOrigins"], api["AllowOrigins"], "the web app's origin, by the one parameter");
    let policies = of_type(&template, "AWS::S3::BucketPolicy");
    for (policy, bucket) in [("PlanUploadsPolicy", "PlanUploads"), ("TicketsPolicy", "Tickets")] {
        let statements = policies[policy]["PolicyDocument"]["Statement"].as_array().unwrap();
        assert_eq!((named(&policies[policy]["Bucket"]), statements.len()), (bucket.to_owned(), 1));
        assert_eq!(statements[0]["Condition"]["Bool"]["aws:SecureTransport"], "false");
    }
}

/// An API behind the front is closed to whoever comes around it: by each function that answers calls, and by name.
#[test]
fn whoever_answers_calls_knows_the_front() {
    let template = parsed();
    let integrations = of_type(&template, "AWS::ApiGatewayV2::Integration");
    let functions = of_type(&template, "AWS::Serverless::Function");
    // The live map is another API, and tells what is public.
    for integration in integrations.values().filter(|integration| integration["ApiId"]["Ref"] == "Api") {
        let function = named(&integration["IntegrationUri"]);
        let function = function.strip_suffix(".Arn").unwrap();
        let (origin, condition) = unless_absent(&functions[function]["Environment"]["Variables"]["ORIGIN_SECRET"]);
        let place = "secret:${OriginSecretArn}#ORIGIN_SECRET";
        assert_eq!((&origin["Fn::Sub"], condition.as_str()), (&place.into(), " if BehindEdge"), "{function}");
    }
    let api = &of_type(&template, "AWS::ApiGatewayV2::Api")["Api"]["DisableExecuteApiEndpoint"];
    assert_eq!(*api, serde_json::json!({"Fn::If": ["OnlyByName", true, false]}));
}

#[test]
fn the_api_stands_before_the_first_function() {
    // `sam local` picks its parser from whichever comes first.
    let first_function = template::TEXT.find("AWS::Serverless::Function").unwrap();
    for kind in ["AWS::ApiGatewayV2::Api\n", "AWS::ApiGatewayV2::Stage\n", "AWS::ApiGatewayV2::Route\n"] {
        assert!(template::TEXT.rfind(kind).unwrap() < first_function, "{kind}");
    }
}

/// `project` writes maps and `relay` writes the ledger: a stream that told them so would never come to rest.
#[test]
fn whoever_reads_the_stream_is_not_woken_by_what_they_write() {
    let template = parsed();
    let mut readers = 0;
    for (id, function) in of_type(&template, "AWS::Serverless::Function") {
        for event in function["Events"].as_object().into_iter().flat_map(Map::values) {
            if event["Type"] != "DynamoDB" {
                continue;
            }
            readers += 1;
            let filters = event["Properties"]["FilterCriteria"]["Filters"].as_array().unwrap();
            assert!(!filters.is_empty(), "{id} hears everything");
            for filter in filters {
                let pattern: Value = serde_json::from_str(filter["Pattern"].as_str().unwrap()).unwrap();
                let prefixes = pattern["dynamodb"]["Keys"]["PK"]["S"].as_array().unwrap();
                for prefix in prefixes.iter().map(|prefix| prefix["prefix"].as_str().unwrap()) {
                    let written = ["AVAIL#", "LEDGER#", "ARRIVALS#", "ADMITTED#"];
                    assert!(prefix.contains('#') && !written.contains(&prefix), "{id} is woken by {prefix}");
                }
            }
        }
    }
    assert_eq!(readers, 2, "DynamoDB's limit");
}
