//! The order of a graph's nodes.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::error::{NodeError, OnnxError};
use super::node::Node;
use super::schema::{GraphProto, NodeProto};

/// Puts each node of a graph after those whose outputs it reads. Where several nodes could come next, the one that is earliest in
/// the file does, so that a sorted file keeps its order.
///
/// # Errors
/// If nodes read each other's outputs in a circle.
pub(super) fn sort(graph: &mut GraphProto) -> Result<(), OnnxError> {
    let GraphProto { node: nodes, initializer, input, .. } = graph;
    let tensors = initializer.iter().map(|tensor| &tensor.name);
    let given: HashSet<&str> = input.iter().map(|input| &input.name).chain(tensors).map(String::as_str).collect();
    let mut producers: HashMap<&str, usize> = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        for output in node.output.iter().filter(|name| !name.is_empty() && !given.contains(&name[..])) {
            producers.entry(output).or_insert(index);
        }
    }
    let sources = |node: &NodeProto| -> Vec<usize> {
        node.input.iter().filter_map(|name| producers.get(&name[..]).copied()).collect()
    };
    let mut readers = vec![Vec::new(); nodes.len()];
    let mut waits_for = vec![0_usize; nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        for source in sources(node) {
            readers[source].push(index);
            waits_for[index] += 1;
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..nodes.len()).filter(|&index| waits_for[index] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for &reader in &readers[index] {
            waits_for[reader] -= 1;
            if waits_for[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    if let Some(stuck) = (0..nodes.len()).find(|&index| waits_for[index] > 0) {
        // Each node that waits reads another one that waits: the way back ends in a circle.
        let waiting = |index: usize| sources(&nodes[index]).into_iter().find(|&source| waits_for[source] > 0);
        let within = (0..nodes.len()).fold(stuck, |index, _| waiting(index).unwrap_or(index));
        return Err(cycle(&nodes[within], |name| producers.get(name).is_some_and(|&source| waits_for[source] > 0)));
    }
    let mut sorted: Vec<Option<NodeProto>> = std::mem::take(nodes).into_iter().map(Some).collect();
    nodes.extend(order.into_iter().filter_map(|index| sorted[index].take()));
    Ok(())
}

/// The error of a node of a cycle. It reads a value for which `is_waited_for` is true.
fn cycle(proto: &NodeProto, is_waited_for: impl Fn(&str) -> bool) -> OnnxError {
    let value = proto.input.iter().find(|name| is_waited_for(name)).cloned().unwrap_or_default();
    let (node, operator) = (Node { proto }.name().into(), proto.op_type.clone());
    OnnxError::Node { node, operator, error: NodeError::Cycle(value) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::node;
    use super::*;
    use proptest::prelude::*;

    fn sorted(nodes: Vec<NodeProto>) -> Result<Vec<NodeProto>, OnnxError> {
        let mut graph = GraphProto { node: nodes, ..GraphProto::default() };
        sort(&mut graph)?;
        Ok(graph.node)
    }

    fn names(nodes: &[NodeProto]) -> Vec<&str> {
        nodes.iter().map(|node| &node.name[..]).collect()
    }

    #[test]
    fn nodes_that_are_in_order_stay() {
        let nodes = vec![
            node("Relu", "b", &["x"], "v"),
            node("Relu", "a", &["x"], "u"),
            node("Add", "c", &["u", "v"], "w"),
            node("Relu", "d", &["x"], "unread"),
        ];
        assert_eq!(sorted(nodes.clone()).unwrap(), nodes);
    }

    #[test]
    fn a_cycle_is_an_error_that_names_one_of_its_nodes() {
        let nodes = vec![
            node("Relu", "after", &["c"], "y"),
            node("Add", "one", &["x", "c"], "a"),
            node("Relu", "two", &["a"], "c"),
        ];
        let error = sorted(nodes).unwrap_err().to_string();
        assert!(
            error.contains("node `one` (Add): reads `c`") || error.contains("node `two` (Relu): reads `a`"),
            "{error}"
        );
        let error = sorted(vec![node("Add", "own", &["x", "y"], "y")]).unwrap_err().to_string();
        assert!(error.contains("node `own` (Add): reads `y`"), "{error}");
    }

    proptest! {
        #[test]
        fn each_node_comes_behind_those_that_it_reads(order in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle()) {
            // Node i reads nodes i / 2 and i / 3.
            let number = |i: usize| {
                let inputs = [format!("v{}", i / 2), format!("v{}", i / 3)];
                let inputs: Vec<&str> = if i == 0 { vec!["x"] } else { inputs.iter().map(String::as_str).collect() };
                node("Add", &i.to_string(), &inputs, &format!("v{i}"))
            };
            let nodes = sorted(order.into_iter().map(number).collect()).unwrap();
            let place = |i: usize| names(&nodes).iter().position(|name| *name == i.to_string()).unwrap();
            for i in 1..12 {
                prop_assert!(place(i / 2) < place(i) && place(i / 3) < place(i));
            }
        }
    }
}
