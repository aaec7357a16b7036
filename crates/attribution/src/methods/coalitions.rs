//! Which patches are visible in each run, and the Shapley values that follow from the scores.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The patches that are visible in each run.
pub(super) enum Coalitions {
    /// All coalitions: in run k the patches whose bit is set in k.
    All { patches: usize },
    /// Random orders: of each order the first patches, none to all.
    Orders { patches: usize, orders: usize, seed: u64 },
}

/// A random order of the patches.
fn order(patches: usize, seed: u64, k: usize) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(k as u64);
    let mut order: Vec<usize> = (0..patches).collect();
    order.shuffle(&mut rng);
    order
}

impl Coalitions {
    pub(super) fn runs(&self) -> usize {
        match *self {
            Self::All { patches } => 1 << patches,
            Self::Orders { patches, orders, .. } => orders.saturating_mul(patches + 1),
        }
    }

    /// Whether each patch is visible in a run.
    pub(super) fn visible(&self, run: usize) -> Vec<bool> {
        match *self {
            Self::All { patches } => (0..patches).map(|patch| run >> patch & 1 == 1).collect(),
            Self::Orders { patches, seed, .. } => {
                let mut visible = vec![false; patches];
                let order = order(patches, seed, run / (patches + 1));
                order[..run % (patches + 1)].iter().for_each(|&patch| visible[patch] = true);
                visible
            }
        }
    }

    /// The values and their standard errors from the scores of all runs.
    pub(super) fn values(&self, scores: &[f64]) -> Vec<[f64; 2]> {
        match *self {
            Self::All { patches } => exact(patches, scores),
            Self::Orders { patches, seed, .. } => sampled(patches, seed, scores),
        }
    }
}

fn exact(patches: usize, scores: &[f64]) -> Vec<[f64; 2]> {
    // |S|! (n − |S| − 1)! / n! = 1 / (n · C(n − 1, |S|)).
    let mut weights = vec![1.0 / patches as f64];
    for size in 1..patches {
        weights.push(weights[size - 1] * size as f64 / (patches - size) as f64);
    }
    let value = |patch: usize| {
        let without = (0..scores.len()).filter(|run| run >> patch & 1 == 0);
        let rises = without.map(|run| weights[run.count_ones() as usize] * (scores[run | 1 << patch] - scores[run]));
        [tensor::pairwise_sum(&rises.collect::<Vec<_>>()), 0.0]
    };
    (0..patches).map(value).collect()
}

fn sampled(patches: usize, seed: u64, scores: &[f64]) -> Vec<[f64; 2]> {
    let mut rises = vec![Vec::new(); patches];
    for (k, scores) in scores.chunks_exact(patches + 1).enumerate() {
        order(patches, seed, k)
            .iter()
            .zip(scores.windows(2))
            .for_each(|(&patch, pair)| rises[patch].push(pair[1] - pair[0]));
    }
    let moments = |rises: Vec<f64>| {
        let count = rises.len() as f64;
        let mean = tensor::pairwise_sum(&rises) / count;
        let squares: Vec<f64> = rises.iter().map(|rise| (rise - mean).powi(2)).collect();
        [mean, (tensor::pairwise_sum(&squares) / (count - 1.0).max(1.0) / count).sqrt()]
    };
    rises.into_iter().map(moments).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A game of six players, with interactions.
    fn score(visible: &[bool]) -> f64 {
        let sum: f64 =
            (0..).zip(visible).filter(|(_, is_visible)| **is_visible).map(|(patch, _)| f64::from(patch) - 1.5).sum();
        sum + sum.max(0.0).sqrt() + if visible[0] && visible[3] { 2.0 } else { 0.0 }
    }

    #[test]
    fn random_orders_agree_with_all_coalitions_within_their_errors() {
        let all = Coalitions::All { patches: 6 };
        let run = |coalitions: &Coalitions| {
            let scores: Vec<f64> = (0..coalitions.runs()).map(|run| score(&coalitions.visible(run))).collect();
            coalitions.values(&scores)
        };
        let exact = run(&all);
        let whole = score(&[true; 6]) - score(&[false; 6]);
        assert!((exact.iter().map(|[value, _]| value).sum::<f64>() - whole).abs() < 1e-13);
        let orders = run(&Coalitions::Orders { patches: 6, orders: 400, seed: 1 });
        assert!((orders.iter().map(|[value, _]| value).sum::<f64>() - whole).abs() < 1e-12);
        for ([value, error], [expected, _]) in orders.iter().zip(&exact) {
            assert!((value - expected).abs() < 4.0 * error && *error < 0.1, "{value} ± {error}, {expected}");
        }
    }
}
