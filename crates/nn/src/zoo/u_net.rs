//! A small U-Net.

use super::conv_bn_relu;
use crate::layers::{Concat, Conv2d, Interpolation, MaxPool, Resize};
use crate::model::{Model, ModelBuilder};

/// Number of channels of each resolution, the finest first.
const CHANNELS: [usize; 3] = [16, 32, 64];

/// A U-Net for maps (Ronneberger, Fischer, Brox, *U-Net*, 2015, narrower and with fewer resolutions, for small pictures): images
/// `[H, W, C]` → scores of `classes` classes for each pixel, `[H, W, classes]`.
///
/// Each resolution has two 3×3 convolutions with batch normalisation and ReLU on the way down, halved by max pooling in
/// between, and two on the way up. There, the coarser features are enlarged (bilinearly, rather than by transposed
/// convolutions, which leave checkerboards: Odena, Dumoulin, Olah, *Deconvolution and checkerboard artifacts*, 2016) and
/// joined with those of the way down. Any height and width of at least 4 will do.
#[must_use]
pub fn u_net(input: [usize; 3], classes: usize) -> ModelBuilder {
    let mut builder = Model::builder(input);
    let mut sizes = vec![[input[0], input[1]]];
    for (level, channels) in (1..).zip(CHANNELS) {
        builder = twice(builder, &format!("down{level}"), channels);
        if level < CHANNELS.len() {
            builder = builder.layer(format!("pool{level}"), MaxPool::new(2));
            sizes.push(sizes[level - 1].map(|side| side / 2));
        }
    }
    for level in (1..CHANNELS.len()).rev() {
        let at = |part: &str| format!("up{level}.{part}");
        let interpolation = Interpolation::Bilinear { align_corners: false };
        builder = builder.layer(at("resize"), Resize { size: sizes[level - 1], interpolation }).layer_from(
            at("concat"),
            Concat::default(),
            &[&at("resize"), &format!("down{level}.conv2.relu")],
        );
        builder = twice(builder, &format!("up{level}"), CHANNELS[level - 1]);
    }
    builder.layer("scores", Conv2d::new(classes, 1))
}

/// Adds two convolutions, each with batch normalisation and ReLU.
fn twice(builder: ModelBuilder, name: &str, channels: usize) -> ModelBuilder {
    let builder = conv_bn_relu(builder, &format!("{name}.conv1"), Conv2d::new(channels, 3));
    conv_bn_relu(builder, &format!("{name}.conv2"), Conv2d::new(channels, 3))
}

#[cfg(test)]
mod tests {
    use tensor::{Tape, Tensor};

    use super::*;
    use crate::layers::Mode;
    use crate::losses::cross_entropy;
    use crate::optim::Adam;
    use crate::train::StepGradients;

    #[test]
    fn every_size_gives_a_map_of_it() {
        for input in [[32, 32, 3], [31, 45, 1], [4, 5, 1]] {
            let model = u_net(input, 3).build(1).unwrap();
            assert_eq!(model.output_shape(), [input[0], input[1], 3]);
            let images = Tensor::zeros([2, input[0], input[1], input[2]]);
            let forward = model.forward(&Tape::new(), images, Mode::Evaluation).unwrap();
            assert_eq!(forward.logits.shape()[..], [2, input[0], input[1], 3]);
        }
        assert!(u_net([3, 32, 3], 3).build(1).is_err());
    }

    /// The bright pixels of two images.
    #[test]
    fn a_few_steps_of_training_lower_the_loss() {
        let images = Tensor::from_fn([2, 8, 8, 1], |i| (i * 37 % 11) as f32 / 5.0 - 1.0);
        let targets: Vec<usize> = images.as_slice().iter().map(|&x| usize::from(x > 0.2)).collect();
        let mut model = u_net([8, 8, 1], 2).build(3).unwrap();
        let mut adam = Adam::new(3e-3);
        let mut step = |seed| {
            let loss = |scores: &tensor::Var<f32>| cross_entropy(scores, &targets, 0.0);
            let gradients = StepGradients::compute(&model, images.clone(), seed, loss).unwrap();
            gradients.apply(&mut model, &mut adam);
            gradients.loss
        };
        let losses: Vec<f32> = (0..20).map(&mut step).collect();
        assert!(losses[19] < losses[0] / 2.0, "{losses:?}");
    }
}
