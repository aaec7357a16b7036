use ndarray::Array2;
use nn::data::Rect;
use nn::layers::{Conv2d, GlobalAvgPool, Linear, MaxPool, Relu};
use nn::{ModelInfo, Pool2d, Task};

use super::*;
use crate::Pass;
use crate::methods::{AblationCam, GradCam, Gradient, GuidedBackprop, Occlusion};
use crate::testing::{PATCHES, Readout, images, pictures, residual, transformer};

fn with_pass(check: impl Fn(&Pass<'_, f64>, &[[f64; 3]])) {
    let classes = ["coat", "shirt", "bag"].map(String::from).to_vec();
    let model = residual().info(ModelInfo { classes, ..ModelInfo::default() }).build(3).unwrap().cast();
    let pass = Pass::new(&model, images(2)).unwrap();
    let logits: Vec<[f64; 3]> = pass.logits().as_slice().as_chunks().0.to_vec();
    check(&pass, &logits);
}

#[test]
fn scores_are_what_the_target_says() {
    with_pass(|pass, y| {
        let each = |f: fn(&[f64; 3]) -> f64| y.iter().map(f).collect::<Vec<_>>();
        let scores = |target: Target<f64>| pass.scores(target).unwrap();
        assert_eq!(scores(1.into()), each(|y| y[1]));
        assert_eq!(scores("Bag".into()), each(|y| y[2]));
        assert_eq!(scores([2, 0].into()), [y[0][2], y[1][0]]);
        assert_eq!(scores(vec!["shirt", "coat"].into()), [y[0][1], y[1][0]]);
        assert_eq!(scores(Target::top()), each(|y| y[0].max(y[1]).max(y[2])));
        assert_eq!(scores(Target::from(1).negated()), each(|y| -y[1]));
        assert_eq!(scores(Target::contrast("coat", 2)), each(|y| y[0] - y[2]));
        assert_eq!(scores(Target::several([0, 1])), each(|y| y[0] + y[1]));
        assert_eq!(scores(Target::function(|y| y.tanh().pick(1)).negated()), each(|y| -y[1].tanh()));
    });
}

#[test]
fn maps_follow_the_target() {
    with_pass(|pass, y| {
        let map = |target: Target<f64>| pass.why(target).explain_each(&Gradient).unwrap()[1].raw().to_owned();
        let (a, b) = (map(0.into()), map(2.into()));
        let near = |found: ndarray::Array3<f64>, expected: ndarray::Array3<f64>| {
            assert!((found - expected).iter().all(|d| d.abs() < 1e-14));
        };
        near(map(Target::contrast(0, 2)), &a - &b);
        near(map(Target::several([0, 2])), &a + &b);
        near(map(Target::from(0).negated()), -&a);
        near(map(vec![0, 2].into()), b.clone());
        let slope = 1.0 - y[1][0].tanh().powi(2);
        near(map(Target::function(|y| y.tanh().pick(0))), &a * slope);
    });
}

#[test]
fn what_does_not_fit_is_named() {
    with_pass(|pass, _| {
        let message =
            |target: Target<f64>| pass.why(target).at("relu1").explain_each(&GradCam).unwrap_err().to_string();
        assert_eq!(message(3.into()), "there is no class 3: the model has 3, numbered from 0");
        assert!(message("cote".into()).contains("did you mean `coat`?"));
        assert!(message([0, 1, 2].into()).starts_with("3 classes for 2 images"));
        assert!(message(Vec::<usize>::new().into()).starts_with("0 classes for 2 images"));
        assert_eq!(message(Target::several(Vec::<usize>::new())), "a target needs at least one class");
        assert!(message(Target::function(|y| y.sum())).ends_with("one score for each image, [2]; it gave []"));
    });
}

#[test]
fn targets_are_described() {
    let said = |target: Target| target.to_string();
    assert_eq!(said(3.into()), "3");
    assert_eq!(said(Target::contrast("coat", "bag").negated()), "−(coat − bag)");
    assert_eq!(said(["coat", "bag"].into()), "[coat, bag]");
    assert_eq!(said(Target::top()), "likeliest class");
}

#[test]
fn nan_ranks_last() {
    assert_eq!(ranked(&[f32::NAN, 1.0, 2.0, 1.0, f32::NEG_INFINITY]), [2, 1, 3, 0, 4]);
}

/// A unit's score and gradient are those of the network cut off behind its layer.
#[test]
fn units_are_explained_as_by_the_network_up_to_them() {
    with_pass(|pass, _| {
        for (unit, layer) in [("sum:1", "sum"), ("sum:2:1,0", "sum"), ("sum:*:1,2", "sum"), ("gap:3", "gap")] {
            let parsed = Unit::parse(unit).unwrap();
            assert_eq!(parsed.to_string(), unit);
            let cut: nn::Model<f64> = {
                let model: nn::Model<f32> = pass.model().cast();
                model.cut_after(layer).unwrap().build(0).unwrap().cast()
            };
            let alone = Pass::new(&cut, images(2)).unwrap();
            let (channels, cell) = (parsed.channel.map_or(0..4, |channel| channel..channel + 1), parsed.cell);
            let function = move |y: &tensor::Var<f64>| match (y.shape().len(), cell) {
                (2, _) => y.pick(channels.start),
                (_, None) => y.slice(3, channels.clone()).sum_axes(&[1, 2, 3]),
                (_, Some([row, column])) => {
                    let cell = y.slice(1, row..row + 1).slice(2, column..column + 1);
                    cell.slice(3, channels.clone()).sum_axes(&[1, 2, 3])
                }
            };
            let (ours, theirs) = (Target::unit(parsed), Target::function(function.clone()));
            let of_layer = Target::function_of(layer, function);
            for (a, b) in pass.scores(ours.clone()).unwrap().iter().zip(alone.scores(theirs.clone()).unwrap()) {
                assert!((a - b).abs() < 1e-6, "{unit}: {a} {b}");
            }
            let methods: [&dyn crate::Method<f64>; 4] =
                [&Gradient, &GuidedBackprop, &Occlusion::default(), &AblationCam];
            for method in methods {
                let explain = |pass: &Pass<'_, f64>, target: &Target<f64>| {
                    pass.why(target.clone()).at("relu1").explain_each(method).unwrap()[1].raw().to_owned()
                };
                let [ours, theirs, of_layer] =
                    [explain(pass, &ours), explain(&alone, &theirs), explain(pass, &of_layer)];
                let size = theirs.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
                assert!((&ours - &theirs).iter().all(|d| d.abs() <= 1e-5 * size), "{unit} {}", method.about().title);
                assert!((&ours - &of_layer).iter().all(|d| d.abs() <= 1e-12 * size), "{unit}");
            }
            assert!(pass.why(ours.clone()).explain_each(&GradCam).is_ok());
            let after = pass.why(Target::unit(Unit::new("relu1", 0))).at("sum").explain_each(&GradCam);
            assert!(after.unwrap_err().to_string().contains("layer `sum` comes after `relu1`"));
        }
        let message = |unit: Unit| pass.scores(Target::unit(unit)).unwrap_err().to_string();
        assert_eq!(
            message(Unit::new("sum", 99)),
            "there is no unit sum:99: the layer has 4 channels, 0 to 3; 9 rows, 0 to 8; 8 columns, 0 to 7"
        );
        assert!(message(Unit::position("sum", [9, 0])).starts_with("there is no unit sum:*:9,0: the layer has"));
        assert_eq!(
            message(Unit::new("gap", 0).at([0, 0])),
            "there is no unit gap:0:0,0: the layer has 4 channels, 0 to 3, without rows and columns"
        );
        assert!(message(Unit::new("smu", 0)).contains("did you mean `sum`?"));
    });
}

#[test]
fn a_similarity_is_a_cosine() {
    with_pass(|pass, y| {
        let reference = [0.3, -1.0, 2.0];
        let cosine = |y: &[f64; 3]| {
            let norm = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
            y.iter().zip(reference).map(|(a, b)| a * b).sum::<f64>() / norm(y) / norm(&reference)
        };
        let target = Target::similar_to(reference.to_vec());
        for (score, y) in pass.scores(target.clone()).unwrap().iter().zip(y) {
            assert!((score - cosine(y)).abs() < 1e-14);
        }
        // The gradient with respect to the scores, by central differences.
        let resolved = target.resolve(pass).unwrap();
        let seed = resolved.seed(pass.logits(), &[0, 1]).unwrap();
        for class in 0..3 {
            let moved = |by: f64| {
                let mut y = y[1];
                y[class] += by;
                cosine(&y)
            };
            assert!((seed.as_slice()[3 + class] - (moved(1e-5) - moved(-1e-5)) / 2e-5).abs() < 1e-9);
        }
        let zero = resolved.scores(&Tensor::zeros([1, 3]), &[0]).unwrap();
        assert_eq!(zero, [0.0]);
        let misfit = pass.scores(Target::similar_to(vec![1.0])).unwrap_err().to_string();
        assert_eq!(misfit, "an embedding of 1 dimensions can't be compared with the network's output [3]");
    });
}

/// The score of a map is a sum over positions, in each region.
#[test]
fn regions_choose_the_positions_of_a_map() {
    let info = ModelInfo { classes: ["road", "sky"].map(String::from).to_vec(), ..ModelInfo::default() };
    let map = Model::builder(crate::testing::INPUT).layer("conv1", Conv2d::new(3, 3)).layer("relu1", Relu);
    let map = map.layer("pool", MaxPool(Pool2d::square(2))).layer("map", Conv2d::new(2, 1)).info(info).build(4);
    let model: Model<f64> = map.unwrap().cast();
    let pass = Pass::new(&model, images(2)).unwrap();
    let [_, height, width, _] = pass.logits().shape()[..] else { panic!() };
    let y = pass.logits().view().into_dimensionality::<ndarray::Ix4>().unwrap();
    let [rows, columns, _] = crate::testing::INPUT;
    let sum = |image: usize, class: usize, inside: &dyn Fn(usize, usize) -> bool| -> f64 {
        let cells = (0..height).flat_map(|i| (0..width).map(move |j| (i, j)));
        cells.filter(|&(i, j)| inside(i, j)).map(|(i, j)| y[[image, i, j, class]]).sum()
    };
    let score = |region: Region| pass.scores(Target::from("sky").within(region)).unwrap()[1];
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
    near(score(Region::All), sum(1, 1, &|_, _| true));
    near(score(Region::Predicted), sum(1, 1, &|i, j| y[[1, i, j, 1]] > y[[1, i, j, 0]]));
    let area = Rect { top: 2, left: 0, height: 4, width: 5 };
    let centre = |i: usize, j: usize| {
        [(i as f64 + 0.5) * rows as f64 / height as f64, (j as f64 + 0.5) * columns as f64 / width as f64]
    };
    let inside = |i: usize, j: usize| {
        let [row, column] = centre(i, j);
        (2.0..6.0).contains(&row) && (0.0..5.0).contains(&column)
    };
    near(score(Region::Box(area)), sum(1, 1, &inside));
    let mask = Array2::from_shape_fn((rows, columns), |(row, column)| (2..6).contains(&row) && column < 5);
    near(score(Region::Mask(mask)), sum(1, 1, &inside));
    near(pass.scores(Target::from("sky").within(Region::All).negated()).unwrap()[0], -sum(0, 1, &|_, _| true));

    let message = |target: Target<f64>| pass.scores(target).unwrap_err().to_string();
    let nowhere = Region::Mask(Array2::from_elem((rows, columns), false));
    assert!(message(Target::from(0).within(nowhere)).starts_with("the map has no position in the mask"));
    let small = Region::Mask(Array2::from_elem((1, 1), true));
    assert!(message(Target::from(0).within(small)).starts_with("expected a mask of the input's pixels"));
    // The features before the 1×1 convolution that gives the map.
    let by_default = pass.why(Target::from("sky").within(Region::All)).explain_each(&GradCam).unwrap();
    assert_eq!(by_default[0].layers(), ["pool"]);
}

/// A row and a column of a layer of tokens are those of a patch; the class token, which comes first, has none.
#[test]
fn a_token_of_a_patch_is_a_cell() {
    let [rows, columns] = PATCHES;
    let model = transformer(Readout::ClassToken);
    let pass = Pass::new(&model, pictures(2)).unwrap();
    let values = pass.forward().activation(model.layer_index("block1.gelu").unwrap()).value();
    let [_, tokens, channels] = values.shape()[..] else { panic!() };
    assert_eq!(tokens, 1 + rows * columns);
    let score = |unit: &str| pass.scores(Target::unit(Unit::parse(unit).unwrap())).unwrap()[1];
    let at = |token: usize, channel: usize| values.as_slice()[(tokens + token) * channels + channel];
    let token = 1 + 2 * columns + 1;
    assert_eq!(score("block1.gelu:3:2,1"), at(token, 3));
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
    near(score("block1.gelu:*:2,1"), (0..channels).map(|channel| at(token, channel)).sum());
    near(score("block1.gelu:3"), (0..tokens).map(|token| at(token, 3)).sum());
    // The patch's own pixels are read before any attention.
    let map = pass.why(Target::unit(Unit::position("position", [2, 1]))).explain_each(&Gradient).unwrap();
    let is_inside = |(y, x, _): (usize, usize, usize)| [y / 2, x / 2] == [2, 1];
    assert!(map[0].raw().indexed_iter().all(|(at, g)| (*g != 0.0) == is_inside(at)));
    let missing = pass.scores(Target::unit(Unit::position("block1.gelu", [0, columns]))).unwrap_err().to_string();
    assert!(missing.ends_with("the layer has 16 channels, 0 to 15; 4 rows, 0 to 3; 3 columns, 0 to 2"), "{missing}");
}

/// Each image's likeliest class, sign and all, stays for other images.
#[test]
fn a_settled_target_keeps_the_class() {
    with_pass(|pass, _| {
        let other = Pass::new(pass.model(), images(3)).unwrap();
        let settled = |target: Target<f64>| target.settled(pass).unwrap();
        let tops: Vec<usize> = (0..2).map(|image| pass.top_of(image, 1)[0].class).collect();
        assert_eq!(settled(Target::top()).to_string(), format!("[{}, {}]", tops[0], tops[1]));
        let negated = settled(Target::top().negated());
        assert_eq!(negated.to_string(), format!("−([{}, {}])", tops[0], tops[1]));
        let contrast = Target::contrast(Class::Top, 0);
        assert_eq!(settled(contrast).to_string(), format!("[{} − 0, {} − 0]", tops[0], tops[1]));
        let unit = Target::unit(Unit::new("sum", 1));
        assert_eq!(other.scores(settled(unit.clone())).unwrap(), other.scores(unit).unwrap());
    });
    let info = ModelInfo { task: Some(Task::Labels), ..ModelInfo::default() };
    let layers = Model::builder([4, 4, 1]).layer("gap", GlobalAvgPool).layer("fc", Linear::new(1));
    let binary = layers.info(info).build(1).unwrap();
    let settled = |value: f32| {
        let pass = Pass::new(&binary, Tensor::full([4, 4, 1], value)).unwrap();
        (pass.logits().as_slice()[0], Target::top().settled(&pass).unwrap().to_string())
    };
    for value in [-1.0, 1.0] {
        let (score, class) = settled(value);
        assert_eq!(class, if score > 0.0 { "[1]" } else { "[0]" });
    }
}
