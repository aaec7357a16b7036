//! Two small networks, explained: every stored map of `tests/reference/small`, in both precisions.

use attribution::methods::{
    Cam, Deconvnet, GradCam, GradCamPlusPlus, Gradient, GuidedBackprop, GuidedGradCam, HiResCam, InputXGradient,
    IntegratedGradients, LayerCam, Occlusion, XGradCam,
};
use attribution::{Baseline, ExplainError, Map, Method, Pass};
use ndarray::{Array2, ArrayView};
use nn::{Model, Real};
use tensor::{Element, Tensor};

use crate::support::{Stored, network, reference, relative_error};

/// The largest error over the largest stored value. In f32, twice the worst of PyTorch's own runs in f32: those are within
/// 2.6e-5 for Grad-CAM++ (at gapnet's first layer), 3.2e-6 for the rest of its family, 7.6e-7 for all else.
fn tolerance<T: Element>(method: &str) -> f64 {
    match (T::NAME, method) {
        ("f64", _) => 1e-9,
        (_, "gradcampp") => 5.2e-5,
        (_, "xgradcam" | "hirescam" | "layercam" | "gradcam") => 6.4e-6,
        _ => 1.5e-6,
    }
}

fn stacked<T: Element, D: ndarray::Dimension>(maps: impl IntoIterator<Item = ndarray::Array<T, D>>) -> Tensor<f64> {
    let maps: Vec<_> = maps.into_iter().map(|map| map.mapv(T::as_f64)).collect();
    let views: Vec<ArrayView<f64, D>> = maps.iter().map(|map| map.view()).collect();
    Tensor::from(ndarray::stack(ndarray::Axis(0), &views).unwrap().into_dyn())
}

/// The methods of one layer, by their names in the files.
fn family<T: Real>() -> [(&'static str, &'static dyn Method<T>); 5] {
    [
        ("gradcam", &GradCam),
        ("gradcampp", &GradCamPlusPlus),
        ("hirescam", &HiResCam),
        ("layercam", &LayerCam),
        ("xgradcam", &XGradCam),
    ]
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

    fn cell_maps<T: Real>(&self, method: &str, layer: &str, maps: &[Map<T>]) {
        let key = if method == "cam" { "cam".into() } else { format!("{method}.{layer}") };
        self.close::<T>(method, &format!("{key}.raw"), &stacked(maps.iter().map(Map::per_cell)));
        // X-Grad-CAM is stored without its display.
        if method != "xgradcam" {
            let display = maps.iter().map(displayed);
            self.close::<T>(method, &format!("{key}.norm_up"), &stacked(display));
        }
    }
}

/// As pytorch-grad-cam displays a map: scaled to [0, 1] before upsampling and after. Upsampling keeps sums and multiples,
/// so that it doesn't matter that ours comes first.
fn displayed<T: Real>(map: &Map<T>) -> Array2<f64> {
    let range = |map: &Array2<f64>| {
        let min = map.iter().copied().fold(f64::INFINITY, f64::min);
        (min, map.iter().copied().fold(f64::NEG_INFINITY, f64::max) - min)
    };
    let (min, width) = range(&map.per_cell().mapv(|v| v.as_f64().max(0.0)));
    let first = map.clone().stretched().strength().mapv(|v| (v.as_f64() - min) / (width + 1e-7));
    let (min, width) = range(&first);
    first.mapv(|v| (v - min) / (width + 1e-7))
}

/// `layers` are their names in the file and in the model; `black` is the preprocessed value of a black pixel.
fn explain<T: Real>(name: &str, model: &Model, layers: &[[&str; 2]], black: f64) {
    let stored = Stored::open(&format!("small/{name}/explain.safetensors"));
    let model = model.cast::<T>();
    let pass = Pass::new(&model, stored.array("input").cast()).unwrap();
    let plain = tolerance::<T>("logits");
    assert!(relative_error(&pass.logits().cast(), &stored.array("logits")) <= plain);
    assert!(relative_error(&pass.outputs().cast(), &stored.array("probs")) <= plain);

    let ranks: Vec<Vec<usize>> =
        (0..2).map(|image| pass.top_of(image, model.classes()).iter().map(|p| p.class).collect()).collect();
    let top = ranks.iter().map(|classes| classes[0]).collect();
    let alt = ranks.iter().map(|classes| *classes.last().unwrap()).collect();
    for (target, name) in [(top, "top"), (alt, "alt")] {
        let case = Comparison { stored: &stored, target, name };
        for [layer, ours] in layers {
            let gradient = pass.gradient_at(*ours, case.target.clone()).unwrap();
            case.close::<T>("gradient", &format!("grad.{layer}"), &gradient.cast());
            let features = pass.forward().activation(model.layer_index(ours).unwrap()).value();
            case.close::<T>("features", &format!("act.{layer}"), &features.cast());
            for (name, method) in family::<T>() {
                let maps = pass.why(case.target.clone()).at(*ours).explain_each(method).unwrap();
                case.cell_maps(name, layer, &maps);
            }
        }
        match pass.why(case.target.clone()).explain_each(&Cam) {
            Ok(cam) => case.cell_maps("cam", "", &cam),
            Err(error) => assert!(matches!(error, ExplainError::NoGapHead { .. })),
        }
        let target = || case.target.clone();
        let path = IntegratedGradients { steps: 50, baseline: Baseline::Value(black) };
        let (integrated, completeness): (Vec<_>, Vec<_>) =
            path.with_completeness(&pass.why(target())).unwrap().into_iter().unzip();
        let stored_map = stored.array(&format!("{name}.ig.gausslegendre50"));
        for (found, map) in completeness.iter().zip(stored_map.as_slice().chunks_exact(stored_map.len() / 2)) {
            let size: f64 = map.iter().map(|m| m.abs()).sum();
            assert!((found.attributed - map.iter().sum::<f64>()).abs() <= tolerance::<T>("ig") * size);
            // ReLUs make the integrand jump, so that fifty points leave an error in the third digit.
            assert!(found.error().abs() < 0.02 * size);
        }
        let patch = Occlusion { window: Some([5, 5]), stride: Some([3, 3]), baseline: Baseline::Value(black) };
        let occluded = pass.why(target()).explain_each(&patch).unwrap();
        let occluded = stacked(occluded.iter().map(Map::per_cell));
        // Stored in single precision; a difference of two scores, it has the error of both.
        let patches = stored.array(&format!("{name}.occlusion5s3"));
        let largest = |x: &Tensor<f64>| x.as_slice().iter().fold(0.0_f64, |most, v| most.max(v.abs()));
        let allowed = 1e-7 + 2.0 * plain * largest(&pass.logits().cast()) / largest(&patches);
        let error = relative_error(&occluded, &patches);
        assert!(error <= allowed, "{name}.occlusion5s3 in {}: {error:e}", T::NAME);
        let guided = pass.why(target()).explain_each(&GuidedBackprop).unwrap();
        let deconv = pass.why(target()).explain_each(&Deconvnet).unwrap();
        let both = pass.why(target()).at(layers[0][1]).explain_each(&GuidedGradCam).unwrap();
        let gradient = pass.why(target()).explain_each(&Gradient).unwrap();
        let magnitudes = stacked(gradient.iter().map(Map::strength));
        case.close::<T>("gradient", "saliency_abs_max", &magnitudes);
        let product = pass.why(target()).explain_each(&InputXGradient).unwrap();
        let inputs = [
            ("gradient", gradient),
            ("input_x_gradient", product),
            ("ig.gausslegendre50", integrated),
            ("guided_backprop", guided),
            ("deconvnet", deconv),
            ("guided_gradcam.bilinear", both),
        ];
        for (method, explanation) in inputs {
            case.close::<T>(method, method, &stacked(explanation.iter().map(|map| map.raw().to_owned())));
        }
    }
}

/// The stored maps' layers.
const GAPNET: [&str; 4] = ["relu3", "conv3", "relu2", "conv1"];
const FLATNET: [&str; 3] = ["relu2", "conv2", "relu1"];

fn gapnet<T: Real>(model: &Model, ours: [&str; 4]) {
    let layers: Vec<[&str; 2]> = GAPNET.into_iter().zip(ours).map(|(stored, ours)| [stored, ours]).collect();
    explain::<T>("gapnet", model, &layers, -0.5 / 0.25);
}

fn flatnet<T: Real>(model: &Model, ours: [&str; 3]) {
    let layers: Vec<[&str; 2]> = FLATNET.into_iter().zip(ours).map(|(stored, ours)| [stored, ours]).collect();
    explain::<T>("flatnet", model, &layers, -0.1307 / 0.3081);
}

#[test]
fn gapnet_in_double_precision() {
    gapnet::<f64>(&network("gapnet"), GAPNET);
}

#[test]
fn gapnet_in_single_precision() {
    gapnet::<f32>(&network("gapnet"), GAPNET);
}

#[test]
fn flatnet_in_double_precision() {
    flatnet::<f64>(&network("flatnet"), FLATNET);
}

#[test]
fn flatnet_in_single_precision() {
    flatnet::<f32>(&network("flatnet"), FLATNET);
}

fn from_onnx(file: &str) -> Model {
    Model::load_onnx(reference("small").join(file)).unwrap()
}

#[test]
fn gapnet_from_both_exporters() {
    let script = from_onnx("gapnet/gapnet_torchscript.onnx");
    gapnet::<f64>(&script, ["/relu3/Relu", "/conv3/Conv", "/relu2/Relu", "/conv1/Conv"]);
    let dynamo = from_onnx("gapnet/gapnet_dynamo.onnx");
    gapnet::<f32>(&dynamo, ["node_relu_2", "node_conv2d_2", "node_relu_1", "node_conv2d"]);
}

#[test]
fn flatnet_from_both_exporters() {
    let script = from_onnx("flatnet/flatnet_torchscript.onnx");
    flatnet::<f64>(&script, ["/relu2/Relu", "/conv2/Conv", "/relu1/Relu"]);
    let dynamo = from_onnx("flatnet/flatnet_dynamo.onnx");
    flatnet::<f32>(&dynamo, ["node_relu_1", "node_conv2d_1", "node_relu"]);
}

#[test]
fn onnx_gives_the_same_networks_bit_for_bit() {
    for (name, exporter) in
        ["gapnet", "flatnet"].into_iter().flat_map(|name| ["dynamo", "torchscript"].map(|exporter| (name, exporter)))
    {
        let (ours, theirs) = (network(name), from_onnx(&format!("{name}/{name}_{exporter}.onnx")));
        let layers = |model: &Model| model.layers().iter().map(|node| node.layer.clone()).collect::<Vec<_>>();
        assert_eq!(layers(&ours), layers(&theirs), "{name} by {exporter}");
        for (ours, theirs) in ours.parameters().iter().zip(theirs.parameters()) {
            assert_eq!(ours.value, theirs.value, "{} of {name} by {exporter}", ours.name);
        }
    }
}
