//! The values of a header that follow from files, payload and release.

use artifact::Sha256Digest;

use super::{
    header::{Header, Value},
    package::{File, PackageError},
    tags,
};
use crate::payload::Finish;

/// Where reproducible packages say they were built.
const BUILD_HOST: &str = "localhost";

/// The capability of rpm that an xz payload needs, as rpmbuild requires it: `<=`, satisfied by rpm itself.
const PAYLOAD_IS_XZ: (&str, &str) = ("rpmlib(PayloadIsXz)", "5.2-1");
const RPMLIB_LESS_OR_EQUAL: u32 = 1 << 24 | 1 << 3 | 1 << 1;

/// What is known about the new payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) finish: Finish,
    pub(crate) compressed: Sha256Digest,
    pub(crate) plain: Sha256Digest,
}

/// Refuses headers that could not be rewritten faithfully.
pub(crate) fn check_format(header: &Header) -> Result<(), PackageError> {
    if header.number(tags::RPM_FORMAT).is_some_and(|format| format > 4) {
        return Err(PackageError::Unsupported("format, which rpm before 6 cannot read,"));
    }
    match header.text(tags::PAYLOAD_FORMAT) {
        Some("cpio") => Ok(()),
        _ => Err(PackageError::Unsupported("payload format")),
    }
}

pub(crate) fn rewrite<'a>(header: &mut Header, files: impl Iterator<Item = &'a File> + Clone, facts: Facts) {
    let time = facts.finish.time.unix();
    header.set(tags::BUILD_TIME, Value::Int32(vec![time]));
    header.set(tags::BUILD_HOST, Value::Text(BUILD_HOST.to_owned()));
    header.remove(tags::COOKIE);

    header.set(tags::PAYLOAD_COMPRESSOR, Value::Text("xz".to_owned()));
    header.set(tags::PAYLOAD_FLAGS, Value::Text(facts.finish.level.to_string()));
    header.set(tags::PAYLOAD_SHA256, Value::Texts(vec![facts.compressed.to_string()]));
    header.set(tags::PAYLOAD_DIGEST_ALGORITHM, Value::Int32(vec![tags::SHA256]));
    header.set(tags::PAYLOAD_SHA256_ALT, Value::Texts(vec![facts.plain.to_string()]));
    let stale = tags::PAYLOAD_EXTRAS.into_iter().chain(tags::FILE_DEPENDENCIES).chain([tags::ARCHIVE_SIZE]);
    for tag in stale {
        header.remove(tag);
    }
    require_xz(header);
    set_files(header, files, time);
}

fn set_files<'a>(header: &mut Header, files: impl Iterator<Item = &'a File> + Clone, time: u32) {
    let total: u64 = files.clone().map(|file| file.size).sum();
    header.remove(tags::SIZE);
    header.remove(tags::LONG_SIZE);
    match u32::try_from(total) {
        Ok(total) => header.set(tags::SIZE, Value::Int32(vec![total])),
        Err(_) => header.set(tags::LONG_SIZE, Value::Int64(vec![total])),
    }
    let count = files.clone().count();
    if count == 0 {
        return;
    }
    let numbers = |number: &dyn Fn(&File) -> u32| Value::Int32(files.clone().map(number).collect());
    header.remove(tags::LONG_FILE_SIZES);
    header.set(tags::FILE_SIZES, numbers(&|file| u32::try_from(file.size).expect("sizes of files were checked")));
    header.set(tags::FILE_TIMES, numbers(&|_| time));
    header.set(tags::FILE_DEVICES, numbers(&|_| 1));
    let modes = files.clone().map(|file| u16::try_from(file.mode).expect("modes were read from 16 bits"));
    header.set(tags::FILE_MODES, Value::Int16(modes.collect()));
    header.set(tags::FILE_DIGESTS, Value::Texts(files.map(|file| file.digest.clone()).collect()));
    header.set(tags::FILE_INODES, Value::Int32((1..).take(count).collect()));
}

/// Replaces what the base package's compression required.
fn require_xz(header: &mut Header) {
    let tags::DependencyTags { names, flags, versions } = tags::REQUIRES;
    let mut list: Vec<(String, u32, String)> = header
        .texts(names)
        .iter()
        .zip(header.numbers(flags))
        .zip(header.texts(versions))
        .filter(|((name, _), _)| !name.starts_with("rpmlib(PayloadIs"))
        .map(|((name, flags), version)| (name.clone(), flags, version.clone()))
        .collect();
    let (name, version) = PAYLOAD_IS_XZ;
    let xz = (name.to_owned(), RPMLIB_LESS_OR_EQUAL, version.to_owned());
    // rpm looks names up by bisection.
    let at = list.partition_point(|(other, ..)| other.as_str() <= name);
    list.insert(at, xz);
    header.set(names, Value::Texts(list.iter().map(|(name, ..)| name.clone()).collect()));
    header.set(flags, Value::Int32(list.iter().map(|(_, flags, _)| *flags).collect()));
    header.set(versions, Value::Texts(list.into_iter().map(|(.., version)| version).collect()));
}
