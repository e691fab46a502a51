//! What a sidecar needs to join a mesh, looked at without changing anything.

mod finding;
mod join_file;
mod report;
mod unsupported;

use std::{
    ffi::OsStr,
    net::IpAddr,
    path::{Path, PathBuf},
};

use artifact::SidecarInfo;

pub use finding::{Finding, Place, Severity};
pub use join_file::JoinFile;
pub use report::Report;
pub use unsupported::Unsupported;

use crate::{
    env_file::{self, Position},
    file::{self, FileFault},
    launch::{
        AgentFlags, Environment, Host, Origin, PilotAgent, ProcessEnvironment, ProxyConfig, ProxyConfigError, compose,
    },
    root::Root,
    settings::{EnvFile, Settings},
    version::{Installed, VersionError},
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
    environment: ProcessEnvironment,
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
    /// The machine whose files are below `root`. Of `environment`, the variables of [`EnvFile::path_variable`] name its env
    /// files; as in upstream's start script, an empty one counts as unset.
    #[must_use]
    pub fn new(root: Root, environment: ProcessEnvironment) -> Self {
        let named =
            |file: EnvFile| match environment.get(OsStr::new(file.path_variable())).filter(|path| !path.is_empty()) {
                Some(path) => Named::ByVariable(root.path(Path::new(path))),
                None => Named::ByDefault(root.path(Path::new(file.default_path()))),
            };
        Self { sidecar_env: named(EnvFile::Sidecar), cluster_env: named(EnvFile::Cluster), root, environment }
    }

    /// Looks at everything and reports every problem.
    #[must_use]
    pub fn check(&self, host: &dyn Host) -> Report {
        let (mut settings, mut findings) = (Settings::default(), Vec::new());
        for file in EnvFile::ALL {
            match self.read_env_file(file) {
                Ok(assignments) => settings.layer(file, assignments),
                Err(found) => findings.extend(found),
            }
        }
        let settings_are_known = findings.is_empty();
        let given = Environment::given(&self.environment, &settings);
        let installed = self.installed(&mut findings);
        findings.extend(self.odd_settings(&given));
        let flags = self.flags(&given, &mut findings);
        let config = self.join_files(&given, &flags, &mut findings);
        let mut pilot_agent = None;
        // A file that cannot be read may hold what would seem to be missing.
        if settings_are_known {
            match compose(&given, &config.mesh, &config.own, &self.root.absolute(), host) {
                Ok(environment) => {
                    pilot_agent = Some(PilotAgent { environment, flags, config: config.own.over(config.mesh) });
                }
                Err(error) => findings.push(error.into()),
            }
        }
        let files = EnvFile::ALL.map(|file| self.env_path(file).path().to_owned());
        Report { findings, pilot_agent, installed, files }
    }

    /// No package is no problem: the machine of an image may get it later.
    fn installed(&self, findings: &mut Vec<Finding>) -> Option<SidecarInfo> {
        match Installed::read(&self.root) {
            Ok(Installed { sidecar, .. }) => return Some(sidecar),
            Err(VersionError::Read { source: FileFault::Missing, .. }) => {}
            Err(error) => findings.push(Finding::Installed(error)),
        }
        None
    }

    fn odd_settings(&self, given: &Environment) -> Vec<Finding> {
        let unsupported = Unsupported::ALL.into_iter().filter_map(|unsupported| {
            let value = unsupported.value(given)?.to_owned();
            Some(Finding::Unsupported { unsupported, place: self.place(given, unsupported.name()), value })
        });
        let address = ["INSTANCE_IP", "ISTIO_SVC_IP"].into_iter().find_map(|name| Some((name, given.text(name)?)));
        let no_address = address.filter(|(_, value)| value.parse::<IpAddr>().is_err()).map(|(name, value)| {
            Finding::NotAnAddress { place: self.place(given, name), name, value: value.to_owned() }
        });
        unsupported.chain(no_address).collect()
    }

    fn flags(&self, given: &Environment, findings: &mut Vec<Finding>) -> AgentFlags {
        AgentFlags::split(given.text(AgentFlags::VARIABLE).unwrap_or_default()).unwrap_or_else(|| {
            findings.push(Finding::AgentFlags { place: self.place(given, AgentFlags::VARIABLE) });
            AgentFlags::default()
        })
    }

    fn join_files(&self, given: &Environment, flags: &AgentFlags, findings: &mut Vec<Finding>) -> Configs {
        let mut configs = Configs::default();
        if let Some(text) = given.text("PROXY_CONFIG") {
            match ProxyConfig::of_variable(text) {
                Ok(own) => configs.own = own,
                Err(source) => {
                    let place = self.place(given, "PROXY_CONFIG");
                    findings.push(Finding::ProxyConfig { place, name: "PROXY_CONFIG", source });
                }
            }
        }
        for file in JoinFile::ALL.into_iter().filter(|file| file.is_needed(given)) {
            match self.look_at(file, &file.path(given, flags)) {
                Ok(content) if file == JoinFile::MeshConfig => match ProxyConfig::of_mesh(&content) {
                    Ok(mesh) => configs.mesh = mesh,
                    Err(source) => {
                        let path = self.root.path(&file.path(given, flags));
                        findings.push(mesh_finding(path, source));
                    }
                },
                Ok(_) => {}
                Err(finding) => findings.push(finding),
            }
        }
        configs
    }

    fn place(&self, given: &Environment, name: &str) -> Place {
        match given.get(name).map(|variable| variable.origin) {
            Some(Origin::File { file, position }) => {
                Place::File { path: self.env_path(file).path().to_owned(), position: Some(position) }
            }
            _ => Place::Environment,
        }
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

    fn look_at(&self, file: JoinFile, on_vm: &Path) -> Result<Vec<u8>, Finding> {
        let path = self.root.path(on_vm);
        match file::read(&path, MAX_JOIN_FILE) {
            Ok(content) if file.accepts(&content) => Ok(content),
            Ok(_) => Err(Finding::WrongContent { file, path }),
            Err(FileFault::Missing) => Err(Finding::NotThere { file, path }),
            Err(source) => Err(Finding::Unreadable { file, path, source }),
        }
    }
}

/// Its place is the one that the parser stopped at, and is said once.
fn mesh_finding(path: PathBuf, mut source: ProxyConfigError) -> Finding {
    let place = match &mut source {
        ProxyConfigError::Yaml(error) => error.place.take(),
        _ => None,
    };
    let position = place.map(|(line, column)| Position { line, column });
    Finding::ProxyConfig { place: Place::File { path, position }, name: "the mesh configuration", source }
}

/// What people say of Istio's `ProxyConfig`.
#[derive(Default)]
struct Configs {
    mesh: ProxyConfig,
    own: ProxyConfig,
}
