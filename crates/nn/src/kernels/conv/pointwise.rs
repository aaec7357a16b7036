//! 1×1 convolution: a matrix product, whose rows are the pixels of all images.

use crate::ConvGeometry;
use crate::kernels::gemm::Panels;
use crate::kernels::pack::Matrix;
use crate::kernels::pass::{Call, Convolve, Pass};
use tensor::simd::Tier;

/// Whether a pixel of the result reads the one pixel in its place, in all channels.
pub(super) fn pointwise(g: &ConvGeometry) -> bool {
    g.kernel == [1, 1] && g.conv.stride == [1, 1] && g.conv.padding.total() == [0, 0] && g.conv.groups == 1
}

/// The weights of a forward pass or an input gradient.
#[derive(Debug)]
pub(super) struct Pointwise {
    pass: Pass,
    /// `[Cin, Cout]`.
    shape: [usize; 2],
    panels: Panels,
}

impl Pointwise {
    pub(super) fn new(g: &ConvGeometry, pass: Pass, tier: Tier) -> Self {
        let shape = [g.in_channels, g.out_channels];
        let [rows, columns] = shape;
        let panels = Panels::room(tier, if pass == Pass::Forward { shape } else { [columns, rows] });
        Self { pass, shape, panels }
    }
}

impl Convolve for Pointwise {
    fn update(&mut self, w: &[f32]) {
        let w = Matrix::new(w, self.shape);
        self.panels.update(if self.pass == Pass::Forward { w } else { w.transposed() });
    }

    fn run(&self, call: Call<'_>) {
        let Call { source, bias, bounds, target, .. } = call;
        let channels = self.shape[usize::from(self.pass != Pass::Forward)];
        self.panels.multiply(Matrix::new(source, [source.len() / channels, channels]), bias, bounds, target);
    }
}
