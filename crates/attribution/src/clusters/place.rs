//! Maps in outline, and the places in which they lie.

use ndarray::{Array1, Array2, ArrayView2};

/// Number of rows and columns of an [`Outline`].
pub const SIDE: usize = 12;
/// The share of a mean map that its place holds.
const SHARE: f64 = 0.5;

/// A map reduced to [`SIDE`] × [`SIDE`] cells with the sum 1, so that maps of many images can be kept and compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline(Array1<f64>);

impl Outline {
    /// The outline of strengths `[H, W]`, none of them negative; `None` if all are zero or one isn't finite.
    #[must_use]
    pub fn of(map: ArrayView2<f32>) -> Option<Self> {
        let (height, width) = map.dim();
        let range = |cell: usize, extent: usize| {
            let start = cell * extent / SIDE;
            start..((cell + 1) * extent / SIDE).max(start + 1)
        };
        let cell = |(row, column): (usize, usize)| -> f64 {
            let rows = range(row, height);
            let sum = |y: usize| range(column, width).map(|x| f64::from(map[[y, x]])).sum::<f64>();
            rows.clone().map(sum).sum::<f64>() / (rows.len() * range(column, width).len()) as f64
        };
        let cells: Array1<f64> = (0..SIDE * SIDE).map(|at| cell((at / SIDE, at % SIDE))).collect();
        let sum = cells.sum();
        (sum > 0.0 && sum.is_finite()).then(|| Self(cells / sum))
    }

    /// The mean of outlines; `None` without any.
    #[must_use]
    pub fn mean<'a>(outlines: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let outlines: Vec<_> = outlines.into_iter().collect();
        let sum = outlines.iter().fold(Array1::zeros(SIDE * SIDE), |sum: Array1<f64>, outline| sum + &outline.0);
        (!outlines.is_empty()).then(|| Self(sum / outlines.len() as f64))
    }

    /// The cells, `[SIDE, SIDE]`.
    #[must_use]
    pub fn map(&self) -> Array2<f32> {
        Array2::from_shape_fn((SIDE, SIDE), |(row, column)| self.0[row * SIDE + column] as f32)
    }

    /// The cells, row by row.
    #[must_use]
    pub fn cells(&self) -> &[f64] {
        self.0.as_slice().expect("one row")
    }

    /// The fewest cells that hold half of the map, row by row.
    pub(super) fn place(&self) -> Place {
        let mut order: Vec<usize> = (0..SIDE * SIDE).collect();
        order.sort_by(|&a, &b| self.0[b].total_cmp(&self.0[a]));
        let (mut held, mut is_inside) = (0.0, vec![false; SIDE * SIDE]);
        for cell in order {
            if held >= SHARE {
                break;
            }
            held += self.0[cell];
            is_inside[cell] = true;
        }
        Place(Array2::from_shape_vec((SIDE, SIDE), is_inside).expect("a flag for each cell"))
    }
}

/// Some of the cells of an outline.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place(Array2<bool>);

impl Place {
    /// The share of a map that lies there.
    pub(super) fn share(&self, outline: &Outline) -> f64 {
        self.0.iter().zip(&outline.0).filter(|(is_inside, _)| **is_inside).map(|(_, cell)| cell).sum()
    }

    /// Whether at least half of it lies in the outermost two rows and columns.
    pub(super) fn is_at_the_border(&self) -> bool {
        let inside = || self.0.indexed_iter().filter(|(_, is_inside)| **is_inside).map(|(at, _)| at);
        let outer = inside().filter(|&(row, column)| [row, column].iter().any(|&at| at < 2 || at + 2 >= SIDE)).count();
        2 * outer >= inside().count()
    }

    /// `upper left corner`, `lower edge`, `middle`, `border all round`.
    pub(super) fn name(&self) -> &'static str {
        let third = |at: usize| at * 3 / SIDE;
        let mut counts = [[0_usize; 3]; 3];
        for ((row, column), _) in self.0.indexed_iter().filter(|(_, is_inside)| **is_inside) {
            counts[third(row)][third(column)] += 1;
        }
        let sides = [counts[0][1], counts[2][1], counts[1][0], counts[1][2]];
        if sides.iter().all(|&count| count > counts[1][1]) {
            return "border all round";
        }
        let most = (0..9).rev().max_by_key(|&at| counts[at / 3][at % 3]).expect("there are nine");
        const NAMES: [[&str; 3]; 3] = [
            ["upper left corner", "upper edge", "upper right corner"],
            ["left edge", "middle", "right edge"],
            ["lower left corner", "lower edge", "lower right corner"],
        ];
        NAMES[most / 3][most % 3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(inside: impl Fn(usize, usize) -> bool) -> Outline {
        Outline::of(Array2::from_shape_fn((24, 36), |(y, x)| f32::from(u8::from(inside(y / 2, x / 3)))).view()).unwrap()
    }

    #[test]
    fn an_outline_has_the_means_of_areas_and_the_sum_one() {
        let values = Array2::from_shape_fn((25, 31), |(y, x)| ((y * 31 + x) as f32).sin().abs());
        let outline = Outline::of(values.view()).unwrap();
        assert!((outline.cells().iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let mean = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| -> f64 {
            let part: Vec<f64> =
                rows.flat_map(|y| columns.clone().map(move |x| (y, x))).map(|at| f64::from(values[at])).collect();
            part.iter().sum::<f64>() / part.len() as f64
        };
        let ratio = mean(22..25, 2..5) / mean(0..2, 28..31);
        assert!((outline.cells()[11 * 12 + 1] / outline.cells()[11] - ratio).abs() < 1e-9);
        assert!(Outline::of(Array2::zeros((20, 20)).view()).is_none());
        assert!(Outline::of(Array2::from_elem((20, 20), f32::NAN).view()).is_none());
        assert_eq!(Outline::of(Array2::from_elem((5, 3), 1.0).view()).unwrap().cells(), [1.0 / 144.0; 144]);
    }

    #[test]
    fn a_place_holds_half_in_few_cells_and_has_a_name() {
        let corner = map(|y, x| y < 2 && x < 2);
        assert_eq!(corner.place().0.iter().filter(|inside| **inside).count(), 2, "half of four equal cells");
        assert!((corner.place().share(&corner) - 0.5).abs() < 1e-12);
        assert_eq!(corner.place().share(&map(|y, x| y > 5 && x > 5)), 0.0);
        let named = |outline: Outline| (outline.place().name(), outline.place().is_at_the_border());
        assert_eq!(named(corner), ("upper left corner", true));
        assert_eq!(named(map(|y, x| y >= 11 && (5..7).contains(&x))), ("lower edge", true));
        assert_eq!(named(map(|y, x| (4..8).contains(&y) && (4..8).contains(&x))), ("middle", false));
        let ring = Outline::mean([&map(|y, x| y == 0 || y == 11 || x == 0 || x == 11)]).unwrap();
        let all = Place(Array2::from_shape_fn((SIDE, SIDE), |(y, x)| ring.cells()[y * SIDE + x] > 0.0));
        assert_eq!((all.name(), all.is_at_the_border()), ("border all round", true));
    }
}
