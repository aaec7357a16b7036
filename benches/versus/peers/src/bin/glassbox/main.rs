//! Glassbox. `glassbox fresh-weights` prepares a layer's weights before every call, as training has to; otherwise they stay
//! prepared, as they do in a model that predicts or explains.

mod nets;

use attribution::methods::{GradCam, GuidedBackprop};
use nn::kernels::conv::{Pass, Prepared, choose, weight_gradient};
use nn::optim::Sgd;
use nn::layers::{Add, BatchNorm, Clip, Conv2d, GlobalAvgPool, Linear, MaxPool, Relu};
use nn::{ConvGeometry, Convolution, Model, Real, train};
use peers::{Case, Conv, Dense, Layer, Net, Work, fill, serve};
use tensor::Tensor;

fn main() {
    let fresh = std::env::args().nth(1).as_deref() == Some("fresh-weights");
    // In the pool for good, as a model's passes are: from outside every call would wait to be let in.
    tensor::on_pool(|| {
        serve(|case| match case {
            Case::Conv(Conv { pass, .. }) | Case::Fc(Dense { pass, .. }) if fresh && pass == "dw" => {
                Err("there are no weights to prepare".into())
            }
            Case::Conv(conv) => Ok(Box::new(ConvolutionWork::new(conv, fresh))),
            Case::Fc(dense) => Ok(Box::new(FullyConnected::new(dense, fresh))),
            Case::Train(net) => Ok(Box::new(Training::new(net))),
            Case::Explain(net) => Ok(Box::new(Explaining::new(net))),
            Case::Nets(net) => nets::prepare(net),
        })
    });
}

/// A tensor that begins on a cache line, as every engine's do.
fn aligned<const N: usize>(shape: [usize; N], values: &[f32]) -> Tensor<f32> {
    let mut tensor = Tensor::scratch(shape);
    tensor.make_mut().copy_from_slice(values);
    tensor
}

struct ConvolutionWork {
    geometry: ConvGeometry,
    pass: Pass,
    /// `None` for weight gradients.
    prepared: Option<Prepared>,
    fresh: bool,
    x: Tensor<f32>,
    w: Tensor<f32>,
    dy: Tensor<f32>,
    output: Tensor<f32>,
}

impl ConvolutionWork {
    fn new(case: &Conv, fresh: bool) -> Self {
        let conv = Convolution::default().stride(case.stride).padding(case.padding).groups(case.groups);
        let geometry = conv.geometry(&case.x, &case.w).expect("a geometry that fits");
        let (pass, shape) = match &case.pass[..] {
            "fwd" => (Pass::Forward, case.y),
            "dx" => (Pass::InputGradient, case.x),
            _ => (Pass::WeightGradient, case.w),
        };
        let [x, w, dy] = [case.images(), case.weights(), case.upstream()].map(|values| aligned([values.len()], &values));
        let prepared = (pass != Pass::WeightGradient)
            .then(|| Prepared::new(&geometry, pass, choose(&geometry, pass), w.as_slice()));
        Self { geometry, pass, prepared, fresh, x, w, dy, output: Tensor::zeros([shape.iter().product::<usize>()]) }
    }
}

impl Work for ConvolutionWork {
    fn run(&mut self) {
        if let (Some(prepared), true) = (&mut self.prepared, self.fresh) {
            prepared.update(self.w.as_slice());
        }
        let (x, dy, output) = (self.x.as_slice(), self.dy.as_slice(), self.output.make_mut());
        match &self.prepared {
            Some(prepared) if self.pass == Pass::Forward => prepared.forward(&self.geometry, x, None, false, output),
            Some(prepared) => prepared.input_gradient(&self.geometry, dy, output),
            None => {
                let algorithm = choose(&self.geometry, self.pass);
                weight_gradient(&self.geometry, algorithm, x, dy, output);
            }
        }
    }

    fn result(&mut self) -> Vec<f32> {
        self.run();
        self.output.as_slice().to_vec()
    }

    fn algorithm(&self) -> Option<String> {
        Some(choose(&self.geometry, self.pass).to_string())
    }
}

struct FullyConnected {
    pass: String,
    fresh: bool,
    x: Tensor<f32>,
    w: Tensor<f32>,
    dy: Tensor<f32>,
    output: Tensor<f32>,
}

impl FullyConnected {
    fn new(case: &Dense, fresh: bool) -> Self {
        let tensor = |stream, shape: [usize; 2]| aligned(shape, &fill(stream, shape[0] * shape[1]));
        let output = match &case.pass[..] {
            "fwd" => case.y,
            "dx" => case.x,
            _ => case.w,
        };
        Self {
            pass: case.pass.clone(),
            fresh,
            x: tensor(1, case.x),
            w: tensor(2, case.w),
            dy: tensor(3, case.y),
            output: Tensor::zeros(output),
        }
    }
}

impl Work for FullyConnected {
    fn run(&mut self) {
        if self.fresh {
            self.w.make_mut(); // What was prepared is out of date.
        }
        let output = self.output.make_mut();
        match &self.pass[..] {
            "fwd" => f32::linear(&self.x, &self.w, None, output),
            "dx" => f32::linear_input_gradient(&self.dy, &self.w, output),
            _ => f32::linear_weight_gradient(&self.x, &self.dy, output),
        }
    }

    fn result(&mut self) -> Vec<f32> {
        self.run();
        self.output.as_slice().to_vec()
    }
}

/// The net of a case, its layers named after their places.
fn model(net: &Net) -> Model<f32> {
    let name = |place: usize| format!("layer{place}");
    let mut builder = Model::builder(net.input);
    for (place, layer) in net.layers.iter().enumerate() {
        let layer: nn::Layer = match *layer {
            Layer::Conv { out, kernel, stride, padding, groups, bias, from } => {
                let conv = Convolution::default().stride(stride).padding(padding).groups(groups);
                let layer = Conv2d { out_channels: out, kernel: [kernel; 2], conv, bias };
                if let Some(from) = from {
                    builder = builder.layer_from(name(place), layer, &[&name(from)]);
                    continue;
                }
                layer.into()
            }
            Layer::Bn => BatchNorm::new().into(),
            Layer::Relu => Relu.into(),
            Layer::Relu6 => Clip::RELU6.into(),
            Layer::MaxPool { size } => MaxPool::new(size).into(),
            Layer::Gap => GlobalAvgPool.into(),
            Layer::Linear { out } => Linear::new(out).into(),
            Layer::Add { with } => {
                builder = builder.layer_from(name(place), Add, &[&name(place - 1), &name(with)]);
                continue;
            }
        };
        builder = builder.layer(name(place), layer);
    }
    let mut model = builder.build(0).expect("a net that fits together");
    for (name, (shape, values)) in trained(&model).into_iter().zip(net.parameters()) {
        model.set_parameter(&name, Tensor::new(shape, values)).expect("the parameters in the order of the layers");
    }
    model
}

fn trained(model: &Model<f32>) -> Vec<String> {
    model.parameters().iter().filter(|parameter| parameter.trainable).map(|parameter| parameter.name.clone()).collect()
}

struct Training {
    model: Model<f32>,
    optimizer: Sgd,
    images: Tensor<f32>,
    labels: Vec<usize>,
}

impl Training {
    fn new(net: &Net) -> Self {
        Self {
            model: model(net),
            optimizer: Sgd::new(Net::LEARNING_RATE, Net::MOMENTUM),
            images: Tensor::new(net.shape(), net.images()),
            labels: net.labels(),
        }
    }
}

impl Work for Training {
    fn run(&mut self) {
        let images = self.images.clone();
        train::train_step(&mut self.model, &mut self.optimizer, images, &self.labels, 0.0, 0).expect("images that fit");
    }

    fn result(&mut self) -> Vec<f32> {
        for _ in 0..Net::CHECKED_STEPS {
            self.run();
        }
        let values = |name: &String| self.model.parameter(name).expect("its own parameter").as_slice();
        trained(&self.model).iter().flat_map(|name| values(name).to_vec()).collect()
    }
}

/// An explanation of class 0, the forward pass included.
struct Explaining {
    model: Model<f32>,
    images: Tensor<f32>,
    guided: bool,
}

impl Explaining {
    fn new(net: &Net) -> Self {
        let images = Tensor::new(net.shape(), net.images());
        Self { model: model(net), images, guided: net.pass == "guided" }
    }

    fn compute(&self) -> Vec<f32> {
        let pass = attribution::Pass::new(&self.model, &self.images).expect("images that fit");
        if self.guided {
            let maps = pass.why(0).explain_each(&GuidedBackprop).expect("ReLUs");
            maps.iter().flat_map(|map| map.raw().iter().copied().collect::<Vec<_>>()).collect()
        } else {
            let maps = pass.why(0).explain_each(&GradCam).expect("a spatial layer");
            maps.iter().flat_map(|map| map.raw().iter().map(|value| value.max(0.0)).collect::<Vec<_>>()).collect()
        }
    }
}

impl Work for Explaining {
    fn run(&mut self) {
        self.compute();
    }

    fn result(&mut self) -> Vec<f32> {
        self.compute()
    }
}
