//! The network in the program's box, explained: its maps of a photograph against PyTorch's in double precision, from the same
//! weights (`tests/reference/efficientnet-lite0/make.py`).

use std::fs;
use std::path::Path;

use attribution::methods::{Cam, GradCam, GuidedBackprop, HiResCam, LayerCam};
use attribution::{Method, Pass, Photo};
use nn::data::Normalization;
use nn::zoo::{BatchNorms, Head, efficientnet_lite0};
use nn::{Model, ModelInfo, Naming};
use tensor::Tensor;
use tensor::simd::{Tier, tier};

use crate::support::Stored;

const EGYPTIAN_CAT: usize = 285;

fn in_attribution(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/attribution").join(path)
}

fn network() -> Model {
    let weights = fs::read(in_attribution("pretrained/efficientnet-lite0/weights.safetensors")).unwrap();
    let normalization = Normalization::new(vec![127.0; 3], vec![128.0; 3]).unwrap().with_scale(1.0).unwrap();
    let info = ModelInfo { normalization: Some(normalization), ..ModelInfo::default() };
    let net = efficientnet_lite0([224, 224, 3], 1000, Head::GlobalAvgPool, BatchNorms::Folded);
    net.info(info).build_with(&weights, &Naming::default()).unwrap()
}

/// ‖found − stored‖ / ‖stored‖.
fn error(found: impl IntoIterator<Item = f32>, stored: &Tensor<f64>) -> f64 {
    let found: Vec<f64> = found.into_iter().map(f64::from).collect();
    assert_eq!(found.len(), stored.len());
    let difference: f64 = found.iter().zip(stored.as_slice()).map(|(a, b)| (a - b).powi(2)).sum();
    (difference / stored.as_slice().iter().map(|b| b * b).sum::<f64>()).sqrt()
}

#[test]
fn the_maps_of_a_photograph_agree() {
    let (model, stored) = (network(), Stored::open("efficientnet-lite0/explain.safetensors"));
    let photo = Photo::open(in_attribution("tests/photos/chelsea.png")).unwrap();
    let pass = Pass::new(&model, &photo).unwrap();
    // No map may be further from double precision than PyTorch's own run in single precision is, in the same norm; without
    // fused multiply–adds a product is rounded as well as its sum, which makes errors up to √2 as large.
    let fused = tier() != Tier::Portable;
    let roundings = if fused { 1.0_f64 } else { 2.0 };
    let close = |name: &str, found: Vec<f32>, single_precision: f64| {
        let error = error(found, &stored.array(name));
        println!("{name:20} {error:.1e}, {:.2} times PyTorch's", error / single_precision);
        assert!(error <= roundings.sqrt() * single_precision, "{name}: {error:e}");
    };
    close("logits", pass.logits().as_slice().to_vec(), 6.5e-7);
    close("cam_head_raw", pass.why(EGYPTIAN_CAT).explain(&Cam).unwrap().raw().iter().copied().collect(), 5.8e-7);
    let maps: [(&dyn Method, &str, &str, f64); 6] = [
        (&GradCam, "head.relu6", "gradcam_head_raw", 5.9e-7),
        (&LayerCam, "head.relu6", "layercam_head_raw", 5.3e-7),
        (&HiResCam, "head.relu6", "hirescam_head_raw", 6.0e-7),
        (&GradCam, "blocks.10.add", "gradcam_b10_raw", 8.2e-7),
        (&LayerCam, "blocks.10.add", "layercam_b10_raw", 8.6e-7),
        (&HiResCam, "blocks.10.add", "hirescam_b10_raw", 7.9e-7),
    ];
    for (method, layer, name, single_precision) in maps {
        let map = pass.why(EGYPTIAN_CAT).at(layer).explain(method).unwrap();
        close(name, map.raw().iter().copied().collect(), single_precision);
    }
    // Those errors put one value on the other side of a ReLU6's bound, and guided backpropagation jumps there.
    if fused {
        let guided = pass.why(EGYPTIAN_CAT).explain(&GuidedBackprop).unwrap();
        close("guided_backprop", guided.raw().iter().copied().collect(), 2.8e-7);
    }
}

#[test]
fn photographs_are_recognised() {
    let model = network();
    for (photo, class, probability) in
        [("chelsea", EGYPTIAN_CAT, 0.385), ("coffee", 967, 0.940), ("camera", 872, 0.949)]
    {
        let photo = Photo::open(in_attribution(&format!("tests/photos/{photo}.png"))).unwrap();
        let best = &Pass::new(&model, &photo).unwrap().top(1)[0];
        assert_eq!(best.class, class);
        assert!((best.value - probability).abs() < 0.01, "{}: {}", best.name, best.value);
    }
}
