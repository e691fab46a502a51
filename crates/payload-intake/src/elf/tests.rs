use std::{fs, path::Path, process::Command};

use object::read::elf::FileHeader as _;
use proptest::{prelude::*, sample::Index};

use super::*;

fn readelf(flag: &str, file: &Path) -> String {
    let output = Command::new("readelf").args([flag, "-W"]).arg(file).output().expect("readelf must be installed");
    String::from_utf8(output.stdout).expect("ASCII")
}

/// The highest version that readelf lists among the requirements.
fn floor_by_readelf(file: &Path) -> Option<GlibcVersion> {
    let text = readelf("-V", file);
    let needs = text.split_once("Version needs section")?.1;
    needs.split_whitespace().filter_map(|word| word.strip_prefix("GLIBC_")?.parse().ok()).max()
}

fn compile(dir: &Path, name: &str, flags: &[&str]) -> PathBuf {
    let (source, program) = (dir.join("main.c"), dir.join(name));
    fs::write(&source, "#include <stdio.h>\nint main(void) { return puts(\"x\") < 0; }\n").expect("written");
    let output = Command::new("gcc").args(flags).arg("-o").arg(&program).arg(&source).output();
    let output = output.expect("gcc must be installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
}

#[test]
fn agrees_with_readelf_on_an_installed_program() {
    let file = Path::new("/bin/ls");
    let facts = inspect(file).expect("sound");
    let machine = if readelf("-h", file).contains("X86-64") { Arch::Amd64 } else { Arch::Arm64 };
    assert_eq!(facts.machine, machine);
    assert_eq!(facts.glibc_floor, floor_by_readelf(file));
    assert!(facts.glibc_floor > Some(GlibcVersion::new(2, 2)), "{facts:?}");
    let interpreter = facts.interpreter.expect("dynamic");
    assert!(readelf("-l", file).contains(&format!("interpreter: {interpreter}]")), "{interpreter}");
    assert!(facts.stripped);
}

#[test]
fn agrees_with_readelf_on_every_kind_of_linking() {
    let dir = tempfile::tempdir().expect("temporary folder");
    for (name, flags) in
        [("pie", &["-pie"][..]), ("fixed", &["-no-pie"]), ("relr", &["-pie", "-Wl,-z,pack-relative-relocs"])]
    {
        let program = compile(dir.path(), name, flags);
        let facts = inspect(&program).expect("sound");
        // readelf lists GLIBC_ABI_DT_RELR, which stands for 2.36, beside the symbols' versions.
        let relr = readelf("-V", &program).contains("GLIBC_ABI_DT_RELR").then_some(GlibcVersion::new(2, 36));
        assert_eq!(relr.is_some(), name == "relr");
        assert_eq!(facts.glibc_floor, floor_by_readelf(&program).max(relr), "{name}");
        assert!(!facts.stripped, "{name}");
    }
    for (name, flags) in [("static", &["-static"][..]), ("static-pie", &["-static-pie"])] {
        let facts = inspect(&compile(dir.path(), name, flags)).expect("sound");
        assert_eq!((facts.glibc_floor, facts.interpreter), (None, None), "{name}");
    }
}

#[test]
fn calls_a_file_stripped_only_without_symbols_and_debug_information() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let stripped = |flags: &[&str]| inspect(&compile(dir.path(), "program", flags)).expect("sound").stripped;
    assert!(!stripped(&[]));
    assert!(!stripped(&["-g"]));
    assert!(stripped(&["-s"]));
}

#[test]
fn finds_the_floor_without_section_headers() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let program = compile(dir.path(), "program", &[]);
    let expected = inspect(&program).expect("sound").glibc_floor;
    assert!(expected.is_some());
    let mut bytes = fs::read(&program).expect("readable");
    bytes[40..48].fill(0);
    bytes[58..64].fill(0);
    fs::write(&program, bytes).expect("written");
    assert_eq!(inspect(&program).expect("still runs").glibc_floor, expected);
}

#[test]
fn names_the_machine_that_it_refuses() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = dir.path().join("program");
    let mut header = fs::read("/bin/ls").expect("readable")[..64].to_vec();
    let mut refusal = |changes: &[(usize, u8)]| {
        for &(at, byte) in changes {
            header[at] = byte;
        }
        fs::write(&path, &header).expect("written");
        inspect(&path).expect_err("refused").to_string()
    };
    assert!(refusal(&[(18, 243), (19, 0)]).contains("64-bit little-endian RISC-V"));
    assert!(refusal(&[(4, 1), (18, 3)]).contains("32-bit little-endian Intel 80386"));
    assert!(refusal(&[(4, 2), (5, 2), (18, 0), (19, 22)]).contains("64-bit big-endian IBM S/390"));
    assert!(refusal(&[(0, b'#')]).contains("is not an ELF file: it begins with `#ELF"));
    assert!(is_elf(Path::new("/bin/ls")).expect("readable"));
    assert!(!is_elf(&path).expect("readable"));
}

#[test]
fn refuses_private_and_unknown_versions_of_glibc() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let program = compile(dir.path(), "program", &[]);
    let bytes = fs::read(&program).expect("readable");
    let floor = inspect(&program).expect("sound").glibc_floor.expect("dynamic");
    let name = format!("GLIBC_{floor}\0");
    let swap = |to: &str| {
        let mut bytes = bytes.clone();
        let at = bytes.windows(name.len()).position(|window| window == name.as_bytes()).expect("in .dynstr");
        let to = format!("{to:\0<width$}", width = name.len());
        bytes[at..at + name.len()].copy_from_slice(to.as_bytes());
        fs::write(&program, bytes).expect("written");
        inspect(&program)
    };
    assert!(matches!(swap("GLIBC_9.99"), Ok(facts) if facts.glibc_floor == Some(GlibcVersion::new(9, 99))));
    assert!(matches!(swap("GLIBC_NEW"), Err(ElfError::GlibcVersion { .. })));
    assert!(matches!(glibc_version(&program, b"GLIBC_PRIVATE"), Err(ElfError::PrivateGlibc { .. })));
    assert!(matches!(glibc_version(&program, b"GLIBCXX_3.4.30"), Ok(None)));
}

#[test]
fn refuses_tables_larger_than_a_piece() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = dir.path().join("program");
    let mut bytes = fs::read("/bin/ls").expect("readable");
    let header = elf::FileHeader64::<LittleEndian>::parse(&bytes[..]).expect("sound");
    let at = usize::try_from(header.e_phoff.get(LittleEndian)).expect("small");
    // The second program header is the interpreter's: let it span the whole of a large file.
    bytes[at + 56 + 32..at + 56 + 40].copy_from_slice(&(8_u64 << 20).to_le_bytes());
    bytes.resize(16 << 20, 0);
    fs::write(&path, bytes).expect("written");
    assert!(matches!(inspect(&path), Err(ElfError::Malformed { part: "interpreter", .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_changed_bytes_are_safe(changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..8), keep: Index) {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("program");
        let mut bytes = fs::read("/bin/ls").expect("readable");
        // The headers at the front are where most of the structure is.
        for (at, byte) in changes {
            bytes[at.index(4096)] = byte;
        }
        bytes.truncate(bytes.len() - keep.index(bytes.len() / 2));
        fs::write(&path, bytes).expect("written");
        let _ = inspect(&path);
    }
}
