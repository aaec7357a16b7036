//! Learning rates over the course of a training.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// How the learning rate moves, as a factor of its peak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Schedule {
    /// The peak throughout.
    #[default]
    Constant,
    /// A linear rise over the first `warmup` part of all steps, then half a cosine down to zero (Loshchilov & Hutter 2017,
    /// eq. 5, one period).
    Cosine {
        /// Part of the steps, from 0 to 1, over which the rate rises.
        warmup: f64,
    },
}

impl Schedule {
    /// The factor for `step` of `steps`, the first being 0.
    #[must_use]
    pub fn factor(&self, step: usize, steps: usize) -> f64 {
        match *self {
            Self::Constant => 1.0,
            Self::Cosine { warmup } => {
                let (step, steps) = (step as f64, steps.max(1) as f64);
                let rise = (warmup * steps).floor();
                if step < rise {
                    (step + 1.0) / (rise + 1.0)
                } else {
                    0.5 * (1.0 + (PI * (step - rise) / (steps - rise)).cos())
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_rises_to_its_peak_and_falls_to_nearly_nothing() {
        let schedule = Schedule::Cosine { warmup: 0.2 };
        let factors: Vec<f64> = (0..100).map(|step| schedule.factor(step, 100)).collect();
        assert!(factors[..20].windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(factors[20], 1.0);
        assert!(factors[20..].windows(2).all(|pair| pair[0] > pair[1]));
        assert!(factors[99] < 1e-3 && factors[0] > 0.0);
        assert!((factors[60] - 0.5).abs() < 1e-12, "half way down after half of what is left");
    }
}
