//! Opens a finished package again and compares it with what was meant.

use std::path::Path;

use artifact::{PackageFormat, Sha256Digest};
use payload_splice::{
    CompressedPayload, PackagePath, PayloadFile,
    inspect::{self, DebContents, Depth, FileEntry, FileKind, InspectError, RpmContents},
};

use super::Relations;
use crate::{
    failure::{Diagnose, Fault},
    plan::Target,
};

/// What a package must be.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    pub(super) target: &'a Target,
    pub(super) relations: &'a Relations,
    pub(super) files: &'a [PayloadFile<'a>],
    /// The digest of our own program.
    pub(super) program: Sha256Digest,
}

/// A package is not what was meant.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    #[error("{target}: the finished package cannot be read back")]
    Inspect { target: String, source: Box<InspectError> },
    #[error("{target}: {what} is `{found}`, expected `{expected}`")]
    Field { target: String, what: &'static str, expected: String, found: String },
    #[error("{target}: {path} is missing or differs from what was built")]
    File { target: String, path: String },
}

impl Diagnose for VerifyError {
    fn fault(&self) -> Fault {
        Fault::Ours
    }
}

impl Expected<'_> {
    /// Reads everything but the payload's blocks, which are compared with the cache's: those were made from checked files.
    pub(super) fn verify(&self, package: &Path) -> Result<(), VerifyError> {
        let payloads: Vec<&CompressedPayload> = self.files.iter().map(|file| file.payload).collect();
        let depth = Depth::Headers(&payloads);
        let inspect = |source| VerifyError::Inspect { target: self.target.to_string(), source: Box::new(source) };
        let files = match self.target.format {
            PackageFormat::Deb => {
                let contents = inspect::deb(package, depth).map_err(inspect)?;
                self.control(&contents)?;
                contents.files
            }
            PackageFormat::Rpm => {
                let contents = inspect::rpm(package, depth).map_err(inspect)?;
                self.header(&contents)?;
                contents.files
            }
        };
        self.contents(&files)
    }

    fn control(&self, contents: &DebContents) -> Result<(), VerifyError> {
        let field = |name| contents.control.get(name).unwrap_or_default();
        self.same("Package", self.target.component.package_name(), field("Package"))?;
        self.same("Version", &self.relations.debian_version, field("Version"))?;
        self.same("Architecture", self.target.arch.debian(), field("Architecture"))?;
        self.same("Depends", &self.relations.debian_depends(), field("Depends"))?;
        let exclusive = self.relations.exclusive.as_deref().unwrap_or_default();
        self.same("Provides", &self.relations.debian_provides(), field("Provides"))?;
        self.same("Conflicts", exclusive, field("Conflicts"))?;
        self.same("Replaces", exclusive, field("Replaces"))?;
        self.relations.fields.iter().try_for_each(|(name, value)| self.same(name, value, field(name)))
    }

    fn header(&self, contents: &RpmContents) -> Result<(), VerifyError> {
        self.same("NAME", self.target.component.package_name(), &contents.name)?;
        self.same("VERSION", &self.relations.rpm_version, &contents.version)?;
        self.same("RELEASE", &self.relations.rpm_release, &contents.release)?;
        self.same("ARCH", self.target.arch.rpm(), &contents.arch)?;
        let epoch = contents.epoch.map(|epoch| epoch.to_string()).unwrap_or_default();
        self.same("EPOCH", &artifact::PackageVersion::EPOCH.to_string(), &epoch)?;
        let requires: Vec<&str> = contents.requires.iter().map(|dependency| dependency.name.as_str()).collect();
        let glibc = self.relations.rpm_requires();
        if !requires.contains(&glibc.as_str()) {
            return Err(self.field("REQUIRENAME", &glibc, &requires.join(", ")));
        }
        for (name, version) in &self.relations.provides {
            let provided = contents.provides.iter().find(|dependency| dependency.name == *name);
            self.same("PROVIDES", version, provided.map_or("nothing", |dependency| &dependency.version))?;
        }
        Ok(())
    }

    fn contents(&self, files: &[FileEntry]) -> Result<(), VerifyError> {
        let program = PackagePath::new(&format!("/usr/bin/{}", self.target.component.cargo_package()))
            .expect("package names are file names");
        let payload = self.files.iter().map(|file| (file.install_path.clone(), file.payload.sha256(), file.mode));
        for (path, sha256, mode) in payload.chain([(program, self.program, 0o755)]) {
            let same = |entry: &FileEntry| {
                let FileEntry { kind, mode: found, owner, group, .. } = entry;
                matches!(kind, FileKind::Regular { sha256: found, .. } if *found == sha256)
                    && (*found, owner.as_str(), group.as_str()) == (mode, "root", "root")
            };
            if !files.iter().any(|entry| entry.path == path && same(entry)) {
                return Err(VerifyError::File { target: self.target.to_string(), path: path.to_string() });
            }
        }
        Ok(())
    }

    fn same(&self, what: &'static str, expected: &str, found: &str) -> Result<(), VerifyError> {
        if expected == found { Ok(()) } else { Err(self.field(what, expected, found)) }
    }

    fn field(&self, what: &'static str, expected: &str, found: &str) -> VerifyError {
        VerifyError::Field {
            target: self.target.to_string(),
            what,
            expected: expected.to_owned(),
            found: found.to_owned(),
        }
    }
}

/// Decodes a whole package and checks every digest in it.
pub(super) fn deep(package: &Path, target: &Target) -> Result<(), VerifyError> {
    let inspect = |source| VerifyError::Inspect { target: target.to_string(), source: Box::new(source) };
    match target.format {
        PackageFormat::Deb => inspect::deb(package, Depth::Full).map(drop).map_err(inspect),
        PackageFormat::Rpm => inspect::rpm(package, Depth::Full).map(drop).map_err(inspect),
    }
}
