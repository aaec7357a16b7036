//! The natures that operations of `tensor` and `nn` declare, checked numerically.

use nn::layers::{
    Apply, AvgPool, BatchNorm, ChannelMax, Clip, Conv2d, ConvTranspose2d, Elu, Erf, Gelu, GlobalAvgPool, GroupNorm,
    HardSwish, Interpolation, L2Norm, LayerNorm, LeakyRelu, Linear, MaxPool, PRelu, Power, Relu, Resize, Sigmoid, Silu,
    Softmax, Softplus, Step, batch_norm_training, dropout,
};
use nn::losses::{cross_entropy, log_softmax, soft_cross_entropy};
use nn::{Convolution, Pool2d};
use tensor::ops::concat;
use tensor::{Nature, Shape, Tape, Tensor, Var, gradcheck};

use crate::testing::wave;

type Function = fn(&[Var<f64>]) -> Var<f64>;

/// An operation and the shapes of its inputs.
struct Case {
    name: &'static str,
    shapes: Vec<Shape>,
    f: Function,
}

fn case<const N: usize>(name: &'static str, shapes: [&[usize]; N], f: Function) -> Case {
    Case { name, shapes: shapes.map(Shape::from).into(), f }
}

const ROW: &[usize] = &[7];
const MATRIX: &[usize] = &[3, 4];
const PICTURE: &[usize] = &[2, 6, 5, 4];
const KERNEL: &[usize] = &[3, 3, 4, 2];
const OVERLAPPING: fn() -> Pool2d = || Pool2d { kernel: [3, 3], stride: [2, 1], padding: Default::default() };

fn resize(interpolation: Interpolation) -> Resize {
    Resize { size: [9, 4], interpolation }
}

fn operations() -> Vec<Case> {
    vec![
        case("add", [MATRIX, &[4]], |v| v[0].add(&v[1])),
        case("sub", [MATRIX, MATRIX], |v| v[0].sub(&v[1])),
        case("mul", [MATRIX, &[3, 1]], |v| v[0].mul(&v[1])),
        case("matmul", [MATRIX, &[4, 2]], |v| v[0].matmul(&v[1])),
        case("concat", [MATRIX, &[2, 4]], |v| concat(&[&v[0], &v[1]], 0)),
        case("pad", [MATRIX], |v| v[0].pad(&[(1, 0), (0, 2)], 0.5)),
        case("pick", [MATRIX], |v| v[0].pick_each(&[2, 0, 2])),
        case("select", [MATRIX], |v| v[0].select(1, &[3, 0, 3])),
        case("slice", [MATRIX], |v| v[0].slice(1, 1..3)),
        case("reshape", [MATRIX], |v| v[0].reshape([2, 6])),
        case("permute", [MATRIX], |v| v[0].transpose()),
        case("sum", [MATRIX], |v| v[0].sum_axes(&[1])),
        case("mean", [MATRIX], |v| v[0].mean_axes(&[0])),
        case("neg", [ROW], |v| v[0].neg()),
        case("abs", [ROW], |v| v[0].abs()),
        case("exp", [ROW], |v| v[0].exp()),
        case("ln", [ROW], |v| v[0].ln()),
        case("sqrt", [ROW], |v| v[0].sqrt()),
        case("tanh", [ROW], |v| v[0].tanh()),
        case("powi", [ROW], |v| v[0].powi(3)),
        case("add scalar", [ROW], |v| v[0].add_scalar(-0.7)),
        case("mul scalar", [ROW], |v| v[0].mul_scalar(-0.7)),
        case("conv2d", [PICTURE, KERNEL], |v| v[0].apply_with(Conv2d::new(2, 3).without_bias(), &[&v[1]])),
        case("conv2d", [PICTURE, KERNEL, &[2]], |v| {
            v[0].apply_with(Conv2d::new(2, 3).padding(0).stride(2), &[&v[1], &v[2]])
        }),
        case("transposed conv2d", [PICTURE, &[3, 3, 2, 4], &[2]], |v| {
            v[0].apply_with(ConvTranspose2d::new(2, 3, Convolution::default().stride(2)), &[&v[1], &v[2]])
        }),
        case("linear", [MATRIX, &[4, 2], &[2]], |v| v[0].apply_with(Linear::new(2), &[&v[1], &v[2]])),
        case("batch norm (evaluation)", [PICTURE, &[4], &[4], &[4], &[4]], |v| {
            v[0].apply_with(BatchNorm::new(), &[&v[1], &v[2], &v[3], &v[4]])
        }),
        case("avg pool", [PICTURE], |v| v[0].apply(AvgPool { pool: OVERLAPPING(), count_padding: true })),
        case("global avg pool", [PICTURE], |v| v[0].apply(GlobalAvgPool)),
        case("max pool", [PICTURE], |v| v[0].apply(MaxPool(OVERLAPPING()))),
        case("channel max", [PICTURE], |v| v[0].apply(ChannelMax)),
        case("resize", [PICTURE], |v| v[0].apply(resize(Interpolation::Nearest))),
        case("resize", [PICTURE], |v| v[0].apply(resize(Interpolation::Bicubic { align_corners: false }))),
        case("dropout", [PICTURE], |v| dropout(v[0].clone(), 0.3, 1)),
        case("relu", [ROW], |v| v[0].apply(Relu)),
        case("clip", [ROW], |v| v[0].apply(Clip { min: -0.2, max: 0.3 })),
        case("leaky relu", [ROW], |v| v[0].apply(LeakyRelu { slope: 0.1 })),
        case("prelu", [MATRIX, &[4]], |v| v[0].apply_with(PRelu, &[&v[1]])),
        case("elu", [ROW], |v| v[0].apply(Elu { alpha: 1.0 })),
        case("erf", [ROW], |v| v[0].apply(Erf)),
        case("gelu", [ROW], |v| v[0].apply(Gelu { tanh: false })),
        case("power", [ROW], |v| v[0].apply(Power { exponent: 0.5 })),
        case("sigmoid", [ROW], |v| v[0].apply(Sigmoid)),
        case("silu", [ROW], |v| v[0].apply(Silu)),
        case("hard swish", [ROW], |v| v[0].apply(HardSwish)),
        case("softplus", [ROW], |v| v[0].apply(Softplus)),
    ]
}

/// The operations whose nature is [`Nature::Other`].
fn others() -> Vec<Case> {
    vec![
        case("div", [MATRIX, MATRIX], |v| v[0].div(&v[1])),
        case("softmax", [MATRIX], |v| v[0].apply(Softmax)),
        case("log softmax", [MATRIX], |v| log_softmax(&v[0])),
        case("cross entropy", [MATRIX], |v| cross_entropy(&v[0], &[2, 0, 1], 0.0)),
        case("soft cross entropy", [MATRIX], |v| soft_cross_entropy(&v[0], &Tensor::full([3, 4], 0.25), 0.1)),
        case("step", [ROW], |v| v[0].apply(Step { threshold: 0.1 })),
        case("l2 norm", [MATRIX], |v| v[0].apply(L2Norm { epsilon: 1e-12 })),
        case("layer norm", [MATRIX, &[4], &[4]], |v| v[0].apply_with(LayerNorm { epsilon: 1e-5 }, &[&v[1], &v[2]])),
        case("group norm", [PICTURE, &[4], &[4]], |v| {
            v[0].apply_with(GroupNorm { groups: 2, epsilon: 1e-5 }, &[&v[1], &v[2]])
        }),
        case("batch norm (training)", [PICTURE, &[4], &[4]], |v| batch_norm_training(&v[0], &v[1], &v[2], 1e-5).0),
    ]
}

impl Case {
    fn output(&self, inputs: &[Tensor<f64>]) -> Var<f64> {
        let tape = Tape::new();
        let vars: Vec<_> = inputs.iter().map(|x| tape.leaf(x.clone())).collect();
        let y = (self.f)(&vars);
        assert_eq!((y.id(), y.node().any_op().name()), (inputs.len(), self.name), "a case records one operation");
        y
    }

    fn values(&self, inputs: &[Tensor<f64>]) -> Tensor<f64> {
        self.output(inputs).value().clone()
    }

    /// Whether it is defined only for positive numbers: a logarithm, a root, a division by the root of a variance.
    fn needs_positive(&self) -> bool {
        ["ln", "sqrt", "power", "batch norm (evaluation)"].contains(&self.name)
    }

    fn inputs(&self, phase: f64) -> Vec<Tensor<f64>> {
        let input = |(i, shape): (usize, &Shape)| {
            let values = wave::<f64>(*shape, phase + 3.0 * i as f64);
            if self.needs_positive() { values.map(|x| 0.5 + x * x) } else { values }
        };
        self.shapes.iter().enumerate().map(input).collect()
    }

    /// Whether f(a·x + b·x′) = a·f(x) + b·f(x′) in the inputs `varying`, with the others constant.
    fn combines(&self, varying: &[usize], [a, b]: [f64; 2]) -> bool {
        let (first, mut second) = (self.inputs(1.2), self.inputs(2.2));
        let mut both = first.clone();
        for (input, value) in first.iter().enumerate() {
            if varying.contains(&input) {
                both[input] = value.clone().zip(&second[input], |x, y| a * x + b * y);
            } else {
                second[input] = value.clone();
            }
        }
        let apart = self.values(&first).zip(&self.values(&second), |x, y| a * x + b * y);
        let differences = self.values(&both).zip(&apart, |x, y| (x - y).abs());
        differences.as_slice().iter().all(|&difference| difference < 1e-12)
    }

    fn is_linear(&self, varying: &[usize]) -> bool {
        self.combines(varying, [0.7, -1.9])
    }

    /// Whether f(2·x) = 2·f(x) to the bit in the inputs `varying`, with the others constant.
    fn doubles(&self, varying: &[usize]) -> bool {
        let inputs = self.inputs(1.2);
        let mut doubled = inputs.clone();
        varying.iter().for_each(|&input| doubled[input] = doubled[input].clone().map(|x| 2.0 * x));
        self.values(&doubled) == self.values(&inputs).map(|y| 2.0 * y)
    }

    /// Whether each element of y equals an element of an input to the bit.
    fn copies(&self) -> bool {
        let inputs = self.inputs(1.2);
        let is_copy = |y: &f64| inputs.iter().flat_map(|x| x.as_slice()).any(|x| x.to_bits() == y.to_bits());
        self.values(&inputs).as_slice().iter().all(is_copy)
    }

    /// Whether each element of x affects only the element of y with the same index.
    fn is_elementwise(&self) -> bool {
        let inputs = self.inputs(1.2);
        let y = self.values(&inputs);
        let affects_its_own = |element: usize| {
            let mut moved = inputs.clone();
            moved[0].make_mut()[element] *= 1.25;
            let moved = self.values(&moved);
            let pairs = moved.as_slice().iter().zip(y.as_slice()).enumerate();
            pairs.filter(|(i, _)| *i != element).all(|(_, (moved, y))| moved == y)
        };
        y.shape() == inputs[0].shape() && (0..y.len()).all(affects_its_own)
    }

    /// Whether the slopes to the left and to the right differ at some element; elements at the kinks of the listed
    /// activations are included.
    fn has_kink(&self) -> bool {
        const H: f64 = 1e-6;
        let mut inputs = self.inputs(1.2);
        if !self.needs_positive() {
            inputs[0].make_mut()[..3].copy_from_slice(&[0.0, 0.3, -0.2]);
        }
        let at = |h: f64| {
            let mut moved = inputs.clone();
            moved[0] = moved[0].clone().map(|x| x + h);
            self.values(&moved)
        };
        let jumps = at(H).zip(&at(-H), |right, left| right + left).zip(&at(0.0), |sum, y| (sum - 2.0 * y).abs() / H);
        jumps.as_slice().iter().any(|&jump| jump > 1e-3)
    }

    /// f(0), with the other inputs constant.
    fn at_zero(&self, inputs: &[Tensor<f64>]) -> Tensor<f64> {
        let mut inputs = inputs.to_vec();
        inputs[0] = Tensor::zeros(inputs[0].shape());
        self.values(&inputs)
    }

    /// Whether the function has all properties of a nature.
    fn is_of(&self, nature: Nature) -> bool {
        let inputs = self.inputs(1.2);
        let all: Vec<usize> = (0..inputs.len()).collect();
        match nature {
            Nature::Moves => self.copies() && self.is_linear(&all),
            Nature::Chooses => self.copies() && self.doubles(&[0]) && !self.is_linear(&[0]),
            Nature::Linear => self.is_linear(&all),
            Nature::Multilinear => all.iter().all(|&input| self.is_linear(&[input])) && !self.is_linear(&all),
            Nature::Affine { bias } => {
                let b = self.at_zero(&inputs);
                let added = match bias {
                    Some(input) if input < inputs.len() => {
                        let bias = inputs[input].as_slice();
                        b == Tensor::from_fn(b.shape(), |i| bias[i % bias.len()])
                    }
                    Some(_) => b == Tensor::zeros(b.shape()),
                    None => b.as_slice().iter().any(|&b| b != 0.0),
                };
                self.combines(&[0], [0.3, 0.7]) && added
            }
            Nature::Rectifier { min, max } => self.values(&inputs) == inputs[0].clone().map(|x| x.max(min).min(max)),
            Nature::Bends => self.is_elementwise() && self.doubles(&[0]) && !self.is_linear(&[0]),
            Nature::Smooth => {
                let checked = gradcheck(&inputs, self.f);
                let is_smooth = checked.within(1e-7).is_ok() && checked.skipped == 0 && !self.has_kink();
                is_smooth && self.is_elementwise() && !self.combines(&[0], [0.3, 0.7])
            }
            Nature::Other => true,
        }
    }
}

#[test]
fn operations_have_the_nature_that_they_declare() {
    for case in operations() {
        let nature = case.output(&case.inputs(1.2)).node().any_op().nature();
        assert_ne!(nature, Nature::Other, "{}", case.name);
        assert!(case.is_of(nature), "{} isn't of nature {nature:?}", case.name);
        let varying = if matches!(nature, Nature::Moves | Nature::Linear) { 0..case.shapes.len() } else { 0..1 };
        let scales = case.doubles(&varying.collect::<Vec<_>>());
        assert!(scales || !nature.is_homogeneous(), "{} doesn't scale with its input", case.name);
    }
    for case in others() {
        assert_eq!(case.output(&case.inputs(1.2)).node().any_op().nature(), Nature::Other, "{}", case.name);
    }
}

/// Whether one nature implies another: a copy is linear, a linear operation is affine, a ReLU bends.
fn implies(own: Nature, other: Nature, inputs: usize) -> bool {
    match (own, other) {
        (Nature::Moves, Nature::Linear) | (Nature::Affine { .. }, Nature::Affine { bias: None }) => true,
        (Nature::Moves | Nature::Linear | Nature::Multilinear, Nature::Affine { .. }) => true,
        (Nature::Affine { bias: Some(bias) }, Nature::Multilinear) => bias >= inputs,
        (Nature::Rectifier { .. }, Nature::Bends) => own.is_homogeneous(),
        _ => false,
    }
}

#[test]
fn a_wrong_nature_is_noticed() {
    let natures = [
        Nature::Moves,
        Nature::Chooses,
        Nature::Linear,
        Nature::Multilinear,
        Nature::Affine { bias: None },
        Nature::Affine { bias: Some(2) },
        Nature::Rectifier { min: 0.0, max: f64::INFINITY },
        Nature::Rectifier { min: -0.2, max: 0.3 },
        Nature::Bends,
        Nature::Smooth,
    ];
    let mut seen = [false; 10];
    for case in operations() {
        let own = case.output(&case.inputs(1.2)).node().any_op().nature();
        seen[natures.iter().position(|&nature| nature == own).expect("a nature of the list")] = true;
        for wrong in natures.into_iter().filter(|&nature| nature != own && !implies(own, nature, case.shapes.len())) {
            assert!(!case.is_of(wrong), "{} passes as {wrong:?}", case.name);
        }
    }
    assert_eq!(seen, [true; 10], "every nature has an operation");
}
