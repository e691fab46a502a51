use std::{collections::BTreeMap, fmt, path::Path};

use artifact::Sha256Digest;
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;

use super::{Depth, FileEntry, FileKind, InspectError, read_package, require_found};
use crate::{
    body::{Decoded, Source},
    cpio::{self, CpioError},
    digest::{Want, hex},
    pieces::Pieces,
    rpm::{
        HeaderError, PackageError,
        header::{Header, Value},
        package::{File, FileType, Package, files},
        tags::{self, DependencyTags},
    },
    unpack,
};

/// One capability with its bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The capability.
    pub name: String,
    /// rpm's flags: 2 less, 4 greater, 8 equal, and where the dependency comes from.
    pub flags: u32,
    /// `[epoch:]version[-release]`; empty without a bound.
    pub version: String,
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = ["", "<", ">", "", "=", "<=", ">="].get((self.flags >> 1 & 7) as usize).copied().unwrap_or("");
        f.write_str(&self.name)?;
        if sign.is_empty() || self.version.is_empty() { Ok(()) } else { write!(f, " {sign} {}", self.version) }
    }
}

/// A maintainer script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scriptlet {
    /// What runs it; rpm's default is `/bin/sh`.
    pub interpreter: String,
    /// The script.
    pub text: String,
}

/// What an RPM says and holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmContents {
    /// The package's name.
    pub name: String,
    /// `None` is 0.
    pub epoch: Option<u32>,
    /// The version.
    pub version: String,
    /// The release.
    pub release: String,
    /// rpm's name of the architecture.
    pub arch: String,
    /// The license expression.
    pub license: String,
    /// Seconds since the Unix epoch.
    pub build_time: Option<u32>,
    /// Where it was built.
    pub build_host: Option<String>,
    /// Required capabilities.
    pub requires: Vec<Dependency>,
    /// Provided capabilities.
    pub provides: Vec<Dependency>,
    /// Conflicts.
    pub conflicts: Vec<Dependency>,
    /// What it replaces.
    pub obsoletes: Vec<Dependency>,
    /// Weak requirements.
    pub recommends: Vec<Dependency>,
    /// Scriptlets by rpm's names: prein, postin, preun, postun, pretrans, posttrans.
    pub scripts: BTreeMap<&'static str, Scriptlet>,
    /// Paths of configuration files.
    pub config_files: Vec<crate::PackagePath>,
    /// Files in the header's order.
    pub files: Vec<FileEntry>,
}

/// Reads the RPM at `path`, and checks all its digests and that header and payload fit each other.
pub fn rpm(path: &Path, depth: Depth<'_>) -> Result<RpmContents, InspectError> {
    rpm_bytes(&read_package(path)?, depth)
}

/// Reads an RPM in memory.
pub fn rpm_bytes(bytes: &[u8], depth: Depth<'_>) -> Result<RpmContents, InspectError> {
    let package = Package::parse(bytes)?;
    check_digests(&package)?;
    let header = &package.header;
    let listed = files(header)?;
    let part = "payload";
    match depth {
        Depth::Full => {
            let reader = || unpack::reader(package.payload).map_err(|source| InspectError::Unpack { part, source });
            let mut hashed = Hashed { inner: Decoded(reader()?), sha256: Sha256::new() };
            check_payload(&mut hashed, &listed)?;
            let alt = header.text(tags::PAYLOAD_SHA256_ALT);
            if alt.is_some_and(|alt| alt != Sha256Digest::from_hasher(hashed.sha256).to_string()) {
                return Err(InspectError::Digest("digest of the uncompressed payload"));
            }
        }
        Depth::Headers(known) => {
            let mut pieces = Pieces::new(package.payload, known).map_err(InspectError::pieces(part))?;
            require_found(known, pieces.found())?;
            check_payload(&mut pieces, &listed)?;
        }
    }
    contents(header, &listed)
}

fn contents(header: &Header, listed: &[File]) -> Result<RpmContents, InspectError> {
    let text = |tag, what| header.text(tag).map(str::to_owned).ok_or(PackageError::Header(HeaderError::Missing(what)));
    let dependencies = |tags: DependencyTags| -> Result<Vec<Dependency>, InspectError> {
        let (names, flags, versions) =
            (header.texts(tags.names), header.numbers(tags.flags), header.texts(tags.versions));
        if names.len() != flags.len() || names.len() != versions.len() {
            return Err(InspectError::Bad("list of dependencies"));
        }
        let list = names.iter().zip(flags).zip(versions);
        Ok(list
            .map(|((name, flags), version)| Dependency { name: name.clone(), flags, version: version.clone() })
            .collect())
    };
    let scripts = tags::SCRIPTLETS.into_iter().filter_map(|(name, text, interpreter)| {
        let interpreter = header.text(interpreter).unwrap_or("/bin/sh").to_owned();
        Some((name, Scriptlet { interpreter, text: header.text(text)?.to_owned() }))
    });
    let config = listed.iter().filter(|file| file.flags & tags::FILE_CONFIG != 0);
    Ok(RpmContents {
        name: text(tags::NAME, "name")?,
        epoch: header.number(tags::EPOCH),
        version: text(tags::VERSION, "version")?,
        release: text(tags::RELEASE, "release")?,
        arch: text(tags::ARCH, "architecture")?,
        license: text(tags::LICENSE, "license")?,
        build_time: header.number(tags::BUILD_TIME),
        build_host: header.text(tags::BUILD_HOST).map(str::to_owned),
        requires: dependencies(tags::REQUIRES)?,
        provides: dependencies(tags::PROVIDES)?,
        conflicts: dependencies(tags::CONFLICTS)?,
        obsoletes: dependencies(tags::OBSOLETES)?,
        recommends: dependencies(tags::RECOMMENDS)?,
        scripts: scripts.collect(),
        config_files: config.map(|file| file.path.clone()).collect(),
        files: listed.iter().map(entry).collect::<Result<_, _>>()?,
    })
}

fn entry(file: &File) -> Result<FileEntry, InspectError> {
    let kind = match file.kind {
        _ if file.is_ghost() => FileKind::Ghost,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink { target: file.link.clone() },
        FileType::Regular => FileKind::Regular {
            size: file.size,
            sha256: file.digest.parse().map_err(|_| mismatch(file, "SHA-256 digest"))?,
        },
    };
    let File { path, mode, owner, group, mtime, .. } = file.clone();
    Ok(FileEntry { path, kind, mode: mode & 0o7777, owner, group, mtime: u64::from(mtime) })
}

fn mismatch(file: &File, what: &'static str) -> InspectError {
    InspectError::Mismatch { path: file.path.clone(), what }
}

/// The digests that need no decoding. SHA-256 of header and payload must be there; older ones are checked if they are.
fn check_digests(package: &Package<'_>) -> Result<(), InspectError> {
    let Package { signature, header_bytes, header, payload, .. } = package;
    if signature.text(tags::SIG_SHA256) != Some(&hex(&Sha256::digest(header_bytes))) {
        return Err(InspectError::Digest("SHA-256 digest of the header"));
    }
    if signature.text(tags::SIG_SHA1).is_some_and(|sha1| sha1 != hex(&Sha1::digest(header_bytes))) {
        return Err(InspectError::Digest("SHA-1 digest of the header"));
    }
    if header.text(tags::PAYLOAD_SHA256) != Some(&Sha256Digest::of(payload).to_string()) {
        return Err(InspectError::Digest("SHA-256 digest of the payload"));
    }
    if let Some(Value::Bytes8(_, md5)) = signature.get(tags::SIG_MD5)
        && *md5 != Md5::new_with_prefix(header_bytes).chain_update(payload).finalize().as_slice()
    {
        return Err(InspectError::Digest("MD5 digest"));
    }
    let size = header_bytes.len() as u64 + payload.len() as u64;
    if signature.number(tags::SIG_SIZE).is_some_and(|recorded| u64::from(recorded) != size) {
        return Err(InspectError::Digest("recorded size"));
    }
    Ok(())
}

/// Compares the payload's members with the header's files.
fn check_payload<S: Source>(source: &mut S, listed: &[File]) -> Result<(), InspectError> {
    let mut left: BTreeMap<_, _> =
        listed.iter().filter(|file| !file.is_ghost()).map(|file| (file.path.clone(), file)).collect();
    cpio::walk(source, |member, body| {
        let wrong = |what| Err(InspectError::Mismatch { path: member.path.clone(), what });
        let Some(file) = left.remove(&member.path) else { return wrong("number of entries") };
        if member.mode != file.mode {
            return wrong("mode");
        }
        if member.mtime != file.mtime {
            return wrong("time");
        }
        match file.kind {
            FileType::Directory if member.size != 0 => wrong("size"),
            FileType::Symlink if body.content().map_err(CpioError::Read)? != file.link.as_bytes() => wrong("target"),
            FileType::Directory | FileType::Symlink => Ok(()),
            FileType::Regular => {
                let digests = body.digests(Want::Sha256).map_err(CpioError::Read)?;
                if u64::from(member.size) != file.size {
                    return wrong("size");
                }
                if digests.sha256.to_string() == file.digest { Ok(()) } else { wrong("SHA-256 digest") }
            }
        }
    })?;
    left.into_values().next().map_or(Ok(()), |file| Err(mismatch(file, "number of entries")))
}

/// Hashes what is read through it.
struct Hashed<S> {
    inner: S,
    sha256: Sha256,
}

impl<S: std::io::Read> std::io::Read for Hashed<S> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.sha256.update(&buffer[..read]);
        Ok(read)
    }
}

impl<S: std::io::Read> Source for Hashed<S> {
    fn take_payload(&mut self, _size: u64) -> std::io::Result<Option<crate::digest::Digests>> {
        Ok(None)
    }
}
