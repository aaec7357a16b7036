//! Transformers from ONNX files, and what explains them, against PyTorch in double precision (`tests/reference/attention`): small
//! ones, whose files are stored, and by hand those of full size, which `make.py --full` writes.

use std::path::{Path, PathBuf};

use attribution::certificates::Finding;
use attribution::methods::{AttentionRollout, GradientAttention, Lrp, Preset};
use attribution::{Map, Method, Pass};
use nn::Model;
use tensor::Tensor;

use crate::support::{Stored, reference, relative_error};

/// The largest error allowed, relative to the largest value.
const DIGITS: f64 = 1e-8;

/// The networks of a folder with attention between all tokens, and those with windows.
struct Networks {
    folder: PathBuf,
    whole: &'static [&'static str],
    windows: &'static [&'static str],
}

impl Networks {
    fn small() -> Self {
        Self { folder: reference("attention"), whole: &["vit", "vit_mean", "deit_distilled"], windows: &["swin"] }
    }

    /// Those of full size.
    fn full() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/attention");
        Self { folder, whole: &["vit_tiny", "deit_tiny_distilled"], windows: &["swin_tiny"] }
    }

    fn stored(&self, name: &str) -> (Model<f64>, Stored) {
        let model = Model::load_onnx(self.folder.join(format!("{name}.onnx"))).unwrap().cast();
        (model, Stored::at(&self.folder.join(format!("{name}.safetensors"))))
    }
}

fn near(name: &str, what: &str, maps: &[Map<f64>], stored: &Stored) {
    let expected = stored.array(what);
    let values: Vec<f64> = maps.iter().flat_map(|map| map.raw().iter().copied().collect::<Vec<_>>()).collect();
    let error = relative_error(&Tensor::new(*expected.shape(), values), &expected);
    println!("{name:16} {what:10} {error:8.1e}");
    assert!(error <= DIGITS, "{name}, {what}: {error:e}");
}

fn maps_of_attention_are_those_of_pytorch(networks: &Networks) {
    for name in networks.whole {
        let (model, stored) = networks.stored(name);
        let pass = Pass::new(&model, stored.array("images")).unwrap();
        assert!(relative_error(pass.logits(), &stored.array("scores")) <= DIGITS, "{name}");
        near(name, "rollout", &pass.why(0).explain_each(&AttentionRollout::default()).unwrap(), &stored);
        for class in 0..3 {
            let maps = pass.why(class).explain_each(&GradientAttention).unwrap();
            near(name, &format!("chefer.{class}"), &maps, &stored);
        }
    }
}

fn relevance_is_that_of_pytorch_and_conserved(networks: &Networks) {
    let lrp = Lrp { preset: Preset::Epsilon };
    for name in networks.whole.iter().chain(networks.windows) {
        let (model, stored) = networks.stored(name);
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
fn maps_of_small_networks_are_those_of_pytorch() {
    maps_of_attention_are_those_of_pytorch(&Networks::small());
}

#[test]
fn relevance_of_small_networks_is_that_of_pytorch_and_conserved() {
    relevance_is_that_of_pytorch_and_conserved(&Networks::small());
}

#[test]
#[ignore = "reads what tests/reference/attention/make.py --full writes"]
fn maps_of_full_networks_are_those_of_pytorch() {
    maps_of_attention_are_those_of_pytorch(&Networks::full());
}

#[test]
#[ignore = "reads what tests/reference/attention/make.py --full writes"]
fn relevance_of_full_networks_is_that_of_pytorch_and_conserved() {
    relevance_is_that_of_pytorch_and_conserved(&Networks::full());
}

#[test]
fn windows_are_refused_by_the_name_of_their_layer() {
    let (model, stored) = Networks::small().stored("swin");
    let pass = Pass::new(&model, stored.array("images")).unwrap();
    let methods: [&dyn Method<f64>; 2] = [&AttentionRollout::default(), &GradientAttention];
    for method in methods {
        let refused = method.check(&pass).unwrap_err().to_string();
        assert!(refused.contains("looks within windows: use Grad-CAM at a block, or LRP"), "{refused}");
    }
}
