//! Deep feature factorization.

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis};
use nn::{Model, Real};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::prelude::*;
use super::settings::to_value;
use crate::layer::LayerRef;
use crate::pass::Pass;

static ABOUT: About = About {
    id: "deep-feature-factorization",
    title: "deep feature factorization",
    source: "Collins et al. 2018",
    formula: "the features as sums of a few concepts, and where that concept is which adds most to the score",
    looks_at: LooksAt::Layer,
    quantity: Quantity::Magnitude,
    cost: Cost::OnePass,
    tells: "which cells have the same mixture of features, for the concept that adds most to the score",
    does_not_tell: "the only way to divide the features: another seed or number of concepts gives other concepts",
    elsewhere: &["DeepFeatureFactorization"],
    chapter: "chapter_09_cam",
};

/// Deep feature factorization: a layer's features as a few concepts, each a mixture of channels with a map, and of these the map of the
/// concept that adds most to the score, `[h, w]`. (Collins, Achanta and Süsstrunk, *Deep Feature Factorization For Concept
/// Discovery*, 2018, §3.)
///
/// ```text
/// f_ijc ≈ Σ_k m_ijk v_kc,    m, v ≥ 0,        k = argmax_k Σ_ijc ∂S/∂f_ijc m_ijk v_kc
/// ```
///
/// [`factorize`] gives all concepts. The paper chooses none; the choice by the score is ours. The paper factorizes several images together,
/// and so does *pytorch-grad-cam*, which labels each concept by the classifier. Here each image has concepts of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeepFeatureFactorization {
    /// Number of concepts.
    pub concepts: usize,
    /// The seed of the first guess.
    pub seed: u64,
}

impl Default for DeepFeatureFactorization {
    fn default() -> Self {
        Self { concepts: 5, seed: 0 }
    }
}

/// A layer's features as a few concepts.
#[derive(Clone, Debug, PartialEq)]
pub struct Concepts {
    /// How much of each concept is at each position, `[h, w, K]`.
    pub maps: Array3<f64>,
    /// Each concept as a mixture of the channels, `[K, C]`.
    pub features: Array2<f64>,
}

/// The first guess is improved at most this often, or until steps are this small a part of the first one: *scikit-learn*'s defaults.
const STEPS: usize = 200;
const TOLERANCE: f64 = 1e-4;

/// The concepts of features, `[h, w, C]`: random at first, then [fitted](Concepts::fitted).
#[must_use]
pub fn factorize<T: Real>(features: ArrayView3<T>, concepts: usize, seed: u64) -> Concepts {
    let (h, w, _) = features.dim();
    Concepts::of(guess(above_least(features).t(), concepts, seed), h, w).fitted(features)
}

impl Concepts {
    /// Factors of the channels and of the positions.
    fn of([of_channels, of_positions]: [Array2<f64>; 2], h: usize, w: usize) -> Self {
        let shape = (h, w, of_positions.ncols());
        let maps = of_positions.into_shape_with_order(shape).expect("as many positions");
        Self { maps, features: of_channels.reversed_axes() }
    }

    /// Improves the concepts one number after the other, to fit features `[h, w, C]` less the smallest value of each channel.
    ///
    /// Coordinate descent after Cichocki and Phan, *Fast Local Algorithms for Large Scale Nonnegative Matrix and Tensor
    /// Factorizations*, 2009, in the order of *scikit-learn*'s `NMF`, which the program *pytorch-grad-cam* calls.
    ///
    /// # Panics
    /// If the features have other positions or channels.
    #[must_use]
    pub fn fitted<T: Real>(self, features: ArrayView3<T>) -> Self {
        let (h, w, count) = self.maps.dim();
        let of_positions = Array2::from_shape_vec((h * w, count), self.maps.iter().copied().collect());
        let first = [self.features.reversed_axes(), of_positions.expect("a value for each")];
        Self::of(descend(above_least(features).t(), first, STEPS), h, w)
    }
}

/// Random factors of A whose product is about as large as A.
fn guess(a: ArrayView2<f64>, concepts: usize, seed: u64) -> [Array2<f64>; 2] {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let size = (a.sum() / a.len().max(1) as f64 / concepts.max(1) as f64).sqrt();
    let mut number = || {
        let normal: f64 = StandardNormal.sample(&mut rng);
        size * normal.abs()
    };
    [a.nrows(), a.ncols()].map(|rows| Array2::from_shape_simple_fn((rows, concepts), &mut number))
}

/// `[h·w, C]`, less the smallest value of each channel.
fn above_least<T: Real>(features: ArrayView3<T>) -> Array2<f64> {
    let (h, w, channels) = features.dim();
    let values = features.iter().map(|f| f.as_f64()).collect();
    let mut rows = Array2::from_shape_vec((h * w, channels), values).expect("a value for each");
    for mut channel in rows.axis_iter_mut(Axis(1)) {
        let least = channel.iter().copied().fold(f64::INFINITY, f64::min);
        channel.mapv_inplace(|f| f - least);
    }
    rows
}

/// A ≈ B Cᵀ with B, C ≥ 0, from a first guess.
fn descend(a: ArrayView2<f64>, [mut b, mut c]: [Array2<f64>; 2], steps: usize) -> [Array2<f64>; 2] {
    let mut first = None;
    for _ in 0..steps {
        let step = improve(a, &mut b, &c) + improve(a.t(), &mut c, &b);
        let first = *first.get_or_insert(step);
        if first == 0.0 || step / first <= TOLERANCE || step.is_nan() {
            break;
        }
    }
    [b, c]
}

/// Improves B by the exact minimum along each of its numbers, and returns how far the gradients were from zero.
fn improve(a: ArrayView2<f64>, b: &mut Array2<f64>, c: &Array2<f64>) -> f64 {
    let (squares, products) = (c.t().dot(c), a.dot(c));
    let mut distance = 0.0;
    for k in 0..b.ncols() {
        for i in 0..b.nrows() {
            let gradient = b.row(i).dot(&squares.row(k)) - products[[i, k]];
            distance += if b[[i, k]] == 0.0 { gradient.min(0.0) } else { gradient }.abs();
            if squares[[k, k]] != 0.0 {
                b[[i, k]] = (b[[i, k]] - gradient / squares[[k, k]]).max(0.0);
            }
        }
    }
    distance
}

impl<T: Real> Method<T> for DeepFeatureFactorization {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        if self.concepts == 0 {
            return Err(ExplainError::Setting("expected concepts of at least 1, found 0".into()));
        }
        pass.spatial(LayerRef::Last).map(|_| ())
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        self.check(question.pass())?;
        question.maps_from_features(ABOUT.quantity, |features, gradients| {
            if features.iter().chain(gradients).any(|v| !v.is_finite()) {
                return Array2::from_elem((features.dim().0, features.dim().1), T::nan());
            }
            let Concepts { maps, features } = factorize(features, self.concepts, self.seed);
            let part = |k: usize| {
                let map = maps.index_axis(Axis(2), k);
                let mixture = features.row(k);
                let slope = |g: ndarray::ArrayView1<T>| g.iter().zip(mixture).map(|(g, v)| g.as_f64() * v).sum::<f64>();
                gradients.lanes(Axis(2)).into_iter().zip(map).map(|(g, m)| slope(g) * m).sum::<f64>()
            };
            let parts: Vec<f64> = (0..self.concepts).map(part).collect();
            let best = (0..parts.len()).fold(0, |best, k| if parts[k] > parts[best] { k } else { best });
            maps.index_axis(Axis(2), best).mapv(T::from_f64)
        })
    }

    fn settings(&self, _: Option<&Model<T>>) -> Value {
        to_value(self)
    }
}

/// The definitions, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::{Array2, Axis};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::super::tests::{features, maps, near, with_pass};
    use super::{DeepFeatureFactorization, factorize};

    /// Σ (a − Σ_k b_k c_k)².
    fn error(a: &Array2<f64>, b: &Array2<f64>, c: &Array2<f64>) -> f64 {
        let at = |(i, j)| a[[i, j]] - (0..b.dim().1).map(|k| b[[i, k]] * c[[j, k]]).sum::<f64>();
        (0..a.dim().0).flat_map(|i| (0..a.dim().1).map(move |j| (i, j))).map(|ij| at(ij) * at(ij)).sum()
    }

    /// The factors, by exact minimization along each number, found from three values of the error: a parabola.
    fn slowly(a: &Array2<f64>, concepts: usize, seed: u64) -> [Array2<f64>; 2] {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let size = (a.mean().unwrap() / concepts as f64).sqrt();
        let mut guess = |rows| {
            Array2::from_shape_simple_fn((rows, concepts), || {
                let normal: f64 = StandardNormal.sample(&mut rng);
                size * normal.abs()
            })
        };
        let [mut b, mut c] = [guess(a.dim().0), guess(a.dim().1)];
        for _ in 0..3 {
            for side in 0..2 {
                for k in 0..concepts {
                    for i in 0..if side == 0 { b.dim().0 } else { c.dim().0 } {
                        let mut at = |x: f64| {
                            let factor = if side == 0 { &mut b } else { &mut c };
                            let before = factor[[i, k]];
                            factor[[i, k]] = x;
                            let found = error(a, &b, &c);
                            let factor = if side == 0 { &mut b } else { &mut c };
                            factor[[i, k]] = before;
                            found
                        };
                        let [zero, one, two] = [0.0, 1.0, 2.0].map(&mut at);
                        let (curvature, slope) = (zero - 2.0 * one + two, (4.0 * one - 3.0 * zero - two) / 2.0);
                        if curvature > 0.0 {
                            let least = (-slope / curvature).max(0.0);
                            let factor = if side == 0 { &mut b } else { &mut c };
                            factor[[i, k]] = least;
                        }
                    }
                }
            }
        }
        [b, c]
    }

    pub(crate) fn check() {
        with_pass(|pass| {
            let f = features(pass, "pool", 0);
            let (h, w, channels) = f.dim();
            let least = |c: usize| f.index_axis(Axis(2), c).iter().copied().fold(f64::MAX, f64::min);
            let a = Array2::from_shape_fn((channels, h * w), |(c, p)| f[[p / w, p % w, c]] - least(c));
            let found = super::descend(a.view(), super::guess(a.view(), 2, 7), 3);
            for (found, expected) in found.iter().zip(slowly(&a, 2, 7)) {
                let scale = expected.iter().fold(0.0_f64, |m, v| m.max(*v));
                assert!((found - &expected).iter().all(|d| d.abs() < 1e-6 * scale), "{found} and {expected}");
            }
            // In the end no number can be improved much, and the features are nearly those of two concepts.
            let concepts = factorize(f.view(), 2, 7);
            let b = concepts.features.t().to_owned();
            let c = Array2::from_shape_fn((h * w, 2), |(p, k)| concepts.maps[[p / w, p % w, k]]);
            let whole = error(&a, &(&b * 0.0), &c);
            assert!(error(&a, &b, &c) < 0.5 * whole);
            chosen(pass);
        });
    }

    /// The map is that of the concept whose part of the features adds most to the score.
    fn chosen(pass: &crate::Pass<'_, f64>) {
        let gradients = pass.gradient_at("pool", 1).unwrap();
        for (image, map) in maps(pass, "pool", &DeepFeatureFactorization { concepts: 3, seed: 2 }).iter().enumerate() {
            let (f, g) = (features(pass, "pool", image), crate::pass::of_image(&gradients, image).to_owned());
            let concepts = factorize(f.view(), 3, 2);
            let part = |k: usize| -> f64 {
                g.indexed_iter().map(|((i, j, c), g)| g * concepts.maps[[i, j, k]] * concepts.features[[k, c]]).sum()
            };
            let best = (0..3).max_by(|&a, &b| part(a).total_cmp(&part(b))).unwrap();
            near(&map.per_cell(), &concepts.maps.index_axis(Axis(2), best).to_owned(), "deep feature factorization");
        }
        let none = DeepFeatureFactorization { concepts: 0, seed: 0 };
        assert!(pass.why(1).explain_each(&none).unwrap_err().to_string().contains("concepts of at least 1"));
    }
}
