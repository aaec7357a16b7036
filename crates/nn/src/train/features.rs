//! A cache for the outputs of a frozen trunk.

use std::sync::OnceLock;

use tensor::Tensor;

use crate::model::{Model, ModelError, Source};

/// A cache for the trunk's outputs for the first images of a set, filled as they are computed.
pub(super) struct Features {
    trunk: Source,
    /// The outputs for each image.
    cached: Vec<OnceLock<Box<[f32]>>>,
    /// Size of the outputs for one image in bytes.
    each: usize,
}

impl Features {
    /// An empty cache for a set of `images` images, or for as many of them as fit into `memory` bytes.
    pub(super) fn new(model: &Model<f32>, images: usize, memory: usize) -> Self {
        let trunk = model.trunk();
        let each = size_of::<f32>() * model.shape_of(trunk).iter().product::<usize>();
        let room = if trunk == Source::Image { 0 } else { (memory / each).min(images) };
        Self { trunk, cached: (0..room).map(|_| OnceLock::new()).collect(), each }
    }

    /// The size of the full cache in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.cached.len() * self.each
    }

    /// The last layer of the trunk.
    pub(super) fn trunk(&self) -> Source {
        self.trunk
    }

    /// Whether the outputs for image `index` are cached.
    pub(super) fn has(&self, index: usize) -> bool {
        self.cached.get(index).is_some_and(|outputs| outputs.get().is_some())
    }

    /// The trunk's outputs `[N, …]` for the images with these indices, in this order. `missing` `[M, H, W, C]` are those of
    /// the images whose outputs aren't [cached](Self::has); their outputs are computed, and cached if there is room.
    pub(super) fn of(
        &self,
        model: &Model<f32>,
        indices: &[usize],
        missing: &Tensor<f32>,
    ) -> Result<Tensor<f32>, ModelError> {
        let computed = match missing.len() {
            0 => Tensor::zeros([0]),
            _ => model.outputs(self.trunk, missing.clone())?,
        };
        if self.cached.is_empty() {
            return Ok(computed);
        }
        let size = self.each / size_of::<f32>();
        let mut computed = computed.as_slice().chunks_exact(size);
        let mut values = Vec::with_capacity(indices.len() * size);
        for &index in indices {
            let entry = self.cached.get(index);
            let cached = entry.and_then(OnceLock::get);
            let outputs = match cached {
                Some(cached) => &cached[..],
                None => computed.next().expect("an image for each index that isn't cached"),
            };
            values.extend_from_slice(outputs);
            if let (None, Some(entry)) = (cached, entry) {
                let _ = entry.set(outputs.into());
            }
        }
        let shape = [&[indices.len()], model.shape_of(self.trunk)].concat();
        Ok(Tensor::new(&shape[..], values))
    }
}
