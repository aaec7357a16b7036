//! What a layer may write into a graph.

use tensor::Tensor;

use super::proto::{floats, integers, list};
use super::schema::{AttributeProto as Attribute, GraphProto, NodeProto};

/// A layer that is written. Its output is the value of its name: `[N, C, H, W]` for our `[N, H, W, C]`, anything else in our
/// order. What else it needs is named after it and a part: `layer/part`.
#[derive(Debug)]
pub(crate) struct Writing<'a> {
    pub(super) name: &'a str,
    pub(super) inputs: Vec<&'a str>,
    pub(super) input_shapes: Vec<&'a [usize]>,
    pub(super) output_shape: &'a [usize],
    pub(super) parameters: Vec<(&'a str, &'a Tensor<f32>)>,
    pub(super) graph: &'a mut GraphProto,
}

impl<'a> Writing<'a> {
    /// The values that the layer reads.
    pub(crate) fn inputs(&self) -> Vec<&'a str> {
        self.inputs.clone()
    }

    /// Our shape of an input, without N.
    pub(crate) fn input_shape(&self, index: usize) -> &'a [usize] {
        self.input_shapes[index]
    }

    /// Writes the parameters, each as `layout` gives it; the names of the layer's inputs and of these.
    pub(crate) fn with_parameters(&mut self, layout: impl Fn(&Tensor<f32>) -> Tensor<f32>) -> Vec<&'a str> {
        let mut inputs = self.inputs();
        for &(name, value) in &self.parameters {
            let value = layout(value);
            self.graph.initializer.push(floats(name.into(), value.shape(), value.as_slice()));
            inputs.push(name);
        }
        inputs
    }

    /// Writes a constant with one number; its name.
    pub(crate) fn number(&mut self, part: &str, value: f64) -> String {
        let name = self.part_name(part);
        self.graph.initializer.push(floats(name.clone(), &[], &[value as f32]));
        name
    }

    /// Writes a constant with a list of integers; its name.
    pub(crate) fn list(&mut self, part: &str, values: &[i64]) -> String {
        let name = self.part_name(part);
        self.graph.initializer.push(list(name.clone(), values));
        name
    }

    /// Writes the layer as one node of its inputs and its parameters.
    pub(crate) fn one_node(&mut self, operator: &str, attributes: &[Attribute]) {
        let inputs = self.with_parameters(Tensor::clone);
        self.node(operator, &inputs, attributes);
    }

    /// Writes a node that computes the layer's output.
    pub(crate) fn node(&mut self, operator: &str, inputs: &[&str], attributes: &[Attribute]) {
        self.named(self.name, self.name, operator, inputs, attributes);
    }

    /// Writes a node that computes a part; its output.
    pub(crate) fn part(&mut self, part: &str, operator: &str, inputs: &[&str], attributes: &[Attribute]) -> String {
        let name = self.part_name(part);
        self.named(&name, &name, operator, inputs, attributes);
        name
    }

    /// Writes the node that a reader takes for the layer, although it only computes a part; its output.
    pub(crate) fn inner_node(
        &mut self,
        part: &str,
        operator: &str,
        inputs: &[&str],
        attributes: &[Attribute],
    ) -> String {
        let output = self.part_name(part);
        self.named(self.name, &output, operator, inputs, attributes);
        output
    }

    /// Writes a node behind an inner one, which computes the layer's output from that part.
    pub(crate) fn outer_node(&mut self, part: &str, operator: &str, input: &str, attributes: &[Attribute]) {
        self.outer_node_of(part, operator, &[input], attributes);
    }

    /// As [`outer_node`](Self::outer_node), of several inputs.
    pub(crate) fn outer_node_of(&mut self, part: &str, operator: &str, inputs: &[&str], attributes: &[Attribute]) {
        let name = self.part_name(part);
        self.named(&name, self.name, operator, inputs, attributes);
    }

    /// An input with its channels last, as our layers have it; its name.
    pub(crate) fn channels_last(&mut self, index: usize) -> String {
        let input = self.inputs[index];
        if self.input_shapes[index].len() != 3 {
            return input.into();
        }
        let part = if index == 0 { "channels_last".into() } else { format!("channels_last.{index}") };
        self.part(&part, "Transpose", &[input], &[integers("perm", &[0, 2, 3, 1])])
    }

    /// Writes the node that a reader takes for the layer, which computes its output with the channels last.
    /// With three axes, that is the part named here.
    pub(crate) fn channels_last_node(&mut self, part: &str, operator: &str, inputs: &[&str], attributes: &[Attribute]) {
        if self.output_shape.len() != 3 {
            return self.node(operator, inputs, attributes);
        }
        let output = self.inner_node(part, operator, inputs, attributes);
        self.outer_node("channels_first", "Transpose", &output, &[integers("perm", &[0, 3, 1, 2])]);
    }

    /// Writes nodes of two inputs that join all inputs from the first to the last. Rows beside images become `[N, C, 1, 1]`,
    /// other values of fewer axes `[N, 1, …]`.
    pub(crate) fn fold(&mut self, operator: &str) {
        let rank = self.input_shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
        let mut aligned: Vec<String> = Vec::with_capacity(self.inputs.len());
        for (index, input) in self.inputs().into_iter().enumerate() {
            if self.input_shapes[index].len() == rank {
                aligned.push(input.into());
                continue;
            }
            let missing = rank - self.input_shapes[index].len();
            let axes = match (rank, missing) {
                (3, 2) => vec![2, 3],
                // The tokens [N, T, C] beside [N, C, H, W]: rows, the same for all columns.
                (3, 1) => vec![1],
                _ => (1..=missing as i64).collect(),
            };
            let axes = self.list(&format!("{index}.axes"), &axes);
            aligned.push(self.part(&index.to_string(), "Unsqueeze", &[input, &axes], &[]));
        }
        let [first, inner @ .., last] = &aligned[..] else {
            return self.node("Identity", &[&aligned[0]], &[]);
        };
        let mut joined = first.clone();
        for (index, input) in inner.iter().enumerate() {
            joined = self.part(&format!("sum.{}", index + 1), operator, &[&joined, input], &[]);
        }
        self.node(operator, &[&joined, last], &[]);
    }

    fn part_name(&self, part: &str) -> String {
        format!("{}/{part}", self.name)
    }

    fn named(&mut self, name: &str, output: &str, operator: &str, inputs: &[&str], attributes: &[Attribute]) {
        self.graph.node.push(NodeProto {
            op_type: operator.into(),
            name: name.into(),
            input: inputs.iter().map(ToString::to_string).collect(),
            output: vec![output.into()],
            attribute: attributes.to_vec(),
            domain: String::new(),
        });
    }
}

/// Writes a layer whose parameter is broadcast over an image or a row.
pub(crate) fn with_constant(w: &mut Writing<'_>, operator: &str) {
    let rank = w.input_shape(0).len();
    let inputs = w.with_parameters(|value| {
        let leading = vec![1; rank - value.shape().len()];
        match [&leading[..], value.shape()].concat()[..] {
            [height, width, channels] => value.reshape([1, height, width, channels]).permute(&[0, 3, 1, 2]),
            _ => value.clone(),
        }
    });
    w.node(operator, &inputs, &[]);
}
