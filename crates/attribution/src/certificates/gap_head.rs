//! Identities for a head of global average pooling and one fully connected layer.

use ndarray::{Array2, Axis};
use nn::{GapHead, Real};

use super::residual::gamma;
use super::{Certificate, Finding, Residual};
use crate::error::ExplainError;
use crate::map::Map;
use crate::methods::{Cam, GradCam, HiResCam};
use crate::pass::{Pass, of_image};
use crate::target::Target;

/// The identities and their meanings.
const IDENTITIES: [(&str, &str); 3] = [
    (
        "CAM = Z · Grad-CAM",
        "Grad-CAM generalises CAM: before the ReLU, the two maps differ by the number of positions, Z",
    ),
    ("HiResCAM = Grad-CAM", "the gradient is the same at every position, so its mean loses nothing"),
    ("mean CAM + b = S", "the map is the score, spread over positions; only the bias has no position"),
];

impl<T: Real> Pass<'_, T> {
    pub(super) fn certify_gap_head(&self, target: &Target<T>) -> Result<Vec<Certificate>, ExplainError> {
        let head = self.model().gap_head();
        let findings = match head {
            None => Err("the model doesn't end in global average pooling and one fully connected layer".to_string()),
            Some(head) if self.resolve(target)?.layer != head.linear => {
                Err("the target isn't one of the scores".into())
            }
            Some(_) if !self.is_linear(target)? => Err("the target isn't a sum of scores".into()),
            Some(head) if self.model().grids()[head.features].is_none() => {
                Err("what the pooling averages has no places in the picture".into())
            }
            Some(head) => Ok(self.gap_head_residuals(head, target, &self.gap_head_maps(head, target)?)?),
        };
        let layer = head.map(|head| self.model().layers()[head.features].name.clone());
        let certificate = |(index, (identity, meaning)): (usize, (&'static str, &'static str))| Certificate {
            identity,
            meaning,
            layer: layer.clone(),
            finding: match &findings {
                Ok(residuals) => Finding::Checked(residuals[index]),
                Err(reason) => Finding::Inapplicable { reason: reason.clone() },
            },
        };
        Ok(IDENTITIES.into_iter().enumerate().map(certificate).collect())
    }

    /// CAM, Grad-CAM and HiResCAM at the head's input.
    pub(super) fn gap_head_maps(&self, head: GapHead, target: &Target<T>) -> Result<[Vec<Map<T>>; 3], ExplainError> {
        let why = self.why(target.clone()).at(head.features);
        Ok([why.explain_each(&Cam)?, why.explain_each(&GradCam)?, why.explain_each(&HiResCam)?])
    }

    /// For each identity, the residual of the worst cell of the worst image.
    pub(super) fn gap_head_residuals(
        &self,
        head: GapHead,
        target: &Target<T>,
        maps: &[Vec<Map<T>>; 3],
    ) -> Result<[Residual; 3], ExplainError> {
        let (scores, seed) = (self.scores(target.clone())?, self.seed(target)?);
        let parameter =
            |kind: &str| self.model().parameter(&format!("{}.{kind}", self.model().layers()[head.linear].name));
        let classes = self.model().scores();
        let weight = parameter("weight").expect("a fully connected layer has weights").as_slice();
        let features = self.features(head.features);
        // The residuals of the worst image so far.
        let mut worst: Option<[Residual; 3]> = None;
        for image in 0..self.images() {
            let coefficients = &seed.gradient.as_slice()[image * classes..][..classes];
            let combined =
                |values: &[T]| -> f64 { values.iter().zip(coefficients).map(|(w, c)| w.as_f64() * c.as_f64()).sum() };
            let size = |values: &[T]| -> f64 {
                values.iter().zip(coefficients).map(|(w, c)| (w.as_f64() * c.as_f64()).abs()).sum()
            };
            let weights: Vec<f64> = weight.chunks_exact(classes).map(size).collect();
            let bias = parameter("bias").map_or([0.0; 2], |b| [combined(b.as_slice()), size(b.as_slice())]);
            let f = of_image(&features, image);
            let terms: Array2<f64> =
                f.map_axis(Axis(2), |f| f.iter().zip(&weights).map(|(f, w)| (f.as_f64() * w).abs()).sum());
            let (positions, channels) = (terms.len(), weights.len());
            let chosen = coefficients.iter().filter(|c| !c.is_zero()).count();
            // Both sides: a sum of the weights of K classes, and a sum of products over channels. One side: a sum over
            // positions, a division or two, a bias.
            let roundings = gamma::<T>(2 * (2 * chosen + channels) + positions + 4);
            let per_cell = |left: &Array2<f64>, right: &Array2<f64>, terms: &Array2<f64>| {
                let cells = left.iter().zip(right).zip(terms);
                let cell = |((&l, &r), &m): ((&f64, &f64), &f64)| Residual::new::<T>(l, r, m, roundings * m);
                cells.map(cell).reduce(Residual::worse).expect("a map has cells")
            };
            let z = positions as f64;
            let [c, g, h] = maps.each_ref().map(|maps| maps[image].per_cell().mapv(|v| v.as_f64()));
            let magnitude = terms.sum() / z + bias[1];
            let found = [
                per_cell(&c, &(&g * z), &terms),
                per_cell(&h, &g, &(&terms / z)),
                Residual::new::<T>(c.sum() / z + bias[0], scores[image].as_f64(), magnitude, roundings * magnitude),
            ];
            worst = Some(match worst {
                None => found,
                Some(before) => std::array::from_fn(|i| before[i].worse(found[i])),
            });
        }
        Ok(worst.expect("a pass has images"))
    }
}
