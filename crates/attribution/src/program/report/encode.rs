//! Encodes values for the page, in as few bytes as the display and the read-out need.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use ndarray::{Array2, ArrayView2, Axis};
use serde::Serialize;

/// Limit on the values of a map that are stored exactly. In larger maps each value becomes a byte.
const EXACT: usize = 1024;

/// The encoding of a map's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Form {
    /// f32, little-endian.
    Exact,
    /// A signed byte q stands for sign(q)·(q/127)²·most, so that small values keep their digits. −128 stands for NaN.
    Bytes,
}

/// The position of a map's values among those of its picture.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Encoded {
    form: Form,
    /// The index of the first byte.
    at: usize,
    rows: usize,
    columns: usize,
    /// The largest finite absolute value.
    most: f32,
}

/// The values of all maps of a picture, one after the other.
#[derive(Debug, Default)]
pub(super) struct Values {
    bytes: Vec<u8>,
}

impl Values {
    pub(super) fn push(&mut self, map: ArrayView2<f32>) -> Encoded {
        let (rows, columns) = map.dim();
        let most = map.iter().map(|v| v.abs()).filter(|v| v.is_finite()).fold(0.0, f32::max);
        let form = if map.len() <= EXACT { Form::Exact } else { Form::Bytes };
        // The script reads f32 values only at multiples of four bytes.
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let at = self.bytes.len();
        for &value in map {
            match form {
                Form::Exact => self.bytes.extend(value.to_le_bytes()),
                Form::Bytes => self.bytes.push(byte(value, most).to_le_bytes()[0]),
            }
        }
        Encoded { form, at, rows, columns, most }
    }

    /// The values compressed (zlib), in base64.
    pub(super) fn text(&self) -> String {
        let mut deflated = ZlibEncoder::new(Vec::new(), Compression::default());
        deflated.write_all(&self.bytes).expect("memory can be written to");
        STANDARD.encode(deflated.finish().expect("memory can be written to"))
    }
}

fn byte(value: f32, most: f32) -> i8 {
    match value {
        _ if !value.is_finite() => i8::MIN,
        0.0 => 0,
        _ => ((value.abs() / most).sqrt() * 127.0).round().copysign(value) as i8,
    }
}

/// The side of square blocks for maps `[H, W]`, such that the blocks' means in all maps take at most `budget` bytes.
pub(super) fn block(maps: usize, [height, width]: [usize; 2], budget: usize) -> usize {
    let bytes = |block: usize| maps * height.div_ceil(block) * width.div_ceil(block);
    (1..height.max(width)).find(|&block| bytes(block) <= budget).unwrap_or(height.max(width).max(1))
}

/// The means of square blocks. Blocks at the lower and right border may be smaller.
pub(super) fn means(map: &Array2<f32>, block: usize) -> Array2<f32> {
    let (height, width) = map.dim();
    Array2::from_shape_fn((height.div_ceil(block), width.div_ceil(block)), |(row, column)| {
        let end = |start: usize, side: usize| (start + block).min(side);
        let (top, left) = (row * block, column * block);
        let rows = map.slice_axis(Axis(0), (top..end(top, height)).into());
        let part = rows.slice_axis(Axis(1), (left..end(left, width)).into());
        part.sum() / part.len() as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn small_maps_are_exact_and_begin_where_f32_may() {
        let mut values = Values::default();
        values.push(Array2::from_elem((33, 33), 1.0).view());
        let map = array![[1.5, -0.1], [f32::NAN, 0.0]];
        let encoded = values.push(map.view());
        assert_eq!((encoded.form, encoded.at, encoded.rows, encoded.columns), (Form::Exact, 1092, 2, 2));
        let read = |i: usize| f32::from_le_bytes(values.bytes[encoded.at + 4 * i..][..4].try_into().unwrap());
        assert_eq!((read(0), read(1), read(3)), (1.5, -0.1, 0.0));
        assert!(read(2).is_nan());
    }

    #[test]
    fn a_byte_keeps_sign_zero_and_size() {
        let decoded = |q: i8| (f32::from(q) / 127.0).powi(2).copysign(f32::from(q)) * 3.0;
        for value in [3.0_f32, -3.0, 1.0, -0.5, 0.03] {
            let found = decoded(byte(value, 3.0));
            assert!((found - value).abs() <= (value.abs() * 3.0).sqrt() / 127.0 + 1e-4, "{value} became {found}");
        }
        assert_eq!((byte(0.0, 0.0), byte(0.0, 3.0), byte(f32::INFINITY, 3.0)), (0, 0, i8::MIN));
    }

    #[test]
    fn blocks_keep_within_the_budget_and_the_mean() {
        assert_eq!(block(2, [224, 224], 200_000), 1);
        assert_eq!(block(2, [224, 224], 100_000), 2);
        assert_eq!(block(1000, [5, 3], 1), 5);
        let map = array![[1.0, 3.0, 5.0], [1.0, 3.0, 7.0], [2.0, 4.0, 8.0]];
        assert_eq!(means(&map, 2), array![[2.0, 6.0], [3.0, 8.0]]);
        assert_eq!(means(&map, 1), map);
    }
}
