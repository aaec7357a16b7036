//! The tiles of a picture, and pointers to the pixels of their windows.

/// The outputs of a batch cut into squares, numbered row by row through all its images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    /// Squares `[down, right]` of one image.
    tiles: [usize; 2],
    /// The side of a square.
    side: usize,
}

/// The first output of a tile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Corner {
    image: usize,
    at: [usize; 2],
}

impl Grid {
    pub(super) fn new(output: [usize; 2], side: usize) -> Self {
        Self { tiles: output.map(|extent| extent.div_ceil(side)), side }
    }

    /// Tiles of one image.
    pub(super) fn per_image(&self) -> usize {
        self.tiles[0] * self.tiles[1]
    }

    #[inline(always)]
    pub(super) fn corner(&self, index: usize) -> Corner {
        let (image, within) = (index / self.per_image(), index % self.per_image());
        Corner { image, at: [within / self.tiles[1] * self.side, within % self.tiles[1] * self.side] }
    }
}

/// Images `[N, H, W, C]`, and where a tile's window begins in them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pictures {
    /// `[H, W]`.
    pub(super) extent: [usize; 2],
    pub(super) channels: usize,
    /// From the coordinates of a tile's first output to those of its window's first pixel: minus the padding above and to the
    /// left.
    pub(super) shift: [isize; 2],
}

impl Pictures {
    /// Values of that many images.
    pub(super) fn len(&self, images: usize) -> usize {
        images * self.extent[0] * self.extent[1] * self.channels
    }

    /// Pointers to the first channel of each pixel of a K×K window; for pixels outside the picture the pointer is `outside`.
    /// So a border costs no copy, and no branch where the pixels are read.
    #[inline(always)]
    pub(super) fn window<const K: usize>(
        &self,
        pixels: *const f32,
        corner: Corner,
        outside: *const f32,
    ) -> [[*const f32; K]; K] {
        let row_step = self.extent[1] * self.channels;
        let picture = pixels.wrapping_add(corner.image * self.extent[0] * row_step);
        // A negative index wraps to one past any extent.
        let [y, x] = [0, 1].map(|d| corner.at[d].wrapping_add_signed(self.shift[d]));
        let first = picture.wrapping_add(y.wrapping_mul(row_step)).wrapping_add(x.wrapping_mul(self.channels));
        let mut window = [[outside; K]; K];
        for r in 0..K {
            if y.wrapping_add(r) < self.extent[0] {
                for c in 0..K {
                    if x.wrapping_add(c) < self.extent[1] {
                        window[r][c] = first.wrapping_add(r * row_step + c * self.channels);
                    }
                }
            }
        }
        window
    }
}
