/// Bytes in SI units with one decimal, as package tools show them.
#[must_use]
pub fn human_bytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let value = bytes as f64;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", value / 1e6),
        _ => format!("{:.1} GB", value / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::human_bytes;

    #[test]
    fn units_change_at_thousands() {
        for (bytes, text) in
            [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (25_210_304, "25.2 MB"), (3_000_000_000, "3.0 GB")]
        {
            assert_eq!(human_bytes(bytes), text);
        }
    }
}
