//! What holds for every method of the list.

use std::cell::RefCell;
use std::ops::ControlFlow;

use attribution::map::Origin;
use attribution::methods::all;
use attribution::question::{Cost, LooksAt, Progress};
use attribution::{ExplainError, Map, Method, Pass, Verdict};
use nn::Model;
use nn::layers::{Add, BatchNorm, Clip, Conv2d, GlobalAvgPool, Linear, MaxPool, Relu};
use tensor::Tensor;

const INPUT: [usize; 3] = [14, 11, 2];
const IMAGES: usize = 5;

fn model() -> Model {
    Model::builder(INPUT)
        .layer("conv1", Conv2d::new(6, 3))
        .layer("bn1", BatchNorm::new())
        .layer("relu1", Clip::RELU6)
        .layer("pool", MaxPool::new(2))
        .layer("conv2", Conv2d::new(7, 3))
        .layer("relu2", Relu)
        .layer("conv3", Conv2d::new(7, 3))
        .layer_from("sum", Add, &["relu2", "conv3"])
        .layer("relu3", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(4))
        .build(11)
        .unwrap()
}

fn images() -> Tensor<f32> {
    let [h, w, c] = INPUT;
    Tensor::from_fn([IMAGES, h, w, c], |i| (i as f32 * 12.9898).sin() * (i as f32 * 0.7548).cos())
}

/// The methods that explain a convolutional network.
fn methods() -> Vec<Box<dyn Method>> {
    all().into_iter().filter(|method| method.about().looks_at != LooksAt::Attention).collect()
}

/// The classes that are asked about.
const CLASSES: [usize; IMAGES] = [0, 3, 2, 1, 0];

/// Everything that a method says of images: the maps' bits, and what stands beside them.
fn said(method: &dyn Method, pass: &Pass<'_>, classes: &[usize]) -> Vec<(Vec<u32>, String)> {
    let maps = pass.why(classes).at("relu2").explain_each(method).unwrap();
    let said = |map: &Map| {
        let bits = map.raw().iter().map(|v| v.to_bits()).collect();
        (bits, format!("{:?} {:?} {:?} {}", map.verdict(), map.layers(), map.coverage(), map.raw().len()))
    };
    maps.iter().map(said).collect()
}

#[test]
fn each_image_of_a_batch_gets_the_map_that_it_gets_alone() {
    let (model, images) = (model(), images());
    let together = Pass::new(&model, &images).unwrap();
    for method in methods() {
        let together = said(&*method, &together, &CLASSES);
        for (image, together) in together.iter().enumerate() {
            let alone = Pass::new(&model, images.slice(0, image..image + 1)).unwrap();
            assert!(said(&*method, &alone, &CLASSES[image..=image])[0] == *together, "{method:?}, image {image}");
        }
    }
}

#[test]
fn one_and_two_threads_give_the_same_bits() {
    let (model, images) = (model(), images());
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let pass = Pass::new(&model, &images).unwrap();
            methods().iter().map(|method| said(&**method, &pass, &CLASSES)).collect::<Vec<_>>()
        })
    };
    for ((one, two), method) in on(1).into_iter().zip(on(2)).zip(methods()) {
        assert!(one == two, "{method:?}");
    }
}

#[test]
fn a_weight_that_is_no_number_is_traced_to_its_layer() {
    let mut model = model();
    let mut weight = model.parameter("conv2.weight").unwrap().clone();
    weight.make_mut().iter_mut().for_each(|w| *w = f32::NAN);
    model.set_parameter("conv2.weight", weight).unwrap();
    let pass = Pass::new(&model, images()).unwrap();
    for method in methods() {
        for map in pass.why(1).at("conv2").explain_each(&*method).unwrap() {
            let expected = Verdict::NonFinite { origin: Some(Origin::Output("conv2".into())) };
            assert_eq!(map.verdict(), &expected, "{method:?}");
            assert!(map.over_input().iter().all(|&v| v == 0.0), "{method:?}");
        }
    }
}

#[test]
fn methods_that_run_the_network_many_times_tell_how_far_they_are_and_stop() {
    let model = model();
    let pass = Pass::new(&model, images()).unwrap();
    for method in methods() {
        let seen = RefCell::new(Vec::new());
        let watch = |progress: Progress| {
            seen.borrow_mut().push(progress);
            ControlFlow::Continue(())
        };
        pass.why(1).at("relu2").watched(&watch).explain_each(&*method).unwrap();
        let seen = seen.into_inner();
        let stopped = pass.why(1).at("relu2").watched(&|_| ControlFlow::Break(())).explain_each(&*method);
        if method.about().cost == Cost::OnePass {
            assert!(seen.is_empty() && stopped.is_ok(), "{method:?}");
            continue;
        }
        assert!(
            seen.windows(2).all(|pair| pair[0].done < pair[1].done && pair[0].total == pair[1].total),
            "{method:?}"
        );
        assert!(seen.last().is_some_and(|last| last.done == last.total), "{method:?}");
        assert!(matches!(stopped, Err(ExplainError::Cancelled { done, .. }) if done == seen[0].done), "{method:?}");
    }
}

#[test]
fn maps_are_what_the_cards_say() {
    let model = model();
    let pass = Pass::new(&model, images()).unwrap();
    for method in methods() {
        let about = method.about();
        method.check(&pass).unwrap();
        let map = pass.why(1).at("relu2").explain_each(&*method).unwrap().swap_remove(0);
        assert_eq!(map.quantity(), about.quantity, "{}", about.id);
        let layers: &[&str] = match about.looks_at {
            LooksAt::Head => &["relu3"],
            LooksAt::Layer => &["relu2"],
            LooksAt::Attention | LooksAt::Input => &[],
        };
        assert_eq!(map.layers(), layers, "{}", about.id);
        assert!(map.verdict().is_evidence(), "{}: {}", about.id, map.verdict());
    }
}
