//! Chapter 16: whether a map depends on what it should.

use attribution::measures::{
    Perturbation, cascade, centred_gaussian, gini, max_sensitivity, noise, pointing_game, rank_correlation, shaken,
    ssim,
};
use attribution::methods::{Gradient, GuidedBackprop, InputXGradient};
use attribution::question::Method;
use attribution::{Baseline, Pass};
use ndarray::{Array2, array};
use nn::data::{Normalization, Rect};
use nn::layers::{Conv2d, Flatten, GlobalAvgPool, Linear, Relu};
use nn::{Model, ModelInfo};
use tensor::Tensor;

use super::cells::cells;
use super::drawing::{FIRST, column, lines, number, row, words};
use super::localisation::place;
use super::picture::heat;
use super::plot::{plot, series};
use super::{Figure, figure, wave};

pub(crate) fn all() -> Vec<Figure> {
    vec![curves(), confidence(), randomised(), sparse(), steady(), beside_the_object()]
}

/// The chapter's network: P = σ(4 · mean).
fn by_hand() -> Model {
    let mut model = Model::builder([2, 2, 1]).layer("gap", GlobalAvgPool).layer("fc", Linear::new(2)).build(0).unwrap();
    model.set_parameter("fc.weight", Tensor::new([1, 2], vec![4.0, 0.0])).unwrap();
    model.set_parameter("fc.bias", Tensor::zeros([2])).unwrap();
    model
}

fn curves() -> Figure {
    let model = by_hand().cast::<f64>();
    let pass = Pass::new(&model, Tensor::new([2, 2, 1], vec![3.0, 1.0, 0.0, 0.0])).unwrap();
    let settings = Perturbation { steps: 4, ..Perturbation::default() };
    let (good, bad) = (array![[0.9, 0.6], [0.3, 0.0]], array![[0.1, 0.4], [0.7, 1.0]]);
    let mut areas = Vec::new();
    let mut axes = |name: &str, insert: bool| {
        let curve = |map: &Array2<f64>| {
            let run = if insert { Pass::insertion } else { Pass::deletion };
            run(&pass, std::slice::from_ref(map), &[0], &settings, None).unwrap().remove(0)
        };
        let both = [curve(&good), curve(&bad)];
        areas.extend(both.each_ref().map(|curve| curve.area()));
        let [good, bad] = both.map(|curve| series(curve.probabilities().to_vec()));
        plot([0.0, 4.0], [0.4, 1.0], "changed pixels", name).curve("the map", good).curve("reversed", bad).draw()
    };
    let drawing = row([axes("deletion: probability", false), axes("insertion: probability", true)]);
    let about = format!(
        "The probability of a class while the four pixels of a picture are blackened, and while they appear. In the order of a good map it \
         falls at once, with an area of {:.2}, and in the reversed order late, {:.2}. Insertion is the other way round: {:.2} and {:.2}.",
        areas[0], areas[1], areas[2], areas[3]
    );
    figure("deletion-and-insertion", "Curves of deletion and insertion", about, drawing)
}

fn confidence() -> Figure {
    let model = by_hand().cast::<f64>();
    let seen = |values: [f64; 4], name: &str| {
        let pass = Pass::new(&model, Tensor::new([2, 2, 1], values.to_vec())).unwrap();
        let map = array![[1.0, 0.0], [0.0, 0.0]];
        let found = pass.confidence(std::slice::from_ref(&map), &[0], &Baseline::Black).unwrap().remove(0);
        let image = Array2::from_shape_vec((2, 2), values.to_vec()).unwrap();
        let kept = &image * &map;
        let pictures = row([cells(image.view()).draw(), words("→"), cells(kept.view()).draw()]).titled(name);
        let verdict =
            if found.increased() { "rises".to_string() } else { format!("drops by {:.1} %", 100.0 * found.drop()) };
        column([pictures, words(format!("the probability {verdict}"))])
    };
    let drawing =
        row([seen([3.0, 1.0, 0.0, 0.0], "all speak for it"), seen([3.0, -1.0, 0.0, 0.0], "one speaks against it")]);
    let about = "Two pictures of four pixels, of which a map keeps the first, 3. Where another pixel, 1, speaks for the class as well, its \
                 probability drops. Where that pixel, −1, speaks against the class, the probability rises.";
    figure("drop-and-increase", "What remains when only the map is seen", about, drawing)
}

fn randomised() -> Figure {
    let model = Model::builder([12, 12, 1])
        .layer("conv1", Conv2d::new(24, 3))
        .layer("relu1", Relu)
        .layer("conv2", Conv2d::new(24, 3))
        .layer("relu2", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(2))
        .build(1)
        .unwrap()
        .cast::<f64>();
    let image = wave(&[12, 12, 1], 0.7);
    let strength = |model: &Model<f64>, method: &dyn Method<f64>| {
        let map = Pass::new(model, &image).unwrap().why(0).explain(method).unwrap().over_input().mapv(f64::abs);
        let most = map.iter().fold(0.0, |most: f64, value| most.max(*value));
        map.mapv(|value| (value / most) as f32)
    };
    let networks: Vec<(String, Model<f64>)> = cascade(&model, 1).unwrap().collect();
    let correlations = |method: &dyn Method<f64>| {
        let own = strength(&model, method);
        let other = networks.iter().map(|(_, network)| strength(network, method));
        let rho = other.map(|map| rank_correlation(own.view(), map.view()).unwrap());
        series([1.0].into_iter().chain(rho))
    };
    let [gradient, guided] = [correlations(&Gradient), correlations(&GuidedBackprop)];
    let axes = plot([0.0, 3.0], [-0.4, 1.0], "random layers, from the last", "rank correlation with the map before");
    let [own, other] = [&model, &networks[0].1].map(|network| strength(network, &GuidedBackprop));
    let similarity = ssim(own.view(), other.view());
    let pair = row([own, other].map(|map| heat(map.mapv(f64::from).view(), 9.0)))
        .titled("guided, before and after the first step");
    let about = format!(
        "The rank correlation of a map with the map after one, two and all three layers of a network got new random weights. After the first \
         step, which changes the class alone, it is {} for the gradient and {} for guided backpropagation, whose pictures before and after, \
         shown beside, have a structural similarity of {}.",
        number(gradient[1][1]),
        number(guided[1][1]),
        number(similarity)
    );
    let drawing = row([axes.curve("gradient", gradient).curve("guided", guided).draw(), pair]);
    figure("randomisation", "Maps of networks with random layers", about, drawing)
}

fn sparse() -> Figure {
    let maps = [
        ("all alike", Array2::from_elem((20, 20), 1.0_f32)),
        ("noise", noise(20, 20, 1, 0)),
        ("a bump in the middle", centred_gaussian(20, 20).mapv(|value| value.powi(4))),
    ];
    let lorenz = |map: &Array2<f32>| {
        let mut values: Vec<f64> = map.iter().map(|&value| f64::from(value)).collect();
        values.sort_by(f64::total_cmp);
        let (sum, mut held, mut points) = (values.iter().sum::<f64>(), 0.0, vec![[0.0, 0.0]]);
        for (k, value) in values.iter().enumerate() {
            held += value / sum;
            points.push([(k + 1) as f64 / values.len() as f64, held]);
        }
        points
    };
    let axes = plot([0.0, 1.0], [0.0, 1.0], "share of the pixels, weakest first", "share of the map that they hold");
    let named = maps.each_ref().map(|(name, map)| (format!("{name}: G = {:.2}", gini(map.view())), lorenz(map)));
    let about = format!(
        "The share of a map that its weakest pixels hold, over their share of the pixels: a straight line if all are alike, and the more it sags, \
         the more the map is concentrated. The Gini index is twice the area between the line and the curve: {}.",
        named.each_ref().map(|(name, _)| name.as_str()).join("; ")
    );
    let drawing = named.into_iter().fold(axes, |axes, (name, points)| axes.curve(&name, points)).draw();
    figure("sparseness", "How much of a map its weakest pixels hold", about, drawing)
}

fn steady() -> Figure {
    let normalization = Some(Normalization::new(vec![0.5], vec![0.5]).unwrap());
    let layers = Model::builder([16, 16, 1]).layer("conv1", Conv2d::new(12, 3)).layer("relu1", Relu);
    let layers = layers.layer("conv2", Conv2d::new(12, 3)).layer("relu2", Relu).layer("gap", GlobalAvgPool);
    let info = ModelInfo { normalization, ..ModelInfo::default() };
    let model = layers.layer("fc", Linear::new(2)).info(info).build(2).unwrap();
    let image = Tensor::from_fn([16, 16, 1], |i| 0.3 * (i as f32 * 0.41).sin());
    let pass = Pass::new(&model, &image).unwrap();
    let copy = shaken(&pass, 0, 0).unwrap();
    let [before, after] = [pass.input(), &copy]
        .map(|image| Pass::new(&model, image).unwrap().why(0).explain(&Gradient).unwrap().over_input());
    let change = max_sensitivity(&before, [&after]);
    let map = |map: &Array2<f32>, name: &str| heat(map.mapv(f64::from).view(), 7.0).titled(name);
    let seen = |image: &Tensor<f32>, name: &str| {
        let values = Array2::from_shape_fn((16, 16), |(y, x)| f64::from(image.as_slice()[y * 16 + x]));
        heat(values.view(), 7.0).titled(name)
    };
    let pictures =
        [seen(pass.input(), "picture"), seen(&copy, "copy"), map(&before, "its map"), map(&after, "the copy’s map")];
    let about = format!(
        "A picture, a copy of it in which no pixel changed by more than 2 % of the range from black to white, and the gradient's map of each. The \
         pictures look the same; the map changed by {} of its length, since ReLUs near zero switched.",
        number(change)
    );
    let drawing = column([row(pictures), words(format!("change of the map: {}", number(change)))]);
    figure("max-sensitivity", "A map of a picture and of its copy", about, drawing)
}

/// A right explanation of a network that is right for the wrong reason.
fn beside_the_object() -> Figure {
    let mut model = Model::builder([3, 3, 1]).layer("flat", Flatten).layer("fc", Linear::new(2)).build(0).unwrap();
    model.set_parameter("fc.weight", Tensor::from_fn([9, 2], |i| if i == 0 { 4.0 } else { 0.0 })).unwrap();
    let model = model.cast::<f64>();
    let image = Tensor::new([3, 3, 1], vec![1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    let pass = Pass::new(&model, &image).unwrap();
    let object = Rect { top: 1, left: 1, height: 2, width: 2 };
    let read = pass.why(0).explain(&InputXGradient).unwrap().over_input();
    let wished = array![[0.0, 0.0, 0.0], [0.0, 1.0, 0.9], [0.0, 0.9, 0.8]];
    let settings = Perturbation { steps: 9, ..Perturbation::default() };
    let area = |map: &Array2<f64>| pass.deletion(std::slice::from_ref(map), &[0], &settings, None).unwrap()[0].area();
    let judged = |map: &Array2<f64>, name: &str| {
        let hit = pointing_game(map.mapv(|value| value as f32).view(), &object, 0);
        let verdicts =
            [format!("pointing: {}", if hit { "hit" } else { "miss" }), format!("deletion: {:.2}", area(map))];
        let drawn = cells(map.view()).sized(34.0).marked(place(&object), FIRST).draw().titled(name);
        column([drawn, lines(verdicts.iter().map(String::as_str))])
    };
    let about = format!(
        "Two maps of 3 × 3 pixels with a box round four of them. The map of what the network reads marks the corner beside the box: a miss in the \
         pointing game, and an area of {:.2} under deletion. The map of the object is a hit, with an area of {:.2}.",
        area(&read),
        area(&wished)
    );
    let drawing = row([judged(&read, "what the network reads"), judged(&wished, "where the object is")]);
    figure("right-beside-the-object", "A right map beside the object", about, drawing)
}
