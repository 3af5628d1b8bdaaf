//! `cargo xtask table`: the table of template.yaml on DynamoDB Local, and what else `sam local` needs.

use clap::Args;

use crate::{run::run, sam};

/// Where to make what.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Where DynamoDB Local answers.
    #[arg(long, default_value = "http://127.0.0.1:8000")]
    endpoint: String,
    /// Where a stand-in for SQS, S3, EventBridge and SES answers; without it only the table is made.
    #[arg(long)]
    aws_endpoint: Option<String>,
}

/// Makes what is not there yet. The template is read by SAM's own parser, so there is no second copy of the table.
pub(crate) fn table(arguments: &Arguments) -> Result<(), String> {
    let python = sam::programs()?.join("python");
    let mut words = vec!["infra/sam-local/table.py", "--endpoint", &arguments.endpoint];
    if let Some(endpoint) = &arguments.aws_endpoint {
        words.extend(["--aws-endpoint", endpoint]);
    }
    run("table", python, &words)
}
