//! Where a training stopped, in memory.

use super::checkpoint::{Position, Run};
use super::course::Ended;
use crate::optim::WeightAverage;

/// Where a training stands between two calls; see [`Trainer::bookmark`](super::Trainer::bookmark). The default is the beginning.
#[derive(Clone, Debug, Default)]
pub struct Bookmark {
    at: Position,
    average: Option<WeightAverage>,
}

impl Bookmark {
    /// Places a training where this one stood.
    pub(super) fn open(&mut self, run: &mut Run<'_>) {
        run.at = std::mem::take(&mut self.at);
        if let Some(average) = self.average.take() {
            run.average = Some(average);
        }
    }

    /// Keeps where a training stands. One that was stopped isn't averaged yet.
    pub(super) fn close(&mut self, run: &mut Run<'_>, ended: Ended) {
        self.at = run.at.clone();
        self.average = run.average.take_if(|_| ended == Ended::Stopped);
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow::{Break, Continue};

    use super::*;
    use crate::data::{Augmentation, fashion_mnist};
    use crate::layers::{BatchNorm, Conv2d, Dropout, GlobalAvgPool, Linear, Relu};
    use crate::optim::{Adam, Optimizer};
    use crate::train::{Trained, Trainer, Training};
    use crate::{Model, ModelInfo};

    /// Ten steps in two epochs, at most `each` of them in a call.
    fn trained(each: usize, weight_average: Option<f64>) -> (Model, Trained) {
        let images = fashion_mnist::train().subset(&(0..70).collect::<Vec<_>>());
        let info = ModelInfo { normalization: Some(images.statistics()), ..ModelInfo::default() };
        let builder = Model::builder([28, 28, 1]).layer("conv", Conv2d::new(6, 3).stride(2).without_bias());
        let builder = builder.layer("bn", BatchNorm::new()).layer("relu", Relu);
        let builder = builder.layer("drop", Dropout { probability: 0.25 }).layer("gap", GlobalAvgPool);
        let mut model = builder.layer("fc", Linear::new(10)).info(info).build(3).unwrap();
        let training =
            Training { epochs: 2, batch_size: 16, weight_average, clip_norm: Some(1.0), ..Training::default() };
        let augmentation = Augmentation { flip: true, shift: 2, ..Augmentation::default() };
        let (mut adam, mut bookmark) = (Adam::new(0.01), Bookmark::default());
        loop {
            let mut left = each;
            let trainer = Trainer::new(training, &mut adam).bookmark(&mut bookmark).augmentation(augmentation.clone());
            let trainer = trainer.on_step(|_, _| {
                left -= 1;
                if left == 0 { Break(()) } else { Continue(()) }
            });
            let trained = trainer.fit(&mut model, &images).unwrap();
            assert_eq!(adam.state().steps, trained.step as u64);
            if trained.ended == Ended::Finished {
                return (model, trained);
            }
        }
    }

    #[test]
    fn a_training_in_parts_is_the_training() {
        for average in [None, Some(0.9)] {
            let whole = trained(100, average);
            assert_eq!((whole.1.step, whole.1.history.len()), (10, 2));
            for each in [1, 3, 5] {
                assert_eq!(trained(each, average), whole, "{each} steps in a call, {average:?}");
            }
        }
    }
}
