//! Methods against their original libraries (`tests/reference/methods`), in double precision.

use attribution::methods::{DeepLift, Lrp, Preset, expected_gradients};
use attribution::rules::{AlphaBeta, Composite, Epsilon, Gamma, Layers, WSquare, ZBox};
use attribution::{Baseline, Map, Pass};
use nn::Model;
use tensor::Tensor;

use crate::support::{Stored, network, reference, relative_error};

/// The largest error allowed, relative to the largest value.
const DIGITS: f64 = 1e-8;
/// A class for each image.
const CLASSES: [usize; 2] = [1, 3];

/// Calls `check` with each network's pass over the stored images.
fn each(check: impl Fn(&str, &Pass<'_, f64>, &Stored)) {
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
    let expected = stored.array(what);
    let values = maps.iter().flat_map(|map| map.raw().iter().copied().collect::<Vec<_>>()).collect();
    let error = relative_error(&Tensor::new(*expected.shape(), values), &expected);
    println!("{name:8} {what:24} {error:8.1e}");
    assert!(error <= DIGITS, "{name}, {what}: {error:e}");
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
