//! `onboarding-agent check`: what both configuration files say, or everything that is wrong with them.

use std::io::{self, Write};

use serde::Serialize;

use crate::config::{
    API_VERSION, AgentConfiguration, ConfigFiles, Kind, Loaded, OnboardingConfiguration, Problem, Settings, Severity,
};

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// Settings on stdout, problems on stderr.
    Text,
    /// One JSON document on stdout.
    Json,
}

/// A result that cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Standard output or standard error is closed or full.
    #[error("cannot print the result")]
    Print(#[source] io::Error),
    /// The settings cannot be written as YAML.
    #[error("cannot write the settings as YAML")]
    Yaml(#[source] serde_saphyr::SerializeError),
    /// The result cannot be written as JSON.
    #[error("cannot write the result as JSON")]
    Json(#[source] serde_json::Error),
}

impl CheckError {
    /// What the error comes from.
    #[must_use]
    pub fn cause(&self) -> &dyn std::error::Error {
        match self {
            Self::Print(error) => error,
            Self::Yaml(error) => error,
            Self::Json(error) => error,
        }
    }
}

/// A configuration as it stands in a file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a, T> {
    api_version: &'static str,
    kind: Kind,
    #[serde(flatten)]
    configuration: &'a T,
}

impl<'a, T> Document<'a, T> {
    fn new(kind: Kind, configuration: &'a T) -> Self {
        Self { api_version: API_VERSION, kind, configuration }
    }
}

/// The result as machines read it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    valid: bool,
    problems: &'a [Problem],
    #[serde(skip_serializing_if = "Option::is_none")]
    onboarding_configuration: Option<Document<'a, OnboardingConfiguration>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_configuration: Option<Document<'a, AgentConfiguration>>,
}

/// Loads both files and prints the result; `true` if the agent can start with them.
pub fn check(
    files: &ConfigFiles,
    format: OutputFormat,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> Result<bool, CheckError> {
    let Loaded { settings, problems } = files.load();
    match format {
        OutputFormat::Text => {
            print_problems(&problems, stderr).map_err(CheckError::Print)?;
            if let Some(settings) = &settings {
                stdout.write_all(settings_text(files, settings)?.as_bytes()).map_err(CheckError::Print)?;
            }
        }
        OutputFormat::Json => {
            let report = Report {
                valid: settings.is_some(),
                problems: &problems,
                onboarding_configuration: settings
                    .as_ref()
                    .map(|settings| Document::new(Kind::OnboardingConfiguration, &settings.onboarding)),
                agent_configuration: settings
                    .as_ref()
                    .map(|settings| Document::new(Kind::AgentConfiguration, &settings.agent)),
            };
            let text = serde_json::to_string_pretty(&report).map_err(CheckError::Json)?;
            writeln!(stdout, "{text}").map_err(CheckError::Print)?;
        }
    }
    stdout.flush().map_err(CheckError::Print)?;
    Ok(settings.is_some())
}

/// Both configurations in full, each as a document that could replace its file.
fn settings_text(files: &ConfigFiles, settings: &Settings) -> Result<String, CheckError> {
    let onboarding = serde_saphyr::to_string(&Document::new(Kind::OnboardingConfiguration, &settings.onboarding));
    let agent = serde_saphyr::to_string(&Document::new(Kind::AgentConfiguration, &settings.agent));
    Ok(format!(
        "# {} with all defaults\n{}---\n# {} with all defaults\n{}",
        files.onboarding.display(),
        onboarding.map_err(CheckError::Yaml)?,
        files.agent.display(),
        agent.map_err(CheckError::Yaml)?,
    ))
}

/// Hints of several lines are indented.
fn print_problems(problems: &[Problem], stderr: &mut dyn Write) -> io::Result<()> {
    for problem in problems {
        writeln!(stderr, "{problem}")?;
        if let Some(hint) = &problem.hint {
            writeln!(stderr, "hint: {}", hint.trim_end().replace("\n\n", "\n").replace('\n', "\n    "))?;
        }
    }
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    if errors > 1 {
        writeln!(stderr, "{errors} errors")?;
    }
    Ok(())
}
