//! Weights of others: reading their files into our modules, and writing ours in their names.
//!
//! [`Checkpoint::open`] lists a file's tensors and tells its [`Family`] by their names;
//! [`Checkpoint::load`] fills a module and accounts for everything in a [`LoadReport`].
//! [`export_hugging_face`] writes a model that Hugging Face's BLIP classes open.

mod error;
mod family;
mod fit;
mod hugging_face;
mod hugging_face_json;
mod leftovers;
mod names;
mod plan;
mod reasons;
mod report;
mod source;
mod values;

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};

pub use error::CheckpointError;
pub use family::Family;
pub use hugging_face::export_hugging_face;
pub use names::original_names;
pub use report::{LoadEntry, LoadReport};

use crate::queues::Queues;
use family::Table;
use plan::{Plan, Planner};
use source::Source;

/// A file of weights, opened: names and shapes are known, values are read when they are loaded.
pub struct Checkpoint {
    source: Source,
    family: Family,
    table: Table,
}

/// What to do with the token type embeddings of BERT and ALBEF in a module that keeps none, as BLIP
/// and MISS (`reference.md` 3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenTypes {
    /// Row 0 is added to every position embedding: for texts of one segment, which is all there are
    /// here, the encoder computes what it did where it was trained.
    #[default]
    Fold,
    /// Left out, as the authors of BLIP and MISS do: states differ from BERT's from the first layer
    /// on. For a comparison with their runs.
    Drop,
}

/// How to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// Whether anything unexpected is an error ([`LoadReport::problems`]). It is by default.
    pub strict: bool,
    /// Load the momentum copies (`…_m.`) of a pretraining checkpoint, into [`crate::Encoders`].
    pub momentum: bool,
    /// Token types in a module that keeps none.
    pub token_types: TokenTypes,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            strict: true,
            momentum: false,
            token_types: TokenTypes::default(),
        }
    }
}

impl Checkpoint {
    /// Opens a `.safetensors` file, a PyTorch archive (`.pth`, `.pt`, `.bin`, `.ckpt`; its pickle is
    /// parsed and never executed), or a folder that holds `model.safetensors` or
    /// `pytorch_model.bin`. In a training checkpoint the model is looked for under the usual keys.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is damaged, or is of no known family.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let source = Source::open(path, |tensors| Family::of(tensors).is_some())?;
        let Some(family) = Family::of(&source.tensors) else {
            return Err(CheckpointError::UnknownFamily {
                path: source.path,
                count: 0,
                names: String::new(),
            });
        };
        let table = family.table(&source.tensors);
        Ok(Self {
            source,
            family,
            table,
        })
    }

    /// What the file was taken for.
    pub fn family(&self) -> Family {
        self.family
    }

    /// The file; the one in the folder if a folder was opened.
    pub fn path(&self) -> &Path {
        &self.source.path
    }

    /// Fills the parameters of `module`: any of this crate's models, [`crate::Encoders`],
    /// [`crate::ImageEncoder`] or [`crate::TextStack`].
    ///
    /// Values become fp32. Position embeddings of another grid are interpolated
    /// ([`crate::interpolate_positions`]); of a shorter vocabulary the words are taken that there
    /// are. The decoder that BERT's and ALBEF's pretraining files do not have is filled from their
    /// encoder, as the references do. What the file has nothing for keeps its values.
    ///
    /// # Errors
    ///
    /// When a tensor cannot be read, and with [`LoadOptions::strict`] when there is anything that
    /// a file of this family does not lead one to expect.
    pub fn load<M: Module>(
        &self,
        module: M,
        options: &LoadOptions,
    ) -> Result<(M, LoadReport), CheckpointError> {
        let parameters = names::parameters(&module);
        let planner = Planner::new(&self.source, &self.table, self.family, options, &parameters);
        let Plan {
            takes,
            mut report,
            tied,
        } = planner.plan();
        for tied in tied {
            self.compare(&tied, &mut report)?;
        }
        if options.strict && report.problems().next().is_some() {
            return Err(CheckpointError::Strict {
                path: self.source.path.clone(),
                family: self.family,
                report: Box::new(report),
            });
        }
        let mut fill = Fill {
            path: Vec::new(),
            source: &self.source,
            takes: &takes,
            failed: None,
        };
        let module = module.map(&mut fill);
        match fill.failed {
            Some(error) => Err(error),
            None => Ok((module, report)),
        }
    }

    /// The queues of a pretraining checkpoint, on the plain device behind `device`; none if it has
    /// none.
    ///
    /// # Errors
    ///
    /// When they cannot be read or their shapes do not go together.
    pub fn queues(&self, device: &Device) -> Result<Option<Queues>, CheckpointError> {
        let tensors = &self.source.tensors;
        let (Some(image), Some(text)) = (tensors.get("image_queue"), tensors.get("text_queue"))
        else {
            return Ok(None);
        };
        let ([width, size], true) = (image.shape.as_slice(), image.shape == text.shape) else {
            let reason = "the two queues are not matrices of one shape".to_string();
            return Err(self.source.tensor_error("image_queue", reason));
        };
        let pointer = match tensors.contains_key("queue_ptr") {
            true => self.source.integers("queue_ptr")?.first().copied(),
            false => Some(0),
        };
        let pointer = pointer
            .and_then(|pointer| usize::try_from(pointer).ok())
            .filter(|pointer| pointer < size)
            .ok_or_else(|| {
                let reason = format!("it is no column of a queue of {size}");
                self.source.tensor_error("queue_ptr", reason)
            })?;
        let device = device.clone().inner();
        let queue = |name: &str| -> Result<Tensor<2>, CheckpointError> {
            let data = TensorData::new(self.source.floats(name)?, [*width, *size]);
            Ok(Tensor::from_data(data, &device))
        };
        Ok(Some(Queues {
            image: queue("image_queue")?,
            text: queue("text_queue")?,
            // Which captions they were is not in the file.
            captions: vec![None; *size],
            pointer,
        }))
    }

    /// Two names of one tensor must have one value.
    fn compare(
        &self,
        tied: &leftovers::Tied,
        report: &mut LoadReport,
    ) -> Result<(), CheckpointError> {
        let files = |name: &str| self.table.tensors.get(name).cloned().unwrap_or_default();
        let read = |name: &str| -> Result<Vec<f32>, CheckpointError> {
            let mut values = Vec::new();
            for tensor in files(name) {
                values.extend(self.source.floats(&tensor)?);
            }
            Ok(values)
        };
        let equal = read(&tied.copy)? == read(&tied.original)?;
        let copy = files(&tied.copy).join(" + ");
        let stored = self.source.tensors.get(&copy);
        let mut entry = LoadEntry {
            parameter: None,
            shape: Vec::new(),
            stored: stored.map_or_else(Vec::new, |stored| stored.shape.clone()),
            tensor: Some(copy),
            reason: "equal to the tensor that it is tied to".into(),
            expected: equal,
        };
        match equal {
            true => report.ignored.push(entry),
            false => {
                entry.reason = format!("this model ties it to {}, which differs", tied.original);
                report.mismatched.push(entry);
            }
        }
        Ok(())
    }
}

struct Fill<'a> {
    path: Vec<String>,
    source: &'a Source,
    takes: &'a BTreeMap<String, plan::Take>,
    failed: Option<CheckpointError>,
}

impl ModuleMapper for Fill<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(take) = self.takes.get(&self.path.join(".")) else {
            return param;
        };
        if self.failed.is_some() {
            return param;
        }
        match values::read(self.source, take, &param) {
            Ok(data) => {
                let id = param.id;
                let value = Tensor::from_data(data, &param.lazy_device());
                param.transform_for_load(value, id)
            }
            Err(error) => {
                self.failed = Some(error);
                param
            }
        }
    }
}
