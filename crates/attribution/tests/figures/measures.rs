//! Chapter 16: what the measures look at.

use attribution::clusters::{Outline, SpectralClusters};
use attribution::measures::{
    CAM_THRESHOLD, Perturbation, Truth, bootstrap, box_score, cascade, centred_gaussian, energy_in_box, estimated_box,
    gini, localization_error, max_sensitivity, noise, pointing_game, rank_correlation, shaken, ssim,
};
use attribution::methods::{Gradient, GuidedBackprop, InputXGradient};
use attribution::question::Method;
use attribution::{Baseline, Pass};
use ndarray::{Array2, array};
use nn::data::{Normalization, Rect};
use nn::layers::{Conv2d, Flatten, GlobalAvgPool, Linear, Relu};
use nn::{Model, ModelInfo};
use tensor::Tensor;

use super::cells::{Cells, cells};
use super::drawing::{FIRST, SECOND, column, lines, number, row, sheet, words};
use super::picture::heat;
use super::plot::{bars, plot, series};
use super::{Figure, figure, wave};

pub(crate) fn all() -> Vec<Figure> {
    let places = vec![pointing(), energy(), found_box(), objects(), guesses()];
    places
        .into_iter()
        .chain([curves(), confidence(), randomised(), sparse(), steady(), clusters()])
        .chain([intervals(), trivial(), beside_the_object()])
        .collect()
}

fn table(map: &Array2<f32>) -> Cells {
    cells(map.mapv(|value| (f64::from(value) * 1e6).round() / 1e6).view()).sized(34.0)
}

fn place(rect: &Rect) -> [usize; 4] {
    [rect.top, rect.left, rect.height, rect.width]
}

fn pointing() -> Figure {
    let map = array![[0.0_f32, 0.2, 0.0, 0.0], [0.0, 0.0, 0.0, 0.9], [0.0, 0.5, 0.0, 0.0]];
    let object = Rect { top: 1, left: 1, height: 2, width: 2 };
    let hits = [0, 1].map(|tolerance| pointing_game(map.view(), &object, tolerance));
    assert_eq!(hits, [false, true]);
    let drawing = row([
        table(&map).marked(place(&object), FIRST).marked([1, 3, 1, 1], SECOND).draw(),
        lines(["the peak, 0.9, lies beside the box", "a miss within 0 pixels", "a hit within 1 pixel"]),
    ]);
    let about = "A map of 3 × 4 cells with a box round four of them. The largest value, 0.9, lies in the column beside the box: a miss, and a \
                 hit if one pixel is tolerated. The 0.5 inside the box counts for nothing.";
    figure("pointing-game", "The pointing game reads one pixel", about, drawing)
}

fn energy() -> Figure {
    let map = array![[0.0_f32, 1.0, -5.0], [0.0, 3.0, 0.0]];
    let object = Rect { top: 1, left: 0, height: 1, width: 3 };
    let share = energy_in_box(map.view(), &object);
    let drawing =
        row([table(&map).marked(place(&object), FIRST).draw(), words(format!("3 of 1 + 3: {}", number(share)))]);
    let about = format!(
        "A map of two rows, and a box round the lower one. The positive values are 1 above and 3 in the box, so the energy is {}. The −5 \
         doesn't count.",
        number(share)
    );
    figure("energy", "Energy counts all that is positive", about, drawing)
}

fn found_box() -> Figure {
    let map = array![[1.0_f32, 0.5, 0.0, 0.3], [0.4, 0.1, 0.0, 0.0]];
    let found = estimated_box(map.view(), CAM_THRESHOLD).unwrap();
    let object = Rect { top: 0, left: 0, height: 2, width: 3 };
    let score = box_score(map.view(), &object, CAM_THRESHOLD);
    let kept = map.mapv(|value| if value > CAM_THRESHOLD { value } else { 0.0 });
    let drawing = row([
        table(&map).draw().titled("the map"),
        table(&kept).marked(place(&found), SECOND).draw().titled("above 20 %, with its box"),
        table(&map)
            .marked(place(&object), FIRST)
            .marked(place(&found), SECOND)
            .draw()
            .titled(&format!("IoU = {}", number(score))),
    ]);
    let about = format!(
        "A map, its cells above 20 % of the maximum, of which three touch and one lies apart, and the box round the three, 2 × 2 cells. The \
         true box has 2 × 3 cells: they share four of six, {}.",
        number(score)
    );
    figure("box-of-a-map", "A box is drawn round the strongest part", about, drawing)
}

fn objects() -> Figure {
    let map = array![[3.0_f32, 0.0, 0.0, 1.0], [3.0, 0.0, 1.0, 0.0]];
    let [left, right] = [0, 3].map(|left| Rect { top: 0, left, height: 2, width: 1 });
    let mask = Truth::Mask(map.mapv(|value| value == 1.0));
    let of_mask = energy_in_box(map.view(), &mask);
    let both = Truth::Boxes(vec![left, right]);
    let of_boxes = energy_in_box(map.view(), &both);
    let drawing = row([
        table(&map)
            .marked(place(&left), FIRST)
            .marked(place(&right), FIRST)
            .draw()
            .titled(&format!("two boxes: {}", number(of_boxes))),
        table(&map)
            .marked([0, 3, 1, 1], SECOND)
            .marked([1, 2, 1, 1], SECOND)
            .draw()
            .titled(&format!("a mask of two pixels: {}", number(of_mask))),
    ]);
    let about = format!(
        "One map with two truths. Two boxes, the first and the last column, hold 7 of 8 parts of the energy, {}. A mask of two pixels on a \
         diagonal holds 2 of 8, {}.",
        number(of_boxes),
        number(of_mask)
    );
    figure("several-objects", "Several objects, and one of any shape", about, drawing)
}

fn guesses() -> Figure {
    let object = Rect { top: 2, left: 2, height: 4, width: 4 };
    let near = Rect { top: 2, left: 2, height: 4, width: 3 };
    let far = Rect { top: 0, left: 0, height: 4, width: 4 };
    let guess = |class: usize, found: Rect| {
        let title = format!("class {class}, IoU {}", number(found.iou(&object)));
        let right = !localization_error(&[(class, Some(found))], 3, &object);
        let grid = cells(Array2::zeros((7, 7)).view()).sized(15.0).without_numbers();
        let drawn = grid.marked(place(&object), FIRST).marked(place(&found), SECOND).draw();
        column([drawn, words(if right { "right" } else { "wrong" })]).titled(&title)
    };
    let drawing = row([guess(7, near), guess(3, far), guess(3, near)]);
    let about = "Three guesses for an object of class 3 in a box of 4 × 4 pixels. The first has a good box, with an overlap of 0.75, and the \
                 wrong class. The second has the right class and a box that overlaps by 0.14. The third is right in both, so the top-3 error \
                 is 0 and the top-1 error 1.";
    figure("localisation-error", "Right class and right box", about, drawing)
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

fn clusters() -> Figure {
    let map = |picture: usize| {
        let at = |factor: f32| 10.0 + 28.0 * (picture as f32 * factor).fract();
        let [top, left] = if picture.is_multiple_of(2) { [4.0, 44.0] } else { [at(0.618), at(0.755)] };
        Array2::from_shape_fn((48, 48), |(y, x)| (-((y as f32 - top).powi(2) + (x as f32 - left).powi(2)) / 32.0).exp())
    };
    let outlines: Vec<Outline> = (0..30).map(|picture| Outline::of(map(picture).view()).unwrap()).collect();
    let rows = outlines.iter().flat_map(|outline| outline.cells().to_vec()).collect();
    let found = SpectralClusters::of(Array2::from_shape_vec((30, 144), rows).unwrap().view(), 0);
    let drawn = |outline: &Outline| heat(outline.map().mapv(f64::from).view(), 5.0);
    let means = (0..found.count).map(|cluster| {
        let members = found.members(cluster);
        let mean = Outline::mean(members.iter().map(|&member| &outlines[member])).unwrap();
        drawn(&mean).titled(&format!("{} maps", members.len()))
    });
    let zeros = found.eigenvalues.iter().filter(|value| value.abs() < 1e-9).count();
    let eigenvalues = series(found.eigenvalues.iter().copied());
    let axes = plot([0.0, 8.0], [0.0, 1.0], "number", "eigenvalues of L").curve("", eigenvalues).draw();
    let about = format!(
        "Six of 30 maps of a class: every other one lies in the upper right corner, the others anywhere. The least eigenvalues of L, of which {zeros} \
         are zero, and the mean map of each of the {} clusters: one is a spot in the corner.",
        found.count
    );
    let drawing = column([
        row(outlines[..6].iter().map(drawn)).titled("maps of one class"),
        row([axes].into_iter().chain(means)),
    ]);
    figure("clusters-of-maps", "Clusters of maps", about, drawing)
}

fn intervals() -> Figure {
    let samples = 24;
    let interval = |sample: u64| {
        let values: Vec<f64> = noise(1, 40, 7, sample).iter().map(|&value| f64::from(value)).collect();
        bootstrap(&values, 0.95, 0).unwrap()
    };
    let (width, step) = (300.0, 8.0);
    let mut drawn = sheet(width + 200.0, step * samples as f64 + 20.0);
    let x = |value: f64| 20.0 + (value - 0.3) / 0.4 * (width - 20.0);
    let mut missed = 0;
    for sample in 0..samples {
        let found = interval(sample);
        let y = 12.0 + step * sample as f64;
        let misses = found.low > 0.5 || found.high < 0.5;
        missed += usize::from(misses);
        let (colour, stroke) = if misses { (super::drawing::POSITIVE, 3.4) } else { ("currentColor", 1.2) };
        drawn = drawn.line(&[[x(found.low), y], [x(found.high), y]], colour, "", stroke).dot(
            [x(found.mean), y],
            2.2,
            colour,
        );
    }
    let bottom = drawn.height;
    let drawn = drawn
        .line(&[[x(0.5), 4.0], [x(0.5), bottom - 8.0]], FIRST, "5 3", 1.6)
        .text_from([width + 6.0, 14.0], "the true mean, ½: dashed")
        .text_from([width + 6.0, 34.0], "intervals that miss it: thick");
    let about = format!(
        "The bootstrap's 95 % intervals of the means of {samples} samples of 40 numbers, drawn uniformly between 0 and 1. {missed} of them \
         don't contain the true mean, one half. An interval doesn't know whether it is one of these."
    );
    figure("intervals", "Intervals of many samples", about, drawn)
}

fn trivial() -> Figure {
    let maps = [("noise", noise(14, 14, 1, 0)), ("a bump in the middle", centred_gaussian(14, 14))];
    let middle = Rect { top: 4, left: 4, height: 7, width: 7 };
    let drawn = |map: &Array2<f32>| {
        let corner = [middle.left, middle.top].map(|at| at as f64 * 9.0);
        heat(map.mapv(f64::from).view(), 9.0).outlined(corner, [63.0, 63.0], FIRST, 2.4)
    };
    let energies: Vec<(&str, f64)> =
        maps.iter().map(|(name, map)| (*name, energy_in_box(map.view(), &middle))).collect();
    let drawing = column([
        row(maps.each_ref().map(|(name, map)| drawn(map).titled(name))),
        bars(&energies).titled("energy in the box"),
    ]);
    let about = format!(
        "Random noise and a bump in the middle of 14 × 14 pixels, with a box in the middle that covers a quarter of them. The noise has {} of \
         its energy in the box, the bump {}, and it points into the box as well, without having seen any picture.",
        number(energies[0].1),
        number(energies[1].1)
    );
    figure("trivial-maps", "Two maps that know nothing", about, drawing)
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
        "Two maps of 3 × 3 pixels with a box round four of them. The map of what the network reads marks the corner beside the box: a miss in the          pointing game, and an area of {:.2} under deletion. The map of the object is a hit, with an area of {:.2}.",
        area(&read),
        area(&wished)
    );
    let drawing = row([judged(&read, "what the network reads"), judged(&wished, "where the object is")]);
    figure("right-beside-the-object", "A right map beside the object", about, drawing)
}
