//! Chapters 12 and 15: what adds up to the score, and shares of it.

use attribution::methods::{ConceptRelevance, DeepLift, FullGrad, Gradient, InputXGradient, Lrp, Preset};
use attribution::rules::{AlphaBeta, Composite, Epsilon, Flat};
use attribution::{Baseline, Pass};
use ndarray::Axis;
use nn::Model;
use nn::layers::{Apply, BatchNorm, Clip, Conv2d, Flatten, GlobalAvgPool, Linear, Relu, Sigmoid};
use tensor::{Tape, Tensor};

use super::drawing::{NEGATIVE, POSITIVE, column, number, row, sheet};
use super::picture::heat;
use super::plot::{bars, plot, sampled};
use super::{Figure, figure, table, wave};

pub(crate) fn all() -> Vec<Figure> {
    vec![biases(), flow(), shares(), by_channel(), chord(), positions(), gamma()]
}

fn network() -> (Model<f64>, Tensor<f64>) {
    let mut model = Model::builder([6, 6, 1])
        .layer("conv", Conv2d::new(2, 3))
        .layer("bn", BatchNorm::new())
        .layer("relu6", Clip::RELU6)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(2))
        .build(5)
        .unwrap();
    for (name, values) in [("conv.bias", vec![0.3, -0.2]), ("bn.bias", vec![0.4, 5.9]), ("fc.bias", vec![0.1, 0.7])] {
        model.set_parameter(name, Tensor::new([2], values)).unwrap();
    }
    (model.cast(), wave(&[6, 6, 1], 0.7))
}

fn biases() -> Figure {
    let (model, image) = network();
    let pass = Pass::new(&model, &image).unwrap();
    let full = pass.full_gradient(1).unwrap();
    let score = pass.scores(1).unwrap()[0];
    let from_image = pass.why(1).explain(&InputXGradient).unwrap().raw().sum();
    let parts: Vec<(String, f64)> = [("image".to_string(), from_image)]
        .into_iter()
        .chain(full.biases.iter().map(|bias| (format!("bias of {}", bias.layer), bias.values.sum())))
        .collect();
    assert!((parts.iter().map(|(_, part)| part).sum::<f64>() - score).abs() < 1e-12);
    let named: Vec<(&str, f64)> =
        parts.iter().map(|(name, part)| (name.as_str(), *part)).chain([("score", score)]).collect();
    let map = pass.why(1).explain(&FullGrad).unwrap().per_cell();
    let drawing = row([bars(&named), heat(map.view(), 18.0).titled("FullGrad")]);
    let list = named.iter().map(|(name, part)| format!("{name} {}", number(*part))).collect::<Vec<_>>().join(", ");
    let about = format!(
        "Bars for what the image and the biases of each layer contribute to a score, of which they are the parts: {list}. Beside them \
         FullGrad's map, the sum of their magnitudes position by position."
    );
    figure("full-gradient", "The score, shared out among image and biases", about, drawing)
}

/// Three inputs, two hidden units, one score.
const WEIGHTS: ([[f64; 2]; 3], [f64; 2]) = ([[1.0, -0.5], [0.3, 0.8], [0.7, 0.4]], [1.5, -0.7]);

fn flow() -> Figure {
    let (first, last) = WEIGHTS;
    let x = [0.5, -1.0, 2.0];
    let mut model = Model::builder([1, 1, 3])
        .layer("flat", Flatten)
        .layer("fc1", Linear::new(2).without_bias())
        .layer("relu", Relu)
        .layer("fc2", Linear::new(1).without_bias())
        .build(0)
        .unwrap()
        .cast::<f64>();
    model.set_parameter("fc1.weight", Tensor::new([3, 2], first.concat())).unwrap();
    model.set_parameter("fc2.weight", Tensor::new([2, 1], last.to_vec())).unwrap();
    let pass = Pass::new(&model, Tensor::new([1, 1, 3], x.to_vec())).unwrap();
    let score = pass.scores(0).unwrap()[0];
    let relevance = pass.why(0).explain(&Lrp { preset: Preset::Epsilon }).unwrap();
    let of_inputs: Vec<f64> = relevance.raw().iter().copied().collect();
    let hidden: Vec<f64> = (0..2).map(|j| (0..3).map(|i| x[i] * first[i][j]).sum()).collect();
    let of_hidden: Vec<f64> = (0..2).map(|j| hidden[j].max(0.0) * last[j]).collect();
    let left = [[70.0, 20.0], [70.0, 80.0], [70.0, 140.0]];
    let middle = [[260.0, 45.0], [260.0, 115.0]];
    let right = [440.0, 80.0];
    let mut drawn = sheet(510.0, 160.0);
    for (j, &to) in middle.iter().enumerate() {
        for (i, &from) in left.iter().enumerate() {
            let share = x[i] * first[i][j] / hidden[j] * of_hidden[j];
            if share == 0.0 {
                continue;
            }
            let [[a, b], [c, d]] = [[from[0] + 52.0, from[1]], [to[0] - 62.0, to[1]]];
            // From the unit back to the input, as wide as the share.
            let colour = if share < 0.0 { NEGATIVE } else { POSITIVE };
            drawn = drawn.coloured_arrow([c, d], [a, b], colour, 0.6 + 2.0 * share.abs());
        }
        if of_hidden[j] == 0.0 {
            continue;
        }
        let colour = if of_hidden[j] < 0.0 { NEGATIVE } else { POSITIVE };
        drawn = drawn.coloured_arrow(
            [right[0] - 52.0, right[1]],
            [to[0] + 62.0, to[1]],
            colour,
            0.6 + 2.0 * of_hidden[j].abs(),
        );
    }
    for (i, &at) in left.iter().enumerate() {
        drawn = drawn.node(at, &format!("x{i}: {}", number(of_inputs[i])));
    }
    for (j, &at) in middle.iter().enumerate() {
        drawn = drawn.node(at, &format!("unit {j}: {}", number(of_hidden[j])));
    }
    drawn = drawn.node(right, &format!("S = {}", number(score)));
    let list = |values: &[f64]| values.iter().map(|value| number(*value)).collect::<Vec<_>>().join(", ");
    let about = format!(
        "Relevance flows from the score {} to two hidden units, which get {}, and from them to three inputs, which get {}. In each column \
         the numbers add up to the score.",
        number(score),
        list(&of_hidden),
        list(&of_inputs)
    );
    figure("relevance-flow", "Relevance flows back in shares", about, drawn)
}

fn shares() -> Figure {
    let tape = Tape::<f64>::new();
    let x = tape.leaf(Tensor::new([1, 3], vec![1.0, 2.0, 2.0]));
    let w = tape.leaf(Tensor::new([3, 1], vec![1.0, -1.0, 2.0]));
    let y = x.apply_with(Linear::new(1).without_bias(), &[&w]);
    let part = |name: &str, composite: Composite<f64>| {
        let rule = composite.on(&tape, &x).unwrap();
        let arrived = tape.backward(&y, &rule, [&x]).unwrap().take(&x).unwrap();
        let relevance = rule.relevance(x.value(), arrived);
        let named: Vec<(&str, f64)> =
            ["+1", "−2", "+4"].into_iter().zip(relevance.as_slice().iter().copied()).collect();
        bars(&named).titled(name)
    };
    let everywhere = |beta: f64| Composite::everywhere(AlphaBeta { alpha: 1.0 + beta });
    let drawing = column([
        row([
            part("ε = 0", Composite::everywhere(Epsilon(0.0))),
            part("z⁺ (α = 1, β = 0)", Composite::everywhere(AlphaBeta::Z_PLUS)),
        ]),
        row([part("α = 2, β = 1", everywhere(1.0)), part("flat", Composite::everywhere(Flat))]),
    ]);
    let about = "A unit's relevance of 3, shared out among three inputs that contribute 1, −2 and 4. The rule ε gives each its contribution. \
                 The rule z plus gives nothing to the negative one. With α = 2 and β = 1 positive and negative parts both grow. The flat rule \
                 gives each the same.";
    figure("relevance-rules", "One relevance under four rules", about, drawing)
}

/// One saturated unit: the slope at the input, and the slope of the way to it.
fn chord() -> Figure {
    let mut unit = Model::builder([1, 1, 1])
        .layer("flat", Flatten)
        .layer("fc", Linear::new(1))
        .layer("sigmoid", Sigmoid)
        .build(1)
        .unwrap()
        .cast::<f64>();
    unit.set_parameter("fc.weight", Tensor::new([1, 1], vec![4.0])).unwrap();
    let score = |x: f64| Pass::new(&unit, Tensor::new([1, 1, 1], vec![x])).unwrap().scores(0).unwrap()[0];
    let pass = Pass::new(&unit, Tensor::new([1, 1, 1], vec![1.0])).unwrap();
    let slope = pass.why(0).explain(&Gradient).unwrap().raw().sum();
    let share = pass.why(0).explain(&DeepLift { baseline: Baseline::Value(-0.5) }).unwrap().raw().sum();
    assert!((share - (score(1.0) - score(-0.5))).abs() < 1e-12);
    let range = [-1.0, 1.5];
    let drawing = plot(range, [-0.2, 1.2], "x", "y")
        .curve("σ(4x)", sampled(range, score))
        .curve("the chord", vec![[-0.5, score(-0.5)], [1.0, score(1.0)]])
        .curve("the tangent", sampled(range, |x| score(1.0) + slope * (x - 1.0)))
        .dot([-0.5, score(-0.5)], "x₀")
        .dot([1.0, score(1.0)], "x")
        .draw();
    let about = format!(
        "A steep sigmoid, with a baseline at −0.5 and an input at 1, where it is saturated. The tangent there is nearly flat, with a slope of {}; times \
         the difference of the inputs it explains {} of the output's rise. The chord from the baseline has the slope {}, and explains all of it, {}.",
        number(slope),
        number(1.5 * slope),
        number(share / 1.5),
        number(share)
    );
    figure("chord", "The slope of the chord instead of the tangent", about, drawing)
}

fn positions() -> Figure {
    // The same sum in f32 and in f64: how far apart are the two sides of the identity?
    let (model, image) = network();
    let pass = Pass::new(&model, &image).unwrap();
    let full = pass.full_gradient(1).unwrap();
    let input = pass.why(1).explain(&InputXGradient).unwrap();
    let parts = full.biases.iter().filter(|bias| bias.values.shape().len() == 4);
    let map = |bias: &attribution::methods::BiasGradient<f64>| {
        let values = bias.values.to_array().into_dimensionality::<ndarray::Ix4>().unwrap();
        values.index_axis(Axis(0), 0).sum_axis(Axis(2))
    };
    let drawn = parts.map(|bias| heat(map(bias).view(), 14.0).titled(&bias.layer));
    let image = heat(table(&Tensor::from(input.raw().to_owned()), 6).view(), 14.0).titled("input × gradient");
    let drawing = row([image].into_iter().chain(drawn));
    let about = "Maps of 6 × 6 positions: input times gradient, and the part of the biases at each position of the convolution, of batch norm \
                 and of ReLU6. The sum of all of them and of the last layer's bias is the score, up to rounding, which a certificate bounds.";
    figure("bias-positions", "The parts of the biases have positions", about, drawing)
}

/// Chapter 15: how γ moves relevance to what speaks for a unit.
fn gamma() -> Figure {
    let contributions = [1.0, -2.0, 4.0];
    let share = |gamma: f64, i: usize| {
        let strengthened = |c: f64| c + gamma * c.max(0.0);
        3.0 * strengthened(contributions[i]) / contributions.iter().map(|&c| strengthened(c)).sum::<f64>()
    };
    let range = [0.0, 3.0];
    let drawing = plot(range, [-2.0, 4.0], "γ", "relevance of three inputs")
        .curve("contributes +1", sampled(range, |gamma| share(gamma, 0)))
        .curve("contributes −2", sampled(range, |gamma| share(gamma, 1)))
        .curve("contributes +4", sampled(range, |gamma| share(gamma, 2)))
        .draw();
    let about = format!(
        "A relevance of 3, shared out among contributions of 1, −2 and 4 under LRP-γ. At γ = 0 each input gets its contribution. As γ grows \
         the negative share goes to zero, {} at γ = 3, and the positive ones to 0.6 and 2.4; all the while they add up to 3.",
        number(share(3.0, 1))
    );
    figure("gamma", "Shares under LRP-γ", about, drawing)
}

fn by_channel() -> Figure {
    let (model, image) = network();
    let pass = Pass::new(&model, &image).unwrap();
    let preset = Preset::EpsilonPlus;
    let map = |channel| {
        let map = pass.why(1).at("relu6").explain(&ConceptRelevance { channel: Some(channel), preset }).unwrap();
        map.raw().index_axis(Axis(2), 0).to_owned()
    };
    let whole = pass.why(1).explain(&Lrp { preset }).unwrap().raw().index_axis(Axis(2), 0).to_owned();
    let each = [0, 1].map(map);
    assert!((&each[0] + &each[1] - &whole).iter().all(|difference| difference.abs() < 1e-12));
    let drawing = row([
        heat(each[0].view(), 18.0).titled("channel 0"),
        heat(each[1].view(), 18.0).titled("channel 1"),
        heat(whole.view(), 18.0).titled("LRP: their sum"),
    ]);
    let about = format!(
        "The relevance that reaches the image through each of the two channels of a layer, {} and {} in all, and their sum, which is the map \
         of LRP.",
        number(each[0].sum()),
        number(each[1].sum())
    );
    figure("concept-relevance", "Relevance through one channel, and through all", about, drawing)
}
