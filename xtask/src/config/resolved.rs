//! What a recipe means: every knob filled, checked and in the structs of the crates that use it.

use std::path::PathBuf;

use miss_data::SplitKind;
use miss_data::location::Convention;
use miss_data::text::VOCABULARY;
use miss_engine::{FinetuneConfig, PredictConfig, PretrainConfig};
use miss_model::{
    ImageEncoderConfig, ImageWork, ItcTargets, ModelConfig, Precision, Size, TextConfig,
};
use miss_transcap::Sampler;
use serde::Serialize;

use super::knobs::Knobs;
use super::written::Written;
use crate::captioner;
use crate::hash::hash_of;

/// Longest text the position embeddings of BERT reach.
const POSITIONS: usize = 512;

/// A recipe. Serialises to a TOML file that means the same when read again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Resolved {
    /// Names the folder of the outputs.
    pub name: String,
    /// Where all random streams start.
    pub seed: u64,
    pub data: DataConfig,
    pub split: SplitConfig,
    pub captions: CaptionsConfig,
    pub model: ModelConfig,
    pub pretrain: PretrainConfig,
    pub finetune: FinetuneConfig,
    pub predict: PredictConfig,
    pub report: ReportConfig,
}

/// Where the data lies.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataConfig {
    pub manifest: PathBuf,
    pub root: PathBuf,
}

/// How the questions are divided.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SplitConfig {
    pub kind: SplitKind,
    pub seed: u64,
    pub validation_fraction: f64,
    pub test_fraction: f64,
}

/// TransCap.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaptionsConfig {
    pub seed: u64,
    pub per_image: usize,
    pub sampler: Sampler,
    pub sides: Convention,
    /// Server, model, limits and caps; templates without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<PathBuf>,
}

impl CaptionsConfig {
    /// All that can change a caption: what the options say, not where they lie.
    pub fn identity(&self) -> impl Serialize + use<> {
        // Options that cannot be read stop the stage itself.
        let options = captioner::options_hash(self.options.as_deref()).ok();
        (self.seed, self.per_image, self.sampler, self.sides, options)
    }
}

/// What the report shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReportConfig {
    /// Training images shown with their captions.
    pub caption_examples: usize,
}

impl Resolved {
    /// Interprets what was written.
    ///
    /// # Errors
    ///
    /// Every problem found, one line each, with the place where it was written.
    pub fn new(written: &Written) -> Result<Self, Vec<String>> {
        let knobs = Knobs::new(written);
        let resolved = Self::read(&knobs);
        knobs.finish().map(|_known| resolved)
    }

    pub(super) fn read(knobs: &Knobs<'_>) -> Self {
        let seed = knobs.seed("seed", 0);
        let finetune = finetune(knobs, seed);
        let samplers = [
            ("whole-caption", Sampler::WholeCaption),
            ("per-attribute", Sampler::PerAttribute),
        ];
        let sides = [
            ("image-side", Convention::ImageSide),
            ("patient-side", Convention::PatientSide),
        ];
        let resolved = Self {
            name: knobs.name("name"),
            seed,
            data: data(knobs),
            split: split(knobs, seed),
            captions: CaptionsConfig {
                seed: knobs.seed("captions.seed", seed),
                per_image: knobs.whole("captions.per_image", 1..=100, 12),
                sampler: knobs.choice("captions.sampler", &samplers, Sampler::default()),
                sides: knobs.choice("captions.sides", &sides, Convention::default()),
                options: Some(knobs.path("captions.options", PathBuf::new))
                    .filter(|path| !path.as_os_str().is_empty()),
            },
            model: model(knobs),
            pretrain: pretrain(knobs, seed),
            predict: predict(knobs, &finetune),
            finetune,
            report: ReportConfig {
                caption_examples: knobs.whole("report.caption_examples", 0..=100, 6),
            },
        };
        resolved.check_together(knobs);
        resolved
    }

    /// Hash of all that can change a prediction: not the name, not where files lie, not the report.
    pub fn hash(&self) -> String {
        hash_of(&(
            (&self.split, self.captions.identity()),
            (&self.model, &self.pretrain, &self.finetune, &self.predict),
        ))
    }

    /// The recipe as a file that can be given to `--config`.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        let body = toml::to_string_pretty(self)?;
        Ok(format!(
            "# The recipe as it was run, every default filled in.\n# sha256 {}\n\n{body}",
            self.hash()
        ))
    }

    /// What no single knob can tell.
    fn check_together(&self, knobs: &Knobs<'_>) {
        for (key, size) in [
            ("pretrain.image_size", self.pretrain.image_size),
            ("finetune.image_size", self.finetune.image_size),
        ] {
            if let Err(error) = self.model.validate(size) {
                knobs.refuse(key, &error.to_string());
            }
        }
        if self.predict.image_size != self.finetune.image_size {
            let reason = format!(
                "fine-tuned weights take images of `finetune.image_size`, {} px; leave this key out",
                self.finetune.image_size
            );
            knobs.refuse("predict.image_size", &reason);
        }
        if self.split.validation_fraction + self.split.test_fraction >= 1.0 {
            let reason = "together with `split.validation_fraction` it leaves nothing to train on; make both smaller";
            knobs.refuse("split.test_fraction", reason);
        }
        for (stage, rate, least) in [
            (
                "pretrain",
                self.pretrain.learning_rate,
                self.pretrain.min_learning_rate,
            ),
            (
                "finetune",
                self.finetune.learning_rate,
                self.finetune.min_learning_rate,
            ),
        ] {
            if least > rate {
                let reason = format!(
                    "{least} is above `{stage}.learning_rate`, which falls to it; at most {rate}"
                );
                knobs.refuse(&format!("{stage}.min_learning_rate"), &reason);
            }
        }
    }
}

fn data(knobs: &Knobs<'_>) -> DataConfig {
    let manifest = knobs.path("data.manifest", PathBuf::new);
    knobs.required("data.manifest");
    let root = knobs.path("data.root", || {
        manifest.parent().map(PathBuf::from).unwrap_or_default()
    });
    DataConfig { manifest, root }
}

fn split(knobs: &Knobs<'_>, seed: u64) -> SplitConfig {
    let kinds = SplitKind::ALL.map(|kind| (kind.name(), kind));
    SplitConfig {
        kind: knobs.choice("split.kind", &kinds, SplitKind::ImageDisjoint),
        seed: knobs.seed("split.seed", seed),
        validation_fraction: knobs.number("split.validation_fraction", 0.0..=0.9, 0.1),
        test_fraction: knobs.number("split.test_fraction", 0.01..=0.9, 0.2),
    }
}

fn model(knobs: &Knobs<'_>) -> ModelConfig {
    let sizes = Size::ALL.map(|size| (size.name(), size));
    let precisions = [("fp32", Precision::Fp32), ("bf16", Precision::Bf16)];
    let works = [("once", ImageWork::Once), ("repeated", ImageWork::Repeated)];
    // The named size is the default of every other knob of the model.
    let ModelConfig {
        image,
        text,
        projection,
        precision,
        image_work,
    } = knobs
        .choice("model.size", &sizes, Size::Quickstart)
        .config();
    let image_width = knobs.whole("model.image.width", 1..=8192, image.width);
    let width = knobs.whole("model.text.width", 1..=8192, text.width);
    ModelConfig {
        image: ImageEncoderConfig {
            width: image_width,
            depth: knobs.whole("model.image.depth", 1..=128, image.depth),
            heads: knobs.whole("model.image.heads", 1..=128, image.heads),
            patch: knobs.whole("model.image.patch", 1..=64, image.patch),
            feed_forward: knobs.whole("model.image.feed_forward", 1..=32768, 4 * image_width),
            layer_norm_epsilon: knobs.number(
                "model.image.layer_norm_epsilon",
                1e-12..=1e-3,
                image.layer_norm_epsilon,
            ),
            layer_scale: knobs.truth("model.image.layer_scale", image.layer_scale),
        },
        text: TextConfig {
            width,
            depth: knobs.whole("model.text.depth", 1..=128, text.depth),
            heads: knobs.whole("model.text.heads", 1..=128, text.heads),
            feed_forward: knobs.whole("model.text.feed_forward", 1..=32768, 4 * width),
            vocabulary: knobs.whole("model.text.vocabulary", VOCABULARY..=VOCABULARY, VOCABULARY),
            positions: knobs.whole("model.text.positions", 64..=POSITIONS, POSITIONS),
            dropout: knobs.number("model.text.dropout", 0.0..=0.9, text.dropout),
            layer_norm_epsilon: knobs.number(
                "model.text.layer_norm_epsilon",
                1e-12..=1e-3,
                text.layer_norm_epsilon,
            ),
            // The pretraining of recipes is that of the joint encoder, which has neither.
            token_types: knobs.whole("model.text.token_types", 0..=0, 0),
            fusion_layer: knobs.whole("model.text.fusion_layer", 0..=0, 0),
        },
        projection: knobs.whole("model.projection", 1..=8192, projection),
        precision: knobs.choice("model.precision", &precisions, precision),
        image_work: knobs.choice("model.image_work", &works, image_work),
    }
}

fn pretrain(knobs: &Knobs<'_>, seed: u64) -> PretrainConfig {
    let targets = [
        ("diagonal", ItcTargets::Diagonal),
        ("same-caption", ItcTargets::SameCaption),
    ];
    PretrainConfig {
        epochs: knobs.whole("pretrain.epochs", 1..=10_000, 10),
        // A batch of one has no negative to match against.
        batch: knobs.whole("pretrain.batch", 2..=4096, 32),
        image_size: knobs.whole("pretrain.image_size", 16..=1024, 96),
        learning_rate: knobs.number("pretrain.learning_rate", 0.0..=1.0, 3e-4),
        min_learning_rate: knobs.number("pretrain.min_learning_rate", 0.0..=1.0, 1e-6),
        warmup_steps: knobs.whole("pretrain.warmup_steps", 0..=1_000_000, 20),
        weight_decay: knobs.number("pretrain.weight_decay", 0.0..=1.0, 0.05),
        queue: knobs.whole("pretrain.queue", 0..=1_000_000, 256),
        momentum: knobs.number("pretrain.momentum", 0.0..=1.0, 0.995),
        alpha: knobs.number("pretrain.alpha", 0.0..=1.0, 0.4),
        itc_targets: knobs.choice("pretrain.itc_targets", &targets, ItcTargets::Diagonal),
        caption_tokens: knobs.whole("pretrain.caption_tokens", 4..=POSITIONS, 30),
        checkpoint_every: knobs.whole("pretrain.checkpoint_every", 1..=1_000_000, 50),
        seed: knobs.seed("pretrain.seed", seed),
    }
}

fn finetune(knobs: &Knobs<'_>, seed: u64) -> FinetuneConfig {
    FinetuneConfig {
        epochs: knobs.whole("finetune.epochs", 1..=10_000, 10),
        batch: knobs.whole("finetune.batch", 1..=4096, 32),
        image_size: knobs.whole("finetune.image_size", 16..=1024, 96),
        learning_rate: knobs.number("finetune.learning_rate", 0.0..=1.0, 3e-4),
        min_learning_rate: knobs.number("finetune.min_learning_rate", 0.0..=1.0, 1e-6),
        warmup_steps: knobs.whole("finetune.warmup_steps", 0..=1_000_000, 20),
        weight_decay: knobs.number("finetune.weight_decay", 0.0..=1.0, 0.05),
        label_smoothing: knobs.number("finetune.label_smoothing", 0.0..=0.9, 0.1),
        drop_path: knobs.number("finetune.drop_path", 0.0..=0.9, 0.1),
        question_tokens: knobs.whole("finetune.question_tokens", 4..=POSITIONS, 30),
        checkpoint_every: knobs.whole("finetune.checkpoint_every", 1..=1_000_000, 50),
        seed: knobs.seed("finetune.seed", seed),
    }
}

fn predict(knobs: &Knobs<'_>, finetune: &FinetuneConfig) -> PredictConfig {
    PredictConfig {
        batch: knobs.whole("predict.batch", 1..=4096, 32),
        image_size: knobs.whole("predict.image_size", 16..=1024, finetune.image_size),
        beams: knobs.whole("predict.beams", 1..=64, 3),
        max_length: knobs.whole("predict.max_length", 3..=POSITIONS, 10),
        question_tokens: knobs.whole(
            "predict.question_tokens",
            4..=POSITIONS,
            finetune.question_tokens,
        ),
        mask_question_padding: knobs.truth("predict.mask_question_padding", true),
    }
}
