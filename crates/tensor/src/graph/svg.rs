//! A graph drawn as a list, in SVG.

use std::fmt::Write;

use super::layout::{Course, Edge, Layout, Place};
use super::{Drawn, Graph};

/// The height of a line, and the gap between rows, in pixels. The text is 12 pixels high.
const LINE: usize = 30;
const GAP: usize = 12;
/// The width of a character of a monospaced font, rounded up.
const CHARACTER: usize = 8;
const LANE: usize = 14;
const MARGIN: usize = 16;
/// The gap between the list and the leaves beside it.
const BESIDE: usize = 36;
/// The height of legend and caption.
const FOOT: usize = 44;

const STYLE: &str = "
  svg { background: #fff; color-scheme: light dark }
  text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #1a1a1a; white-space: pre }
  .name { font-weight: 700 }
  .quiet { fill: #595959 }
  rect { fill: #f4f6f8; stroke: #7a8794 }
  .leaf rect { fill: #fff }
  .replaced rect { fill: #fde8d7; stroke: #b34a00; stroke-width: 2; stroke-dasharray: 6 3 }
  .edge { fill: none; stroke: #8a949e; stroke-width: 1.2; stroke-linejoin: round }
  .edge.passed { stroke: #0062ad; stroke-width: 3 }
  .tip { fill: #8a949e } .tip.passed { fill: #0062ad }
  @media (prefers-color-scheme: dark) {
    svg { background: #14181c } text { fill: #eceff1 } .quiet { fill: #b0bac2 }
    rect { fill: #20272d; stroke: #8a97a3 } .leaf rect { fill: #14181c }
    .replaced rect { fill: #4a2a12; stroke: #ff9d57 }
    .edge.passed { stroke: #5eb5ff } .tip.passed { fill: #5eb5ff }
  }
";

/// The widths of the columns in a kind of boxes, in characters: operation, label, shape, memory.
#[derive(Clone, Copy, Debug)]
struct Columns([usize; 4]);

impl Columns {
    fn of<'a>(nodes: impl Iterator<Item = &'a Drawn>) -> Self {
        let mut widths = [0; 4];
        for node in nodes {
            for (width, text) in widths.iter_mut().zip(texts(node)) {
                *width = text.chars().count().max(*width);
            }
        }
        Self(widths)
    }

    fn width(self) -> usize {
        let filled = self.0.iter().filter(|&&width| width > 0).count();
        (self.0.iter().sum::<usize>() + 2 * filled) * CHARACTER
    }
}

fn texts(node: &Drawn) -> [String; 4] {
    let operation = if node.replaced() { format!("{} ◆", node.operation) } else { node.operation.into() };
    [operation, node.label.clone().unwrap_or_default(), node.shape.to_string(), node.memory_in_words()]
}

/// The measures of the picture, in pixels.
struct Sheet {
    layout: Layout,
    list: Columns,
    beside: Columns,
    /// The left edge of the list.
    left: usize,
}

impl Graph {
    /// The graph as a list from top to bottom, in SVG: weights beside their readers, residual connections in lanes on the left.
    /// The path of a gradient is bold, against the arrows of the values. Operations that a rule replaced are dashed, with a ◆.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let layout = Layout::of(self);
        let columns = |beside: bool| {
            let nodes = self.nodes.iter().zip(&layout.places).filter(move |(_, place)| place.beside == beside);
            Columns::of(nodes.map(|(node, _)| node))
        };
        let (list, beside) = (columns(false), columns(true));
        let left = MARGIN + layout.lanes[0] * LANE;
        let sheet = Sheet { list, beside, left, layout };
        sheet.draw(self)
    }
}

impl Sheet {
    /// The left edge and the width of a node's box.
    fn across(&self, place: &Place) -> (usize, usize) {
        if place.beside {
            (self.left + self.list.width() + BESIDE, self.beside.width())
        } else {
            (self.left, self.list.width())
        }
    }

    /// The top and the bottom of a node's box.
    fn down(place: &Place) -> (usize, usize) {
        let top = MARGIN + place.line * LINE + place.row * GAP;
        let inset = if place.beside { 2 } else { 0 };
        (top + inset, top + place.lines * LINE - inset)
    }

    fn draw(&self, graph: &Graph) -> String {
        let rows = self.layout.places.iter().map(|place| place.row + 1).max().unwrap_or(0);
        let bottom = MARGIN + self.layout.lines * LINE + rows * GAP;
        let right = self.left + self.list.width() + BESIDE + self.beside.width() + self.layout.lanes[1] * LANE;
        let legend = "→ values   ⇠ bold: the gradient's way   ◆ dashed: replaced by the rule";
        let foot: [&str; 2] = [&graph.caption(), if graph.rule.is_some() { legend } else { "" }];
        let text = foot.map(|line| line.chars().count()).into_iter().max().unwrap_or(0) * CHARACTER;
        let (width, height) = (right.max(MARGIN + text) + MARGIN, bottom + FOOT);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n<defs>\n",
            escaped(&graph.caption())
        );
        for (name, class) in [("value", "tip"), ("gradient", "tip passed")] {
            svg += &format!(
                "<marker id=\"{name}\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"9\" markerHeight=\"9\" \
                 markerUnits=\"userSpaceOnUse\" orient=\"auto-start-reverse\"><path class=\"{class}\" d=\"M0 0 8 4 0 8z\"/></marker>\n"
            );
        }
        svg += "</defs>\n";
        self.layout.edges.iter().for_each(|edge| svg += &self.edge(graph, edge));
        graph.nodes.iter().enumerate().for_each(|(id, node)| svg += &self.node(id, node));
        for (line, text) in foot.iter().enumerate() {
            let y = bottom + 12 + line * 18;
            svg += &format!("<text class=\"quiet\" x=\"{MARGIN}\" y=\"{y}\">{}</text>\n", escaped(text));
        }
        svg + "</svg>\n"
    }

    fn edge(&self, graph: &Graph, edge: &Edge) -> String {
        let [from, to] = [edge.from, edge.to].map(|id| &self.layout.places[id]);
        let ((x, width), (_, bottom), (top, _)) = (self.across(from), Self::down(from), Self::down(to));
        // The inputs of a node are side by side.
        let aside = 6 * edge.index;
        let (out, into) = (bottom - 8, top + 8 + aside);
        let path = match edge.course {
            Course::Down => format!("M{0} {bottom}V{top}", x + 24 + 2 * aside),
            Course::Across => format!("M{x} {}H{}", (Self::down(from).0 + bottom) / 2, self.left + self.list.width()),
            Course::Left(lane) => format!("M{0} {out}H{1}V{into}H{0}", self.left, self.left - LANE * (lane + 1)),
            Course::Right(lane) => format!(
                "M{} {}H{}V{}H{}",
                x + width,
                out,
                x + width + LANE * (lane + 1),
                // Between the rows, where the space beside the list is free.
                top - GAP / 2,
                self.left + self.list.width()
            ),
        };
        let (class, tip) = if graph.nodes[edge.to].handed_on(edge.index) {
            ("edge passed", "marker-start=\"url(#gradient)\"")
        } else {
            ("edge", "marker-end=\"url(#value)\"")
        };
        format!("<path class=\"{class}\" data-from=\"{}\" data-to=\"{}\" d=\"{path}\" {tip}/>\n", edge.from, edge.to)
    }

    fn node(&self, id: usize, node: &Drawn) -> String {
        let place = &self.layout.places[id];
        let ((x, width), (top, bottom)) = (self.across(place), Self::down(place));
        let mut classes = vec!["node"];
        classes.extend(node.is_leaf.then_some("leaf"));
        classes.extend(node.replaced().then_some("replaced"));
        let mut svg = format!(
            "<g class=\"{}\" id=\"node-{id}\"><title>%{id}</title><rect x=\"{x}\" y=\"{top}\" width=\"{width}\" \
             height=\"{}\" rx=\"5\"/>",
            classes.join(" "),
            bottom - top
        );
        let columns = if place.beside { self.beside } else { self.list };
        let (mut at, y) = (x + CHARACTER, (top + bottom) / 2 + 4);
        for ((text, &column), class) in texts(node).iter().zip(&columns.0).zip(["name", "label", "shape", "quiet"]) {
            write!(svg, "<text class=\"{class}\" x=\"{at}\" y=\"{y}\">{}</text>", escaped(text)).expect("memory");
            at += if column > 0 { (column + 2) * CHARACTER } else { 0 };
        }
        svg + "</g>\n"
    }
}

/// Text escaped for XML. Characters that XML 1.0 can't represent are replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\t' | '\n' | '\r' => out.push(' '),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
