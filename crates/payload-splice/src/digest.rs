use std::fmt;

use artifact::Sha256Digest;
use md5::{Digest, Md5};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use sha2::Sha256;

/// An MD5 digest: what a DEB's `md5sums` file holds, and nothing to trust. Its text form is 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Md5Digest([u8; 16]);

impl Md5Digest {
    /// The digest of `data`.
    #[must_use]
    pub fn of(data: &[u8]) -> Self {
        Self(Md5::digest(data).into())
    }

    /// The raw digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(crate) fn from_hasher(hasher: Md5) -> Self {
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for Md5Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Md5Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Md5Digest({self})")
    }
}

impl Serialize for Md5Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Md5Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let error = || D::Error::custom("expected 32 lower-case hexadecimal digits");
        let number = u128::from_str_radix(&text, 16).map_err(|_| error())?;
        let digest = Self(number.to_be_bytes());
        if digest.to_string() == text { Ok(digest) } else { Err(error()) }
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Which digests of a file are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    Sha256,
    Sha256AndMd5,
}

/// The digests of one file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digests {
    pub(crate) sha256: Sha256Digest,
    /// Zeros where only SHA-256 was wanted.
    pub(crate) md5: Md5Digest,
}

/// Computes [`Digests`].
pub(crate) struct FileHasher {
    sha256: Sha256,
    md5: Option<Md5>,
}

impl FileHasher {
    pub(crate) fn new(want: Want) -> Self {
        Self { sha256: Sha256::new(), md5: (want == Want::Sha256AndMd5).then(Md5::new) }
    }

    pub(crate) fn update(&mut self, data: &[u8]) {
        self.sha256.update(data);
        if let Some(md5) = &mut self.md5 {
            md5.update(data);
        }
    }

    pub(crate) fn finish(self) -> Digests {
        Digests {
            sha256: Sha256Digest::from_hasher(self.sha256),
            md5: self.md5.map_or(Md5Digest([0; 16]), Md5Digest::from_hasher),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Md5Digest;

    #[test]
    fn json_round_trips_and_rejects_other_text() {
        let digest = Md5Digest::of(b"");
        assert_eq!(digest.to_string(), "d41d8cd98f00b204e9800998ecf8427e");
        let json = serde_json::to_string(&digest).expect("a string");
        assert_eq!(serde_json::from_str::<Md5Digest>(&json).expect("it was just written"), digest);
        for text in ["\"\"", "\"+41d8cd98f00b204e9800998ecf8427e\"", "\"D41D8CD98F00B204E9800998ECF8427E\"", "7"] {
            assert!(serde_json::from_str::<Md5Digest>(text).is_err(), "{text}");
        }
    }
}
