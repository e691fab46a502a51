//! Text that others wrote, on a terminal.

/// One line of it, whatever it holds: a terminal must not obey it.
pub(crate) fn visible(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn shows_what_a_terminal_would_obey() {
        assert_eq!(visible("a\x1b[31m\nb\u{9b}ß"), "a\\u{1b}[31m\\nb\\u{9b}ß");
    }
}
