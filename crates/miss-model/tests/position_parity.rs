//! Position embeddings of other image sizes against PyTorch's interpolation.
#![allow(clippy::unwrap_used)]

mod support;

use burn::tensor::Device;
use miss_model::interpolate_positions;
use support::{Fixture, assert_close};

#[test]
fn every_case() {
    let Some(folder) = support::root()
        .map(|root| root.join("pos_embed"))
        .filter(|folder| folder.exists())
    else {
        return;
    };
    let device = Device::flex();
    let inputs = Fixture::read(&folder.join("inputs.safetensors"));
    let expected = Fixture::read(&folder.join("expected.safetensors"));
    for case in inputs.names() {
        let resized = interpolate_positions(inputs.tensor(case, &device), expected.shape(case)[1]);
        assert_close("pos_embed", resized, &expected, case, 1e-5);
    }
}
