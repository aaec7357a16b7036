//! What is asked of each task. A grade panics where an answer is wrong.

use attribution::Pass;
use attribution::measures::Perturbation;
use attribution::rules::{Composite, Deconv, Epsilon, Guided};
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, array};
use nn::layers::{Apply, Conv2d, GlobalAvgPool, Linear, MaxPool, Relu, batch_norm_training};
use nn::losses::cross_entropy;
use nn::optim::{Adam, Optimizer};
use nn::{Convolution, Model, Padding, Parameter, Pool2d};
use tensor::{Exact, Rule, Tape, Tensor};

/// Calls a macro with the chapters and the function that each asks for.
macro_rules! of_each_chapter {
    ($macro:ident) => {
        $macro! {
            chapter_01_gradients: pull_back,
            chapter_02_tape: backward,
            chapter_03_arithmetic: fully_connected,
            chapter_04_convolution: convolution,
            chapter_05_pooling: maximum,
            chapter_06_batch_norm: batch_norm,
            chapter_07_softmax: probability_minus_target,
            chapter_08_relu: guided,
            chapter_09_cam: grad_cam,
            chapter_10_upsampling: receptive_field,
            chapter_11_other_readings: integrated,
            chapter_12_conservation: epsilon_rule,
            chapter_13_gradient_checks: central_differences,
            chapter_14_own_operation: smooth_maximum,
            chapter_15_own_rule: gamma_rule,
            chapter_16_measures: deletion,
            chapter_17_many_machines: tree_sum,
            chapter_18_attention: rollout,
            chapter_19_units: strongest,
            chapter_20_training: adam,
            chapter_21_one_photograph: rank_correlation,
        }
    };
}
pub(crate) use of_each_chapter;

fn near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "found {found:?}, expected {expected:?}");
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "found {found:?}, expected {expected:?}");
    }
}

fn wave(n: usize, step: f64) -> Vec<f64> {
    (0..n).map(|i| (i as f64 * step).sin()).collect()
}

pub fn pull_back(answer: impl Fn(&[Vec<f64>], &[f64]) -> Vec<f64>) {
    near(&answer(&[vec![1.0, 2.0, 3.0], vec![-1.0, 0.5, 4.0]], &[2.0, -3.0]), &[5.0, 2.5, -6.0]);
    near(&answer(&[vec![7.0]], &[0.0]), &[0.0]);
}

pub fn backward(answer: impl Fn(&[Vec<(usize, f64)>]) -> Vec<f64>) {
    // S = exp(x·y) + x at x = 0.5, y = −2, and x·x at 3, whose input occurs twice in one entry.
    let e = (-1.0_f64).exp();
    let tape = [vec![], vec![], vec![(0, -2.0), (1, 0.5)], vec![(2, e)], vec![(3, 1.0), (0, 1.0)]];
    near(&answer(&tape), &[1.0 - 2.0 * e, 0.5 * e, e, 1.0, 1.0]);
    near(&answer(&[vec![], vec![(0, 3.0), (0, 3.0)]]), &[6.0, 1.0]);
}

pub fn fully_connected(
    answer: impl Fn(ArrayView2<f64>, ArrayView2<f64>, ArrayView2<f64>) -> (Array2<f64>, Array2<f64>, Vec<f64>),
) {
    let tape = Tape::<f64>::new();
    let [x, w] = [([2, 3], 0.7), ([3, 4], 1.3)]
        .map(|(shape, step)| tape.leaf(Tensor::from_fn(shape, |i| (i as f64 * step).sin())));
    let b = tape.leaf(Tensor::zeros([4]));
    let upstream = Tensor::from_fn([2, 4], |i| (i as f64 * 0.4).cos());
    let y = x.apply_with(Linear::new(4), &[&w, &b]);
    let g = tape.backward_from(&y, upstream.clone(), &Exact, [&x, &w, &b]).unwrap();
    let two = |tensor: &Tensor<f64>| tensor.to_array().into_dimensionality::<ndarray::Ix2>().unwrap();
    let (of_x, of_w, of_b) = answer(two(x.value()).view(), two(w.value()).view(), two(&upstream).view());
    assert_eq!((of_x.dim(), of_w.dim()), ((2, 3), (3, 4)));
    near(&of_x.iter().copied().collect::<Vec<_>>(), g[&x].as_slice());
    near(&of_w.iter().copied().collect::<Vec<_>>(), g[&w].as_slice());
    near(&of_b, g[&b].as_slice());
}

pub fn convolution(answer: impl Fn(&[f64], &[f64], usize, usize, usize) -> Vec<f64>) {
    for (n, k, stride, padding) in [(5, 3, 2, 1), (7, 3, 1, 0), (8, 2, 3, 0), (6, 5, 1, 2)] {
        let tape = Tape::<f64>::new();
        let x = tape.leaf(Tensor::new([1, 1, n, 1], wave(n, 0.7)));
        let w = tape.leaf(Tensor::new([1, k, 1, 1], wave(k, 1.9)));
        let padding_of = Padding { left: padding, right: padding, ..Padding::default() };
        let conv = Convolution { stride: [1, stride], padding: padding_of, ..Convolution::default() };
        let y = x.apply_with(Conv2d::of(w.shape(), conv), &[&w]);
        let upstream = wave(y.value().len(), 1.1);
        let seed = Tensor::new(y.shape().to_vec(), upstream.clone());
        let g = tape.backward_from(&y, seed, &Exact, [&x]).unwrap();
        near(&answer(w.value().as_slice(), &upstream, n, stride, padding), g[&x].as_slice());
    }
}

pub fn maximum(answer: impl Fn(&[f64], usize, usize, &[f64]) -> Vec<f64>) {
    near(&answer(&[2.0, 2.0, -1.0, -3.0], 2, 2, &[5.0, 7.0]), &[5.0, 0.0, 7.0, 0.0]);
    let tape = Tape::<f64>::new();
    let x = tape.leaf(Tensor::new([1, 1, 9, 1], wave(9, 1.7)));
    let y = x.apply(MaxPool(Pool2d { kernel: [1, 3], stride: [1, 2], ..Pool2d::square(3) }));
    let upstream = wave(y.value().len(), 0.9);
    let g = tape.backward_from(&y, Tensor::new(y.shape().to_vec(), upstream.clone()), &Exact, [&x]).unwrap();
    near(&answer(x.value().as_slice(), 3, 2, &upstream), g[&x].as_slice());
}

pub fn batch_norm(answer: impl Fn(&[f64], f64, f64, &[f64]) -> Vec<f64>) {
    let (values, upstream, gamma, epsilon) = (wave(10, 0.7), wave(10, 1.3), -1.5, 1e-2);
    let tape = Tape::<f64>::new();
    let x = tape.leaf(Tensor::new([10, 1, 1, 1], values.clone()));
    let [scale, shift] = [gamma, 0.3].map(|value| tape.leaf(Tensor::full([1], value)));
    let (y, _) = batch_norm_training(&x, &scale, &shift, epsilon);
    let g = tape.backward_from(&y, Tensor::new([10, 1, 1, 1], upstream.clone()), &Exact, [&x]).unwrap();
    near(&answer(&values, gamma, epsilon, &upstream), g[&x].as_slice());
}

pub fn probability_minus_target(answer: impl Fn(&[f64], usize) -> Vec<f64>) {
    let tape = Tape::<f64>::new();
    let scores = tape.leaf(Tensor::new([1, 4], vec![2.0, -1.0, 0.5, 0.1]));
    let g = tape.backward(&cross_entropy(&scores, &[2], 0.0), &Exact, [&scores]).unwrap();
    near(&answer(scores.value().as_slice(), 2), g[&scores].as_slice());
    near(&answer(&[2000.0, -2000.0], 1), &[1.0, -1.0]);
}

pub fn guided(answer: impl Fn(&[f64], &[f64]) -> Vec<f64>) {
    let tape = Tape::<f64>::new();
    let x = tape.leaf(Tensor::new([5], vec![-1.0, 2.0, 3.0, -4.0, 0.0]));
    let y = x.apply(Relu);
    let upstream = vec![5.0, -6.0, 7.0, -8.0, 9.0];
    let read = |rule: &dyn Rule<f64>| {
        let seed = Tensor::new([5], upstream.clone());
        tape.backward_from(&y, seed, rule, [&x]).unwrap()[&x].as_slice().to_vec()
    };
    let found = answer(x.value().as_slice(), &upstream);
    near(&found, &read(&Guided));
    assert!(found != read(&Deconv) && found != read(&Exact));
}

pub fn grad_cam(answer: impl Fn(ArrayView3<f64>, ArrayView3<f64>) -> Array2<f64>) {
    let of = |step: f64| Array3::from_shape_vec((3, 4, 2), wave(24, step)).unwrap();
    let (features, gradients) = (of(0.9), of(1.7));
    let found = answer(features.view(), gradients.view());
    let expected = attribution::methods::grad_cam(features.view(), gradients.view());
    assert_eq!(found.dim(), (3, 4));
    near(&found.into_iter().collect::<Vec<_>>(), &expected.into_iter().collect::<Vec<_>>());
}

pub fn receptive_field(answer: impl Fn(&[(usize, usize)]) -> (usize, usize)) {
    assert_eq!(answer(&[]), (1, 1));
    for layers in [&[(5, 2), (3, 2)][..], &[(3, 1), (3, 1), (3, 3)], &[(7, 2), (1, 2), (3, 1)]] {
        let conv = |model: nn::ModelBuilder, (at, &(kernel, stride)): (usize, &(usize, usize))| {
            model.layer(format!("conv{at}"), Conv2d::new(1, kernel).stride(stride))
        };
        let model = layers.iter().enumerate().fold(Model::builder([33, 33, 1]), conv);
        let model = model.layer("gap", GlobalAvgPool).layer("fc", Linear::new(1)).build(0).unwrap();
        let pass = Pass::new(&model, Tensor::zeros([33, 33, 1])).unwrap();
        let cells = pass.cells(layers.len() - 1).unwrap().expect("one branch");
        assert_eq!(answer(layers), (cells.stride()[0], cells.receptive_field()[0]), "{layers:?}");
    }
}

pub fn integrated(answer: impl Fn(&dyn Fn(&[f64]) -> Vec<f64>, &[f64], &[f64], usize) -> Vec<f64>) {
    // f = x₀² x₁ + sin x₂.
    let f = |x: &[f64]| x[0] * x[0] * x[1] + x[2].sin();
    let gradient = |x: &[f64]| vec![2.0 * x[0] * x[1], x[0] * x[0], x[2].cos()];
    let (x, from) = ([1.0, 2.0, 0.5], [0.5, -1.0, 0.5]);
    let map = answer(&gradient, &x, &from, 2000);
    assert!((map.iter().sum::<f64>() - (f(&x) - f(&from))).abs() < 1e-6, "it isn't complete: {map:?}");
    assert_eq!(map[2], 0.0, "an input that doesn't move gets nothing");
    // One step reads the middle of the way.
    near(&answer(&gradient, &x, &from, 1), &[0.5 * 0.75, 3.0 * 0.75 * 0.75, 0.0]);
}

pub fn epsilon_rule(answer: impl Fn(&[f64], &[Vec<f64>], &[f64], &[f64], f64) -> Vec<f64>) {
    let (x, w, b) = ([1.0, -2.0, 0.5], [vec![0.5, -1.0], vec![0.25, 1.0], vec![2.0, 0.5]], [0.1, -0.2]);
    let tape = Tape::<f64>::new();
    let input = tape.leaf(Tensor::new([1, 3], x.to_vec()));
    let [weight, bias] = [Tensor::new([3, 2], w.concat()), Tensor::new([2], b.to_vec())].map(|value| tape.leaf(value));
    let y = input.apply_with(Linear::new(2), &[&weight, &bias]);
    let rule = Composite::everywhere(Epsilon(0.25)).on(&tape, &input).unwrap();
    let arrived = tape.backward(&y, &rule, [&input]).unwrap().take(&input).unwrap();
    // Asked for both outputs, whose relevance is their value.
    let found = answer(&x, &w, &b, y.value().as_slice(), 0.25);
    near(&found, rule.relevance(input.value(), arrived).as_slice());
}

pub fn central_differences(answer: impl Fn(&dyn Fn(&[f64]) -> f64, &[f64], f64) -> Vec<f64>) {
    let found = answer(&|x: &[f64]| x[0].sin() * x[1].exp(), &[0.7, -0.3], 1e-5);
    let expected = [0.7_f64.cos() * (-0.3_f64).exp(), 0.7_f64.sin() * (-0.3_f64).exp()];
    near(&found, &expected);
    // Of a parabola the central quotient is exact, and a one-sided one isn't.
    near(&answer(&|x: &[f64]| x[0] * x[0], &[3.0], 0.5), &[6.0]);
}

pub fn smooth_maximum(answer: impl Fn(&[f64], f64, f64) -> Vec<f64>) {
    near(&answer(&[1.0, 1.0, 1.0, 1.0], 3.0, 2.0), &[0.5; 4]);
    near(&answer(&[1.0, 2.0, 1.5], 1e4, 3.0), &[0.0, 3.0, 0.0]);
    let f = [0.3, -1.2, 0.7];
    let pooled = |f: &[f64]| (f.iter().map(|f| (2.0 * f).exp()).sum::<f64>() / 3.0).ln() / 2.0;
    let found = answer(&f, 2.0, 1.0);
    for (at, slope) in found.iter().enumerate() {
        let moved = |h: f64| pooled(&std::array::from_fn::<f64, 3, _>(|i| f[i] + if i == at { h } else { 0.0 }));
        assert!((slope - (moved(1e-5) - moved(-1e-5)) / 2e-5).abs() < 1e-8, "{found:?}");
    }
}

pub fn gamma_rule(answer: impl Fn(&[f64], &[f64], f64, f64) -> Vec<f64>) {
    let (x, w) = ([1.0, 2.0, 2.0], [1.0, -1.0, 2.0]);
    near(&answer(&x, &w, 3.0, 0.0), &[1.0, -2.0, 4.0]);
    near(&answer(&x, &w, 3.0, 1.0), &[0.75, -0.75, 3.0]);
    near(&[answer(&x, &w, 3.0, 1e15).iter().sum::<f64>()], &[3.0]);
}

pub fn deletion(answer: impl Fn(&[f64], &dyn Fn(&[usize]) -> f64) -> f64) {
    let mut model = Model::builder([2, 3, 1]).layer("gap", GlobalAvgPool).layer("fc", Linear::new(2)).build(0).unwrap();
    model.set_parameter("fc.weight", Tensor::new([1, 2], vec![4.0, 0.0])).unwrap();
    model.set_parameter("fc.bias", Tensor::zeros([2])).unwrap();
    let model = model.cast::<f64>();
    let image = [3.0, 1.0, -2.0, 0.5, 4.0, 1.0];
    let pass = Pass::new(&model, Tensor::new([2, 3, 1], image.to_vec())).unwrap();
    let map = array![[0.9, 0.2, 0.1], [0.4, 0.9, 0.3]];
    let settings = Perturbation { steps: 6, ..Perturbation::default() };
    let expected = pass.deletion(std::slice::from_ref(&map), &[0], &settings, None).unwrap()[0].area();
    let probability = |removed: &[usize]| {
        let kept = (0..6).filter(|pixel| !removed.contains(pixel)).map(|pixel| image[pixel]).sum::<f64>();
        1.0 / (1.0 + (-4.0 * kept / 6.0).exp())
    };
    near(&[answer(&map.into_iter().collect::<Vec<_>>(), &probability)], &[expected]);
}

pub fn tree_sum(answer: impl Fn(&[f32]) -> f32) {
    let s: Vec<f32> = (0..13).map(|i| (i as f32 * 1.7).sin() * 10_f32.powi(i % 5)).collect();
    let eight = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    let expected = [
        (1, s[0]),
        (3, (s[0] + s[1]) + s[2]),
        (5, ((s[0] + s[1]) + (s[2] + s[3])) + s[4]),
        (8, eight),
        (13, eight + (((s[8] + s[9]) + (s[10] + s[11])) + s[12])),
    ];
    for (n, sum) in expected {
        assert_eq!(answer(&s[..n]).to_bits(), sum.to_bits(), "{n} values");
    }
}

pub fn rollout(answer: impl Fn(&[Array2<f64>]) -> Array2<f64>) {
    let values = |map: Array2<f64>| map.into_iter().collect::<Vec<f64>>();
    let first = array![[0.8, 0.2], [0.6, 0.4]];
    let last = array![[0.0, 1.0], [0.5, 0.5]];
    near(&values(answer(std::slice::from_ref(&first))), &[0.9, 0.1, 0.3, 0.7]);
    // ½ [[1, 1], [0.5, 1.5]] · [[0.9, 0.1], [0.3, 0.7]]: the last block comes first.
    near(&values(answer(&[first, last])), &[0.6, 0.4, 0.45, 0.55]);
}

pub fn strongest(answer: impl Fn(&[Vec<f64>], usize) -> Vec<usize>) {
    let pictures = [vec![0.0, 0.0], vec![0.2, 3.0], vec![-1.0, -0.5], vec![1.5, 1.0], vec![3.0, 0.0]];
    assert_eq!(answer(&pictures, 2), [1, 4], "equal ones keep their order");
    assert_eq!(answer(&pictures, 9), [1, 4, 3], "what isn't positive activates nothing");
    assert_eq!(answer(&[], 3), [0; 0]);
}

pub fn adam(answer: impl Fn(&[f64], f64) -> Vec<f64>) {
    let gradients: Vec<f64> = (0..8).map(|t| 3.0 * (f64::from(t) * 1.3).cos()).collect();
    let mut weights = [Parameter { name: "w".into(), trainable: true, value: Tensor::new([1], vec![0.0]) }];
    let mut optimizer = Adam::<f64>::new(0.1);
    let step = |g: &f64| {
        optimizer.step(&mut weights, &[(0, Tensor::new([1], vec![*g]))]);
        weights[0].value.item()
    };
    let expected: Vec<f64> = gradients.iter().map(step).collect();
    near(&answer(&gradients, 0.1), &expected);
}

pub fn rank_correlation(answer: impl Fn(&[f64], &[f64]) -> Option<f64>) {
    let [a, b] = [[0.1, 0.4, 0.4, 0.8, 0.0, 0.4], [0.3, 0.3, 0.9, 0.7, 0.1, 0.2]];
    let map = |values: &[f64]| Array2::from_shape_vec((2, 3), values.iter().map(|&v| v as f32).collect()).unwrap();
    let expected = attribution::measures::rank_correlation(map(&a).view(), map(&b).view()).unwrap();
    near(&[answer(&a, &b).expect("neither is constant")], &[expected]);
    near(&[answer(&a, &a.map(|v| -v)).expect("neither is constant")], &[-1.0]);
    assert_eq!(answer(&a, &[0.5; 6]), None);
}
