//! Shapley values of patches.

use ndarray::Array2;
use nn::{Model, Real};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::coalitions::Coalitions;
use super::prelude::*;
use super::settings::{sides, to_value};
use crate::baseline::Baseline;
use crate::pass::Pass;

static ABOUT: About = About {
    id: "shapley",
    title: "Shapley values",
    source: "Shapley 1953; Štrumbelj and Kononenko 2010",
    formula: "how much the score rises when a patch becomes visible, averaged over all orders in which patches can appear",
    looks_at: LooksAt::Input,
    quantity: Quantity::Contribution,
    cost: Cost::EachVariant,
    tells: "how the difference between this score and that of a covered picture is shared out among patches, what they do together included",
    does_not_tell: "anything finer than its patches; and a picture with holes is unlike those that it was trained on",
    elsewhere: &["ShapleyValues", "ShapleyValueSampling"],
    chapter: "chapter_11_other_readings",
};

/// Up to this number of patches, all coalitions are run.
const EXACT: usize = 16;

/// The Shapley values of a grid of patches, `[H, W]`: each patch's mean part in the score over all orders in which the patches can
/// become visible. (Shapley, *A Value for n-Person Games*, 1953; Štrumbelj and Kononenko, *An Efficient Explanation of Individual
/// Classifications using Game Theory*, 2010.)
///
/// ```text
/// φᵢ = Σ_{S ∌ i} |S|! (n − |S| − 1)! / n! · (v(S ∪ i) − v(S)),    Σ φᵢ = S(x) − S(x₀)
/// ```
///
/// with v(S) the score of the image in which only the patches of S are visible, and the others show the baseline x₀. Every pixel
/// of the map has the value of its patch. With up to 16 patches, all 2ⁿ coalitions are run. With more, random orders are
/// sampled, and [`with_values`](Self::with_values) returns the standard errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shapley {
    /// The patches' `[rows, columns]`.
    #[serde(deserialize_with = "sides")]
    pub grid: [usize; 2],
    /// The content of hidden patches.
    pub baseline: Baseline,
    /// Number of random orders if there are more than 16 patches.
    pub orders: usize,
    /// The seed of the orders. Every image gets the same ones.
    pub seed: u64,
}

impl Default for Shapley {
    fn default() -> Self {
        Self { grid: [3, 3], baseline: Baseline::default(), orders: 100, seed: 0 }
    }
}

/// The Shapley values of the patches of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchValues {
    /// φ, `[rows, columns]`.
    pub values: Array2<f64>,
    /// Their standard errors; zero if all coalitions were run.
    pub errors: Array2<f64>,
}

impl Shapley {
    fn coalitions(&self) -> Coalitions {
        let patches = self.grid[0] * self.grid[1];
        if patches <= EXACT { Coalitions::All { patches } } else { Coalitions::Orders { patches, orders: self.orders, seed: self.seed } }
    }

    /// The maps, and the values of the patches with their standard errors.
    ///
    /// # Errors
    /// The same as for [`explain_each`](Question::explain_each).
    pub fn with_values<T: Real>(
        &self,
        question: &Question<'_, T>,
    ) -> Result<Vec<(Map<T>, PatchValues)>, ExplainError> {
        let (pass, resolved) = (question.pass(), question.resolve()?);
        let model = pass.model();
        self.check(pass)?;
        let [height, width, channels] = model.input_shape();
        let [rows, columns] = self.grid;
        let baseline = self.baseline.of(model)?;
        let coalitions = self.coalitions();
        let patch = |pixel: usize| pixel / width * rows / height * columns + pixel % width * columns / width;
        let mut runner = question.runner(coalitions.runs());
        let mut map = |image: usize| {
            let hide = |run: usize, values: &mut [T]| {
                let visible = coalitions.visible(run);
                let pixels = values.chunks_exact_mut(channels).zip(baseline.as_slice().chunks_exact(channels));
                for (pixel, (values, hidden)) in pixels.enumerate() {
                    if !visible[patch(pixel)] {
                        values.copy_from_slice(hidden);
                    }
                }
            };
            let variants = pass.variants(image, coalitions.runs());
            let scores = runner.scores(&resolved, &variants, hide, |x| resolved.predict(model, x))?;
            let scores: Vec<f64> = scores.into_iter().map(|score| score.as_f64()).collect();
            let found = coalitions.values(&scores);
            let of_patches = |part: usize| Array2::from_shape_fn((rows, columns), |(i, j)| found[i * columns + j][part]);
            let values = Array2::from_shape_fn((height, width), |(y, x)| T::from_f64(found[patch(y * width + x)][0]));
            let map = runner.traced(pass.fine_map(image, ABOUT.quantity, values));
            Ok((map, PatchValues { values: of_patches(0), errors: of_patches(1) }))
        };
        (0..pass.images()).map(&mut map).collect()
    }
}

impl<T: Real> Method<T> for Shapley {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        let [height, width, _] = pass.model().input_shape();
        let [rows, columns] = self.grid;
        if self.grid.contains(&0) || rows > height || columns > width || self.orders == 0 {
            return Err(ExplainError::Setting(format!(
                "expected a grid of at most [{height}, {width}] patches and orders, both of at least 1, found {:?} and {}",
                self.grid, self.orders
            )));
        }
        self.baseline.of(pass.model()).map(|_| ())
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        Ok(self.with_values(question)?.into_iter().map(|(map, _)| map).collect())
    }

    fn settings(&self, _: Option<&Model<T>>) -> Value {
        to_value(self)
    }
}

/// The formulas of the papers, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::{Array2, Array3};
    use rand::SeedableRng;
    use rand::seq::SliceRandom;
    use rand_chacha::ChaCha8Rng;

    use super::super::tests::{image, near, score, with_pass};
    use super::Shapley;
    use crate::testing::INPUT;
    use crate::{Baseline, Pass};

    /// All orders of 0..n.
    fn orders(n: usize) -> Vec<Vec<usize>> {
        if n == 0 {
            return vec![vec![]];
        }
        let insert = |order: Vec<usize>| (0..n).map(move |at| [&order[..at], &[n - 1], &order[at..]].concat());
        orders(n - 1).into_iter().flat_map(insert).collect()
    }

    /// For each order the rise of the score as each patch appears.
    fn rises(pass: &Pass<'_, f64>, x: &Array3<f64>, [rows, columns]: [usize; 2], orders: &[Vec<usize>]) -> Vec<Vec<f64>> {
        let value = |visible: &[usize]| {
            score(pass, &Array3::from_shape_fn(INPUT, |(i, j, c)| {
                let patch = (i * rows / INPUT[0]) * columns + j * columns / INPUT[1];
                if visible.contains(&patch) { x[[i, j, c]] } else { 0.2 }
            }))
        };
        let of_order = |order: &Vec<usize>| {
            let mut rises = vec![0.0; rows * columns];
            for k in 0..order.len() {
                rises[order[k]] = value(&order[..=k]) - value(&order[..k]);
            }
            rises
        };
        orders.iter().map(of_order).collect()
    }

    fn mean(rises: &[Vec<f64>], patch: usize) -> f64 {
        rises.iter().map(|rises| rises[patch]).sum::<f64>() / rises.len() as f64
    }

    pub(crate) fn check() {
        with_pass(|pass| {
            for (n, grid) in [[2, 2], [1, 3], [3, 2]].into_iter().flat_map(|grid| [(0, grid), (1, grid)]) {
                let method = Shapley { grid, baseline: Baseline::Value(0.2), ..Shapley::default() };
                let (map, found) = method.with_values(&pass.why(1)).unwrap().swap_remove(n);
                let rises = rises(pass, &image(pass, n), grid, &orders(grid[0] * grid[1]));
                let expected = Array2::from_shape_fn((grid[0], grid[1]), |(i, j)| mean(&rises, i * grid[1] + j));
                near(&found.values, &expected, "Shapley values");
                assert!(found.errors.iter().all(|&error| error == 0.0));
                let spread = Array2::from_shape_fn((9, 8), |(y, x)| expected[[y * grid[0] / 9, x * grid[1] / 8]]);
                near(&map.per_cell(), &spread, "each pixel has the value of its patch");
            }
            sampled(pass);
            let message = |grid| {
                let method = Shapley { grid, ..Shapley::default() };
                pass.why(1).explain_each(&method).unwrap_err().to_string()
            };
            assert!(message([10, 2]).contains("a grid of at most [9, 8] patches"));
            assert!(message([0, 2]).contains("found [0, 2]"));
        });
    }

    /// More than sixteen patches: random orders.
    fn sampled(pass: &Pass<'_, f64>) {
        let method = Shapley { grid: [4, 5], baseline: Baseline::Value(0.2), orders: 6, seed: 3 };
        let (_, found) = method.with_values(&pass.why(1)).unwrap().swap_remove(0);
        let order = |k| {
            let mut rng = ChaCha8Rng::seed_from_u64(3);
            rng.set_stream(k);
            let mut order: Vec<usize> = (0..20).collect();
            order.shuffle(&mut rng);
            order
        };
        let rises = rises(pass, &image(pass, 0), [4, 5], &(0..6).map(order).collect::<Vec<_>>());
        let means = Array2::from_shape_fn((4, 5), |(i, j)| mean(&rises, i * 5 + j));
        near(&found.values, &means, "sampled Shapley values");
        let errors = Array2::from_shape_fn((4, 5), |(i, j)| {
            let squares: f64 = rises.iter().map(|rises| (rises[i * 5 + j] - means[[i, j]]).powi(2)).sum();
            (squares / 5.0 / 6.0).sqrt()
        });
        near(&found.errors, &errors, "their standard errors");
    }
}
