//! What legends and cards say, computed.

use attribution::methods::{
    GradCam, Gradient, GuidedBackprop, InputXGradient, IntegratedGradients, Occlusion, SmoothGrad, VarGrad, XGradCam,
    all, grad_cam, xgrad_cam,
};
use attribution::question::{About, LooksAt};
use attribution::{Baseline, Map, Method, Pass, Quantity};
use ndarray::Array3;
use nn::Model;
use nn::layers::{Conv2d, GlobalAvgPool, Linear, MaxPool, Relu};
use tensor::Tensor;

const INPUT: [usize; 3] = [10, 9, 3];

fn model() -> Model<f64> {
    Model::builder(INPUT)
        .layer("conv1", Conv2d::new(6, 3))
        .layer("relu1", Relu)
        .layer("pool", MaxPool::new(2))
        .layer("conv2", Conv2d::new(8, 3))
        .layer("relu2", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(3))
        .build(4)
        .unwrap()
        .cast()
}

fn image() -> Tensor<f64> {
    Tensor::from_fn(INPUT, |i| (i as f64 * 12.9898).sin() * (i as f64 * 0.7548).cos())
}

fn score(model: &Model<f64>, image: &Tensor<f64>) -> f64 {
    model.predict(image.reshape([1, INPUT[0], INPUT[1], INPUT[2]])).unwrap().as_slice()[1]
}

fn explain(method: &dyn Method<f64>) -> Map<f64> {
    let model = model();
    let pass = Pass::new(&model, image()).unwrap();
    pass.why(1).explain(method).unwrap()
}

/// The rise of the score if one value of the image rises by a little.
fn rise(model: &Model<f64>, index: usize) -> f64 {
    const STEP: f64 = 1e-6;
    let mut brighter = image();
    brighter.make_mut()[index] += STEP;
    (score(model, &brighter) - score(model, &image())) / STEP
}

/// "Darker would raise the score – brighter would."
#[test]
fn the_sign_of_a_gradient_is_the_direction_that_raises_the_score() {
    let (model, map) = (model(), explain(&Gradient));
    assert_eq!(map.quantity().ends()[1], "brighter would");
    let values: Vec<f64> = map.raw().iter().copied().collect();
    for (index, &value) in values.iter().enumerate().filter(|(_, value)| value.abs() > 1e-4) {
        assert_eq!(rise(&model, index) > 0.0, value > 0.0, "{index}");
    }
    // It speaks neither for nor against the class: most of it doesn't have the sign of what the pixel contributes.
    let contribution = explain(&InputXGradient);
    let agree = map.raw().iter().zip(contribution.raw()).filter(|(a, b)| (**a > 0.0) == (**b > 0.0)).count();
    assert!(agree < values.len() * 3 / 4, "{agree} of {}", values.len());
}

/// "It doesn't tell how the score would truly change."
#[test]
fn the_sign_of_guided_backpropagation_is_often_not_that_direction() {
    let model = model();
    let map = explain(&GuidedBackprop);
    let about = Method::<f64>::about(&GuidedBackprop);
    assert!(about.does_not_tell.contains("how the score would truly change"));
    let is_wrong = |(i, v): &(usize, &f64)| v.abs() > 1e-4 && (rise(&model, *i) > 0.0) != (**v > 0.0);
    assert!(map.raw().iter().enumerate().filter(is_wrong).count() > 20);
}

/// "Against – for": a pixel's occlusion is how far the score falls without it.
#[test]
fn a_positive_occlusion_speaks_for_the_class() {
    let (model, whole) = (model(), image());
    let map = explain(&Occlusion { window: Some([1, 1]), stride: None, baseline: Baseline::Mean });
    assert_eq!((map.quantity(), map.quantity().ends()), (Quantity::Contribution, ["against", "for"]));
    for ((y, x, _), &fall) in map.raw().indexed_iter() {
        let mut covered = whole.clone();
        covered.make_mut()[(y * INPUT[1] + x) * 3..][..3].fill(0.0);
        let expected = score(&model, &whole) - score(&model, &covered);
        assert!((fall - expected).abs() < 1e-12);
    }
}

/// "Up to the error of the quadrature", not exactly.
#[test]
fn integrated_gradients_add_up_only_as_far_as_their_points_reach() {
    let model = model();
    let pass = Pass::new(&model, image()).unwrap();
    let error = |steps| {
        let method = IntegratedGradients { steps, baseline: Baseline::Value(0.3) };
        method.with_completeness(&pass.why(1)).unwrap()[0].1.error().abs()
    };
    assert!(error(5) > 1e-6 && error(500) < error(5), "{} and {}", error(5), error(500));
    let about = Method::<f64>::about(&IntegratedGradients::default()).tells;
    assert!(about.contains("up to the error of the quadrature"));
}

/// XGrad-CAM's card: it says no more than Grad-CAM where a channel's gradient is the same at every position. A network of
/// ReLUs without biases is not enough.
#[test]
fn xgrad_cam_agrees_with_grad_cam_where_the_gradient_is_uniform() {
    let close = |a: &ndarray::Array2<f64>, b: &ndarray::Array2<f64>| (a - b).iter().all(|d| d.abs() < 1e-6);
    let (x, g) = (explain(&XGradCam).per_cell(), explain(&GradCam).per_cell());
    assert!(close(&x, &g), "after global average pooling");
    // One channel, f = (1, 2), S = f₁ + 3 f₂: the weights are 7/3 and 2.
    let features = Array3::from_shape_vec((1, 2, 1), vec![1.0, 2.0]).unwrap();
    let gradients = Array3::from_shape_vec((1, 2, 1), vec![1.0, 3.0]).unwrap();
    assert!(close(&xgrad_cam(features.view(), gradients.view()), &ndarray::array![[7.0 / 3.0, 14.0 / 3.0]]));
    assert!(close(&grad_cam(features.view(), gradients.view()), &ndarray::array![[2.0, 4.0]]));
}

/// A map of magnitudes has no negative value; an overlay of evidence shows only positive ones.
#[test]
fn magnitudes_have_no_sign() {
    let is_magnitude = |about: &About| about.quantity == Quantity::Magnitude && about.looks_at != LooksAt::Attention;
    for method in all::<f64>().iter().filter(|method| is_magnitude(method.about())) {
        assert!(explain(&**method).raw().iter().all(|&v| v >= 0.0), "{method:?}");
    }
    assert!(explain(&VarGrad(SmoothGrad { samples: 5, ..SmoothGrad::default() })).raw().iter().any(|&v| v > 0.0));
}
