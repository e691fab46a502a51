use std::{fs::File, io::BufReader, path::Path};

use crate::{
    ArchiveKind, Compression, Extracted, IntakeError, Limits, Wanted, budget::Budget, collector::Collector, deb,
    decompress::decoder, folder, rpm, tarball, zip,
};

/// Takes the wanted members out of the archive at `path` and writes them into `dest_dir`, which is made if it is missing,
/// even if nothing comes to stand in it.
///
/// Answers in the order of `wanted`. Either all members come to stand in `dest_dir`, replacing files of their names, or none
/// does. They are staged beside `dest_dir` and are not synced to disk: compare a digest before a later run trusts one.
///
/// A plain file ([`ArchiveKind::File`]) has no names inside: it is the one wanted member, however that is called.
pub fn extract(
    kind: ArchiveKind,
    path: &Path,
    wanted: &[Wanted],
    dest_dir: &Path,
    limits: Limits,
) -> Result<Vec<Extracted>, IntakeError> {
    let budget = Budget::new(limits);
    let mut collector = Collector::new(path, wanted, &budget, dest_dir)?;
    match kind {
        ArchiveKind::Deb => deb::walk(buffered(kind.open(path)?), &mut collector)?,
        ArchiveKind::Rpm => rpm::walk(buffered(kind.open(path)?), &mut collector)?,
        ArchiveKind::Tar(compression) => compressed_tar(compression, kind.open(path)?, &mut collector)?,
        ArchiveKind::Zip => zip::walk(kind.open(path)?, &mut collector)?,
        ArchiveKind::Directory => folder::walk(path, &mut collector)?,
        ArchiveKind::File => whole_file(kind.open(path)?, &mut collector)?,
    }
    collector.finish(dest_dir)
}

fn buffered(file: File) -> BufReader<File> {
    BufReader::with_capacity(128 << 10, file)
}

fn compressed_tar(compression: Compression, file: File, collector: &mut Collector<'_>) -> Result<(), IntakeError> {
    let stream = decoder(compression, buffered(file)).map_err(|error| collector.failed(error))?;
    tarball::walk(stream, collector)
}

fn whole_file(file: File, collector: &mut Collector<'_>) -> Result<(), IntakeError> {
    let slot = collector.admit_only()?;
    let size = file.metadata().map_err(|error| collector.failed(error))?.len();
    let mut stream = collector.meter(file);
    collector.take(slot, size, &mut stream)
}
