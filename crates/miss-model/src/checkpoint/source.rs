//! Reading tensors from safetensors files and PyTorch archives, one at a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use pytorch_reader::{DType, PytorchReader};
use safetensors::Dtype;
use safetensors::tensor::TensorInfo;

use super::CheckpointError;

/// Bytes before the header of a safetensors file: the header's length.
const LENGTH: u64 = 8;
/// Longest header that is accepted, as in the reference implementation of the format.
const LONGEST_HEADER: u64 = 100_000_000;
/// Where training scripts put the parameters in a PyTorch archive, and what `DataParallel` adds.
const PREFIXES: [&str; 8] = [
    "",
    "model.",
    "state_dict.",
    "model_state_dict.",
    "module.",
    "model.module.",
    "state_dict.module.",
    "model_state_dict.module.",
];

/// A weights file and what is in it.
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// By the name that the model's own code would give them.
    pub(super) tensors: BTreeMap<String, Stored>,
    /// Tensors beside the model (an optimiser's state): the first part of their names, how many.
    pub(super) beside: BTreeMap<String, usize>,
}

/// Type of a tensor's elements, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    Other,
}

impl Element {
    /// Whether it can be read as fp32.
    pub(super) fn is_float(self) -> bool {
        matches!(self, Self::F64 | Self::F32 | Self::F16 | Self::Bf16)
    }
}

/// A tensor in a file, not read yet.
pub(super) struct Stored {
    pub(super) shape: Vec<usize>,
    pub(super) element: Element,
    place: Place,
}

enum Place {
    Safetensors { start: u64, bytes: usize },
    Pytorch(pytorch_reader::Tensor),
}

impl Source {
    /// Reads the list of tensors. `recognised` says whether names are those of a known model; the
    /// first place in the file where they are is taken for the model.
    pub(super) fn open(
        path: &Path,
        recognised: impl Fn(&BTreeMap<String, Stored>) -> bool,
    ) -> Result<Self, CheckpointError> {
        let file = weights_file(path)?;
        let format = |reason: String| CheckpointError::Format {
            path: file.clone(),
            reason,
        };
        let all = match file.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => safetensors_list(&file)?,
            Some("pth" | "pt" | "bin" | "ckpt") => pytorch_list(&file)?,
            _ => {
                return Err(format(
                    "its name must end in .safetensors, .pth, .pt, .bin or .ckpt".into(),
                ));
            }
        };
        if all.is_empty() {
            return Err(format("there is no tensor in it".into()));
        }
        let mut all = all;
        for prefix in PREFIXES {
            let (model, beside): (BTreeMap<_, _>, BTreeMap<_, _>) = all
                .into_iter()
                .partition(|(name, _)| name.starts_with(prefix));
            let model = rename(model, |name| name[prefix.len()..].to_string());
            if recognised(&model) {
                let mut groups = BTreeMap::new();
                for name in beside.keys() {
                    let group = name.split('.').next().unwrap_or_default().to_string();
                    *groups.entry(group).or_default() += 1;
                }
                return Ok(Self {
                    path: file,
                    tensors: model,
                    beside: groups,
                });
            }
            all = rename(model, |name| format!("{prefix}{name}"));
            all.extend(beside);
        }
        let shown: Vec<&str> = all.keys().map(String::as_str).take(8).collect();
        Err(CheckpointError::UnknownFamily {
            path: file,
            count: all.len(),
            names: shown.join(", "),
        })
    }

    /// The elements of a tensor as fp32.
    pub(super) fn floats(&self, name: &str) -> Result<Vec<f32>, CheckpointError> {
        let (stored, bytes) = self.bytes(name)?;
        Ok(match stored.element {
            Element::F64 => elements(&bytes, |b| f64::from_le_bytes(b) as f32),
            Element::F32 => elements(&bytes, f32::from_le_bytes),
            Element::F16 => elements(&bytes, |b| f16::from_le_bytes(b).to_f32()),
            Element::Bf16 => elements(&bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Element::I64 | Element::Other => {
                return Err(self.tensor_error(name, "it does not hold floats".into()));
            }
        })
    }

    /// The elements of a tensor of 64-bit integers.
    pub(super) fn integers(&self, name: &str) -> Result<Vec<i64>, CheckpointError> {
        let (stored, bytes) = self.bytes(name)?;
        match stored.element {
            Element::I64 => Ok(elements(&bytes, i64::from_le_bytes)),
            _ => Err(self.tensor_error(name, "it does not hold 64-bit integers".into())),
        }
    }

    pub(super) fn tensor_error(&self, name: &str, reason: String) -> CheckpointError {
        CheckpointError::Tensor {
            path: self.path.clone(),
            name: name.to_string(),
            reason,
        }
    }

    fn bytes(&self, name: &str) -> Result<(&Stored, Vec<u8>), CheckpointError> {
        let failed = |error: std::io::Error| self.tensor_error(name, error.to_string());
        let Some(stored) = self.tensors.get(name) else {
            return Err(self.tensor_error(name, "it is not in the file".into()));
        };
        let bytes = match &stored.place {
            Place::Pytorch(tensor) => tensor.read().map_err(failed)?,
            Place::Safetensors { start, bytes } => {
                let mut file = File::open(&self.path).map_err(failed)?;
                file.seek(SeekFrom::Start(*start)).map_err(failed)?;
                let mut buffer = vec![0; *bytes];
                file.read_exact(&mut buffer).map_err(failed)?;
                buffer
            }
        };
        Ok((stored, bytes))
    }
}

/// `path` itself, or the weights file in the folder `path`.
fn weights_file(path: &Path) -> Result<PathBuf, CheckpointError> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    ["model.safetensors", "pytorch_model.bin"]
        .into_iter()
        .map(|name| path.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| CheckpointError::Format {
            path: path.to_path_buf(),
            reason: "the folder has neither model.safetensors nor pytorch_model.bin; name the \
                     file (weights that are split over several files are not read)"
                .into(),
        })
}

fn safetensors_list(path: &Path) -> Result<BTreeMap<String, Stored>, CheckpointError> {
    let read = |source| CheckpointError::Read {
        path: path.to_path_buf(),
        source,
    };
    let format = |reason: String| CheckpointError::Format {
        path: path.to_path_buf(),
        reason,
    };
    let mut file = File::open(path).map_err(read)?;
    let size = file.metadata().map_err(read)?.len();
    let mut length = [0; LENGTH as usize];
    file.read_exact(&mut length).map_err(read)?;
    let length = u64::from_le_bytes(length);
    // Before memory is taken for a header: a damaged length may be anything.
    if length > LONGEST_HEADER || length > size - LENGTH {
        return Err(format("its header is longer than the file".into()));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(read)?;
    let invalid = |error: serde_json::Error| format(format!("its header is damaged: {error}"));
    let mut entries: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&header).map_err(invalid)?;
    entries.remove("__metadata__");

    let data = LENGTH + length;
    let mut tensors = BTreeMap::new();
    for (name, entry) in entries {
        let info: TensorInfo = serde_json::from_value(entry).map_err(invalid)?;
        let (start, end) = info.data_offsets;
        let elements = info.shape.iter().copied().try_fold(1, usize::checked_mul);
        let bits = elements.and_then(|count| count.checked_mul(info.dtype.bitsize()));
        let fits = end >= start
            && bits == (end - start).checked_mul(8)
            && data.checked_add(end as u64).is_some_and(|end| end <= size);
        if !fits {
            return Err(format(format!(
                "the place of {name} is outside the file or not of its size; the file may be cut off"
            )));
        }
        let element = match info.dtype {
            Dtype::F64 => Element::F64,
            Dtype::F32 => Element::F32,
            Dtype::F16 => Element::F16,
            Dtype::BF16 => Element::Bf16,
            Dtype::I64 => Element::I64,
            _ => Element::Other,
        };
        let place = Place::Safetensors {
            start: data + start as u64,
            bytes: end - start,
        };
        let shape = info.shape;
        tensors.insert(
            name,
            Stored {
                shape,
                element,
                place,
            },
        );
    }
    Ok(tensors)
}

/// The pickle in the archive is parsed, never executed.
fn pytorch_list(path: &Path) -> Result<BTreeMap<String, Stored>, CheckpointError> {
    let reader = PytorchReader::new(path).map_err(|error| CheckpointError::Format {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })?;
    let stored = |tensor: pytorch_reader::Tensor| Stored {
        shape: tensor.shape().to_vec(),
        element: match tensor.dtype() {
            DType::F64 => Element::F64,
            DType::F32 => Element::F32,
            DType::F16 => Element::F16,
            DType::BF16 => Element::Bf16,
            DType::I64 => Element::I64,
            _ => Element::Other,
        },
        place: Place::Pytorch(tensor),
    };
    let tensors = reader.into_tensors().into_iter();
    Ok(tensors
        .map(|(name, tensor)| (name, stored(tensor)))
        .collect())
}

fn rename(
    tensors: BTreeMap<String, Stored>,
    name: impl Fn(&str) -> String,
) -> BTreeMap<String, Stored> {
    let renamed = tensors
        .into_iter()
        .map(|(old, stored)| (name(&old), stored));
    renamed.collect()
}

fn elements<const N: usize, T>(bytes: &[u8], element: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .map(|chunk| element(*chunk))
        .collect()
}
