//! Where a layer's cells lie on the picture.

use nn::data::Rect;
use nn::layers::Reach;
use nn::{Grid, Model, Padding, Real, Source};

/// Where the cells of a feature map lie on the model's input, computed from kernels, strides and paddings. Each pair is
/// `[down, right]`, in pixels; pixel i covers the interval [i, i + 1].
///
/// Along an axis, cell i is centred at `first + i·stride` and reads the pixels `[begin + i·stride, end + i·stride)`. The
/// cells of the image are its pixels (first = ½, stride 1, begin = 0, end = 1). A window of k taps at dilation d and
/// stride s, with p pixels of padding before it, maps these numbers to (Araujo, Norris and Sim, *Computing Receptive
/// Fields of Convolutional Neural Networks*, 2019)
///
/// ```text
/// first' = first + ((k − 1)·d/2 − p)·stride
/// begin' = begin − p·stride,    end' = end + ((k − 1)·d − p)·stride,    stride' = s·stride
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cells {
    first: [f64; 2],
    stride: [usize; 2],
    begin: [i64; 2],
    end: [i64; 2],
}

/// Limit on strides and offsets, in pixels, far above any picture. Strides multiply from layer to layer.
const FAR: i64 = 1 << 31;

impl Cells {
    /// The image's own pixels.
    pub(crate) const PIXELS: Self = Self { first: [0.5; 2], stride: [1; 2], begin: [0; 2], end: [1; 2] };

    /// The centre of a cell, `[down, right]`.
    #[must_use]
    pub fn centre(&self, cell: [usize; 2]) -> [f64; 2] {
        [0, 1].map(|axis| self.first[axis] + (cell[axis] * self.stride[axis]) as f64)
    }

    /// The distance between neighbouring cells.
    #[must_use]
    pub fn stride(&self) -> [usize; 2] {
        self.stride
    }

    /// The height and width of a cell's receptive field, padding included.
    #[must_use]
    pub fn receptive_field(&self) -> [usize; 2] {
        [0, 1].map(|axis| (self.end[axis] - self.begin[axis]) as usize)
    }

    /// The pixels of a picture `[H, W]` that a cell reads: its receptive field without the padding.
    #[must_use]
    pub fn visible_part(&self, cell: [usize; 2], picture: [usize; 2]) -> Rect {
        let edge = |edge: [i64; 2]| {
            [0, 1].map(|axis| {
                (edge[axis] + (cell[axis] * self.stride[axis]) as i64).clamp(0, picture[axis] as i64) as usize
            })
        };
        let ([top, left], [bottom, right]) = (edge(self.begin), edge(self.end));
        Rect { top, left, height: bottom - top, width: right - left }
    }

    /// The fractional cell index of a point of the picture.
    pub(super) fn cell_at(&self, axis: usize, point: f64) -> f64 {
        (point - self.first[axis]) / self.stride[axis] as f64
    }

    /// The cells of a layer with these windows; `None` if a number exceeds [`FAR`].
    fn windowed(self, kernel: [usize; 2], stride: [usize; 2], dilation: [usize; 2], padding: &Padding) -> Option<Self> {
        let before = [padding.top as i64, padding.left as i64];
        let step = self.stride.map(|stride| stride as i64);
        let reach = [0, 1].map(|axis| ((kernel[axis] - 1) * dilation[axis]) as i64);
        let cells = Self {
            first: [0, 1].map(|a| self.first[a] + (reach[a] as f64 / 2.0 - before[a] as f64) * step[a] as f64),
            stride: [0, 1].map(|a| self.stride[a] * stride[a]),
            begin: [0, 1].map(|a| self.begin[a] - before[a] * step[a]),
            end: [0, 1].map(|a| self.end[a] + (reach[a] - before[a]) * step[a]),
        };
        cells.on_pictures()
    }

    /// `None` if a number exceeds [`FAR`].
    fn on_pictures(self) -> Option<Self> {
        let mut edges = self.begin.into_iter().chain(self.end).chain(self.stride.map(|stride| stride as i64));
        edges.all(|edge| edge.abs() <= FAR).then_some(self)
    }

    /// The cells of selected rows or columns; `None` if these aren't evenly spaced.
    fn selected(mut self, axis: usize, indices: &[usize]) -> Option<Self> {
        let (start, step) = match *indices {
            [start] => (start, 1),
            [start, next, ..] => (start, next.checked_sub(start).filter(|&step| step > 0)?),
            [] => return None,
        };
        let is_even = indices.windows(2).all(|pair| pair[0] + step == pair[1]);
        let offset = start.saturating_mul(self.stride[axis]).min(FAR as usize) as i64;
        self.first[axis] += offset as f64;
        self.begin[axis] += offset;
        self.end[axis] += offset;
        self.stride[axis] = self.stride[axis].saturating_mul(step).min(FAR as usize + 1);
        self.on_pictures().filter(|_| is_even)
    }

    /// The cells of a grid of tokens over the picture `[H, W, …]`. Each token reads the whole picture.
    fn of_all(self, grid: &Grid, [height, width, _]: [usize; 3]) -> Option<Self> {
        let stride = [0, 1].map(|axis| self.stride[axis] as f64 * grid.step[axis]);
        if stride.iter().any(|stride| stride.fract() != 0.0) {
            return None;
        }
        let cells = Self {
            first: [0, 1].map(|axis| self.first[axis] + self.stride[axis] as f64 * grid.origin[axis]),
            stride: stride.map(|stride| stride as usize),
            begin: [height, width].map(|extent| -(extent as i64)),
            end: [height, width].map(|extent| extent as i64),
        };
        cells.on_pictures()
    }

    /// The cells after two branches join. Each cell reads what either branch's cell reads, and lies midway between the
    /// two. `None` if the strides differ.
    fn joined(self, other: Self) -> Option<Self> {
        (self.stride == other.stride).then(|| Self {
            first: [0, 1].map(|a| f64::midpoint(self.first[a], other.first[a])),
            stride: self.stride,
            begin: [0, 1].map(|a| self.begin[a].min(other.begin[a])),
            end: [0, 1].map(|a| self.end[a].max(other.end[a])),
        })
    }

    /// The cells of each layer. `None` if the output has no positions, branches of different strides join before it, an
    /// earlier layer enlarges the picture, or a number exceeds [`FAR`]. Behind attention each cell reads the whole picture.
    pub(crate) fn of_layers<T: Real>(model: &Model<T>) -> Vec<Option<Self>> {
        let mut cells: Vec<Option<Self>> = Vec::with_capacity(model.layers().len());
        let grids = model.grids();
        for (node, grid) in model.layers().iter().zip(grids) {
            // An input without positions, such as the factors of squeeze-and-excitation, is the same at every position.
            let mut inputs = node.inputs.iter().filter_map(|source| match *source {
                Source::Image => Some(Some(Self::PIXELS)),
                Source::Layer(index) => grids[index].is_some().then_some(cells[index]),
            });
            let first = inputs.next().flatten();
            let merged = inputs.fold(first, |a, b| a?.joined(b?));
            let here = merged.and_then(|cells| match node.layer.kind().reach() {
                Reach::SamePlace => grid.is_some().then_some(cells),
                Reach::Window { kernel, stride, dilation, padding } => {
                    cells.windowed(kernel, stride, dilation, &padding)
                }
                Reach::Selected { axis, indices } => cells.selected(axis, indices),
                _ => None,
            });
            let through = || {
                let grid = grid.as_ref()?;
                let base = match grid.base {
                    Source::Image => Self::PIXELS,
                    Source::Layer(base) => (*cells.get(base)?)?,
                };
                base.of_all(grid, model.input_shape())
            };
            let here = here.or_else(through);
            cells.push(here);
        }
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::wave;
    use nn::layers::{AvgPool, Conv2d, GlobalAvgPool, Linear, Select};
    use nn::{Convolution, Layer, Pool2d};
    use proptest::prelude::*;
    use tensor::{Exact, Tensor};

    const PICTURE: [usize; 2] = [23, 19];

    prop_compose! {
        fn layer()(
            kernel in [1_usize..5, 1_usize..4], stride in [1_usize..3, 1_usize..4], dilation in [1_usize..3, 1_usize..3],
            padding in [0_usize..3, 0_usize..3, 0_usize..3, 0_usize..3], pooling: bool,
        ) -> Layer {
            if pooling {
                let [top, left] = kernel.map(|k| (k - 1).min(1));
                let padding = Padding { top, left, ..Padding::default() };
                AvgPool { pool: Pool2d { kernel, stride, padding }, count_padding: true }.into()
            } else {
                let [top, bottom, left, right] = padding;
                let conv = Convolution { stride, dilation, padding: Padding { top, bottom, left, right }, groups: 1 };
                Conv2d { out_channels: 1, kernel, conv, bias: false }.into()
            }
        }
    }

    /// All weights are one, so a cell's gradient is positive at every pixel that it reads.
    fn network(layers: &[Layer], end: &[Layer]) -> Option<Model<f64>> {
        let mut builder = Model::builder([PICTURE[0], PICTURE[1], 1]);
        for (index, layer) in layers.iter().chain(end).enumerate() {
            builder = builder.layer(index.to_string(), layer.clone());
        }
        let mut model = builder.layer("gap", GlobalAvgPool).layer("fc", Linear::new(1)).build(0).ok()?.cast();
        let names: Vec<String> = model.parameters().iter().map(|p| p.name.clone()).collect();
        for name in names {
            let ones = Tensor::full(model.parameter(&name).unwrap().shape(), 1.0);
            model.set_parameter(&name, ones).unwrap();
        }
        Some(model)
    }

    /// The gradient of one cell of a layer with respect to the picture, `[H, W]`.
    fn pixels_of(model: &Model<f64>, layer: usize, cell: [usize; 2]) -> Tensor<f64> {
        let forward = model.record(wave([1, PICTURE[0], PICTURE[1], 1], 0.0)).unwrap();
        let output = forward.activation(layer);
        let mut seed = Tensor::zeros(output.shape());
        let width = output.shape()[2];
        seed.make_mut()[cell[0] * width + cell[1]] = 1.0;
        let mut gradients = forward.tape().backward_from(output, seed, &Exact, [forward.input()]).unwrap();
        gradients.take(forward.input()).unwrap()
    }

    proptest! {
        #[test]
        fn a_cell_reads_what_has_a_gradient(layers in prop::collection::vec(layer(), 1..4), at in [0.0_f64..1.0, 0.0_f64..1.0]) {
            let Some(model) = network(&layers, &[]) else { return Ok(()) };
            let last = layers.len() - 1;
            let cells = Cells::of_layers(&model)[last].unwrap();
            let extent = &model.layers()[last].output_shape;
            let cell = [0, 1].map(|axis| (at[axis] * extent[axis] as f64) as usize);
            let gradient = pixels_of(&model, last, cell);
            let touched = gradient.as_slice().iter().enumerate().filter(|(_, g)| **g != 0.0);
            let read = touched.map(|(place, _)| (place / PICTURE[1], place % PICTURE[1]));
            let expected = cells.visible_part(cell, PICTURE);
            let found = Rect::enclosing(read);
            prop_assert!(found.is_none_or(|found| found.intersection(&expected) == found));
            // Dilation, or a stride longer than the window, leaves pixels that no cell reads; at the border, the cells that
            // would read a pixel may be missing.
            let dense = layers.iter().all(|layer| {
                let Reach::Window { kernel, stride, dilation, .. } = layer.kind().reach() else { unreachable!() };
                dilation == [1, 1] && (0..2).all(|axis| stride[axis] <= kernel[axis])
            });
            let [height, width] = cells.receptive_field();
            if dense && expected.area() == height * width {
                prop_assert_eq!(found, Some(expected));
            }
            // The centre is the middle of the receptive field, padding included.
            let middle = [0, 1].map(|axis| (cells.begin[axis] + cells.end[axis]) as f64 / 2.0 + (cell[axis] * cells.stride[axis]) as f64);
            prop_assert_eq!(cells.centre(cell), middle);
        }
    }

    #[test]
    fn strides_beyond_any_picture_have_no_cells() {
        let conv = Convolution::default().stride(1 << 20);
        let far = Layer::from(Conv2d { out_channels: 1, kernel: [1, 1], conv, bias: false });
        let cells = Cells::of_layers(&network(&[far.clone(), far.clone(), far.clone(), far], &[]).unwrap());
        assert!(cells[0].is_some() && cells[1..].iter().all(Option::is_none));
    }

    #[test]
    fn selected_rows_and_columns_keep_their_receptive_fields() {
        let conv = Conv2d::new(1, 3).padding(0).without_bias().into();
        let select = |axis, indices: &[usize]| Layer::from(Select { axis, indices: indices.to_vec() });
        let layers = [conv, select(0, &[4, 6, 8, 10]), select(1, &[7, 10]), select(2, &[0, 0]), select(1, &[1, 0])];
        let model = network(&layers, &[]).unwrap();
        let cells = Cells::of_layers(&model);
        let even = cells[3].unwrap();
        assert_eq!((even.stride(), even.centre([1, 1])), ([2, 3], [7.5, 11.5]));
        let read = Rect { top: 6, left: 10, height: 3, width: 3 };
        assert_eq!(even.visible_part([1, 1], PICTURE), read);
        let gradient = pixels_of(&model, 1, [1, 10]);
        let touched = gradient.as_slice().iter().enumerate().filter(|(_, g)| **g != 0.0);
        assert_eq!(Rect::enclosing(touched.map(|(place, _)| (place / PICTURE[1], place % PICTURE[1]))), Some(read));
        assert!(cells[4].is_none(), "mirrored");
    }

    #[test]
    fn branches_join() {
        let model = crate::testing::model();
        let cells = Cells::of_layers(&model);
        let field = |name: &str| cells[model.layer_index(name).unwrap()].map(|cells| cells.receptive_field());
        assert_eq!(field("relu1"), Some([3, 3]));
        assert_eq!(field("sum"), Some([5, 5]), "the longer branch's");
        assert_eq!(field("pool"), Some([6, 6]));
        assert_eq!(field("gap"), None);
        let pool = cells[model.layer_index("pool").unwrap()].unwrap();
        assert_eq!((pool.centre([0, 0]), pool.centre([1, 2]), pool.stride()), ([1.0, 1.0], [3.0, 5.0], [2, 2]));
    }
}
