//! A node's settings.

use super::error::NodeError;
use super::schema::{AttributeProto, AttributeType, NodeProto, TensorProto};

/// A node. Settings that moved from attributes to inputs are looked for in both places, so that the version of its operator
/// doesn't matter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    pub(super) proto: &'a NodeProto,
}

impl<'a> Node<'a> {
    /// Its name, or that of its output if it has none.
    pub(super) fn name(&self) -> &'a str {
        match &self.proto.name[..] {
            "" => self.proto.output.first().map_or("", |name| name),
            name => name,
        }
    }

    /// The name of its input at this place, if it is there.
    pub(super) fn input(&self, place: usize) -> Option<&'a str> {
        self.proto.input.get(place).map(String::as_str).filter(|name| !name.is_empty())
    }

    fn attribute(&self, name: &'static str, kind: AttributeType) -> Result<Option<&'a AttributeProto>, NodeError> {
        let Some(attribute) = self.proto.attribute.iter().find(|attribute| attribute.name == name) else {
            return Ok(None);
        };
        match attribute.r#type() {
            found if found == kind || found == AttributeType::Undefined => Ok(Some(attribute)),
            found => {
                Err(NodeError::Setting { name, found: format!("a {found:?}"), supported: "what ONNX has for its type" })
            }
        }
    }

    pub(super) fn integer(&self, name: &'static str, default: i64) -> Result<i64, NodeError> {
        Ok(self.optional_integer(name)?.unwrap_or(default))
    }

    pub(super) fn optional_integer(&self, name: &'static str) -> Result<Option<i64>, NodeError> {
        Ok(self.attribute(name, AttributeType::Int)?.map(|attribute| attribute.i.unwrap_or(0)))
    }

    pub(super) fn floats(&self, name: &'static str) -> Result<Option<&'a [f32]>, NodeError> {
        Ok(self.attribute(name, AttributeType::Floats)?.map(|attribute| &attribute.floats[..]))
    }

    pub(super) fn float(&self, name: &'static str) -> Result<Option<f32>, NodeError> {
        Ok(self.attribute(name, AttributeType::Float)?.map(|attribute| attribute.f.unwrap_or(0.0)))
    }

    pub(super) fn integers(&self, name: &'static str) -> Result<Option<&'a [i64]>, NodeError> {
        Ok(self.attribute(name, AttributeType::Ints)?.map(|attribute| &attribute.ints[..]))
    }

    pub(super) fn tensor(&self, name: &'static str) -> Result<Option<&'a TensorProto>, NodeError> {
        Ok(self.attribute(name, AttributeType::Tensor)?.and_then(|attribute| attribute.t.as_ref()))
    }

    pub(super) fn text(&self, name: &'static str) -> Result<Option<String>, NodeError> {
        let attribute = self.attribute(name, AttributeType::String)?;
        Ok(attribute.map(|attribute| String::from_utf8_lossy(attribute.s.as_deref().unwrap_or_default()).into()))
    }

    /// Refuses any value of an integer attribute but this one, which is also its default.
    pub(super) fn only(&self, name: &'static str, value: i64, supported: &'static str) -> Result<(), NodeError> {
        match self.integer(name, value)? {
            found if found == value => Ok(()),
            found => Err(NodeError::Setting { name, found: found.to_string(), supported }),
        }
    }

    /// Refuses a list of integers unless all are 1.
    pub(super) fn only_ones(&self, name: &'static str) -> Result<(), NodeError> {
        match self.integers(name)? {
            Some(found) if found.iter().any(|&value| value != 1) => {
                Err(NodeError::Setting { name, found: format!("{found:?}"), supported: "1 in each dimension" })
            }
            _ => Ok(()),
        }
    }

    /// A pair of positive integers; 1 and 1 if there are none.
    pub(super) fn pair(&self, name: &'static str) -> Result<[usize; 2], NodeError> {
        match self.integers(name)? {
            None | Some([]) => Ok([1, 1]),
            Some(found) => pair(found).ok_or_else(|| NodeError::Setting {
                name,
                found: format!("{found:?}"),
                supported: "two positive numbers, down and right",
            }),
        }
    }
}

/// Two positive numbers.
pub(super) fn pair(numbers: &[i64]) -> Option<[usize; 2]> {
    match *numbers {
        [down, right] if down > 0 && right > 0 => Some([down as usize, right as usize]),
        _ => None,
    }
}

/// The dimension, of so many, that this index stands for; negative ones count from the end.
pub(super) fn index(value: i64, count: usize) -> Option<usize> {
    let index = if value < 0 { value.checked_add(count as i64)? } else { value };
    usize::try_from(index).ok().filter(|&index| index < count)
}

/// The shortest decimal number that is this one in single precision: 0.1 rather than 0.10000000149.
pub(super) fn decimal(value: f32) -> f64 {
    value.to_string().parse().expect("a number that was just printed")
}
