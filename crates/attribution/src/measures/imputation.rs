//! Pixels replaced by values predicted from their neighbours.

/// Steps down, steps right and weight of the eight neighbours (Rong et al. 2022, §4.2).
const NEIGHBOURS: [(isize, isize, f64); 8] = [
    (0, 1, 1.0 / 6.0),
    (0, -1, 1.0 / 6.0),
    (1, 0, 1.0 / 6.0),
    (-1, 0, 1.0 / 6.0),
    (1, 1, 1.0 / 12.0),
    (1, -1, 1.0 / 12.0),
    (-1, 1, 1.0 / 12.0),
    (-1, -1, 1.0 / 12.0),
];
/// Limit on the iterations. In exact arithmetic, as many as there are unknowns would do.
const ITERATIONS: usize = 2000;

/// Some pixels of a picture `[H, W]` are missing: each is to be the weighted mean of its neighbours,
///
/// ```text
/// Σ_q w_pq (x_p − x_q) = 0 for each missing p
/// ```
///
/// where q runs over the neighbours of p within the picture, with the weight 1/6 for adjacent and 1/12 for diagonal ones.
pub(super) struct Missing {
    /// The missing pixels.
    pixels: Vec<usize>,
    /// For each of them its neighbours.
    neighbours: Vec<[Neighbour; NEIGHBOURS.len()]>,
}

/// A neighbour of a missing pixel. In place of one outside the picture stands the pixel itself, with weight 0.
#[derive(Clone, Copy)]
struct Neighbour {
    pixel: usize,
    /// Its index among the missing pixels; their number if it is known.
    index: usize,
    weight: f64,
}

impl Missing {
    pub(super) fn new(pixels: &[usize], [height, width]: [usize; 2]) -> Self {
        let mut indices = vec![pixels.len(); height * width];
        pixels.iter().enumerate().for_each(|(index, &pixel)| indices[pixel] = index);
        let around = |&pixel: &usize| {
            let (row, column) = (pixel / width, pixel % width);
            let mut near = [Neighbour { pixel, index: indices[pixel], weight: 0.0 }; NEIGHBOURS.len()];
            for (near, (down, right, weight)) in near.iter_mut().zip(NEIGHBOURS) {
                let (row, column) = (row.wrapping_add_signed(down), column.wrapping_add_signed(right));
                if row < height && column < width {
                    let pixel = row * width + column;
                    *near = Neighbour { pixel, index: indices[pixel], weight };
                }
            }
            near
        };
        Self { neighbours: pixels.iter().map(around).collect(), pixels: pixels.to_vec() }
    }

    /// Sets the missing pixels of one channel, given the values of all pixels. The system is symmetric and positive definite if
    /// any pixel is known, and is solved by conjugate gradients (Hestenes and Stiefel 1952), from the mean of the known pixels
    /// on, until the residual is below `tolerance` times that at the start.
    pub(super) fn solve(&self, values: &mut [f64], tolerance: f64) {
        let missing = self.pixels.len();
        let mut is_missing = vec![false; values.len()];
        self.pixels.iter().for_each(|&pixel| is_missing[pixel] = true);
        let known = values.len() - missing;
        let sum: f64 =
            values.iter().zip(&is_missing).filter(|(_, is_missing)| !**is_missing).map(|(value, _)| value).sum();
        // If nothing is known, any constant is a solution.
        let mean = if known > 0 { sum / known as f64 } else { 0.0 };
        let mut x = vec![mean; missing];
        let mut residual: Vec<f64> = (self.neighbours.iter())
            .map(|near| {
                let other = |near: &Neighbour| if near.index < missing { mean } else { values[near.pixel] };
                near.iter().map(|near| near.weight * (other(near) - mean)).sum()
            })
            .collect();
        // The element after those of the missing pixels stands for every known one: it is zero.
        let mut direction = [&residual[..], &[0.0]].concat();
        let mut turned = vec![0.0; missing];
        let mut squared = dot(&residual, &residual);
        let enough = squared * tolerance * tolerance;
        for _ in 0..ITERATIONS {
            if squared <= enough || squared == 0.0 {
                break;
            }
            self.apply(&direction, &mut turned);
            let step = squared / dot(&direction, &turned);
            for ((x, r), (d, t)) in x.iter_mut().zip(&mut residual).zip(direction.iter().zip(&turned)) {
                *x += step * d;
                *r -= step * t;
            }
            let next = dot(&residual, &residual);
            direction.iter_mut().zip(&residual).for_each(|(d, r)| *d = r + next / squared * *d);
            squared = next;
        }
        self.pixels.iter().zip(x).for_each(|(&pixel, x)| values[pixel] = x);
    }

    /// `y` ← the system's matrix times `x`, a vector of the missing pixels and a zero.
    fn apply(&self, x: &[f64], y: &mut [f64]) {
        for ((y, near), own) in y.iter_mut().zip(&self.neighbours).zip(x) {
            *y = near.iter().map(|near| near.weight * (own - x[near.index])).sum();
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array2};

    /// The same by Gauss's elimination on the dense matrix, set up pixel by pixel.
    fn literal(values: &[f64], missing: &[usize], height: usize, width: usize) -> Vec<f64> {
        let n = missing.len();
        let (mut a, mut b) = (Array2::<f64>::zeros((n, n)), Array1::<f64>::zeros(n));
        for (i, &pixel) in missing.iter().enumerate() {
            for other in 0..height * width {
                let (down, right) = ((pixel / width).abs_diff(other / width), (pixel % width).abs_diff(other % width));
                let weight = match (down, right) {
                    (0, 1) | (1, 0) => 1.0 / 6.0,
                    (1, 1) => 1.0 / 12.0,
                    _ => continue,
                };
                a[[i, i]] += weight;
                match missing.iter().position(|&pixel| pixel == other) {
                    Some(j) => a[[i, j]] -= weight,
                    None => b[i] += weight * values[other],
                }
            }
        }
        for i in 0..n {
            for k in i + 1..n {
                let factor = a[[k, i]] / a[[i, i]];
                for j in i..n {
                    let above = a[[i, j]];
                    a[[k, j]] -= factor * above;
                }
                let above = b[i];
                b[k] -= factor * above;
            }
        }
        for i in (0..n).rev() {
            let later: f64 = (i + 1..n).map(|j| a[[i, j]] * b[j]).sum();
            b[i] = (b[i] - later) / a[[i, i]];
        }
        let mut filled = values.to_vec();
        missing.iter().zip(&b).for_each(|(&pixel, &x)| filled[pixel] = x);
        filled
    }

    /// Of the `count` missing pixels of a picture of 9 rows and 7 columns: their indices, all values and what the missing ones
    /// are replaced by.
    fn solved(count: usize) -> (Vec<usize>, Vec<f64>, Vec<f64>) {
        let values: Vec<f64> = (0..63).map(|i| (f64::from(i) * 1.7).sin() * 3.0 + 1.0).collect();
        let mut missing: Vec<usize> = (0..63).collect();
        missing.sort_by(|&a, &b| ((a as f64 * 12.9).sin()).total_cmp(&(b as f64 * 12.9).sin()));
        missing.truncate(count);
        let mut found = values.clone();
        Missing::new(&missing, [9, 7]).solve(&mut found, 1e-13);
        (missing, values, found)
    }

    #[test]
    fn it_solves_the_system() {
        for count in [5, 20, 40, 62] {
            let (missing, values, found) = solved(count);
            for (found, expected) in found.iter().zip(literal(&values, &missing, 9, 7)) {
                assert!((found - expected).abs() < 1e-10, "{count} missing: {found} {expected}");
            }
        }
    }

    /// The system of the authors' code (`imputations.py` of `road_evaluation`, without noise), solved in double precision.
    #[test]
    fn it_is_the_authors_system() {
        const MISSING: [usize; 20] = [33, 14, 52, 51, 15, 32, 34, 13, 53, 50, 16, 31, 35, 12, 54, 49, 17, 30, 36, 11];
        const VALUES: [f64; 20] = [
            0.7447466315137768,
            0.11200491856012172,
            1.2709407343411958,
            0.38454024104551543,
            1.1846957064178052,
            0.4508019657159569,
            1.7999062633317058,
            1.6438842461890086,
            1.5081282114040542,
            0.9539208639689652,
            1.5208930481019622,
            1.4016550973336945,
            0.41181062690527825,
            1.7301904858920238,
            0.3067772027812428,
            2.062433321703503,
            0.3279609981904097,
            1.2900403489414254,
            0.10911482970444833,
            0.6293727898437605,
        ];
        let (missing, _, found) = solved(20);
        assert_eq!(missing, MISSING);
        for (pixel, expected) in missing.into_iter().zip(VALUES) {
            assert!((found[pixel] - expected).abs() < 1e-10, "{pixel}: {} {expected}", found[pixel]);
        }
    }

    #[test]
    fn a_constant_is_continued_and_without_pixels_there_is_zero() {
        let mut values = vec![2.5; 30];
        values[12] = 99.0;
        Missing::new(&[12], [5, 6]).solve(&mut values, 1e-12);
        assert!((values[12] - 2.5).abs() < 1e-12);
        let mut values = vec![2.5; 30];
        Missing::new(&(0..30).collect::<Vec<_>>(), [5, 6]).solve(&mut values, 1e-12);
        assert_eq!(values, [0.0; 30]);
    }
}
