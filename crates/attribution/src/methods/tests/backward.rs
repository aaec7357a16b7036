//! A network computed by hand, in loops: the gradient at its image under a rule for ReLUs.

use ndarray::Array3;
use nn::Model;
use nn::layers::{Clip, Conv2d, GlobalAvgPool, Linear, Relu};
use tensor::Tensor;

use super::near_each;
use crate::testing::wave;
use crate::{Method, Pass};

const SIZE: [usize; 3] = [6, 5, 2];
pub(in crate::methods) const BOUND: f64 = 0.4;

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

/// A 3×3 convolution with zero padding, as all triples (output, tap of the kernel, input).
pub(in crate::methods) fn taps([height, width]: [usize; 2]) -> Vec<[[usize; 2]; 3]> {
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

pub(in crate::methods) fn convolution(x: &Array3<f64>, w: &Tensor<f64>, b: &[f64]) -> Array3<f64> {
    let (height, width, channels) = x.dim();
    let mut y = Array3::from_shape_fn((height, width, b.len()), |(_, _, o)| b[o]);
    for [[i, j], [u, v], [k, l]] in taps([height, width]) {
        for (c, o) in (0..channels).flat_map(|c| (0..b.len()).map(move |o| (c, o))) {
            y[[i, j, o]] += w.view()[[u, v, c, o]] * x[[k, l, c]];
        }
    }
    y
}

/// The transpose of a convolution.
pub(in crate::methods) fn transposed(g: &Array3<f64>, w: &Tensor<f64>, channels: usize) -> Array3<f64> {
    let (height, width, outputs) = g.dim();
    let mut back = Array3::zeros((height, width, channels));
    for [[i, j], [u, v], [k, l]] in taps([height, width]) {
        for (c, o) in (0..channels).flat_map(|c| (0..outputs).map(move |o| (c, o))) {
            back[[k, l, c]] += w.view()[[u, v, c, o]] * g[[i, j, o]];
        }
    }
    back
}

/// The gradient at the image. `passes` decides from (x, g, bound) whether a ReLU with input x passes g on.
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

/// Checks a method's map for each class against `expected`, a function of the image x and its gradient. `passes`
/// decides from (x, g, bound) whether a ReLU with input x and this upper bound passes g on.
pub(in crate::methods) fn arriving(
    method: &dyn Method<f64>,
    passes: fn(f64, f64, f64) -> bool,
    expected: fn(&Array3<f64>, Array3<f64>) -> Array3<f64>,
) {
    with_network(|pass, x| {
        for class in 0..3 {
            let expected = expected(x, arrives(pass.model(), x, class, passes));
            assert!(expected.iter().any(|v| *v != 0.0));
            near_each(pass.why(class).explain(method).unwrap().raw(), &expected, method.about().title);
        }
    });
}

/// A pass of the network, and its image `[H, W, C]`.
pub(in crate::methods) fn with_network(check: impl Fn(&Pass<'_, f64>, &Array3<f64>)) {
    let model = network();
    let x = wave::<f64>([1, SIZE[0], SIZE[1], SIZE[2]], 3.0);
    let pass = Pass::new(&model, &x).unwrap();
    check(&pass, &Array3::from_shape_vec(SIZE, x.into_vec()).unwrap());
}
