//! Disks that fill up. They are mounted, so only root can have them, as `cargo xtask test --setup` does.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A file system of its own that ends with the value.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// At a folder, which is made.
    #[must_use]
    pub fn mount(path: &Path, kilobytes: u32) -> Self {
        fs::create_dir_all(path).expect("our own folder");
        mount(&["-t", "tmpfs", "-o", &format!("size={kilobytes}k"), "tmpfs"], path);
        Self(path.to_owned())
    }

    /// With what is on it, which must fit.
    pub fn resize(&self, kilobytes: u32) {
        mount(&["-o", &format!("remount,size={kilobytes}k")], &self.0);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn mount(args: &[&str], path: &Path) {
    let done = Command::new("mount").args(args).arg(path).status().expect("mount is there");
    assert!(done.success(), "only root can mount {}", path.display());
}
