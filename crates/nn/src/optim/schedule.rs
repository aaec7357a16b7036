//! Learning-rate schedules.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// A learning-rate schedule: a warm-up, then a decay. It gives factors of the peak rate.
///
/// The warm-up is linear: step t (from 0) of w steps has the factor (t + 1)/(w + 1), as PyTorch's `LinearLR` from 1/(w + 1)
/// over w steps (Goyal et al. 2017, §2.2). [`Decay::OneCycle`] has its own warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Share of the steps that are warm-up, from 0 to 1.
    pub warmup: f64,
    /// How the rate falls after the warm-up.
    pub decay: Decay,
}

/// How a learning rate falls, by PyTorch's formulas. Of the T steps after the warm-up, step t (from 0) has the factor:
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Decay {
    /// 1.
    #[default]
    Constant,
    /// factorᵏ with k = ⌊t/period⌋ (`StepLR`).
    Step {
        /// The period as a share of T, from 0 to 1; at least one step.
        every: f64,
        /// The factor of each fall.
        factor: f64,
    },
    /// floor + (1 − floor)·(1 + cos(π·t/T))/2 (`CosineAnnealingLR`; Loshchilov & Hutter 2017, eq. 5, one period).
    Cosine {
        /// The factor at the end.
        floor: f64,
    },
    /// From 1/25 to 1 along half a cosine during the warm-up, then to 1/250,000 at the last step along another
    /// (`OneCycleLR` with its defaults; Smith & Topin 2019).
    OneCycle,
}

/// Peak rate over initial rate, and initial rate over final rate, of [`Decay::OneCycle`].
const ONE_CYCLE: [f64; 2] = [25.0, 1e4];

impl Schedule {
    /// The factor for `step` (from 0) of `steps`.
    #[must_use]
    pub fn factor(&self, step: usize, steps: usize) -> f64 {
        let (step, steps) = (step as f64, steps.max(1) as f64);
        let rise = (self.warmup.clamp(0.0, 1.0) * steps).floor();
        if let Decay::OneCycle = self.decay {
            let [start, end] = [1.0 / ONE_CYCLE[0], 1.0 / ONE_CYCLE[0] / ONE_CYCLE[1]];
            let (top, last) = (self.warmup * steps - 1.0, steps - 1.0);
            return if step < top {
                cosine(start, 1.0, step / top)
            } else {
                cosine(1.0, end, (step - top) / (last - top))
            };
        }
        if step < rise {
            return (step + 1.0) / (rise + 1.0);
        }
        let (step, steps) = (step - rise, steps - rise);
        match self.decay {
            Decay::Constant | Decay::OneCycle => 1.0,
            Decay::Step { every, factor } => libm::pow(factor, (step / (every * steps).round().max(1.0)).floor()),
            Decay::Cosine { floor } => cosine(1.0, floor, step / steps),
        }
    }
}

/// The value after a share `part` of the way from `from` to `to` along half a cosine. `part` isn't finite if there is no
/// step on the way; then the value is `to`.
fn cosine(from: f64, to: f64, part: f64) -> f64 {
    let part = if part.is_finite() { part } else { 1.0 };
    to + (from - to) * 0.5 * (1.0 + libm::cos(PI * part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_rises_to_its_peak_and_falls_to_nearly_zero() {
        let schedule = Schedule { warmup: 0.2, decay: Decay::Cosine { floor: 0.0 } };
        let factors: Vec<f64> = (0..100).map(|step| schedule.factor(step, 100)).collect();
        assert!(factors[..20].windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(factors[20], 1.0);
        assert!(factors[20..].windows(2).all(|pair| pair[0] > pair[1]));
        assert!(factors[99] < 1e-3 && factors[0] > 0.0);
        assert!((factors[60] - 0.5).abs() < 1e-12, "half way down after half of what is left");
    }

    #[test]
    fn every_factor_of_the_shortest_trainings_is_a_rate() {
        let decays =
            [Decay::Constant, Decay::Step { every: 0.0, factor: 0.5 }, Decay::Cosine { floor: 0.0 }, Decay::OneCycle];
        for decay in decays {
            for (warmup, steps) in [(0.0, 1), (1.0, 1), (0.5, 2), (1.0, 3), (0.0, 3)] {
                let schedule = Schedule { warmup, decay };
                let factors = (0..steps).map(|step| schedule.factor(step, steps));
                assert!(factors.clone().all(|f| f > 0.0 && f <= 1.0 || f.abs() < 1e-15), "{schedule:?}: {factors:?}");
            }
        }
    }
}
