//! The operations that a backward rule replaced.

use std::collections::BTreeMap;
use std::fmt;

use tensor::Nature;

/// The operations that a backward rule replaced. Displayed as `7 of 7 ReLUs`, or `z⁺ in 3 layers, ε = 1e-6 in 1 layer`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Coverage {
    /// A rule for ReLUs.
    Rectifiers {
        /// Number of ReLUs whose product was replaced.
        replaced: usize,
        /// Number of ReLUs on the path of the gradients.
        total: usize,
        /// Whether bounded ones, such as ReLU6, are among them.
        bounded: bool,
    },
    /// A rule for other operations as well: their names, and how many of each were replaced, out of how many.
    Operations(Vec<(&'static str, [usize; 2])>),
    /// Rules of layer-wise relevance propagation.
    Relevance {
        /// The rules' names, and the number of their layers.
        rules: Vec<(String, usize)>,
        /// Batch norms that were folded into the layer before them.
        folded: usize,
    },
}

impl Coverage {
    /// What a backward pass [counted](tensor::Gradients::coverage).
    #[must_use]
    pub fn of(counted: &BTreeMap<&'static str, tensor::Coverage>) -> Self {
        let (mut replaced, mut total, mut bounded) = (0, 0, false);
        let (mut all, mut others) = (Vec::new(), false);
        for (&name, operations) in counted {
            if let Nature::Rectifier { max, .. } = operations.nature {
                replaced += operations.replaced;
                total += operations.total;
                bounded |= max.is_finite();
            } else {
                others |= operations.replaced > 0;
            }
            if operations.replaced > 0 {
                all.push((name, [operations.replaced, operations.total]));
            }
        }
        if others { Self::Operations(all) } else { Self::Rectifiers { replaced, total, bounded } }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        match self {
            Self::Rectifiers { replaced, total, bounded } => {
                let bounded = if *bounded { ", ReLU6 included" } else { "" };
                write!(f, "{replaced} of {total} ReLU{}{bounded}", plural(*total))
            }
            Self::Operations(operations) => {
                let each = operations.iter().map(|(name, [replaced, total])| format!("{replaced} of {total} {name}"));
                f.write_str(&each.collect::<Vec<_>>().join(", "))
            }
            Self::Relevance { rules, folded } => {
                let each = rules.iter().map(|(name, n)| format!("{name} in {n} layer{}", plural(*n)));
                f.write_str(&each.collect::<Vec<_>>().join(", "))?;
                match folded {
                    0 => Ok(()),
                    n => write!(f, "; {n} batch norm{} folded", plural(*n)),
                }
            }
        }
    }
}
