//! burn on its flex backend.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d, Relu};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_backend::ops::{ConvOptions, ModuleOps};
use burn_flex::{Flex, FlexTensor};
use peers::{Case, Conv, Layer, Net, Work, permute, serve};

fn main() {
    serve(|case| match case {
        Case::Conv(conv) => Ok(Box::new(Convolution::new(conv))),
        Case::Train(net) if net.branches() => Err("not measured".into()),
        Case::Train(net) => Ok(Box::new(Training::new(net))),
        Case::Explain(_) | Case::Fc(_) | Case::Nets(_) => Err("not measured".into()),
    });
}

/// One product, asked of the backend itself: the backward pass of a tensor would compute them all.
struct Convolution {
    x: FlexTensor,
    w: FlexTensor,
    dy: FlexTensor,
    case: Conv,
}

/// Values with their axes in another order, as a tensor of the backend.
fn tensor(values: &[f32], shape: [usize; 4], order: [usize; 4]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(permute(values, shape, order), order.map(|axis| shape[axis])))
}

impl Convolution {
    fn new(case: &Conv) -> Self {
        let x = tensor(&case.images(), case.x, [0, 3, 1, 2]);
        let w = tensor(&case.weights(), case.w, [3, 2, 0, 1]);
        let dy = tensor(&case.upstream(), case.y, [0, 3, 1, 2]);
        Self { x, w, dy, case: case.clone() }
    }

    fn compute(&self) -> FlexTensor {
        let options = ConvOptions::new([self.case.stride; 2], [self.case.padding; 2], [1; 2], self.case.groups);
        let (x, w, dy) = (self.x.clone(), self.w.clone(), self.dy.clone());
        match &self.case.pass[..] {
            "fwd" => Flex::conv2d(x, w, None, options),
            "dx" => Flex::conv2d_x_backward(x, w, dy, options),
            _ => Flex::conv2d_weight_backward(x, w, dy, options),
        }
    }
}

impl Work for Convolution {
    fn run(&mut self) {
        self.compute();
    }

    fn result(&mut self) -> Vec<f32> {
        let values = self.compute().into_data().try_to_vec().unwrap();
        let nchw = |[n, h, w, c]: [usize; 4]| [n, c, h, w];
        match &self.case.pass[..] {
            "fwd" => permute(&values, nchw(self.case.y), [0, 2, 3, 1]),
            "dx" => permute(&values, nchw(self.case.x), [0, 2, 3, 1]),
            _ => {
                let [kh, kw, cin, cout] = self.case.w;
                permute(&values, [cout, cin, kh, kw], [2, 3, 1, 0])
            }
        }
    }
}

#[derive(Module, Debug)]
enum Step {
    Conv(Conv2d),
    BatchNorm(BatchNorm),
    MaxPool(MaxPool2d),
    Linear(Linear),
    Relu(Relu),
    Gap(AdaptiveAvgPool2d),
}

#[derive(Module, Debug)]
struct Model {
    steps: Vec<Step>,
}

impl Model {
    fn new(net: &Net, device: &Device) -> Self {
        let mut next = net.parameters();
        let mut parameter = || next.next().expect("a parameter for each that a layer owns");
        let vector =
            |(_, values): (&[usize], Vec<f32>)| Param::from_tensor(Tensor::<1>::from_floats(&values[..], device));
        let mut channels = net.input[2];
        let mut steps = Vec::new();
        for layer in &net.layers {
            steps.push(match *layer {
                Layer::Conv { out, kernel, stride, padding, groups, bias, .. } => {
                    let mut conv = Conv2dConfig::new([channels, out], [kernel; 2])
                        .with_stride([stride; 2])
                        .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
                        .with_groups(groups)
                        .with_bias(bias)
                        .init(device);
                    let (shape, values) = parameter();
                    let shape: [usize; 4] = shape.try_into().expect("a kernel");
                    let [kh, kw, cin, cout] = shape;
                    let data = TensorData::new(permute(&values, shape, [3, 2, 0, 1]), [cout, cin, kh, kw]);
                    conv.weight = Param::from_tensor(Tensor::from_data(data, device));
                    conv.bias = bias.then(|| vector(parameter()));
                    channels = out;
                    Step::Conv(conv)
                }
                Layer::Bn => {
                    let mut norm = BatchNormConfig::new(channels).init(device);
                    norm.gamma = vector(parameter());
                    norm.beta = vector(parameter());
                    Step::BatchNorm(norm)
                }
                Layer::Relu => Step::Relu(Relu::new()),
                Layer::MaxPool { size } => {
                    Step::MaxPool(MaxPool2dConfig::new([size; 2]).with_strides([size; 2]).init())
                }
                Layer::Gap => Step::Gap(AdaptiveAvgPool2dConfig::new([1; 2]).init()),
                Layer::Linear { out } => {
                    let mut linear = LinearConfig::new(channels, out).init(device);
                    let (_, values) = parameter();
                    let data = TensorData::new(values, [channels, out]);
                    linear.weight = Param::from_tensor(Tensor::from_data(data, device));
                    linear.bias = Some(vector(parameter()));
                    Step::Linear(linear)
                }
                Layer::Relu6 | Layer::Add { .. } => unreachable!("nets S and M have none"),
            });
        }
        Self { steps }
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = images;
        for step in &self.steps {
            x = match step {
                Step::Conv(conv) => conv.forward(x),
                Step::BatchNorm(norm) => norm.forward(x),
                Step::MaxPool(pool) => pool.forward(x),
                Step::Relu(relu) => relu.forward(x),
                Step::Gap(pool) => pool.forward(x),
                Step::Linear(linear) => return linear.forward(x.flatten(1, 3)),
            };
        }
        unreachable!("a net ends in a fully connected layer")
    }

    fn canonical_parameters(&self) -> Vec<f32> {
        let values = |data: TensorData| data.try_to_vec::<f32>().unwrap();
        let mut found = Vec::new();
        for step in &self.steps {
            match step {
                Step::Conv(conv) => {
                    found.extend(values(conv.weight.val().permute([2, 3, 1, 0]).into_data()));
                    found.extend(conv.bias.iter().flat_map(|bias| values(bias.val().into_data())));
                }
                Step::BatchNorm(norm) => {
                    found.extend([&norm.gamma, &norm.beta].into_iter().flat_map(|p| values(p.val().into_data())));
                }
                Step::Linear(linear) => {
                    found.extend(values(linear.weight.val().into_data()));
                    found.extend(linear.bias.iter().flat_map(|bias| values(bias.val().into_data())));
                }
                _ => {}
            }
        }
        found
    }
}

struct Training {
    model: Option<Model>,
    optimizer: ModuleOptimizer,
    loss: CrossEntropyLoss,
    x: Tensor<4>,
    labels: Tensor<1, Int>,
}

impl Training {
    fn new(net: &Net) -> Self {
        let device = Device::flex().autodiff();
        let shape = net.shape();
        let [n, h, w, c] = shape;
        let data = TensorData::new(permute(&net.images(), shape, [0, 3, 1, 2]), [n, c, h, w]);
        let labels: Vec<i32> = net.labels().into_iter().map(|label| label as i32).collect();
        let momentum = MomentumConfig::new().with_momentum(Net::MOMENTUM).with_dampening(0.0);
        Self {
            model: Some(Model::new(net, &device)),
            optimizer: SgdConfig::new().with_momentum(Some(momentum)).init(),
            loss: CrossEntropyLossConfig::new().init(&device),
            x: Tensor::from_data(data, &device),
            labels: Tensor::from_ints(&labels[..], &device),
        }
    }
}

impl Work for Training {
    fn run(&mut self) {
        let model = self.model.take().expect("put back after each step");
        let loss = self.loss.forward(model.forward(self.x.clone()), self.labels.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        self.model = Some(self.optimizer.step(Net::LEARNING_RATE, model, gradients));
    }

    fn result(&mut self) -> Vec<f32> {
        for _ in 0..Net::CHECKED_STEPS {
            self.run();
        }
        self.model.as_ref().expect("put back after each step").canonical_parameters()
    }
}
