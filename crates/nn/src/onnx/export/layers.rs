//! Each layer as nodes.

use tensor::Tensor;

use super::proto::{float, floats, integer, integers, list, tensor, text};
use crate::geometry::{Conv2d, Padding};
use crate::layer::Layer;
use crate::layout::permuted;
use crate::model::{Model, ModelNode, Source};
use crate::onnx::schema::{AttributeProto, NodeProto, TensorProto};
use crate::ops::Interpolation;

/// The nodes and tensors of the graph so far. A layer's output is the value of its name, a picture `[N, C, H, W]` or a row
/// `[N, C]`.
#[derive(Debug, Default)]
pub(super) struct Exported {
    pub(super) nodes: Vec<NodeProto>,
    pub(super) tensors: Vec<TensorProto>,
}

impl Exported {
    pub(super) fn layer(&mut self, model: &Model, node: &ModelNode) {
        let name = &node.name[..];
        let image = model.input_shape();
        let shape_of = |source: &Source| match *source {
            Source::Image => &image[..],
            Source::Layer(index) => &model.layers()[index].output_shape[..],
        };
        let shapes: Vec<&[usize]> = node.inputs.iter().map(shape_of).collect();
        let inputs: Vec<&str> = node.inputs.iter().map(|&source| model.source_name(source)).collect();
        let x = inputs[0];
        let parameters = &model.parameters()[node.parameters.clone()];
        let own: Vec<String> = parameters.iter().map(|parameter| parameter.name.clone()).collect();
        let values: Vec<&Tensor<f32>> = parameters.iter().map(|parameter| &parameter.value).collect();
        let with_own: Vec<&str> = std::iter::once(x).chain(own.iter().map(String::as_str)).collect();
        match &node.layer {
            Layer::Conv2d { kernel, conv, .. } => {
                let hwio = values[0].shape();
                let oihw = [hwio[3], hwio[2], hwio[0], hwio[1]];
                self.tensors.push(floats(own[0].clone(), &oihw, &permuted(values[0].as_slice(), hwio, &[3, 2, 0, 1])));
                self.tensors.extend(values.get(1).map(|bias| tensor(own[1].clone(), bias)));
                self.node("Conv", name, &with_own, convolution(*kernel, conv));
            }
            Layer::ConvTranspose2d { kernel, transposed, .. } => {
                // [Kh, Kw, Cout/groups, Cin] → [Cin, Cout/groups, Kh, Kw].
                let shape = values[0].shape();
                let theirs = [shape[3], shape[2], shape[0], shape[1]];
                let weight = permuted(values[0].as_slice(), shape, &[3, 2, 0, 1]);
                self.tensors.push(floats(own[0].clone(), &theirs, &weight));
                self.tensors.extend(values.get(1).map(|bias| tensor(own[1].clone(), bias)));
                let mut settings = convolution(*kernel, &transposed.conv);
                settings.push(integers("output_padding", &transposed.output_padding));
                self.node("ConvTranspose", name, &with_own, settings);
            }
            Layer::Linear { .. } => {
                self.own(&own, &values);
                self.node("Gemm", name, &with_own, Vec::new());
            }
            Layer::BatchNorm { epsilon, momentum } => {
                self.own(&own, &values);
                let settings = vec![float("epsilon", *epsilon), float("momentum", 1.0 - momentum)];
                self.node("BatchNormalization", name, &with_own, settings);
            }
            Layer::LayerNorm { epsilon } => {
                self.own(&own, &values);
                let settings = vec![integer("axis", -1), float("epsilon", *epsilon)];
                if shapes[0].len() == 1 {
                    return self.node("LayerNormalization", name, &with_own, settings);
                }
                // Over ONNX's last dimension, where the channels go for that.
                let [channels_last, normalized] = ["channels_last", "normalized"].map(|part| format!("{name}/{part}"));
                self.node("Transpose", &channels_last, &inputs, vec![integers("perm", &[0, 2, 3, 1])]);
                let inputs = [&channels_last[..], &own[0], &own[1]];
                self.named("LayerNormalization", name, &normalized, &inputs, settings);
                let back = format!("{name}/channels_first");
                self.named("Transpose", &back, name, &[&normalized], vec![integers("perm", &[0, 3, 1, 2])]);
            }
            Layer::GroupNorm { groups, epsilon } => {
                self.own(&own, &values);
                let settings = vec![integer("num_groups", *groups as i64), float("epsilon", *epsilon)];
                self.node("GroupNormalization", name, &with_own, settings);
            }
            Layer::Relu => self.node("Relu", name, &inputs, Vec::new()),
            Layer::Clip { min, max } => {
                let bounds = [("min", min), ("max", max)].map(|(bound, &value)| self.number(name, bound, value));
                self.node("Clip", name, &[x, &bounds[0], &bounds[1]], Vec::new());
            }
            Layer::LeakyRelu { slope } => self.node("LeakyRelu", name, &inputs, vec![float("alpha", *slope)]),
            Layer::PRelu => {
                self.tensors.push(constant_over(own[0].clone(), values[0], shapes[0].len()));
                self.node("PRelu", name, &with_own, Vec::new());
            }
            Layer::Elu { alpha } => self.node("Elu", name, &inputs, vec![float("alpha", *alpha)]),
            Layer::Gelu { tanh } => {
                let approximate = if *tanh { "tanh" } else { "none" };
                self.node("Gelu", name, &inputs, vec![text("approximate", approximate)]);
            }
            Layer::Softplus => self.node("Softplus", name, &inputs, Vec::new()),
            Layer::Sigmoid => self.node("Sigmoid", name, &inputs, Vec::new()),
            Layer::HardSigmoid { slope, offset } => {
                self.node("HardSigmoid", name, &inputs, vec![float("alpha", *slope), float("beta", *offset)]);
            }
            Layer::Tanh => self.node("Tanh", name, &inputs, Vec::new()),
            Layer::Erf => self.node("Erf", name, &inputs, Vec::new()),
            Layer::Power { exponent } => {
                let exponent = self.number(name, "exponent", *exponent);
                self.node("Pow", name, &[x, &exponent], Vec::new());
            }
            Layer::Silu => {
                let gate = format!("{name}/gate");
                self.node("Sigmoid", &gate, &inputs, Vec::new());
                self.node("Mul", name, &[x, &gate], Vec::new());
            }
            Layer::Softmax => self.node("Softmax", name, &inputs, vec![integer("axis", 1)]),
            Layer::MaxPool(pool) => {
                let settings = windows(pool.kernel, pool.stride, &pool.padding);
                self.node("MaxPool", name, &inputs, settings);
            }
            Layer::AvgPool { pool, count_padding } => {
                let mut settings = windows(pool.kernel, pool.stride, &pool.padding);
                settings.push(integer("count_include_pad", i64::from(*count_padding)));
                self.node("AveragePool", name, &inputs, settings);
            }
            Layer::GlobalAvgPool => {
                let mean = format!("{name}/mean");
                self.named("GlobalAveragePool", name, &mean, &inputs, Vec::new());
                self.named("Flatten", &format!("{name}/row"), name, &[&mean], Vec::new());
            }
            Layer::ChannelMean | Layer::ChannelMax => {
                let axes = format!("{name}/axes");
                self.tensors.push(list(axes.clone(), &[1]));
                let operator = if node.layer == Layer::ChannelMean { "ReduceMean" } else { "ReduceMax" };
                self.node(operator, name, &[x, &axes], Vec::new());
            }
            Layer::Flatten if shapes[0].len() == 3 => {
                // In our order, [H, W, C]: what reads the row has its weights as they are.
                let channels_last = format!("{name}/channels_last");
                self.node("Transpose", &channels_last, &inputs, vec![integers("perm", &[0, 2, 3, 1])]);
                self.node("Flatten", name, &[&channels_last], Vec::new());
            }
            Layer::Flatten => self.node("Flatten", name, &inputs, Vec::new()),
            Layer::Unflatten { shape } => {
                let [extents, pixels] = ["shape", "channels_last"].map(|part| format!("{name}/{part}"));
                let [height, width, channels] = shape.map(|extent| extent as i64);
                self.tensors.push(list(extents.clone(), &[0, height, width, channels]));
                self.node("Reshape", &pixels, &[x, &extents], Vec::new());
                self.node("Transpose", name, &[&pixels], vec![integers("perm", &[0, 3, 1, 2])]);
            }
            Layer::Resize { size, interpolation } => {
                let sizes = format!("{name}/sizes");
                self.tensors.push(list(sizes.clone(), &size.map(|extent| extent as i64)));
                let (mode, positions) = match interpolation {
                    Interpolation::Nearest => ("nearest", "asymmetric"),
                    Interpolation::Bilinear { align_corners: false } => ("linear", "half_pixel"),
                    Interpolation::Bilinear { align_corners: true } => ("linear", "align_corners"),
                    Interpolation::Bicubic { align_corners: false } => ("cubic", "half_pixel"),
                    Interpolation::Bicubic { align_corners: true } => ("cubic", "align_corners"),
                };
                let settings = vec![
                    integers("axes", &[2, 3]),
                    text("mode", mode),
                    text("coordinate_transformation_mode", positions),
                    text("nearest_mode", "floor"),
                ];
                self.node("Resize", name, &[x, "", "", &sizes], settings);
            }
            Layer::Add => self.fold("Add", name, &inputs, &shapes),
            Layer::Sub => self.fold("Sub", name, &inputs, &shapes),
            Layer::Mul => self.fold("Mul", name, &inputs, &shapes),
            Layer::Div => self.fold("Div", name, &inputs, &shapes),
            Layer::Scale { .. } | Layer::Shift { .. } => {
                self.tensors.push(constant_over(own[0].clone(), values[0], shapes[0].len()));
                let operator = if matches!(node.layer, Layer::Scale { .. }) { "Mul" } else { "Add" };
                self.node(operator, name, &with_own, Vec::new());
            }
            Layer::Pad { padding, channels: [before, behind], value } => {
                let [top, left, bottom, right] = pads(padding).map(|pixels| pixels as i64);
                let widths = format!("{name}/pads");
                let channels = [*before as i64, *behind as i64];
                self.tensors.push(list(widths.clone(), &[0, channels[0], top, left, 0, channels[1], bottom, right]));
                let value = self.number(name, "value", *value);
                self.node("Pad", name, &[x, &widths, &value], Vec::new());
            }
            Layer::Select { axis, places } => {
                let indices = format!("{name}/places");
                self.tensors.push(list(indices.clone(), &places.iter().map(|&place| place as i64).collect::<Vec<_>>()));
                // [N, C, H, W] for our [H, W, C].
                let dimension = if shapes[0].len() == 3 { [2, 3, 1][*axis] } else { axis + 1 };
                self.node("Gather", name, &[x, &indices], vec![integer("axis", dimension as i64)]);
            }
            Layer::Concat => self.node("Concat", name, &inputs, vec![integer("axis", 1)]),
            Layer::Dropout { probability } => {
                let ratio = self.number(name, "ratio", *probability);
                self.node("Dropout", name, &[x, &ratio], Vec::new());
            }
        }
    }

    /// A node whose output has its name.
    fn node(&mut self, operator: &str, name: &str, inputs: &[&str], attribute: Vec<AttributeProto>) {
        self.named(operator, name, name, inputs, attribute);
    }

    fn named(&mut self, operator: &str, name: &str, output: &str, inputs: &[&str], attribute: Vec<AttributeProto>) {
        self.nodes.push(NodeProto {
            op_type: operator.into(),
            name: name.into(),
            input: inputs.iter().map(ToString::to_string).collect(),
            output: vec![output.into()],
            attribute,
            domain: String::new(),
        });
    }

    fn own(&mut self, names: &[String], values: &[&Tensor<f32>]) {
        self.tensors.extend(names.iter().zip(values).map(|(name, value)| tensor(name.clone(), value)));
    }

    /// A setting that ONNX has as an input: its name.
    fn number(&mut self, layer: &str, setting: &str, value: f64) -> String {
        let name = format!("{layer}/{setting}");
        self.tensors.push(floats(name.clone(), &[], &[value as f32]));
        name
    }

    /// The inputs from the first to the last, two by two; rows beside pictures become `[N, C, 1, 1]`.
    fn fold(&mut self, operator: &str, name: &str, inputs: &[&str], shapes: &[&[usize]]) {
        let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
        let mut aligned = Vec::with_capacity(inputs.len());
        for (place, (&input, shape)) in inputs.iter().zip(shapes).enumerate() {
            if shape.len() == rank {
                aligned.push(input.to_string());
                continue;
            }
            let (picture, axes) = (format!("{name}/{place}"), format!("{name}/{place}.axes"));
            self.tensors.push(list(axes.clone(), &[2, 3]));
            self.node("Unsqueeze", &picture, &[input, &axes], Vec::new());
            aligned.push(picture);
        }
        let mut so_far = aligned[0].clone();
        for (place, input) in aligned.iter().enumerate().skip(1) {
            let output = if place + 1 == aligned.len() { name.to_string() } else { format!("{name}/sum.{place}") };
            self.node(operator, &output, &[&so_far, input], Vec::new());
            so_far = output;
        }
        if aligned.len() == 1 {
            self.node("Identity", name, &[&so_far], Vec::new());
        }
    }
}

/// ONNX's order: above, to the left, below, to the right.
fn pads(padding: &Padding) -> [usize; 4] {
    [padding.top, padding.left, padding.bottom, padding.right]
}

fn convolution(kernel: [usize; 2], conv: &Conv2d) -> Vec<AttributeProto> {
    let mut settings = windows(kernel, conv.stride, &conv.padding);
    settings.extend([integers("dilations", &conv.dilation), integer("group", conv.groups as i64)]);
    settings
}

fn windows(kernel: [usize; 2], stride: [usize; 2], padding: &Padding) -> Vec<AttributeProto> {
    vec![integers("kernel_shape", &kernel), integers("strides", &stride), integers("pads", &pads(padding))]
}

/// A parameter that is broadcast over what has so many dimensions but N, as ONNX lays that out.
fn constant_over(name: String, value: &Tensor<f32>, rank: usize) -> TensorProto {
    let mut ours = vec![1; rank - value.shape().len()];
    ours.extend(value.shape().iter());
    match ours[..] {
        [h, w, c] => floats(name, &[1, c, h, w], &permuted(value.as_slice(), &ours, &[2, 0, 1])),
        _ => tensor(name, value),
    }
}
