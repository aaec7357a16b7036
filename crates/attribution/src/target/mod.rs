//! Targets: scores computed from the outputs of a network.

mod class;
mod region;
mod resolved;
#[cfg(test)]
mod tests;
mod unit;

use std::fmt;
use std::sync::Arc;

use nn::{Model, Real};
use tensor::{Tensor, Var};

pub use class::Class;
pub(crate) use class::predicted_counts;
pub use region::Region;
pub(crate) use resolved::{Resolved, Seed};
pub use unit::Unit;

use crate::error::ExplainError;
use crate::pass::{Pass, one_of};
use region::Layout;
use resolved::Score;

/// The explained score S of each image: a function of the network's scores, or of the outputs of any layer.
///
/// Methods accept anything that converts into a target: the index or name of a class, label or value (for all images of the
/// batch), or a list with one for each image. Other targets have constructors:
///
/// ```
/// use attribution::{Region, Target, Unit};
/// let everywhere: Target = 3.into();
/// let by_name: Target = "coat".into();
/// let absent: Target = "rust:absent".into();                          // a label's side; for values `age:higher`, `age:lower`
/// let each: Target = [3, 1].into();                                   // the first image's class, the second's
/// let against: Target = Target::from(3).negated();                    // Grad-CAM's counterfactual
/// let rather: Target = Target::contrast("coat", "shirt");             // why one rather than the other
/// let both: Target = Target::several(["coat", "shirt"]);              // the sum of the two scores
/// let pixels: Target = Target::from("road").within(Region::All);      // of a map, the sum over its positions
/// let alike: Target = Target::similar_to(vec![0.1, -0.3, 0.2]);       // the cosine with another picture's embedding
/// let unit: Target = Target::unit(Unit::new("conv4", 17));            // what activates a channel, or one cell of it
/// let place: Target = Target::unit(Unit::position("conv4", [2, 3]));  // all channels of one cell
/// let own: Target = Target::function(|scores| scores.tanh().pick(3)); // anything: [N, K] → [N]
/// let deep: Target = Target::function_of("gap", |f| f.pick(2));       // anything of any layer's outputs
/// ```
#[derive(Clone)]
pub struct Target<T: Real = f32>(Kind<T>);

type Function<T> = Arc<dyn Fn(&Var<T>) -> Var<T> + Send + Sync>;

type Terms = Vec<(f64, Class)>;

#[derive(Clone)]
enum Kind<T: Real> {
    /// Σ coefficient · score; of a map, summed over a region.
    Scores(Terms, Region),
    /// Such a sum for each image.
    Each(Vec<Terms>, Region),
    /// −S.
    Negated(Box<Target<T>>),
    /// The cosine with this embedding.
    Similarity(Arc<[f64]>),
    Unit(Unit),
    /// A function of a layer's outputs; without a layer, of the scores.
    Function(Option<String>, Function<T>),
}

impl<T: Real> Target<T> {
    /// The likeliest class of each image; see [`Class::Top`].
    #[must_use]
    pub fn top() -> Self {
        Class::Top.into()
    }

    /// The sum of these classes' scores.
    #[must_use]
    pub fn several<C: Into<Class>>(classes: impl IntoIterator<Item = C>) -> Self {
        Self::sum(classes.into_iter().map(|class| (1.0, class.into())).collect())
    }

    /// S_class − S_against: the evidence for one class rather than another.
    #[must_use]
    pub fn contrast(class: impl Into<Class>, against: impl Into<Class>) -> Self {
        Self::sum(vec![(1.0, class.into()), (-1.0, against.into())])
    }

    /// −S: the evidence against the target, the counterfactual explanation of Selvaraju et al. 2017, §3.3.
    #[must_use]
    pub fn negated(self) -> Self {
        Self(Kind::Negated(Box::new(self)))
    }

    /// For a network whose output is a map: the sum of the scores over this region, instead of where the class is predicted.
    /// Targets that aren't sums of scores stay as they are.
    #[must_use]
    pub fn within(self, region: Region) -> Self {
        match self.0 {
            Kind::Scores(terms, _) => Self(Kind::Scores(terms, region)),
            Kind::Each(each, _) => Self(Kind::Each(each, region)),
            Kind::Negated(target) => target.within(region).negated(),
            other => Self(other),
        }
    }

    /// The cosine of the network's output `[K]`, an embedding, with another one, such as another picture's
    /// ([`Pass::outputs`]).
    #[must_use]
    pub fn similar_to(embedding: impl Into<Vec<f64>>) -> Self {
        Self(Kind::Similarity(embedding.into().into()))
    }

    /// A channel of a layer, one of its cells, or a position with all channels.
    #[must_use]
    pub fn unit(unit: Unit) -> Self {
        Self(Kind::Unit(unit))
    }

    /// Any function of the scores, `[N, K]` → `[N]`; for a map `[N, H, W, K]` → `[N]`. The score of an image must depend on no
    /// other image.
    #[must_use]
    pub fn function(f: impl Fn(&Var<T>) -> Var<T> + Send + Sync + 'static) -> Self {
        Self(Kind::Function(None, Arc::new(f)))
    }

    /// Any function of a layer's outputs, `[N, …]` → `[N]`. The score of an image must depend on no other image.
    #[must_use]
    pub fn function_of(layer: impl Into<String>, f: impl Fn(&Var<T>) -> Var<T> + Send + Sync + 'static) -> Self {
        Self(Kind::Function(Some(layer.into()), Arc::new(f)))
    }

    fn sum(terms: Terms) -> Self {
        Self(Kind::Scores(terms, Region::default()))
    }

    fn each<C: Into<Class>>(classes: impl IntoIterator<Item = C>) -> Self {
        let terms = |class: C| vec![(1.0, class.into())];
        Self(Kind::Each(classes.into_iter().map(terms).collect(), Region::default()))
    }

    /// The same target for changed copies of a pass's images: the likeliest class stays that of the image itself.
    pub(crate) fn settled(&self, pass: &Pass<'_, T>) -> Result<Self, ExplainError> {
        let settle = |image: usize, terms: &Terms| -> Result<Terms, ExplainError> {
            let scores = one_of(pass.logits(), image);
            let settled =
                terms.iter().map(|(coefficient, class)| Ok((*coefficient, class.settled(pass.model(), scores)?)));
            settled.collect()
        };
        Ok(Self(match &self.0 {
            Kind::Scores(terms, region) => {
                let each = (0..pass.images()).map(|image| settle(image, terms));
                Kind::Each(each.collect::<Result<_, _>>()?, region.clone())
            }
            Kind::Each(each, region) => {
                let each = each.iter().enumerate().map(|(image, terms)| settle(image, terms));
                Kind::Each(each.collect::<Result<_, _>>()?, region.clone())
            }
            Kind::Negated(target) => Kind::Negated(Box::new(target.settled(pass)?)),
            other => other.clone(),
        }))
    }

    /// The target for the images of a pass.
    pub(crate) fn resolve(&self, pass: &Pass<'_, T>) -> Result<Resolved<T>, ExplainError> {
        let (model, scores) = (pass.model(), pass.logits());
        let last = model.layers().len() - 1;
        let images = pass.images();
        let linear = |coefficients| Resolved { layer: last, score: Score::Linear(coefficients) };
        Ok(match &self.0 {
            Kind::Scores(terms, _) if terms.is_empty() => return Err(ExplainError::NoClass),
            Kind::Scores(terms, region) => linear(coefficients(model, scores, |_| terms, region)?),
            Kind::Each(each, _) if each.len() != images => {
                return Err(ExplainError::TargetLength { expected: images, found: each.len() });
            }
            Kind::Each(each, region) => linear(coefficients(model, scores, |image| &each[image], region)?),
            Kind::Negated(target) => {
                let Resolved { layer, score } = target.resolve(pass)?;
                let score = match score {
                    Score::Linear(coefficients) => Score::Linear(coefficients.map(|c| -c)),
                    Score::Function(f) => Score::Function(Arc::new(move |outputs| f(outputs).neg())),
                };
                Resolved { layer, score }
            }
            Kind::Similarity(embedding) => {
                let found = (embedding.len(), model.output_shape());
                if *found.1 != [found.0] {
                    return Err(ExplainError::Embedding { expected: found.1.to_vec(), found: found.0 });
                }
                Resolved { layer: last, score: Score::Function(cosine(embedding)) }
            }
            Kind::Unit(unit) => {
                let layer = model.layer_index(&unit.layer)?;
                let shape = pass.forward().activation(layer).shape();
                Resolved { layer, score: Score::Linear(unit.coefficients(shape, model.grids()[layer].as_ref())?) }
            }
            Kind::Function(layer, f) => {
                let layer = layer.as_ref().map_or(Ok(last), |name| model.layer_index(name))?;
                Resolved { layer, score: Score::Function(Arc::clone(f)) }
            }
        })
    }
}

/// Coefficients of the scores, `[N, …]`, from those of each image's classes.
fn coefficients<'c, T: Real>(
    model: &Model<T>,
    scores: &Tensor<T>,
    terms: impl Fn(usize) -> &'c Terms,
    region: &Region,
) -> Result<Tensor<T>, ExplainError> {
    let mut coefficients = Tensor::zeros(scores.shape());
    let (images, width) = (scores.shape()[0], model.scores());
    let each = scores.len() / images;
    let [height, columns, _] = model.input_shape();
    for (image, values) in coefficients.make_mut().chunks_exact_mut(each).enumerate() {
        let scores = one_of(scores, image);
        for (coefficient, class) in terms(image) {
            let term = class.term(model, scores)?;
            let positions = match *model.output_shape() {
                [rows, across, _] => {
                    let (map, input) = ([rows, across], [height, columns]);
                    region.positions(scores, &Layout { map, input, task: model.task(), score: term.score })?
                }
                _ => vec![0],
            };
            for position in positions {
                values[position * width + term.score] += T::from_f64(coefficient * term.sign);
            }
        }
    }
    Ok(coefficients)
}

/// e·r / (‖e‖ ‖r‖) of each embedding e, `[N, K]` → `[N]`. Of zero it is zero.
fn cosine<T: Real>(reference: &[f64]) -> Function<T> {
    let norm = reference.iter().map(|r| r * r).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    let unit: Vec<T> = reference.iter().map(|r| T::from_f64(r / norm)).collect();
    Arc::new(move |embeddings: &Var<T>| {
        let unit = embeddings.tape().leaf(Tensor::new([1, unit.len()], unit.clone()));
        let squared = embeddings.mul(embeddings).sum_axes(&[1]).add_scalar(T::min_positive_value().as_f64());
        embeddings.mul(&unit).sum_axes(&[1]).div(&squared.sqrt())
    })
}

/// The indices of the scores, highest score first. Equal scores keep their order; NaN comes last.
pub(crate) fn ranked<T: Real>(scores: &[T]) -> Vec<usize> {
    let score =
        |index: usize| Some(scores[index].as_f64()).filter(|score| !score.is_nan()).unwrap_or(f64::NEG_INFINITY);
    let mut indices: Vec<usize> = (0..scores.len()).collect();
    indices.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
    indices
}

impl<T: Real> From<Class> for Target<T> {
    fn from(class: Class) -> Self {
        Self::sum(vec![(1.0, class)])
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
        Self::each(classes)
    }
}

/// One class for each image.
impl<T: Real, C: Into<Class>, const N: usize> From<[C; N]> for Target<T> {
    fn from(classes: [C; N]) -> Self {
        Self::each(classes)
    }
}

/// One class for each image.
impl<T: Real, C: Into<Class> + Clone> From<&[C]> for Target<T> {
    fn from(classes: &[C]) -> Self {
        classes.to_vec().into()
    }
}

/// In words: `coat`, `3 − 1`, `[3, 1]`, `−(coat)`.
impl<T: Real> fmt::Display for Target<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Scores(terms, region) => write!(f, "{}{}", words(terms), in_words(region)),
            Kind::Each(each, region) => {
                let each: Vec<String> = each.iter().map(words).collect();
                write!(f, "[{}]{}", each.join(", "), in_words(region))
            }
            Kind::Negated(target) => write!(f, "−({target})"),
            Kind::Similarity(_) => f.write_str("similarity"),
            Kind::Unit(unit) => write!(f, "{unit}"),
            Kind::Function(None, _) => f.write_str("a function of the scores"),
            Kind::Function(Some(layer), _) => write!(f, "a function of `{layer}`"),
        }
    }
}

fn words(terms: &Terms) -> String {
    let word = |(index, (coefficient, class)): (usize, &(f64, Class))| match index {
        0 => class.to_string(),
        _ => format!(" {} {class}", if *coefficient < 0.0 { "−" } else { "+" }),
    };
    terms.iter().enumerate().map(word).collect()
}

/// Nothing for the default.
fn in_words(region: &Region) -> String {
    if *region == Region::default() { String::new() } else { format!(" {region}") }
}

impl<T: Real> fmt::Debug for Target<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}
