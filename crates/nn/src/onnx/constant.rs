//! Tensors of an ONNX file, and what is computed from them alone.

use half::{bf16, f16};
use ndarray::{ArrayD, ArrayViewD, Axis};
use prost::bytes::Bytes;

use super::error::{NodeError, TensorError};
use super::external::ExternalData;
use super::schema::{DataType, TensorProto};
use crate::layout::permuted;

/// The limit of `ndarray`, for arrays whose elements an empty dimension hides as well.
const MOST_ELEMENTS: usize = isize::MAX as usize;

/// An array that doesn't depend on the image, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Constant {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Values,
}

/// Floating-point numbers or integers; their precision in the file doesn't matter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values {
    Floats(Vec<f32>),
    /// Floating-point numbers as they are in a file: four bytes each.
    Stored(Bytes),
    Integers(Vec<i64>),
}

impl Values {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Stored(bytes) => stored(bytes).len(),
            Self::Integers(values) => values.len(),
        }
    }

    /// The elements at these indices.
    ///
    /// # Panics
    /// If an index is out of range.
    pub(crate) fn pick(&self, indices: impl IntoIterator<Item = usize>) -> Self {
        match self {
            Self::Floats(values) => Self::Floats(indices.into_iter().map(|index| values[index]).collect()),
            Self::Stored(bytes) => {
                let values = stored(bytes);
                Self::Floats(indices.into_iter().map(|index| f32::from_le_bytes(values[index])).collect())
            }
            Self::Integers(values) => Self::Integers(indices.into_iter().map(|index| values[index]).collect()),
        }
    }

    /// As integers, rounded towards zero.
    pub(crate) fn to_integers(&self) -> Vec<i64> {
        match self {
            Self::Integers(values) => values.clone(),
            _ => self.to_floats().into_iter().map(|value| value as i64).collect(),
        }
    }

    /// As floating-point numbers.
    pub(crate) fn to_floats(&self) -> Vec<f32> {
        match self {
            Self::Floats(values) => values.clone(),
            Self::Stored(bytes) => stored(bytes).iter().copied().map(f32::from_le_bytes).collect(),
            Self::Integers(values) => values.iter().map(|&value| value as f32).collect(),
        }
    }

    /// The elements of an array of this shape in the order of these axes, as floating-point numbers.
    ///
    /// # Panics
    /// If the shape has another number of elements.
    pub(crate) fn permuted(&self, shape: &[usize], axes: &[usize]) -> Vec<f32> {
        match self {
            Self::Floats(values) => permuted(values, shape, axes, |value| value),
            Self::Stored(bytes) => permuted(stored(bytes), shape, axes, f32::from_le_bytes),
            Self::Integers(values) => permuted(values, shape, axes, |value| value as f32),
        }
    }
}

impl Constant {
    pub(crate) fn floats(shape: &[usize], values: Vec<f32>) -> Self {
        Self { shape: shape.to_vec(), values: Values::Floats(values) }
    }

    /// A list of integers.
    pub(crate) fn integers(values: Vec<i64>) -> Self {
        Self { shape: vec![values.len()], values: Values::Integers(values) }
    }

    /// Its elements as floating-point numbers.
    pub(crate) fn to_floats(&self) -> Vec<f32> {
        self.values.to_floats()
    }

    /// Its elements, if they are integers.
    pub(crate) fn as_integers(&self) -> Option<&[i64]> {
        match &self.values {
            Values::Integers(values) => Some(values),
            _ => None,
        }
    }

    /// Its only element.
    pub(crate) fn scalar(&self) -> Option<f32> {
        (self.values.len() == 1).then(|| self.to_floats()[0])
    }

    /// Its elements, at the indices that `arrange` leaves of an array of all indices.
    fn arranged(&self, arrange: impl FnOnce(ArrayViewD<'_, usize>) -> ArrayD<usize>) -> Self {
        let indices: Vec<usize> = (0..self.values.len()).collect();
        let array = ArrayViewD::from_shape(&self.shape[..], &indices).expect("as many elements as the shape says");
        let array = arrange(array);
        Self { shape: array.shape().to_vec(), values: self.values.pick(array) }
    }

    /// The same elements under a permutation of the dimensions.
    pub(crate) fn transposed(&self, permutation: &[usize]) -> Self {
        let shape = permutation.iter().map(|&axis| self.shape[axis]).collect();
        let values = match &self.values {
            Values::Integers(values) => Values::Integers(permuted(values, &self.shape, permutation, |value| value)),
            values => Values::Floats(values.permuted(&self.shape, permutation)),
        };
        Self { shape, values }
    }

    /// The elements at these indices of a dimension.
    ///
    /// # Panics
    /// If an index is out of range.
    pub(crate) fn select(&self, axis: usize, indices: &[usize]) -> Self {
        self.arranged(|array| array.select(Axis(axis), indices))
    }

    /// The shape that the two broadcast to.
    pub(crate) fn broadcast(&self, other: &Self) -> Result<Vec<usize>, NodeError> {
        broadcast(&self.shape, &other.shape)
    }

    /// f(a, b) for each element of the two, broadcast, computed in integers if both hold integers; `None` is an overflow.
    pub(crate) fn combined(
        &self,
        other: &Self,
        of_integers: impl Fn(i64, i64) -> Option<i64>,
        of_floats: impl Fn(f32, f32) -> f32,
    ) -> Result<Self, NodeError> {
        let shape = self.broadcast(other)?;
        let spread = |constant: &Self| {
            constant.arranged(|array| array.broadcast(&shape[..]).expect("the shapes broadcast").to_owned()).values
        };
        let values = match (spread(self), spread(other)) {
            (Values::Integers(a), Values::Integers(b)) => {
                let values: Option<Vec<i64>> = a.into_iter().zip(b).map(|(a, b)| of_integers(a, b)).collect();
                Values::Integers(values.ok_or(NodeError::Overflow)?)
            }
            (a, b) => {
                Values::Floats(a.to_floats().into_iter().zip(b.to_floats()).map(|(a, b)| of_floats(a, b)).collect())
            }
        };
        Ok(Self { shape, values })
    }

    /// Each element of `yes` where this isn't zero, of `no` elsewhere, all three broadcast to this shape.
    pub(crate) fn chosen(&self, yes: &Self, no: &Self, shape: &[usize]) -> Self {
        let spread = |constant: &Self| {
            constant.arranged(|array| array.broadcast(shape).expect("the shapes broadcast").to_owned()).values
        };
        let conditions = spread(self).to_floats().into_iter().map(|condition| condition != 0.0);
        let values = match (spread(yes), spread(no)) {
            (Values::Integers(yes), Values::Integers(no)) => Values::Integers(
                conditions
                    .zip(yes.into_iter().zip(no))
                    .map(|(first, (yes, no))| if first { yes } else { no })
                    .collect(),
            ),
            (yes, no) => Values::Floats(
                conditions
                    .zip(yes.to_floats().into_iter().zip(no.to_floats()))
                    .map(|(first, (yes, no))| if first { yes } else { no })
                    .collect(),
            ),
        };
        Self { shape: shape.to_vec(), values }
    }

    /// Reads a tensor of the file.
    pub(crate) fn read(tensor: &TensorProto, external: &ExternalData<'_>) -> Result<Self, NodeError> {
        let error = |error| NodeError::Tensor { name: tensor.name.clone(), error };
        let shape: Option<Vec<usize>> = tensor.dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
        let shape = shape.filter(|shape| size(shape) <= MOST_ELEMENTS);
        let shape = shape.ok_or_else(|| error(TensorError::Shape(tensor.dims.clone())))?;
        let values = match tensor.data_location {
            0 => values(tensor, tensor.raw_data.clone(), &shape),
            _ => external.read(tensor).and_then(|bytes| values(tensor, bytes.into(), &shape)),
        };
        Ok(Self { values: values.map_err(error)?, shape })
    }
}

/// The numbers that these bytes are.
fn stored(bytes: &[u8]) -> &[[u8; 4]] {
    bytes.as_chunks().0
}

/// The shape that two shapes broadcast to.
pub(crate) fn broadcast(ours: &[usize], theirs: &[usize]) -> Result<Vec<usize>, NodeError> {
    let misfit = || NodeError::shape(format!("a constant that is broadcast with {ours:?}"), theirs);
    tensor::broadcast(ours, theirs).ok_or_else(misfit)
}

/// The number of elements in an array of this shape, empty dimensions counted as one: a bound for every product of its
/// extents. `usize::MAX` if it is larger.
pub(crate) fn size(shape: &[usize]) -> usize {
    shape.iter().fold(1, |product, &extent| product.saturating_mul(extent.max(1)))
}

/// A tensor's elements, from bytes if there are any, otherwise from the field of their type.
fn values(tensor: &TensorProto, raw: Bytes, shape: &[usize]) -> Result<Values, TensorError> {
    fn each<const N: usize, V>(raw: Bytes, number: impl Fn([u8; N]) -> V) -> Vec<V> {
        raw.as_chunks().0.iter().map(|&bytes| number(bytes)).collect()
    }
    let elements: usize = shape.iter().product();
    let expect = |expected: usize, found: usize| {
        if expected == found { Ok(()) } else { Err(TensorError::Length { expected, found }) }
    };
    let data_type = DataType::try_from(tensor.data_type).map_err(|_| TensorError::Type(tensor.data_type))?;
    let (size, listed) = match data_type {
        DataType::Undefined => return Err(TensorError::Type(tensor.data_type)),
        DataType::Double => (8, tensor.double_data.len()),
        DataType::Int64 => (8, tensor.int64_data.len()),
        DataType::Float => (4, tensor.float_data.len()),
        DataType::Int32 => (4, tensor.int32_data.len()),
        DataType::Float16 | DataType::Bfloat16 => (2, tensor.int32_data.len()),
        DataType::Uint8 | DataType::Int8 | DataType::Bool => (1, tensor.int32_data.len()),
    };
    if raw.is_empty() {
        expect(elements, listed)?;
        let integers = || tensor.int32_data.iter();
        return Ok(match data_type {
            DataType::Float => Values::Floats(tensor.float_data.clone()),
            DataType::Double => Values::Floats(tensor.double_data.iter().map(|&value| value as f32).collect()),
            DataType::Int64 => Values::Integers(tensor.int64_data.clone()),
            // Numbers of two bytes are listed by their bits.
            DataType::Float16 => Values::Floats(integers().map(|&bits| f16::from_bits(bits as u16).to_f32()).collect()),
            DataType::Bfloat16 => {
                Values::Floats(integers().map(|&bits| bf16::from_bits(bits as u16).to_f32()).collect())
            }
            _ => Values::Integers(integers().map(|&value| i64::from(value)).collect()),
        });
    }
    expect(elements.checked_mul(size).ok_or_else(|| TensorError::Shape(tensor.dims.clone()))?, raw.len())?;
    Ok(match data_type {
        DataType::Double => Values::Floats(each(raw, |bytes| f64::from_le_bytes(bytes) as f32)),
        DataType::Float16 => Values::Floats(each(raw, |bytes| f16::from_le_bytes(bytes).to_f32())),
        DataType::Bfloat16 => Values::Floats(each(raw, |bytes| bf16::from_le_bytes(bytes).to_f32())),
        DataType::Int64 => Values::Integers(each(raw, i64::from_le_bytes)),
        DataType::Int32 => Values::Integers(each(raw, |bytes| i32::from_le_bytes(bytes).into())),
        DataType::Int8 => Values::Integers(each(raw, |bytes| i8::from_le_bytes(bytes).into())),
        DataType::Uint8 | DataType::Bool => Values::Integers(each(raw, |[byte]: [u8; 1]| byte.into())),
        DataType::Float | DataType::Undefined => Values::Stored(raw),
    })
}
