//! The part of ONNX's protobuf schema that image classifiers need; other fields are ignored. Names and numbers are those of
//! `onnx.proto` (<https://github.com/onnx/onnx/blob/main/docs/IR.md>).

use prost::Message;
use prost::bytes::Bytes;

/// The metadata entry of files that we wrote: class names and preprocessing.
pub(crate) const INFO_KEY: &str = "glassbox";

/// Declares messages; before each field stands what `prost` is told of it.
macro_rules! messages {
    ($($(#[$doc:meta])* $Message:ident {
        $($(#[$field_doc:meta])* ($($encoding:tt)+) $field:ident: $Type:ty,)+
    })+) => {
        $($(#[$doc])*
        #[derive(Clone, PartialEq, Message)]
        pub(crate) struct $Message {
            $($(#[$field_doc])* #[prost($($encoding)+)] pub(crate) $field: $Type,)+
        })+
    };
}

messages! {
    /// A model file.
    ModelProto {
        (int64, tag = 1) ir_version: i64,
        (string, tag = 2) producer_name: String,
        (string, tag = 3) producer_version: String,
        (message, optional, tag = 7) graph: Option<GraphProto>,
        (message, repeated, tag = 8) opset_import: Vec<OperatorSetProto>,
        (message, repeated, tag = 14) metadata_props: Vec<EntryProto>,
    }

    /// A version of a set of operators.
    OperatorSetProto {
        (string, tag = 1) domain: String,
        (int64, tag = 2) version: i64,
    }

    /// A key and its value.
    EntryProto {
        (string, tag = 1) key: String,
        (string, tag = 2) value: String,
    }

    GraphProto {
        (message, repeated, tag = 1) node: Vec<NodeProto>,
        (string, tag = 2) name: String,
        (message, repeated, tag = 5) initializer: Vec<TensorProto>,
        (message, repeated, tag = 11) input: Vec<ValueInfoProto>,
        (message, repeated, tag = 12) output: Vec<ValueInfoProto>,
    }

    NodeProto {
        (string, repeated, tag = 1) input: Vec<String>,
        (string, repeated, tag = 2) output: Vec<String>,
        (string, tag = 3) name: String,
        (string, tag = 4) op_type: String,
        (message, repeated, tag = 5) attribute: Vec<AttributeProto>,
        (string, tag = 7) domain: String,
    }

    AttributeProto {
        (string, tag = 1) name: String,
        (float, optional, tag = 2) f: Option<f32>,
        (int64, optional, tag = 3) i: Option<i64>,
        (bytes = "vec", optional, tag = 4) s: Option<Vec<u8>>,
        (message, optional, tag = 5) t: Option<TensorProto>,
        (float, repeated, tag = 7) floats: Vec<f32>,
        (int64, repeated, tag = 8) ints: Vec<i64>,
        (enumeration = "AttributeType", tag = 20) r#type: i32,
    }

    TensorProto {
        (int64, repeated, tag = 1) dims: Vec<i64>,
        (enumeration = "DataType", tag = 2) data_type: i32,
        (float, repeated, tag = 4) float_data: Vec<f32>,
        (int32, repeated, tag = 5) int32_data: Vec<i32>,
        (int64, repeated, tag = 7) int64_data: Vec<i64>,
        (string, tag = 8) name: String,
        (bytes = "bytes", tag = 9) raw_data: Bytes,
        (double, repeated, tag = 10) double_data: Vec<f64>,
        (message, repeated, tag = 13) external_data: Vec<EntryProto>,
        /// 1 if the data are in another file.
        (int32, tag = 14) data_location: i32,
    }

    ValueInfoProto {
        (string, tag = 1) name: String,
        (message, optional, tag = 2) r#type: Option<TypeProto>,
    }

    TypeProto {
        (message, optional, tag = 1) tensor_type: Option<TensorTypeProto>,
    }

    TensorTypeProto {
        (enumeration = "DataType", tag = 1) elem_type: i32,
        (message, optional, tag = 2) shape: Option<ShapeProto>,
    }

    ShapeProto {
        (message, repeated, tag = 1) dim: Vec<DimensionProto>,
    }

    /// An extent, or a name for one that isn't fixed.
    DimensionProto {
        (int64, optional, tag = 1) dim_value: Option<i64>,
        (string, optional, tag = 2) dim_param: Option<String>,
    }
}

/// Which field of an attribute holds its value; undefined in files of the first versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum AttributeType {
    Undefined = 0,
    Float = 1,
    Int = 2,
    String = 3,
    Tensor = 4,
    Graph = 5,
    Floats = 6,
    Ints = 7,
}

/// The supported types of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum DataType {
    Undefined = 0,
    Float = 1,
    Uint8 = 2,
    Int8 = 3,
    Int32 = 6,
    Int64 = 7,
    Bool = 9,
    Float16 = 10,
    Double = 11,
    Bfloat16 = 16,
}
