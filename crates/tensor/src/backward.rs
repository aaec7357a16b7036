//! The backward pass: a function of the tape and a rule.

use std::collections::BTreeMap;
use std::ops::Index;
use std::sync::Arc;

use thiserror::Error;

use crate::element::Element;
use crate::node::{Node, NodeId};
use crate::op::{Grads, Nature, Wanted};
use crate::tape::{Tape, Var};
use crate::tensor::Tensor;

/// How gradients pass backward through operations. A rule replaces the vector–Jacobian products of some operations and leaves
/// the others to the chain rule.
pub trait Rule<T: Element>: Sync {
    /// A short name, such as `"guided"`.
    fn name(&self) -> &'static str;

    /// The gradients that replace the vector–Jacobian product of `node`. `None` leaves it to the operation.
    fn vjp(&self, node: &Node<T>, upstream: &Tensor<T>, wanted: Wanted<'_>) -> Option<Grads<T>>;

    /// Checks the nodes on the path of the gradients, output first, before the pass begins.
    ///
    /// # Errors
    /// With the reason why the rule can't be applied: an operation for which it isn't defined, for example.
    fn check(&self, path: &[Arc<Node<T>>]) -> Result<(), Reason> {
        let _ = path;
        Ok(())
    }
}

/// Why a [`Rule`] can't be applied: an error of the rule's own type.
pub type Reason = Box<dyn std::error::Error + Send + Sync>;

/// The chain rule, unchanged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exact;

impl<T: Element> Rule<T> for Exact {
    fn name(&self) -> &'static str {
        "exact"
    }

    fn vjp(&self, _: &Node<T>, _: &Tensor<T>, _: Wanted<'_>) -> Option<Grads<T>> {
        None
    }
}

/// A backward pass that can't be run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackwardError {
    /// The rule refuses the operations on the path.
    #[error("the rule `{rule}` can't be applied: {reason}")]
    Refused {
        /// The rule's name.
        rule: &'static str,
        /// The error that [`Rule::check`] returned. It is part of this error's message, and so not its source.
        reason: Reason,
    },
}

/// The operations of one name on the path of a backward pass, and how many of them the rule replaced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// What kind of function the first of them is.
    pub nature: Nature,
    /// Operations on the path.
    pub total: usize,
    /// Operations whose product the rule replaced.
    pub replaced: usize,
}

/// A backward pass at one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whether the rule replaced the operation's product.
    pub replaced: bool,
    /// For each input, whether a gradient was passed on to it.
    pub handed_on: Vec<bool>,
}

/// The gradients of a backward pass, for the variables that were asked for: each of its variable's shape, and zero if the
/// output doesn't depend on the variable.
#[derive(Debug)]
pub struct Gradients<T: Element> {
    rule: &'static str,
    gradients: BTreeMap<NodeId, Tensor<T>>,
    coverage: BTreeMap<&'static str, Coverage>,
    steps: BTreeMap<NodeId, Step>,
}

impl<T: Element> Gradients<T> {
    /// The gradient for a variable. `None` if it wasn't asked for.
    #[must_use]
    pub fn get(&self, var: &Var<T>) -> Option<&Tensor<T>> {
        self.gradients.get(&var.id())
    }

    /// Moves the gradient for a variable out. `None` if it wasn't asked for, or was taken before.
    #[must_use]
    pub fn take(&mut self, var: &Var<T>) -> Option<Tensor<T>> {
        self.gradients.remove(&var.id())
    }

    /// The coverage of the rule, by the operations' names.
    #[must_use]
    pub fn coverage(&self) -> &BTreeMap<&'static str, Coverage> {
        &self.coverage
    }

    /// The name of the rule.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        self.rule
    }

    /// The nodes on the path of the pass, in the order of the tape.
    pub fn steps(&self) -> impl Iterator<Item = (NodeId, &Step)> {
        self.steps.iter().map(|(&id, step)| (id, step))
    }
}

/// # Panics
/// If the gradient wasn't asked for.
impl<T: Element> Index<&Var<T>> for Gradients<T> {
    type Output = Tensor<T>;

    fn index(&self, var: &Var<T>) -> &Tensor<T> {
        self.get(var).expect("the gradient for this variable was not asked for")
    }
}

impl<T: Element> Tape<T> {
    /// The gradients of `output` (of the sum of its elements, if there are several) with respect to `wanted`, by `rule`.
    ///
    /// Any node can be wanted, not only leaves. The pass visits only nodes between `output` and `wanted`. It doesn't change the
    /// tape, so it can be repeated.
    ///
    /// ```
    /// use tensor::{Exact, Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.leaf(Tensor::scalar(3.0));
    /// let square = &x * &x;
    /// let y = square.exp();                                       // y = exp(x²)
    /// let gradients = tape.backward(&y, &Exact, [&x, &square])?;
    /// assert_eq!(gradients[&square].item(), 9.0_f64.exp());       // ∂y/∂(x²) = y
    /// assert_eq!(gradients[&x].item(), 6.0 * 9.0_f64.exp());      // ∂y/∂x = 2x·y
    /// # Ok::<(), tensor::BackwardError>(())
    /// ```
    ///
    /// # Errors
    /// If the rule refuses an operation on the path.
    ///
    /// # Panics
    /// If `output` or a wanted variable is on another tape.
    pub fn backward<'a>(
        &self,
        output: &Var<T>,
        rule: &dyn Rule<T>,
        wanted: impl IntoIterator<Item = &'a Var<T>>,
    ) -> Result<Gradients<T>, BackwardError> {
        self.backward_from(output, Tensor::full(output.shape(), T::one()), rule, wanted)
    }

    /// As [`backward`](Self::backward), starting from the gradient `seed`, which has the shape of `output`.
    ///
    /// # Errors
    /// If the rule refuses an operation on the path.
    ///
    /// # Panics
    /// If `seed` has another shape than `output`, a variable is on another tape, or an operation or the rule returns another
    /// number of gradients than there are inputs, or a gradient of another shape than its input.
    pub fn backward_from<'a>(
        &self,
        output: &Var<T>,
        seed: Tensor<T>,
        rule: &dyn Rule<T>,
        wanted: impl IntoIterator<Item = &'a Var<T>>,
    ) -> Result<Gradients<T>, BackwardError> {
        assert_eq!(seed.shape(), output.shape(), "the seed {} isn't of the output's shape", seed.shape());
        let nodes = self.nodes();
        let on_this_tape = |var: &Var<T>| nodes.get(var.id()).is_some_and(|node| std::ptr::eq(&**node, var.node()));
        assert!(on_this_tape(output), "the output is on another tape");
        let mut wanted: BTreeMap<NodeId, Option<Tensor<T>>> = (wanted.into_iter())
            .map(|var| {
                assert!(on_this_tape(var), "a wanted variable is on another tape");
                (var.id(), None)
            })
            .collect();

        let path = path(&nodes, output.id(), |id| wanted.contains_key(&id));
        rule.check(&path.nodes).map_err(|reason| BackwardError::Refused { rule: rule.name(), reason })?;

        let (mut coverage, mut steps) = (BTreeMap::<_, Coverage>::new(), BTreeMap::new());
        let mut pending: BTreeMap<NodeId, Tensor<T>> = BTreeMap::from([(output.id(), seed)]);
        while let Some((id, upstream)) = pending.pop_last() {
            if let Some(gradient) = wanted.get_mut(&id) {
                *gradient = Some(upstream.clone());
            }
            let node = &nodes[id];
            let flags: Vec<bool> = node.input_ids().map(|input| path.leads_to_wanted[input]).collect();
            if !flags.contains(&true) {
                continue;
            }
            let op = node.any_op();
            let unseen = || Coverage { nature: op.nature(), total: 0, replaced: 0 };
            let coverage = coverage.entry(op.name()).or_insert_with(unseen);
            coverage.total += 1;
            let answer = rule.vjp(node, &upstream, Wanted::new(&flags));
            let replaced = answer.is_some();
            coverage.replaced += usize::from(replaced);
            let grads = answer.unwrap_or_else(|| op.vjp(node, upstream, Wanted::new(&flags)));
            let (name, found, inputs) = (op.name(), grads.0.len(), flags.len());
            assert_eq!(found, inputs, "{name}: gradients for {found} inputs of {inputs}");
            let handed_on = flags.iter().zip(&grads.0).map(|(&flag, gradient)| flag && gradient.is_some()).collect();
            steps.insert(id, Step { replaced, handed_on });
            for ((input, flag), gradient) in node.inputs.iter().zip(flags).zip(grads.0) {
                if let (true, Some(gradient)) = (flag, gradient) {
                    assert_eq!(gradient.shape(), &input.shape, "{name}: a gradient of another shape");
                    let sum = match pending.remove(&input.id) {
                        Some(other) => other.zip(&gradient, |a, b| a + b),
                        None => gradient,
                    };
                    pending.insert(input.id, sum);
                }
            }
        }
        let zeros = |id: NodeId| Tensor::zeros(nodes[id].shape());
        let gradients = wanted.into_iter().map(|(id, gradient)| (id, gradient.unwrap_or_else(|| zeros(id))));
        Ok(Gradients { rule: rule.name(), gradients: gradients.collect(), coverage, steps })
    }
}

/// The part of a tape between an output and the wanted nodes.
struct Path<T: Element> {
    /// For each node up to the output: whether it is wanted or computed from a wanted one.
    leads_to_wanted: Vec<bool>,
    /// The nodes on the path, output first.
    nodes: Vec<Arc<Node<T>>>,
}

fn path<T: Element>(nodes: &[Arc<Node<T>>], output: NodeId, wanted: impl Fn(NodeId) -> bool) -> Path<T> {
    let mut leads_to_wanted = vec![false; output + 1];
    for node in &nodes[..=output] {
        leads_to_wanted[node.id()] = wanted(node.id()) || node.input_ids().any(|input| leads_to_wanted[input]);
    }
    let mut reached = vec![false; output + 1];
    reached[output] = true;
    let mut passed = Vec::new();
    for node in nodes[..=output].iter().rev() {
        if reached[node.id()] && node.input_ids().any(|input| leads_to_wanted[input]) {
            node.input_ids().for_each(|input| reached[input] = true);
            passed.push(Arc::clone(node));
        }
    }
    Path { leads_to_wanted, nodes: passed }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;
    use crate::ops::Exp;

    fn tape_and_x() -> (Tape<f64>, Var<f64>) {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([3], vec![0.5, -1.0, 2.0]));
        (tape, x)
    }

    #[test]
    fn a_value_used_twice_collects_both_gradients() {
        let (tape, x) = tape_and_x();
        let y = (&x * &x + &x).sum(); // Σ x² + x
        let gradients = tape.backward(&y, &Exact, [&x]).unwrap();
        assert_eq!(gradients[&x].as_slice(), &[2.0, -1.0, 5.0]);
    }

    #[test]
    fn one_tape_serves_many_passes_and_stays_as_it_was() {
        let (tape, x) = tape_and_x();
        let y = x.exp();
        let before = tape.nodes().len();
        let first = tape.backward(&y, &Exact, [&x]).unwrap();
        let second = tape.backward(&y, &Exact, [&x]).unwrap();
        assert_eq!(first[&x], second[&x]);
        assert_eq!(tape.nodes().len(), before);
        assert_eq!(first[&x], *y.value());
    }

    #[test]
    fn a_pass_goes_no_further_than_what_is_wanted() {
        #[derive(Debug)]
        struct Wall;
        impl Op<f64> for Wall {
            fn name(&self) -> &'static str {
                "wall"
            }
            fn vjp(&self, _: &Node<f64>, _: Tensor<f64>, _: Wanted<'_>) -> Grads<f64> {
                panic!("nobody asked for what lies behind the wall")
            }
        }
        use crate::op::Op;
        let (tape, x) = tape_and_x();
        let behind = tape.record(Wall, &[&x], x.value().clone());
        let y = behind.exp();
        let gradients = tape.backward(&y, &Exact, [&behind]).unwrap();
        assert_eq!(gradients[&behind], *y.value());
    }

    #[test]
    fn what_the_output_does_not_depend_on_has_gradient_zero() {
        let (tape, x) = tape_and_x();
        let other = tape.leaf(Tensor::new([2], vec![1.0, 1.0]));
        let gradients = tape.backward(&x.exp(), &Exact, [&other]).unwrap();
        assert_eq!(gradients[&other].as_slice(), &[0.0, 0.0]);
        assert_eq!(gradients.get(&other).unwrap().as_slice(), &[0.0, 0.0]);
        assert!(gradients.get(&x).is_none(), "not asked for");
    }

    struct Flat;
    impl Rule<f64> for Flat {
        fn name(&self) -> &'static str {
            "flat"
        }
        fn vjp(&self, node: &Node<f64>, upstream: &Tensor<f64>, _: Wanted<'_>) -> Option<Grads<f64>> {
            node.op::<Exp>().map(|_| Grads::one(upstream.clone()))
        }
        fn check(&self, path: &[Arc<Node<f64>>]) -> Result<(), Reason> {
            if path.iter().any(|node| node.op::<Exp>().is_some()) { Ok(()) } else { Err("no exp".into()) }
        }
    }

    #[test]
    fn a_rule_replaces_what_it_answers_for_and_says_how_often() {
        let (tape, x) = tape_and_x();
        let y = x.exp().exp() * x.exp();
        let gradients = tape.backward(&y, &Flat, [&x]).unwrap();
        assert_eq!(gradients.coverage()["exp"], Coverage { nature: Nature::Smooth, total: 3, replaced: 3 });
        assert_eq!(gradients.coverage()["mul"], Coverage { nature: Nature::Multilinear, total: 1, replaced: 0 });
    }

    #[test]
    fn a_rule_refuses_a_tape_it_has_no_reading_for() {
        let (tape, x) = tape_and_x();
        let error = tape.backward(&(&x * &x), &Flat, [&x]).unwrap_err();
        assert_eq!(error.to_string(), "the rule `flat` can't be applied: no exp");
        assert!(error.source().is_none(), "the cause is in the message");
    }

    /// A sum of two inputs that returns a gradient for the first alone.
    #[test]
    #[should_panic(expected = "half: gradients for 1 inputs of 2")]
    fn an_operation_answers_for_each_of_its_inputs() {
        #[derive(Debug)]
        struct Half;
        impl crate::op::Op<f64> for Half {
            fn name(&self) -> &'static str {
                "half"
            }
            fn vjp(&self, _: &Node<f64>, upstream: Tensor<f64>, _: Wanted<'_>) -> Grads<f64> {
                Grads::one(upstream)
            }
        }
        let (tape, x) = tape_and_x();
        let y = tape.record(Half, &[&x, &x], x.value().clone().map(|x| x + x));
        let _ = tape.backward(&y, &Exact, [&x]);
    }

    #[test]
    #[should_panic(expected = "another tape")]
    fn variables_of_two_tapes_do_not_mix() {
        let (_, x) = tape_and_x();
        let (_, y) = tape_and_x();
        let _ = x + y;
    }
}
