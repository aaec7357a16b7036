//! Targets: scores computed from the logits.

use std::fmt;
use std::sync::Arc;

use nn::{Model, Real};
use tensor::{Exact, Tape, Tensor, Var, pairwise_sum};

use crate::error::ExplainError;

/// One class of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// The class with this index.
    Index(usize),
    /// The class with this name, or with this index written as a number.
    Name(String),
    /// The class with the highest score, for each image.
    Top,
}

impl From<usize> for Class {
    fn from(class: usize) -> Self {
        Self::Index(class)
    }
}

impl From<&str> for Class {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

impl From<String> for Class {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

/// The explained score S, a function of the logits of each image.
///
/// Methods accept anything that converts into a target: a class index or name (for all images of the batch), or a list
/// with one class for each image. Other targets have constructors:
///
/// ```
/// use attribution::Target;
/// let everywhere: Target = 3.into();
/// let by_name: Target = "coat".into();
/// let each: Target = [3, 1].into();                                   // the first image's class, the second's
/// let against: Target = Target::from(3).negated();                    // Grad-CAM's counterfactual
/// let rather: Target = Target::contrast("coat", "shirt");             // why one rather than the other
/// let both: Target = Target::several(["coat", "shirt"]);              // the sum of the two scores
/// let own: Target = Target::function(|logits| logits.tanh().pick(3)); // anything: [N, classes] → [N]
/// ```
#[derive(Clone)]
pub struct Target<T: Real = f32>(Kind<T>);

type Function<T> = Arc<dyn Fn(&Var<T>) -> Var<T> + Send + Sync>;

#[derive(Clone)]
enum Kind<T: Real> {
    /// Σ coefficient · score.
    Scores(Vec<(f64, Class)>),
    /// One class for each image.
    Each(Vec<Class>),
    /// −S.
    Negated(Box<Target<T>>),
    Function(Function<T>),
}

impl<T: Real> Target<T> {
    /// The likeliest class of each image.
    #[must_use]
    pub fn top() -> Self {
        Class::Top.into()
    }

    /// The sum of these classes' scores.
    #[must_use]
    pub fn several<C: Into<Class>>(classes: impl IntoIterator<Item = C>) -> Self {
        Self(Kind::Scores(classes.into_iter().map(|class| (1.0, class.into())).collect()))
    }

    /// S_class − S_against: the evidence for one class rather than another.
    #[must_use]
    pub fn contrast(class: impl Into<Class>, against: impl Into<Class>) -> Self {
        Self(Kind::Scores(vec![(1.0, class.into()), (-1.0, against.into())]))
    }

    /// −S: the evidence against the target, the counterfactual explanation of Selvaraju et al. 2017, §3.3.
    #[must_use]
    pub fn negated(self) -> Self {
        Self(Kind::Negated(Box::new(self)))
    }

    /// Any function of the logits, `[N, classes]` → `[N]`. The score of a row must depend on no other row.
    #[must_use]
    pub fn function(f: impl Fn(&Var<T>) -> Var<T> + Send + Sync + 'static) -> Self {
        Self(Kind::Function(Arc::new(f)))
    }

    /// The target for these images, whose logits are `[N, classes]`.
    pub(crate) fn resolve(&self, model: &Model<T>, logits: &Tensor<T>) -> Result<Resolved<T>, ExplainError> {
        let (images, classes) = (logits.shape()[0], logits.shape()[1]);
        let column = |class: &Class, image: usize| match class {
            Class::Index(class) if *class < classes => Ok(*class),
            Class::Index(class) => Err(ExplainError::Class { class: *class, classes }),
            Class::Name(name) => Ok(model.class_index(name)?),
            Class::Top => Ok(ranked(&logits.as_slice()[image * classes..][..classes])[0]),
        };
        let mut coefficients = Tensor::zeros([images, classes]);
        let values = coefficients.make_mut();
        match &self.0 {
            Kind::Scores(terms) if terms.is_empty() => return Err(ExplainError::NoClass),
            Kind::Scores(terms) => {
                for image in 0..images {
                    for (coefficient, class) in terms {
                        values[image * classes + column(class, image)?] += T::from_f64(*coefficient);
                    }
                }
            }
            Kind::Each(each) if each.len() != images => {
                return Err(ExplainError::TargetLength { expected: images, found: each.len() });
            }
            Kind::Each(each) => {
                for (image, class) in each.iter().enumerate() {
                    values[image * classes + column(class, image)?] = T::one();
                }
            }
            Kind::Negated(target) => {
                return Ok(match target.resolve(model, logits)? {
                    Resolved::Linear(coefficients) => Resolved::Linear(coefficients.map(|c| -c)),
                    Resolved::Function(f) => Resolved::Function(Arc::new(move |logits| f(logits).neg())),
                });
            }
            Kind::Function(f) => return Ok(Resolved::Function(Arc::clone(f))),
        }
        Ok(Resolved::Linear(coefficients))
    }
}

/// The indices of the scores, highest score first. Equal scores keep their order; NaN comes last.
pub(crate) fn ranked<T: Real>(scores: &[T]) -> Vec<usize> {
    let score =
        |index: usize| Some(scores[index].as_f64()).filter(|score| !score.is_nan()).unwrap_or(f64::NEG_INFINITY);
    let mut indices: Vec<usize> = (0..scores.len()).collect();
    indices.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
    indices
}

/// A target for certain images, with class indices looked up.
pub(crate) enum Resolved<T: Real> {
    /// Coefficients of the logits, `[N, classes]`.
    Linear(Tensor<T>),
    Function(Function<T>),
}

impl<T: Real> Resolved<T> {
    /// ∂S/∂logits, `[M, classes]`, for logits of that shape; row i belongs to image `images[i]`.
    pub(crate) fn seed(&self, logits: &Tensor<T>, images: &[usize]) -> Result<Tensor<T>, ExplainError> {
        match self {
            Self::Linear(coefficients) => {
                let rows = images.iter().flat_map(|&image| row(coefficients, image)).copied().collect();
                Ok(Tensor::new(logits.shape(), rows))
            }
            Self::Function(f) => {
                let tape = Tape::new();
                let logits = tape.leaf(logits.clone());
                let scores = scores_of(f, &logits)?;
                let mut gradients = tape.backward(&scores, &Exact, [&logits])?;
                Ok(gradients.take(&logits).expect("requested"))
            }
        }
    }

    /// The scores S, `[M]`, for logits `[M, classes]`; row i belongs to image `images[i]`.
    pub(crate) fn scores(&self, logits: &Tensor<T>, images: &[usize]) -> Result<Vec<T>, ExplainError> {
        match self {
            Self::Linear(coefficients) => {
                let score = |(index, &image)| {
                    // A coefficient of zero leaves its logit out, even an infinite one.
                    let terms = row(coefficients, image).iter().zip(row(logits, index)).filter(|(c, _)| !c.is_zero());
                    pairwise_sum(&terms.map(|(&c, &y)| c * y).collect::<Vec<_>>())
                };
                Ok(images.iter().enumerate().map(score).collect())
            }
            Self::Function(f) => Ok(scores_of(f, &Tape::new().leaf(logits.clone()))?.value().as_slice().to_vec()),
        }
    }
}

fn row<T: Real>(matrix: &Tensor<T>, row: usize) -> &[T] {
    let width = matrix.shape()[1];
    &matrix.as_slice()[row * width..][..width]
}

fn scores_of<T: Real>(f: &Function<T>, logits: &Var<T>) -> Result<Var<T>, ExplainError> {
    let (rows, classes) = (logits.shape()[0], logits.shape()[1]);
    let scores = f(logits);
    match scores.shape()[..] {
        [n] if n == rows => Ok(scores),
        _ => Err(ExplainError::TargetShape { rows, classes, found: scores.shape().to_vec() }),
    }
}

impl<T: Real> From<Class> for Target<T> {
    fn from(class: Class) -> Self {
        Self(Kind::Scores(vec![(1.0, class)]))
    }
}

impl<T: Real> From<usize> for Target<T> {
    fn from(class: usize) -> Self {
        Class::from(class).into()
    }
}

impl<T: Real> From<&str> for Target<T> {
    fn from(name: &str) -> Self {
        Class::from(name).into()
    }
}

impl<T: Real> From<String> for Target<T> {
    fn from(name: String) -> Self {
        Class::from(name).into()
    }
}

/// One class for each image.
impl<T: Real, C: Into<Class>> From<Vec<C>> for Target<T> {
    fn from(classes: Vec<C>) -> Self {
        Self(Kind::Each(classes.into_iter().map(Into::into).collect()))
    }
}

/// One class for each image.
impl<T: Real, C: Into<Class>, const N: usize> From<[C; N]> for Target<T> {
    fn from(classes: [C; N]) -> Self {
        Self(Kind::Each(classes.into_iter().map(Into::into).collect()))
    }
}

/// One class for each image.
impl<T: Real, C: Into<Class> + Clone> From<&[C]> for Target<T> {
    fn from(classes: &[C]) -> Self {
        classes.to_vec().into()
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(class) => write!(f, "{class}"),
            Self::Name(name) => f.write_str(name),
            Self::Top => f.write_str("likeliest class"),
        }
    }
}

/// In words: `coat`, `3 − 1`, `[3, 1]`, `−(coat)`.
impl<T: Real> fmt::Display for Target<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Scores(terms) => {
                for (index, (coefficient, class)) in terms.iter().enumerate() {
                    let sign = if *coefficient < 0.0 { " − " } else { " + " };
                    write!(f, "{}{class}", if index == 0 { "" } else { sign })?;
                }
                Ok(())
            }
            Kind::Each(classes) => {
                let classes: Vec<String> = classes.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", classes.join(", "))
            }
            Kind::Negated(target) => write!(f, "−({target})"),
            Kind::Function(_) => f.write_str("a function of the scores"),
        }
    }
}

impl<T: Real> fmt::Debug for Target<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pass;
    use crate::methods::{GradCam, Gradient};
    use crate::testing::{images, residual};
    use nn::ModelInfo;

    fn with_pass(check: impl Fn(&Pass<'_, f64>, &[[f64; 3]])) {
        let classes = ["coat", "shirt", "bag"].map(String::from).to_vec();
        let model = residual().info(ModelInfo { classes, ..ModelInfo::default() }).build(3).unwrap().cast();
        let pass = Pass::new(&model, images(2)).unwrap();
        let logits: Vec<[f64; 3]> = pass.logits().as_slice().as_chunks().0.to_vec();
        check(&pass, &logits);
    }

    #[test]
    fn scores_are_what_the_target_says() {
        with_pass(|pass, y| {
            let each = |f: fn(&[f64; 3]) -> f64| y.iter().map(f).collect::<Vec<_>>();
            let scores = |target: Target<f64>| pass.scores(target).unwrap();
            assert_eq!(scores(1.into()), each(|y| y[1]));
            assert_eq!(scores("Bag".into()), each(|y| y[2]));
            assert_eq!(scores([2, 0].into()), [y[0][2], y[1][0]]);
            assert_eq!(scores(vec!["shirt", "coat"].into()), [y[0][1], y[1][0]]);
            assert_eq!(scores(Target::top()), each(|y| y[0].max(y[1]).max(y[2])));
            assert_eq!(scores(Target::from(1).negated()), each(|y| -y[1]));
            assert_eq!(scores(Target::contrast("coat", 2)), each(|y| y[0] - y[2]));
            assert_eq!(scores(Target::several([0, 1])), each(|y| y[0] + y[1]));
            assert_eq!(scores(Target::function(|y| y.tanh().pick(1)).negated()), each(|y| -y[1].tanh()));
        });
    }

    #[test]
    fn maps_follow_the_target() {
        with_pass(|pass, y| {
            let map = |target: Target<f64>| pass.why(target).explain_each(&Gradient).unwrap()[1].raw().to_owned();
            let (a, b) = (map(0.into()), map(2.into()));
            let near = |found: ndarray::Array3<f64>, expected: ndarray::Array3<f64>| {
                assert!((found - expected).iter().all(|d| d.abs() < 1e-14));
            };
            near(map(Target::contrast(0, 2)), &a - &b);
            near(map(Target::several([0, 2])), &a + &b);
            near(map(Target::from(0).negated()), -&a);
            near(map(vec![0, 2].into()), b.clone());
            let slope = 1.0 - y[1][0].tanh().powi(2);
            near(map(Target::function(|y| y.tanh().pick(0))), &a * slope);
        });
    }

    #[test]
    fn what_does_not_fit_is_named() {
        with_pass(|pass, _| {
            let message =
                |target: Target<f64>| pass.why(target).at("relu1").explain_each(&GradCam).unwrap_err().to_string();
            assert_eq!(message(3.into()), "there is no class 3: the model has 3, numbered from 0");
            assert!(message("cote".into()).contains("did you mean `coat`?"));
            assert!(message([0, 1, 2].into()).starts_with("3 classes for 2 images"));
            assert!(message(Vec::<usize>::new().into()).starts_with("0 classes for 2 images"));
            assert_eq!(message(Target::several(Vec::<usize>::new())), "a target needs at least one class");
            assert!(message(Target::function(|y| y.sum())).ends_with("one score for each row, [2]; it gave []"));
        });
    }

    #[test]
    fn targets_are_described() {
        let said = |target: Target| target.to_string();
        assert_eq!(said(3.into()), "3");
        assert_eq!(said(Target::contrast("coat", "bag").negated()), "−(coat − bag)");
        assert_eq!(said(["coat", "bag"].into()), "[coat, bag]");
        assert_eq!(said(Target::top()), "likeliest class");
    }

    #[test]
    fn nan_ranks_last() {
        assert_eq!(ranked(&[f32::NAN, 1.0, 2.0, 1.0, f32::NEG_INFINITY]), [2, 1, 3, 0, 4]);
    }
}
