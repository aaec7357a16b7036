use super::*;
use crate::map::{Origin, Verdict};
use crate::methods::{
    Cam, GradCam, GradCamPlusPlus, Gradient, GuidedGradCam, HiResCam, LayerCam, Occlusion, ScoreCam, SmoothGrad,
    XGradCam,
};
use crate::progress::Progress;
use crate::testing::{images, model};
use crate::{Baseline, LayerRef, Method, Target};
use nn::layers::{Conv2d, GlobalAvgPool, Linear};
use std::cell::RefCell;
use std::ops::ControlFlow;

/// A pass and its parts can be used from several threads.
#[test]
fn what_threads_share_can_be_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<Pass<'_, f32>>();
    shared::<Box<dyn Method<f64>>>();
    shared::<Model<f32>>();
    shared::<Tape<f32>>();
    shared::<Target<f32>>();
    shared::<ExplainError>();
}

#[test]
fn predictions_come_likeliest_first_and_sum_to_one() {
    let model = model();
    let pass = Pass::new(&model, images(2)).unwrap();
    for image in 0..2 {
        let top = pass.top_of(image, 9);
        assert_eq!(top.len(), 3);
        assert!(top.windows(2).all(|pair| pair[0].value >= pair[1].value));
        assert!((top.iter().map(|p| p.value).sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn a_weight_that_is_not_a_number_is_traced_to_its_layer() {
    let mut model = model();
    let mut weight = model.parameter("conv2.weight").unwrap().clone();
    weight.make_mut()[3] = f64::NAN;
    model.set_parameter("conv2.weight", weight).unwrap();
    let pass = Pass::new(&model, images(1)).unwrap();
    let verdict = Verdict::NonFinite { origin: Some(Origin::Output("conv2".into())) };
    assert_eq!(pass.why(0).at("sum").explain_each(&GradCam).unwrap()[0].verdict(), &verdict);
    assert_eq!(pass.why(0).explain_each(&Gradient).unwrap()[0].verdict(), &verdict);
    assert_eq!(pass.why(0).at("sum").explain_each(&GuidedGradCam).unwrap()[0].verdict(), &verdict);
    assert!(pass.why(0).at("sum").explain(&GradCam).unwrap().over_input().iter().all(|v| v.is_finite()));
}

#[test]
fn a_gradient_that_overflows_is_traced_to_its_layer() {
    let mut model = model().cast::<f32>();
    // The weights scale down, then up. On the forward pass the values stay in range; on the backward pass both large
    // factors multiply.
    for (name, factor) in [("conv1.weight", 1e-20), ("conv2.weight", 1e20), ("fc.weight", 1e25)] {
        let scaled = model.parameter(name).unwrap().clone().map(|w| w * factor);
        model.set_parameter(name, scaled).unwrap();
    }
    let pass = Pass::new(&model, images(1)).unwrap();
    assert!(pass.logits().as_slice().iter().all(|y| y.is_finite()));
    assert!(pass.why(0).at("sum").explain_each(&GradCam).unwrap()[0].verdict().is_evidence());
    let verdict = Verdict::NonFinite { origin: Some(Origin::Gradient("relu1".into())) };
    assert_eq!(pass.why(0).explain_each(&Gradient).unwrap()[0].verdict(), &verdict);
}

#[test]
fn saturation_and_opposition_have_names() {
    let mut model = model();
    // Far above six, ReLU6 has gradient zero.
    model.set_parameter("conv2.bias", Tensor::full([4], 100.0)).unwrap();
    let pass = Pass::new(&model, images(1)).unwrap();
    assert_eq!(pass.why(0).at("relu1").explain_each(&GradCam).unwrap()[0].verdict(), &Verdict::ZeroGradient);
    assert!(matches!(pass.why(0).at("relu2").explain_each(&GradCam).unwrap()[0].verdict(), Verdict::Flat { .. }));
    assert_eq!(pass.why(0).explain_each(&Gradient).unwrap()[0].verdict(), &Verdict::ZeroGradient);

    let mut model = crate::testing::model();
    model.set_parameter("fc.weight", Tensor::full([4, 3], -1.0)).unwrap();
    let pass = Pass::new(&model, images(1)).unwrap();
    let verdict = pass.why(0).explain_each(&Cam).unwrap()[0].verdict().clone();
    assert!(matches!(verdict, Verdict::NonPositive { min } if min < 0.0));
    assert!(
        pass.why(Target::from(0).negated()).explain_each(&Cam).unwrap()[0].verdict().is_evidence(),
        "the counterfactual shows it"
    );
    assert!(!pass.why(0).at("relu2").explain_each(&GuidedGradCam).unwrap()[0].verdict().is_evidence());
}

#[test]
fn wrong_layers_and_images_are_named() {
    let model = model();
    let pass = Pass::new(&model, images(1)).unwrap();
    let message = |layer: LayerRef<'_>| pass.why(0).at(layer).explain_each(&GradCam).unwrap_err().to_string();
    assert!(message("rely1".into()).contains("did you mean `relu1`?"));
    assert!(message(99.into()).contains("the layers are conv1"));
    assert!(
        message("fc".into()).contains("has no positions ([3] for each image); layers with positions: conv1, relu1")
    );
    assert_eq!(pass.layer(LayerRef::Last).unwrap(), model.layer_index("pool").unwrap());
    assert!(matches!(Pass::new(&model, images(0)), Err(ExplainError::NoImages)));
    assert!(Pass::new(&model, Tensor::zeros([3, 3, 1])).is_err());
    let none: [&str; 0] = [];
    assert!(matches!(pass.why(0).at_each(none).explain(&GradCam), Err(ExplainError::NoLayers)));
}

#[test]
fn one_map_of_a_batch_is_refused() {
    let model = model();
    let pass = Pass::new(&model, images(2)).unwrap();
    assert!(matches!(pass.why(0).explain(&Cam), Err(ExplainError::SeveralImages { images: 2 })));
}

#[test]
fn long_methods_report_and_stop() {
    let model = model();
    let pass = Pass::new(&model, images(2)).unwrap();
    let noise = SmoothGrad { samples: 20, ..SmoothGrad::default() };
    let seen = RefCell::new(Vec::new());
    let watch = |progress: Progress| {
        seen.borrow_mut().push((progress.done, progress.total));
        ControlFlow::Continue(())
    };
    pass.why(0).watched(&watch).explain_each(&noise).unwrap();
    assert_eq!(*seen.borrow(), [(16, 40), (20, 40), (36, 40), (40, 40)]);
    let stop = |p: Progress| if p.done > 16 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let stopped = pass.why(0).watched(&stop).explain_each(&noise);
    assert!(matches!(stopped, Err(ExplainError::Cancelled { done: 20, total: 40 })));
    assert!(pass.why(0).explain_each(&SmoothGrad { samples: 0, ..noise }).is_err());
}

/// If it is covered with huge values, the network overflows, although it doesn't for the image itself.
#[test]
fn a_variant_that_overflows_is_blamed() {
    let model = Model::builder([9, 8, 2]).layer("conv", Conv2d::new(3, 3)).layer("gap", GlobalAvgPool);
    let model = model.layer("fc", Linear::new(3)).build(1).unwrap();
    let pass = Pass::new(&model, images(1)).unwrap();
    let wild = Occlusion { baseline: Baseline::Value(3e38), ..Occlusion::square(3) };
    let verdict = pass.why(0).explain(&wild).unwrap().verdict().clone();
    assert_eq!(verdict, Verdict::NonFinite { origin: Some(Origin::Variant) });
}

/// The convolutions' weights are replaced by NaN after the forward pass. A method that still gives the right map didn't
/// run them again.
#[test]
fn one_forward_and_one_backward_pass_a_class_give_six_methods_at_all_layers() {
    let model = model();
    let mut broken = model.clone();
    for weight in ["conv1.weight", "conv2.weight"] {
        let nothing = model.parameter(weight).unwrap().clone().map(|_| f64::NAN);
        broken.set_parameter(weight, nothing).unwrap();
    }
    let [expected, mut pass] = [(), ()].map(|()| Pass::new(&model, images(2)).unwrap());
    let family: [&dyn Method<f64>; 5] = [&GradCam, &GradCamPlusPlus, &HiResCam, &LayerCam, &XGradCam];
    pass.model = &broken;
    for class in 0..model.classes() {
        for layer in pass.spatial_layers() {
            for method in family {
                let found = pass.why(class).at(layer).explain_each(method).unwrap();
                assert_eq!(found, expected.why(class).at(layer).explain_each(method).unwrap());
            }
        }
        assert_eq!(pass.why(class).explain_each(&Cam).unwrap(), expected.why(class).explain_each(&Cam).unwrap());
        assert_eq!(pass.cached_backward_passes(), class + 1);
    }
    let run_again = pass.why(0).at("pool").explain_each(&ScoreCam).unwrap();
    assert!(matches!(run_again[0].verdict(), Verdict::NonFinite { .. }), "a second forward pass would be noticed");
}
