/// The entry of `known` that `name` was most likely meant to be.
pub(crate) fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let plain = plain(name);
    // Names longer than any field are no typos, and the distance takes the square of the length.
    if plain.len() > 64 {
        return None;
    }
    known
        .iter()
        .map(|known| (distance(&plain, &self::plain(known)), *known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 5)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// `networkInterfaces`, `network_interfaces` and `NetworkInterfaces` are the same word.
fn plain(name: &str) -> Vec<char> {
    name.chars().filter(|character| !matches!(character, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// Edit distance; two neighbours that changed places count once.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let substituted = above[j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut least = substituted.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_typos_and_other_spellings() {
        let known = ["networkInterfaces", "host", "port", "insecureSkipVerify"];
        for (name, expected) in [
            ("network_interfaces", Some("networkInterfaces")),
            ("networkInterface", Some("networkInterfaces")),
            ("insecure-skip-verify", Some("insecureSkipVerify")),
            ("Port", Some("port")),
            ("hots", Some("host")),
            ("hst", Some("host")),
            ("address", None),
            ("", None),
            ("ht", None),
        ] {
            assert_eq!(nearest(name, &known), expected, "{name}");
        }
    }
}
