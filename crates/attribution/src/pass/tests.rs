use super::*;
use crate::methods::{Family, Noise};
use crate::testing::{images, model};
use crate::verdict::{Arose, Verdict};
use crate::{Explainer, silent};
use std::ops::ControlFlow;

/// A pass and its parts can be used from several threads.
#[test]
fn what_threads_share_can_be_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<Pass<'_, f32>>();
    shared::<Explainer<'_, f64>>();
    shared::<Model<f32>>();
    shared::<Tape<f32>>();
    shared::<Target<f32>>();
    shared::<ExplainError>();
}

#[test]
fn predictions_come_likeliest_first_and_sum_to_one() {
    let model = model();
    let pass = Explainer::new(&model).observe(images(2)).unwrap();
    for image in 0..2 {
        let top = pass.top_of(image, 9);
        assert_eq!(top.len(), 3);
        assert!(top.windows(2).all(|pair| pair[0].probability >= pair[1].probability));
        assert!((top.iter().map(|p| p.probability).sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn a_weight_that_is_not_a_number_is_traced_to_its_layer() {
    let mut model = model();
    let mut weight = model.parameter("conv2.weight").unwrap().clone();
    weight.make_mut()[3] = f64::NAN;
    model.set_parameter("conv2.weight", weight).unwrap();
    let pass = Explainer::new(&model).observe(images(1)).unwrap();
    let verdict = Verdict::NonFinite { arose: Some(Arose::Output("conv2".into())) };
    assert_eq!(pass.grad_cam("sum", 0).unwrap()[0].verdict(), &verdict);
    assert_eq!(pass.gradient(0).unwrap()[0].verdict(), &verdict);
    assert_eq!(pass.guided_grad_cam("sum", 0).unwrap()[0].verdict(), &verdict);
    assert!(pass.grad_cam("sum", 0).unwrap()[0].display().iter().all(|v| v.is_finite()));
}

#[test]
fn a_gradient_that_overflows_is_traced_to_its_layer() {
    let mut model = model().cast::<f32>();
    // Scaled down, then up again: forward, the values stay in range; backward, both large factors multiply.
    for (name, factor) in [("conv1.weight", 1e-20), ("conv2.weight", 1e20), ("fc.weight", 1e25)] {
        let scaled = model.parameter(name).unwrap().clone().map(|w| w * factor);
        model.set_parameter(name, scaled).unwrap();
    }
    let pass = Explainer::new(&model).observe(images(1)).unwrap();
    assert!(pass.logits().as_slice().iter().all(|y| y.is_finite()));
    assert!(pass.grad_cam("sum", 0).unwrap()[0].verdict().is_evidence());
    let verdict = Verdict::NonFinite { arose: Some(Arose::Gradient("relu1".into())) };
    assert_eq!(pass.gradient(0).unwrap()[0].verdict(), &verdict);
}

#[test]
fn saturation_and_opposition_have_names() {
    let mut model = model();
    // Far above six, ReLU6 has gradient zero.
    model.set_parameter("conv2.bias", Tensor::full([4], 100.0)).unwrap();
    let pass = Explainer::new(&model).observe(images(1)).unwrap();
    assert_eq!(pass.grad_cam("relu1", 0).unwrap()[0].verdict(), &Verdict::ZeroGradient);
    assert!(matches!(pass.grad_cam("relu2", 0).unwrap()[0].verdict(), Verdict::Flat { .. }));
    assert_eq!(pass.gradient(0).unwrap()[0].verdict(), &Verdict::ZeroGradient);

    let mut model = crate::testing::model();
    model.set_parameter("fc.weight", Tensor::full([4, 3], -1.0)).unwrap();
    let pass = Explainer::new(&model).observe(images(1)).unwrap();
    let verdict = pass.cam(0).unwrap()[0].verdict().clone();
    assert!(matches!(verdict, Verdict::NonPositive { min } if min < 0.0));
    assert!(pass.cam(Target::from(0).negated()).unwrap()[0].verdict().is_evidence(), "the counterfactual shows it");
    assert!(!pass.guided_grad_cam("relu2", 0).unwrap()[0].verdict().is_evidence());
}

#[test]
fn wrong_layers_and_images_are_named() {
    let model = model();
    let pass = Explainer::new(&model).observe(images(1)).unwrap();
    let message = |layer: LayerRef<'_>| pass.grad_cam(layer, 0).unwrap_err().to_string();
    assert!(message("rely1".into()).contains("did you mean `relu1`?"));
    assert!(message(99.into()).contains("the layers are conv1"));
    assert!(message("fc".into()).contains("has no positions ([3] for each image); layers that have: conv1, relu1"));
    assert_eq!(pass.layer(LayerRef::Last).unwrap(), model.layer_index("pool").unwrap());
    assert!(matches!(Explainer::new(&model).observe(images(0)), Err(ExplainError::NoImages)));
    assert!(Explainer::new(&model).observe(Tensor::zeros([3, 3, 1])).is_err());
    let none: [&str; 0] = [];
    assert!(matches!(pass.mean_over_layers(crate::methods::Family::GradCam, none, 0), Err(ExplainError::NoLayers)));
}

#[test]
#[should_panic(expected = "2 images were observed")]
fn a_single_map_of_a_batch_is_refused() {
    let model = model();
    let _ = Explainer::new(&model).observe(images(2)).unwrap().cam(0).unwrap().single();
}

#[test]
fn long_methods_report_and_stop() {
    let model = model();
    let pass = Explainer::new(&model).observe(images(2)).unwrap();
    let noise = Noise { samples: 20, ..Noise::default() };
    let mut seen = Vec::new();
    pass.smooth_grad(0, noise, |progress| {
        seen.push((progress.done, progress.total));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(seen, [(16, 40), (20, 40), (36, 40), (40, 40)]);
    let stopped =
        pass.smooth_grad(0, noise, |p| if p.done > 16 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
    assert!(matches!(stopped, Err(ExplainError::Cancelled { done: 20, total: 40 })));
    assert!(pass.smooth_grad(0, Noise { samples: 0, ..noise }, silent).is_err());
}

/// The convolutions' weights are replaced by NaN after the forward pass: a method that still gives the right map didn't run
/// them again.
#[test]
fn one_forward_and_one_backward_pass_a_class_give_six_methods_at_all_layers() {
    let model = model();
    let mut broken = model.clone();
    for weight in ["conv1.weight", "conv2.weight"] {
        let nothing = model.parameter(weight).unwrap().clone().map(|_| f64::NAN);
        broken.set_parameter(weight, nothing).unwrap();
    }
    let explainer = Explainer::new(&model);
    let [expected, mut pass] = [(), ()].map(|()| explainer.observe(images(2)).unwrap());
    pass.model = &broken;
    for class in 0..model.classes() {
        for layer in pass.spatial_layers() {
            for family in Family::ALL {
                let found = pass.class_activation(family, layer, class).unwrap();
                assert_eq!(found, expected.class_activation(family, layer, class).unwrap());
            }
        }
        assert_eq!(pass.cam(class).unwrap(), expected.cam(class).unwrap());
        assert_eq!(pass.backward_passes(), class + 1);
    }
    let run_again = pass.score_cam("pool", 0, silent).unwrap();
    assert!(matches!(run_again[0].verdict(), Verdict::NonFinite { .. }), "a second forward pass would show");
}
