//! Where a VM's files are.

use std::path::{Component, Path, PathBuf};

/// The directory that stands for a VM's `/`. Symbolic links below it are followed as the kernel does, so an absolute one
/// leads out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root(PathBuf);

impl Root {
    /// Takes `/` itself, or the directory of an image.
    #[must_use]
    pub const fn new(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// The same, whatever the working directory becomes.
    #[must_use]
    pub fn absolute(&self) -> Self {
        // Only the empty path has no absolute one, and nothing is found there anyway.
        Self(std::path::absolute(&self.0).unwrap_or_else(|_| self.0.clone()))
    }

    /// The place of a VM's path. Relative paths count from the VM's `/`, as in upstream's service, which runs there.
    #[must_use]
    pub fn path(&self, on_vm: &Path) -> PathBuf {
        let below = on_vm.components().filter(|part| !matches!(part, Component::RootDir | Component::CurDir));
        let below: PathBuf = below.collect();
        // Joining nothing would only add a slash.
        if below.as_os_str().is_empty() { self.0.clone() } else { self.0.join(below) }
    }
}

#[cfg(test)]
mod tests {
    use super::Root;
    use std::path::Path;

    #[test]
    fn puts_absolute_and_relative_paths_below_the_root() {
        for (root, on_vm, path) in [
            ("/", "./etc/certs", "/etc/certs"),
            ("/", "/etc/certs", "/etc/certs"),
            ("/image", "/etc/certs", "/image/etc/certs"),
            ("image", "./etc/certs", "image/etc/certs"),
            ("/image", "/", "/image"),
        ] {
            assert_eq!(Root::new(root.into()).path(Path::new(on_vm)).as_os_str(), path);
        }
        let here = std::env::current_dir().expect("it exists");
        assert_eq!(Root::new("image".into()).absolute().path(Path::new("/etc")), here.join("image/etc"));
    }
}
