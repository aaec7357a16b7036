//! Tensors of an ONNX file, and what is computed from them alone.

use half::{bf16, f16};
use ndarray::ArrayViewD;

use super::error::{NodeError, TensorError};
use super::external::ExternalData;
use super::schema::{DataType, TensorProto};

/// An array that doesn't depend on the picture, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Constant {
    pub(super) shape: Vec<usize>,
    pub(super) values: Values,
}

/// Numbers of either kind; whatever precision the file has them in.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    Floats(Vec<f32>),
    Integers(Vec<i64>),
}

impl Values {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Integers(values) => values.len(),
        }
    }

    /// The elements at these places, in their order.
    ///
    /// # Panics
    /// Where there is no such place.
    pub(super) fn pick(&self, places: impl IntoIterator<Item = usize>) -> Self {
        match self {
            Self::Floats(values) => Self::Floats(places.into_iter().map(|place| values[place]).collect()),
            Self::Integers(values) => Self::Integers(places.into_iter().map(|place| values[place]).collect()),
        }
    }

    /// As integers; what isn't one is rounded towards zero.
    pub(super) fn into_integers(self) -> Vec<i64> {
        match self {
            Self::Floats(values) => values.into_iter().map(|value| value as i64).collect(),
            Self::Integers(values) => values,
        }
    }

    /// As floating-point numbers.
    pub(super) fn to_floats(&self) -> Vec<f32> {
        match self {
            Self::Floats(values) => values.clone(),
            Self::Integers(values) => values.iter().map(|&value| value as f32).collect(),
        }
    }
}

impl Constant {
    pub(super) fn integers(values: Vec<i64>) -> Self {
        Self { shape: vec![values.len()], values: Values::Integers(values) }
    }

    /// The number of its elements, empty dimensions counted as one: a bound for every product of its extents.
    pub(super) fn size(&self) -> usize {
        self.shape.iter().fold(1, |product, &extent| product.saturating_mul(extent.max(1)))
    }

    /// Its elements as floating-point numbers.
    pub(super) fn to_floats(&self) -> Vec<f32> {
        self.values.to_floats()
    }

    /// Its elements as integers, if they are.
    pub(super) fn as_integers(&self) -> Option<&[i64]> {
        match &self.values {
            Values::Integers(values) => Some(values),
            Values::Floats(_) => None,
        }
    }

    /// Its only element.
    pub(super) fn scalar(&self) -> Option<f32> {
        match self.to_floats()[..] {
            [value] => Some(value),
            _ => None,
        }
    }

    /// Reads a tensor of the file.
    pub(super) fn read(tensor: &TensorProto, external: &ExternalData<'_>) -> Result<Self, NodeError> {
        let error = |error| NodeError::Tensor { name: tensor.name.clone(), error };
        let shape = shape(&tensor.dims).ok_or_else(|| error(TensorError::Shape(tensor.dims.clone())))?;
        let values = match tensor.data_location {
            0 => values(tensor, &tensor.raw_data, &shape),
            _ => external.read(tensor).and_then(|bytes| values(tensor, &bytes, &shape)),
        };
        Ok(Self { values: values.map_err(error)?, shape })
    }
}

/// Extents whose product can be counted, also where an empty dimension hides it.
fn shape(dims: &[i64]) -> Option<Vec<usize>> {
    let shape: Vec<usize> = dims.iter().map(|&dim| usize::try_from(dim).ok()).collect::<Option<_>>()?;
    shape.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim.max(1)))?;
    Some(shape)
}

/// The elements, from bytes where there are any, from the field of their type otherwise.
fn values(tensor: &TensorProto, raw: &[u8], shape: &[usize]) -> Result<Values, TensorError> {
    let elements = shape.iter().product();
    let expect = |expected: usize, found: usize| match expected == found {
        true => Ok(()),
        false => Err(TensorError::Length { expected, found }),
    };
    fn each<const N: usize, V>(raw: &[u8], number: impl Fn([u8; N]) -> V) -> Vec<V> {
        raw.as_chunks().0.iter().map(|&bytes| number(bytes)).collect()
    }
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
        DataType::Float | DataType::Undefined => Values::Floats(each(raw, f32::from_le_bytes)),
    })
}

impl Constant {
    /// The shape that the two broadcast to.
    fn broadcast(&self, other: &Self) -> Option<Vec<usize>> {
        let rank = self.shape.len().max(other.shape.len());
        let extent =
            |shape: &[usize], place: usize| (place + shape.len()).checked_sub(rank).map_or(1, |place| shape[place]);
        (0..rank)
            .map(|place| match (extent(&self.shape, place), extent(&other.shape, place)) {
                (a, b) if a == b || b == 1 => Some(a),
                (1, b) => Some(b),
                _ => None,
            })
            .collect()
    }

    /// The number of elements that the two have when they are combined.
    pub(super) fn broadcast_len(&self, other: &Self) -> Result<usize, NodeError> {
        let shape = self.broadcast(other);
        let product =
            shape.and_then(|shape| shape.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim.max(1))));
        product.ok_or_else(|| NodeError::Shape {
            expected: format!("a constant that is broadcast with {:?}", self.shape),
            found: other.shape.clone(),
        })
    }

    /// a + b and its like, element by element, in integers where both are; those may overflow.
    pub(super) fn combined(
        &self,
        other: &Self,
        of_integers: impl Fn(i64, i64) -> Option<i64>,
        of_floats: impl Fn(f32, f32) -> f32,
    ) -> Result<Self, NodeError> {
        let shape = self.broadcast(other).unwrap_or_default();
        let spread = |shape_of: &[usize]| {
            let places: Vec<usize> = (0..shape_of.iter().product()).collect();
            let places = ArrayViewD::from_shape(shape_of, &places).expect("as many places as the shape says");
            let whole = places.broadcast(&shape[..]).expect("the shapes broadcast");
            whole.iter().copied().collect::<Vec<usize>>()
        };
        let (left, right) = (self.values.pick(spread(&self.shape)), other.values.pick(spread(&other.shape)));
        let values = match (&left, &right) {
            (Values::Integers(a), Values::Integers(b)) => {
                let values: Option<Vec<i64>> = a.iter().zip(b).map(|(&a, &b)| of_integers(a, b)).collect();
                Values::Integers(values.ok_or(NodeError::Overflow)?)
            }
            _ => {
                let pairs = left.to_floats().into_iter().zip(right.to_floats());
                Values::Floats(pairs.map(|(a, b)| of_floats(a, b)).collect())
            }
        };
        Ok(Self { shape, values })
    }
}
