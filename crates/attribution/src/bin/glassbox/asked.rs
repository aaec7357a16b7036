//! What is asked about a picture.

use attribution::Target;
use nn::Model;
use serde::{Deserialize, Serialize};

/// Why this class, rather than that one perhaps, or why not?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) class: usize,
    /// The class whose score is taken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) versus: Option<usize>,
    /// Whether what speaks against it is asked for.
    #[serde(default)]
    pub(crate) counterfactual: bool,
}

impl Asked {
    pub(crate) fn target(&self) -> Target {
        let target = match self.versus {
            Some(versus) => Target::contrast(self.class, versus),
            None => self.class.into(),
        };
        if self.counterfactual { target.negated() } else { target }
    }

    /// `Coat`, `Coat rather than Shirt`, `not Coat`.
    pub(crate) fn words(&self, model: &Model) -> String {
        let not = if self.counterfactual { "not " } else { "" };
        let rather = self.versus.map(|versus| format!(" rather than {}", model.class_name(versus)));
        format!("{not}{}{}", model.class_name(self.class), rather.unwrap_or_default())
    }
}
