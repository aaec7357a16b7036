//! Functions that exporters write as several nodes, found in the layers that these became. The layers stay; those that nothing
//! reads any more are left out of the model.

use super::activation::Activation;
use super::context::Reading;
use super::error::NodeError;
use super::network::Planned;
use crate::layers::layer::Layer;
use crate::layers::{HardSigmoid, HardSwish, L2Norm, Mul};
use crate::model::Source;

/// Numbers of single precision that exporters have rounded.
fn is_near(found: f32, expected: f64) -> bool {
    (f64::from(found) - expected).abs() <= 1e-6 * expected.abs()
}

/// The only number by which a layer scales, or that it adds.
fn number(planned: &Planned) -> Option<f32> {
    match planned.weights[..] {
        [ref weight] if weight.len() == 1 => Some(weight.as_slice()[0]),
        _ => None,
    }
}

/// A line that is clipped from 0 to `height`: min(max(x + `shift`, 0), `height`).
#[derive(Clone, Copy, Debug)]
struct ClippedLine {
    x: Source,
    shift: f32,
    height: f64,
}

impl ClippedLine {
    /// The hard sigmoid that it is a multiple of.
    fn gate(self) -> HardSigmoid {
        HardSigmoid { slope: 1.0 / self.height, offset: f64::from(self.shift) / self.height }
    }
}

fn is_hard_swish_gate(gate: HardSigmoid) -> bool {
    let HardSigmoid { slope, offset } = HardSwish::GATE;
    is_near(gate.slope as f32, slope) && is_near(gate.offset as f32, offset)
}

impl Reading<'_> {
    /// The factor and the input of a layer that scales by one number.
    pub(crate) fn scaled_by(&self, source: Source) -> Option<(f32, Source)> {
        let planned = self.planned(source)?;
        matches!(planned.layer, Layer::Scale(_)).then_some((number(planned)?, planned.inputs[0]))
    }

    fn clipped_line(&self, source: Source) -> Option<ClippedLine> {
        let clip = self.planned(source)?;
        let Layer::Clip(bounds) = clip.layer else { return None };
        let line = self.planned(clip.inputs[0])?;
        let is_line = matches!(line.layer, Layer::Shift(_)) && bounds.min == 0.0 && bounds.max < f64::from(f32::MAX);
        is_line.then_some(ClippedLine { x: line.inputs[0], shift: number(line)?, height: bounds.max })
    }

    /// x·`factor`, where that takes another layer than one that scales: a clipped line that is scaled to heights from 0 to 1 is a
    /// hard sigmoid, and a factor undoes the one before it.
    pub(crate) fn rescaled(&mut self, x: &Activation, factor: f32) -> Result<Option<Activation>, NodeError> {
        if let Some(line) = self.clipped_line(x.source)
            && is_near(factor, 1.0 / line.height)
        {
            return Ok(Some(x.of(self.layer(line.gate(), &[line.x])?)));
        }
        let undone = self.scaled_by(x.source).filter(|&(first, _)| is_near(first * factor, 1.0));
        Ok(undone.map(|(_, source)| x.of(source)))
    }

    /// x times a gate of x or of another value, where the gate is a hard sigmoid or a multiple of one, and the layers are known
    /// by a name: a hard swish.
    pub(crate) fn hard_gated(&mut self, x: &Activation, gate: &Activation) -> Result<Option<Activation>, NodeError> {
        let planned = self.planned(gate.source);
        if let Some(Planned { layer: Layer::HardSigmoid(sigmoid), inputs, .. }) = planned {
            let is_hard_swish = is_hard_swish_gate(*sigmoid) && inputs[..] == [x.source] && x.same_axes(gate);
            return Ok(if is_hard_swish { Some(x.of(self.layer(HardSwish, &[x.source])?)) } else { None });
        }
        let Some(line) = self.clipped_line(gate.source) else { return Ok(None) };
        let height = line.height as f32;
        if is_hard_swish_gate(line.gate()) && x.same_axes(gate) {
            if line.x == x.source {
                let product = x.of(self.add("product", HardSwish, &[x.source], [])?);
                return Ok(Some(self.scaled("", &product, height)?));
            }
            if let Some((factor, source)) = self.scaled_by(x.source)
                && source == line.x
            {
                if is_near(factor, 1.0 / line.height) {
                    return Ok(Some(x.of(self.layer(HardSwish, &[source])?)));
                }
                let product = x.of(self.add("product", HardSwish, &[source], [])?);
                return Ok(Some(self.scaled("", &product, factor * height)?));
            }
        }
        if !x.broadcasts(gate) {
            return Ok(None);
        }
        let gate = self.add("gate", line.gate(), &[line.x], [])?;
        let product = x.of(self.add("product", Mul, &[x.source, gate], [])?);
        Ok(Some(self.scaled("", &product, height)?))
    }

    /// x/max(‖x‖, ε), if that is what the divisor is.
    pub(crate) fn normalized(&mut self, x: &Activation, divisor: &Activation) -> Result<Option<Activation>, NodeError> {
        let length = self.length(divisor.source).filter(|&(of, _)| of == x.source && x.broadcasts(divisor));
        let Some((_, epsilon)) = length else { return Ok(None) };
        Ok(Some(x.of(self.layer(L2Norm { epsilon }, &[x.source])?)))
    }

    /// x times the reciprocal of its length, as TensorFlow writes it.
    pub(crate) fn normalized_by(
        &mut self,
        x: &Activation,
        factor: &Activation,
    ) -> Result<Option<Activation>, NodeError> {
        match self.planned(factor.source) {
            Some(Planned { layer: Layer::Power(power), inputs, .. }) if power.exponent == -1.0 => {
                let divisor = factor.of(inputs[0]);
                self.normalized(x, &divisor)
            }
            _ => Ok(None),
        }
    }

    /// x and ε, if this is max(‖x‖, ε) over the channels of x, repeated over them or not.
    fn length(&self, source: Source) -> Option<(Source, f64)> {
        let mut planned = self.planned(source)?;
        if let Layer::Select(select) = &planned.layer {
            let is_repeated = select.indices.iter().all(|&index| index == 0);
            planned = self.planned(planned.inputs[0]).filter(|_| is_repeated)?;
        }
        let (planned, least) = self.before_least(planned)?;
        let is_root = matches!(&planned.layer, Layer::Power(power) if power.exponent == 0.5);
        let (sum, least_square) = self.before_least(self.planned(planned.inputs[0]).filter(|_| is_root)?)?;
        let (terms, mean) = match sum.layer {
            Layer::Scale(_) => (number(sum)?, self.planned(sum.inputs[0])?),
            _ => (1.0, sum),
        };
        let squares = self.planned(mean.inputs[0]).filter(|_| matches!(mean.layer, Layer::ChannelMean(_)))?;
        let x = match (&squares.layer, &squares.inputs[..]) {
            (Layer::Power(power), &[x]) if power.exponent == 2.0 => x,
            (Layer::Mul(_), &[a, b]) if a == b => a,
            _ => return None,
        };
        let is_sum = terms as usize == self.channels(squares.inputs[0]);
        is_sum.then_some((x, least.max(least_square.sqrt())))
    }

    /// The input of a layer that clips from below, and the bound; the layer itself and 0 if it is no clip; nothing for other clips.
    fn before_least<'a>(&'a self, planned: &'a Planned) -> Option<(&'a Planned, f64)> {
        match planned.layer {
            Layer::Clip(clip) if clip.max >= f64::from(f32::MAX) && clip.min >= 0.0 => {
                Some((self.planned(planned.inputs[0])?, clip.min))
            }
            Layer::Clip(_) => None,
            _ => Some((planned, 0.0)),
        }
    }
}
