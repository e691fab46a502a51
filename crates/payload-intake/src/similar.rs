use crate::MemberPath;

/// How many names a hint lists.
const MOST: usize = 10;

/// The regular files of an archive that somebody may have meant by a wanted member.
#[derive(Debug, Default)]
pub(crate) struct Similar {
    equal: Vec<MemberPath>,
    close: Vec<MemberPath>,
}

impl Similar {
    /// Keeps `path` if its file name resembles that of `wanted`, and the list is not full.
    pub(crate) fn note(&mut self, wanted: &MemberPath, path: &MemberPath) {
        let (wanted, name) = (wanted.file_name(), path.file_name());
        let list = if wanted == name {
            &mut self.equal
        } else if resembles(wanted, name) {
            &mut self.close
        } else {
            return;
        };
        if list.len() < MOST {
            list.push(path.clone());
        }
    }

    /// The best of several lists, equal names first, without repetition.
    pub(crate) fn best(lists: impl IntoIterator<Item = Self>) -> Vec<MemberPath> {
        let (mut equal, mut close) = (Vec::new(), Vec::new());
        for list in lists {
            equal.extend(list.equal);
            close.extend(list.close);
        }
        let mut best = Vec::new();
        for path in equal.into_iter().chain(close) {
            if best.len() < MOST && !best.contains(&path) {
                best.push(path);
            }
        }
        best
    }
}

/// Whether one name holds the other, or two edits make them equal; case does not count.
fn resembles(a: &str, b: &str) -> bool {
    // Longer names are no typing errors, and comparing them costs the product of their lengths.
    if a.len().max(b.len()) > 100 {
        return false;
    }
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let shorter = a.len().min(b.len());
    shorter >= 4 && (a.contains(&b) || b.contains(&a) || distance(&a, &b) <= 2)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        for (a, b, edits) in [("envoy", "envoy", 0), ("envoy", "envyo", 2), ("kitten", "sitting", 3), ("", "abc", 3)] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn takes_names_for_similar_when_one_holds_the_other() {
        assert!(resembles("envoy", "envoy-1.38") && resembles("envoy-1.38", "envoy") && resembles("Envoy", "envyo"));
        assert!(!resembles("envoy", "sleep") && !resembles("ls", "ld"));
    }

    #[test]
    fn lists_equal_names_before_similar_ones_and_ten_at_most() {
        let path = |text: String| text.parse::<MemberPath>().expect("valid");
        let wanted = path("usr/local/bin/envoy".to_owned());
        let mut similar = Similar::default();
        for name in ["bin/envoy-1.38", "bin/sleep", "bin/Envoi", "_bin/envoy"] {
            similar.note(&wanted, &path(name.to_owned()));
        }
        for number in 0..20 {
            similar.note(&wanted, &path(format!("{number}/envoyd")));
        }
        let best = Similar::best([similar]);
        assert_eq!(best.len(), MOST);
        assert_eq!(best[..3], ["_bin/envoy", "bin/envoy-1.38", "bin/Envoi"].map(|name| path(name.to_owned())));
    }
}
