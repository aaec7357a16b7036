//! Inputs that every engine makes for itself, and changes of layout.

/// Numbers in [-1, 1): a hash of the stream and the place, as in `fill.py` (SplitMix64's finaliser).
#[must_use]
pub fn fill(stream: u64, count: usize) -> Vec<f32> {
    let number = |place: u64| {
        let mut z = (place + (stream << 40)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..count as u64).map(number).collect()
}

/// The values of an array of `shape` with its axes in another order: axis `i` of the result is axis `order[i]`.
///
/// # Panics
/// If there aren't as many values as the shape says.
#[must_use]
pub fn permute(values: &[f32], shape: [usize; 4], order: [usize; 4]) -> Vec<f32> {
    assert_eq!(values.len(), shape.iter().product::<usize>(), "values of {shape:?}");
    let strides = [shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1];
    let [[a, i], [b, j], [c, k], [d, l]] = order.map(|axis| [shape[axis], strides[axis]]);
    let mut result = Vec::with_capacity(values.len());
    for p in 0..a {
        for q in 0..b {
            for r in 0..c {
                let start = p * i + q * j + r * k;
                result.extend((0..d).map(|s| values[start + s * l]));
            }
        }
    }
    result
}
