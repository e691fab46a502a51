//! What a sidecar needs to join a mesh, looked at without changing anything.

mod finding;
mod report;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

pub use finding::{Finding, JoinFile, Severity, Unsupported};
pub use report::Report;

use crate::{
    env_file,
    file::{self, FileFault},
    root::Root,
    settings::{EnvFile, Settings},
};

/// Far more than `istioctl` or people write. It bounds memory and time.
const MAX_ENV_FILE: u64 = 256 << 10;
/// A mesh configuration or a bundle of certificates has at most some hundred kilobytes.
const MAX_JOIN_FILE: u64 = 4 << 20;

/// Where the settings of a machine are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    root: Root,
    sidecar_env: Named,
    cluster_env: Named,
}

/// The path of an env file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    ByDefault(PathBuf),
    ByVariable(PathBuf),
}

impl Named {
    fn path(&self) -> &Path {
        match self {
            Self::ByDefault(path) | Self::ByVariable(path) => path,
        }
    }
}

impl Machine {
    /// The machine whose files are below `root`. `variable` looks up the variables of [`EnvFile::path_variable`]; as in
    /// upstream's start script, an empty one counts as unset.
    pub fn new(root: Root, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let named = |file: EnvFile| match variable(file.path_variable()).filter(|path| !path.is_empty()) {
            Some(path) => Named::ByVariable(root.path(Path::new(&path))),
            None => Named::ByDefault(root.path(Path::new(file.default_path()))),
        };
        Self { sidecar_env: named(EnvFile::Sidecar), cluster_env: named(EnvFile::Cluster), root }
    }

    /// Looks at everything and reports every problem.
    #[must_use]
    pub fn check(&self) -> Report {
        let (mut settings, mut findings) = (Settings::default(), Vec::new());
        for file in EnvFile::ALL {
            match self.read_env_file(file) {
                Ok(assignments) => settings.layer(file, assignments),
                Err(found) => findings.extend(found),
            }
        }
        findings.extend(Unsupported::ALL.into_iter().filter_map(|unsupported| {
            let setting = unsupported.setting(&settings)?;
            Some(Finding::Unsupported {
                unsupported,
                path: self.env_path(setting.file).path().to_owned(),
                position: setting.position,
                value: setting.value.clone(),
            })
        }));
        findings.extend(JoinFile::ALL.into_iter().filter_map(|file| self.look_at(file, &settings).err()));
        let files = EnvFile::ALL.map(|file| self.env_path(file).path().to_owned());
        Report { findings, settings, files }
    }

    fn env_path(&self, file: EnvFile) -> &Named {
        match file {
            EnvFile::Sidecar => &self.sidecar_env,
            EnvFile::Cluster => &self.cluster_env,
        }
    }

    fn read_env_file(&self, file: EnvFile) -> Result<Vec<env_file::Assignment>, Vec<Finding>> {
        let named = self.env_path(file);
        let path = named.path();
        let content = match file::read(path, MAX_ENV_FILE) {
            Ok(content) => content,
            Err(FileFault::Missing) => match (file, named) {
                (EnvFile::Sidecar, Named::ByDefault(_)) => return Ok(Vec::new()),
                (_, Named::ByVariable(_)) => {
                    return Err(vec![Finding::NoSuchEnvFile { path: path.to_owned(), file }]);
                }
                (EnvFile::Cluster, Named::ByDefault(_)) => {
                    return Err(vec![Finding::NoClusterEnv { path: path.to_owned() }]);
                }
            },
            Err(source) => return Err(vec![Finding::EnvFile { path: path.to_owned(), file, source }]),
        };
        env_file::parse(&content).map_err(|errors| {
            errors.into_iter().map(|error| Finding::Syntax { path: path.to_owned(), error }).collect()
        })
    }

    fn look_at(&self, file: JoinFile, settings: &Settings) -> Result<(), Finding> {
        let on_vm = file.path(settings);
        let path = self.root.path(&on_vm);
        match file::read(&path, MAX_JOIN_FILE) {
            Ok(content) if file.accepts(&content) => Ok(()),
            Ok(_) => Err(Finding::WrongContent { file, path }),
            Err(FileFault::Missing) => Err(Finding::NotThere { file, path }),
            Err(source) => Err(Finding::Unreadable { file, path, source }),
        }
    }
}
