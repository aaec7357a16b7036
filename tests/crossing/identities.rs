//! What theory says of every network, on random ones.

use attribution::methods::{Family, IntegratedGradients, Noise, Occlusion, Rise};
use attribution::rules::Guided;
use attribution::{Baseline, ExplainError, Explainer, Pass, Target, silent};
use ndarray::ArrayView;
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
    let pass = Explainer::new(&model).observe(architecture.images::<T>(2)).unwrap();
    let head = model.gap_head().unwrap();
    let features = pass.forward().activation(head.features).value().clone();
    let [_, h, w, channels] = features.shape()[..] else { panic!() };
    let weights = model.parameter("fc.weight").unwrap();
    // A sum of n terms is added up in about log₂ n roundings; two sums, the means, and a few products.
    let roundings = 2.0 * (h * w * channels).ilog2() as f64 + 24.0;
    let epsilon = T::epsilon().as_f64();
    for class in 0..model.classes() {
        let cam = pass.cam(class).unwrap();
        let grad = pass.grad_cam(head.features, class).unwrap();
        let hires = pass.hires_cam(head.features, class).unwrap();
        for image in 0..2 {
            let mut total = 0.0;
            for ((i, j), &m) in cam[image].raw().indexed_iter() {
                let at = ((image * h + i) * w + j) * channels;
                let terms = features.as_slice()[at..at + channels].iter().zip(weights.as_slice().chunks_exact(4));
                let size: f64 = terms.map(|(f, w)| (f.as_f64() * w[class].as_f64()).abs()).sum();
                let positions = (h * w) as f64;
                for other in [&grad, &hires] {
                    let difference = m.as_f64() - positions * other[image].raw()[[i, j]].as_f64();
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
        let pass = Explainer::new(&model).observe(architecture.images(1)).unwrap();
        let error = pass.cam(0).unwrap_err();
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
        let pass = Explainer::new(&model).observe(images).unwrap();
        let exact = pass.gradient(2).unwrap();
        prop_assert!(exact.maps.iter().flat_map(|map| map.raw().to_owned()).all(|g| g >= 0.0));
        for other in [pass.guided_backprop(2).unwrap(), pass.deconvnet(2).unwrap()] {
            prop_assert_eq!(&other.maps, &exact.maps);
        }
    }

    #[test]
    fn one_pass_serves_every_class_and_rule_and_leaves_the_model_alone(architecture in architecture()) {
        let model = architecture.model::<f32>();
        let untouched = model.clone();
        let pass = Explainer::new(&model).observe(architecture.images(2)).unwrap();
        let nodes = pass.tape().nodes().len();
        let mut found = Vec::new();
        for class in [1, 3] {
            found.push(pass.grad_cam("relu2", class).unwrap().maps.iter().map(|map| map.raw().to_owned().into_dyn()).collect::<Vec<_>>());
            for maps in [pass.guided_backprop(class).unwrap(), pass.gradient(class).unwrap()] {
                found.push(maps.maps.iter().map(|map| map.raw().to_owned().into_dyn()).collect());
            }
        }
        prop_assert_eq!(pass.backward_passes(), 4);
        prop_assert_eq!(pass.tape().nodes().len(), nodes);
        prop_assert_eq!(&model, &untouched);
        // Each alone, from a pass of its own.
        let fresh = || Explainer::new(&model).observe(architecture.images(2)).unwrap();
        for (place, class) in [1, 3].into_iter().enumerate() {
            let raw = |map: ArrayView<'_, f32, ndarray::Ix3>| map.to_owned().into_dyn();
            let grad = fresh().grad_cam("relu2", class).unwrap();
            let grad: Vec<_> = grad.maps.iter().map(|map| map.raw().to_owned().into_dyn()).collect();
            prop_assert_eq!(&grad, &found[3 * place]);
            let guided = fresh().under_rule(&Guided, class).unwrap();
            let guided: Vec<_> = guided.maps.iter().map(|map| raw(map.raw())).collect();
            prop_assert_eq!(&guided, &found[3 * place + 1]);
            let exact = fresh().gradient(class).unwrap();
            let exact: Vec<_> = exact.maps.iter().map(|map| raw(map.raw())).collect();
            prop_assert_eq!(&exact, &found[3 * place + 2]);
        }
    }
}

/// Every map of every method, as bits.
fn all_maps(pass: &Pass<'_, f32>, targets: &[usize]) -> Vec<(&'static str, Vec<Vec<u32>>)> {
    let mut found = Vec::new();
    let bits = |values: &mut dyn Iterator<Item = &f32>| values.map(|v| v.to_bits()).collect::<Vec<_>>();
    let target = || Target::from(targets);
    let mut heatmaps = vec![pass.cam(target()).unwrap(), pass.eigen_cam("relu2").unwrap()];
    for family in Family::ALL {
        heatmaps.push(pass.class_activation(family, "relu1", target()).unwrap());
    }
    heatmaps.push(pass.mean_over_layers(Family::GradCam, ["relu1", "relu2"], target()).unwrap());
    heatmaps.push(pass.score_cam("relu2", target(), silent).unwrap());
    heatmaps.push(pass.ablation_cam("relu2", target(), silent).unwrap());
    heatmaps.push(pass.occlusion(target(), &Occlusion::square(5), silent).unwrap());
    heatmaps.push(pass.rise(target(), Rise { masks: 20, cells: 4, ..Rise::default() }, silent).unwrap());
    for explanation in heatmaps {
        let maps = explanation.maps.iter().map(|map| bits(&mut map.raw().iter()));
        found.push((explanation.method, maps.collect()));
    }
    let noise = Noise { samples: 5, ..Noise::default() };
    let path = IntegratedGradients { steps: 5, baseline: Baseline::Value(0.0) };
    let saliencies = [
        pass.gradient(target()).unwrap(),
        pass.input_x_gradient(target()).unwrap(),
        pass.guided_backprop(target()).unwrap(),
        pass.deconvnet(target()).unwrap(),
        pass.guided_grad_cam("relu2", target()).unwrap(),
        pass.smooth_grad(target(), noise, silent).unwrap(),
        pass.var_grad(target(), noise, silent).unwrap(),
        pass.integrated_gradients(target(), &path, silent).unwrap().0,
    ];
    for explanation in saliencies {
        let maps = explanation.maps.iter().map(|map| bits(&mut map.raw().iter()));
        found.push((explanation.method, maps.collect()));
    }
    found
}

#[test]
fn each_of_sixteen_images_gets_the_map_that_it_gets_alone() {
    let architecture = Architecture {
        seed: 11,
        gap: true,
        residual: true,
        batch_norm: true,
        relu6: true,
        stride: 2,
        valid: false,
        pool: 1,
    };
    let model = architecture.model::<f32>();
    let images = architecture.images::<f32>(16);
    let targets: Vec<usize> = (0..16).map(|image| image * 7 % 4).collect();
    let together = all_maps(&Explainer::new(&model).observe(&images).unwrap(), &targets);
    let each = images.len() / 16;
    for image in 0..16 {
        let alone = Tensor::new(INPUT, images.as_slice()[image * each..][..each].to_vec());
        let alone = all_maps(&Explainer::new(&model).observe(alone).unwrap(), &targets[image..=image]);
        for ((method, maps), (_, map)) in together.iter().zip(alone) {
            assert!(maps[image] == map[0], "{method} of image {image}");
        }
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
    let pass = Explainer::new(&smooth).observe(noise::<f64>(&INPUT, 3)).unwrap();
    let error = |steps| {
        let path = IntegratedGradients { steps, baseline: Baseline::Value(0.25) };
        pass.integrated_gradients(1, &path, silent).unwrap().1[0].error().abs()
    };
    // Gauss's rule converges exponentially where the gradient is analytic.
    let errors = [error(2), error(8), error(40)];
    assert!(errors[0] > 1e-6 && errors[1] < errors[0] * 1e-2 && errors[2] < 1e-12, "{errors:?}");
}
