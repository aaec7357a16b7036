//! What explaining costs: one forward pass for all, a backward pass for each class, and no memory that stays.

use std::alloc::System;

use attribution::methods::{Cam, GradCam, GradCamPlusPlus, GuidedBackprop, HiResCam, LayerCam, XGradCam};
use attribution::{Method, Pass, Target};
use nn::Model;
use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tensor::Tensor;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn model() -> Model {
    Model::builder([12, 12, 1])
        .layer("conv1", Conv2d::new(4, 3))
        .layer("relu1", Relu)
        .layer("conv2", Conv2d::new(8, 3))
        .layer("relu2", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(10))
        .build(1)
        .unwrap()
}

fn image(phase: usize) -> Tensor<f32> {
    Tensor::from_fn([12, 12, 1], |i| ((i + phase) as f32 * 0.1).sin())
}

/// One test, since whatever else runs is counted too.
#[test]
fn explanations_leave_memory_where_it_was() {
    // Of several threads each would keep working memory of its own, from the first time that it has something to do.
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(leave_memory_where_it_was);
}

fn leave_memory_where_it_was() {
    let model = model();
    let explain = |phase: usize| {
        let pass = Pass::new(&model, image(phase)).unwrap();
        let class = phase % 10;
        let total = pass.why(class).explain(&Cam).unwrap().raw().sum()
            + pass.why(Target::from(class)).at("relu1").explain(&GradCam).unwrap().raw().sum()
            + pass.why(class).explain(&GuidedBackprop).unwrap().raw().sum();
        assert!(total.is_finite());
    };
    (0..20).for_each(explain);
    let region = Region::new(ALLOCATOR);
    (0..1000).for_each(explain);
    let change = region.change();
    let kept = change.bytes_allocated as isize - change.bytes_deallocated as isize;
    assert!(change.allocations > 100_000, "the counter counts: {} allocations", change.allocations);
    assert!(kept.abs() < 4096, "a thousand explanations left {kept} bytes");

    // Ten classes, five methods, all layers: ten backward passes; and a forward pass would allocate what its tape keeps.
    let pass = Pass::new(&model, image(0)).unwrap();
    let nodes = pass.tape().nodes().len();
    let family: [&dyn Method; 5] = [&GradCam, &GradCamPlusPlus, &HiResCam, &LayerCam, &XGradCam];
    for class in 0..10 {
        pass.why(class).explain_each(&Cam).unwrap();
        for layer in pass.spatial_layers() {
            for method in family {
                pass.why(class).at(layer).explain_each(method).unwrap();
            }
        }
        assert_eq!(pass.cached_backward_passes(), class + 1);
    }
    assert_eq!(pass.tape().nodes().len(), nodes);
}
