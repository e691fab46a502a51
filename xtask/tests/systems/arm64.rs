//! Debian for arm64, by an emulator: the scripts run, and so does every program.

use std::{fs, path::Path, process::Command};

use testkit::machine::Image;

use super::packages::arm64;

const BINFMT: &str = "/proc/sys/fs/binfmt_misc";
/// Of this test, beside whatever else is there.
const NAME: &str = "slipway-test-arm64";
/// As `binfmt_misc` reads it: ELF files of 64 bits, little endian, for machine 0xb7. `F` opens the emulator now, so that a root needs
/// none of its own.
const RULE: &str = r":slipway-test-arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64-static:F";

/// Lets the kernel run arm64 programs for as long as it lives.
struct Emulator {
    /// Whether there was no such file system before.
    is_mounted: bool,
}

impl Emulator {
    fn start() -> Self {
        let register = Path::new(BINFMT).join("register");
        let is_mounted = !register.exists();
        if is_mounted {
            let mounted = Command::new("mount").args(["-t", "binfmt_misc", "binfmt_misc", BINFMT]).status();
            assert!(mounted.expect("mount is there").success(), "this kernel has no binfmt_misc");
        }
        let emulator = Self { is_mounted };
        forget();
        fs::write(register, RULE).expect("root may");
        emulator
    }
}

/// Also what a killed test left.
fn forget() {
    let rule = Path::new(BINFMT).join(NAME);
    if rule.exists() {
        fs::write(rule, "-1").expect("root may");
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        forget();
        if self.is_mounted {
            let _ = Command::new("umount").arg(BINFMT).status();
        }
    }
}

#[test]
fn packages_for_arm64_install_run_and_leave() {
    let _emulator = Emulator::start();
    let image = Image::arm64_in(Path::new(env!("CARGO_TARGET_TMPDIR")), "ca-certificates");
    let root = image.copy();
    for name in ["onboarding-agent", "istio-sidecar"] {
        fs::copy(arm64(name), root.file(&format!("root/{name}.deb"))).expect("our own root");
    }
    assert_eq!(root.run("dpkg --print-architecture"), "arm64\n");
    let said = root.run(
        "apt-get install -y ./onboarding-agent.deb ./istio-sidecar.deb >/dev/null\n\
         onboarding-agent --version\nsidecar-wrapper --version\nsidecar-wrapper version\nenvoy --version\n\
         stat -c '%U' /var/lib/onboarding-agent /var/lib/istio",
    );
    for part in ["onboarding-agent ", "sidecar-wrapper ", "envoy  version: ", "onboarding-agent\nistio-proxy\n"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let left = root.run(
        "apt-get purge -y onboarding-agent istio-sidecar >/dev/null; ls -d /usr/local/bin/envoy /var/lib/istio || true",
    );
    assert_eq!(left.matches("No such file").count(), 2, "{left}");
}
