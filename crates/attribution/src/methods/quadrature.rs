//! Gauss–Legendre quadrature.

use std::f64::consts::PI;

/// The Gauss–Legendre nodes and weights on [0, 1], in ascending order: exact for polynomials of degree 2n − 1.
///
/// The nodes are the zeros of the Legendre polynomial P_n, found by Newton's method from
/// cos(π (k − ¼) / (n + ½)); the weights on [−1, 1] are 2 / ((1 − x²) P_n'(x)²).
pub(crate) fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    let node = |k: usize| {
        let mut x = -(PI * (k as f64 + 0.75) / (n as f64 + 0.5)).cos();
        for _ in 0..100 {
            let (value, slope) = legendre(n, x);
            let step = value / slope;
            x -= step;
            if step.abs() < 1e-16 {
                break;
            }
        }
        let (_, slope) = legendre(n, x);
        (f64::midpoint(x, 1.0), 1.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..n).map(node).collect()
}

/// The star discrepancy of a rule: the maximum over t of |t − Σ w_k over the nodes up to t|. The error for a function
/// of total variation V is at most V times this (Koksma's inequality; Kuipers and Niederreiter, *Uniform Distribution
/// of Sequences*, 1974, ch. 2, §5).
pub(crate) fn discrepancy(rule: &[(f64, f64)]) -> f64 {
    let (mut most, mut sum) = (0.0_f64, 0.0);
    for (node, weight) in rule {
        // The sum jumps at the node.
        most = most.max((node - sum).abs());
        sum += weight;
        most = most.max((node - sum).abs());
    }
    most
}

/// P_n and its derivative, by the recurrence (k + 1) P_{k+1} = (2k + 1) x P_k − k P_{k−1}.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut before, mut here) = (0.0, 1.0);
    for k in 0..n {
        let k = k as f64;
        (before, here) = (here, ((2.0 * k + 1.0) * x * here - k * before) / (k + 1.0));
    }
    (here, n as f64 * (x * here - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rules_are_the_known_ones() {
        assert_eq!(gauss_legendre(1), [(0.5, 1.0)]);
        let third = 1.0 / 3.0_f64.sqrt();
        for ((x, w), expected) in gauss_legendre(2).into_iter().zip([(1.0 - third) / 2.0, (1.0 + third) / 2.0]) {
            assert!((x - expected).abs() < 1e-15 && (w - 0.5).abs() < 1e-15);
        }
    }

    #[test]
    fn a_step_is_missed_by_the_discrepancy_at_most() {
        let rule = gauss_legendre(7);
        let missed = |step: f64| {
            let sum: f64 = rule.iter().filter(|(x, _)| *x >= step).map(|(_, w)| w).sum();
            (sum - (1.0 - step)).abs()
        };
        let worst = (0..=10_000).map(|k| missed(f64::from(k) / 10_000.0)).fold(0.0, f64::max);
        assert!(worst <= discrepancy(&rule) && worst > 0.99 * discrepancy(&rule));
    }

    #[test]
    fn polynomials_up_to_twice_the_nodes_are_exact() {
        for n in [1, 2, 3, 7, 20, 50, 128] {
            let rule = gauss_legendre(n);
            assert!(rule.windows(2).all(|pair| pair[0].0 < pair[1].0), "{n}: ascending");
            for degree in 0..2 * n as i32 {
                let integral: f64 = rule.iter().map(|(x, w)| w * x.powi(degree)).sum();
                assert!((integral - 1.0 / f64::from(degree + 1)).abs() < 1e-14, "{n} nodes, degree {degree}");
            }
        }
        let missed: f64 = gauss_legendre(3).iter().map(|(x, w)| w * x.powi(6)).sum();
        assert!((missed - 1.0 / 7.0).abs() > 1e-5, "degree 2n is beyond it");
    }
}
