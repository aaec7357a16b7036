//! The tables of speed, made of what `benches/versus` measured last. `BLESS=1 cargo test --test crossing speed` updates them.

use std::fmt::Write;

use crate::tables::holds;

const OURS: &[&str] = &["glassbox"];
const PYTORCH: &[&str] = &["pytorch", "pytorch-channels-last"];
const ONNX_RUNTIME: &[&str] = &["onnxruntime"];
const PYTORCH_GRAD_CAM: &[&str] = &["pytorch-grad-cam"];

/// What `versus.csv` has of one case.
struct Case {
    suite: &'static str,
    name: &'static str,
    pass: &'static str,
    n: usize,
    threads: usize,
    engines: Vec<Engine>,
}

struct Engine {
    name: &'static str,
    rate: f64,
    /// More is better, which isn't so of a rate in milliseconds or MiB.
    speed: f64,
}

/// All cases, in the order in which they were measured.
fn measured() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in include_str!("../../benches/versus/versus.csv").lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let [suite, name, pass, n, threads, engine, rate, unit, _] = cells[..] else { panic!("{line}") };
        let [n, threads] = [n, threads].map(|number| number.parse().unwrap());
        let rate: f64 = rate.parse().unwrap();
        let speed = if matches!(unit, "ms" | "MiB") { 1.0 / rate } else { rate };
        let engine = Engine { name: engine, rate, speed };
        let key = (suite, name, pass, n, threads);
        match cases.iter_mut().rfind(|case| (case.suite, case.name, case.pass, case.n, case.threads) == key) {
            Some(case) => case.engines.push(engine),
            None => cases.push(Case { suite, name, pass, n, threads, engines: vec![engine] }),
        }
    }
    cases
}

impl Case {
    /// The fastest of some engines.
    fn best(&self, engines: &[&str]) -> Option<&Engine> {
        let those = self.engines.iter().filter(|engine| engines.contains(&engine.name));
        those.max_by(|a, b| a.speed.total_cmp(&b.speed))
    }

    /// How many times as fast as the best of these engines we are.
    fn ratio(&self, engines: &[&str]) -> Option<f64> {
        Some(self.best(OURS)?.speed / self.best(engines)?.speed)
    }

    /// Our rate, that of PyTorch's better format, and their ratio.
    fn beside_pytorch(&self) -> String {
        let [ours, theirs] = [OURS, PYTORCH].map(|engines| self.best(engines).unwrap().rate);
        format!("{ours:.0} / {theirs:.0} = {:.2}", ours / theirs)
    }
}

/// The geometric mean of ratios, and the least; a dash if nothing was measured.
fn summary(ratios: impl Iterator<Item = f64>) -> String {
    let ratios: Vec<f64> = ratios.collect();
    let Some(least) = ratios.iter().copied().reduce(f64::min) else { return "–".into() };
    let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
    format!("{mean:.2} ({least:.2})")
}

/// For the README: each kind of work over all its cases.
fn overview(cases: &[Case]) -> String {
    /// What is compared, the suite and the pass, the images if not any, and with whom.
    type Kind = (&'static str, &'static str, Option<&'static str>, Option<usize>, &'static [&'static str]);
    const KINDS: [Kind; 10] = [
        ("layers, forward and both gradients: PyTorch", "conv", None, None, PYTORCH),
        ("networks, forward pass, one image: PyTorch", "nets", Some("fwd"), Some(1), PYTORCH),
        ("… ONNX Runtime", "nets", Some("fwd"), Some(1), ONNX_RUNTIME),
        ("forward pass, sixteen images: PyTorch", "nets", Some("fwd"), Some(16), PYTORCH),
        ("… ONNX Runtime", "nets", Some("fwd"), Some(16), ONNX_RUNTIME),
        ("Grad-CAM at the last layer, one image: pytorch-grad-cam", "nets", Some("grad-cam"), None, PYTORCH_GRAD_CAM),
        ("gradient of one image: PyTorch", "nets", Some("gradient"), None, PYTORCH),
        ("training step, four or sixteen images: PyTorch", "nets", Some("step"), None, PYTORCH),
        ("peak memory, forward pass, one image: ONNX Runtime", "nets", Some("memory-fwd"), Some(1), ONNX_RUNTIME),
        ("peak memory, training step: PyTorch", "nets", Some("memory-step"), None, PYTORCH),
    ];
    let mut text = String::from("| | one thread | two threads |\n| --- | ---: | ---: |\n");
    for (head, suite, pass, n, engines) in KINDS {
        let cells = [1, 2].map(|threads| {
            let of_kind = |case: &&Case| {
                (case.suite, case.threads) == (suite, threads)
                    && pass.is_none_or(|pass| case.pass == pass)
                    && n.is_none_or(|n| case.n == n)
            };
            summary(cases.iter().filter(of_kind).filter_map(|case| case.ratio(engines)))
        });
        writeln!(text, "| {head} | {} |", cells.join(" | ")).unwrap();
    }
    text
}

/// For the page of the kernels: the convolutions on two threads, a row for each layer and batch.
fn layers(cases: &[Case]) -> String {
    let mut text = String::from("| layer | N | forward | dX | dW |\n| --- | ---: | ---: | ---: | ---: |\n");
    let convolutions: Vec<&Case> = cases.iter().filter(|case| (case.suite, case.threads) == ("conv", 2)).collect();
    for passes in convolutions.chunk_by(|a, b| (a.name, a.n) == (b.name, b.n)) {
        assert_eq!(passes.iter().map(|case| case.pass).collect::<Vec<_>>(), ["fwd", "dx", "dw"]);
        let cells: Vec<String> = passes.iter().map(|case| case.beside_pytorch()).collect();
        writeln!(text, "| {} | {} | {} |", layer(passes[0].name), passes[0].n, cells.join(" | ")).unwrap();
    }
    let means = ["fwd", "dx", "dw"].map(|pass| {
        let those = convolutions.iter().filter(|case| case.pass == pass);
        summary(those.filter_map(|case| case.ratio(PYTORCH)))
    });
    writeln!(text, "| geometric mean (least) | | {} |", means.join(" | ")).unwrap();
    text
}

/// A layer of `cases.py` by its dimensions.
fn layer(name: &str) -> &'static str {
    match name {
        "a" => "a 224×224×3→64 7×7 s2",
        "b" => "b 56×56×64→64 3×3",
        "c" => "c 28×28×128→128 3×3",
        "d" => "d 14×14×256→256 3×3",
        "e" => "e 7×7×512→512 3×3",
        "f" => "f 56×56×64→256 1×1",
        "g" => "g 14×14×1024→256 1×1",
        "h" => "h depthwise 112×112×32 3×3",
        "i" => "i depthwise 14×14×512 3×3",
        "j1" => "j1 28×28×1→32 3×3",
        "j2" => "j2 28×28×32→64 3×3",
        "j3" => "j3 32×32×3→32 3×3",
        "j4" => "j4 16×16×64→128 3×3",
        name => panic!("layer {name}"),
    }
}

/// For the page of the kernels: images a second of the small networks' training steps.
fn training(cases: &[Case]) -> String {
    let mut text = String::from("| net | batch | one thread | two threads |\n| --- | ---: | ---: | ---: |\n");
    let steps =
        |threads| cases.iter().filter(move |case| (case.suite, case.pass, case.threads) == ("train", "step", threads));
    for (one, two) in steps(1).zip(steps(2)) {
        assert_eq!((one.name, one.n), (two.name, two.n));
        let net = match one.name {
            "S" => "S, three 3×3 convolutions on 28×28×1",
            "M" => "M, seven with batch norm on 32×32×3",
            "resnet20" => "ResNet-20 on 32×32×3",
            name => panic!("net {name}"),
        };
        writeln!(text, "| {net} | {} | {} | {} |", one.n, one.beside_pytorch(), two.beside_pytorch()).unwrap();
    }
    text
}

#[test]
fn tables_are_of_the_last_measurement() {
    let cases = measured();
    holds("README.md", Some("speed"), &overview(&cases));
    holds("crates/nn/src/kernels/README.md", Some("layers"), &layers(&cases));
    holds("crates/nn/src/kernels/README.md", Some("training"), &training(&cases));
}
