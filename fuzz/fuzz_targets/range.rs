//! Two bytes for the length of a file, the rest is a `Range` field.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slipway_fuzz::{
    http::parse,
    model::range::{compare, is_inside},
};

fuzz_target!(|data: &[u8]| {
    let Some((size, field)) = data.split_first_chunk() else { return };
    let Ok(field) = std::str::from_utf8(field) else { return };
    let size = u64::from(u16::from_le_bytes(*size));
    let small = size % 300;
    let asked = parse(field, small);
    is_inside(small, &asked);
    compare(field, small, &asked);
    // Where sums could overflow.
    for len in [u64::MAX - size, (1 << 32) + size] {
        is_inside(len, &parse(field, len));
    }
});
