//! Spectral clustering.

use ndarray::{Array2, ArrayView2, Axis, Slice};

use super::jacobi::eigen;
use super::k_means::k_means;

/// Limit on the number of clusters.
const MOST: usize = 8;
/// An eigenvalue below this is 0 up to rounding.
const ZERO: f64 = 1e-9;

/// Maps, divided into clusters by spectral clustering, as in spectral relevance analysis (Lapuschkin et al., *Unmasking Clever
/// Hans Predictors*, 2019, methods):
///
/// ```text
/// w_ij = 1 if i is one of the k nearest neighbours of j, or j one of i; k = ⌈ln n⌉
/// L = 1 − D^(−½) W D^(−½),    D_ii = Σ_j w_ij
/// ```
///
/// If the graph falls into parts without a connection, these are the clusters; L has an eigenvalue 0 for each. Otherwise their
/// number is where the eigenvalues of L have their largest gap. The clusters are those of k-means over the rows of as many
/// eigenvectors, each row divided by its length (Ng, Jordan and Weiss 2002).
#[derive(Clone, Debug, PartialEq)]
pub struct SpectralClusters {
    /// The cluster of each map, from 0, in the order of their first maps.
    pub clusters: Vec<usize>,
    /// The number of clusters.
    pub count: usize,
    /// The least eigenvalues of L, at most nine, least first. Those that are 0 count the parts of the graph that have nothing to
    /// do with one another.
    pub eigenvalues: Vec<f64>,
}

impl SpectralClusters {
    /// Divides the rows `[n, d]` of a matrix, each a map. Fewer than four are one cluster.
    #[must_use]
    pub fn of(maps: ArrayView2<f64>, seed: u64) -> Self {
        let n = maps.nrows();
        if n < 4 {
            return Self { clusters: vec![0; n], count: usize::from(n > 0), eigenvalues: Vec::new() };
        }
        let (mut eigenvalues, vectors) = eigen(laplacian(&affinity(maps)));
        eigenvalues.truncate(MOST + 1);
        let gap = |k: usize| eigenvalues[k] - eigenvalues[k - 1];
        let most = MOST.min(n / 2);
        let count = match eigenvalues.iter().filter(|value| value.abs() < ZERO).count() {
            // Of equal gaps, the first.
            0 | 1 => (1..=most).rev().max_by(|&a, &b| gap(a).total_cmp(&gap(b))).expect("there are four maps or more"),
            parts => parts.min(most),
        };
        let mut rows = vectors.slice_axis(Axis(1), Slice::from(..count)).to_owned();
        for mut row in rows.rows_mut() {
            let length = row.dot(&row).sqrt();
            if length > 0.0 {
                row /= length;
            }
        }
        Self { clusters: k_means(rows.view(), count, seed), count, eigenvalues }
    }

    /// The maps of a cluster, by index.
    #[must_use]
    pub fn members(&self, cluster: usize) -> Vec<usize> {
        (0..self.clusters.len()).filter(|&map| self.clusters[map] == cluster).collect()
    }
}

/// W: which maps are near one another.
fn affinity(maps: ArrayView2<f64>) -> Array2<f64> {
    let n = maps.nrows();
    let k = (n as f64).ln().ceil() as usize;
    let mut affinity = Array2::zeros((n, n));
    for i in 0..n {
        let distance = |j: usize| -> f64 { maps.row(i).iter().zip(maps.row(j)).map(|(a, b)| (a - b) * (a - b)).sum() };
        let mut others: Vec<(f64, usize)> = (0..n).filter(|&j| j != i).map(|j| (distance(j), j)).collect();
        others.sort_by(|a, b| a.0.total_cmp(&b.0));
        for &(_, j) in others.iter().take(k) {
            (affinity[[i, j]], affinity[[j, i]]) = (1.0, 1.0);
        }
    }
    affinity
}

/// L = 1 − D^(−½) W D^(−½).
fn laplacian(affinity: &Array2<f64>) -> Array2<f64> {
    let degrees = affinity.sum_axis(Axis(1));
    Array2::from_shape_fn(affinity.dim(), |(i, j)| {
        let own = if i == j { 1.0 } else { 0.0 };
        own - affinity[[i, j]] / (degrees[i] * degrees[j]).sqrt()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::wave;

    /// Points around centres far from one another.
    fn groups(sizes: &[usize]) -> Array2<f64> {
        let n = sizes.iter().sum();
        let noise = wave::<f64>([n, 3], 0.4);
        let centres = sizes.iter().enumerate().flat_map(|(group, &size)| vec![100.0 * group as f64; size]);
        let mut points = Array2::from_shape_vec((n, 3), noise.as_slice().to_vec()).unwrap();
        points.column_mut(1).iter_mut().zip(centres).for_each(|(x, centre)| *x += centre);
        points
    }

    #[test]
    fn groups_far_from_one_another_are_found() {
        for sizes in [&[12, 9][..], &[8, 14, 10], &[9, 9, 9, 9]] {
            let found = SpectralClusters::of(groups(sizes).view(), 3);
            assert_eq!(found.count, sizes.len(), "{:?}", found.eigenvalues);
            let expected: Vec<usize> = sizes.iter().enumerate().flat_map(|(group, &size)| vec![group; size]).collect();
            assert_eq!(found.clusters, expected);
            // Parts without a connection have an eigenvalue 0 each.
            let zeros = found.eigenvalues.iter().filter(|value| value.abs() < 1e-12).count();
            assert_eq!(zeros, sizes.len());
            assert_eq!(found.members(0), (0..sizes[0]).collect::<Vec<_>>());
        }
    }

    /// The eigenvalues of L lie in [0, 2], and their sum is its trace, n.
    #[test]
    fn the_laplacian_has_its_properties() {
        let points = groups(&[7, 6]);
        let affinity = affinity(points.view());
        assert_eq!(affinity, affinity.t());
        // ⌈ln 13⌉ = 3 neighbours or more.
        assert!(affinity.rows().into_iter().all(|row| row.sum() >= 3.0));
        let (values, _) = eigen(laplacian(&affinity));
        assert!(values.iter().all(|&value| (-1e-12..=2.0).contains(&value)));
        assert!((values.iter().sum::<f64>() - 13.0).abs() < 1e-12);
    }

    #[test]
    fn few_maps_and_equal_ones_are_no_trouble() {
        assert_eq!(SpectralClusters::of(Array2::zeros((0, 4)).view(), 0).count, 0);
        assert_eq!(SpectralClusters::of(Array2::zeros((3, 4)).view(), 0).clusters, [0, 0, 0]);
        assert_eq!(SpectralClusters::of(Array2::zeros((9, 4)).view(), 0).clusters.len(), 9);
    }
}
