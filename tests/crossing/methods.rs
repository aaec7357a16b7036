//! Methods against their original libraries (`tests/reference/methods`), in double precision.

use attribution::methods::{
    Augmented, ConceptRelevance, Concepts, DeepLift, FinerCam, Lrp, Preset, RefineCam, Shapley, expected_gradients,
};
use attribution::rules::{AlphaBeta, Composite, Epsilon, Gamma, Layers, WSquare, ZBox};
use attribution::{Baseline, Map, Pass};
use nn::Model;
use tensor::Tensor;

use crate::support::{Stored, network, reference, relative_error};

/// The largest error allowed, relative to the largest value.
pub(crate) const DIGITS: f64 = 1e-8;
/// A class for each image.
pub(crate) const CLASSES: [usize; 2] = [1, 3];

/// Calls `check` with each network's pass over the stored images.
pub(crate) fn each(check: impl Fn(&str, &Pass<'_, f64>, &Stored)) {
    for name in ["gapnet", "flatnet", "resnet"] {
        let model = match name {
            "resnet" => Model::load_onnx(reference("methods/resnet.onnx")).unwrap(),
            name => network(name),
        };
        let (model, stored) = (model.cast(), Stored::open(&format!("methods/{name}.safetensors")));
        let pass = Pass::new(&model, stored.array("images")).unwrap();
        assert!(relative_error(pass.logits(), &stored.array("scores")) <= DIGITS, "{name}");
        check(name, &pass, &stored);
    }
}

/// Checks the maps of two images against the stored array `what`.
fn near(name: &str, what: &str, maps: &[Map<f64>], stored: &Stored) {
    near_values(name, what, values(maps), stored);
}

fn values(maps: &[Map<f64>]) -> Vec<f64> {
    maps.iter().flat_map(|map| map.raw().iter().copied().collect::<Vec<_>>()).collect()
}

/// Checks values against the stored array `what`.
fn near_values(name: &str, what: &str, values: Vec<f64>, stored: &Stored) {
    within(name, what, values, stored, DIGITS);
}

/// Checks values against the stored array `what`, with an error relative to the largest value.
fn within(name: &str, what: &str, values: Vec<f64>, stored: &Stored, limit: f64) {
    let expected = stored.array(what);
    let error = relative_error(&Tensor::new(*expected.shape(), values), &expected);
    println!("{name:8} {what:24} {error:8.1e}");
    assert!(error <= limit, "{name}, {what}: {error:e}");
}

/// An early and a later layer: their names in the model.
fn layers(name: &str) -> [&'static str; 2] {
    match name {
        "gapnet" => ["relu1", "relu3"],
        "flatnet" => ["relu1", "relu2"],
        _ => ["/2/Relu", "/5/relu2/Relu"],
    }
}

#[test]
fn deep_lift_is_captum_s() {
    each(|name, pass, stored| {
        let method = DeepLift { baseline: Baseline::Value(0.25) };
        near(name, "deep_lift", &pass.why(CLASSES.to_vec()).explain_each(&method).unwrap(), stored);
    });
}

#[test]
fn expected_gradients_are_captum_s_gradient_shap_with_its_draws() {
    each(|name, pass, stored| {
        let (baselines, which) = (stored.array("gradient_shap.baselines"), stored.integers("gradient_shap.which"));
        let points = stored.array("gradient_shap.where");
        let draw = |k: usize, image: &[f64], baseline: &mut [f64]| {
            baseline.copy_from_slice(&baselines.as_slice()[which[k] * image.len()..][..image.len()]);
            points.as_slice()[k]
        };
        let found = expected_gradients(&pass.why(CLASSES.to_vec()), which.len(), draw).unwrap();
        let maps: Vec<_> = found.into_iter().map(|(map, _)| map).collect();
        near(name, "gradient_shap", &maps, stored);
    });
}

#[test]
fn composites_of_relevance_are_zennit_s() {
    each(|name, pass, stored| {
        let near = |what: &str, composite: Composite<f64>| {
            let maps = pass.why(CLASSES.to_vec()).explain_each(&composite).unwrap();
            near(name, &format!("lrp.{what}"), &maps, stored);
        };
        for (what, preset) in [
            ("epsilon", Preset::Epsilon),
            ("epsilon_plus", Preset::EpsilonPlus),
            ("epsilon_plus_flat", Preset::EpsilonPlusFlat),
            ("epsilon_alpha2_beta1", Preset::EpsilonAlpha2Beta1),
            ("epsilon_alpha2_beta1_flat", Preset::EpsilonAlpha2Beta1Flat),
        ] {
            near(what, preset.composite(pass.model()));
        }
        // The bounds of the stored maps aren't those of pictures.
        let channels = pass.model().input_shape()[2];
        let z_box = ZBox { low: vec![-3.5; channels], high: vec![3.25; channels] };
        let gamma = Composite::everywhere(Epsilon::default()).with(Layers::Convolutions, Gamma::default());
        near("epsilon_gamma_box", gamma.with(Layers::First, z_box));
        let plus = Composite::everywhere(Epsilon::default()).with(Layers::Convolutions, AlphaBeta::Z_PLUS);
        near("epsilon_plus_w_square", plus.with(Layers::First, WSquare));
    });
}

/// Gates, gated activations and layer norms, in networks of torchvision's classes.
#[test]
fn relevance_passes_mobilenet_v3_efficientnet_and_convnext() {
    for name in ["mobilenet", "efficientnet", "convnext"] {
        let model = Model::load_onnx(reference(&format!("methods/{name}.onnx"))).unwrap().cast::<f64>();
        let stored = Stored::open(&format!("methods/{name}.safetensors"));
        let pass = Pass::new(&model, stored.array("images")).unwrap();
        assert!(relative_error(pass.logits(), &stored.array("scores")) <= DIGITS, "{name}");
        let lrp = Lrp { preset: Preset::Epsilon };
        near(name, "lrp.epsilon", &pass.why(CLASSES.to_vec()).explain_each(&lrp).unwrap(), &stored);
        let certificates = pass.certify(CLASSES.to_vec()).unwrap();
        let relevance: Vec<_> = certificates.iter().filter(|found| found.identity.contains("LRP")).collect();
        assert_eq!(relevance.len(), 2);
        assert!(relevance.iter().all(|found| found.holds() == Some(true)), "{name}: {relevance:?}");
        for preset in [Preset::EpsilonPlusFlat, Preset::EpsilonGammaBox, Preset::EpsilonAlpha2Beta1Flat] {
            let maps = pass.why(1).explain_each(&Lrp { preset }).unwrap();
            assert!(maps.iter().all(|map| map.verdict().is_evidence()), "{name}, {preset:?}");
        }
    }
}

#[test]
fn concept_relevance_is_zennit_crp_s() {
    each(|name, pass, stored| {
        let layer = match name {
            "gapnet" => "relu2",
            "flatnet" => "relu1",
            _ => "/4/relu2/Relu",
        };
        let maps = stored.integers("crp.channels").into_iter().enumerate().map(|(image, channel)| {
            let method = ConceptRelevance { channel: Some(channel), preset: Preset::EpsilonPlusFlat };
            pass.why(CLASSES.to_vec()).at(layer).explain_each(&method).unwrap().swap_remove(image)
        });
        near(name, "crp", &maps.collect::<Vec<_>>(), stored);
    });
}

#[test]
fn finer_and_refined_maps_are_those_of_pytorch_grad_cam() {
    each(|name, pass, stored| {
        let [early, late] = layers(name);
        let question = || pass.why(CLASSES.to_vec());
        let finer = |layer, alpha, classes| question().at(layer).explain_each(&FinerCam { alpha, classes }).unwrap();
        near(name, "finer_cam", &finer(late, 1.0, 3), stored);
        near(name, "finer_cam.early", &finer(early, 0.6, 2), stored);
        // The program scales the product once more.
        let scaled = |mut values: Vec<f64>| {
            let least = values.iter().copied().fold(f64::MAX, f64::min);
            let most = values.iter().copied().fold(f64::MIN, f64::max);
            values.iter_mut().for_each(|v| *v = (*v - least) / (most - least));
            values
        };
        let refined = question().at_each([early, late]).explain_each(&RefineCam).unwrap();
        let values = refined.iter().flat_map(|map| scaled(map.raw().iter().copied().collect())).collect();
        near_values(name, "refine_cam", values, stored);
    });
}

/// At a layer with a cell for each pixel; flatnet has none, since its convolutions aren't padded.
#[test]
fn augmented_maps_are_the_mean_over_the_copies_of_pytorch_grad_cam() {
    each(|name, pass, stored| {
        if name != "flatnet" {
            let method = Augmented::default();
            let maps = pass.why(CLASSES.to_vec()).at(layers(name)[0]).explain_each(&method).unwrap();
            near(name, "augmented", &maps, stored);
        }
    });
}

/// From the same first guess; the program and scikit-learn stop where we do.
#[test]
fn factors_of_features_are_those_of_pytorch_grad_cam() {
    each(|name, _, stored| {
        let array = |what: &str| stored.array(&format!("dff.{what}")).to_array();
        let maps = array("first.maps").into_dimensionality().unwrap();
        let first = Concepts { maps, features: array("first.features").into_dimensionality().unwrap() };
        let features = array("features").into_dimensionality::<ndarray::Ix3>().unwrap();
        let found = first.fitted(features.view());
        near_values(name, "dff.maps", found.maps.iter().copied().collect(), stored);
        near_values(name, "dff.concepts", found.features.iter().copied().collect(), stored);
    });
}

#[test]
fn shapley_values_are_captum_s() {
    each(|name, pass, stored| {
        let method = Shapley { grid: [2, 2], baseline: Baseline::Value(0.25), ..Shapley::default() };
        let maps = pass.why(CLASSES.to_vec()).explain_each(&method).unwrap();
        // captum adds the values up in single precision, whatever the network's.
        within(name, "shapley", values(&maps), stored, 2.0 * f64::from(f32::EPSILON));
    });
}
