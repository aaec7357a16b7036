//! Methods and their settings as text and as JSON.

use nn::{Model, Real};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::{all, find};
use crate::question::Method;

/// Settings by their names.
pub(super) type Object = serde_json::Map<String, Value>;

/// Invalid text or an invalid record of a method.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MethodError {
    /// A name that no method has.
    #[error("there is no method `{name}`{}; the methods are {}", suggested(similar.as_ref()), known.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// The most similar name of a method.
        similar: Option<String>,
        /// The methods' names.
        known: Vec<&'static str>,
    },
    /// Text that isn't `method` or `method(setting=value,…)`.
    #[error("expected METHOD or METHOD(SETTING=VALUE,…), found `{text}`")]
    Syntax {
        /// The text.
        text: String,
    },
    /// Settings of a method that has none.
    #[error("{method} takes no settings, found `{setting}`")]
    NoSettings {
        /// The method.
        method: String,
        /// The first setting.
        setting: String,
    },
    /// Settings that the method doesn't have, or can't take.
    #[error("{method}: {reason}; its settings and their defaults are {allowed}")]
    Settings {
        /// The method.
        method: String,
        /// The reason.
        reason: String,
        /// The settings, with their defaults.
        allowed: String,
    },
}

fn suggested(name: Option<&String>) -> String {
    name.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

/// Reads a method: `grad-cam`, `smooth-grad(samples=200)`, `occlusion(window=32,stride=8)`.
///
/// A value is a number, `true` or `false`, rows and columns such as `32x16`, or a word. Omitted settings have their
/// defaults.
///
/// ```
/// use attribution::methods::parse;
/// let method = parse::<f32>("integrated-gradients(steps=100, baseline=mean)")?;
/// assert_eq!(method.about().title, "integrated gradients");
/// let error = parse::<f32>("smooth-grad(sample=200)").unwrap_err().to_string();
/// assert!(error.contains("unknown field `sample`") && error.contains("samples=50"));
/// # Ok::<(), attribution::methods::MethodError>(())
/// ```
///
/// # Errors
/// If the text names no method, or settings that the method doesn't have or can't take.
pub fn parse<T: Real>(text: &str) -> Result<Box<dyn Method<T>>, MethodError> {
    let syntax = || MethodError::Syntax { text: text.into() };
    let (id, inside) = match text.trim().split_once('(') {
        None => (text.trim(), ""),
        Some((id, rest)) => (id.trim(), rest.strip_suffix(')').ok_or_else(syntax)?),
    };
    let mut settings = Object::new();
    for setting in inside.split(',').map(str::trim).filter(|setting| !setting.is_empty()) {
        let (name, text) = setting.split_once('=').ok_or_else(syntax)?;
        settings.insert(name.trim().into(), value(text.trim()));
    }
    with_settings(id, Value::Object(settings))
}

/// The method with this name and these settings: an object, or null for the defaults.
///
/// # Errors
/// The same as for [`parse`].
pub fn with_settings<T: Real>(id: &str, settings: Value) -> Result<Box<dyn Method<T>>, MethodError> {
    let settings = match settings {
        Value::Object(settings) => settings,
        Value::Null => Object::new(),
        other => return Err(MethodError::Syntax { text: format!("{id}({other})") }),
    };
    find(id, settings).unwrap_or_else(|| {
        let known: Vec<&'static str> = all::<T>().iter().map(|method| method.about().id).collect();
        Err(MethodError::Unknown { name: id.into(), similar: nn::most_similar(id, &known), known })
    })
}

/// A method with all its settings, in the syntax of [`parse`]. With a model, the settings that depend on it are
/// computed.
#[must_use]
pub fn written<T: Real>(method: &dyn Method<T>, model: Option<&Model<T>>) -> String {
    let id = method.about().id;
    match method.settings(model) {
        Value::Object(settings) => format!("{id}({})", as_text(&settings)),
        _ => id.into(),
    }
}

/// A number, a truth value, a pair of numbers, or a word.
fn value(text: &str) -> Value {
    let pair = || {
        let (rows, columns) = text.split_once('x')?;
        Some(Value::from(vec![rows.parse::<u64>().ok()?, columns.parse().ok()?]))
    };
    let number = || match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => Some(value),
        _ => None,
    };
    number().or_else(pair).unwrap_or_else(|| text.into())
}

/// Settings in the syntax between the parentheses.
fn as_text(settings: &Object) -> String {
    let text = |value: &Value| match value {
        Value::String(word) => word.clone(),
        Value::Array(sides) => sides.iter().map(Value::to_string).collect::<Vec<_>>().join("x"),
        other => other.to_string(),
    };
    let setting = |(name, value): (&String, &Value)| match value {
        Value::Null => name.clone(),
        value => format!("{name}={}", text(value)),
    };
    settings.iter().map(setting).collect::<Vec<_>>().join(",")
}

/// Reads the settings of a method.
pub(super) fn read<S: Default + Serialize + DeserializeOwned>(id: &str, settings: Object) -> Result<S, MethodError> {
    let method = || id.to_string();
    let Some(setting) = settings.keys().next().cloned() else { return Ok(S::default()) };
    let Value::Object(defaults) = to_value(&S::default()) else {
        return Err(MethodError::NoSettings { method: method(), setting });
    };
    serde_json::from_value(Value::Object(settings.clone())).map_err(|error| MethodError::Settings {
        method: method(),
        reason: format!("{error}, found `{}`", as_text(&settings)),
        allowed: as_text(&defaults),
    })
}

/// Settings as JSON.
pub(super) fn to_value(settings: &impl Serialize) -> Value {
    serde_json::to_value(settings).unwrap_or(Value::Null)
}

/// Rows and columns: a pair, or one number for as many of both.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number, or rows x columns such as 32x16")]
enum Sides {
    Square(usize),
    Pair([usize; 2]),
}

impl From<Sides> for [usize; 2] {
    fn from(sides: Sides) -> Self {
        match sides {
            Sides::Square(side) => [side; 2],
            Sides::Pair(sides) => sides,
        }
    }
}

pub(super) fn sides<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[usize; 2], D::Error> {
    Ok(Sides::deserialize(deserializer)?.into())
}

/// The same, if it is set.
pub(super) fn optional_sides<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[usize; 2]>, D::Error> {
    Ok(Option::<Sides>::deserialize(deserializer)?.map(Into::into))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::model;

    fn message(text: &str) -> String {
        parse::<f64>(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let model = model();
        for method in all::<f64>() {
            let text = written(&*method, Some(&model));
            assert_eq!(written(&*parse::<f64>(&text).unwrap(), Some(&model)), text);
            let again = with_settings::<f64>(method.about().id, method.settings(Some(&model))).unwrap();
            assert_eq!(written(&*again, Some(&model)), text);
        }
    }

    #[test]
    fn settings_are_read_as_they_are_typed() {
        let model = model();
        for (text, expected) in [
            (" grad-cam ", "grad-cam"),
            ("smooth-grad(samples=200)", "smooth-grad(relative_sigma=0.15,samples=200,seed=0)"),
            ("occlusion(window=4,stride=2)", "occlusion(baseline=black,stride=2x2,window=4x4)"),
            ("occlusion(window=3x5, baseline=0.5)", "occlusion(baseline=0.5,stride=2x3,window=3x5)"),
            ("integrated-gradients(baseline=mean,)", "integrated-gradients(baseline=mean,steps=50)"),
            ("rise(masks=8000)", "rise(cells=7,masks=8000,probability=0.5,seed=0)"),
            ("lrp(preset=epsilon-plus-flat)", "lrp(preset=epsilon-plus-flat)"),
            ("shapley(grid=2)", "shapley(baseline=black,grid=2x2,orders=100,seed=0)"),
            ("augmented(of=smooth-grad(samples=8))", "augmented(of=smooth-grad(samples=8))"),
            ("concept-relevance(channel=3)", "concept-relevance(channel=3,preset=epsilon-plus-flat)"),
            ("var-grad(seed=3)", "var-grad(relative_sigma=0.15,samples=50,seed=3)"),
        ] {
            assert_eq!(written(&*parse::<f64>(text).unwrap(), Some(&model)), expected);
        }
    }

    #[test]
    fn what_is_no_method_is_refused_with_what_is_allowed() {
        assert!(
            message("grad-cm")
                .starts_with("there is no method `grad-cm` (did you mean `grad-cam`?); the methods are cam")
        );
        assert!(message("zebra").starts_with("there is no method `zebra`; the methods are cam, grad-cam"));
        for text in ["rise(masks=3", "rise(masks)"] {
            assert_eq!(message(text), format!("expected METHOD or METHOD(SETTING=VALUE,…), found `{text}`"));
        }
        assert_eq!(message("grad-cam(layer=3)"), "grad-cam takes no settings, found `layer`");
        let many = message("smooth-grad(samples=many)");
        assert!(many.contains("expected usize, found `samples=many`; its settings and their defaults are relative_sigma=0.15,samples=50"), "{many}");
        assert!(message("smooth-grad(samples=-1)").contains("integer `-1`"));
        assert!(message("lrp(preset=gamma)").contains("unknown variant `gamma`, expected one of `epsilon`"));
        assert!(message("occlusion(window=wide)").contains("expected a number, or rows x columns"));
    }
}
