//! Arrays as tables of cells.

use ndarray::{Array2, ArrayView2};

use super::drawing::{Drawing, NEGATIVE, POSITIVE, SECOND, number, sheet};

/// An array `[rows, columns]`: each value in a cell, the stronger its colour, the larger it is.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    values: Array2<f64>,
    size: f64,
    numbers: bool,
    /// The magnitude of the strongest colour.
    full: f64,
    /// `[top, left, rows, columns]` and the colour of an outline.
    marks: Vec<([usize; 4], &'static str)>,
    /// How many rows and columns round the array are padding.
    padding: [usize; 2],
}

pub(crate) fn cells(values: ArrayView2<'_, f64>) -> Cells {
    let full = values.iter().fold(0.0, |full: f64, value| full.max(value.abs()));
    let values = values.to_owned();
    Cells { values, size: 30.0, numbers: true, full, marks: Vec::new(), padding: [0, 0] }
}

/// One row of cells.
pub(crate) fn vector(values: &[f64]) -> Cells {
    cells(ArrayView2::from_shape((1, values.len()), values).unwrap())
}

/// An array from a function of row and column.
pub(crate) fn array(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> Array2<f64> {
    Array2::from_shape_fn((rows, columns), |(i, j)| value(i, j))
}

impl Cells {
    /// Cells of this many pixels.
    pub(crate) fn sized(self, size: f64) -> Self {
        Self { size, ..self }
    }

    /// Colours alone.
    pub(crate) fn without_numbers(self) -> Self {
        Self { numbers: false, ..self }
    }

    /// Colours as strong as in another table, whose largest magnitude this is.
    pub(crate) fn of_scale(self, full: f64) -> Self {
        Self { full, ..self }
    }

    /// The outermost rows and columns are padding: drawn faintly.
    pub(crate) fn padded(self, padding: [usize; 2]) -> Self {
        Self { padding, ..self }
    }

    /// An outline round the cells `[top, left, rows, columns]`; in the second colour it is dashed.
    pub(crate) fn marked(mut self, place: [usize; 4], colour: &'static str) -> Self {
        self.marks.push((place, colour));
        self
    }

    pub(crate) fn draw(&self) -> Drawing {
        let (rows, columns) = self.values.dim();
        let size = self.size;
        let mut drawn = sheet(columns as f64 * size + 2.0, rows as f64 * size + 2.0);
        for ((i, j), &value) in self.values.indexed_iter() {
            let corner = [1.0 + j as f64 * size, 1.0 + i as f64 * size];
            let is_inside = |at: usize, extent: usize, padding: usize| (padding..extent - padding).contains(&at);
            let is_padding = !(is_inside(i, rows, self.padding[0]) && is_inside(j, columns, self.padding[1]));
            let share = if self.full > 0.0 { value.abs() / self.full } else { 0.0 };
            let colour = if value < 0.0 { NEGATIVE } else { POSITIVE };
            if share >= 0.005 {
                drawn = drawn.filled(corner, [size; 2], colour, 0.75 * share);
            }
            if is_padding {
                drawn = drawn.filled(corner, [size; 2], "currentColor", 0.1);
            }
            if self.numbers {
                drawn = drawn.text(corner.map(|at| at + size / 2.0), number(value));
            }
        }
        let [right, bottom] = [columns as f64 * size + 1.0, rows as f64 * size + 1.0];
        let grid = |drawn: Drawing, from, to| drawn.line(&[from, to], "currentColor", "", 0.4);
        for i in 0..=rows {
            drawn = grid(drawn, [1.0, 1.0 + i as f64 * size], [right, 1.0 + i as f64 * size]);
        }
        for j in 0..=columns {
            drawn = grid(drawn, [1.0 + j as f64 * size, 1.0], [1.0 + j as f64 * size, bottom]);
        }
        for ([top, left, high, wide], colour) in &self.marks {
            let [x, y] = [*left, *top].map(|at| 1.0 + at as f64 * size);
            let [right, bottom] = [x + *wide as f64 * size, y + *high as f64 * size];
            let corners = [[x, y], [right, y], [right, bottom], [x, bottom], [x, y]];
            // Whoever doesn't see the colour sees the dashes.
            drawn = drawn.line(&corners, colour, if *colour == SECOND { "7 3" } else { "" }, 2.6);
        }
        drawn
    }
}
