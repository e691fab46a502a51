use std::{
    error::Error,
    ffi::OsStr,
    io::{self, Write},
    path::{Path, PathBuf},
};

use artifact::SidecarInfo;
use serde::Serialize;

use super::{Finding, Severity};
use crate::{
    failure,
    launch::{Origin, PilotAgent, Program, Variable, concerns_sidecar},
    settings::{EnvFile, HIDDEN, hides},
};

/// All that was found on a machine.
#[derive(Debug)]
pub struct Report {
    /// Every problem: of the env files, of the settings, of the other files.
    pub findings: Vec<Finding>,
    /// What a pilot-agent would be started with, unless the env files cannot be read.
    pub pilot_agent: Option<PilotAgent>,
    /// The package, if there is one.
    pub installed: Option<SidecarInfo>,
    /// The paths of [`EnvFile::ALL`].
    pub(super) files: [PathBuf; 2],
}

#[derive(Serialize)]
struct Document<'a> {
    valid: bool,
    problems: Vec<ProblemEntry>,
    /// What `run` would start. Absent when no package is installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<RunsEntry>,
    /// Those in effect for pilot-agent, sorted by name. Absent when there are errors: then nobody can say.
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<Vec<SettingEntry<'a>>>,
}

#[derive(Serialize)]
struct RunsEntry {
    /// `pilot-agent` or `envoy`.
    main: &'static str,
    revision: String,
    istio: String,
    envoy: String,
}

#[derive(Serialize)]
struct ProblemEntry {
    severity: Severity,
    /// Absent for what stands in no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

#[derive(Serialize)]
struct SettingEntry<'a> {
    name: &'a str,
    /// Absent for a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    secret: bool,
    /// `environment`, `file`, `derived`, `default` or `forced`.
    origin: &'static str,
    /// Of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    /// What a derived value was made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'static str>,
}

impl Report {
    /// Whether a sidecar could start from these files.
    #[must_use]
    pub fn valid(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity() != Severity::Error)
    }

    fn path(&self, file: EnvFile) -> &Path {
        let [sidecar, cluster] = &self.files;
        match file {
            EnvFile::Sidecar => sidecar,
            EnvFile::Cluster => cluster,
        }
    }

    /// Problems to `stderr`, the settings in effect to `stdout`.
    pub fn write_text(&self, stdout: &mut dyn Write, stderr: &mut dyn Write) -> io::Result<()> {
        self.findings.iter().try_for_each(|finding| finding.write(stderr))?;
        if !self.valid() {
            return writeln!(stderr, "{}", failure::count(&self.findings));
        }
        if let Some(sidecar) = &self.installed {
            writeln!(stdout, "# {}", Program::of(sidecar).describe(sidecar))?;
        }
        for (name, value, origin) in self.settings() {
            let origin = match origin {
                Origin::File { file, position } => format!("{}:{}", self.path(file).display(), position.line),
                other => other.to_string(),
            };
            match value {
                None => writeln!(stdout, "{name}={HIDDEN}  # {origin}")?,
                Some(value) => {
                    writeln!(stdout, "{name}='{}'  # {origin}", visible(&value.replace('\'', r"'\''")))?;
                }
            }
        }
        Ok(())
    }

    /// Everything as one document.
    pub fn write_json(&self, stdout: &mut dyn Write) -> io::Result<()> {
        let document = Document {
            valid: self.valid(),
            problems: self.findings.iter().map(problem).collect(),
            runs: self.installed.as_ref().map(|sidecar| RunsEntry {
                main: Program::of(sidecar).name(),
                revision: sidecar.revision.to_string(),
                istio: sidecar.istio.to_string(),
                envoy: sidecar.envoy.to_string(),
            }),
            settings: self
                .valid()
                .then(|| self.settings().map(|(name, value, origin)| self.entry(name, value, origin)).collect()),
        };
        serde_json::to_writer_pretty(&mut *stdout, &document)?;
        writeln!(stdout)
    }

    /// The variables that concern a sidecar, without the values of secrets.
    fn settings(&self) -> impl Iterator<Item = (&str, Option<&str>, Origin)> {
        let environment = self.pilot_agent.iter().flat_map(|agent| agent.environment.iter());
        let shown =
            environment.filter(|(name, Variable { origin, .. })| *origin != Origin::Process || concerns_sidecar(name));
        shown.filter_map(|(name, Variable { value, origin })| {
            let (name, value) = (name.to_str()?, OsStr::to_str(value)?);
            Some((name, (!hides(name, value)).then_some(value), *origin))
        })
    }

    fn entry<'a>(&self, name: &'a str, value: Option<&'a str>, origin: Origin) -> SettingEntry<'a> {
        let mut entry =
            SettingEntry { name, value, secret: value.is_none(), origin: "", file: None, line: None, from: None };
        entry.origin = match origin {
            Origin::Process => "environment",
            Origin::File { file, position } => {
                entry.file = Some(self.path(file).display().to_string());
                entry.line = Some(position.line);
                "file"
            }
            Origin::Derived { from } => {
                entry.from = Some(from);
                "derived"
            }
            Origin::Default => "default",
            Origin::Forced => "forced",
        };
        entry
    }
}

fn problem(finding: &Finding) -> ProblemEntry {
    let error: &dyn Error = finding;
    ProblemEntry {
        severity: finding.severity(),
        file: finding.path().map(|path| path.display().to_string()),
        line: finding.position().map(|position| position.line),
        column: finding.position().map(|position| position.column),
        message: finding.to_string(),
        causes: failure::causes(error).map(ToString::to_string).collect(),
        hint: finding.hint(),
    }
}

/// Values may hold anything; a terminal must not obey it.
pub(super) fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && !matches!(c, '\n' | '\t') {
            visible.extend(c.escape_default());
        } else {
            visible.push(c);
        }
    }
    visible
}
