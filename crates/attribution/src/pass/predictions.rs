//! What a network says of an image.

use std::fmt;

use nn::{Real, Task};

use super::{Pass, one_of};
use crate::target::{predicted_counts, ranked};

/// The network's answer for a class, a label or a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The index of the class, label or value.
    pub class: usize,
    /// Its name, or its index if it has none.
    pub name: String,
    /// The probability, value or share.
    pub value: f64,
    /// The meaning of the number.
    pub says: Says,
}

/// The meaning of a [`Prediction`]'s number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// A probability: the softmax of the scores for classes, the sigmoid of its own score for a label.
    Probability,
    /// A value, with its unit if it has one.
    Value(Option<String>),
    /// The share of the positions of a map at which the class or label is predicted.
    Share,
    /// The mean of a value over the positions of a map, with its unit if it has one.
    Mean(Option<String>),
}

/// `0.982  cat`, `58.3 years  age`, `41.0 %  road`.
impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.amount(), self.name)
    }
}

impl Prediction {
    /// As [`amount`](Self::amount), with two decimals for a probability, to stand in a title.
    #[must_use]
    pub fn brief(&self) -> String {
        if self.says == Says::Probability { format!("{:.2}", self.value) } else { self.amount() }
    }

    /// The number, with its unit: `0.982`, `58.3 years`, `41.0 %`.
    #[must_use]
    pub fn amount(&self) -> String {
        match &self.says {
            Says::Probability => format!("{:.3}", self.value),
            Says::Value(None) => significant(self.value),
            Says::Mean(None) => format!("{} in the mean", significant(self.value)),
            Says::Value(Some(unit)) => format!("{} {unit}", significant(self.value)),
            Says::Mean(Some(unit)) => format!("{} {unit} in the mean", significant(self.value)),
            Says::Share => format!("{:.1} %", 100.0 * self.value),
        }
    }
}

/// A number with at least four significant digits.
fn significant(value: f64) -> String {
    let before = if value == 0.0 || !value.is_finite() { 0 } else { value.abs().log10().floor() as i32 };
    let decimals = usize::try_from(3 - before).unwrap_or(0).min(12);
    format!("{value:.decimals$}")
}

impl<T: Real> Pass<'_, T> {
    /// The first `k` predictions for a single image; see [`top_of`](Self::top_of).
    ///
    /// # Panics
    /// If the pass has several images.
    #[must_use]
    pub fn top(&self, k: usize) -> Vec<Prediction> {
        assert_eq!(self.images(), 1, "the pass has {} images: use `top_of`", self.images());
        self.top_of(0, k)
    }

    /// The `k` likeliest classes or labels of one image, likeliest first; of a map, those with the largest shares. Values come
    /// in the model's order. An embedding has no predictions.
    ///
    /// # Panics
    /// If there is no such image.
    #[must_use]
    pub fn top_of(&self, image: usize, k: usize) -> Vec<Prediction> {
        let order = match self.model.task() {
            Task::Embedding => Vec::new(),
            Task::Values => (0..self.model.scores()).collect(),
            Task::Labels if self.model.is_binary() && !self.model.is_map() => ranked(&self.amounts(image)),
            Task::Classes | Task::Labels if self.model.is_map() => ranked(&self.amounts(image)),
            Task::Classes | Task::Labels => ranked(self.scores_of_image(image)),
        };
        order.into_iter().take(k).map(|class| self.prediction(image, class)).collect()
    }

    /// The network's answer for one class, label or value of one image.
    ///
    /// # Panics
    /// If there is no such image or class.
    #[must_use]
    pub fn prediction(&self, image: usize, class: usize) -> Prediction {
        let unit = || self.model.unit(class).map(String::from);
        let says = match (self.model.task(), self.model.is_map()) {
            (Task::Classes | Task::Labels, false) => Says::Probability,
            (Task::Classes | Task::Labels, true) => Says::Share,
            (Task::Values | Task::Embedding, false) => Says::Value(unit()),
            (Task::Values | Task::Embedding, true) => Says::Mean(unit()),
        };
        let value = self.amounts(image)[class].as_f64();
        Prediction { class, name: self.model.class_name(class), value, says }
    }

    /// The probability, value or share of each class of an image.
    fn amounts(&self, image: usize) -> Vec<T> {
        let outputs = one_of(&self.outputs, image);
        let (task, width) = (self.model.task(), self.model.scores());
        let share = |count: usize, of: usize| T::from_f64(count as f64 / of as f64);
        match (task, self.model.is_map()) {
            (_, false) if self.model.is_binary() => vec![T::one() - outputs[0], outputs[0]],
            (_, false) => outputs.to_vec(),
            (Task::Classes | Task::Labels, true) => {
                let positions = outputs.len() / width;
                let counts = predicted_counts(task, width, self.scores_of_image(image));
                match (self.model.is_binary(), &counts[..]) {
                    (true, &[positive]) => vec![share(positions - positive, positions), share(positive, positions)],
                    _ => counts.into_iter().map(|count| share(count, positions)).collect(),
                }
            }
            (Task::Values | Task::Embedding, true) => {
                let column = |value: usize| outputs.iter().skip(value).step_by(width).map(|v| v.as_f64());
                let mean = |value| T::from_f64(column(value).sum::<f64>() / (outputs.len() / width) as f64);
                (0..width).map(mean).collect()
            }
        }
    }

    fn scores_of_image(&self, image: usize) -> &[T] {
        one_of(self.logits(), image)
    }
}
