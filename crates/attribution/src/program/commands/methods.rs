//! Methods on the command line.

use std::fmt::Write;
use std::sync::Arc;

use attribution::methods::{self, all, with_settings, written};
use attribution::question::{About, Cost};
use attribution::{ExplainError, Method, Pass};
use nn::Model;
use serde_json::Value;
use tensor::Tensor;

use crate::program::terminal::complain;

/// The default methods.
const USUAL: [&str; 5] = ["cam", "grad-cam", "guided-backprop", "guided-grad-cam", "gradient-attention"];

/// Methods from the command line, separated by commas.
#[derive(Clone, Debug)]
pub(crate) struct List(Vec<Arc<dyn Method>>);

/// Parses methods separated by commas; commas between parentheses separate settings.
pub(crate) fn list(text: &str) -> Result<List, String> {
    let mut depth = 0_usize;
    let outside = |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    let read = |text: &str| methods::parse(text).map(Arc::from).map_err(|error| error.to_string());
    text.split(outside).map(read).collect::<Result<_, _>>().map(List)
}

/// The title of a method that doesn't apply to a model, and the reason.
pub(crate) type Refused = (&'static str, ExplainError);

/// A method with its names in the output.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) method: Arc<dyn Method>,
    /// Its name in files and figures, with a number if the same method appears with other settings.
    pub(crate) id: String,
    /// Its name in prose, with the settings that differ from the defaults.
    pub(crate) title: String,
}

impl Chosen {
    pub(crate) fn about(&self) -> &'static About {
        self.method.about()
    }
}

/// The named methods, without duplicates; if none are named, the usual methods that apply to the model.
///
/// # Errors
/// If one doesn't apply to the model.
pub(crate) fn chosen(named: &[List], model: &Model) -> Result<Vec<Chosen>, ExplainError> {
    let (chosen, refused) = possible(named, model)?;
    refused.into_iter().next().map_or(Ok(chosen), |(_, reason)| Err(reason))
}

/// As [`chosen`], with the titles of the named methods that don't apply to the model, and the reasons.
///
/// # Errors
/// If a method's settings are wrong.
pub(crate) fn possible(named: &[List], model: &Model) -> Result<(Vec<Chosen>, Vec<Refused>), ExplainError> {
    if named.is_empty() {
        return Ok((usual(model)?, Vec::new()));
    }
    let methods = named.iter().flat_map(|List(methods)| methods).cloned();
    let pass = black(model)?;
    let (mut chosen, mut refused): (Vec<Chosen>, Vec<Refused>) = Default::default();
    for method in methods {
        match method.check(&pass) {
            Ok(()) => {}
            Err(error @ ExplainError::Setting(_)) => return Err(error),
            Err(reason) => {
                refused.push((method.about().title, reason));
                continue;
            }
        }
        let same = |other: &&Chosen| written(&*other.method, Some(model)) == written(&*method, Some(model));
        if chosen.iter().find(same).is_none() {
            chosen.push(named_among(&chosen, method, model));
        }
    }
    Ok((chosen, refused))
}

/// The usual methods that apply to the model.
pub(crate) fn usual(model: &Model) -> Result<Vec<Chosen>, ExplainError> {
    applicable(model, |about| USUAL.contains(&about.id))
}

/// The methods that apply to the model and take at most one backward pass.
pub(crate) fn quick(model: &Model) -> Result<Vec<Chosen>, ExplainError> {
    applicable(model, is_quick)
}

fn is_quick(about: &About) -> bool {
    about.cost == Cost::OnePass
}

/// The methods that apply to the model. Prints why the others don't, unless they are for another kind of network.
fn applicable(model: &Model, wanted: impl Fn(&About) -> bool) -> Result<Vec<Chosen>, ExplainError> {
    let pass = black(model)?;
    let mut chosen = Vec::new();
    for method in all().into_iter().filter(|method| wanted(method.about())) {
        match method.check(&pass) {
            Ok(()) => chosen.push(named_among(&chosen, method.into(), model)),
            Err(ExplainError::NoAttention) => {}
            Err(reason) => complain!("{} is skipped: {reason}.", method.about().title),
        }
    }
    Ok(chosen)
}

/// A pass over a black image. Whether a method applies to a model depends on the layers, not on the picture.
pub(crate) fn black(model: &Model) -> Result<Pass<'_>, ExplainError> {
    Pass::new(model, Tensor::zeros(model.input_shape()))
}

fn named_among(others: &[Chosen], method: Arc<dyn Method>, model: &Model) -> Chosen {
    let About { id, title, .. } = method.about();
    let id = match others.iter().filter(|other| other.about().id == *id).count() {
        0 => id.to_string(),
        alike => format!("{id}~{}", alike + 1),
    };
    let own = changed(&*method, model);
    let title = if own.is_empty() { title.to_string() } else { format!("{title} ({own})") };
    Chosen { method, id, title }
}

/// The settings that differ from the defaults.
fn changed(method: &dyn Method, model: &Model) -> String {
    let Value::Object(settings) = method.settings(Some(model)) else { return String::new() };
    let default = with_settings::<f32>(method.about().id, Value::Null).map(|default| default.settings(Some(model)));
    let is_default =
        |(name, value): &(&String, &Value)| default.as_ref().is_ok_and(|default| default[*name] == **value);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    let own = settings.iter().filter(|setting| !is_default(setting));
    own.map(|(name, value)| format!("{name} {}", text(value))).collect::<Vec<_>>().join(", ")
}

/// Help for `--method`: the syntax, the default, and each method with its settings.
fn help(default: &str) -> String {
    let mut text = format!(
        "Methods, separated by commas, with settings in parentheses: 'smooth-grad(samples=200)' [default: {default}]\n"
    );
    for method in all::<f32>() {
        let About { id, title, source, formula, .. } = method.about();
        write!(text, "\n  {id}\n          {title} ({source}): {formula}").expect("memory");
        if let Some(settings) = written(&*method, None).strip_prefix(id).filter(|settings| !settings.is_empty()) {
            write!(text, "\n          {id}{settings}").expect("memory");
        }
    }
    text
}

/// Help for `--method` of commands whose default is the usual methods.
pub(crate) fn help_usual() -> String {
    help(&format!("{}, if the network allows them", USUAL.join(", ")))
}

/// Help for `--method` of commands whose default is the quick methods.
pub(crate) fn help_quick() -> String {
    let quick: Vec<&str> = all::<f32>()
        .iter()
        .map(|method| method.about())
        .filter(|about| is_quick(about))
        .map(|about| about.id)
        .collect();
    help(&format!("those that take at most one backward pass: {}", quick.join(", ")))
}

#[cfg(test)]
mod tests {
    use nn::layers::{Conv2d, GlobalAvgPool, Linear, Silu};

    use super::*;

    fn model() -> Model {
        let layers = Model::builder([12, 12, 1]).layer("conv", Conv2d::new(4, 3)).layer("silu", Silu);
        layers.layer("gap", GlobalAvgPool).layer("fc", Linear::new(2)).build(1).unwrap()
    }

    #[test]
    fn commas_separate_methods_and_between_parentheses_settings() {
        let lists = [list("grad-cam,rise(masks=10,seed=2),rise(masks=10,seed=3)").unwrap(), list("grad-cam").unwrap()];
        let chosen = chosen(&lists, &model()).unwrap();
        let found: Vec<(&str, &str)> = chosen.iter().map(|chosen| (&*chosen.id, &*chosen.title)).collect();
        let expected =
            [("grad-cam", "Grad-CAM"), ("rise", "RISE (masks 10, seed 2)"), ("rise~2", "RISE (masks 10, seed 3)")];
        assert_eq!(found, expected);
        assert!(list("grad-cam,,cam").unwrap_err().contains("there is no method ``"));
        assert!(list("rise(masks=10").unwrap_err().contains("expected METHOD or METHOD(SETTING=VALUE,…)"));
    }

    #[test]
    fn what_has_no_meaning_is_refused_before_anything_is_explained() {
        let refused = |text: &str| chosen(&[list(text).unwrap()], &model()).unwrap_err().to_string();
        assert!(refused("guided-backprop").contains("not defined for the silu of layer `silu`"));
        assert!(refused("occlusion(window=40)").contains("a window of at most [12, 12]"));
        let usual: Vec<String> = usual(&model()).unwrap().into_iter().map(|chosen| chosen.id).collect();
        assert_eq!(usual, ["cam", "grad-cam"]);
    }

    #[test]
    fn help_names_every_method_and_its_settings() {
        let help = help_quick();
        for method in all::<f32>() {
            assert!(help.contains(&format!("\n  {}\n", method.about().id)));
        }
        assert!(help.contains("rise(cells=7,masks=1000,probability=0.5,seed=0)"));
        let known: Vec<&str> = all::<f32>().iter().map(|method| method.about().id).collect();
        assert!(USUAL.iter().all(|id| known.contains(id)));
    }
}
