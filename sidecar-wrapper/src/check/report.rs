use std::{
    error::Error,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{Finding, Severity};
use crate::{
    failure,
    settings::{EnvFile, Setting, Settings, is_secret},
};

/// All that was found on a machine.
#[derive(Debug)]
pub struct Report {
    /// Every problem: of the env files, of the settings, of the other files.
    pub findings: Vec<Finding>,
    /// Those of the files that could be read.
    pub settings: Settings,
    /// The paths of [`EnvFile::ALL`].
    pub(super) files: [PathBuf; 2],
}

#[derive(Serialize)]
struct Document<'a> {
    valid: bool,
    problems: Vec<ProblemEntry>,
    /// Absent when there are errors: then nobody can say what is in effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<Vec<SettingEntry<'a>>>,
}

#[derive(Serialize)]
struct ProblemEntry {
    severity: Severity,
    file: String,
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
    file: String,
}

impl Report {
    /// Whether a sidecar could start from these files.
    #[must_use]
    pub fn valid(&self) -> bool {
        self.count(Severity::Error) == 0
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity() == severity).count()
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
        for finding in &self.findings {
            writeln!(stderr, "{}: {}", finding.severity(), visible(&finding.to_string()))?;
            failure::print_rest(finding, finding.hint().as_deref(), stderr)?;
        }
        if !self.valid() {
            let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
            return writeln!(stderr, "errors: {errors}, warnings: {warnings}");
        }
        for (name, Setting { value, file, .. }) in self.settings.iter() {
            let path = self.path(*file).display();
            if is_secret(name) {
                writeln!(stdout, "{name}=<hidden>  # {path}")?;
            } else {
                writeln!(stdout, "{name}='{}'  # {path}", visible(&value.replace('\'', r"'\''")))?;
            }
        }
        Ok(())
    }

    /// Everything as one document.
    pub fn write_json(&self, stdout: &mut dyn Write) -> io::Result<()> {
        let document = Document {
            valid: self.valid(),
            problems: self.findings.iter().map(problem).collect(),
            settings: self.valid().then(|| self.settings.iter().map(|(name, it)| self.setting(name, it)).collect()),
        };
        serde_json::to_writer_pretty(&mut *stdout, &document)?;
        writeln!(stdout)
    }

    fn setting<'a>(&self, name: &'a str, setting: &'a Setting) -> SettingEntry<'a> {
        let secret = is_secret(name);
        SettingEntry {
            name,
            value: (!secret).then_some(setting.value.as_str()),
            secret,
            file: self.path(setting.file).display().to_string(),
        }
    }
}

fn problem(finding: &Finding) -> ProblemEntry {
    let error: &dyn Error = finding;
    ProblemEntry {
        severity: finding.severity(),
        file: finding.path().display().to_string(),
        line: finding.position().map(|position| position.line),
        column: finding.position().map(|position| position.column),
        message: finding.to_string(),
        causes: failure::causes(error).map(ToString::to_string).collect(),
        hint: finding.hint(),
    }
}

/// Values may hold anything; a terminal must not obey it.
fn visible(text: &str) -> String {
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
