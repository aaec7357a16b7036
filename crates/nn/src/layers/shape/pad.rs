//! One value round the picture.

use std::fmt;

use crate::geometry::Padding;
use crate::layers::inputs::image;
use crate::layers::prelude::*;

/// One value round the picture, `[N, H, W, C]` → `[N, H + top + bottom, W + left + right, C + before + behind]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pad {
    /// Rows and columns.
    pub padding: Padding,
    /// Channels before and behind the picture's.
    #[serde(default)]
    pub channels: [usize; 2],
    /// The value.
    pub value: f64,
}

impl fmt::Display for Pad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Padding { top, bottom, left, right } = self.padding;
        write!(f, "pad {top}, {bottom}; {left}, {right}")?;
        match self.channels {
            [0, 0] => Ok(()),
            [before, behind] => write!(f, "; channels {before}, {behind}"),
        }
    }
}

impl Kind for Pad {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        let ([h, w, c], [rows, columns], [before, behind]) = (image(inputs)?, self.padding.total(), self.channels);
        LayerError::unless(self.value.is_finite(), "the value of a padding", self.value, "a finite number")?;
        let channels = c.saturating_add(before.saturating_add(behind));
        Ok(vec![h.saturating_add(rows), w.saturating_add(columns), channels])
    }

    fn work(&self, _: &[usize], _: &[usize]) -> Work {
        Work::LITTLE
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], padding: self.padding }
    }
}

impl Record for Pad {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let (Padding { top, bottom, left, right }, [before, behind]) = (self.padding, self.channels);
        run.input().pad(&[(0, 0), (top, bottom), (left, right), (before, behind)], T::from_f64(self.value))
    }
}
