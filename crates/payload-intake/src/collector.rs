use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use artifact::Sha256Digest;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{
    EntryKind, FileName, IntakeError, Limit, MemberPath,
    budget::{Budget, Metered},
    member::{Root, normalise},
    similar::Similar,
};

/// One member to take out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Where it stands in the archive.
    pub member: MemberPath,
    /// The name it gets in the destination.
    pub file_name: FileName,
}

/// One member that was taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extracted {
    /// Where it stood in the archive.
    pub member: MemberPath,
    /// Where it is now. Its mode is that of any new file, whatever the archive says.
    pub path: PathBuf,
    /// In bytes.
    pub size: u64,
    /// Of the bytes as written.
    pub sha256: Sha256Digest,
}

/// The number of a wanted member whose bytes the archive's walker is to hand over with [`Collector::take`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(usize);

/// What the walkers of all formats report to: it judges each entry and writes the wanted ones into a staging folder.
pub(crate) struct Collector<'a> {
    archive: &'a Path,
    wanted: &'a [Wanted],
    budget: &'a Budget,
    staging: TempDir,
    seen: Vec<bool>,
    taken: Vec<Option<(u64, Sha256Digest)>>,
    similar: Vec<Similar>,
}

impl<'a> Collector<'a> {
    /// Stages beside `dest`, on the same file system.
    pub(crate) fn new(
        archive: &'a Path,
        wanted: &'a [Wanted],
        budget: &'a Budget,
        dest: &Path,
    ) -> Result<Self, IntakeError> {
        for (index, Wanted { member, file_name }) in wanted.iter().enumerate() {
            let earlier = &wanted[..index];
            if earlier.iter().any(|other| other.member == *member) {
                return Err(IntakeError::MemberAskedTwice { archive: archive.to_owned(), member: member.clone() });
            }
            if earlier.iter().any(|other| other.file_name == *file_name) {
                return Err(IntakeError::FileNameAskedTwice {
                    archive: archive.to_owned(),
                    file_name: file_name.clone(),
                });
            }
        }
        let failed = |source| IntakeError::Write { path: dest.to_owned(), source };
        fs::create_dir_all(dest).map_err(failed)?;
        let dest = dest.canonicalize().map_err(failed)?;
        let staging = tempfile::Builder::new()
            .prefix(".payload-intake-")
            .tempdir_in(dest.parent().unwrap_or(&dest))
            .map_err(failed)?;
        Ok(Self {
            archive,
            wanted,
            budget,
            staging,
            seen: vec![false; wanted.len()],
            taken: vec![None; wanted.len()],
            similar: wanted.iter().map(|_| Similar::default()).collect(),
        })
    }

    /// Puts a decompressed stream on this extraction's account.
    pub(crate) fn meter<R: Read>(&self, stream: R) -> Metered<'a, R> {
        Metered::new(stream, self.budget)
    }

    /// Counts one entry that is no file of the archive's content.
    pub(crate) fn count_entry(&self) -> Result<(), IntakeError> {
        self.budget.count_entry().map_err(|limit| self.limit(limit, None))
    }

    /// Checks that `more` entries may still come, before they are held in memory.
    pub(crate) fn check_entries(&self, more: u64) -> Result<(), IntakeError> {
        self.budget.check_entries(more).map_err(|limit| self.limit(limit, None))
    }

    /// Judges an entry. The bytes of a `Some` must follow through [`Self::take`].
    pub(crate) fn admit(&mut self, name: &[u8], kind: EntryKind, root: Root) -> Result<Option<Slot>, IntakeError> {
        self.count_entry()?;
        let path = normalise(name, root).map_err(|source| IntakeError::UnsafeEntry {
            archive: self.archive.to_owned(),
            entry: String::from_utf8_lossy(name).into_owned(),
            source,
        })?;
        let Some(path) = path else { return Ok(None) };
        let Some(slot) = self.wanted.iter().position(|wanted| wanted.member == path) else {
            if kind == EntryKind::Regular {
                for (wanted, similar) in self.wanted.iter().zip(&mut self.similar) {
                    similar.note(&wanted.member, &path);
                }
            }
            return Ok(None);
        };
        if self.seen[slot] {
            return Err(IntakeError::Duplicate { archive: self.archive.to_owned(), member: path });
        }
        self.seen[slot] = true;
        match kind {
            EntryKind::Regular => Ok(Some(Slot(slot))),
            found => Err(IntakeError::NotRegular { archive: self.archive.to_owned(), member: path, found }),
        }
    }

    /// Takes the file that is the archive itself as the one wanted member.
    pub(crate) fn admit_only(&mut self) -> Result<Slot, IntakeError> {
        if self.wanted.len() != 1 {
            return Err(IntakeError::NotOneMember { archive: self.archive.to_owned(), wanted: self.wanted.len() });
        }
        self.seen[0] = true;
        Ok(Slot(0))
    }

    /// Writes and hashes the `size` bytes of an admitted member; more or fewer in `data` are an error.
    pub(crate) fn take(&mut self, slot: Slot, size: u64, data: &mut dyn Read) -> Result<(), IntakeError> {
        let member = &self.wanted[slot.0].member;
        self.budget.check_member(size).map_err(|limit| self.limit(limit, Some(member)))?;
        let path = self.staged(slot);
        let failed = |source| IntakeError::Write { path: path.clone(), source };
        let mut file = File::create_new(&path).map_err(failed)?;
        let mut hasher = Sha256::new();
        let mut written = 0;
        let mut buffer = vec![0; 128 << 10];
        loop {
            let read = match data.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.read_error(error, Some(member))),
            };
            written += read as u64;
            if written > size {
                return Err(self.malformed(format!("member `{member}` is longer than its declared {size} bytes")));
            }
            hasher.update(&buffer[..read]);
            file.write_all(&buffer[..read]).map_err(failed)?;
        }
        if written < size {
            return Err(IntakeError::Truncated { archive: self.archive.to_owned() });
        }
        self.taken[slot.0] = Some((written, Sha256Digest::from_hasher(hasher)));
        Ok(())
    }

    /// Moves everything into `dest`, or nothing if a member is missing.
    pub(crate) fn finish(self, dest: &Path) -> Result<Vec<Extracted>, IntakeError> {
        if self.taken.iter().any(Option::is_none) {
            let absent = |index: &usize| self.taken[*index].is_none();
            let members =
                (0..self.wanted.len()).filter(absent).map(|index| self.wanted[index].member.clone()).collect();
            let similar = self.similar.into_iter().zip(&self.taken).filter(|(_, taken)| taken.is_none());
            return Err(IntakeError::Missing {
                archive: self.archive.to_owned(),
                members,
                similar: Similar::best(similar.map(|(similar, _)| similar)),
            });
        }
        let mut extracted: Vec<Extracted> = Vec::new();
        for (index, (wanted, taken)) in self.wanted.iter().zip(&self.taken).enumerate() {
            let (size, sha256) = taken.expect("checked above");
            let path = dest.join(wanted.file_name.as_str());
            if let Err(source) = fs::rename(self.staged(Slot(index)), &path) {
                for moved in extracted {
                    // The rename's error is the one to report.
                    let _ = fs::remove_file(moved.path);
                }
                return Err(IntakeError::Write { path, source });
            }
            extracted.push(Extracted { member: wanted.member.clone(), path, size, sha256 });
        }
        Ok(extracted)
    }

    /// Says what a failed read means: a limit, an early end, the operating system's failure, or bad bytes.
    pub(crate) fn read_error(&self, source: io::Error, member: Option<&MemberPath>) -> IntakeError {
        let archive = self.archive.to_owned();
        if let Some(limit) = self.budget.exceeded() {
            self.limit(limit, member)
        } else if source.raw_os_error().is_some() {
            IntakeError::Read { archive, source }
        } else if source.kind() == io::ErrorKind::UnexpectedEof || self.budget.ended() {
            IntakeError::Truncated { archive }
        } else {
            IntakeError::Corrupt { archive, source }
        }
    }

    /// [`Self::read_error`] outside of a member.
    pub(crate) fn failed(&self, source: io::Error) -> IntakeError {
        self.read_error(source, None)
    }

    pub(crate) fn malformed(&self, fault: impl Into<String>) -> IntakeError {
        IntakeError::Malformed { archive: self.archive.to_owned(), fault: fault.into() }
    }

    pub(crate) fn unsupported(&self, feature: impl Into<String>) -> IntakeError {
        IntakeError::Unsupported { archive: self.archive.to_owned(), feature: feature.into() }
    }

    pub(crate) fn truncated(&self) -> IntakeError {
        IntakeError::Truncated { archive: self.archive.to_owned() }
    }

    fn limit(&self, limit: Limit, member: Option<&MemberPath>) -> IntakeError {
        IntakeError::Limit { archive: self.archive.to_owned(), member: member.cloned(), limit }
    }

    fn staged(&self, slot: Slot) -> PathBuf {
        self.staging.path().join(slot.0.to_string())
    }
}
