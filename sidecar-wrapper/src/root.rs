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

    /// The place of a VM's path. Relative paths count from the VM's `/`, as in upstream's service, which runs there.
    #[must_use]
    pub fn path(&self, on_vm: &Path) -> PathBuf {
        let below = on_vm.components().filter(|part| !matches!(part, Component::RootDir | Component::CurDir));
        self.0.join(below.collect::<PathBuf>())
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
        ] {
            assert_eq!(Root::new(root.into()).path(Path::new(on_vm)), Path::new(path));
        }
    }
}
