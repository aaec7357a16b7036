//! What theory says of every network, on random ones.

use attribution::methods::{Cam, Deconvnet, GradCam, Gradient, GuidedBackprop, HiResCam, IntegratedGradients};
use attribution::rules::Guided;
use attribution::{Baseline, ExplainError, Map, Method, Pass};
use ndarray::Array3;
use nn::layers::{Add, AvgPool, BatchNorm, Clip, Conv2d, Flatten, GlobalAvgPool, Linear, MaxPool, Relu, Tanh};
use nn::{Convolution, Layer, Model, Pool2d, Real};
use proptest::prelude::*;
use tensor::{Element, Tensor};

const INPUT: [usize; 3] = [14, 11, 2];

#[derive(Clone, Debug)]
struct Architecture {
    seed: u64,
    gap: bool,
    residual: bool,
    batch_norm: bool,
    relu6: bool,
    stride: usize,
    valid: bool,
    pool: usize,
}

prop_compose! {
    fn architecture()(
        seed: u64, gap: bool, residual: bool, batch_norm: bool, relu6: bool,
        stride in 1_usize..3, valid: bool, pool in 0_usize..3,
    ) -> Architecture {
        Architecture { seed, gap, residual, batch_norm, relu6, stride, valid, pool }
    }
}

/// Numbers in [−1, 1) that look random and depend on the seed.
fn noise<T: Element>(shape: &[usize], seed: u64) -> Tensor<T> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    Tensor::from_fn(shape, |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        T::from_f64((state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0)
    })
}

impl Architecture {
    fn model<T: Real>(&self) -> Model<T> {
        let rectifier = || if self.relu6 { Layer::from(Clip::RELU6) } else { Relu.into() };
        let padding = usize::from(!self.valid);
        let conv = |out_channels, stride| Conv2d {
            out_channels,
            kernel: [3, 3],
            conv: Convolution::default().padding(padding).stride(stride),
            bias: true,
        };
        let mut builder = Model::builder(INPUT).layer("conv1", conv(6, 1));
        if self.batch_norm {
            builder = builder.layer("bn1", BatchNorm::new());
        }
        builder = builder.layer("relu1", rectifier());
        match self.pool {
            1 => builder = builder.layer("pool", MaxPool::new(2)),
            2 => {
                let pool = Pool2d { kernel: [2, 2], stride: [1, 1], padding: Default::default() };
                builder = builder.layer("pool", AvgPool { pool, count_padding: true });
            }
            _ => {}
        }
        builder = builder.layer("conv2", conv(7, self.stride)).layer("relu2", rectifier());
        if self.residual {
            builder = builder
                .layer("conv3", Conv2d::new(7, 3))
                .layer_from("sum", Add, &["relu2", "conv3"])
                .layer("relu3", rectifier());
        }
        builder = builder.layer("pooled", if self.gap { Layer::from(GlobalAvgPool) } else { Flatten.into() });
        let mut model = builder.layer("fc", Linear::new(4)).build(self.seed).unwrap().cast::<T>();
        for (index, name) in (0..).zip(names(&model)) {
            let value = noise::<T>(model.parameter(&name).unwrap().shape(), self.seed ^ index);
            let value = match name.rsplit('.').next() {
                Some("bias" | "running_mean") => value.map(|v| v * T::from_f64(0.2)),
                Some("running_var") => value.map(|v| v * T::from_f64(0.5) + T::one()),
                _ if name.starts_with("bn") => value.map(|v| v * T::from_f64(0.5) + T::one()),
                _ => continue,
            };
            model.set_parameter(&name, value).unwrap();
        }
        model
    }

    fn images<T: Element>(&self, n: usize) -> Tensor<T> {
        noise(&[&[n], &INPUT[..]].concat(), self.seed ^ 0xA5A5)
    }
}

fn names<T: Real>(model: &Model<T>) -> Vec<String> {
    model.parameters().iter().map(|parameter| parameter.name.clone()).collect()
}

/// CAM = Z · Grad-CAM, HiResCAM = Grad-CAM, and mean(CAM) + bias = score, each within a few roundings of its terms.
fn gap_head_identities<T: Real>(architecture: &Architecture) -> Result<(), TestCaseError> {
    let model = architecture.model::<T>();
    let pass = Pass::new(&model, architecture.images::<T>(2)).unwrap();
    let head = model.gap_head().unwrap();
    let features = pass.forward().activation(head.features).value().clone();
    let [_, h, w, channels] = features.shape()[..] else { panic!() };
    let weights = model.parameter("fc.weight").unwrap();
    // A sum of n terms is added up in about log₂ n roundings; two sums, the means, and a few products.
    let roundings = 2.0 * (h * w * channels).ilog2() as f64 + 24.0;
    let epsilon = T::epsilon().as_f64();
    for class in 0..model.classes() {
        let cam = pass.why(class).explain_each(&Cam).unwrap();
        let grad = pass.why(class).at(head.features).explain_each(&GradCam).unwrap();
        let hires = pass.why(class).at(head.features).explain_each(&HiResCam).unwrap();
        for image in 0..2 {
            let mut total = 0.0;
            for ((i, j), &m) in cam[image].per_cell().indexed_iter() {
                let at = ((image * h + i) * w + j) * channels;
                let terms = features.as_slice()[at..at + channels].iter().zip(weights.as_slice().chunks_exact(4));
                let size: f64 = terms.map(|(f, w)| (f.as_f64() * w[class].as_f64()).abs()).sum();
                let positions = (h * w) as f64;
                for other in [&grad, &hires] {
                    let difference = m.as_f64() - positions * other[image].raw()[[i, j, 0]].as_f64();
                    prop_assert!(difference.abs() <= roundings * epsilon * size, "{difference:e} of {size:e}");
                }
                total += size;
            }
            let mean = cam[image].raw().iter().map(|m| m.as_f64()).sum::<f64>() / (h * w) as f64;
            let bias = model.parameter("fc.bias").unwrap().as_slice()[class].as_f64();
            let score = pass.logits().as_slice()[image * 4 + class].as_f64();
            let size = total / (h * w) as f64 + bias.abs();
            prop_assert!((mean + bias - score).abs() <= roundings * epsilon * size);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn on_a_gap_head_cam_is_grad_cam_times_the_positions(architecture in architecture()) {
        let architecture = Architecture { gap: true, ..architecture };
        gap_head_identities::<f64>(&architecture)?;
        gap_head_identities::<f32>(&architecture)?;
    }

    #[test]
    fn without_a_gap_head_cam_says_what_to_use(architecture in architecture()) {
        let architecture = Architecture { gap: false, ..architecture };
        let model = architecture.model::<f32>();
        let pass = Pass::new(&model, architecture.images(1)).unwrap();
        let error = pass.why(0).explain_each(&Cam).unwrap_err();
        let named = matches!(error, ExplainError::NoGapHead { .. });
        prop_assert!(named);
        prop_assert!(error.to_string().contains("use Grad-CAM"));
    }

    #[test]
    fn with_every_mask_open_guided_is_exact(architecture in architecture()) {
        let architecture = Architecture { relu6: false, ..architecture };
        // In f64, whose convolutions are plain sums: Winograd's transforms take differences, so that rounding can turn a
        // gradient of exactly zero into a negative one.
        let mut model = architecture.model::<f64>();
        for name in names(&model).into_iter().filter(|name| !name.ends_with("running_mean")) {
            let value = model.parameter(&name).unwrap().clone().map(|v| v.abs() + 0.01);
            model.set_parameter(&name, value).unwrap();
        }
        // Far above the running means, so that a batch norm's output is positive too.
        let images = architecture.images::<f64>(2).map(|x| x.abs() + 10.0);
        let pass = Pass::new(&model, images).unwrap();
        let exact = pass.why(2).explain_each(&Gradient).unwrap();
        prop_assert!(exact.iter().flat_map(|map| map.raw().to_owned()).all(|g| g >= 0.0));
        for other in [pass.why(2).explain_each(&GuidedBackprop).unwrap(), pass.why(2).explain_each(&Deconvnet).unwrap()] {
            for (other, exact) in other.iter().zip(&exact) {
                prop_assert_eq!(other.raw(), exact.raw());
            }
        }
    }

    #[test]
    fn one_pass_serves_every_class_and_rule_and_leaves_the_model_alone(architecture in architecture()) {
        let model = architecture.model::<f32>();
        let untouched = model.clone();
        let pass = Pass::new(&model, architecture.images(2)).unwrap();
        let nodes = pass.tape().nodes().len();
        let raw = |maps: Vec<Map>| maps.iter().map(|map| map.raw().to_owned()).collect::<Vec<Array3<f32>>>();
        let methods: [&dyn Method; 3] = [&GradCam, &GuidedBackprop, &Gradient];
        let asked = || [1, 3].into_iter().flat_map(|class| methods.map(|method| (class, method)));
        let explain = |pass: &Pass<'_>, class: usize, method| {
            raw(pass.why(class).at("relu2").explain_each(method).unwrap())
        };
        let found: Vec<_> = asked().map(|(class, method)| explain(&pass, class, method)).collect();
        prop_assert_eq!(pass.cached_backward_passes(), 4);
        prop_assert_eq!(pass.tape().nodes().len(), nodes);
        prop_assert_eq!(&model, &untouched);
        // Each alone, from a pass of its own.
        let fresh = || Pass::new(&model, architecture.images(2)).unwrap();
        for (found, (class, method)) in found.iter().zip(asked()) {
            prop_assert_eq!(found, &explain(&fresh(), class, method));
        }
        prop_assert_eq!(&found[1], &raw(fresh().why(1).under_rule(&Guided).unwrap()));
    }
}

#[test]
fn integrated_gradients_approach_completeness() {
    let smooth = Model::builder(INPUT)
        .layer("conv", Conv2d::new(4, 3))
        .layer("tanh", Tanh)
        .layer("flat", Flatten)
        .layer("fc", Linear::new(3))
        .build(5)
        .unwrap()
        .cast::<f64>();
    let pass = Pass::new(&smooth, noise::<f64>(&INPUT, 3)).unwrap();
    let error = |steps| {
        let path = IntegratedGradients { steps, baseline: Baseline::Value(0.25) };
        path.with_completeness(&pass.why(1)).unwrap()[0].1.error().abs()
    };
    // Gauss's rule converges exponentially where the gradient is analytic.
    let errors = [error(2), error(8), error(40)];
    assert!(errors[0] > 1e-6 && errors[1] < errors[0] * 1e-2 && errors[2] < 1e-12, "{errors:?}");
}
