//! k-means.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Number of starts. The best is kept.
const STARTS: usize = 10;
/// Limit on the rounds of a start.
const ROUNDS: usize = 100;

/// The cluster of each row `[n, d]`, such that the rows are close to their cluster's mean: Lloyd's algorithm from starts by
/// k-means++ (Arthur and Vassilvitskii 2007). Clusters are numbered in the order of their first rows. The same seed gives the
/// same clusters.
pub(super) fn k_means(rows: ArrayView2<f64>, k: usize, seed: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let runs = (0..STARTS).map(|_| lloyd(rows, start(rows, k, &mut rng)));
    let best = runs.min_by(|a, b| a.0.total_cmp(&b.0)).expect("there are starts");
    numbered(&best.1)
}

fn squared(a: ArrayView1<f64>, b: ArrayView1<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// The nearest mean, and the squared distance to it.
fn nearest(row: ArrayView1<f64>, means: &Array2<f64>) -> (usize, f64) {
    let distances = means.rows().into_iter().map(|mean| squared(row, mean)).enumerate();
    distances.min_by(|a, b| a.1.total_cmp(&b.1)).expect("there are means")
}

/// Rows chosen one after the other, with probabilities proportional to their squared distance from those chosen before.
fn start(rows: ArrayView2<f64>, k: usize, rng: &mut ChaCha8Rng) -> Array2<f64> {
    let mut chosen = vec![rng.random_range(0..rows.nrows())];
    while chosen.len() < k {
        let means = rows.select(Axis(0), &chosen);
        let weights: Vec<f64> = rows.rows().into_iter().map(|row| nearest(row, &means).1).collect();
        let mut left = rng.random::<f64>() * weights.iter().sum::<f64>();
        let drawn = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        chosen.push(drawn.unwrap_or(chosen.len() % rows.nrows()));
    }
    rows.select(Axis(0), &chosen)
}

/// The sum of squared distances at the end, and each row's cluster.
fn lloyd(rows: ArrayView2<f64>, mut means: Array2<f64>) -> (f64, Vec<usize>) {
    let mut clusters = Vec::new();
    for _ in 0..ROUNDS {
        let found: Vec<(usize, f64)> = rows.rows().into_iter().map(|row| nearest(row, &means)).collect();
        let now: Vec<usize> = found.iter().map(|&(cluster, _)| cluster).collect();
        if now == clusters {
            break;
        }
        clusters = now;
        for (cluster, mut mean) in means.rows_mut().into_iter().enumerate() {
            let own: Vec<usize> = (0..rows.nrows()).filter(|&row| clusters[row] == cluster).collect();
            // A cluster without rows keeps its mean.
            let sum = own.iter().fold(Array1::zeros(rows.ncols()), |sum: Array1<f64>, &row| sum + rows.row(row));
            if !own.is_empty() {
                mean.assign(&(sum / own.len() as f64));
            }
        }
    }
    let inertia = rows.rows().into_iter().map(|row| nearest(row, &means).1).sum();
    (inertia, clusters)
}

/// The same clusters, numbered in the order in which they appear.
fn numbered(clusters: &[usize]) -> Vec<usize> {
    let mut seen: Vec<usize> = Vec::new();
    let number = |cluster: &usize| {
        seen.iter().position(|known| known == cluster).unwrap_or_else(|| {
            seen.push(*cluster);
            seen.len() - 1
        })
    };
    clusters.iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of all divisions of these rows into three clusters, the one with the least sum of squared distances.
    #[test]
    fn the_best_division_of_few_rows_is_found() {
        let values: Vec<f64> = (0..16).map(|i| (f64::from(i) * 12.9898).sin() * 3.0).collect();
        let rows = Array2::from_shape_vec((8, 2), values).unwrap();
        let inertia = |clusters: &[usize]| -> f64 {
            let of = |cluster: usize| {
                let own: Vec<usize> = (0..8).filter(|&row| clusters[row] == cluster).collect();
                let part = rows.select(Axis(0), &own);
                part.mean_axis(Axis(0))
                    .map_or(0.0, |mean| part.rows().into_iter().map(|row| squared(row, mean.view())).sum())
            };
            (0..3).map(of).sum()
        };
        let all = (0..3usize.pow(8)).map(|code| (0..8).map(|row| code / 3usize.pow(row) % 3).collect::<Vec<_>>());
        let best = all.map(|clusters| inertia(&clusters)).fold(f64::INFINITY, f64::min);
        let found = k_means(rows.view(), 3, 1);
        assert!((inertia(&found) - best).abs() < 1e-12, "{} {best}", inertia(&found));
        assert_eq!(found, k_means(rows.view(), 3, 1));
        assert_eq!(found[0], 0);
    }

    #[test]
    fn equal_rows_are_no_trouble() {
        assert_eq!(k_means(Array2::zeros((5, 2)).view(), 3, 0).len(), 5);
    }
}
