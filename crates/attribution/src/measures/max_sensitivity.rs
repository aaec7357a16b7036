//! Max-sensitivity: how much does the map change if the picture hardly does?

use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tensor::Tensor;

use super::measure::{Group, Measure, Needs};
use crate::error::ExplainError;
use crate::pass::Pass;

/// The largest change of a pixel, as a share of the range from black to white.
pub const SHAKE: f64 = 0.02;
/// Number of changed copies of each picture.
pub const SHAKEN: usize = 5;

/// The images of a pass `[N, H, W, C]`, with noise added that a viewer hardly sees: uniform between −[`SHAKE`] and [`SHAKE`] of
/// the range from black to white. Each `copy` is an independent stream of the seed. Every image gets the same noise, so
/// its copies don't depend on the rest of the batch.
///
/// # Errors
/// If the model has no normalization, which says what black and white are.
pub fn shaken(pass: &Pass<'_>, seed: u64, copy: usize) -> Result<Tensor<f32>, ExplainError> {
    let normalization = pass.model().info().normalization.as_ref().ok_or(ExplainError::NoNormalization)?;
    let range = |c: usize| SHAKE * 255.0 / f64::from(normalization.scale()) / f64::from(normalization.std()[c]);
    let channels = normalization.channels();
    let mut input = pass.input().clone();
    let each = input.len() / pass.images();
    for image in input.make_mut().chunks_exact_mut(each) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(copy as u64);
        for (index, value) in image.iter_mut().enumerate() {
            *value += (range(index % channels) * rng.random_range(-1.0..1.0)) as f32;
        }
    }
    Ok(input)
}

/// The largest relative change of a map, ‖Φ′ − Φ‖ / ‖Φ‖, among the maps Φ′ of copies of the picture: a lower bound on the maximum
/// over all pictures within [`SHAKE`] (Yeh, Hsieh, Suggala, Inouye and Ravikumar, *On the (In)fidelity and Sensitivity of
/// Explanations*, 2019, def. 2.2). NaN for a map that is zero everywhere, which has no relative change.
#[must_use]
pub fn max_sensitivity<'a>(map: &Array2<f32>, copies: impl IntoIterator<Item = &'a Array2<f32>>) -> f64 {
    let length = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let own = length(&mut map.iter().map(|&value| f64::from(value)));
    let change = |copy: &Array2<f32>| {
        let changes = &mut map.iter().zip(copy).map(|(&a, &b)| f64::from(b) - f64::from(a));
        length(changes) / own
    };
    let most = copies.into_iter().map(change).fold(0.0, f64::max);
    if own > 0.0 { most } else { f64::NAN }
}

/// The [max-sensitivity](max_sensitivity).
pub static MAX_SENSITIVITY: Measure = Measure {
    id: "max-sensitivity",
    title: "max-sensitivity",
    what: "largest relative change of the map among 5 copies of the picture, each pixel changed by at most 2 %",
    group: Group::Form,
    higher_is_better: false,
    needs: Needs::Shaken,
    figures: |trial| {
        let of =
            |(image, map): (usize, &Array2<f32>)| max_sensitivity(map, trial.shaken.iter().map(|maps| &maps[image]));
        Ok(trial.maps.iter().enumerate().map(of).collect())
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use nn::data::Normalization;
    use nn::layers::{GlobalAvgPool, Linear};
    use nn::{Model, ModelInfo};

    #[test]
    fn the_largest_relative_change_counts() {
        let map = array![[3.0, 4.0]];
        assert_eq!(max_sensitivity(&map, [&array![[3.0, 4.0]], &array![[0.0, 8.0]], &array![[3.0, 3.0]]]), 1.0);
        assert_eq!(max_sensitivity(&map, []), 0.0);
        assert!(max_sensitivity(&(map.clone() * 0.0), [&map]).is_nan());
    }

    #[test]
    fn pictures_are_changed_by_a_share_of_their_range() {
        let normalization = Normalization::new(vec![0.5, 0.2], vec![0.25, 0.5]).unwrap();
        let info = ModelInfo { normalization: Some(normalization), ..ModelInfo::default() };
        let layers = Model::builder([20, 20, 2]).layer("gap", GlobalAvgPool).layer("fc", Linear::new(2));
        let model = layers.info(info).build(1).unwrap();
        let pass = Pass::new(&model, Tensor::full([20, 20, 2], 1.0)).unwrap();
        let found = shaken(&pass, 3, 0).unwrap();
        for (channel, most) in [0.02 / 0.25, 0.02 / 0.5].into_iter().enumerate() {
            let changes = found.as_slice().iter().skip(channel).step_by(2).map(|value| f64::from(value - 1.0));
            let (least, largest) =
                changes.fold((0.0, 0.0), |(least, most), change| (change.min(least), change.max(most)));
            // The largest of 400 uniform numbers is within 5 % of the end, but for once in a billion.
            assert!(largest <= most + 1e-6 && largest > 0.95 * most && least < -0.95 * most, "{least} {largest}");
        }
        assert_eq!(found, shaken(&pass, 3, 0).unwrap());
        assert!(found != shaken(&pass, 3, 1).unwrap() && found != shaken(&pass, 4, 0).unwrap());
    }
}
