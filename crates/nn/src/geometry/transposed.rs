//! Where the windows of a transposed convolution lie.

use serde::{Deserialize, Serialize};

use super::{ConvGeometry, Convolution, GeometryError, window};

/// The settings of a transposed 2-d convolution, which adds each pixel of its input to the window that the convolution
/// `conv` would read for it: its input has the shape of `conv`'s output, and its output that of `conv`'s input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransposedConvolution {
    /// The convolution that it is the transpose of.
    pub conv: Convolution,
    /// Rows `[below, to the right]` that are added to the smallest output: fewer than a stride, since `conv` takes pictures
    /// of up to that many rows more to the same size.
    pub output_padding: [usize; 2],
}

impl From<Convolution> for TransposedConvolution {
    fn from(conv: Convolution) -> Self {
        Self { conv, output_padding: [0, 0] }
    }
}

impl TransposedConvolution {
    /// The geometry of the convolution that this is the transpose of, for an input `[N, H, W, Cin]` and a kernel
    /// `[Kh, Kw, Cout / groups, Cin]`: its *output* is this input, and its *input* this output `[N, Ho, Wo, Cout]`, with
    /// `Ho = (H − 1)·stride + dilation·(Kh − 1) + 1 + output padding − top − bottom`, and `Wo` likewise.
    ///
    /// # Errors
    /// If the shapes don't fit together, the padding leaves nothing, the output padding is a stride or more, or a number is beyond the limit.
    pub fn geometry(&self, input: &[usize], kernel: &[usize]) -> Result<ConvGeometry, GeometryError> {
        let &[batch, h, w, in_channels] = input else {
            return Err(GeometryError::InputRank(input.to_vec()));
        };
        let &[kh, kw, group_out, kernel_in] = kernel else {
            return Err(GeometryError::KernelRank(kernel.to_vec()));
        };
        let Convolution { stride, padding, dilation, groups } = self.conv;
        let out_channels = group_out.saturating_mul(groups);
        if kernel_in != in_channels {
            return Err(GeometryError::Channels { in_channels, groups, kernel_in, out_channels });
        }
        if h == 0 || w == 0 {
            return Err(GeometryError::Zero("the picture's height or width"));
        }
        let window = window([kh, kw], stride, &padding, dilation)?;
        if let Some(axis) = (0..2).find(|&axis| self.output_padding[axis] >= stride[axis]) {
            let (output_padding, stride) = (self.output_padding[axis], stride[axis]);
            return Err(GeometryError::OutputPadding { output_padding, stride });
        }
        let covered = [0, 1].map(|axis| {
            let steps = ([h, w][axis] - 1).saturating_mul(stride[axis]);
            steps.saturating_add(window[axis] + self.output_padding[axis])
        });
        let total = padding.total();
        if covered[0] <= total[0] || covered[1] <= total[1] {
            return Err(GeometryError::NothingLeft { covered, padding });
        }
        let output = [batch, covered[0] - total[0], covered[1] - total[1], out_channels];
        self.conv.geometry(&output, &[kh, kw, group_out, kernel_in])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_leads_back_to_the_size_that_the_convolution_came_from() {
        for stride in 1..4 {
            for height in 3..12 {
                let conv = Convolution::default().stride(stride).padding(1);
                let forward = conv.geometry(&[1, height, 5, 2], &[3, 3, 2, 4]).unwrap();
                let lost = (height + 2 - 3) % stride;
                let transposed = TransposedConvolution { conv, output_padding: [lost, (5 + 2 - 3) % stride] };
                assert_eq!(transposed.geometry(&forward.output_shape(), &[3, 3, 2, 4]), Ok(forward));
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_a_reason() {
        let message = |transposed: TransposedConvolution, input: &[usize], kernel: &[usize]| {
            transposed.geometry(input, kernel).unwrap_err().to_string()
        };
        let plain = TransposedConvolution::default();
        assert!(message(plain, &[4, 4, 1], &[3, 3, 1, 1]).contains("found [4, 4, 1]"));
        assert!(message(plain, &[1, 4, 4, 1], &[3, 3, 1]).contains("found [3, 3, 1]"));
        assert!(message(plain, &[1, 4, 4, 1], &[3, 3, 1, 2]).contains("1 channels"));
        assert!(message(plain, &[1, 0, 4, 1], &[3, 3, 1, 1]).contains("height or width is zero"));
        let padded = Convolution::default().padding(3).into();
        assert!(message(padded, &[1, 4, 4, 1], &[3, 3, 1, 1]).contains("padding leaves nothing of [6, 6]"));
        let far = TransposedConvolution { output_padding: [0, 2], ..Convolution::default().stride(2).into() };
        assert!(message(far, &[1, 4, 4, 1], &[3, 3, 1, 1]).contains("an output padding of 2 at stride 2"));
        let none = Convolution::default().stride(0).into();
        assert!(message(none, &[1, 4, 4, 1], &[3, 3, 1, 1]).contains("stride is zero"));
        let grouped = Convolution::default().groups(2).into();
        assert!(message(grouped, &[1, 4, 4, 3], &[3, 3, 1, 3]).contains("2 groups"));
        let endless = Convolution::default().stride(usize::MAX).into();
        assert!(message(endless, &[1, 4, 4, 1], &[3, 3, 1, 1]).contains("the limit is 1048576"));
    }
}
