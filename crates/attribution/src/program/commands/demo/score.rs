//! Scores of explanations against the true boxes of many images.

use attribution::measures::{BOX_HIT, CAM_THRESHOLD, box_score, pointing_game};
use attribution::{Map, Pass, Target};
use nn::Model;
use nn::data::{Rect, Scattered};
use rayon::prelude::*;
use serde::Serialize;
use std::time::Instant;
use tensor::Tensor;

use crate::program::commands::methods::Chosen;
use crate::program::terminal::Failure;
use crate::program::terminal::interrupt::{self, until_asked};
use crate::program::terminal::progress::{bar, left};

/// Number of images in a forward pass.
const BATCH: usize = 50;

/// The scores of one method over all images; shares are in [0, 1].
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Score {
    /// Share of images whose strongest pixel lies in the true box.
    pub(crate) pointing_game: f64,
    /// Share of images whose estimated box overlaps the true one by more than half.
    pub(crate) box_score: f64,
    /// The expected share for a random pixel.
    pub(crate) chance: f64,
    /// The expected share for a box of the true size at a random position.
    pub(crate) chance_of_box: f64,
    /// Share of images without evidence: a miss in both measures.
    pub(crate) without_evidence: f64,
}

/// Explains the true class of each image with each method, as in the papers, and compares the maps with the true boxes.
/// `None` if the user asked to stop.
pub(crate) fn score(model: &Model, test: &Scattered, methods: &[Chosen]) -> Result<Option<Vec<Score>>, Failure> {
    let images = &test.images;
    let [count, height, width, channels] = images.shape();
    let normalization = model.info().normalization.as_ref().ok_or("the network has no normalization")?;
    let chance = test.chance();
    let chance_of_box = test.boxes.iter().map(|truth| chance_of_box(truth, [height, width])).sum::<f64>();
    // Counts, until they are divided by the number of images below.
    let mut scores = vec![Score { chance, chance_of_box, ..Score::default() }; methods.len()];

    let (bar, started) = (bar("explaining", count), Instant::now());
    let indices: Vec<usize> = (0..count).collect();
    let mut pixels = Vec::new();
    for batch in indices.chunks(BATCH) {
        images.gather(batch, normalization, &mut pixels);
        let input = Tensor::new([batch.len(), height, width, channels], std::mem::take(&mut pixels));
        let pass = Pass::new(model, &input)?;
        let target: Target = batch.iter().map(|&image| images.labels()[image]).collect::<Vec<_>>().into();
        for (method, score) in methods.iter().zip(&mut scores) {
            let maps = pass.why(target.clone()).watched(&until_asked).explain_each(&*method.method)?;
            let measured: Vec<_> =
                maps.par_iter().zip(batch).map(|(map, &image)| measure(map, &test.boxes[image])).collect();
            for (map, (hit, overlap)) in maps.iter().zip(measured) {
                score.pointing_game += f64::from(u8::from(hit));
                score.box_score += f64::from(u8::from(overlap > BOX_HIT));
                score.without_evidence += f64::from(u8::from(!map.verdict().is_evidence()));
            }
        }
        if interrupt::asked() {
            bar.finish_and_clear();
            return Ok(None);
        }
        bar.inc(batch.len() as u64);
        let (done, rate) = (bar.position() as usize, bar.position() as f64 / started.elapsed().as_secs_f64());
        bar.set_message(format!("{done} of {count} images, {rate:.0} images/s, {}", left(started, done, count)));
    }
    bar.finish_and_clear();
    for Score { pointing_game, box_score, chance_of_box, without_evidence, .. } in &mut scores {
        [pointing_game, box_score, chance_of_box, without_evidence].into_iter().for_each(|sum| *sum /= count as f64);
    }
    Ok(Some(scores))
}

/// The outcome of the pointing game against the true box, and the intersection over union of the estimated box.
pub(crate) fn measure(map: &Map, truth: &Rect) -> (bool, f64) {
    let strength = map.over_input();
    (pointing_game(strength.view(), truth, 0), box_score(strength.view(), truth, CAM_THRESHOLD))
}

/// The share of all positions on a canvas `[H, W]` at which a box of the true size is a hit.
fn chance_of_box(truth: &Rect, [height, width]: [usize; 2]) -> f64 {
    let (rows, columns) = (height - truth.height + 1, width - truth.width + 1);
    let positions = (0..rows).flat_map(|top| (0..columns).map(move |left| Rect { top, left, ..*truth }));
    let hits = positions.filter(|position| position.iou(truth) > BOX_HIT).count();
    hits as f64 / (rows * columns) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_of_one_pixel_hits_at_one_position() {
        assert_eq!(chance_of_box(&Rect { top: 1, left: 2, height: 1, width: 1 }, [4, 5]), 1.0 / 20.0);
        assert_eq!(chance_of_box(&Rect { top: 0, left: 0, height: 4, width: 5 }, [4, 5]), 1.0);
        // The second of three positions shares 2 of 4 columns with the first: half, but not more.
        assert_eq!(chance_of_box(&Rect { top: 0, left: 0, height: 1, width: 3 }, [1, 5]), 1.0 / 3.0);
    }
}
