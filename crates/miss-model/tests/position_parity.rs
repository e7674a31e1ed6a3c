//! Position embeddings of other image sizes against PyTorch's interpolation.
#![allow(clippy::unwrap_used)]

mod support;

use burn::tensor::Device;
use miss_model::interpolate_positions;
use support::{Fixture, assert_close, folders_where};

#[test]
fn every_case() {
    for folder in folders_where("position embedding", |config| config["cubic_a"].is_number()) {
        let what = folder.display().to_string();
        let device = Device::flex();
        let inputs = Fixture::read(&folder.join("inputs.safetensors"));
        let expected = Fixture::read(&folder.join("expected.safetensors"));
        for case in inputs.names() {
            let tokens = expected.shape(case)[1];
            let resized = interpolate_positions(inputs.tensor(case, &device), tokens);
            assert_close(&what, resized, &expected, case, 1e-5);
        }
    }
}
