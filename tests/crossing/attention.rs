//! Transformers from ONNX files, and what explains them, against PyTorch in double precision (`tests/reference/attention`).

use attribution::certificates::Finding;
use attribution::methods::{AttentionRollout, GradientAttention, Lrp, Preset};
use attribution::{Map, Method, Pass};
use nn::Model;
use tensor::Tensor;

use crate::support::{Stored, reference, relative_error};

/// The largest error allowed, relative to the largest value.
const DIGITS: f64 = 1e-8;

fn stored(name: &str) -> (Model<f64>, Stored) {
    let model = Model::load_onnx(reference(&format!("attention/{name}.onnx"))).unwrap().cast();
    (model, Stored::open(&format!("attention/{name}.safetensors")))
}

fn near(name: &str, what: &str, maps: &[Map<f64>], stored: &Stored) {
    let expected = stored.array(what);
    let values: Vec<f64> = maps.iter().flat_map(|map| map.raw().iter().copied().collect::<Vec<_>>()).collect();
    let error = relative_error(&Tensor::new(*expected.shape(), values), &expected);
    println!("{name:16} {what:10} {error:8.1e}");
    assert!(error <= DIGITS, "{name}, {what}: {error:e}");
}

#[test]
fn maps_of_attention_are_those_of_pytorch() {
    for name in ["vit", "vit_mean", "deit_distilled"] {
        let (model, stored) = stored(name);
        let pass = Pass::new(&model, stored.array("images")).unwrap();
        assert!(relative_error(pass.logits(), &stored.array("scores")) <= DIGITS, "{name}");
        near(name, "rollout", &pass.why(0).explain_each(&AttentionRollout::default()).unwrap(), &stored);
        for class in 0..3 {
            let maps = pass.why(class).explain_each(&GradientAttention).unwrap();
            near(name, &format!("chefer.{class}"), &maps, &stored);
        }
    }
}

#[test]
fn relevance_is_that_of_pytorch_and_conserved() {
    let lrp = Lrp { preset: Preset::Epsilon };
    for name in ["vit", "vit_mean", "deit_distilled", "swin"] {
        let (model, stored) = stored(name);
        let pass = Pass::new(&model, stored.array("images")).unwrap();
        assert!(relative_error(pass.logits(), &stored.array("scores")) <= DIGITS, "{name}");
        for class in 0..3 {
            let maps = pass.why(class).explain_each(&lrp).unwrap();
            near(name, &format!("lrp.{class}"), &maps, &stored);
            let all = pass.certify(class).unwrap();
            let relevance: Vec<_> = all.iter().filter(|certificate| certificate.identity.contains("LRP")).collect();
            assert_eq!(relevance.len(), 2);
            for certificate in relevance {
                assert!(
                    matches!(certificate.finding, Finding::Checked(residual) if residual.holds()),
                    "{certificate:?}"
                );
            }
        }
    }
}

#[test]
fn windows_are_refused_by_the_name_of_their_layer() {
    let (model, stored) = stored("swin");
    let pass = Pass::new(&model, stored.array("images")).unwrap();
    let methods: [&dyn Method<f64>; 2] = [&AttentionRollout::default(), &GradientAttention];
    for method in methods {
        let refused = method.check(&pass).unwrap_err().to_string();
        assert!(refused.contains("looks within windows: use Grad-CAM at a block, or LRP"), "{refused}");
    }
}
