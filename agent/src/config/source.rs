use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
};

use super::{kind::Kind, problem::Explain};

/// The most bytes that a configuration file may have; real ones have a few hundred.
pub const MOST_BYTES: u64 = 1 << 20;

/// A configuration file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("the file does not exist")]
    Missing { kind: Kind },
    #[error("this user may not read the file{owner}")]
    Forbidden { owner: String },
    #[error("this is a directory, not a file")]
    Directory,
    #[error("the file is bigger than 1 MiB")]
    TooBig,
    #[error("cannot read the file")]
    Io(#[source] io::Error),
}

impl Explain for SourceError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Missing { kind: kind @ Kind::OnboardingConfiguration } => {
                format!("no package ships this file, you write it; the least that works is:\n\n{}", kind.example())
            }
            Self::Missing { kind: kind @ Kind::AgentConfiguration } => {
                format!("the onboarding-agent package ships this file; the least that works is:\n\n{}", kind.example())
            }
            Self::Forbidden { .. } => {
                "the agent runs as the user onboarding-agent, who must be able to read it: `chown onboarding-agent: FILE`"
                    .to_owned()
            }
            Self::Directory => "name the file in it".to_owned(),
            Self::TooBig => "this is no configuration file of the agent".to_owned(),
            Self::Io(_) => return None,
        })
    }
}

/// The content of a file of at most [`MOST_BYTES`].
pub(crate) fn read(path: &Path, kind: Kind) -> Result<Vec<u8>, SourceError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => SourceError::Missing { kind },
        io::ErrorKind::PermissionDenied => SourceError::Forbidden { owner: owner(path) },
        io::ErrorKind::IsADirectory => SourceError::Directory,
        _ => SourceError::Io(error),
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST_BYTES { Err(SourceError::TooBig) } else { Ok(bytes) }
}

/// Who may read the file, as far as that can be seen.
fn owner(path: &Path) -> String {
    fs::metadata(path).map_or_else(
        |_| ", since a directory above it is closed to this user".to_owned(),
        |metadata| {
            let (mode, uid, gid) = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
            format!(": mode {mode:04o}, owner uid {uid}, gid {gid}")
        },
    )
}
