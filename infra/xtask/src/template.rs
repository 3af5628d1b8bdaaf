//! `cargo xtask template`: the templates under the linters, and what `sam local` makes of the API's.

use crate::{
    run::{run, run_with},
    sam, tools,
};

/// Environments of samconfig.toml.
const ENVIRONMENTS: [&str; 4] = ["default", "dev", "staging", "prod"];
/// In an environment of its own: SAM pins another version of the linter.
const LINTERS: [&str; 2] = ["cfn-lint==1.58.0", "cfn-lint-serverless==0.3.6"];

/// Where a firewall of a distribution lives.
const FRONT_REGION: &str = "us-east-1";

/// Lints the template for each environment, and asks SAM which routes and settings it would serve. Needs no account.
pub(crate) fn template() -> Result<(), String> {
    let programs = sam::programs()?;
    for environment in ENVIRONMENTS {
        let arguments = ["validate", "--lint", "--config-env", environment];
        run_with(&format!("template, {environment}"), programs.join("sam"), &arguments, &sam::ENVIRONMENT)?;
    }
    let linter = tools::python("cfn-lint", &LINTERS)?.join("cfn-lint");
    run(
        "template, serverless rules",
        &linter,
        &["--append-rules", "cfn_lint_serverless.rules", "--template", "template.yaml"],
    )?;
    for (name, template) in [("the front", "infra/edge/template.yaml"), ("the web app", "infra/web/template.yaml")] {
        run(name, &linter, &["--regions", FRONT_REGION, "--template", template])?;
    }
    run("sam local", programs.join("python"), &["infra/sam-local/check.py"])
}
