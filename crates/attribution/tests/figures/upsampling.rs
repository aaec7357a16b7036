//! Chapter 10: what a pixel reads, and where a cell lies.

use attribution::Pass;
use nn::Model;
use nn::layers::{Apply, Conv2d, GlobalAvgPool, Interpolation, Linear, Resize};
use tensor::{Tape, Tensor};

use super::cells::vector;
use super::drawing::{FIRST, SECOND, column, row, sheet};
use super::plot::{plot, series};
use super::{Figure, figure};

pub(crate) fn all() -> Vec<Figure> {
    vec![conventions(), cubic(), receptive_field()]
}

fn resized(values: &[f64], size: usize, interpolation: Interpolation) -> Vec<f64> {
    let tape = Tape::<f64>::new();
    let x = tape.leaf(Tensor::new([1, 1, values.len(), 1], values.to_vec()));
    x.apply(Resize { size: [1, size], interpolation }).value().as_slice().to_vec()
}

fn conventions() -> Figure {
    let cells = [0.0, 1.0, 0.5];
    let pixels =
        |align_corners| vector(&resized(&cells, 6, Interpolation::Bilinear { align_corners })).sized(36.0).draw();
    let drawing = column([
        vector(&cells).sized(72.0).draw().titled("three cells"),
        pixels(false).titled("half-pixel centres: both grids cover the same rectangle"),
        pixels(true).titled("aligned corners: the outermost centres coincide"),
    ]);
    let about = "Three cells, 0, 1 and 0.5, drawn twice as wide as the six pixels below. With half-pixel centres each pixel is a mean, \
                 weighted ¾ to ¼, of the cell above it and the next one, and the outermost pixels take their cell's value. With aligned \
                 corners the six pixels are spread evenly from the first cell's centre to the last one's.";
    figure("half-pixel-or-corners", "Two conventions of bilinear interpolation", about, drawing)
}

/// One cell of one among zeros, enlarged: the weights by distance.
fn cubic() -> Figure {
    let mut cells = [0.0; 7];
    cells[3] = 1.0;
    let scale = 20;
    let curve = |interpolation| {
        let values = resized(&cells, 7 * scale, interpolation);
        let distance = |at: f64| (at + 0.5) / scale as f64 - 3.5;
        series(values).into_iter().map(|[at, value]| [distance(at), value]).filter(|[d, _]| d.abs() <= 2.5).collect()
    };
    let drawing = plot([-2.5, 2.5], [-0.2, 1.0], "distance in cells", "weight of a cell")
        .curve("bilinear", curve(Interpolation::Bilinear { align_corners: false }))
        .curve("bicubic", curve(Interpolation::Bicubic { align_corners: false }))
        .draw();
    let about = "The weight of a cell for a pixel by their distance. Bilinear: a triangle from 1 at the cell to 0 at its neighbours. \
                 Bicubic: a smooth hill to the neighbours, then a shallow negative trough to the next ones but one.";
    figure("interpolation-weights", "How much a pixel takes from a cell", about, drawing)
}

fn receptive_field() -> Figure {
    let model = Model::builder([17, 17, 1])
        .layer("conv1", Conv2d::new(1, 5).stride(2))
        .layer("conv2", Conv2d::new(1, 3).stride(2))
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(1))
        .build(0)
        .unwrap();
    let pass = Pass::new(&model, Tensor::zeros([17, 17, 1])).unwrap();
    let (pixel, margin) = (13.0, 54.0);
    let picture = |layer: &str| {
        let cells = pass.cells(layer).unwrap().expect("one branch");
        let side = 17.0 * pixel;
        let mut drawn = sheet(side + margin + 12.0, side + margin + 12.0);
        let place = |[y, x]: [f64; 2]| [margin + x * pixel, margin + y * pixel];
        for line in 0..=17 {
            let at = f64::from(line);
            drawn = drawn.line(&[place([at, 0.0]), place([at, 17.0])], "currentColor", "", 0.3);
            drawn = drawn.line(&[place([0.0, at]), place([17.0, at])], "currentColor", "", 0.3);
        }
        let count = 17usize.div_ceil(cells.stride()[0]);
        for (i, j) in (0..count).flat_map(|i| (0..count).map(move |j| (i, j))) {
            drawn = drawn.dot(place(cells.centre([i, j])), 2.2, "currentColor");
        }
        let field = cells.receptive_field().map(|extent| extent as f64);
        for (cell, colour) in [([0, 0], SECOND), ([2, 2], FIRST)] {
            let [y, x] = cells.centre(cell);
            let corner = place([y - field[0] / 2.0, x - field[1] / 2.0]);
            drawn = drawn.filled(corner, field.map(|extent| extent * pixel), colour, 0.15);
            drawn = drawn.outlined(corner, field.map(|extent| extent * pixel), colour, 2.2);
        }
        let [step, field] = [cells.stride()[0], cells.receptive_field()[0]];
        drawn.titled(&format!("{layer}: step {step}, receptive field {field} × {field}"))
    };
    let drawing = row([picture("conv1"), picture("conv2")]);
    let about = "A picture of 17 × 17 pixels with the centres of the cells of two layers, a 5 × 5 and a 3 × 3 convolution at stride 2. The \
                 first layer's cells lie 2 pixels apart and read 5 × 5 pixels, the second's lie 4 apart and read 9 × 9. Those of a cell in \
                 the corner and of one further inside are outlined; the corner's reaches beyond the picture.";
    figure("receptive-field", "Where cells lie on the picture, and what they read", about, drawing)
}
