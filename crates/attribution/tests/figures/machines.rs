//! Chapter 17: the tree of sums, batch norm in slots, and when it stops scaling.

use super::drawing::{FIRST, SECOND, sheet};
use super::plot::{plot, series};
use super::{Figure, figure};

pub(crate) fn all() -> Vec<Figure> {
    vec![tree(), ghost(), speed_up()]
}

const SLOTS: usize = 13;
const RANKS: usize = 3;

/// A node of the tree over the slots from `first` on: its slots, its depth above the leaves, and its parts.
struct Node {
    first: usize,
    slots: usize,
    parts: Vec<Node>,
}

fn node(first: usize, slots: usize) -> Node {
    let left = slots.next_power_of_two() / 2;
    let parts = if slots > 1 { vec![node(first, left), node(first + left, slots - left)] } else { vec![] };
    Node { first, slots, parts }
}

impl Node {
    fn height(&self) -> usize {
        self.parts.iter().map(|part| part.height() + 1).max().unwrap_or(0)
    }
    fn all(&self) -> Vec<&Node> {
        std::iter::once(self).chain(self.parts.iter().flat_map(Node::all)).collect()
    }
    fn owner(&self) -> Option<usize> {
        let own =
            |slot: usize| (0..RANKS).find(|r| (r * SLOTS / RANKS..(r + 1) * SLOTS / RANKS).contains(&slot)).unwrap();
        let owner = own(self.first);
        (self.first..self.first + self.slots).all(|slot| own(slot) == owner).then_some(owner)
    }
}

fn tree() -> Figure {
    let root = node(0, SLOTS);
    let step = 40.0;
    let place = |n: &Node| {
        let middle = n.first as f64 + (n.slots as f64 - 1.0) / 2.0;
        [30.0 + step * middle, 20.0 + 34.0 * (root.height() - n.height()) as f64]
    };
    let mut drawn = sheet(step * SLOTS as f64 + 30.0, 34.0 * root.height() as f64 + 76.0);
    let nodes = root.all();
    let mut sent = 0;
    for n in &nodes {
        for part in &n.parts {
            drawn = drawn.stroke(place(part), place(n));
        }
    }
    for n in &nodes {
        let parent =
            nodes.iter().find(|other| other.parts.iter().any(|part| part.first == n.first && part.slots == n.slots));
        // A rank sends what it owns whole, where the node above isn't its own.
        let is_sent = n.owner().is_some() && parent.is_none_or(|parent| parent.owner().is_none());
        sent += usize::from(is_sent);
        let colour = match n.owner() {
            Some(0) => super::drawing::POSITIVE,
            Some(1) => FIRST,
            Some(_) => SECOND,
            None => "currentColor",
        };
        drawn = drawn.dot(place(n), if is_sent { 8.0 } else { 4.0 }, colour);
    }
    let bottom = 34.0 * root.height() as f64 + 44.0;
    for slot in 0..SLOTS {
        drawn = drawn.text([30.0 + step * slot as f64, bottom], format!("s{slot}"));
    }
    for rank in 0..RANKS {
        let [first, end] = [rank, rank + 1].map(|r| r * SLOTS / RANKS);
        drawn = drawn.text([30.0 + step * (first + end - 1) as f64 / 2.0, bottom + 20.0], format!("rank {rank}"));
    }
    let about = format!(
        "A binary tree over {SLOTS} slots, cut behind 8, then 4, 2 and 1 slots. Three ranks own four, four and five of them. Each adds what lies \
         within its own slots: {sent} sums, drawn large, are sent, and the rest of the tree is added from these. With any number of ranks the \
         tree, and so each rounding, is the same."
    );
    figure("sum-tree", "Slots are added along a tree", about, drawn)
}

fn ghost() -> Figure {
    let batch: Vec<f64> = (0..24).map(|i| (f64::from(i) * 0.9).sin() + f64::from(i) * 0.05).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let means: Vec<[f64; 2]> = batch
        .chunks(6)
        .enumerate()
        .flat_map(|(slot, values)| [0.0, 5.0].map(|at| [6.0 * slot as f64 + at, mean(values)]))
        .collect();
    let whole = mean(&batch);
    let drawing = plot([0.0, 23.0], [-1.0, 2.2], "images of a batch, in four slots", "values of a channel")
        .curve("values", series(batch))
        .curve("mean of each slot", means)
        .curve("mean of the batch", vec![[0.0, whole], [23.0, whole]])
        .draw();
    let about = "Twenty-four values of a channel, which oscillate and rise, in four slots of six. The means of the slots rise as steps round the \
                 mean of the batch: this spread between slots is what the mean of the slots' variances misses.";
    figure("ghost-batch-norm", "What batch norm sees of a batch in slots", about, drawing)
}

fn speed_up() -> Figure {
    let of = |seconds: f64, bytes: f64, ranks: f64, [alpha, beta]: [f64; 2]| {
        let pieces = (bytes / (1_048_576.0 * ranks)).ceil();
        seconds / (seconds / ranks + 2.0 * (ranks - 1.0) * (pieces * alpha + bytes / ranks / beta))
    };
    let networks = [
        ("InfiniBand", [2e-6, 11e9]),
        ("25 Gbit/s", [15e-6, 2.8e9]),
        ("10 Gbit/s", [40e-6, 1.1e9]),
        ("1 Gbit/s", [60e-6, 0.115e9]),
    ];
    let seconds = 1024.0 * 150e-6 / 16.0;
    let axes = plot([1.0, 64.0], [0.0, 30.0], "machines", "speed-up of the small network");
    let curve = |network| (1..=64).map(f64::from).map(|ranks| [ranks, of(seconds, 114e3, ranks, network)]).collect();
    let best = |network| {
        let (ranks, speed) = (1..=64)
            .map(|r| (r, of(seconds, 114e3, f64::from(r), network)))
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap();
        format!("{speed:.1} with {ranks}")
    };
    let [first, second, third, last] = networks.map(|(_, network)| best(network));
    let drawing = networks.iter().fold(axes, |axes, (name, network)| axes.curve(name, curve(*network))).draw();
    let about = format!(
        "The model of the speed-up of a small network on 1 to 64 machines over four networks. Each curve rises, has a maximum and falls again. The \
         maxima: over InfiniBand {first} machines, over 25 Gbit/s {second}, over 10 Gbit/s {third}, over 1 Gbit/s {last}."
    );
    figure("speed-up", "When more machines don't help", about, drawing)
}
