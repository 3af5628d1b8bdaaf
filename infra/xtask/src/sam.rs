//! The SAM CLI, pinned: what deploys the template, lints it, and runs functions in Docker.

use std::path::PathBuf;

use crate::tools;

const REQUIREMENTS: [&str; 1] = ["aws-sam-cli==1.170.0"];

/// It tells nobody what we do with it.
pub(crate) const ENVIRONMENT: [(&str, &str); 1] = [("SAM_CLI_TELEMETRY", "0")];

/// The folder of its programs: `sam`, and the `python` that its modules live in.
pub(crate) fn programs() -> Result<PathBuf, String> {
    tools::python("aws-sam-cli", &REQUIREMENTS)
}
