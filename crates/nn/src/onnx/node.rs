//! A node's settings.

use super::error::NodeError;
use super::schema::{AttributeProto, AttributeType, NodeProto, TensorProto};

/// A node of the graph.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) proto: &'a NodeProto,
}

impl<'a> Node<'a> {
    /// Its name, or that of its output if it has none.
    pub(crate) fn name(&self) -> &'a str {
        match &self.proto.name[..] {
            "" => self.proto.output.first().map_or("", |name| name),
            name => name,
        }
    }

    /// The number of inputs, those left out included.
    pub(crate) fn inputs(&self) -> usize {
        self.proto.input.len()
    }

    /// The name of an input, if the node has it.
    pub(crate) fn input(&self, index: usize) -> Option<&'a str> {
        self.proto.input.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    fn attribute(&self, name: &'static str, kind: AttributeType) -> Result<Option<&'a AttributeProto>, NodeError> {
        let Some(attribute) = self.proto.attribute.iter().find(|attribute| attribute.name == name) else {
            return Ok(None);
        };
        match attribute.r#type() {
            found if found == kind || found == AttributeType::Undefined => Ok(Some(attribute)),
            found => Err(NodeError::unsupported(name, format_args!("a {found:?}"), "the type that ONNX specifies")),
        }
    }

    pub(crate) fn integer(&self, name: &'static str, default: i64) -> Result<i64, NodeError> {
        Ok(self.optional_integer(name)?.unwrap_or(default))
    }

    pub(crate) fn optional_integer(&self, name: &'static str) -> Result<Option<i64>, NodeError> {
        Ok(self.attribute(name, AttributeType::Int)?.map(|attribute| attribute.i.unwrap_or(0)))
    }

    pub(crate) fn integers(&self, name: &'static str) -> Result<Option<&'a [i64]>, NodeError> {
        Ok(self.attribute(name, AttributeType::Ints)?.map(|attribute| &attribute.ints[..]))
    }

    pub(crate) fn float(&self, name: &'static str) -> Result<Option<f32>, NodeError> {
        Ok(self.attribute(name, AttributeType::Float)?.map(|attribute| attribute.f.unwrap_or(0.0)))
    }

    /// A floating-point number as [`decimal`].
    pub(crate) fn decimal(&self, name: &'static str, default: f32) -> Result<f64, NodeError> {
        Ok(decimal(self.float(name)?.unwrap_or(default)))
    }

    pub(crate) fn floats(&self, name: &'static str) -> Result<Option<&'a [f32]>, NodeError> {
        Ok(self.attribute(name, AttributeType::Floats)?.map(|attribute| &attribute.floats[..]))
    }

    pub(crate) fn text(&self, name: &'static str) -> Result<Option<String>, NodeError> {
        let attribute = self.attribute(name, AttributeType::String)?;
        Ok(attribute.map(|attribute| String::from_utf8_lossy(attribute.s.as_deref().unwrap_or_default()).into()))
    }

    pub(crate) fn tensor(&self, name: &'static str) -> Result<Option<&'a TensorProto>, NodeError> {
        Ok(self.attribute(name, AttributeType::Tensor)?.and_then(|attribute| attribute.t.as_ref()))
    }

    /// Refuses any value of an integer attribute but this one, which is also its default.
    pub(crate) fn only(&self, name: &'static str, value: i64, supported: &'static str) -> Result<(), NodeError> {
        match self.integer(name, value)? {
            found if found == value => Ok(()),
            found => Err(NodeError::unsupported(name, found, supported)),
        }
    }

    /// A pair of positive integers, vertical and horizontal, `[1, 1]` by default; along one dimension, a horizontal one alone.
    pub(crate) fn pair(&self, name: &'static str, dimensions: usize) -> Result<[usize; 2], NodeError> {
        match self.integers(name)? {
            None | Some([]) => Ok([1, 1]),
            Some(&[vertical, horizontal]) if dimensions == 2 && vertical > 0 && horizontal > 0 => {
                Ok([vertical as usize, horizontal as usize])
            }
            Some(&[horizontal]) if dimensions == 1 && horizontal > 0 => Ok([1, horizontal as usize]),
            Some(found) if dimensions == 1 => Err(NodeError::unsupported(name, found, "a positive number")),
            Some(found) => Err(NodeError::unsupported(name, found, "two positive numbers, vertical and horizontal")),
        }
    }
}

/// Resolves an ONNX axis against a rank, or an index against an extent; negative ones count from the end. `None` if out of
/// range.
pub(crate) fn resolve(value: i64, count: usize) -> Option<usize> {
    let index = if value < 0 { value.checked_add(count as i64)? } else { value };
    usize::try_from(index).ok().filter(|&index| index < count)
}

/// The shortest decimal number that is this one in single precision: 0.1 rather than 0.10000000149.
pub(crate) fn decimal(value: f32) -> f64 {
    value.to_string().parse().expect("a number that was just printed")
}
