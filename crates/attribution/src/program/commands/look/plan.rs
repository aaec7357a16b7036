//! What is looked at.

use attribution::map::Cells;
use attribution::{ExplainError, Pass, Target, Unit};
use nn::{Layer, Model, ModelNode, Source};

use super::LookArgs;
use crate::program::files::asked::{Aim, Asked};

/// Number of layers that are shown if none is named.
const LAYERS: usize = 4;

/// A layer whose channels are shown.
pub(super) struct Planned {
    pub(super) layer: String,
    /// Height, width and number of channels of one picture's output.
    pub(super) shape: [usize; 3],
    pub(super) cells: Option<Cells>,
    /// The channels that are asked for; if none is, the first that a picture activates.
    pub(super) channels: Vec<usize>,
}

/// What is looked at.
pub(super) struct Plan {
    pub(super) layers: Vec<Planned>,
    /// Classes, and units that aren't channels, each with its name.
    pub(super) others: Vec<(String, Target)>,
}

impl Plan {
    /// # Errors
    /// If the network has no such layer or target; the error says what it has.
    pub(super) fn new(args: &LookArgs, pass: &Pass<'_>) -> Result<Self, ExplainError> {
        let model = pass.model();
        let mut plan = Self { layers: Vec::new(), others: Vec::new() };
        for text in &args.target {
            let (aim, is_opposed) = Aim::parse(text, model)?;
            let channel = match &aim {
                Aim::Unit { unit } => Unit::parse(unit).filter(|unit| unit.cell.is_none()),
                _ => None,
            };
            match channel.and_then(|unit| Some((Planned::new(&unit.layer, pass).ok()?, unit.channel?))) {
                Some((planned, channel)) => {
                    let known = plan.layers.iter().position(|known| known.layer == planned.layer);
                    let index = known.unwrap_or_else(|| {
                        plan.layers.push(planned);
                        plan.layers.len() - 1
                    });
                    plan.layers[index].channels.push(channel);
                }
                None => {
                    let target = if is_opposed { aim.target(None).negated() } else { aim.target(None) };
                    let name = Asked { aim, versus: None, counterfactual: is_opposed }.words(model);
                    plan.others.push((name, target));
                }
            }
        }
        if args.target.is_empty() {
            let named = args.layer.clone().unwrap_or_else(|| usual(model));
            plan.layers = named.iter().map(|layer| Planned::new(layer, pass)).collect::<Result<_, _>>()?;
        }
        Ok(plan)
    }
}

impl Planned {
    fn new(layer: &str, pass: &Pass<'_>) -> Result<Self, ExplainError> {
        let cells = pass.cells(layer)?;
        let [_, height, width, channels] = pass.features_at(layer)?.shape()[..] else {
            unreachable!("a layer with positions has rows, columns and channels")
        };
        Ok(Self { layer: layer.into(), shape: [height, width, channels], cells, channels: Vec::new() })
    }
}

/// Some of the activations, or of all layers with rows and columns, from the first to the last. Of an activation with an upper
/// limit, the layer before: at the limit, all pictures are alike and there is no gradient.
fn usual(model: &Model) -> Vec<String> {
    let name = |node: &ModelNode| match (&node.layer, &node.inputs[..]) {
        (Layer::Clip(_), &[Source::Layer(before)]) => model.layers()[before].name.clone(),
        _ => node.name.clone(),
    };
    let with = |is_wanted: fn(&Layer) -> bool| -> Vec<String> {
        let placed = model.layers().iter().zip(model.grids()).filter(|(_, grid)| grid.is_some());
        placed.filter(|(node, _)| is_wanted(&node.layer)).map(|(node, _)| name(node)).collect()
    };
    let activations = with(is_activation);
    let from = if activations.is_empty() { with(|_| true) } else { activations };
    let mut chosen: Vec<String> =
        (0..LAYERS).filter_map(|i| from.get(i * from.len().saturating_sub(1) / (LAYERS - 1))).cloned().collect();
    chosen.dedup();
    chosen
}

fn is_activation(layer: &Layer) -> bool {
    use Layer::{Clip, Elu, Gelu, HardSwish, LeakyRelu, PRelu, Relu, Silu};
    matches!(layer, Relu(_) | Clip(_) | LeakyRelu(_) | PRelu(_) | Elu(_) | Gelu(_) | Silu(_) | HardSwish(_))
}
