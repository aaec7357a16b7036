//! Convolutions that follow one another, computed some rows at a time: what stands between them stays in the cache.

use std::ops::Range;

use tensor::Tensor;
use tensor::blocks::for_each_part;

use super::forward::Passing;
use super::plan::{Chain, Chains};
use super::{Model, Source};
use crate::kernels::conv::{Algorithm, Pass, choose};
use crate::kernels::finish::Finish;
use crate::kernels::parallel::alone;
use crate::kernels::tile::balanced;
use crate::layers::Layer;
use crate::real::Real;
use crate::{ConvGeometry, Convolution, Padding};

/// A depthwise convolution, and the 1×1 convolutions before and after it, each with the steps that follow it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Strip {
    /// In their order.
    pub(super) layers: Vec<usize>,
    /// The convolutions: two or three.
    chains: Vec<Chain>,
    /// Rows of the last one's output that are computed at a time.
    rows: usize,
}

/// Values between the convolutions that are there at once: they stay in a second-level cache.
const BAND_VALUES: usize = 1 << 16;

/// The fewest values between the convolutions, for one image, that strips pay for: measured on a Zen 3, whose second-level cache has
/// 512 KiB.
const WORTHWHILE: usize = 9 << 16;

/// Tasks for each thread. Each computes the rows above its own again.
const TASKS_PER_THREAD: usize = 2;

impl Chains<'_> {
    /// The strip that begins with this layer, if it pays.
    pub(super) fn strip(&self, first: usize, chains: &[Option<Chain>]) -> Option<Strip> {
        let chains = self.convolutions(first, chains)?;
        let geometries = chains.iter().map(|chain| self.convolution(chain.layers[0])).collect::<Option<Vec<_>>>()?;
        let (last, between) = geometries.split_last()?;
        let values: usize = between.iter().map(|g| g.output_shape().iter().product::<usize>()).sum();
        let fits = |&rows: &usize| held(&geometries, rows).iter().sum::<usize>() <= BAND_VALUES;
        let rows = (1..=last.output[0]).take_while(fits).last().unwrap_or(1);
        let layers = chains.iter().flat_map(|chain| chain.layers.iter().copied()).collect();
        (values >= WORTHWHILE && rows < last.output[0]).then_some(Strip { layers, chains, rows })
    }

    /// The convolutions of a strip that begins with this layer.
    fn convolutions(&self, first: usize, chains: &[Option<Chain>]) -> Option<Vec<Chain>> {
        let is_a = |layer: usize, part: fn(&ConvGeometry) -> bool| self.convolution(layer).is_some_and(|g| part(&g));
        let mut found: Vec<Chain> = Vec::new();
        for part in [is_pointwise, is_depthwise, is_pointwise] {
            let next = match found.last().map(|chain| &self.readers[chain.last()][..]) {
                None => Some(first),
                Some(&[reader]) => Some(reader),
                Some(_) => None,
            };
            match next.filter(|&layer| is_a(layer, part)) {
                Some(layer) => found.push(chains[layer].clone().unwrap_or_else(|| Chain::of(vec![layer]))),
                // It may begin with the depthwise convolution.
                None if found.is_empty() => (),
                None => break,
            }
        }
        (found.len() > 1).then_some(found)
    }

    /// The geometry of a layer for one image, if it is a convolution.
    fn convolution(&self, layer: usize) -> Option<ConvGeometry> {
        let node = &self.nodes[layer];
        let Layer::Conv2d(conv) = &node.layer else { return None };
        let image = match *node.inputs.first()? {
            Source::Layer(input) => self.nodes[input].output_shape[..].try_into().ok()?,
            Source::Image => return None,
        };
        conv.geometry(image).ok()
    }
}

/// Whether a pixel of the output reads the one pixel in its place. (Of few channels, other algorithms are chosen.)
fn is_pointwise(g: &ConvGeometry) -> bool {
    let is_direct = choose(g, Pass::Forward) == Algorithm::Direct;
    is_direct && g.kernel == [1, 1] && g.conv == Convolution::default()
}

/// Whether each channel has its own kernel, which reads a row of the picture wherever it lies.
fn is_depthwise(g: &ConvGeometry) -> bool {
    let Padding { top, bottom, .. } = g.conv.padding;
    choose(g, Pass::Forward) == Algorithm::Depthwise && top.max(bottom) < reach(g)
}

/// Rows that a row of the output reads, from the first to the last.
fn reach(g: &ConvGeometry) -> usize {
    (g.kernel[0] - 1) * g.conv.dilation[0] + 1
}

/// The number of values that are held between convolutions while `rows` rows of the last one's output are computed: one number for
/// each convolution but the last.
fn held(geometries: &[ConvGeometry], mut rows: usize) -> Vec<usize> {
    let mut held: Vec<_> = geometries
        .windows(2)
        .rev()
        .map(|pair| {
            let [before, after] = [&pair[0], &pair[1]];
            rows = ((rows - 1) * after.conv.stride[0] + reach(after)).min(before.output[0]);
            rows * line(before)
        })
        .collect();
    held.reverse();
    held
}

/// Values of a row of the output.
fn line(g: &ConvGeometry) -> usize {
    g.output[1] * g.out_channels
}

/// One of the convolutions, with the steps that follow it.
struct Stage<'a, T: Real> {
    /// Of one image.
    g: ConvGeometry,
    weight: &'a Tensor<T>,
    bias: Option<&'a [T]>,
    /// Of the whole batch.
    finish: Finish<'a, T>,
}

impl<T: Real> Stage<'_, T> {
    /// The input's rows that some rows of the output read, with the rows of padding above and below.
    fn reads(&self, rows: &Range<usize>) -> (Range<usize>, [usize; 2]) {
        let (stride, top, height) = (self.g.conv.stride[0], self.g.conv.padding.top, self.g.input[0]);
        // Counted from the first row of the padding.
        let (start, end) = (rows.start * stride, (rows.end - 1) * stride + reach(&self.g));
        let inside = start.saturating_sub(top)..(end.saturating_sub(top)).min(height);
        (inside, [top.saturating_sub(start), end.saturating_sub(top + height)])
    }

    /// Computes some rows of an image's output from the rows that they read.
    fn compute(&self, image: usize, rows: Range<usize>, x: &[T], y: &mut [T]) {
        let (read, [top, bottom]) = self.reads(&rows);
        let padding = Padding { top, bottom, ..self.g.conv.padding };
        let g = ConvGeometry {
            input: [read.len(), self.g.input[1]],
            output: [rows.len(), self.g.output[1]],
            conv: Convolution { padding, ..self.g.conv },
            ..self.g
        };
        let first = (image * self.g.output[0] + rows.start) * line(&self.g);
        let residual = self.finish.residual.map(|residual| &residual[first..][..y.len()]);
        let finish = Finish { residual, ..self.finish.clone() };
        T::conv2d_finished(&g, x, self.weight, self.bias, &finish, y);
    }
}

/// Rows of a convolution's output, of one image.
struct Held<T: Real> {
    rows: Range<usize>,
    line: usize,
    values: Tensor<T>,
}

impl<T: Real> Held<T> {
    /// Forgets the rows before this one.
    fn forget_before(&mut self, row: usize) {
        let first = row.clamp(self.rows.start, self.rows.end);
        let kept = (first - self.rows.start) * self.line..self.rows.len() * self.line;
        self.values.make_mut().copy_within(kept, 0);
        self.rows.start = first;
    }

    /// Room for rows that follow those that are there.
    fn room(&mut self, rows: &Range<usize>) -> &mut [T] {
        if self.rows.is_empty() {
            self.rows = rows.start..rows.start;
        }
        let at = self.rows.len() * self.line;
        self.rows.end = rows.end;
        &mut self.values.make_mut()[at..][..rows.len() * self.line]
    }

    fn rows(&self, rows: Range<usize>) -> &[T] {
        &self.values.as_slice()[(rows.start - self.rows.start) * self.line..][..rows.len() * self.line]
    }
}

impl<T: Real> Model<T> {
    /// The layers of a strip, computed together. What comes between the first input and the last output is deferred on the tape.
    ///
    /// The bits are those of the layers apart, since no output of a convolution depends on another.
    pub(super) fn apply_strip(&self, strip: &Strip, pass: &mut Passing<T>) {
        let x = pass.read(self.nodes[strip.layers[0]].inputs[0]);
        let residuals: Vec<_> =
            strip.chains.iter().map(|chain| chain.residual.map(|source| pass.read(source))).collect();
        let residuals: Vec<_> =
            residuals.iter().map(|residual| residual.as_ref().map(|residual| residual.value().as_slice())).collect();
        let y = computed(&self.stages(&strip.chains, &residuals, x.shape()), x.value(), strip.rows);
        self.record_computed(&strip.layers, y, pass);
    }

    /// The convolutions of these chains, the first one's input being `[N, H, W, C]`, with what is added to each one's output.
    fn stages<'a>(&'a self, chains: &[Chain], residuals: &[Option<&'a [T]>], input: &[usize]) -> Vec<Stage<'a, T>> {
        let mut image = [1, 2, 3].map(|axis| input[axis]);
        let stages = chains.iter().zip(residuals).map(|(chain, &residual)| {
            let node = &self.nodes[chain.layers[0]];
            let Layer::Conv2d(conv) = &node.layer else { unreachable!("a convolution") };
            let g = conv.geometry(image).expect("checked when the model was built");
            image = [g.output[0], g.output[1], g.out_channels];
            let parameters = &self.parameters[node.parameters.clone()];
            let bias = parameters.get(1).map(|bias| bias.value.as_slice());
            Stage { g, weight: &parameters[0].value, bias, finish: Finish { residual, ..self.finish(chain) } }
        });
        stages.collect()
    }
}

/// The output of the last convolution, computed `rows` rows at a time.
fn computed<T: Real>(stages: &[Stage<'_, T>], x: &Tensor<T>, rows: usize) -> Tensor<T> {
    let (batch, g) = (x.shape()[0], stages[stages.len() - 1].g);
    let mut y = Tensor::scratch(g.with_batch(batch).output_shape());
    let threads = rayon::current_num_threads();
    let parts = if threads == 1 { 1 } else { (TASKS_PER_THREAD * threads).div_ceil(batch.max(1)) };
    let each = g.output[0].div_ceil(parts).max(rows);
    // Each with its image and its rows.
    let mut tasks = Vec::new();
    for (image, mut y) in y.make_mut().chunks_exact_mut(g.output[0] * line(&g)).enumerate() {
        for rows in balanced(g.output[0], each) {
            let (part, rest) = y.split_at_mut(rows.len() * line(&g));
            tasks.push((image, rows, part));
            y = rest;
        }
    }
    for_each_part(&mut tasks, 1, |_, tasks| {
        for (image, part, y) in tasks {
            alone(|| walk(stages, x, *image, part.clone(), rows, y));
        }
    });
    y
}

/// Computes some rows of an image's last output, a band of `rows` at a time.
fn walk<T: Real>(stages: &[Stage<'_, T>], x: &Tensor<T>, image: usize, part: Range<usize>, rows: usize, y: &mut [T]) {
    let [first, .., last] = stages else { unreachable!("two stages") };
    let x = &x.as_slice()[image * first.g.input_shape().iter().product::<usize>()..];
    let source_line = first.g.input[1] * first.g.in_channels;
    let geometries: Vec<_> = stages.iter().map(|stage| stage.g).collect();
    let room = held(&geometries, rows).into_iter().zip(&geometries);
    let mut between: Vec<Held<T>> =
        room.map(|(values, g)| Held { rows: 0..0, line: line(g), values: Tensor::scratch([values]) }).collect();
    let mut targets = y.chunks_mut(rows * line(&last.g));
    for start in part.clone().step_by(rows) {
        // What each stage adds to what is there, from the last to the first.
        let mut added = vec![0..0; stages.len()];
        added[stages.len() - 1] = start..part.end.min(start + rows);
        for i in (1..stages.len()).rev() {
            if added[i].is_empty() {
                break;
            }
            let (read, _) = stages[i].reads(&added[i]);
            between[i - 1].forget_before(read.start);
            let there = &between[i - 1].rows;
            added[i - 1] = if there.is_empty() { read } else { there.end..read.end.max(there.end) };
        }
        for (i, (stage, rows)) in stages.iter().zip(added).enumerate().filter(|(_, (_, rows))| !rows.is_empty()) {
            let (read, _) = stage.reads(&rows);
            let (before, after) = between.split_at_mut(i);
            let source = match before.last() {
                Some(held) => held.rows(read),
                None => &x[read.start * source_line..read.end * source_line],
            };
            let target = match after.first_mut() {
                Some(held) => held.room(&rows),
                None => targets.next().expect("a part of the output for each band"),
            };
            stage.compute(image, rows, source, target);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tensor::Keep;

    use super::*;
    use crate::kernels::testing::bits;
    use crate::layers::run::Mode;
    use crate::layers::testing::random;
    use crate::layers::{Add, BatchNorm, Clip, Conv2d, GlobalAvgPool, Linear, Mul, Relu, Sigmoid};
    use crate::model::tests::trained;

    prop_compose! {
        fn depthwise()(
            kernel in [1_usize..6, 1_usize..4], stride in [1_usize..4, 1_usize..3], dilation in [1_usize..3, 1_usize..3],
            padding in [0_usize..12, 0_usize..12, 0_usize..3, 0_usize..3],
        ) -> Conv2d {
            let reach = (kernel[0] - 1) * dilation[0] + 1;
            let [top, bottom, left, right] = padding;
            let padding = Padding { top: top % reach, bottom: bottom % reach, left, right };
            Conv2d { kernel, conv: Convolution { stride, padding, dilation, groups: 20 }, ..Conv2d::new(20, 1) }
        }
    }

    /// A picture `[H, W, 18]`, the three convolutions of a strip in `[.., 20]`, each followed by other steps.
    fn model(size: [usize; 2], depthwise: Conv2d, seed: u64) -> Option<Model> {
        let builder = Model::builder([size[0], size[1], 18])
            .layer("stem", Conv2d::new(18, 1))
            .layer("wide", Conv2d::new(20, 1).without_bias())
            .layer("norm", BatchNorm::new())
            .layer("clip", Clip::RELU6)
            // It reads what the strip reads, and is computed before the strip is.
            .layer_from("beside", Sigmoid, &["stem"])
            .layer_from("depthwise", depthwise, &["clip"])
            .layer("sigmoid", Sigmoid)
            .layer_from("silu", Mul, &["depthwise", "sigmoid"])
            .layer("narrow", Conv2d::new(18, 1));
        let builder = if depthwise.conv == Convolution::same().groups(20) && depthwise.kernel == [3, 3] {
            builder.layer_from("sum", Add, &["beside", "narrow"])
        } else {
            builder
        };
        builder
            .layer("relu", Relu)
            .layer("gap", GlobalAvgPool)
            .layer("fc", Linear::new(3))
            .build(seed)
            .ok()
            .map(trained)
    }

    /// The outputs of the strip, and of its layers apart.
    fn outputs<T: Real>(model: &Model<T>, batch: usize, rows: usize) -> [Tensor<T>; 2] {
        let x = random([&[batch], &model.input[..]].concat(), 7).cast::<T>();
        let recorded = model.record(x).unwrap();
        let find = Chains::new(&model.nodes, false);
        let first = model.layer_index("wide").unwrap();
        let chains = find.convolutions(first, &find.all()).expect("a strip");
        assert_eq!(chains.len(), 3);
        let residuals: Vec<_> = chains
            .iter()
            .map(|chain| match chain.residual? {
                Source::Layer(layer) => Some(recorded.activation(layer).value().as_slice()),
                Source::Image => unreachable!("a layer's output is added"),
            })
            .collect();
        let stem = recorded.activation(first - 1).value();
        let together = computed(&model.stages(&chains, &residuals, stem.shape()), stem, rows);
        [together, recorded.activation(chains[2].last()).value().clone()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn a_strip_has_the_bits_of_its_layers_apart(
            depthwise in prop_oneof![depthwise(), Just(Conv2d::new(20, 3).groups(20))],
            size in [1_usize..14, 1_usize..9], batch in 1_usize..3, rows in 1_usize..6, threads in 1_usize..4,
        ) {
            let Some(model) = model(size, depthwise, 5) else { return Err(TestCaseError::reject("no output")) };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let [together, apart] = pool.install(|| outputs(&model, batch, rows));
            prop_assert_eq!(bits(together.as_slice()), bits(apart.as_slice()));
            let [together, apart] = pool.install(|| outputs(&model.cast::<f64>(), batch, rows));
            prop_assert_eq!(together, apart);
        }
    }

    #[test]
    fn a_prediction_in_strips_has_the_bits_of_a_recorded_pass() {
        let model = model([130, 130], Conv2d::new(20, 3).groups(20), 5).unwrap();
        let plan = model.plans.of(Mode::Evaluation);
        let is_strip = |layer: usize| {
            matches!(plan.group(layer, 0, model.nodes.len(), Keep::Nothing), Some(crate::model::plan::Group::Strip(_)))
        };
        assert_eq!((0..model.nodes.len()).filter(|&layer| is_strip(layer)).count(), 9);
        let x = random([2, 130, 130, 18], 7);
        assert_eq!(&model.predict(x.cast()).unwrap(), model.record(x.cast()).unwrap().logits().value());
        let narrow = model.layer_index("narrow").unwrap();
        let apart = model.record(x.cast()).unwrap().activation(narrow).value().clone();
        assert_eq!(model.predict_at(narrow, x.cast()).unwrap(), apart);
        let model = model.cast::<f64>();
        assert_eq!(&model.predict(x.clone()).unwrap(), model.record(x).unwrap().logits().value());
    }

    #[test]
    fn a_strip_is_found_where_its_values_leave_the_cache() {
        let layers = |size: [usize; 2]| {
            let model = model(size, Conv2d::new(20, 3).groups(20), 5).unwrap();
            let find = Chains::new(&model.nodes, false);
            find.strip(model.layer_index("wide").unwrap(), &find.all()).map(|strip| (strip.layers.len(), strip.rows))
        };
        let limit = format!("{} MiB", (4 * WORTHWHILE) as f64 / f64::from(1 << 20));
        assert!(include_str!("../kernels/README.md").contains(&limit), "{limit}");
        assert_eq!(layers([20, 20]), None);
        // A row has 130 · 20 values: 25 rows of both convolutions' outputs fit, of which the first has two more.
        assert_eq!(layers([130, 130]), Some((9, 11)));
    }
}
