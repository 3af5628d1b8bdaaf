//! `infra/edge`: what the front keeps, and what it passes on, held against what the API says of itself.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;
use testkit::template;

use crate::support::Stage;

/// AWS's own cache policy that keeps nothing.
const NEVER: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
const ACTING: [&str; 7] = ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"];

fn parsed() -> Value {
    let path = Path::new(env!("CHECKOUT")).join("infra/edge/template.yaml");
    template::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The patterns of `CloudFront`: a star is any text, slashes included, a question mark any one character.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    match (pattern.first(), path.first()) {
        (None, None) => true,
        (Some(b'*'), _) => matches(&pattern[1..], path) || (!path.is_empty() && matches(pattern, &path[1..])),
        (Some(b'?'), Some(_)) => matches(&pattern[1..], &path[1..]),
        (Some(wanted), Some(found)) if wanted == found => matches(&pattern[1..], &path[1..]),
        _ => false,
    }
}

/// A path of this route, with ids as they are.
fn example(route: &str) -> String {
    let uuid = "01990000000070008000000000000003";
    let id = |part: &str| match part {
        "{showId}" => format!("shw_{uuid}"),
        "{eventId}" => format!("evt_{uuid}"),
        "{bookingId}" => format!("bkg_{uuid}"),
        "{sectionId}" => "stalls".to_owned(),
        part => part.to_owned(),
    };
    route.split('/').map(id).collect::<Vec<_>>().join("/")
}

/// What happens to calls of `path`.
fn behavior<'a>(template: &'a Value, path: &str) -> &'a Value {
    let config = &template["Resources"]["Front"]["Properties"]["DistributionConfig"];
    let mut named = config["CacheBehaviors"].as_array().unwrap().iter();
    let found = named.find(|it| matches(it["PathPattern"].as_str().unwrap().as_bytes(), path.as_bytes()));
    found.unwrap_or(&config["DefaultCacheBehavior"])
}

fn texts(value: &Value) -> BTreeSet<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// The cache policy of a behavior: its longest time, and the query parameters that it tells answers apart by.
fn kept<'a>(template: &'a Value, behavior: &Value) -> (u64, BTreeSet<&'a str>) {
    let policy = behavior["CachePolicyId"]["Ref"].as_str().unwrap_or_else(|| panic!("{behavior}"));
    let config = &template["Resources"][policy]["Properties"]["CachePolicyConfig"];
    let key = &config["ParametersInCacheKeyAndForwardedToOrigin"];
    assert_eq!((&config["MinTTL"], &config["DefaultTTL"]), (&0.into(), &0.into()), "what says no-store is not kept");
    assert_eq!(key["EnableAcceptEncodingGzip"], true, "{policy}: compressed as the functions compress it");
    assert_eq!(key["HeadersConfig"]["HeaderBehavior"], "none", "{policy}: no token is part of a key");
    let query = &key["QueryStringsConfig"];
    let by = if query["QueryStringBehavior"] == "none" { BTreeSet::new() } else { texts(&query["QueryStrings"]) };
    (config["MaxTTL"].as_u64().unwrap(), by)
}

fn forwards_tokens(template: &Value, behavior: &Value) -> bool {
    let policy = behavior["OriginRequestPolicyId"]["Ref"].as_str().unwrap();
    let headers = &template["Resources"][policy]["Properties"]["OriginRequestPolicyConfig"]["HeadersConfig"];
    assert!(texts(&headers["Headers"]).contains("CloudFront-Viewer-Address"), "the functions are told who calls");
    match headers["HeaderBehavior"].as_str().unwrap() {
        "allViewerAndWhitelistCloudFront" => true,
        "whitelist" => {
            assert!(texts(&headers["Headers"]).contains("Host"), "the API's certificate is of its own name");
            texts(&headers["Headers"]).contains("Authorization")
        }
        other => panic!("{other}"),
    }
}

/// Every operation of the API: what its function lets caches do is what the front does, no more and no less.
#[tokio::test(flavor = "multi_thread")]
async fn the_front_keeps_what_the_api_says_may_be_kept_and_no_longer() {
    let stage = Stage::bare(&[]).await;
    let document = stage.get("/v1/openapi.json").await.expect(200);
    let template = parsed();
    let mut cached = 0;
    for (route, item) in document["paths"].as_object().unwrap() {
        let behavior = behavior(&template, &example(route));
        let is_acted_on = item.as_object().unwrap().keys().any(|method| method != "get");
        if is_acted_on {
            assert_eq!(texts(&behavior["AllowedMethods"]), ACTING.into(), "{route}");
        }
        let operations = item.as_object().unwrap().values();
        if operations.clone().any(|operation| operation["security"] != serde_json::json!([])) {
            assert!(forwards_tokens(&template, behavior), "{route}");
        } else {
            forwards_tokens(&template, behavior);
        }
        let caching = &item["get"]["responses"]["200"]["headers"]["Cache-Control"]["example"];
        let max_age = caching.as_str().and_then(|text| text.split("max-age=").nth(1)?.split(',').next()?.parse().ok());
        let Some(max_age) = max_age else {
            assert_eq!(behavior["CachePolicyId"], NEVER, "{route} is nobody else's");
            continue;
        };
        cached += 1;
        let (longest, by) = kept(&template, behavior);
        assert!(longest >= max_age, "{route} may be kept for {max_age} s and is for {longest}");
        assert!(longest <= max_age.max(5), "{route} is kept for {longest} s and may be for {max_age}");
        let parameters = item["get"]["parameters"].as_array().cloned().unwrap_or_default();
        let asked = parameters.iter().filter(|parameter| parameter["in"] == "query");
        for name in asked.map(|parameter| parameter["name"].as_str().unwrap()) {
            assert!(by.contains(name), "{route}: {name} makes another answer");
        }
    }
    assert!(cached >= 9, "{cached}");
}

#[test]
fn patterns_are_matched_as_cloudfront_does() {
    for (pattern, path, is_match) in [
        ("/v1/shows/*/plan", "/v1/shows/a/sections/b/plan", true),
        ("/v1/shows/*/plan", "/v1/shows/a/plans", false),
        ("/v1/shows/shw_??", "/v1/shows/shw_ab", true),
        ("/v1/shows/shw_??", "/v1/shows/shw_ab/sales", false),
        ("/v1/events*", "/v1/events", true),
    ] {
        assert_eq!(matches(pattern.as_bytes(), path.as_bytes()), is_match, "{pattern} {path}");
    }
}

#[test]
fn the_front_proves_itself_and_is_guarded() {
    let template = parsed();
    let resources = &template["Resources"];
    let config = &resources["Front"]["Properties"]["DistributionConfig"];
    assert_eq!(config["WebACLId"]["Fn::GetAtt"], serde_json::json!(["Firewall", "Arn"]));
    let origin = &config["Origins"][0];
    assert_eq!(origin["CustomOriginConfig"]["OriginProtocolPolicy"], "https-only");
    let header = &origin["OriginCustomHeaders"][0];
    assert_eq!(header["HeaderName"], edge::guard::ORIGIN_HEADER);
    let shown = header["HeaderValue"].to_string();
    assert!(shown.contains("resolve:secretsmanager:${OriginSecretArn}:SecretString:ORIGIN_HEADER"), "{shown}");
    for (name, parameter) in template["Parameters"].as_object().unwrap() {
        assert!(parameter["NoEcho"].is_null(), "{name} would carry a secret");
    }
    let firewall = &resources["Firewall"]["Properties"];
    assert_eq!(firewall["Scope"], "CLOUDFRONT");
    let rules = firewall["Rules"].as_array().unwrap();
    let managed: BTreeSet<&str> =
        rules.iter().filter_map(|rule| rule["Statement"]["ManagedRuleGroupStatement"]["Name"].as_str()).collect();
    let wanted = [
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesCommonRuleSet",
        "AWSManagedRulesKnownBadInputsRuleSet",
    ];
    assert_eq!(managed, wanted.into());
    let limits: Vec<&Value> = rules.iter().filter(|rule| rule["Statement"]["RateBasedStatement"].is_object()).collect();
    assert_eq!(limits.len(), 3, "all calls; holds; the queue");
    for limit in limits {
        let answer = &limit["Action"]["Block"]["CustomResponse"];
        assert_eq!(
            (&answer["ResponseCode"], &answer["ResponseHeaders"][0]["Name"]),
            (&429.into(), &"retry-after".into())
        );
        assert_eq!(limit["Statement"]["RateBasedStatement"]["AggregateKeyType"], "IP");
        let body = &firewall["CustomResponseBodies"][answer["CustomResponseBodyKey"].as_str().unwrap()]["Content"];
        let problem: Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
        assert_eq!(
            (&problem["type"], &problem["status"]),
            (&"urn:problem:usher:too-many-requests".into(), &429.into())
        );
    }
}

#[test]
fn who_is_turned_away_is_logged_without_anybodys_tokens() {
    let template = parsed();
    let resources = &template["Resources"];
    let logging = &resources["FirewallLogging"]["Properties"];
    assert_eq!(logging["ResourceArn"]["Fn::GetAtt"], serde_json::json!(["Firewall", "Arn"]));
    let name = resources["FirewallLog"]["Properties"]["LogGroupName"].to_string();
    assert!(name.contains("aws-waf-logs-"), "a firewall writes to no other name: {name}");
    let kept = &logging["LoggingFilter"];
    assert_eq!(kept["DefaultBehavior"], "DROP");
    assert_eq!(kept["Filters"][0]["Conditions"], serde_json::json!([{"ActionCondition": {"Action": "BLOCK"}}]));
    let fields = logging["RedactedFields"].as_array().unwrap().iter();
    let redacted: BTreeSet<&str> = fields.map(|field| field["SingleHeader"]["Name"].as_str().unwrap()).collect();
    let api = template::parse(template::TEXT).unwrap();
    let allowed = texts(&api["Resources"]["Api"]["Properties"]["CorsConfiguration"]["AllowHeaders"]);
    let secret = |header: &&str| ["authorization", "usher-admission", "usher-proof"].contains(header);
    assert_eq!(redacted, allowed.into_iter().filter(secret).collect(), "every header that proves something");
}

#[test]
fn browsers_are_told_the_same_by_the_front_and_by_the_api() {
    let front = &parsed()["Resources"]["Browsers"]["Properties"]["ResponseHeadersPolicyConfig"]["CorsConfig"];
    let api = template::parse(template::TEXT).unwrap();
    let api = &api["Resources"]["Api"]["Properties"]["CorsConfiguration"];
    assert_eq!(texts(&front["AccessControlAllowMethods"]["Items"]), texts(&api["AllowMethods"]));
    assert_eq!(texts(&front["AccessControlAllowHeaders"]["Items"]), texts(&api["AllowHeaders"]));
    assert_eq!(texts(&front["AccessControlExposeHeaders"]["Items"]), texts(&api["ExposeHeaders"]));
    assert_eq!(front["AccessControlMaxAgeSec"], api["MaxAge"]);
}
