//! The gradient, guided backpropagation and the deconvolutional network again, in loops, through a whole network.

use ndarray::Array3;
use nn::Model;
use nn::layers::{Clip, Conv2d, GlobalAvgPool, Linear, Relu};
use tensor::Tensor;

use crate::testing::wave;
use crate::{Explainer, Explanation, Saliency};

const SIZE: [usize; 3] = [6, 5, 2];
const BOUND: f64 = 0.4;

/// Convolution, ReLU, convolution, a ReLU with an upper bound, global average pooling, one fully connected layer.
fn network() -> Model<f64> {
    let mut model = Model::builder(SIZE)
        .layer("conv1", Conv2d::new(4, 3))
        .layer("relu1", Relu)
        .layer("conv2", Conv2d::new(5, 3))
        .layer("relu2", Clip { min: 0.0, max: BOUND })
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(3))
        .build(4)
        .unwrap()
        .cast();
    model.set_parameter("conv1.bias", wave([4], 1.0)).unwrap();
    model.set_parameter("conv2.bias", wave([5], 2.0)).unwrap();
    model
}

/// A 3×3 convolution with a border of zeros, as (output, tap of the kernel, input) for all that meet.
fn taps([height, width]: [usize; 2]) -> Vec<[[usize; 2]; 3]> {
    let mut taps = Vec::new();
    for (i, j) in (0..height).flat_map(|i| (0..width).map(move |j| (i, j))) {
        for (u, v) in (0..3).flat_map(|u| (0..3).map(move |v| (u, v))) {
            if (1..=height).contains(&(i + u)) && (1..=width).contains(&(j + v)) {
                taps.push([[i, j], [u, v], [i + u - 1, j + v - 1]]);
            }
        }
    }
    taps
}

fn convolution(x: &Array3<f64>, w: &Tensor<f64>, b: &[f64]) -> Array3<f64> {
    let (height, width, channels) = x.dim();
    let mut y = Array3::from_shape_fn((height, width, b.len()), |(_, _, o)| b[o]);
    for [[i, j], [u, v], [k, l]] in taps([height, width]) {
        for (c, o) in (0..channels).flat_map(|c| (0..b.len()).map(move |o| (c, o))) {
            y[[i, j, o]] += w.view()[[u, v, c, o]] * x[[k, l, c]];
        }
    }
    y
}

/// What a convolution hands back: each input gets what it gave.
fn transposed(g: &Array3<f64>, w: &Tensor<f64>, channels: usize) -> Array3<f64> {
    let (height, width, outputs) = g.dim();
    let mut back = Array3::zeros((height, width, channels));
    for [[i, j], [u, v], [k, l]] in taps([height, width]) {
        for (c, o) in (0..channels).flat_map(|c| (0..outputs).map(move |o| (c, o))) {
            back[[k, l, c]] += w.view()[[u, v, c, o]] * g[[i, j, o]];
        }
    }
    back
}

/// What arrives at the image where `passes` says of (x, g, bound) whether a rectifier with input x hands g on.
fn arrives(model: &Model<f64>, x: &Array3<f64>, class: usize, passes: impl Fn(f64, f64, f64) -> bool) -> Array3<f64> {
    let value = |name: &str| model.parameter(name).unwrap();
    let (w1, w2, fc) = (value("conv1.weight"), value("conv2.weight"), value("fc.weight"));
    let before1 = convolution(x, w1, value("conv1.bias").as_slice());
    let before2 = convolution(&before1.mapv(|x| x.max(0.0)), w2, value("conv2.bias").as_slice());
    let back = |x: &Array3<f64>, g: &Array3<f64>, bound: f64| {
        Array3::from_shape_fn(x.dim(), |at| if passes(x[at], g[at], bound) { g[at] } else { 0.0 })
    };
    let positions = (SIZE[0] * SIZE[1]) as f64;
    let pooled = Array3::from_shape_fn(before2.dim(), |(_, _, c)| fc.view()[[c, class]] / positions);
    let g2 = transposed(&back(&before2, &pooled, BOUND), w2, 4);
    transposed(&back(&before1, &g2, f64::INFINITY), w1, SIZE[2])
}

#[test]
fn each_rule_brings_to_the_image_what_its_paper_says() {
    let model = network();
    let x = wave::<f64>([1, SIZE[0], SIZE[1], SIZE[2]], 3.0);
    let pass = Explainer::new(&model).observe(&x).unwrap();
    let x = Array3::from_shape_vec(SIZE, x.into_vec()).unwrap();
    let near = |found: Explanation<Saliency<f64>>, expected: Array3<f64>| {
        let scale = expected.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
        let method = found.method;
        let found = found.single();
        assert!(scale > 0.0, "{method}");
        let errors = found.raw().iter().zip(&expected).map(|(f, e)| (f - e).abs()).collect::<Vec<_>>();
        assert!(errors.iter().all(|error| *error <= 1e-12 * scale), "{method}");
    };
    for class in 0..3 {
        let open = |x: f64, bound: f64| 0.0 < x && x < bound;
        let gradient = arrives(&model, &x, class, |x, _, bound| open(x, bound));
        near(pass.input_x_gradient(class).unwrap(), &x * &gradient);
        near(pass.gradient(class).unwrap(), gradient);
        // Zeiler and Fergus 2014, §2.1: the signal is rectified as the activation was.
        near(pass.deconvnet(class).unwrap(), arrives(&model, &x, class, |_, g, _| g > 0.0));
        // Springenberg et al. 2015, figure 1: both.
        near(pass.guided_backprop(class).unwrap(), arrives(&model, &x, class, |x, g, bound| open(x, bound) && g > 0.0));
    }
}
