//! What a frozen trunk gives for the images of a set, computed once.

use std::sync::OnceLock;

use tensor::Tensor;

use crate::model::{Model, ModelError, Source};

/// The outputs of a model's trunk, of as many images as there is room for: those in the first places of the set.
pub(super) struct Features {
    trunk: Source,
    kept: Vec<OnceLock<Box<[f32]>>>,
    /// Bytes of those of one image.
    each: usize,
}

impl Features {
    /// Of a set of so many images, in at most so many bytes.
    pub(super) fn new(model: &Model<f32>, images: usize, memory: usize) -> Self {
        let trunk = model.trunk();
        let each = size_of::<f32>() * model.shape_of(trunk).iter().product::<usize>();
        let room = if trunk == Source::Image { 0 } else { (memory / each).min(images) };
        Self { trunk, kept: (0..room).map(|_| OnceLock::new()).collect(), each }
    }

    /// The bytes that all of them take.
    pub(super) fn bytes(&self) -> usize {
        self.kept.len() * self.each
    }

    /// Where the trunk ends.
    pub(super) fn trunk(&self) -> Source {
        self.trunk
    }

    /// Whether those of the image at this place are known already, so that nobody needs the image.
    pub(super) fn has(&self, place: usize) -> bool {
        self.kept.get(place).is_some_and(|features| features.get().is_some())
    }

    /// The trunk's outputs `[N, …]` for the images at these places of the set, in their order. `unknown` `[M, H, W, C]` are
    /// those of them that aren't [known](Self::has).
    pub(super) fn of(
        &self,
        model: &Model<f32>,
        places: &[usize],
        unknown: &Tensor<f32>,
    ) -> Result<Tensor<f32>, ModelError> {
        let computed = match unknown.len() {
            0 => Tensor::zeros([0]),
            _ => model.outputs(self.trunk, unknown.clone())?,
        };
        if self.kept.is_empty() {
            return Ok(computed);
        }
        let size = self.each / size_of::<f32>();
        let mut computed = computed.as_slice().chunks_exact(size);
        let mut values = Vec::with_capacity(places.len() * size);
        for &place in places {
            let known = self.kept.get(place).and_then(OnceLock::get);
            let features = match known {
                Some(known) => &known[..],
                None => computed.next().expect("an image for each that isn't known"),
            };
            values.extend_from_slice(features);
            if let (None, Some(room)) = (known, self.kept.get(place)) {
                let _ = room.set(features.into());
            }
        }
        let shape = [&[places.len()], model.shape_of(self.trunk)].concat();
        Ok(Tensor::new(&shape[..], values))
    }
}
