use std::{fmt, str::FromStr};

/// Where a package puts a file: `/` and plain components, such as `/usr/local/bin/envoy`.
///
/// No empty, `.` or `..` component, no control characters, at most 4096 bytes; never the root itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackagePath(String);

impl PackagePath {
    /// Checks `path`.
    pub fn new(path: &str) -> Result<Self, PackagePathError> {
        let error = || PackagePathError(path.to_owned());
        let relative = path.strip_prefix('/').ok_or_else(error)?;
        let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(char::is_control);
        if path.len() > 4096 || !relative.split('/').all(plain) {
            return Err(error());
        }
        Ok(Self(path.to_owned()))
    }

    /// From a member name of an archive: `./usr/bin/x`, `usr/bin/x`, `/usr/bin/x` or `./usr/bin/`; `None` is the root.
    pub(crate) fn from_member(name: &str) -> Result<Option<Self>, PackagePathError> {
        let bare = name.strip_prefix('.').filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(name);
        let bare = bare.strip_prefix('/').unwrap_or(bare);
        let bare = bare.strip_suffix('/').unwrap_or(bare);
        if bare.is_empty() {
            return if name.is_empty() { Err(PackagePathError(String::new())) } else { Ok(None) };
        }
        Self::new(&format!("/{bare}")).map(Some)
    }

    /// With the leading `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the leading `/`: the form of md5sums files.
    #[must_use]
    pub fn relative(&self) -> &str {
        &self.0[1..]
    }

    /// The directories above it, the topmost first, without the root.
    pub(crate) fn parents(&self) -> impl Iterator<Item = Self> + '_ {
        self.0.match_indices('/').skip(1).map(|(at, _)| Self(self.0[..at].to_owned()))
    }
}

impl fmt::Display for PackagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that is no [`PackagePath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid path `{}` in a package: expected an absolute path of plain components", .0.escape_debug())]
pub struct PackagePathError(String);

impl FromStr for PackagePath {
    type Err = PackagePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::PackagePath;
    use proptest::prelude::*;

    #[test]
    fn rejects_what_is_not_absolute_and_plain() {
        for path in ["", "/", "usr/bin", "/usr//bin", "/usr/", "/./usr", "/usr/../etc", "/a\nb", "/a\0", "/.."] {
            assert!(PackagePath::new(path).is_err(), "{path:?}");
        }
        assert!(PackagePath::new(&format!("/{}", "a".repeat(4096))).is_err());
    }

    #[test]
    fn reads_the_member_names_of_tar_and_cpio() {
        for name in ["./usr/bin", "usr/bin", "/usr/bin", "./usr/bin/"] {
            let path = PackagePath::from_member(name).expect("the name is good");
            assert_eq!(path.as_ref().map(PackagePath::as_str), Some("/usr/bin"), "{name}");
        }
        for root in [".", "./", "/"] {
            assert_eq!(PackagePath::from_member(root), Ok(None), "{root}");
        }
        let hidden = PackagePath::from_member(".hidden").expect("the name is good");
        assert_eq!(hidden.as_ref().map(PackagePath::as_str), Some("/.hidden"));
        for name in ["", "../etc", "./../etc", "//usr", "..", "./a//b"] {
            assert!(PackagePath::from_member(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn lists_the_directories_above_topmost_first() {
        let path = PackagePath::new("/usr/local/bin/envoy").expect("the path is good");
        let parents: Vec<_> = path.parents().map(|parent| parent.to_string()).collect();
        assert_eq!(parents, ["/usr", "/usr/local", "/usr/local/bin"]);
    }

    proptest! {
        #[test]
        fn text_round_trips(text in "(/[a-z.]{1,4}){0,4}|.*") {
            if let Ok(path) = text.parse::<PackagePath>() {
                prop_assert_eq!(path.to_string(), text);
                prop_assert_eq!(PackagePath::from_member(&format!("./{}", path.relative())), Ok(Some(path)));
            }
        }
    }
}
