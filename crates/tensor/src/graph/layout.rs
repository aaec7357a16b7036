//! The positions of a tape's nodes and edges: a list from top to bottom.
//!
//! Each node has a row, in the order of the tape, except leaves that aren't the first input of their first reader (mostly
//! weights): these are drawn beside that reader. An edge to the next row is a straight line. An edge that skips rows, such as a
//! residual connection, has its own lane beside the list.

use super::{Drawn, Graph};
use crate::node::NodeId;

/// The position of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The row in the list.
    pub(super) row: usize,
    /// The first line, counted through all rows.
    pub(super) line: usize,
    /// The height in lines.
    pub(super) lines: usize,
    /// Whether it is drawn beside its reader.
    pub(super) beside: bool,
}

/// The course of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// From one row to the next.
    Down,
    /// From a leaf beside the row to the row.
    Across,
    /// In this lane to the left of the list.
    Left(usize),
    /// In this lane to the right of the leaves beside the list.
    Right(usize),
}

/// An input of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    /// The index among the inputs of `to`.
    pub(super) index: usize,
    pub(super) course: Course,
}

#[derive(Debug)]
pub(super) struct Layout {
    pub(super) places: Vec<Place>,
    pub(super) edges: Vec<Edge>,
    pub(super) lines: usize,
    /// The number of lanes on the left and on the right.
    pub(super) lanes: [usize; 2],
}

impl Layout {
    pub(super) fn of(graph: &Graph) -> Self {
        let nodes = &graph.nodes;
        let readers = beside(nodes);
        let mut companions: Vec<Vec<NodeId>> = vec![Vec::new(); nodes.len()];
        for (leaf, reader) in readers.iter().enumerate() {
            if let Some(reader) = *reader {
                companions[reader].push(leaf);
            }
        }
        let mut places = vec![Place { row: 0, line: 0, lines: 1, beside: false }; nodes.len()];
        let (mut row, mut line) = (0, 0);
        for id in (0..nodes.len()).filter(|&id| readers[id].is_none()) {
            let lines = companions[id].len().max(1);
            places[id] = Place { row, line, lines, beside: false };
            for (number, &leaf) in companions[id].iter().enumerate() {
                places[leaf] = Place { row, line: line + number, lines: 1, beside: true };
            }
            (row, line) = (row + 1, line + lines);
        }
        let mut lanes = [Lanes::default(), Lanes::default()];
        let ends = nodes.iter().enumerate().flat_map(|(to, node)| {
            node.inputs.iter().enumerate().map(move |(index, &from)| Edge { from, to, index, course: Course::Down })
        });
        let mut edges: Vec<Edge> = ends.collect();
        edges.sort_by_key(|edge| (places[edge.from].row, edge.to));
        for edge in &mut edges {
            let (from, to) = (places[edge.from], places[edge.to]);
            edge.course = match (from.beside, to.row - from.row) {
                (false, 1) => Course::Down,
                (true, 0) => Course::Across,
                (false, _) => Course::Left(lanes[0].take(from.row, to.row)),
                (true, _) => Course::Right(lanes[1].take(from.row, to.row)),
            };
        }
        Self { places, edges, lines: line, lanes: lanes.map(|lanes| lanes.taken_until.len()) }
    }
}

/// For each node, the node that it is drawn beside, if any.
fn beside(nodes: &[Drawn]) -> Vec<Option<NodeId>> {
    let mut readers = vec![None; nodes.len()];
    let mut seen = vec![false; nodes.len()];
    for (id, node) in nodes.iter().enumerate() {
        for (index, &input) in node.inputs.iter().enumerate() {
            if !std::mem::replace(&mut seen[input], true) && index > 0 && nodes[input].is_leaf {
                readers[input] = Some(id);
            }
        }
    }
    readers
}

/// Lanes beside the list, each with the first row from which it is free.
#[derive(Debug, Default)]
struct Lanes {
    taken_until: Vec<usize>,
}

impl Lanes {
    /// Takes the first lane that is free at the row `from`, down to the row `to`.
    fn take(&mut self, from: usize, to: usize) -> usize {
        let lane = self.taken_until.iter().position(|&until| until <= from).unwrap_or_else(|| {
            self.taken_until.push(0);
            self.taken_until.len() - 1
        });
        self.taken_until[lane] = to;
        lane
    }
}
