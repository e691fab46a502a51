//! Where everything stands in a store: the only maker and reader of store paths.

use artifact::Sha256Digest;

use crate::{GenerationNumber, PublishId, backend::Path};

/// The paths below a store's prefix.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    prefix: Path,
}

const BLOBS: [&str; 2] = ["blobs", "sha256"];
const GENERATIONS: &str = "generations";
const LEASES: &str = "leases";
const PROBES: &str = "probe";
const JSON: &str = ".json";

/// So many digits that the order of names is the order of numbers.
const DIGITS: usize = 20;

impl Layout {
    pub(crate) const fn new(prefix: Path) -> Self {
        Self { prefix }
    }

    fn at(&self, parts: &[&str]) -> Path {
        parts.iter().fold(self.prefix.clone(), |path, part| path.join(*part))
    }

    pub(crate) fn blobs(&self) -> Path {
        self.at(&BLOBS)
    }

    /// `blobs/sha256/<2 hex>/<64 hex>`
    pub(crate) fn blob(&self, digest: Sha256Digest) -> Path {
        let name = digest.to_string();
        self.blobs().join(&name[..2]).join(name)
    }

    pub(crate) fn generations(&self) -> Path {
        self.at(&[GENERATIONS])
    }

    /// `generations/<20 digits>.json`
    pub(crate) fn generation(&self, number: GenerationNumber) -> Path {
        self.generations().join(format!("{:0DIGITS$}{JSON}", number.get()))
    }

    /// A hint only: the number of the last generation that its publisher knew of.
    pub(crate) fn head(&self) -> Path {
        self.at(&["heads", "current"])
    }

    pub(crate) fn leases(&self) -> Path {
        self.at(&[LEASES])
    }

    /// `leases/<publish id>.json`
    pub(crate) fn lease(&self, id: PublishId) -> Path {
        self.leases().join(format!("{id}{JSON}"))
    }

    pub(crate) fn probes(&self) -> Path {
        self.at(&[PROBES])
    }

    /// `probe/<id>`
    pub(crate) fn probe(&self, id: PublishId) -> Path {
        self.probes().join(id.to_string())
    }

    /// The folders of a local store, relative to it.
    pub(crate) const fn folders() -> [&'static str; 5] {
        ["blobs", GENERATIONS, "heads", LEASES, PROBES]
    }

    /// Which generation stands at `path`.
    pub(crate) fn generation_at(&self, path: &Path) -> Option<GenerationNumber> {
        let digits = path.filename()?.strip_suffix(JSON)?.trim_start_matches('0');
        // Whatever is spelled otherwise is not ours.
        digits.parse().ok().filter(|&number| self.generation(number) == *path)
    }

    /// Which blob stands at `path`.
    pub(crate) fn blob_at(&self, path: &Path) -> Option<Sha256Digest> {
        path.filename()?.parse().ok().filter(|&digest| self.blob(digest) == *path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        Layout::new(Path::from("mesh/releases"))
    }

    #[test]
    fn gives_the_documented_paths() {
        let layout = layout();
        let number = GenerationNumber::new(42).expect("not 0");
        assert_eq!(layout.generation(number).as_ref(), "mesh/releases/generations/00000000000000000042.json");
        assert_eq!(
            layout.blob(Sha256Digest::of(b"")).as_ref(),
            "mesh/releases/blobs/sha256/e3/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(layout.head().as_ref(), "mesh/releases/heads/current");
        let last = GenerationNumber::new(u64::MAX).expect("not 0");
        assert_eq!(layout.generation_at(&layout.generation(last)), Some(last));
    }

    #[test]
    fn reads_only_what_it_would_write() {
        let layout = layout();
        for name in ["42.json", "00000000000000000042", "00000000000000000000.json", "+0000000000000000042.json"] {
            assert_eq!(layout.generation_at(&layout.generations().join(name)), None, "{name}");
        }
        let digest = Sha256Digest::of(b"").to_string();
        assert_eq!(layout.blob_at(&layout.blobs().join("00").join(digest)), None);
    }
}
