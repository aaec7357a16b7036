//! Chapter 8: activations, and three readings of a ReLU.

use attribution::Pass;
use attribution::methods::{Deconvnet, Gradient, GuidedBackprop};
use attribution::question::Method;
use attribution::rules::{Deconv, Guided};
use ndarray::Array2;
use nn::layers::{Apply, Conv2d, Elu, Gelu, GlobalAvgPool, HardSwish, LeakyRelu, Linear, Relu, Sigmoid, Silu};
use nn::{Layer, Model};
use tensor::{Exact, Rule, Tape, Tensor};

use super::cells::vector;
use super::drawing::{column, lines, number, row};
use super::picture::heat;
use super::plot::{plot, sampled};
use super::{Figure, figure, table, wave};

pub(crate) fn all() -> Vec<Figure> {
    vec![activations(), readings(), deconvnet(), guided(), recovered()]
}

fn activations() -> Figure {
    let value = |layer: &Layer, x: f64, slope: bool| {
        let tape = Tape::<f64>::new();
        let x = tape.leaf(Tensor::new([1], vec![x]));
        let y = x.apply(layer.clone());
        if slope { tape.backward(&y, &Exact, [&x]).unwrap()[&x].item() } else { y.value().item() }
    };
    let kinds: [[(&str, Layer); 3]; 2] = [
        [("ReLU", Relu.into()), ("leaky, 0.1", LeakyRelu { slope: 0.1 }.into()), ("ELU", Elu { alpha: 1.0 }.into())],
        [("SiLU", Silu.into()), ("GELU", Gelu { tanh: false }.into()), ("hard swish", HardSwish.into())],
    ];
    let axes = |kinds: &[(&str, Layer)], slope: bool| {
        let range = [-3.0, 3.0];
        let (y, name) = if slope { ([-0.6, 1.6], "φ′(x)") } else { ([-1.0, 3.0], "φ(x)") };
        let all = kinds.iter().fold(plot(range, y, "x", name), |axes, (name, layer)| {
            axes.curve(name, sampled(range, |x| value(layer, x, slope)))
        });
        all.draw()
    };
    let drawing = column(kinds.each_ref().map(|kinds| row([axes(kinds, false), axes(kinds, true)])));
    let about = format!(
        "ReLU, leaky ReLU and ELU, and below SiLU, GELU and hard swish, between −3 and 3, each with its derivative to the right. The \
         derivatives of the first row jump at zero, except ELU's. Those of the second fall below zero for negative inputs and rise \
         above 1 for positive ones. A sigmoid's derivative, by comparison, is never more than {}.",
        number(value(&Sigmoid.into(), 0.0, true))
    );
    figure("activations", "Activations and their derivatives", about, drawing)
}

fn readings() -> Figure {
    let tape = Tape::<f64>::new();
    let x = tape.leaf(Tensor::new([4], vec![-1.0, 2.0, 3.0, -4.0]));
    let y = x.apply(Relu);
    let upstream = vec![5.0, -6.0, 7.0, -8.0];
    let read = |name: &str, rule: &dyn Rule<f64>| {
        let seed = Tensor::new([4], upstream.clone());
        vector(tape.backward_from(&y, seed, rule, [&x]).unwrap()[&x].as_slice()).of_scale(8.0).draw().titled(name)
    };
    let given = row([
        vector(x.value().as_slice()).draw().titled("x, forward"),
        vector(&upstream).draw().titled("g, from above"),
    ]);
    let read = row([
        read("exact: (x > 0) g", &Exact),
        read("deconvnet: (g > 0) g", &Deconv),
        read("guided: both masks", &Guided),
    ]);
    let about = "Four inputs of a ReLU, −1, 2, 3 and −4, with the upstream gradients 5, −6, 7 and −8. The exact reading passes on −6 and \
                 7, where the input is positive. The deconvnet passes on 5 and 7, where the gradient is. The guided reading passes on \
                 7 alone.";
    figure("relu-readings", "Three readings of the same ReLU", about, column([given, read]))
}

/// The chapter's network without pooling.
fn network() -> Model<f64> {
    let model = Model::builder([8, 8, 1])
        .layer("conv1", Conv2d::new(6, 3))
        .layer("relu1", Relu)
        .layer("conv2", Conv2d::new(6, 3))
        .layer("relu2", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(2))
        .build(1);
    model.unwrap().cast()
}

fn pictures() -> [Tensor<f64>; 2] {
    [wave(&[8, 8, 1], 0.7), Tensor::from_fn([8, 8, 1], |i| (i as f64 * 0.3).cos())]
}

fn maps(model: &Model<f64>, method: &dyn Method<f64>) -> [Array2<f64>; 2] {
    pictures().map(|image| {
        let map = Pass::new(model, &image).unwrap().why(0).explain(method).unwrap();
        map.raw().index_axis(ndarray::Axis(2), 0).to_owned()
    })
}

fn deconvnet() -> Figure {
    let [a, b] = maps(&network(), &Deconvnet);
    assert_eq!(a, b);
    let [one, other] = pictures().map(|image| table(&image, 8));
    let pair = |image: &Array2<f64>, map: &Array2<f64>| row([heat(image.view(), 12.0), heat(map.view(), 12.0)]);
    let drawing =
        row([pair(&one, &a).titled("a picture, and its map"), pair(&other, &b).titled("another, and its map")]);
    let about = "Two different pictures of waves, and the deconvnet's map of each in a network without pooling: the maps are the same, \
                 number for number.";
    figure("deconvnet", "The deconvnet without pooling doesn't see the picture", about, drawing)
}

fn guided() -> Figure {
    let model = network();
    let [[one, other], [a, b]] = [maps(&model, &Gradient), maps(&model, &GuidedBackprop)];
    let drawing = column([
        row([heat(one.view(), 12.0), heat(other.view(), 12.0)]).titled("the exact gradient of the two pictures"),
        row([heat(a.view(), 12.0), heat(b.view(), 12.0)]).titled("guided backpropagation"),
    ]);
    let negative = |map: &Array2<f64>| map.iter().filter(|value| **value < 0.0).count();
    let about = format!(
        "For the two pictures of the last figure the exact gradients and the guided maps, which now differ from picture to picture. Of \
         the 64 pixels of the first map {} are negative in the exact gradient, and {} in the guided one: the first layer's filters \
         have both signs.",
        negative(&one),
        negative(&a)
    );
    figure("guided-backpropagation", "Guided backpropagation of two pictures", about, drawing)
}

/// How alike the maps of two classes are whose weights have nothing in common.
fn recovered() -> Figure {
    let conv = |channels| Conv2d::new(channels, 3).without_bias();
    let model = Model::builder([10, 10, 1])
        .layer("conv1", conv(32))
        .layer("relu1", Relu)
        .layer("conv2", conv(32))
        .layer("relu2", Relu)
        .layer("conv3", conv(32))
        .layer("relu3", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(2).without_bias())
        .build(4)
        .unwrap()
        .cast::<f64>();
    let image = Tensor::from_fn([10, 10, 1], |i| ((i * i) as f64 * 0.37).sin());
    let pass = Pass::new(&model, &image).unwrap();
    let both = |method: &dyn Method<f64>| {
        [0, 1].map(|class| pass.why(class).explain(method).unwrap().raw().index_axis(ndarray::Axis(2), 0).to_owned())
    };
    let cosine = |[a, b]: &[Array2<f64>; 2]| (a * b).sum() / ((a * a).sum() * (b * b).sum()).sqrt();
    let [exact, guided] = [both(&Gradient), both(&GuidedBackprop)];
    let part = |name: &str, maps: &[Array2<f64>; 2]| {
        let pair = row(maps.each_ref().map(|map| heat(map.view(), 9.0)));
        column([pair.titled(name), lines([format!("cosine {}", number(cosine(maps))).as_str()])])
    };
    let drawing = row([
        heat(table(&image, 10).view(), 9.0).titled("the picture"),
        part("exact, of two classes", &exact),
        part("guided, of the same", &guided),
    ]);
    let about = format!(
        "A picture, and maps of two classes whose last weights are independent random numbers. The exact gradients have the cosine {}, \
         the guided maps {}: these are nearly the same picture, whatever the class.",
        number(cosine(&exact)),
        number(cosine(&guided))
    );
    figure("guided-recovers", "Guided maps of two unrelated classes", about, drawing)
}
