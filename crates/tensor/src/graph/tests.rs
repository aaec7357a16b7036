use std::sync::Arc;

use roxmltree::{Document, Node as Element};

use super::*;
use crate::{Exact, Grads, Keep, Node, Rule, Tensor, Var, Wanted};

/// Σ (exp(exp(x·w)) + x·w)·w: a residual connection, weights that are read twice, and a label that looks like markup.
fn tape() -> (Tape<f64>, Var<f64>, Var<f64>) {
    let tape = Tape::new();
    let x = tape.leaf(Tensor::zeros([4, 2])).labelled(r#"<b onload="x">&"\n"#);
    let w = tape.leaf(Tensor::zeros([2, 2])).labelled("w");
    let product = x.matmul(&w);
    let y = (product.exp().exp() + &product).matmul(&w).sum();
    (tape, x, y)
}

/// Replaces exp.
struct Flat;

impl Rule<f64> for Flat {
    fn name(&self) -> &'static str {
        "flat <rule>"
    }
    fn vjp(&self, node: &Node<f64>, upstream: &Tensor<f64>, _: Wanted<'_>) -> Option<Grads<f64>> {
        (node.any_op().name() == "exp").then(|| Grads::one(upstream.clone()))
    }
}

/// The inputs of each node.
fn edges(nodes: &[Arc<Node<f64>>]) -> Vec<(NodeId, NodeId)> {
    let mut edges: Vec<_> =
        nodes.iter().flat_map(|node| node.input_ids().map(|input| (input, node.id())).collect::<Vec<_>>()).collect();
    edges.sort_unstable();
    edges
}

/// The strings of a statement, unescaped.
fn strings(line: &str) -> Vec<String> {
    let mut strings = Vec::new();
    let mut characters = line.chars();
    while characters.any(|c| c == '"') {
        let mut string = String::new();
        loop {
            match characters.next().expect("a string ends on its line") {
                '"' => break,
                '\\' => match characters.next().unwrap() {
                    'n' => string.push('\n'),
                    c => string.push(c),
                },
                c => string.push(c),
            }
        }
        strings.push(string);
    }
    strings
}

#[test]
fn dot_has_every_node_and_edge_once() {
    let (tape, x, y) = tape();
    let gradients = tape.backward(&y, &Flat, [&x]).unwrap();
    let dot = tape.graph().with_gradients(&gradients).to_dot();
    let statements = || dot.lines().filter(|line| line.starts_with("  n") && !line.starts_with("  node"));
    let number = |text: &str| text.trim().trim_start_matches('n').parse::<NodeId>().unwrap();

    let nodes: Vec<&str> = statements().filter(|line| line.contains("[label=")).collect();
    let found: Vec<NodeId> = nodes.iter().map(|line| number(line.split(" [").next().unwrap())).collect();
    assert_eq!(found, (0..tape.nodes().len()).collect::<Vec<_>>());
    assert_eq!(strings(nodes[0])[0], "leaf <b onload=\"x\">&\"\\n\n[4, 2]\n64 B");
    let replaced: Vec<bool> = nodes.iter().map(|line| line.contains("peripheries=2")).collect();
    let exps: Vec<bool> = tape.nodes().iter().map(|node| node.any_op().name() == "exp").collect();
    assert_eq!(replaced, exps);

    let arrows: Vec<&str> = statements().filter(|line| !line.contains("[label=")).collect();
    let mut found: Vec<(NodeId, NodeId)> = arrows
        .iter()
        .map(|line| {
            let (from, to) = line.trim_end_matches(';').split(" [").next().unwrap().split_once(" -> ").unwrap();
            (number(from), number(to))
        })
        .collect();
    found.sort_unstable();
    assert_eq!(found, edges(&tape.nodes()));
    // To x and not to w, which isn't wanted.
    let passed = |line: &&&str| line.contains("dir=back");
    assert!(arrows.iter().filter(passed).all(|line| !line.contains("n1 ->")));
    assert_eq!(arrows.iter().filter(passed).count(), arrows.len() - 2);
}

#[test]
fn svg_is_xml_with_every_node_and_edge_once() {
    let (tape, x, y) = tape();
    let gradients = tape.backward(&y, &Flat, [&x]).unwrap();
    let svg = tape.graph().with_gradients(&gradients).to_svg();
    let document = Document::parse(&svg).unwrap();
    let of_class = |class: &str| -> Vec<Element<'_, '_>> {
        let has =
            |element: &Element<'_, '_>| element.attribute("class").is_some_and(|c| c.split(' ').any(|c| c == class));
        document.descendants().filter(has).collect()
    };
    let nodes = of_class("node");
    let ids: Vec<_> = nodes.iter().map(|node| node.attribute("id").unwrap().to_string()).collect();
    assert_eq!(ids, (0..tape.nodes().len()).map(|id| format!("node-{id}")).collect::<Vec<_>>());
    let label = nodes[0].children().find(|child| child.attribute("class") == Some("label")).unwrap();
    assert_eq!(label.text(), Some(r#"<b onload="x">&"\n"#));
    assert_eq!(of_class("replaced").len(), 2);
    let caption = document.descendants().find(|element| element.has_tag_name("title")).unwrap();
    assert!(caption.text().unwrap().contains("“flat <rule>”: through 6 operations, 2 replaced"), "{caption:?}");

    let ends =
        |edge: &Element<'_, '_>| ["data-from", "data-to"].map(|end| edge.attribute(end).unwrap().parse().unwrap());
    let mut found: Vec<(NodeId, NodeId)> = of_class("edge").iter().map(ends).map(|[from, to]| (from, to)).collect();
    found.sort_unstable();
    assert_eq!(found, edges(&tape.nodes()));
    assert_eq!(of_class("passed").iter().filter(|element| element.has_tag_name("path")).count(), found.len() - 2 + 1);
}

#[test]
fn boxes_do_not_overlap() {
    let (tape, _, _) = tape();
    let svg = tape.graph().to_svg();
    let document = Document::parse(&svg).unwrap();
    let number = |rect: &Element<'_, '_>, name: &str| rect.attribute(name).unwrap().parse::<f64>().unwrap();
    let boxes: Vec<[f64; 4]> = (document.descendants().filter(|element| element.has_tag_name("rect")))
        .map(|rect| ["x", "y", "width", "height"].map(|name| number(&rect, name)))
        .collect();
    for (index, a) in boxes.iter().enumerate() {
        for b in &boxes[index + 1..] {
            let apart = |axis: usize| a[axis] + a[axis + 2] <= b[axis] || b[axis] + b[axis + 2] <= a[axis];
            assert!(apart(0) || apart(1), "{a:?} {b:?}");
        }
    }
}

#[test]
fn memory_is_what_the_tape_keeps_and_counted_once() {
    let build = |keep: Keep| {
        let tape = Tape::<f32>::keeping(keep);
        let x = tape.leaf(Tensor::zeros([3, 2]));
        let y = x.reshape([6]).exp().reshape([3, 2]);
        let graph = tape.graph();
        drop(y);
        graph.nodes.iter().map(|node| node.memory).collect::<Vec<_>>()
    };
    use Memory::{Bytes, NotKept, SharedWith};
    assert_eq!(build(Keep::All), [Bytes(24), SharedWith(0), Bytes(24), SharedWith(2)]);
    assert_eq!(build(Keep::Needed), [NotKept, NotKept, Bytes(24), NotKept], "exp's gradient reads its output");
    assert_eq!(build(Keep::Nothing), [NotKept; 4]);
}

#[test]
fn an_exact_pass_replaces_nothing() {
    let (tape, x, y) = tape();
    let gradients = tape.backward(&y, &Exact, [&x]).unwrap();
    let graph = tape.graph().with_gradients(&gradients);
    assert!(graph.nodes.iter().all(|node| !node.replaced()));
    assert!(graph.caption().contains("rule “exact”: through 6 operations, 0 replaced"));
}

#[test]
fn sizes_are_said_in_words() {
    assert_eq!([0, 1023, 1536, 3 << 20].map(in_words), ["0 B", "1023 B", "1.5 KiB", "3.0 MiB"]);
}
