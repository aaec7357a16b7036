//! Chapter 20: weights as they start and as they move.

use nn::data::{Dataset, fashion_mnist};
use nn::layers::{Apply, Conv2d, GlobalAvgPool, Linear, Relu, batch_norm_training};
use nn::losses::cross_entropy;
use nn::optim::{Adam, Decay, Optimizer, Schedule, Sgd};
use nn::{Model, Parameter};
use tensor::{Exact, Tape, Tensor};

use super::drawing::row;
use super::plot::{plot, sampled, series};
use super::{Figure, figure};

pub(crate) fn all() -> Vec<Figure> {
    vec![initialisation(), momentum(), adam(), schedules(), batch_norm(), run()]
}

fn initialisation() -> Figure {
    let layers = 20;
    let build = (0..layers).fold(Model::builder([1, 1, 64]), |model, at| {
        model.layer(format!("conv{at}"), Conv2d::new(64, 1)).layer(format!("relu{at}"), Relu)
    });
    // As convolutions start, with a variance of 2/n.
    let he = build.layer("gap", GlobalAvgPool).layer("fc", Linear::new(2)).build(3).unwrap().cast::<f64>();
    let squares = |factor: f64| {
        let mut model = he.clone();
        for parameter in he.parameters().iter().filter(|parameter| parameter.name.ends_with("weight")) {
            let value = parameter.value.clone().map(|w| w * factor.sqrt());
            model.set_parameter(&parameter.name, value).unwrap();
        }
        let forward =
            model.record(Tensor::from_fn([1, 1, 1, 64], |i| 2.0_f64.sqrt() * (i as f64 * 1.7).sin())).unwrap();
        let square = |layer: usize| {
            let values = forward.activation(2 * layer + 1).value();
            (values.as_slice().iter().map(|v| v * v).sum::<f64>() / 64.0).log10()
        };
        series((0..layers).map(square))
    };
    let [half, one, two] = [0.5, 1.0, 2.0].map(squares);
    let ends = [&half, &one, &two].map(|curve| curve[layers - 1][1]);
    let drawing = plot([0.0, 19.0], [-8.0, 8.0], "layer", "power of ten of the mean square")
        .curve("Var w = 1/n", half)
        .curve("2/n", one)
        .curve("4/n", two)
        .draw();
    let about = format!(
        "Mean squares of activations behind 1 to 20 layers, as powers of ten. With a variance of 1/n they fall along a line, to 10 to the power \
         {:.1}. With 2/n they stay near one, {:.1}. With 4/n they rise, {:.1}.",
        ends[0], ends[1], ends[2]
    );
    figure("initialisation", "Activations behind many layers, as weights start", about, drawing)
}

/// The places of two weights in a bowl of these steepnesses, from (1, 1).
fn places(steepness: [f64; 2], mut optimizer: impl Optimizer<f64>, steps: usize) -> Vec<[f64; 2]> {
    let value = Tensor::new([2], vec![1.0, 1.0]);
    let mut weights = [Parameter { name: "w".into(), trainable: true, value }];
    let mut places = vec![[1.0, 1.0]];
    for _ in 0..steps {
        let w = weights[0].value.as_slice();
        let gradient = Tensor::new([2], vec![steepness[0] * w[0], steepness[1] * w[1]]);
        optimizer.step(&mut weights, &[(0, gradient)]);
        places.push([weights[0].value.as_slice()[0], weights[0].value.as_slice()[1]]);
    }
    places
}

fn momentum() -> Figure {
    let [plain, with] = [0.0, 0.5].map(|momentum| places([1.0, 25.0], Sgd::new(0.07, momentum), 20));
    let ends = [&plain, &with].map(|way| way[20][0].hypot(way[20][1]));
    let axes = |title: &str, way: Vec<[f64; 2]>| {
        let dots = way.clone();
        let axes = plot([-0.5, 1.0], [-1.0, 1.0], "the flat direction", title).curve("", way);
        dots.into_iter().fold(axes, |axes, place| axes.dot(place, "")).draw()
    };
    let drawing = row([axes("rate 0.07", plain), axes("rate 0.07, momentum 0.5", with)]);
    let about = format!(
        "The way of two weights from (1, 1) towards (0, 0). Without momentum it swings across the steep direction while it creeps along the flat \
         one, and is {:.2} from the minimum after twenty steps. With momentum it is {:.3} from it.",
        ends[0], ends[1]
    );
    figure("momentum", "Steps in a valley, without and with momentum", about, drawing)
}

fn adam() -> Figure {
    let distance = |way: Vec<[f64; 2]>| series(way.into_iter().map(|[a, b]| a.hypot(b)));
    let axes = |second: f64| {
        let steepness = [1.0, second];
        let (sgd, adam) = (places(steepness, Sgd::new(1.0 / second, 0.0), 60), places(steepness, Adam::new(0.1), 60));
        let ends = [&sgd, &adam].map(|way| way[60][0].hypot(way[60][1]));
        let axes = plot([0.0, 60.0], [0.0, 1.5], "step", &format!("distance from the minimum, 1 : {second}"));
        (axes.curve("gradient descent", distance(sgd)).curve("Adam", distance(adam)).draw(), ends)
    };
    let [(low, at_low), (high, at_high)] = [25.0, 2500.0].map(axes);
    let about = format!(
        "The distance of two weights from the minimum over sixty steps. Where one direction is 25 times as steep, gradient descent with a rate that \
         suits it ends at {:.2} and Adam at {:.2}. Where it is 2500 times as steep, gradient descent stands still at {:.2} after the first step; \
         Adam swings as before, and ends at {:.2}.",
        at_low[0], at_low[1], at_high[0], at_high[1]
    );
    figure("adam", "Gradient descent and Adam in steeper valleys", about, row([low, high]))
}

fn schedules() -> Figure {
    let kinds = [
        ("constant", Decay::Constant),
        ("steps", Decay::Step { every: 0.34, factor: 0.3 }),
        ("cosine", Decay::Cosine { floor: 0.0 }),
        ("one cycle", Decay::OneCycle),
    ];
    let axes = plot([0.0, 99.0], [0.0, 1.05], "step", "factor of the rate");
    let curve = |decay| series((0..100).map(move |step| Schedule { warmup: 0.1, decay }.factor(step, 100)));
    let drawing = kinds.into_iter().fold(axes, |axes, (name, decay)| axes.curve(name, curve(decay))).draw();
    let about = "Four schedules over 100 steps. All rise during the first ten. Then one stays at 1, one falls twice to three tenths of what it was, \
                 one falls along half a cosine to zero, and one cycle rises and falls along half cosines.";
    figure("schedules", "Factors of the learning rate", about, drawing)
}

/// Some garments of the first four classes, at half their size, with mean 0 and deviation 1, and their labels.
fn garments(count: usize) -> (Tensor<f64>, Vec<usize>) {
    let all = fashion_mnist::train();
    let chosen: Vec<usize> = (0..all.len()).filter(|&at| all.label(at) < 4).take(count).collect();
    let pictures: Vec<f64> = chosen
        .iter()
        .flat_map(|&at| {
            let mut picture = vec![0; 784];
            all.read(at, &mut picture).unwrap();
            (0..196).map(move |pixel| {
                let [y, x] = [pixel / 14 * 2, pixel % 14 * 2];
                [[0, 0], [0, 1], [1, 0], [1, 1]]
                    .map(|[i, j]| f64::from(picture[(y + i) * 28 + x + j]))
                    .iter()
                    .sum::<f64>()
                    / 4.0
            })
        })
        .collect();
    let mean = pictures.iter().sum::<f64>() / pictures.len() as f64;
    let deviation = (pictures.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / pictures.len() as f64).sqrt();
    let values = pictures.iter().map(|v| (v - mean) / deviation).collect();
    (Tensor::new([count, 14, 14, 1], values), chosen.iter().map(|&at| all.label(at)).collect())
}

/// The losses of a network of one convolution, step by step, each over all of the garments.
fn losses(count: usize, steps: usize, normalised: bool, mut optimizer: impl Optimizer<f64>) -> Vec<f64> {
    let (pictures, labels) = garments(count);
    let start = |name: &str, shape: Vec<usize>, scale: f64| {
        // The golden ratio's multiples spread evenly: fixed weights of about this deviation.
        let spread = |i: usize| ((i as f64 + 1.0) * 0.618_033_988_75).fract() * 2.0 - 1.0;
        Parameter { name: name.into(), trainable: true, value: Tensor::from_fn(shape, |i| scale * spread(i)) }
    };
    let constant =
        |name: &str, value: f64| Parameter { name: name.into(), trainable: true, value: Tensor::full([8], value) };
    let mut parameters = [
        start("kernel", vec![3, 3, 1, 8], 0.8),
        constant("gamma", 1.0),
        constant("beta", 0.0),
        start("weight", vec![8, 4], 0.7),
        Parameter { name: "bias".into(), trainable: true, value: Tensor::zeros([4]) },
    ];
    let step = |_| {
        let tape = Tape::<f64>::new();
        let x = tape.leaf(pictures.clone());
        let [kernel, gamma, beta, weight, bias] =
            parameters.each_ref().map(|parameter| tape.leaf(parameter.value.clone()));
        let features = x.apply_with(Conv2d::new(8, 3).stride(2).without_bias(), &[&kernel]);
        let features =
            if normalised { batch_norm_training(&features, &gamma, &beta, 1e-5).0 } else { features * &gamma + &beta };
        let scores = features.apply(Relu).apply(GlobalAvgPool).apply_with(Linear::new(4), &[&weight, &bias]);
        let loss = cross_entropy(&scores, &labels, 0.0);
        let vars = [&kernel, &gamma, &beta, &weight, &bias];
        let mut found = tape.backward(&loss, &Exact, vars).unwrap();
        let gradients: Vec<_> = vars.iter().enumerate().map(|(at, var)| (at, found.take(var).unwrap())).collect();
        optimizer.step(&mut parameters, &gradients);
        loss.value().item()
    };
    (0..steps).map(step).collect()
}

fn batch_norm() -> Figure {
    let top = 3.0;
    let axes = |rate: f64| {
        let of = |normalised| losses(24, 40, normalised, Sgd::new(rate, 0.0));
        let [with, without] = [of(true), of(false)];
        let last = [with[39], without[39]];
        let axes = plot([0.0, 40.0], [0.0, top], "step", &format!("loss at a rate of {rate}"));
        // What is no number any more is drawn beyond the top.
        let drawn =
            |losses: Vec<f64>| series(losses.into_iter().map(|loss| if loss.is_finite() { loss } else { f64::MAX }));
        (axes.curve("with batch norm", drawn(with)).curve("without", drawn(without)).draw(), last)
    };
    let [(low, at_low), (high, at_high)] = [0.5, 4.0].map(axes);
    assert!(at_high[0] < top && (at_high[1].is_nan() || at_high[1] >= top));
    let about = format!(
        "The loss over forty steps, with and without batch norm. At a rate of 0.5 it ends at {:.2} with and {:.2} without. At a rate of 4 it ends at \
         {:.2} with batch norm; without, it leaves the picture and doesn't come back.",
        at_low[0], at_low[1], at_high[0]
    );
    figure("batch-norm-training", "Training with and without batch norm", about, row([low, high]))
}

fn run() -> Figure {
    let runs = [
        ("SGD, 0.5", losses(64, 60, true, Sgd::new(0.5, 0.0))),
        ("momentum 0.9, 0.1", losses(64, 60, true, Sgd::new(0.1, 0.9))),
        ("Adam, 0.02", losses(64, 60, true, Adam::new(0.02))),
    ];
    let ends = runs.each_ref().map(|(_, losses)| losses[59]);
    let start = runs[0].1[0];
    let axes = plot([0.0, 60.0], [0.0, 1.8], "step", "loss");
    let drawing = runs.into_iter().fold(axes, |axes, (name, losses)| axes.curve(name, series(losses)));
    let chance = 4.0_f64.ln();
    let drawing = drawing.curve("ln 4, chance", sampled([0.0, 60.0], |_| chance)).draw();
    let about = format!(
        "The losses of three optimisers over sixty steps. All begin at {start:.2}, near the 1.39 of chance. They end at {:.2} for gradient descent, \
         {:.2} with momentum and {:.2} for Adam.",
        ends[0], ends[1], ends[2]
    );
    figure("a-run", "Three optimisers from the same weights", about, drawing)
}
