//! If one number is wrong in a value, a gradient, a map or a weight, exactly the certificates that depend on it fail.

use nn::Convolution;
use nn::layers::{Apply, BatchNorm, Clip, Conv2d, GlobalAvgPool, Linear, MaxPool, Relu};
use tensor::ops::Add;
use tensor::{Exact, Grads, Node, NodeId, Op, Rule, Tape, Tensor, Var, Wanted};

use super::Finding;
use super::completeness::cuts;
use super::relevance::conservation;
use crate::path::Path;
use crate::rules::{AlphaBeta, Composite, Epsilon, Guided, Layers, Rescale};
use crate::testing::{images, model, wave};
use crate::{Pass, Target};

/// The error added to a number; all numbers are about 1.
const OFF: f64 = 1e-9;

const OPERATIONS: [&str; 9] = ["conv1", "norm", "relu", "pool", "conv2", "sum", "clip", "gap", "fc"];

/// A small network of these operations, as its image and logits. `fault` names an operation and the index of its wrong
/// value.
fn network(fault: Option<(&str, usize)>) -> [Var<f64>; 2] {
    of_image(wave([1, 9, 8, 2], 1.0), fault, OFF)
}

/// The network for this image, with a value that is wrong by `off`.
fn of_image(image: Tensor<f64>, fault: Option<(&str, usize)>, off: f64) -> [Var<f64>; 2] {
    let tape = Tape::new();
    let leaf = |shape: &[usize], phase| tape.leaf(wave(shape, phase));
    let image = tape.leaf(image);
    let fault = fault.map(|(name, index)| (name, index, off));
    let (w1, b1, w2, b2) = (leaf(&[3, 3, 2, 4], 2.0), leaf(&[4], 3.0), leaf(&[3, 3, 4, 4], 4.0), leaf(&[4], 5.0));
    let (gamma, beta, w3, b3) = (leaf(&[4], 6.0), leaf(&[4], 7.0), leaf(&[4, 3], 8.0), leaf(&[3], 9.0));
    let (mean, variance) = (leaf(&[4], 10.0), tape.leaf(Tensor::full([4], 1.5)));
    let conv = Conv2d::new(4, 3);

    let conv1 = image.apply_with(conv, &[&w1, &b1]);
    let conv1 = computed::<Convolution>("conv1", conv1, &[&image, &w1, &b1], fault);
    let norm = conv1.apply_with(BatchNorm::new(), &[&gamma, &beta, &mean, &variance]).labelled("norm");
    let relu = computed::<Relu>("relu", norm.apply(Relu), &[&norm], fault);
    let pool = relu.apply(MaxPool::new(2)).labelled("pool");
    let conv2 = pool.apply_with(conv, &[&w2, &b2]);
    let conv2 = computed::<Convolution>("conv2", conv2, &[&pool, &w2, &b2], fault);
    let sum = computed::<Add>("sum", pool.add(&conv2), &[&pool, &conv2], fault);
    let clip = computed::<Clip>("clip", sum.apply(Clip { min: 0.0, max: 1.0 }), &[&sum], fault);
    let gap = computed::<GlobalAvgPool>("gap", clip.apply(GlobalAvgPool), &[&clip], fault);
    [image, computed::<Linear>("fc", gap.apply_with(Linear::new(3), &[&w3, &b3]), &[&gap, &w3, &b3], fault)]
}

/// The labelled operation, with one wrong value if it is the faulty one.
fn computed<O: Op<f64> + Clone>(
    name: &'static str,
    right: Var<f64>,
    inputs: &[&Var<f64>],
    fault: Option<(&str, usize, f64)>,
) -> Var<f64> {
    let Some((_, index, off)) = fault.filter(|(faulty, ..)| *faulty == name) else { return right.labelled(name) };
    let mut value = right.value().clone();
    value.make_mut()[index] += off;
    right.tape().record(right.node().op::<O>().unwrap().clone(), inputs, value).labelled(name)
}

fn seed() -> Tensor<f64> {
    Tensor::new([1, 3], vec![0.0, 1.0, 0.0])
}

/// The index of the largest magnitude.
fn largest(values: &Tensor<f64>) -> usize {
    let values = values.as_slice().iter().enumerate();
    values.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).unwrap().0
}

fn named<'p>(path: &'p Path<f64>, name: &str) -> &'p Var<f64> {
    path.values.iter().find(|value| value.node().label() == Some(name)).unwrap()
}

/// For each cut, its position among the operations (0 for the image), and whether the gradient is complete there.
fn complete(path: &Path<f64>) -> Vec<(usize, bool)> {
    let index = |layer: &str| OPERATIONS.iter().position(|name| *name == layer).map_or(0, |index| index + 1);
    let found: Vec<_> = cuts(path, 1).unwrap().iter().map(|(layer, found)| (index(layer), found.holds())).collect();
    assert_eq!(
        found.iter().map(|(index, _)| *index).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4, 6, 7, 8],
        "conv2 is not a cut"
    );
    found
}

#[test]
fn a_wrong_value_is_noticed_at_earlier_cuts_and_not_at_later_ones() {
    let ends = network(None);
    let path = Path::under(&Exact, ends.each_ref(), &seed()).unwrap();
    assert!(complete(&path).iter().all(|(_, holds)| *holds));
    let epsilon = Composite::everywhere(Epsilon::default());
    let z_plus = epsilon.clone().with(Layers::Convolutions, AlphaBeta::Z_PLUS);
    let conserved =
        |lrp: &Composite<f64>, ends: &[Var<f64>; 2]| conservation(lrp, ends.each_ref(), &seed()).unwrap().holds();
    assert!(conserved(&epsilon, &ends) && conserved(&z_plus, &ends));
    for name in ["conv1", "relu", "conv2", "sum", "clip", "gap", "fc"] {
        let index = largest(&path.gradient(named(&path, name)));
        let ends = network(Some((name, index)));
        let wrong = Path::under(&Exact, ends.each_ref(), &seed()).unwrap();
        let at = OPERATIONS.iter().position(|operation| *operation == name).unwrap() + 1;
        for (cut, holds) in complete(&wrong) {
            assert_eq!(holds, cut >= at, "{name} is wrong, cut {cut}");
        }
        // An activation passes on all relevance, whatever its value; z⁺ does, whatever the convolution's sum.
        let activation = name == "clip";
        assert_eq!(conserved(&epsilon, &ends), activation, "{name} is wrong");
        assert_eq!(conserved(&z_plus, &ends), activation || name.starts_with("conv"), "{name} is wrong");
    }
}

/// An activation passes on whatever its change is.
#[test]
fn a_wrong_value_is_noticed_in_the_change_of_the_score() {
    let start = |fault| of_image(wave([1, 9, 8, 2], 40.0), fault, 0.0);
    let holds = |fault| {
        let [reference, _] = start(fault);
        super::deep_lift::completeness(&reference, network(fault).each_ref(), &seed()).unwrap().holds()
    };
    assert!(holds(None));
    let [reference, _] = start(None);
    let ends = network(None);
    let path = Path::under(&Rescale::against(&reference), ends.each_ref(), &seed()).unwrap();
    for name in ["conv1", "relu", "conv2", "sum", "clip", "gap", "fc"] {
        let index = largest(&path.gradient(named(&path, name)));
        assert_eq!(holds(Some((name, index))), ["relu", "clip"].contains(&name), "{name} is wrong");
    }
}

/// The chain rule, except for one element of one ReLU's gradient.
struct Slip {
    node: NodeId,
    index: usize,
}

impl Rule<f64> for Slip {
    fn name(&self) -> &'static str {
        "slip"
    }

    fn vjp(&self, node: &Node<f64>, upstream: &Tensor<f64>, _: Wanted<'_>) -> Option<Grads<f64>> {
        (node.id() == self.node).then(|| {
            let mut gradient = upstream.clone().zip(node.output(), |g, y| if y > 0.0 { g } else { 0.0 });
            gradient.make_mut()[self.index] += OFF;
            Grads::one(gradient)
        })
    }
}

#[test]
fn a_wrong_gradient_is_noticed_from_there_down() {
    let ends = network(None);
    let path = Path::under(&Exact, ends.each_ref(), &seed()).unwrap();
    let (norm, relu) = (named(&path, "norm"), named(&path, "relu"));
    let slip = Slip { node: relu.id(), index: largest(norm.value()) };
    for (cut, holds) in complete(&Path::under(&slip, ends.each_ref(), &seed()).unwrap()) {
        assert_eq!(holds, cut >= 3, "cut {cut}");
    }
    // Under a rule other than the chain rule, the gradient is complete only after the last activation.
    for (cut, holds) in complete(&Path::under(&Guided, ends.each_ref(), &seed()).unwrap()) {
        assert_eq!(holds, cut >= 7, "guided, cut {cut}");
    }
}

#[test]
fn a_wrong_cell_of_a_map_is_noticed() {
    let model = model();
    let pass = Pass::new(&model, images(2)).unwrap();
    let (head, target) = (model.gap_head().unwrap(), Target::from(1));
    let maps = pass.gap_head_maps(head, &target).unwrap();
    let hold = |maps: &_| pass.gap_head_residuals(head, &target, maps).unwrap().map(|residual| residual.holds());
    assert_eq!(hold(&maps), [true; 3]);
    // CAM = Z · Grad-CAM, HiResCAM = Grad-CAM, mean CAM + b = S.
    for (map, expected) in [(0, [false, true, false]), (1, [false, false, true]), (2, [true, false, true])] {
        let mut wrong = maps.clone();
        wrong[map][1].values[[2, 1, 0]] += OFF;
        assert_eq!(hold(&wrong), expected, "map {map}");
    }
}

#[test]
fn another_weight_than_the_tape_s_is_noticed() {
    let model = model();
    let mut other = model.clone();
    let mut weight = model.parameter("fc.weight").unwrap().clone();
    weight.make_mut()[1] += OFF;
    other.set_parameter("fc.weight", weight).unwrap();
    let mut pass = Pass::new(&model, images(1)).unwrap();
    pass.model = &other;
    let failed: Vec<_> = pass.certify(1).unwrap().into_iter().filter(|found| found.holds() == Some(false)).collect();
    let identities: Vec<_> = failed.iter().map(|found| found.identity).collect();
    assert_eq!(identities, ["CAM = Z · Grad-CAM", "mean CAM + b = S"], "the others depend on the tape alone");
}

/// Without an activation the derivative is constant along the path, so the quadrature has no error.
#[test]
fn integrated_gradients_of_another_network_are_noticed() {
    let linear = nn::Model::builder([6, 5, 2])
        .layer("conv", Conv2d::new(3, 3))
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(2))
        .build(1)
        .unwrap()
        .cast::<f64>();
    let mut other = linear.clone();
    other
        .set_parameter("conv.weight", linear.parameter("conv.weight").unwrap().clone().map(|w| w * (1.0 + OFF)))
        .unwrap();
    let mut pass = Pass::new(&linear, wave([1, 6, 5, 2], 1.0)).unwrap();
    let holds = |pass: &Pass<'_, f64>| {
        let found = pass.certify_integrated_gradients(&Target::from(1)).unwrap().finding;
        let Finding::Estimated(residual) = found else { panic!("{found:?}") };
        residual.holds()
    };
    assert!(holds(&pass));
    pass.model = &other;
    assert!(!holds(&pass));
}
