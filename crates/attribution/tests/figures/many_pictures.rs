//! Chapter 16: clusters of many maps, intervals of many figures, and maps that know nothing.

use attribution::clusters::{Outline, SpectralClusters};
use attribution::measures::{bootstrap, centred_gaussian, energy_in_box, noise};
use ndarray::Array2;
use nn::data::Rect;

use super::drawing::{FIRST, column, number, row, sheet};
use super::picture::heat;
use super::plot::{bars, plot, series};
use super::{Figure, figure};

pub(crate) fn all() -> Vec<Figure> {
    vec![clusters(), intervals(), trivial()]
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
