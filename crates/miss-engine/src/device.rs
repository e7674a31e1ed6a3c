//! Devices by name.

use burn::tensor::Device;

/// A device that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DeviceError {
    /// The name is not one of a device.
    #[error("`{name}` is not a device; use cpu, cuda or cuda:N")]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The program was built without CUDA.
    #[error(
        "this program was built without CUDA; build it with `--features cuda`, or use --device cpu"
    )]
    NoCuda,
    /// The driver, NVRTC or the card is missing.
    #[error("{name} does not answer: {reason}; check `nvidia-smi`, or use --device cpu")]
    Unavailable {
        /// What was asked for.
        name: String,
        /// What the runtime said.
        reason: String,
    },
}

/// The device called `name`: `cpu`, `cuda` (the first card) or `cuda:N`.
///
/// # Errors
///
/// When there is no such device, or it does not answer.
pub fn open_device(name: &str) -> Result<Device, DeviceError> {
    if name == "cpu" {
        return Ok(Device::flex());
    }
    let unknown = || DeviceError::Unknown {
        name: name.to_string(),
    };
    let index = match name.strip_prefix("cuda") {
        Some("") => 0,
        Some(rest) => rest
            .strip_prefix(':')
            .and_then(|index| index.parse().ok())
            .ok_or_else(unknown)?,
        None => return Err(unknown()),
    };
    cuda(name, index)
}

#[cfg(feature = "cuda")]
fn cuda(name: &str, index: usize) -> Result<Device, DeviceError> {
    // The runtime has no way to ask: a missing driver shows as a panic of the first use.
    let probe = std::panic::catch_unwind(|| {
        let device = Device::cuda(index);
        device
            .sync()
            .map(|()| device)
            .map_err(|error| format!("{error:?}"))
    });
    let unavailable = |reason: String| DeviceError::Unavailable {
        name: name.to_string(),
        reason,
    };
    match probe {
        Ok(answer) => answer.map_err(unavailable),
        Err(panic) => Err(unavailable(
            panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
                .unwrap_or_else(|| "the CUDA runtime failed".to_string()),
        )),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda(_name: &str, _index: usize) -> Result<Device, DeviceError> {
    Err(DeviceError::NoCuda)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(open_device("cpu").is_ok());
        for name in ["gpu", "cuda:", "cuda:x", "cudas", ""] {
            assert_eq!(
                open_device(name).err(),
                Some(DeviceError::Unknown {
                    name: name.to_string()
                })
            );
        }
    }
}
