//! Where a layer's cells lie on the picture.

use nn::data::Rect;
use nn::{Layer, Model, Padding, Real, Source};

/// Where the cells of a feature map lie on the model's input, as kernels, strides and paddings say. Each pair is
/// `[down, right]`, in pixels; pixel i covers the interval [i, i + 1].
///
/// Along an axis, cell i is centred at `first + i·stride`, and reads the pixels `[begin + i·stride, end + i·stride)`: the
/// image's own cells are its pixels (first = ½, stride 1, begin = 0, end = 1), and a window of k taps at dilation d, stride
/// s, with p pixels of padding before it, turns them into (Araujo, Norris and Sim, *Computing Receptive Fields of
/// Convolutional Neural Networks*, 2019)
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

impl Cells {
    /// The image's own pixels.
    pub(crate) const PIXELS: Self = Self { first: [0.5; 2], stride: [1; 2], begin: [0; 2], end: [1; 2] };

    /// The centre of a cell, `[down, right]`.
    #[must_use]
    pub fn centre(&self, cell: [usize; 2]) -> [f64; 2] {
        [0, 1].map(|axis| self.first[axis] + (cell[axis] * self.stride[axis]) as f64)
    }

    /// Steps between neighbouring cells.
    #[must_use]
    pub fn stride(&self) -> [usize; 2] {
        self.stride
    }

    /// The height and width of what a cell reads, padding included.
    #[must_use]
    pub fn receptive_field(&self) -> [usize; 2] {
        [0, 1].map(|axis| (self.end[axis] - self.begin[axis]) as usize)
    }

    /// What a cell reads of a picture `[H, W]`: its receptive field, less what lies in the padding.
    #[must_use]
    pub fn reads(&self, cell: [usize; 2], picture: [usize; 2]) -> Rect {
        let edge = |edge: [i64; 2]| {
            [0, 1].map(|axis| {
                (edge[axis] + (cell[axis] * self.stride[axis]) as i64).clamp(0, picture[axis] as i64) as usize
            })
        };
        let ([top, left], [bottom, right]) = (edge(self.begin), edge(self.end));
        Rect { top, left, height: bottom - top, width: right - left }
    }

    /// The place among a layer's cells, as a fraction, of a point of the picture.
    pub(crate) fn cell_at(&self, axis: usize, point: f64) -> f64 {
        (point - self.first[axis]) / self.stride[axis] as f64
    }

    fn windowed(self, kernel: [usize; 2], stride: [usize; 2], dilation: [usize; 2], padding: &Padding) -> Self {
        let before = [padding.top as i64, padding.left as i64];
        let step = self.stride.map(|stride| stride as i64);
        let reach = [0, 1].map(|axis| ((kernel[axis] - 1) * dilation[axis]) as i64);
        Self {
            first: [0, 1].map(|a| self.first[a] + (reach[a] as f64 / 2.0 - before[a] as f64) * step[a] as f64),
            stride: [0, 1].map(|a| self.stride[a] * stride[a]),
            begin: [0, 1].map(|a| self.begin[a] - before[a] * step[a]),
            end: [0, 1].map(|a| self.end[a] + (reach[a] - before[a]) * step[a]),
        }
    }

    /// Two branches that meet: the cells read what either reads, and lie between.
    fn joined(self, other: Self) -> Option<Self> {
        (self.stride == other.stride).then(|| Self {
            first: [0, 1].map(|a| f64::midpoint(self.first[a], other.first[a])),
            stride: self.stride,
            begin: [0, 1].map(|a| self.begin[a].min(other.begin[a])),
            end: [0, 1].map(|a| self.end[a].max(other.end[a])),
        })
    }

    /// The cells of each layer; `None` where the output has no positions, or branches of different strides meet.
    pub(crate) fn of_layers<T: Real>(model: &Model<T>) -> Vec<Option<Self>> {
        let mut cells: Vec<Option<Self>> = Vec::with_capacity(model.layers().len());
        for node in model.layers() {
            let mut inputs = node.inputs.iter().map(|source| match *source {
                Source::Image => Some(Self::PIXELS),
                Source::Layer(index) => cells[index],
            });
            let first = inputs.next().flatten();
            let merged = inputs.fold(first, |a, b| a?.joined(b?));
            let here = merged.and_then(|cells| match &node.layer {
                Layer::Conv2d { kernel, conv, .. } => {
                    Some(cells.windowed(*kernel, conv.stride, conv.dilation, &conv.padding))
                }
                Layer::MaxPool(pool) | Layer::AvgPool { pool, .. } => {
                    Some(cells.windowed(pool.kernel, pool.stride, [1, 1], &pool.padding))
                }
                _ => (node.output_shape.len() == 3).then_some(cells),
            });
            cells.push(here);
        }
        cells
    }
}
