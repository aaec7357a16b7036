//! candle on the CPU.

use candle_core::{D, DType, Device, Module, ModuleT, Result, Tensor, Var};
use candle_nn::{BatchNorm, Conv2d, Conv2dConfig, Linear};
use peers::{Case, Conv, Layer, Net, Work, permute, serve};

fn main() {
    serve(|case| match case {
        Case::Conv(conv) if conv.pass == "fwd" => Ok(Box::new(Forward::new(conv).unwrap())),
        Case::Conv(_) => Err("gradients come in pairs from a backward pass alone".into()),
        Case::Train(net) if net.branches() => Err("not measured".into()),
        Case::Train(net) => Ok(Box::new(Training::new(net).unwrap())),
        Case::Explain(_) | Case::Fc(_) | Case::Nets(_) => Err("not measured".into()),
    });
}

/// `[N, H, W, C]` values as a tensor `[N, C, H, W]`.
fn images(values: &[f32], shape: [usize; 4]) -> Result<Tensor> {
    let [n, h, w, c] = shape;
    Tensor::from_vec(permute(values, shape, [0, 3, 1, 2]), (n, c, h, w), &Device::Cpu)
}

struct Forward {
    x: Tensor,
    w: Tensor,
    case: Conv,
}

impl Forward {
    fn new(case: &Conv) -> Result<Self> {
        let [kh, kw, cin, cout] = case.w;
        let w = Tensor::from_vec(permute(&case.weights(), case.w, [3, 2, 0, 1]), (cout, cin, kh, kw), &Device::Cpu)?;
        Ok(Self { x: images(&case.images(), case.x)?, w, case: case.clone() })
    }

    fn compute(&self) -> Tensor {
        self.x.conv2d(&self.w, self.case.padding, self.case.stride, 1, self.case.groups).unwrap()
    }
}

impl Work for Forward {
    fn run(&mut self) {
        self.compute();
    }

    fn result(&mut self) -> Vec<f32> {
        let y = self.compute().permute((0, 2, 3, 1)).unwrap();
        y.flatten_all().unwrap().to_vec1().unwrap()
    }
}

enum Step {
    Conv(Conv2d),
    BatchNorm(BatchNorm),
    Relu,
    MaxPool(usize),
    Gap,
    Linear(Linear),
}

struct Training {
    steps: Vec<Step>,
    parameters: Vec<Var>,
    velocities: Vec<Tensor>,
    x: Tensor,
    labels: Tensor,
}

impl Training {
    fn new(net: &Net) -> Result<Self> {
        let mut parameters = Vec::new();
        for (shape, values) in net.parameters() {
            let tensor = match *shape {
                [kh, kw, cin, cout] => {
                    let order = permute(&values, [kh, kw, cin, cout], [3, 2, 0, 1]);
                    Tensor::from_vec(order, (cout, cin, kh, kw), &Device::Cpu)?
                }
                [inputs, outputs] => Tensor::from_vec(values, (inputs, outputs), &Device::Cpu)?.t()?.contiguous()?,
                _ => Tensor::from_vec(values, shape, &Device::Cpu)?,
            };
            parameters.push(Var::from_tensor(&tensor)?);
        }
        let mut next = parameters.iter().map(|var| var.as_tensor().clone());
        let mut parameter = || next.next().expect("a parameter for each that a layer owns");
        let mut steps = Vec::new();
        for layer in &net.layers {
            steps.push(match *layer {
                Layer::Conv { stride, padding, groups, bias, .. } => {
                    let config = Conv2dConfig { padding, stride, groups, ..Conv2dConfig::default() };
                    Step::Conv(Conv2d::new(parameter(), bias.then(&mut parameter), config))
                }
                Layer::Bn => {
                    let (gamma, beta) = (parameter(), parameter());
                    let mean = Tensor::zeros(gamma.shape(), DType::F32, &Device::Cpu)?;
                    let variance = Tensor::ones(gamma.shape(), DType::F32, &Device::Cpu)?;
                    Step::BatchNorm(BatchNorm::new(gamma.elem_count(), mean, variance, gamma, beta, 1e-5)?)
                }
                Layer::Relu => Step::Relu,
                Layer::MaxPool { size } => Step::MaxPool(size),
                Layer::Gap => Step::Gap,
                Layer::Linear { .. } => Step::Linear(Linear::new(parameter(), Some(parameter()))),
                Layer::Relu6 | Layer::Add { .. } => unreachable!("nets S and M have none"),
            });
        }
        drop(next);
        let velocities = parameters.iter().map(|var| var.zeros_like()).collect::<Result<_>>()?;
        let labels: Vec<u32> = net.labels().into_iter().map(|label| label as u32).collect();
        let labels = Tensor::from_vec(labels, net.n, &Device::Cpu)?;
        Ok(Self { steps, parameters, velocities, x: images(&net.images(), net.shape())?, labels })
    }

    /// Forward, backward, SGD with momentum.
    fn step(&mut self) -> Result<()> {
        let mut x = self.x.clone();
        for step in &self.steps {
            x = match step {
                Step::Conv(conv) => conv.forward(&x)?,
                Step::BatchNorm(norm) => norm.forward_t(&x, true)?,
                Step::Relu => x.relu()?,
                Step::MaxPool(size) => x.max_pool2d(*size)?,
                Step::Gap => x.mean((2, 3))?,
                Step::Linear(linear) => linear.forward(&x)?,
            };
        }
        let logarithms = candle_nn::ops::log_softmax(&x, D::Minus1)?;
        let gradients = candle_nn::loss::nll(&logarithms, &self.labels)?.backward()?;
        for (var, velocity) in self.parameters.iter().zip(&mut self.velocities) {
            let gradient = gradients.get(var).expect("every parameter is used");
            *velocity = ((&*velocity * Net::MOMENTUM)? + gradient)?;
            var.set(&(var.as_tensor() - (&*velocity * Net::LEARNING_RATE)?)?)?;
        }
        Ok(())
    }
}

impl Work for Training {
    fn run(&mut self) {
        self.step().unwrap();
    }

    fn result(&mut self) -> Vec<f32> {
        for _ in 0..Net::CHECKED_STEPS {
            self.run();
        }
        let canonical = |var: &Var| match var.rank() {
            4 => var.permute((2, 3, 1, 0)),
            2 => var.t(),
            _ => Ok(var.as_tensor().clone()),
        };
        let flat = |var| canonical(var)?.flatten_all()?.to_vec1();
        self.parameters.iter().flat_map(|var| flat(var).unwrap()).collect()
    }
}
