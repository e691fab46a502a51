//! Payloads: real programs, and archives of every degree of soundness.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::LazyLock,
};

use artifact::Arch;
use flate2::{Compression, write::GzEncoder};

use super::site::{host, other_than_host};

/// A manifest with one revision for the machine that runs the tests.
pub(crate) fn manifest(source: &str) -> String {
    format!("schema = 1\nmax_glibc = '9.9'\n\n{}", revision("default", source))
}

pub(crate) fn revision(name: &str, source: &str) -> String {
    let arch = host();
    format!(
        "[[revision]]\nname = '{name}'\nistio = '1.29.6'\nenvoy = '1.37.0'\n\n[revision.payload.{arch}]\n\
         source = {source}\nmembers = {{ envoy = 'envoy' }}\n\n"
    )
}

/// Linked with this machine's glibc.
static HOST_PROGRAM: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("program");
    let mut cc = Command::new("cc")
        .args(["-x", "c", "-", "-o"])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a C compiler is installed");
    cc.stdin.take().expect("piped").write_all(b"int main(void) { return 0; }\n").expect("cc reads it");
    assert!(cc.wait().expect("cc was started").success());
    std::fs::read(&path).expect("cc wrote it")
});

/// A small program. The one for the foreign machine has that machine in its header, and only there.
pub(crate) fn program(arch: Arch) -> Vec<u8> {
    const E_MACHINE: usize = 18;
    let mut program = HOST_PROGRAM.clone();
    if arch == other_than_host() {
        program[E_MACHINE] = match arch {
            Arch::Amd64 => 62,
            Arch::Arm64 => 183,
        };
    }
    program
}

/// [`program`] with bytes behind it that do not compress.
pub(crate) fn large_program(size: u32) -> Vec<u8> {
    let mut program = program(host());
    program
        .extend((0..size).map(|number| number.wrapping_mul(2_654_435_761).rotate_left(number % 31).to_be_bytes()[0]));
    program
}

/// A tar archive; names and kinds are not checked.
pub(crate) fn tar(entries: &[(&str, Entry<'_>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, entry) in entries {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        let content = match entry {
            Entry::File(content) => *content,
            Entry::Symlink(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
                &[]
            }
        };
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        header.set_cksum();
        builder.append(&header, content).expect("in memory");
    }
    builder.into_inner().expect("in memory")
}

pub(crate) enum Entry<'a> {
    File(&'a [u8]),
    Symlink(&'a str),
}

pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(data).expect("in memory");
    gzip.finish().expect("in memory")
}

/// A sound archive with a sound program.
pub(crate) fn good_archive() -> Vec<u8> {
    gzip(&tar(&[("envoy", Entry::File(&program(host())))]))
}

/// A small file that unpacks to a tar archive with one unwanted member of `pieces` times 64 MiB.
pub(crate) fn bomb(path: &Path, pieces: usize) {
    const PIECE: usize = 64 << 20;
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..5].copy_from_slice(b"zeros");
    header.set_size((pieces * PIECE) as u64);
    header.set_cksum();
    let frame = |data: &[u8]| zstd::stream::encode_all(data, 1).expect("in memory");
    let zeros = frame(&vec![0; PIECE]);
    let mut file = frame(header.as_bytes());
    for _ in 0..pieces {
        file.extend_from_slice(&zeros);
    }
    std::fs::write(path, file).expect("our own folder");
}
