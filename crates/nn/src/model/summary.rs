//! A model as a table.

use std::fmt;

use super::{Model, Source};
use crate::real::Real;

/// A table of a model's layers; its `Display` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// One image's input, `[H, W, C]`.
    pub input: [usize; 3],
    /// The layers.
    pub layers: Vec<LayerSummary>,
    /// Number of trained values.
    pub parameters: usize,
    /// Number of multiply–adds for one image.
    pub multiply_adds: u64,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerSummary {
    /// Its name.
    pub name: String,
    /// The computation in a few words.
    pub kind: String,
    /// The layers it reads, unless it reads only the previous one.
    pub reads: Option<String>,
    /// The shape of the output for one image.
    pub output: Vec<usize>,
    /// Number of trained values.
    pub parameters: usize,
    /// Number of multiply–adds for one image.
    pub multiply_adds: u64,
}

impl<T: Real> Model<T> {
    /// The model as a table: layers, output shapes, parameters, multiply–adds.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let layers: Vec<LayerSummary> = (self.nodes.iter().enumerate())
            .map(|(index, node)| {
                let previous = if index == 0 { Source::Image } else { Source::Layer(index - 1) };
                let reads = (node.inputs != [previous]).then(|| {
                    node.inputs.iter().map(|&source| self.source_name(source)).collect::<Vec<_>>().join(" + ")
                });
                let trained = self.parameters[node.parameters.clone()].iter().filter(|p| p.trainable);
                LayerSummary {
                    name: node.name.clone(),
                    kind: node.layer.to_string(),
                    reads,
                    output: node.output_shape.clone(),
                    parameters: trained.map(|p| p.value.len()).sum(),
                    multiply_adds: node
                        .layer
                        .kind()
                        .work(self.shape_of(node.inputs[0]), &node.output_shape)
                        .multiply_adds,
                }
            })
            .collect();
        Summary {
            input: self.input,
            parameters: layers.iter().map(|layer| layer.parameters).sum(),
            multiply_adds: layers.iter().map(|layer| layer.multiply_adds).sum(),
            layers,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape =
            |dims: &[usize]| format!("[N, {}]", dims.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        let kind = |layer: &LayerSummary| match &layer.reads {
            Some(reads) => format!("{} ({reads})", layer.kind),
            None => layer.kind.clone(),
        };
        let mut rows = vec![["layer", "kind", "output", "parameters", "multiply-adds"].map(String::from)];
        rows.push(["input".into(), String::new(), shape(&self.input), String::new(), String::new()]);
        rows.extend(self.layers.iter().map(|layer| {
            let count = |n: u64| if n == 0 { String::new() } else { grouped(n) };
            let (parameters, work) = (count(layer.parameters as u64), count(layer.multiply_adds));
            [layer.name.clone(), kind(layer), shape(&layer.output), parameters, work]
        }));
        let total = (grouped(self.parameters as u64), grouped(self.multiply_adds));
        rows.push(["total".into(), String::new(), String::new(), total.0, total.1]);
        let widths: Vec<usize> =
            (0..5).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
        let last = rows.len() - 1;
        for (index, [name, kind, output, parameters, work]) in rows.iter().enumerate() {
            if index == 1 || index == last {
                writeln!(f, "{}", "─".repeat(widths.iter().sum::<usize>() + 8))?;
            }
            let line = format!(
                "{name:a$}  {kind:b$}  {output:c$}  {parameters:>d$}  {work:>e$}",
                a = widths[0],
                b = widths[1],
                c = widths[2],
                d = widths[3],
                e = widths[4]
            );
            let end = if index == last { "" } else { "\n" };
            write!(f, "{}{end}", line.trim_end())?;
        }
        Ok(())
    }
}

/// 1234567 → `1 234 567`.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}
