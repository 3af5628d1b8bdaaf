//! The real template on an emulated AWS: deployed, changed and deleted by the same program that an operator uses.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use super::tap::Tap;
use crate::{
    aws::{ACCESS_KEY, Aws, REGION, SECRET_KEY, elements},
    localstripe,
    package::Arch,
    run::{free_port, root},
    sam,
    servers::{self, Server},
    tools,
};

/// The emulator, with what its CloudFormation and its JWT authorizers need. It and SAM want different versions of one
/// library.
const MINISTACK: &[&str] = &["ministack==1.5.33", "aws-sam-translator==1.115.0", "cryptography==50.0.2"];

/// The stack's name.
const STACK: &str = "usher-e2e";
/// The provider's key that the functions are given.
pub(crate) const PAYMENT_SECRET_KEY: &str = "sk_test_usher";
/// What the provider signs webhooks with.
pub(crate) const PAYMENT_WEBHOOK_SECRET: &str = "whsec_usher_e2e";
/// The sender of mail.
const MAIL_FROM: &str = "tickets@usher.example";
/// The identity that it belongs to.
const MAIL_IDENTITY: &str = "usher.example";
/// Log events that a failure shows of each function.
const LOG_EVENTS_SHOWN: usize = 20;

/// Where everything of a run lies.
struct Places {
    /// Packages, logs, temporary files.
    work: PathBuf,
    /// Programs of SAM.
    sam: PathBuf,
    /// Programs of the emulator.
    ministack: PathBuf,
    /// Programs of the provider.
    localstripe: PathBuf,
}

/// A deployed stack, and what it stands on. Dropping it stops everything.
pub(crate) struct Stack {
    /// The emulator's API.
    pub(crate) aws: Aws,
    /// What functions tell the mail service.
    pub(crate) tap: Tap,
    /// The payment provider.
    pub(crate) stripe: Server,
    /// Where the provider is.
    pub(crate) stripe_url: String,
    emulator: Server,
    emulator_port: u16,
    payment_secret: String,
    places: Places,
    resources: BTreeMap<String, Resource>,
}

/// A resource of the stack.
#[derive(Clone)]
struct Resource {
    kind: String,
    physical: String,
}

impl Stack {
    /// Starts the servers; deploys nothing yet. `work` holds the packages in `target/lambda`.
    pub(crate) fn start(work: &Path) -> Result<Self, String> {
        let places = Places {
            work: work.to_owned(),
            sam: sam::programs()?,
            ministack: tools::python("ministack", MINISTACK)?,
            localstripe: localstripe::programs()?,
        };
        for folder in ["home", "tmp"] {
            let folder = work.join(folder);
            fs::create_dir_all(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
        }
        let (emulator_port, stripe_port) = (free_port()?, free_port()?);
        let tap = Tap::start(emulator_port).map_err(|why| format!("the tap: {why}"))?;
        let emulator = places.ministack(emulator_port, &tap)?;
        let log = work.join("localstripe.log");
        let python = places.apart(servers::command(places.localstripe.join("python"), &log));
        let stripe = localstripe::start(python, stripe_port, &log)?;
        Ok(Self {
            aws: Aws::new(&format!("127.0.0.1:{emulator_port}")),
            tap,
            stripe,
            stripe_url: format!("http://127.0.0.1:{stripe_port}"),
            emulator,
            emulator_port,
            payment_secret: String::new(),
            places,
            resources: BTreeMap::new(),
        })
    }

    /// What an operator prepares before the first deployment: the provider's secrets, and the sender of mail.
    pub(crate) fn prepare(&mut self) -> Result<(), String> {
        let secret =
            json!({"PAYMENT_SECRET_KEY": PAYMENT_SECRET_KEY, "PAYMENT_WEBHOOK_SECRET": PAYMENT_WEBHOOK_SECRET});
        let body = json!({
            "Name": "usher/payment", "SecretString": secret.to_string(), "ClientRequestToken": "e2e-".repeat(8),
        });
        let made = self.aws.json("secretsmanager", "secretsmanager.CreateSecret", &body)?;
        made["ARN"].as_str().ok_or("no ARN of the secret")?.clone_into(&mut self.payment_secret);
        let body = json!({"EmailIdentity": MAIL_IDENTITY});
        self.aws.rest("ses", "POST", "/v2/email/identities", &[], Some(&body))?.expect("the sender", 200)?;
        Ok(())
    }

    /// Deploys the template, for the first time or over what is there.
    pub(crate) fn deploy(&mut self, changes: &[(&str, &str)]) -> Result<(), String> {
        let template = self.places.work.join("template.yaml");
        fs::copy(root().join("template.yaml"), &template).map_err(|why| format!("{}: {why}", template.display()))?;
        let endpoint = self.endpoint();
        let mut parameters = vec![
            format!("PaymentSecretArn={}", self.payment_secret),
            format!("PaymentBaseUrl={}", self.stripe_url),
            format!("MailFrom={MAIL_FROM}"),
            format!("MailIdentity={MAIL_IDENTITY}"),
            format!("AwsEndpointUrl={endpoint}"),
            format!("Architecture={}", Arch::host().parameter()),
            // A stack that is made to be deleted.
            "DeletionProtection=false".to_owned(),
            // The emulator has no archives.
            "EventArchiveDays=0".to_owned(),
        ];
        parameters.extend(changes.iter().map(|(name, value)| format!("{name}={value}")));
        let template = template.to_string_lossy();
        let mut arguments = vec!["deploy", "--template-file", &template, "--stack-name", STACK, "--region", REGION];
        arguments.extend(["--resolve-s3", "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset"]);
        arguments.extend(["--no-progressbar", "--no-fail-on-empty-changeset", "--parameter-overrides"]);
        arguments.extend(parameters.iter().map(String::as_str));
        self.sam("deploy.log", &arguments)?;
        self.resources = self.read_resources()?;
        Ok(())
    }

    /// Mends what the emulator cannot do, once, after the first deployment.
    pub(crate) fn mend(&self) -> Result<(), String> {
        // The bucket refuses connections in the clear, as it must; this machine's have nothing else.
        for bucket in ["Tickets", "PlanUploads"] {
            let path = format!("/{}", self.id(bucket)?);
            self.aws.rest("s3", "DELETE", &path, &[("policy", "")], None)?.expect("the bucket's policy", 204)?;
        }
        // Generated secrets are of any characters, where the template asks for hexadecimal digits.
        let secret = json!({"TICKET_SIGNING_KEY": "7e".repeat(32)});
        let body = json!({
            "SecretId": self.id("TicketSecret")?, "SecretString": secret.to_string(),
            "ClientRequestToken": "seed".repeat(8),
        });
        self.aws.json("secretsmanager", "secretsmanager.PutSecretValue", &body)?;
        // Mail is authorised for every sender or none, where the template names the one identity.
        let statement = json!({"Effect": "Allow", "Action": "ses:SendEmail", "Resource": "*"});
        let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        let role = self.id("NotificationRole")?;
        let fields = [
            ("Action", "PutRolePolicy"),
            ("Version", "2010-05-08"),
            ("RoleName", role),
            ("PolicyName", "emulated-mail"),
            ("PolicyDocument", &policy),
        ];
        self.aws.query("iam", &fields)?.expect("the mail policy", 200).map(drop)
    }

    /// Deletes the stack.
    pub(crate) fn delete(&self) -> Result<(), String> {
        self.sam("delete.log", &["delete", "--stack-name", STACK, "--region", REGION, "--no-prompts"])
    }

    fn sam(&self, log: &str, arguments: &[&str]) -> Result<(), String> {
        let mut command = self.places.apart(Command::new(self.places.sam.join("sam")));
        command.args(arguments).env("AWS_ENDPOINT_URL", self.endpoint()).envs(sam::ENVIRONMENT);
        command.env("SAM_CLI_POLL_DELAY", "1").current_dir(&self.places.work);
        let output = command.output().map_err(|why| format!("sam does not start: {why}"))?;
        let text = [output.stdout, output.stderr].concat();
        let log = self.places.work.join(log);
        fs::write(&log, &text).map_err(|why| format!("{}: {why}", log.display()))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("sam {} failed:\n{}", arguments[0], String::from_utf8_lossy(&text)))
    }

    /// Where the emulator answers.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.emulator_port)
    }

    fn read_resources(&self) -> Result<BTreeMap<String, Resource>, String> {
        let fields = [("Action", "DescribeStackResources"), ("Version", "2010-05-15"), ("StackName", STACK)];
        let xml = self.aws.query("cloudformation", &fields)?.expect("the stack's resources", 200)?.text();
        let part = |resource: &str, name| elements(resource, name).first().map(ToString::to_string);
        let resource = |resource: &&str| {
            let (kind, physical) = (part(resource, "ResourceType")?, part(resource, "PhysicalResourceId")?);
            Some((part(resource, "LogicalResourceId")?, Resource { kind, physical }))
        };
        Ok(elements(&xml, "member").iter().filter_map(resource).collect())
    }

    /// The physical id of a resource that the template names.
    pub(crate) fn id(&self, name: &str) -> Result<&str, String> {
        self.resources.get(name).map(|it| it.physical.as_str()).ok_or_else(|| format!("the stack has no {name}"))
    }

    /// Types of resources that the stack has, and how many of each.
    pub(crate) fn kinds(&self) -> BTreeMap<&str, usize> {
        let mut kinds = BTreeMap::new();
        for resource in self.resources.values() {
            *kinds.entry(resource.kind.as_str()).or_default() += 1;
        }
        kinds
    }

    /// Whether the stack exists.
    pub(crate) fn exists(&self) -> Result<bool, String> {
        let fields = [("Action", "DescribeStacks"), ("Version", "2010-05-15"), ("StackName", STACK)];
        let answer = self.aws.query("cloudformation", &fields)?;
        let gone = answer.status == 400 || answer.text().contains("DELETE_COMPLETE");
        Ok(!gone)
    }

    /// Where the API answers.
    pub(crate) fn api_url(&self) -> Result<String, String> {
        Ok(format!("{}/_aws/execute-api/{}/$default", self.endpoint(), self.id("Api")?))
    }

    /// The mails that the emulator's SES took.
    pub(crate) fn mails(&self) -> Result<Value, String> {
        let url = format!("{}/_ministack/ses/messages", self.endpoint());
        Ok(crate::http::Http::new().get(&url)?.expect("the mails", 200)?.json())
    }

    /// The messages that wait in a queue, delayed and invisible ones included.
    pub(crate) fn waiting(&self, queue: &str) -> Result<u64, String> {
        let names = ["", "Delayed", "NotVisible"].map(|kind| format!("ApproximateNumberOfMessages{kind}"));
        let body = json!({"QueueUrl": self.id(queue)?, "AttributeNames": names});
        let answer = self.aws.json("sqs", "AmazonSQS.GetQueueAttributes", &body)?;
        let count = |name: &String| answer["Attributes"][name].as_str().and_then(|text| text.parse::<u64>().ok());
        Ok(names.iter().filter_map(count).sum())
    }

    /// Turns the schedule of `sweep` on or off.
    pub(crate) fn schedule(&self, on: bool) -> Result<(), String> {
        let target = if on { "AWSEvents.EnableRule" } else { "AWSEvents.DisableRule" };
        let rule = self.id("SweepFunctionEveryMinute")?;
        // Its physical id is its name, or ends with it.
        let name = rule.rsplit(['/', '|']).next().unwrap_or(rule);
        self.aws.json("events", target, &json!({"Name": name})).map(drop)
    }

    /// The last things that a function logged.
    pub(crate) fn function_log(&self, function: &str) -> String {
        let mut chars = function.chars();
        let first = chars.next().map(|first| first.to_ascii_uppercase());
        let group = first.into_iter().chain(chars).chain("Log".chars()).collect::<String>();
        let body = self.id(&group).map(|group| json!({"logGroupName": group, "limit": 10_000}));
        let events = body.and_then(|body| self.aws.json("logs", "Logs_20140328.FilterLogEvents", &body));
        let events = match events {
            Ok(events) => events["events"].as_array().cloned().unwrap_or_default(),
            Err(why) => return why,
        };
        let lines = events.iter().filter_map(|event| event["message"].as_str()).map(str::trim_end);
        // Lambda's own lines and the metrics are no help.
        let no_help = |line: &&str| {
            ["START ", "END ", "REPORT "].iter().any(|word| line.starts_with(word)) || line.contains(r#""_aws":"#)
        };
        let lines: Vec<&str> = lines.filter(|line| !no_help(line)).collect();
        lines[lines.len().saturating_sub(LOG_EVENTS_SHOWN)..].join("\n")
    }

    /// The last things that the emulator said.
    pub(crate) fn emulator_log(&self) -> String {
        self.emulator.last_lines()
    }
}

impl Places {
    /// A program that knows nothing of this machine's accounts.
    fn apart(&self, mut command: Command) -> Command {
        command.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.work.join("home")).env("TMPDIR", self.work.join("tmp"));
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        command.env("AWS_DEFAULT_REGION", REGION).env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    fn ministack(&self, port: u16, tap: &Tap) -> Result<Server, String> {
        let url = format!("http://127.0.0.1:{port}");
        let log = self.work.join("ministack.log");
        let mut command = self.apart(servers::command(self.ministack.join("ministack"), &log));
        command.env("GATEWAY_PORT", port.to_string()).env("BIND_HOST", "127.0.0.1").env("MINISTACK_HOST", "127.0.0.1");
        command.env("MINISTACK_REGION", REGION).env("IOT_MTLS_ENABLED", "false");
        // Functions inherit these.
        command.env("AWS_ENDPOINT_URL", &url).env("AWS_ENDPOINT_URL_SESV2", tap.url());
        // Every call is authorised by the caller's policies: a function can do what its role says and nothing else.
        command.env("AUTH", "true");
        Server::start(&mut command, &log, &format!("{url}/_ministack/ready"))
    }
}
