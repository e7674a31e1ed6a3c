//! Exponential moving average of a module's parameters.

use std::collections::VecDeque;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// `average ← rate · average + (1 − rate) · online`, parameter by parameter.
///
/// Both modules must have the same structure: parameters are paired in the order of a visit.
/// `average` lives on the plain device, whatever the device of `online`.
pub(crate) fn follow<M: Module>(average: M, online: &M, rate: f64) -> M {
    let mut source = Collect(VecDeque::new());
    online.visit(&mut source);
    average.map(&mut Follow {
        online: source.0,
        rate,
    })
}

/// Parameters flattened: tensors of different ranks share one queue.
struct Collect(VecDeque<Tensor<1>>);

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val().without_autodiff();
        let size = tensor.shape().num_elements();
        self.0.push_back(tensor.reshape([size]));
    }
}

struct Follow {
    online: VecDeque<Tensor<1>>,
    rate: f64,
}

impl ModuleMapper for Follow {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let rate = self.rate;
        let online = self
            .online
            .pop_front()
            .expect("both modules have the same parameters");
        param.map(|average| {
            let online = online.reshape(average.shape());
            average * rate + online * (1.0 - rate)
        })
    }
}
