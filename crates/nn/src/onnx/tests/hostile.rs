//! Files that are damaged, foreign or hostile give an error that names the node, and nothing else.

use proptest::prelude::*;
use prost::Message;

use super::{input, node, tensor};
use crate::Model;
use crate::layers::{
    BatchNorm, Concat, Conv2d, Dropout, Flatten, GlobalAvgPool, HardSigmoid, HardSwish, L2Norm, Linear, MaxPool, Mul,
    Rearrange, Scale, Silu,
};
use crate::onnx::proto::text;
use crate::onnx::schema::{
    AttributeProto, AttributeType, DataType, DimensionProto, EntryProto, GraphProto, ModelProto, OperatorSetProto,
    ShapeProto, TensorProto, TensorTypeProto, TypeProto, ValueInfoProto,
};

/// `[1, 2, 3, 3]` through a convolution of one pixel and a mean to three classes, changed by `change`.
fn file(change: impl FnOnce(&mut GraphProto)) -> ModelProto {
    let mut graph = GraphProto {
        node: vec![
            node("Conv", "c", &["x", "w"], "a"),
            node("Relu", "r", &["a"], "b"),
            node("GlobalAveragePool", "g", &["b"], "m"),
            node("Flatten", "f", &["m"], "y"),
        ],
        name: "graph".into(),
        initializer: vec![tensor("w", &[3, 2, 1, 1], &[0.5; 6])],
        input: vec![input(&[1, 2, 3, 3])],
        output: vec![ValueInfoProto { name: "y".into(), r#type: None }],
    };
    change(&mut graph);
    let opset = OperatorSetProto { domain: String::new(), version: 13 };
    ModelProto { graph: Some(graph), opset_import: vec![opset], ..ModelProto::default() }
}

fn error(change: impl FnOnce(&mut GraphProto)) -> String {
    Model::from_onnx(&file(change).encode_to_vec()).unwrap_err().to_string()
}

fn says(error: &str, parts: &[&str]) {
    assert!(parts.iter().all(|part| error.contains(part)), "{error}");
}

#[test]
fn the_file_that_is_damaged_below_is_whole() {
    let model = Model::from_onnx(&file(|_| {}).encode_to_vec()).unwrap();
    let names: Vec<&str> = model.layers().iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["c", "r", "g"]);
}

#[test]
fn foreign_files_say_what_is_supported() {
    let recurrent = error(|graph| {
        ["If", "LSTM"].into_iter().zip(&mut graph.node).for_each(|(operator, node)| node.op_type = operator.into())
    });
    says(&recurrent, &["aren't read: If (1), LSTM (1)", "recurrent layers", "export the network by tracing"]);
    says(&error(|graph| graph.node[1].domain = "com.microsoft".into()), &["node `r`", "`com.microsoft`"]);
    says(&error(|graph| graph.input.push(input(&[1]))), &["expected one input", "x, x"]);
    says(&error(|graph| graph.input.clear()), &["expected one input", "found none"]);
    says(&error(|graph| graph.node.truncate(2)), &["`y`"]);
    let old = ModelProto { opset_import: Vec::new(), ..file(|_| {}) };
    says(&Model::from_onnx(&old.encode_to_vec()).unwrap_err().to_string(), &["opset"]);
    assert!(Model::from_onnx(b"").is_err());
    assert!(Model::from_onnx(b"\x89PNG\r\n\x1a\n").is_err());
    let wide = error(|graph| {
        let ints = vec![2, 2];
        let r#type = AttributeType::Ints.into();
        graph.node[0].attribute =
            vec![AttributeProto { name: "pads".into(), ints, r#type, ..AttributeProto::default() }];
    });
    says(&wide, &["node `c` (Conv)", "pads is [2, 2]", "above"]);
}

#[test]
fn graphs_that_turn_in_circles_are_refused() {
    says(&error(|graph| graph.node[0].input[0] = "b".into()), &["node `c` (Conv)", "reads `b`", "cycle"]);
    says(&error(|graph| graph.node[1].input[0] = "b".into()), &["node `r` (Relu)", "reads `b`", "cycle"]);
    says(&error(|graph| graph.node[1].input[0] = "z".into()), &["node `r` (Relu)", "reads `z`", "neither"]);
    let again = error(|graph| graph.node.insert(2, node("Relu", "again", &["b"], "b")));
    says(&again, &["node `again` (Relu)", "computes `b`", "computed already"]);
}

#[test]
fn shapes_that_no_memory_holds_are_refused() {
    let huge = 1 << 40;
    says(&error(|graph| graph.input[0] = input(&[1, 2, huge, huge])), &["input `x`", "1099511627776"]);
    says(&error(|graph| graph.input[0] = input(&[1, 2, -3, 3])), &["input `x`", "-3"]);
    let tensor = |dims| error(|graph| graph.initializer[0].dims = dims);
    says(&tensor(vec![huge, huge, 1, 1]), &["node `c`", "tensor `w`", "negative or too large"]);
    says(&tensor(vec![0, 1 << 62, 2, 1]), &["node `c`", "tensor `w`", "negative or too large"]);
    says(&tensor(vec![huge, 2, 1, 1]), &["node `c`", "tensor `w`", "6 are there"]);
    says(&tensor(vec![-3, 2, 1, 1]), &["tensor `w`", "negative or too large"]);
    let padded = error(|graph| {
        let ints = vec![huge, huge, huge, huge];
        graph.node[0].attribute = vec![AttributeProto { name: "pads".into(), ints, ..AttributeProto::default() }];
    });
    says(&padded, &["node `c`", "too large"]);
    // An image of three by three between margins of ten thousand, for one output.
    let margins = error(|graph| {
        let ints = |name: &str, ints| AttributeProto { name: name.into(), ints, ..AttributeProto::default() };
        graph.node[0].attribute = vec![ints("pads", vec![10_000; 4]), ints("strides", vec![20_003; 2])];
    });
    says(&margins, &["node `c` (Conv)", "the intermediate values [20003, 20003, 2]", "the limit is 1048576"]);
    // Each node doubles the constant of the one before it.
    let doubled = error(|graph| {
        let constants = (0..60).map(|i| {
            let (from, to) = (format!("k{i}"), format!("k{}", i + 1));
            let from = if i == 0 { "w".to_string() } else { from };
            let mut node = node("Concat", &to, &[&from, &from], &to);
            node.attribute = vec![AttributeProto { name: "axis".into(), i: Some(0), ..AttributeProto::default() }];
            node
        });
        graph.node.splice(0..0, constants);
        graph.node[60].input[1] = "k60".into();
    });
    says(&doubled, &["(Concat)", "far larger than the file"]);
}

/// A list of integers.
fn list(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: vec![values.len() as i64],
        data_type: DataType::Int64.into(),
        int64_data: values.to_vec(),
        ..TensorProto::default()
    }
}

fn number(name: &str, value: i64) -> TensorProto {
    TensorProto { dims: Vec::new(), ..list(name, &[value]) }
}

/// Indices, equations, ranks and matrices that don't fit, of what attention is written with.
#[test]
fn parts_of_attention_that_do_not_fit_are_named() {
    let constant = |operator: &str, inputs: &[&str], tensors: Vec<TensorProto>| {
        error(|graph| {
            graph.initializer.extend(tensors);
            graph.node.insert(0, node(operator, "k", inputs, "k"));
            graph.node[1].input[1] = "k".into();
        })
    };
    let floats = |dims: &[i64]| tensor("u", dims, &vec![0.5; dims.iter().product::<i64>() as usize]);
    for (index, dims) in [(vec![3, 0], vec![1]), (vec![-4, 0], vec![1]), (vec![i64::MIN, i64::MAX], vec![1])] {
        let indices = TensorProto { dims: vec![1, 2], ..list("i", &index) };
        let scattered =
            constant("ScatterND", &["v", "i", "u"], vec![tensor("v", &[2, 3], &[0.0; 6]), indices, floats(&dims)]);
        says(&scattered, &["node `k` (ScatterND)", "indices"]);
    }
    let scattered = constant("ScatterND", &["w", "i", "u"], vec![list("i", &[0]), floats(&[7])]);
    says(&scattered, &["node `k` (ScatterND)", "updates"]);
    says(&constant("CumSum", &["w", "i"], vec![number("i", 9)]), &["node `k` (CumSum)", "axis is 9"]);
    let product = |dims: &[i64]| constant("MatMul", &["u", "w"], vec![floats(dims)]);
    says(&product(&[2, 3]), &["node `k` (MatMul)"]);
    says(&product(&[5]), &["node `k` (MatMul)", "matrices"]);
    // A million by one times one by a million.
    let outer = constant(
        "MatMul",
        &["u", "v"],
        vec![floats(&[1 << 16, 1]), TensorProto { name: "v".into(), ..floats(&[1, 1 << 16]) }],
    );
    says(&outer, &["node `k` (MatMul)", "far larger than the file"]);
    let einsum = |equation: &str| {
        error(|graph| {
            let mut sum = node("Einsum", "k", &["x", "x"], "k");
            sum.attribute.push(text("equation", equation));
            graph.node.insert(0, sum);
            graph.node[1].input[0] = "k".into();
        })
    };
    for equation in ["", "->", "ab,bc", "nchw,nchw->q", "nnhw,nchw->nchw", "n,c->nc", "nchw,...->n", "nchw,nchw,x->n"] {
        says(&einsum(equation), &["node `k` (Einsum)"]);
    }
    let deep = |shape: &[i64]| {
        error(|graph| {
            graph.initializer.push(list("s", shape));
            graph.node.insert(0, node("Reshape", "deep", &["x", "s"], "d"));
            graph.node.insert(1, node("Softmax", "k", &["d"], "k"));
            graph.node[2].input[0] = "k".into();
        })
    };
    says(&deep(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 3]), &["node"]);
    says(&deep(&[3, 3, 2]), &["node"]);
}

#[test]
fn constants_that_are_repeated_without_measure_are_refused() {
    let repeated = |operator: &str, inputs: &[&str], tensors: Vec<TensorProto>| {
        error(|graph| {
            graph.initializer.extend(tensors);
            graph.node.insert(0, node(operator, "k", inputs, "k"));
            graph.node[1].input[1] = "k".into();
        })
    };
    let (huge, most) = (1 << 40, i64::MAX);
    for repeats in [[huge, 1, 1, 1], [most, most, most, most], [1 << 20, 1 << 20, 1, 1]] {
        says(
            &repeated("Tile", &["w", "r"], vec![list("r", &repeats)]),
            &["node `k` (Tile)", "far larger than the file"],
        );
    }
    says(&repeated("Tile", &["w", "r"], vec![list("r", &[-1, 1, 1, 1])]), &["node `k` (Tile)", "repeats"]);
    says(
        &repeated("Tile", &["w", "r"], vec![list("r", &[2])]),
        &["node `k` (Tile)", "one number from 0 for each dimension"],
    );
    let expanded = repeated("Expand", &["w", "s"], vec![list("s", &[huge, 3, 2, 1, 1])]);
    says(&expanded, &["node `k` (Expand)", "far larger than the file"]);
    let filled = repeated("ConstantOfShape", &["s"], vec![list("s", &[huge, huge])]);
    says(&filled, &["node `k` (ConstantOfShape)", "far larger than the file"]);
    let numbers = |start, limit, delta| vec![number("s", start), number("l", limit), number("d", delta)];
    let ranged = |numbers| repeated("Range", &["s", "l", "d"], numbers);
    says(&ranged(numbers(0, huge, 1)), &["node `k` (Range)", "far larger than the file"]);
    says(&ranged(numbers(i64::MIN, most, 1)), &["node `k` (Range)", "overflow"]);
    says(&ranged(numbers(0, 5, 0)), &["node `k` (Range)", "delta"]);
    let floats = ["s", "l", "d"].iter().zip([0.0, f32::MAX, 1e-30]).map(|(name, value)| tensor(name, &[], &[value]));
    says(&ranged(floats.collect()), &["node `k` (Range)", "delta"]);
    // One by a million, and a million by one.
    let wide = |operator: &str, inputs: [&str; 3]| {
        error(|graph| {
            graph.initializer.extend([list("rs", &[1 << 20, 1]), list("cs", &[1, 1 << 20])]);
            let parts = [node("ConstantOfShape", "r", &["rs"], "r"), node("ConstantOfShape", "c", &["cs"], "c")];
            let wide = node(operator, "k", &inputs[..if operator == "Where" { 3 } else { 2 }], "k");
            graph.node.splice(0..0, parts.into_iter().chain([wide]));
            graph.node[3].input[1] = "k".into();
        })
    };
    for operator in ["Equal", "Less", "And", "Where", "Mod"] {
        says(&wide(operator, ["r", "c", "c"]), &["far larger than the file"]);
    }
}

#[test]
fn settings_of_blocks_and_choices_are_checked() {
    let blocks = |operator: &str, side| {
        error(|graph| {
            graph.node[1].op_type = operator.into();
            graph.node[1].attribute =
                vec![AttributeProto { name: "blocksize".into(), i: Some(side), ..AttributeProto::default() }];
        })
    };
    for side in [0, -1, 2, i64::MAX, 1 << 33] {
        says(&blocks("DepthToSpace", side), &["node `r` (DepthToSpace)", "blocksize"]);
        says(&blocks("SpaceToDepth", side), &["node `r` (SpaceToDepth)", "blocksize"]);
    }
    let quotient = error(|graph| {
        graph.initializer.extend([number("a", i64::MIN), number("b", -1), number("z", 0)]);
        graph.node.insert(0, node("Mod", "k", &["a", "z"], "k"));
        graph.node[1].input[1] = "k".into();
    });
    says(&quotient, &["node `k` (Mod)", "overflow"]);
    let chosen = error(|graph| {
        graph.initializer.push(tensor("t", &[], &[0.5]));
        graph
            .node
            .splice(2..3, [node("Greater", "above", &["b", "t"], "k"), node("Where", "choice", &["k", "b", "t"], "m")]);
    });
    says(&chosen, &["node `choice` (Where)", "an activation function as exporters write it"]);
}

#[test]
fn the_layout_of_an_input_that_is_open_is_not_guessed() {
    let open = |dims: &[Option<i64>]| {
        error(|graph| {
            let dim = dims.iter().map(|&dim_value| DimensionProto { dim_value, dim_param: None }).collect();
            let shape = Some(ShapeProto { dim });
            let tensor_type = Some(TensorTypeProto { elem_type: DataType::Float.into(), shape });
            graph.input[0].r#type = Some(TypeProto { tensor_type });
        })
    };
    says(&open(&[None, Some(2), None, None]), &["input `x`", "leaves height and width open", "[?, 2, ?, ?]", "--size"]);
    says(&open(&[None, Some(2), Some(3), None]), &["input `x`", "leaves height and width open", "[?, 2, 3, ?]"]);
    says(&open(&[None; 5]), &["input `x`", "expected an image", "[?, ?, ?, ?, ?]"]);
    // The convolution tells the channels, unless there is none.
    says(&open(&[None; 4]), &["leaves height and width open"]);
    let without = error(|graph| {
        graph.input[0].r#type = None;
        graph.node.remove(0);
        graph.node[0].input[0] = "x".into();
    });
    says(&without, &["input `x`", "expected an image"]);
}

#[test]
fn quantised_networks_have_one_message() {
    for operator in ["QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger"] {
        let quantised = error(|graph| graph.node[1].op_type = operator.into());
        assert_eq!(quantised, format!("node `r` ({operator}): this network is quantised: export the float model"));
    }
}

#[test]
fn constants_that_do_not_fit_each_other_are_refused() {
    for operator in ["Clip", "Add", "Max", "Pow", "Equal", "Mod"] {
        let unfit = error(|graph| {
            graph.initializer[0] = tensor("w", &[3, 2, 1, 2], &[0.5; 12]);
            graph.initializer.push(tensor("b", &[5], &[0.5; 5]));
            graph.node.insert(0, node(operator, "k", &["w", "b"], "k"));
            graph.node[1].input[1] = "k".into();
        });
        says(&unfit, &["node `k`", "a constant that is broadcast with [3, 2, 1, 2], found [5]"]);
    }
}

#[test]
fn tensors_that_lie_are_refused() {
    says(&error(|graph| graph.initializer[0].float_data[4] = f32::NAN), &["node `c`", "isn't finite (NaN)"]);
    says(&error(|graph| graph.initializer[0].data_type = 8), &["node `c`", "tensor `w`", "type 8"]);
    says(&error(|graph| graph.initializer[0].raw_data = vec![0; 23].into()), &["tensor `w`", "24", "23"]);
    says(&error(|graph| graph.initializer[0].dims = vec![3, 2]), &["node `c`", "[Cout, Cin/groups, Kh, Kw]"]);
    says(&error(|graph| graph.initializer[0].dims = vec![2, 3, 1, 1]), &["node `c`", "expected a weight [1, 1, 2, 2]"]);
    says(&error(|graph| graph.initializer.clear()), &["node `c`", "reads `w`"]);
}

#[test]
fn weights_of_every_precision_are_read() {
    use half::{bf16, f16};
    let values = [0.5_f32, -2.0, 0.25, 8.0, -0.125, 1.0];
    let read = |tensor: TensorProto| {
        let dims = vec![3, 2, 1, 1];
        let file = file(|graph| graph.initializer[0] = TensorProto { name: "w".into(), dims, ..tensor });
        let model = Model::from_onnx(&file.encode_to_vec()).unwrap();
        model.parameter("c.weight").unwrap().as_slice().to_vec()
    };
    let raw = |data_type: DataType, raw_data: Vec<u8>| {
        read(TensorProto { data_type: data_type.into(), raw_data: raw_data.into(), ..TensorProto::default() })
    };
    // [Cout, Cin] → [Cin, Cout].
    let ours = [0.5, 0.25, -0.125, -2.0, 8.0, 1.0];
    let bytes = |of: &dyn Fn(f32) -> Vec<u8>| values.iter().flat_map(|&value| of(value)).collect::<Vec<u8>>();
    assert_eq!(raw(DataType::Float, bytes(&|x| x.to_le_bytes().to_vec())), ours);
    assert_eq!(raw(DataType::Double, bytes(&|x| f64::from(x).to_le_bytes().to_vec())), ours);
    assert_eq!(raw(DataType::Float16, bytes(&|x| f16::from_f32(x).to_le_bytes().to_vec())), ours);
    assert_eq!(raw(DataType::Bfloat16, bytes(&|x| bf16::from_f32(x).to_le_bytes().to_vec())), ours);
    let double_data = values.iter().map(|&value| f64::from(value)).collect();
    assert_eq!(read(TensorProto { data_type: DataType::Double.into(), double_data, ..TensorProto::default() }), ours);
    let int32_data = values.iter().map(|&value| f16::from_f32(value).to_bits().into()).collect();
    assert_eq!(read(TensorProto { data_type: DataType::Float16.into(), int32_data, ..TensorProto::default() }), ours);
}

/// The tensor's data in another file, with these entries.
fn outside(entries: &[(&str, &str)]) -> ModelProto {
    file(|graph| {
        let weight = &mut graph.initializer[0];
        weight.float_data.clear();
        weight.data_location = 1;
        let entry = |(key, value): &(&str, &str)| EntryProto { key: key.to_string(), value: value.to_string() };
        weight.external_data = entries.iter().map(entry).collect();
    })
}

#[test]
fn data_in_another_file_are_read_from_the_models_folder_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let bytes: Vec<u8> = (0..8).flat_map(|i| (i as f32).to_le_bytes()).collect();
    std::fs::write(folder.path().join("weights.bin"), bytes).unwrap();
    let load = |entries: &[(&str, &str)]| {
        std::fs::write(&path, outside(entries).encode_to_vec()).unwrap();
        Model::load_onnx(&path)
    };
    let model = load(&[("location", "weights.bin"), ("offset", "8"), ("length", "24")]).unwrap();
    assert_eq!(model.parameter("c.weight").unwrap().as_slice(), [2.0, 4.0, 6.0, 3.0, 5.0, 7.0]);
    let error = |entries: &[(&str, &str)]| load(entries).unwrap_err().to_string();
    says(
        &error(&[("location", "weights.bin"), ("offset", "16")]),
        &["model.onnx", "node `c`", "tensor `w`", "16 are there"],
    );
    let beyond = error(&[("location", "weights.bin"), ("offset", "16"), ("length", "24")]);
    says(&beyond, &["tensor `w`", "`weights.bin`", "32 bytes", "24 bytes from byte 16"]);
    says(&error(&[("location", "weights.bin"), ("length", "-1")]), &["tensor `w`", "its length is `-1`"]);
    says(&error(&[("location", "none.bin")]), &["tensor `w`", "`none.bin`"]);
    for escape in ["../weights.bin", "/etc/hostname", "", "."] {
        says(&error(&[("location", escape)]), &["tensor `w`", "the model's own folder"]);
    }
    let bytes = outside(&[("location", "weights.bin")]).encode_to_vec();
    says(&Model::from_onnx(&bytes).unwrap_err().to_string(), &["only the ONNX file's own bytes"]);
}

#[test]
fn truncated_files_are_refused() {
    let bytes = file(|_| {}).encode_to_vec();
    // Protobuf has no end mark: what is cut between two fields of the file lacks what comes after it.
    for length in 0..bytes.len() {
        if let Ok(model) = Model::from_onnx(&bytes[..length]) {
            panic!("{length} of {} bytes gave {} layers", bytes.len(), model.layers().len());
        }
    }
}

/// A file with most operators.
fn rich() -> Vec<u8> {
    let model = Model::builder([6, 6, 2])
        .layer("conv", Conv2d::new(4, 3).groups(2))
        .layer("bn", BatchNorm::new())
        .layer("silu", Silu)
        .layer("pool", MaxPool::new(2))
        .layer("scale", Scale { shape: vec![4] })
        .layer("mean", GlobalAvgPool)
        .layer("gate", HardSigmoid { slope: 0.2, offset: 0.5 })
        .layer_from("se", Mul, &["scale", "gate"])
        .layer_from("both", Concat::default(), &["se", "pool"])
        .layer("swish", HardSwish)
        .layer("unit", L2Norm { epsilon: 1e-12 })
        .layer("pixels", Rearrange { extents: vec![3, 3, 4, 2], axes: vec![0, 1, 3, 2], shape: vec![3, 3, 8] })
        .layer("flat", Flatten)
        .layer("drop", Dropout { probability: 0.5 })
        .layer("fc", Linear::new(3));
    model.build(1).unwrap().to_onnx()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn altered_files_give_a_model_or_an_error(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = rich();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = Model::from_onnx(&bytes);
    }
}
