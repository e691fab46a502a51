//! The packages on systems that run: installed, upgraded, switched, removed and purged, with real dpkg, apt, rpm, dnf
//! and systemd, and without a network.
//!
//! Built only with the feature `dist-tree`; reads the tree named by `SLIPWAY_DIST`.

#![cfg(feature = "dist-tree")]
#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]

mod arm64;
mod deb;
mod files;
mod packages;
mod pilot_agent;
mod ports;
mod releases;
mod rpm;
mod scripts;
mod services;
mod sidecar;
mod sidecar_logs;
mod sidecar_trouble;

use std::{path::Path, sync::OnceLock};

use testkit::machine::Image;

/// One for all tests, and for the next time.
fn debian() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| {
        Image::bootable_in(Path::new(env!("CARGO_TARGET_TMPDIR")), "ca-certificates,curl,libcap2-bin,procps,rpm,dnf")
    })
}
