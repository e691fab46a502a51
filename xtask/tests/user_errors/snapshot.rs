use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use artifact::Sha256Digest;

/// All that stands below a folder, with every byte of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Snapshot(BTreeMap<PathBuf, Node>);

#[derive(Clone, PartialEq, Eq)]
enum Node {
    Folder,
    File { mode: u32, content: Vec<u8> },
    Link(PathBuf),
}

impl Snapshot {
    /// Nothing for a folder that is not there.
    pub(crate) fn read(root: &Path) -> Self {
        let mut nodes = BTreeMap::new();
        let mut pending = vec![PathBuf::new()];
        while let Some(folder) = pending.pop() {
            for entry in fs::read_dir(root.join(&folder)).into_iter().flatten() {
                let entry = entry.expect("an entry");
                let (path, full) = (folder.join(entry.file_name()), entry.path());
                let metadata = full.symlink_metadata().expect("nothing else removes files here");
                let node = if metadata.is_symlink() {
                    Node::Link(fs::read_link(&full).expect("a link"))
                } else if metadata.is_dir() {
                    pending.push(path.clone());
                    Node::Folder
                } else {
                    let mode = metadata.permissions().mode();
                    Node::File { mode, content: fs::read(&full).expect("a readable file") }
                };
                nodes.insert(path, node);
            }
        }
        Self(nodes)
    }

    pub(crate) fn write(&self, root: &Path) {
        for (path, node) in &self.0 {
            let path = root.join(path);
            match node {
                Node::Folder => fs::create_dir(&path).expect("parents come first"),
                Node::Link(target) => std::os::unix::fs::symlink(target, &path).expect("a fresh folder"),
                Node::File { mode, content } => {
                    fs::write(&path, content).expect("a fresh folder");
                    fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).expect("our own file");
                }
            }
        }
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }
}

/// A listing with digests, to tell in a failed comparison what differs.
impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (path, node) in &self.0 {
            match node {
                Node::Folder => writeln!(f, "{}/", path.display())?,
                Node::Link(target) => writeln!(f, "{} -> {}", path.display(), target.display())?,
                Node::File { mode, content } => {
                    writeln!(f, "{} {mode:o} {} {}", path.display(), content.len(), Sha256Digest::of(content))?;
                }
            }
        }
        Ok(())
    }
}
