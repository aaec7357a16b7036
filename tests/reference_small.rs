//! Two small networks, explained: every stored map of `tests/reference/small`, in both precisions.

mod support;

use attribution::methods::Family;
use attribution::{ExplainError, Explainer, Heatmap, Placement, Saliency};
use ndarray::{Array2, ArrayView};
use nn::Real;
use support::{Stored, network, relative_error};
use tensor::{Element, Tensor};

/// The largest error that a run in f32 may have, over the largest stored value. The stored runs in f32 are within 2.6e-5
/// of those in f64 at their worst (Grad-CAM++ at gapnet's first layer), and within 6.1e-7 for all but the methods that
/// divide small numbers.
fn tolerance<T: Element>(method: &str) -> f64 {
    match (T::NAME, method) {
        ("f64", _) => 1e-9,
        (_, "gradcampp") => 5e-5,
        (_, "xgradcam" | "hirescam" | "layercam" | "gradcam") => 5e-6,
        _ => 2e-6,
    }
}

fn stacked<T: Element, D: ndarray::Dimension>(maps: impl IntoIterator<Item = ndarray::Array<T, D>>) -> Tensor<f64> {
    let maps: Vec<_> = maps.into_iter().map(|map| map.mapv(T::as_f64)).collect();
    let views: Vec<ArrayView<f64, D>> = maps.iter().map(|map| map.view()).collect();
    Tensor::from(ndarray::stack(ndarray::Axis(0), &views).unwrap().into_dyn())
}

fn stored_name(method: Family) -> &'static str {
    match method {
        Family::GradCam => "gradcam",
        Family::GradCamPlusPlus => "gradcampp",
        Family::HiResCam => "hirescam",
        Family::LayerCam => "layercam",
        Family::XGradCam => "xgradcam",
    }
}

/// What was found beside what is stored.
struct Comparison<'a> {
    stored: &'a Stored,
    /// The classes, one for each image.
    target: Vec<usize>,
    /// Their name in the file.
    name: &'static str,
}

impl Comparison<'_> {
    fn close<T: Real>(&self, method: &str, array: &str, found: &Tensor<f64>) {
        let name = format!("{}.{array}", self.name);
        let error = relative_error(found, &self.stored.array(&name));
        assert!(error <= tolerance::<T>(method), "{name} in {}: {error:e}", T::NAME);
    }

    fn heatmaps<T: Real>(&self, method: &str, layer: &str, maps: &[Heatmap<T>]) {
        let key = if method == "cam" { "cam".into() } else { format!("{method}.{layer}") };
        self.close::<T>(method, &format!("{key}.raw"), &stacked(maps.iter().map(|map| map.raw().to_owned())));
        // X-Grad-CAM is stored without its display.
        if method != "xgradcam" {
            let display = maps.iter().map(displayed);
            self.close::<T>(method, &format!("{key}.norm_up"), &stacked(display));
        }
    }
}

/// As pytorch-grad-cam displays a map: scaled to [0, 1] before upsampling and after. Upsampling keeps sums and multiples,
/// so that it doesn't matter that ours comes first.
fn displayed<T: Real>(map: &Heatmap<T>) -> Array2<f64> {
    let range = |map: &Array2<f64>| {
        let min = map.iter().copied().fold(f64::INFINITY, f64::min);
        (min, map.iter().copied().fold(f64::NEG_INFINITY, f64::max) - min)
    };
    let (min, width) = range(&map.raw().mapv(|v| v.as_f64().max(0.0)));
    let first = map.positive_over_input(Placement::Stretched).mapv(|v| (v.as_f64() - min) / (width + 1e-7));
    let (min, width) = range(&first);
    first.mapv(|v| (v - min) / (width + 1e-7))
}

fn explain<T: Real>(name: &str, layers: &[&str]) {
    let stored = Stored::open(&format!("small/{name}/explain.safetensors"));
    let model = network(name).cast::<T>();
    let pass = Explainer::new(&model).observe(stored.array("input").cast()).unwrap();
    let plain = tolerance::<T>("logits");
    assert!(relative_error(&pass.logits().cast(), &stored.array("logits")) <= plain);
    assert!(relative_error(&pass.probabilities().cast(), &stored.array("probs")) <= plain);

    let ranks: Vec<Vec<usize>> =
        (0..2).map(|image| pass.top_of(image, model.classes()).iter().map(|p| p.class).collect()).collect();
    let top = ranks.iter().map(|classes| classes[0]).collect();
    let alt = ranks.iter().map(|classes| *classes.last().unwrap()).collect();
    for (target, name) in [(top, "top"), (alt, "alt")] {
        let case = Comparison { stored: &stored, target, name };
        for layer in layers {
            let gradient = pass.gradient_at(*layer, case.target.clone()).unwrap();
            case.close::<T>("gradient", &format!("grad.{layer}"), &gradient.cast());
            let features = pass.forward().activation(model.layer_index(layer).unwrap()).value();
            case.close::<T>("features", &format!("act.{layer}"), &features.cast());
            for method in Family::ALL {
                let maps = pass.class_activation(method, *layer, case.target.clone()).unwrap().maps;
                case.heatmaps(stored_name(method), layer, &maps);
            }
        }
        match pass.cam(case.target.clone()) {
            Ok(cam) => case.heatmaps("cam", "", &cam.maps),
            Err(error) => assert!(matches!(error, ExplainError::NoGapHead { .. })),
        }
        let target = || case.target.clone();
        let guided = pass.guided_backprop(target()).unwrap();
        let deconv = pass.deconvnet(target()).unwrap();
        let both = pass.guided_grad_cam(layers[0], target()).unwrap();
        let gradient = pass.gradient(target()).unwrap();
        let magnitudes = stacked(gradient.maps.iter().map(Saliency::magnitude));
        case.close::<T>("gradient", "saliency_abs_max", &magnitudes);
        let product = pass.input_x_gradient(target()).unwrap();
        let inputs = [
            ("gradient", gradient),
            ("input_x_gradient", product),
            ("guided_backprop", guided),
            ("deconvnet", deconv),
            ("guided_gradcam.bilinear", both),
        ];
        for (method, explanation) in inputs {
            case.close::<T>(method, method, &stacked(explanation.maps.iter().map(|map| map.raw().to_owned())));
        }
    }
}

#[test]
fn gapnet_in_double_precision() {
    explain::<f64>("gapnet", &["relu3", "conv3", "relu2", "conv1"]);
}

#[test]
fn gapnet_in_single_precision() {
    explain::<f32>("gapnet", &["relu3", "conv3", "relu2", "conv1"]);
}

#[test]
fn flatnet_in_double_precision() {
    explain::<f64>("flatnet", &["relu2", "conv2", "relu1"]);
}

#[test]
fn flatnet_in_single_precision() {
    explain::<f32>("flatnet", &["relu2", "conv2", "relu1"]);
}
