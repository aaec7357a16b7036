//! Eigen-CAM.

use ndarray::{Array1, Array2, ArrayView3};
use nn::Real;
use serde::{Deserialize, Serialize};

use super::prelude::*;
use crate::pass::of_image;

/// The power iteration ends when its direction moves by less than `STEADY`, or after `STEPS`. In the latter case, the
/// two largest singular values are so close that their directions can't be distinguished.
const STEADY: f64 = 1e-13;
const STEPS: usize = 2000;

/// The principal component of the features: `[h, w, C]` → `[h, w]`.
///
/// Let F be the matrix of features, with a row for each position, and F = UΣVᵀ its singular value decomposition. Then
///
/// ```text
/// M = F v₁
/// ```
///
/// where v₁ is the first right singular vector, signed so that the map's sum isn't negative. (Muhammad and Yeasin,
/// *Eigen-CAM: Class Activation Map using Principal Components*, 2020, eq. 3.) The features aren't centred. v₁ is
/// computed by power iteration on FᵀF, in double precision. If a feature isn't finite, the whole map is NaN.
#[must_use]
pub fn eigen_cam<T: Real>(features: ArrayView3<T>) -> Array2<T> {
    let (h, w, channels) = features.dim();
    let scale = features.iter().fold(0.0_f64, |most, f| most.max(f.as_f64().abs()));
    let scale = if scale > 0.0 { scale } else { 1.0 };
    let matrix = features.mapv(|f| f.as_f64() / scale).into_shape_clone((h * w, channels)).expect("the same elements");
    let unit = |v: Array1<f64>| match v.dot(&v).sqrt() {
        0.0 => v,
        length => v / length,
    };
    // Positive and irregular, so never orthogonal to v₁ if the features are nonnegative, and otherwise only by chance.
    let mut direction = unit(Array1::from_shape_fn(channels, |c| 0.5 + (c as f64 * 0.754_877_666).fract()));
    for _ in 0..STEPS {
        let next = unit(matrix.t().dot(&matrix.dot(&direction)));
        let moved = (&next - &direction).mapv(f64::abs).sum();
        direction = next;
        if moved < STEADY || moved.is_nan() {
            break;
        }
    }
    let map = matrix.dot(&direction) * scale;
    let sign = if map.sum() < 0.0 { -1.0 } else { 1.0 };
    map.mapv(|m| T::from_f64(sign * m)).into_shape_with_order((h, w)).expect("one value for each position")
}

static ABOUT: About = About {
    id: "eigen-cam",
    title: "Eigen-CAM",
    source: "Muhammad and Yeasin 2020",
    formula: "the principal component of the features; knows no class",
    looks_at: LooksAt::Layer,
    quantity: Quantity::Magnitude,
    cost: Cost::OnePass,
    tells: "where the layer's features are strongest together",
    does_not_tell: "anything about a class: it looks neither at the score nor at a gradient",
    elsewhere: &["EigenCAM, which centres the features"],
    chapter: "chapter_09_cam",
};

/// Eigen-CAM: the principal component of the layer's features ([`eigen_cam`]). It doesn't depend on a class, and needs
/// no backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EigenCam;

impl<T: Real> Method<T> for EigenCam {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        let pass = question.pass();
        question.over_layers(|layer| {
            let features = pass.features(layer);
            let values = |image| eigen_cam(of_image(&features, image));
            let map = |image| pass.cell_map(image, ABOUT.quantity, layer, values(image), false);
            Ok((0..pass.images()).map(map).collect())
        })
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::{Array1, Array3, Axis};
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;
    use super::super::tests::{array, features, maps, near, with_pass};
    use super::{EigenCam, eigen_cam};
    use crate::testing::wave;

    pub(crate) fn check() {
        // v₁ is the direction along which the features are longest.
        let cases = (1_usize..6, 1_usize..6, 1_usize..9, 0.0_f64..100.0);
        let check = |(h, w, c, phase): (usize, usize, usize, f64)| {
            let f = array([h, w, c], phase).mapv(f64::abs);
            let matrix = f.clone().into_shape_with_order((h * w, c)).unwrap();
            let map = eigen_cam(f.view()).into_shape_with_order(h * w).unwrap();
            let length = map.dot(&map).sqrt();
            prop_assert!(map.sum() >= 0.0);
            // F Fᵀ M = σ² M, and no direction is longer.
            let image = matrix.dot(&matrix.t().dot(&map));
            prop_assert!((image - &map * length.powi(2)).iter().all(|d| d.abs() < 1e-6 * length.powi(3)));
            for trial in 0..20 {
                let v = Array1::from(wave::<f64>([c], phase + f64::from(trial)).into_vec());
                prop_assert!(matrix.dot(&v).dot(&matrix.dot(&v)).sqrt() <= length * v.dot(&v).sqrt() * (1.0 + 1e-9));
            }
            Ok(())
        };
        TestRunner::default().run(&cases, check).unwrap();
        with_pass(|pass| {
            for (index, map) in maps(pass, "pool", &EigenCam).iter().enumerate() {
                near(&map.per_cell(), &eigen_cam(features(pass, "pool", index).view()), "Eigen-CAM");
            }
        });
        // Before a ReLU, one channel may be the negative of another. A direction that weights them equally sees
        // nothing.
        let one = array([3, 4, 1], 1.0).index_axis_move(Axis(2), 0);
        let mut f = Array3::from_shape_fn((3, 4, 2), |(i, j, c)| if c == 0 { one[[i, j]] } else { -one[[i, j]] });
        near(&eigen_cam(f.view()), &(&one * (2.0_f64.sqrt() * one.sum().signum())), "Eigen-CAM");
        f[[1, 2, 0]] = f64::NAN;
        assert!(eigen_cam(f.view()).iter().all(|m| m.is_nan()));
    }
}
