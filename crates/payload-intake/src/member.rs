use std::{fmt, str::FromStr};

use crate::serde_text::serde_text;

/// The path of a file inside an archive: relative, `/` between components, none of them empty, `.` or `..`; no NUL and no
/// backslash. The one spelling of what archives write as `./usr/bin/envoy`, `/usr/bin/envoy` or `usr//bin/envoy`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberPath(String);

/// What is wrong with the name of a member or an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing, or nothing between two slashes.
    #[error("it has an empty component")]
    Empty,
    /// A `.` component.
    #[error("it has a `.` component")]
    CurrentDir,
    /// A `..` component.
    #[error("it has a `..` component")]
    ParentDir,
    /// A leading slash.
    #[error("it is absolute")]
    Absolute,
    /// A NUL byte.
    #[error("it holds a NUL byte")]
    Nul,
    /// A backslash, which some systems take for a slash.
    #[error("it holds a backslash")]
    Backslash,
    /// A path where a bare file name belongs.
    #[error("it holds a slash")]
    Slash,
}

/// Text that is no [`MemberPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid member path `{}`", .text.escape_debug())]
pub struct MemberPathError {
    text: String,
    /// The rule that it breaks.
    #[source]
    pub reason: NameError,
}

impl MemberPathError {
    /// The spelling to use instead, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let parts: Vec<_> = self.text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let path = parts.join("/").parse::<MemberPath>().ok()?;
        Some(format!("write it as `{path}`"))
    }
}

impl MemberPath {
    /// The last component.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The path with `/` between components.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for MemberPath {
    type Err = MemberPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = if text.contains('\0') {
            Some(NameError::Nul)
        } else if text.contains('\\') {
            Some(NameError::Backslash)
        } else if text.starts_with('/') {
            Some(NameError::Absolute)
        } else {
            text.split('/').find_map(|component| match component {
                "" => Some(NameError::Empty),
                "." => Some(NameError::CurrentDir),
                ".." => Some(NameError::ParentDir),
                _ => None,
            })
        };
        match fault {
            Some(reason) => Err(MemberPathError { text: text.to_owned(), reason }),
            None => Ok(Self(text.to_owned())),
        }
    }
}

/// The name that an extracted member gets: one component of a [`MemberPath`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(MemberPath);

/// Text that is no [`FileName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid file name `{}`", .text.escape_debug())]
pub struct FileNameError {
    text: String,
    /// The rule that it breaks.
    #[source]
    pub reason: NameError,
}

impl FileName {
    /// The bare name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for FileName {
    type Err = FileNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason| FileNameError { text: text.to_owned(), reason };
        let path: MemberPath = text.parse().map_err(|MemberPathError { reason, .. }| error(reason))?;
        if text.contains('/') { Err(error(NameError::Slash)) } else { Ok(Self(path)) }
    }
}

serde_text!(MemberPath, FileName);

/// What an archive format says about names that begin with a slash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    /// Names are relative; a leading slash is an abuse.
    Relative,
    /// Names are absolute by the format, so a leading slash means nothing.
    Absolute,
}

/// Brings the name of an archive's entry into the one spelling.
///
/// `Ok(None)`: a harmless name that no [`MemberPath`] can equal: the root itself, not UTF-8, or with a backslash.
pub(crate) fn normalise(name: &[u8], root: Root) -> Result<Option<MemberPath>, NameError> {
    if name.contains(&0) {
        return Err(NameError::Nul);
    }
    if name.first() == Some(&b'/') && root == Root::Relative {
        return Err(NameError::Absolute);
    }
    if name.split(|byte| matches!(byte, b'/' | b'\\')).any(|component| component == b"..") {
        return Err(NameError::ParentDir);
    }
    let Ok(text) = str::from_utf8(name) else { return Ok(None) };
    let parts: Vec<_> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    Ok(parts.join("/").parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rejects_every_path_that_is_not_plainly_relative() {
        let cases = [
            ("", NameError::Empty),
            ("a//b", NameError::Empty),
            ("a/", NameError::Empty),
            ("./a", NameError::CurrentDir),
            ("a/./b", NameError::CurrentDir),
            ("a/../b", NameError::ParentDir),
            ("..", NameError::ParentDir),
            ("/a", NameError::Absolute),
            ("a\0", NameError::Nul),
            ("a\\b", NameError::Backslash),
        ];
        for (text, reason) in cases {
            assert_eq!(text.parse::<MemberPath>().expect_err(text).reason, reason, "{text}");
        }
        let error = "./usr//bin/envoy".parse::<MemberPath>().expect_err("two spellings");
        assert_eq!(error.hint().as_deref(), Some("write it as `usr/bin/envoy`"));
    }

    #[test]
    fn rejects_a_path_as_file_name() {
        assert_eq!("a/b".parse::<FileName>().expect_err("a path").reason, NameError::Slash);
        assert_eq!("..".parse::<FileName>().expect_err("parent").reason, NameError::ParentDir);
    }

    #[test]
    fn reads_all_spellings_of_an_entry_as_one() {
        let path: MemberPath = "usr/bin/envoy".parse().expect("valid");
        for name in ["usr/bin/envoy", "./usr/bin/envoy", "usr//bin/./envoy", "usr/bin/envoy/"] {
            assert_eq!(normalise(name.as_bytes(), Root::Relative), Ok(Some(path.clone())), "{name}");
        }
        assert_eq!(normalise(b"/usr/bin/envoy", Root::Absolute), Ok(Some(path)));
        assert_eq!(normalise(b"./", Root::Relative), Ok(None));
        assert_eq!(normalise(b"a\\..\\b", Root::Relative), Err(NameError::ParentDir));
    }

    proptest! {
        #[test]
        fn what_normalises_is_a_valid_member_path(name: Vec<u8>) {
            if let Ok(Some(path)) = normalise(&name, Root::Absolute) {
                prop_assert_eq!(path.as_str().parse::<MemberPath>(), Ok(path.clone()));
                prop_assert_eq!(normalise(path.as_str().as_bytes(), Root::Relative), Ok(Some(path)));
            }
        }
    }
}
