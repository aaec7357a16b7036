//! Full gradients.

use nn::layers::{
    BatchNorm, Clip, Conv2d, ConvTranspose2d, Elu, Erf, Gelu, GlobalAvgPool, HardSigmoid, Interpolation, Linear, PRelu,
    Power, Resize, Scale, Shift, Softplus,
};
use nn::{Convolution, Model, TransposedConvolution};
use tensor::Tensor;

use crate::Pass;
use crate::testing::wave;

/// Perturbs every bias at one position at a time. The derivative of the score there, times the bias, is the bias
/// gradient.
#[test]
fn full_gradients_are_derivatives_by_each_bias_in_each_place() {
    let model = Model::builder([5, 4, 2])
        .layer("conv", Conv2d::new(2, 3))
        .layer("bn", BatchNorm::new())
        .layer("relu", Clip { min: 0.0, max: 0.5 })
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(2));
    let mut model = model.build(2).unwrap().cast::<f64>();
    let values = [("conv.bias", [0.3, -0.2]), ("bn.weight", [1.3, -0.7]), ("bn.bias", [0.1, 0.4])];
    for (name, value) in values.into_iter().chain([("bn.running_mean", [0.2, -0.1]), ("fc.bias", [0.5, -0.6])]) {
        model.set_parameter(name, Tensor::new([2], value.to_vec())).unwrap();
    }
    let x = wave::<f64>([1, 5, 4, 2], 4.0);
    let value = |name: &str| model.parameter(name).unwrap().as_slice().to_vec();
    let factor: Vec<f64> = value("bn.weight").iter().map(|gamma| gamma / (1.0 + 1e-5_f64).sqrt()).collect();
    // Computes everything after the first convolution by hand, with something added at one position of its output or of
    // batch norm's.
    let convolved = Pass::new(&model, &x).unwrap().forward().activation(0).value().clone();
    let score = |moved: [Option<usize>; 2], h: f64| {
        let at = |place: Option<usize>, i: usize| if place == Some(i) { h } else { 0.0 };
        let (mean, beta) = (value("bn.running_mean"), value("bn.bias"));
        let pooled = (0..2).map(|c| {
            let y = (c..40).step_by(2).map(|i| {
                let y = convolved.as_slice()[i] + at(moved[0], i);
                ((y - mean[c]) * factor[c] + beta[c] + at(moved[1], i)).clamp(0.0, 0.5)
            });
            y.sum::<f64>() / 20.0
        });
        pooled.zip(value("fc.weight").chunks(2)).map(|(f, w)| f * w[1]).sum::<f64>() + value("fc.bias")[1]
    };
    let slope = |moved: [Option<usize>; 2]| (score(moved, 1e-6) - score(moved, -1e-6)) / 2e-6;
    let pass = Pass::new(&model, &x).unwrap();
    let full = pass.full_gradient(1).unwrap();
    let layers: Vec<&str> = full.biases.iter().map(|bias| bias.layer.as_str()).collect();
    assert_eq!(layers, ["conv", "bn", "relu", "fc"]);
    let [conv, bn, relu, fc] = &full.biases[..] else { panic!() };
    let normalised = pass.forward().activation(1).value();
    for i in 0..40 {
        let c = i % 2;
        let near = |found: &Tensor<f64>, expected: f64| assert!((found.as_slice()[i] - expected).abs() < 1e-8, "{i}");
        near(&conv.values, value("conv.bias")[c] * slope([Some(i), None]));
        near(&bn.values, (value("bn.bias")[c] - factor[c] * value("bn.running_mean")[c]) * slope([None, Some(i)]));
        let saturated = normalised.as_slice()[i] > 0.5;
        near(&relu.values, if saturated { 0.5 * value("fc.weight")[c * 2 + 1] / 20.0 } else { 0.0 });
    }
    assert_eq!(fc.values.as_slice(), [0.0, -0.6]);
    assert!((full.totals()[0] - pass.scores(1).unwrap()[0]).abs() < 1e-14);
}

#[test]
fn full_gradients_add_up_through_activations_and_enlargements() {
    let transposed = TransposedConvolution::from(Convolution::default().stride(2));
    let size = [7, 9];
    let model = Model::builder([4, 5, 2])
        .layer("conv", Conv2d::new(4, 3))
        .layer("elu", Elu { alpha: 0.7 })
        .layer("up", ConvTranspose2d { out_channels: 3, kernel: [3, 2], transposed, bias: true })
        .layer("gelu", Gelu { tanh: false })
        .layer("resize", Resize { size, interpolation: Interpolation::Bicubic { align_corners: false } })
        .layer("prelu", PRelu)
        .layer("erf", Erf)
        .layer("softplus", Softplus)
        .layer("squares", Power { exponent: 2.0 })
        .layer("scale", Scale { shape: vec![3] })
        .layer("shift", Shift { shape: vec![7, 1, 1] })
        .layer("hard", HardSigmoid { slope: 0.2, offset: 0.5 })
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(2));
    let mut model = model.build(3).unwrap().cast::<f64>();
    model.set_parameter("up.bias", wave([3], 0.4)).unwrap();
    model.set_parameter("scale.weight", wave([3], 0.6)).unwrap();
    model.set_parameter("shift.bias", wave([7, 1, 1], 0.5)).unwrap();
    let pass = Pass::new(&model, wave([1, 4, 5, 2], 0.9)).unwrap();
    let full = pass.full_gradient(1).unwrap();
    let layers: Vec<&str> = full.biases.iter().map(|bias| bias.layer.as_str()).collect();
    assert_eq!(layers, ["conv", "elu", "up", "gelu", "erf", "softplus", "squares", "shift", "hard", "fc"]);
    approx::assert_abs_diff_eq!(full.totals()[0], pass.scores(1).unwrap()[0], epsilon = 1e-13);
    // After the picture is enlarged, a layer's cells no longer correspond to pixels.
    assert!(pass.cells("elu").unwrap().is_some() && pass.cells("up").unwrap().is_none());
}
