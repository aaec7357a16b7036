//! Bilinear resizing of a map.
//!
//! Along one axis of `n` cells stretched to `m`, the centre of output cell `i` lies at
//!
//! * half-pixel: `(i + ½) · n / m − ½`, clamped to `[0, n − 1]`. Cells are areas, and the map covers the picture edge
//!   to edge (OpenCV's `INTER_LINEAR`, PyTorch's `align_corners=False`).
//! * corners: `i · (n − 1) / (m − 1)`. Cells are points, and the first and last cells of both grids coincide (PyTorch's
//!   `align_corners=True`).
//!
//! The value is interpolated between the two nearest cells, along each axis in turn. Shrinking works in the same way,
//! without anti-aliasing.

use ndarray::{Array2, ArrayView2};
use nn::Real;
use nn::layers::{Interpolation, Tap};

/// How the cells of the two grids are aligned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alignment {
    /// Cells are areas; both grids cover the same rectangle.
    #[default]
    HalfPixel,
    /// Cells are points; the corner points of both grids coincide.
    Corners,
}

/// The map `[h, w]` resized to `[height, width]`.
///
/// A constant map keeps its value, and a linear ramp stays linear away from the border.
///
/// # Panics
/// If the map has no cells.
#[must_use]
pub fn upsample<T: Real>(map: ArrayView2<T>, height: usize, width: usize, alignment: Alignment) -> Array2<T> {
    let (h, w) = map.dim();
    assert!(h > 0 && w > 0, "a map needs at least one cell to be resized, found [{h}, {w}]");
    let bilinear = Interpolation::Bilinear { align_corners: alignment == Alignment::Corners };
    resample(map, &bilinear.taps(h, height), &bilinear.taps(w, width))
}

/// The map `[h, w]` interpolated at these rows and columns.
pub(super) fn resample<T: Real>(map: ArrayView2<T>, rows: &[Tap<T>], columns: &[Tap<T>]) -> Array2<T> {
    let wide = Array2::from_shape_fn((map.nrows(), columns.len()), |(y, x)| columns[x].read(|at| map[[y, at]]));
    Array2::from_shape_fn((rows.len(), columns.len()), |(y, x)| rows[y].read(|at| wide[[at, x]]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    /// The definition: a mean of all cells, each weighted by its hat function.
    fn literal(map: &Array2<f64>, height: usize, width: usize, corners: bool) -> Array2<f64> {
        let (h, w) = map.dim();
        let source = |i: usize, n: usize, m: usize| {
            let p = match (corners, m) {
                (true, 1) => 0.0,
                (true, _) => i as f64 * ((n - 1) as f64 / (m - 1) as f64),
                (false, _) => (i as f64 + 0.5) / m as f64 * n as f64 - 0.5,
            };
            p.max(0.0).min(n as f64 - 1.0)
        };
        let hat = |distance: f64| (1.0 - distance.abs()).max(0.0);
        Array2::from_shape_fn((height, width), |(y, x)| {
            let (py, px) = (source(y, h, height), source(x, w, width));
            map.indexed_iter().map(|((r, c), v)| v * hat(py - r as f64) * hat(px - c as f64)).sum()
        })
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(
            (h, w, height, width) in (1usize..9, 1usize..9, 1usize..24, 1usize..24),
            corners: bool,
            values in prop::collection::vec(-10.0f64..10.0, 64),
        ) {
            let map = Array2::from_shape_fn((h, w), |(y, x)| values[y * 8 + x]);
            let alignment = if corners { Alignment::Corners } else { Alignment::HalfPixel };
            let ours = upsample(map.view(), height, width, alignment);
            let wanted = literal(&map, height, width, corners);
            for (a, b) in ours.iter().zip(&wanted) {
                prop_assert!((a - b).abs() <= 1e-12 * 10.0, "{a} and {b}");
            }
            // In f32, each of the three interpolations rounds three times.
            let single = upsample(map.mapv(|v| v as f32).view(), height, width, alignment);
            for (a, b) in single.iter().zip(&wanted) {
                prop_assert!((f64::from(*a) - b).abs() <= 16.0 * f64::from(f32::EPSILON) * 10.0, "{a} and {b}");
            }
        }

        #[test]
        fn a_constant_stays_itself(value: f32, height in 1usize..40, width in 1usize..40, corners: bool) {
            prop_assume!(value.is_finite());
            let alignment = if corners { Alignment::Corners } else { Alignment::HalfPixel };
            let out = upsample(Array2::from_elem((3, 5), value).view(), height, width, alignment);
            prop_assert!(out.iter().all(|&v| v == value));
        }
    }

    #[test]
    fn a_ramp_stays_linear_inside() {
        let ramp = Array2::from_shape_fn((4, 6), |(y, x)| 3.0 * y as f64 - 2.0 * x as f64);
        let out = upsample(ramp.view(), 16, 24, Alignment::HalfPixel);
        for y in 2..14 {
            for x in 2..22 {
                let wanted = 3.0 * ((y as f64 + 0.5) / 4.0 - 0.5) - 2.0 * ((x as f64 + 0.5) / 4.0 - 0.5);
                assert!((out[[y, x]] - wanted).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn the_same_size_is_the_same_map() {
        let map = array![[1.0f32, -2.5], [0.1, 7.0], [3.0, 0.0]];
        assert_eq!(upsample(map.view(), 3, 2, Alignment::HalfPixel), map);
        assert_eq!(upsample(map.view(), 3, 2, Alignment::Corners), map);
    }

    #[test]
    #[should_panic(expected = "found [0, 4]")]
    fn an_empty_map_panics_with_its_shape() {
        let _ = upsample(Array2::<f32>::zeros((0, 4)).view(), 8, 8, Alignment::HalfPixel);
    }

    /// Computed in f64 with PyTorch's `interpolate`: whole rows of the output.
    #[test]
    fn agrees_with_pytorch() {
        let check = |out: Array2<f64>, y: usize, row: &[f64]| {
            assert_eq!(out.ncols(), row.len());
            for (a, b) in out.row(y).iter().zip(row) {
                assert!((a - b).abs() < 1e-14, "{a} and {b} in row {y}");
            }
        };
        let map = array![
            [-0.3343677461633492, 0.12611403289350862, 1.5327384250910665, -1.0013378260735168, -0.23157941154622078],
            [-0.28146577352213975, -0.2391057630856212, 0.12225193740603961, 0.4164501229003809, -0.9660789267812775],
            [0.49810357486554113, 0.6853952951496743, -1.2348366731087654, -0.7327324828667287, -1.2439832131513386]
        ];
        check(
            upsample(map.view(), 8, 11, Alignment::HalfPixel),
            1,
            &[
                -0.3310613728732736,
                -0.25208879677907603,
                -0.054657356543582135,
                0.2252237250962619,
                0.8349033723535071,
                1.4445830196107523,
                0.3730788837592066,
                -0.6984252520923392,
                -0.6817295527120171,
                -0.3929838945237277,
                -0.27748563124841186,
            ],
        );
        check(
            upsample(map.view(), 8, 11, Alignment::HalfPixel),
            6,
            &[
                0.4493804905913111,
                0.4817865793947033,
                0.5628018014031839,
                0.4660110141043723,
                -0.34200381042360894,
                -1.1500186349515902,
                -0.9276958781582693,
                -0.7053731213649483,
                -0.8666197064597115,
                -1.1237586270264959,
                -1.22661419525321,
            ],
        );
        let map = array![
            [1.334849525812553, -0.3502835750244796, 0.0696588605450737],
            [-1.570396967031505, -0.3651688359565765, -0.9324949748179691]
        ];
        check(
            upsample(map.view(), 9, 9, Alignment::Corners),
            0,
            &[
                1.334849525812553,
                0.9135662506032949,
                0.4922829753940367,
                0.07099970018477858,
                -0.3502835750244796,
                -0.24529796613209126,
                -0.14031235723970295,
                -0.03532674834731463,
                0.0696588605450737,
            ],
        );
        check(
            upsample(map.view(), 9, 9, Alignment::Corners),
            5,
            &[
                -0.48092953221498325,
                -0.45059386493799747,
                -0.42025819766101175,
                -0.38992253038402597,
                -0.35958686310704013,
                -0.4088619689694871,
                -0.4581370748319341,
                -0.5074121806943811,
                -0.556687286556828,
            ],
        );
    }
}
