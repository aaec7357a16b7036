use ndarray::{Array2, array};
use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};
use nn::{Convolution, Model};
use tensor::Tensor;

use super::*;
use crate::methods::{Cam, Occlusion};
use crate::render::Palette;
use crate::{Baseline, Pass};

const INPUT: [usize; 2] = [4, 6];

fn map(quantity: Quantity, values: Array2<f32>) -> Map {
    let verdict = Verdict::of(quantity, values.iter().map(|&v| f64::from(v)), false, || None);
    let values = values.insert_axis(Axis(2));
    let (placement, crop) = (Placement::Stretched, Crop::default());
    Map { values, quantity, placement, verdict, input: INPUT, crop, layers: Vec::new(), coverage: None }
}

fn photo(height: usize, width: usize) -> Photo {
    let pixels = Array3::from_shape_fn((height, width, 3), |(y, x, c)| (y * 7 + x * 3 + c * 50) as u8);
    Photo::from_pixels(pixels.view())
}

#[test]
fn the_form_to_measure_is_the_strength_over_its_maximum() {
    let values = array![[-8.0, 2.0], [4.0, 1.0]];
    let measured = |quantity| map(quantity, values.clone()).over_input();
    for quantity in [Quantity::Evidence, Quantity::Contribution] {
        assert_eq!((measured(quantity)[[0, 0]], measured(quantity)[[3, 0]]), (0.0, 1.0), "{quantity:?}");
    }
    for quantity in [Quantity::Sensitivity, Quantity::Magnitude] {
        assert_eq!((measured(quantity)[[0, 0]], measured(quantity)[[3, 0]]), (1.0, 0.5), "{quantity:?}");
    }
    let map = map(Quantity::Evidence, values);
    assert_eq!((map.raw()[[0, 0, 0]], map.scale()), (-8.0, 4.0));
}

#[test]
fn nothing_to_show_is_zero_and_never_nan() {
    for values in [
        array![[-1.0, -2.0]],
        array![[0.0, 0.0]],
        array![[3.0, 3.0]],
        array![[f32::NAN, 1.0]],
        array![[f32::INFINITY, 1.0]],
    ] {
        let map = map(Quantity::Evidence, values);
        assert!(!map.verdict().is_evidence());
        assert!(map.over_input().iter().all(|&v| v == 0.0));
        assert_eq!((map.over(&photo(9, 9)), map.scale()), (photo(9, 9).to_rgb(), 0.0));
    }
}

/// Each pixel of the drawing again, interpolated between the four nearest cells in one step.
#[test]
fn a_drawing_is_interpolated_once() {
    let values = array![[0.0, 1.0, -3.0], [2.0, -1.0, 4.0]];
    for quantity in [Quantity::Evidence, Quantity::Contribution] {
        let map = map(quantity, values.clone());
        let photo = photo(24, 54);
        // The middle 36 columns become the input, which has 6.
        let drawn = map.over(&photo);
        let original = photo.to_rgb();
        let strength = |v: f32| if quantity == Quantity::Evidence { v.max(0.0) } else { v };
        for (x, y, pixel) in drawn.enumerate_pixels() {
            if !(9..45).contains(&x) {
                assert_eq!(*pixel, original[(x, y)]);
                continue;
            }
            let cell = |position: u32, length: f64, cells: f64| {
                ((f64::from(position) + 0.5) / length * cells - 0.5).clamp(0.0, cells - 1.0)
            };
            let (row, column) = (cell(y, 24.0, 2.0), cell(x - 9, 36.0, 3.0));
            let hat = |distance: f64| (1.0 - distance.abs()).max(0.0) as f32;
            let weighted =
                values.indexed_iter().map(|((i, j), &v)| strength(v) * hat(row - i as f64) * hat(column - j as f64));
            let expected = overlay(original[(x, y)], quantity.palette(), weighted.sum::<f32>() / map.scale(), OPACITY);
            let near = pixel.0.iter().zip(expected.0).all(|(a, b)| a.abs_diff(b) <= 1);
            assert!(near, "{quantity:?} at {x}, {y}: {pixel:?} and {expected:?}");
        }
    }
}

#[test]
fn pixels_are_drawn_as_squares_in_their_own_colours() {
    let mut map = map(Quantity::Sensitivity, Array2::from_shape_fn((4, 6), |(y, x)| y as f32 - x as f32));
    map.placement = Placement::Pixels;
    let drawn = map.over(&photo(8, 12));
    for (x, y, pixel) in drawn.enumerate_pixels() {
        let value = (y / 2) as f32 - (x / 2) as f32;
        assert_eq!(*pixel, Palette::Signed.color(value / map.scale()), "{x}, {y}");
    }
}

/// Three 'valid' convolutions without padding: the map is smaller than the picture by two pixels a side and layer, and
/// stretching it puts the corner cell half a receptive field too far out.
#[test]
fn geometry_puts_evidence_where_it_came_from() {
    let valid = |out_channels| Conv2d { out_channels, kernel: [5, 5], conv: Convolution::default(), bias: true };
    let mut model = Model::builder([24, 24, 1])
        .layer("conv1", valid(1))
        .layer("conv2", valid(1))
        .layer("conv3", valid(1))
        .layer("relu", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(1))
        .build(0)
        .unwrap();
    for conv in ["conv1", "conv2", "conv3"] {
        model.set_parameter(&format!("{conv}.weight"), Tensor::full([5, 5, 1, 1], 0.2)).unwrap();
    }
    model.set_parameter("fc.weight", Tensor::full([1, 1], 1.0)).unwrap();
    let mut image = Tensor::zeros([24, 24, 1]);
    image.make_mut()[8 * 24 + 15] = 1.0;
    let pass = Pass::new(&model, image).unwrap();
    let peak = |map: Array2<f32>| {
        let first = map.indexed_iter().next().unwrap();
        map.indexed_iter().fold(first, |best, next| if *next.1 > *best.1 { next } else { best }).0
    };
    let cam = pass.why(0).explain(&Cam).unwrap();
    assert_eq!(peak(cam.over_input()), (8, 15));
    assert_ne!(peak(cam.stretched().over_input()), (8, 15));
    let patch = Occlusion { baseline: Baseline::Value(0.0), ..Occlusion::square(1) };
    assert_eq!(peak(pass.why(0).explain(&patch).unwrap().over_input()), (8, 15));
}
