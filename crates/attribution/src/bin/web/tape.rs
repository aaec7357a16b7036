//! The tape of a network that learns, read backwards under several rules.

use attribution::rules::{Deconv, Guided};
use nn::Mode;
use serde_json::{Value, json};
use tensor::{Exact, Keep, Rule, Tape, Tensor};

use crate::learn::Learn;
use crate::message::{Reply, said};
use crate::terminal::Failure;

/// The nodes of the tape for a picture, each with its value and its gradient under each rule, of the score of a class.
pub(crate) fn tape(learn: &Learn, picture: usize) -> Result<Reply, Failure> {
    let (input, class) = learn.input(picture)?;
    let tape = Tape::keeping(Keep::All);
    let forward = learn.model().forward(&tape, input, Mode::Evaluation)?;
    let logits = &forward.logits;
    let mut seed = Tensor::zeros(logits.shape());
    seed.make_mut()[class] = 1.0;
    let nodes = tape.nodes();
    let vars: Vec<_> = nodes.iter().take(logits.id() + 1).filter_map(|node| tape.var(node.id())).collect();
    let mut reply =
        said(json!({ "class": class, "score": logits.value().as_slice()[class], "nodes": [], "rules": [] }));
    for (node, var) in nodes.iter().zip(&vars) {
        let operation = node.any_op().name();
        let values = reply.floats(var.value().as_slice().iter().copied());
        let node = json!({
            "id": node.id(),
            "operation": operation,
            "label": node.label(),
            "shape": node.shape()[..],
            "inputs": node.input_ids().collect::<Vec<_>>(),
            "values": values,
        });
        list(&mut reply, "nodes").push(node);
    }
    let rules: [&dyn Rule<f32>; 3] = [&Exact, &Deconv, &Guided];
    for rule in rules {
        let gradients = tape.backward_from(logits, seed.clone(), rule, &vars)?;
        let replaced: Vec<usize> = gradients.steps().filter(|(_, step)| step.replaced).map(|(id, _)| id).collect();
        let each: Vec<Value> = vars.iter().map(|var| reply.floats(gradients[var].as_slice().iter().copied())).collect();
        list(&mut reply, "rules").push(json!({ "name": rule.name(), "replaced": replaced, "gradients": each }));
    }
    Ok(reply)
}

fn list<'a>(reply: &'a mut Reply, name: &str) -> &'a mut Vec<Value> {
    reply.json[name].as_array_mut().expect("it is a list")
}
