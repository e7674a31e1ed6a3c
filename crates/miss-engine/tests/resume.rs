//! A run that is stopped and called again ends as an undisturbed one, to the byte.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use miss_data::{AnswerType, Captions, ImageSet, Language, Part, Question};
use miss_engine::{
    Device, Ended, FinetuneConfig, ImageEncoderConfig, ImageWork, ItcTargets, ModelConfig,
    Observer, Pair, Precision, PredictConfig, PretrainConfig, Pretrained, StepEvent, TextConfig,
    finetune, predict, pretrain,
};

/// Stops after a number of steps.
struct StopAfter(usize);

impl Observer for StopAfter {
    fn step(&mut self, _: &StepEvent) {
        self.0 = self.0.saturating_sub(1);
    }
    fn stop(&mut self) -> bool {
        self.0 == 0
    }
}

/// Burn's CPU backend has one random generator for the whole process: runs beside each other would
/// draw from one stream.
static GENERATOR: Mutex<()> = Mutex::new(());

const NEVER: usize = usize::MAX;

fn model() -> ModelConfig {
    ModelConfig {
        image: ImageEncoderConfig {
            width: 16,
            depth: 2,
            heads: 2,
            patch: 8,
            feed_forward: 64,
            layer_norm_epsilon: 1e-6,
            layer_scale: false,
        },
        text: TextConfig {
            width: 16,
            depth: 2,
            heads: 2,
            feed_forward: 32,
            vocabulary: 30_524,
            positions: 32,
            dropout: 0.1,
            layer_norm_epsilon: 1e-12,
            token_types: 0,
            fusion_layer: 0,
        },
        projection: 8,
        precision: Precision::Fp32,
        image_work: ImageWork::Once,
    }
}

fn pretrain_config() -> PretrainConfig {
    PretrainConfig {
        epochs: 3,
        batch: 4,
        image_size: 16,
        learning_rate: 1e-3,
        min_learning_rate: 1e-5,
        warmup_steps: 2,
        weight_decay: 0.05,
        queue: 10,
        momentum: 0.9,
        alpha: 0.4,
        // Keys of captions must survive a restart too.
        itc_targets: ItcTargets::SameCaption,
        caption_tokens: 16,
        checkpoint_every: 2,
        seed: 11,
    }
}

fn finetune_config() -> FinetuneConfig {
    FinetuneConfig {
        epochs: 4,
        batch: 3,
        image_size: 24,
        learning_rate: 1e-3,
        min_learning_rate: 0.0,
        warmup_steps: 0,
        weight_decay: 0.05,
        label_smoothing: 0.1,
        drop_path: 0.1,
        question_tokens: 20,
        checkpoint_every: 2,
        seed: 11,
    }
}

/// Six little images of different grey and their names.
fn images(folder: &Path, size: u32) -> (ImageSet, Vec<String>) {
    let names: Vec<String> = (0..6).map(|index| format!("{index}.png")).collect();
    for (index, name) in names.iter().enumerate() {
        let image = image::RgbImage::from_fn(20, 20, |x, y| {
            let grey = (index as u32 * 40 + (x * y) % 30) as u8;
            image::Rgb([grey, grey, grey.wrapping_add(10)])
        });
        image.save(folder.join(name)).unwrap();
    }
    (ImageSet::load(folder, names.clone(), size).unwrap(), names)
}

fn pairs(names: &[String]) -> Vec<Pair> {
    names
        .iter()
        .enumerate()
        .map(|(index, name)| Pair {
            image: name.clone(),
            captions: Captions::Whole(vec![
                format!("an image of case {index}"),
                "a chest x-ray".to_string(),
            ]),
        })
        .collect()
}

fn question(index: usize, image: &str) -> Question {
    Question {
        id: format!("made/{index}"),
        image: image.to_string(),
        question: format!("is case {index} even?"),
        answer: if index.is_multiple_of(2) { "yes" } else { "no" }.to_string(),
        answer_type: AnswerType::Closed,
        question_types: Vec::new(),
        organ: None,
        modality: None,
        language: Language::En,
        part: Some(Part::Train),
        linked_id: None,
    }
}

/// Runs pretraining, stopped after each of `stops` steps in turn, to its end.
fn pretrained(folder: &Path, images: &ImageSet, names: &[String], stops: &[usize]) {
    fs::create_dir_all(folder).unwrap();
    let run = |stop| {
        let mut observer = StopAfter(stop);
        pretrain(
            &model(),
            &pretrain_config(),
            &pairs(names),
            images,
            &Device::flex(),
            folder,
            &mut observer,
        )
        .unwrap()
    };
    for stop in stops {
        assert_eq!(run(*stop), Ended::Stopped);
    }
    assert_eq!(run(NEVER), Ended::Finished);
}

#[test]
fn pretraining_goes_on_to_the_byte_and_fine_tuning_too() {
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let (small_images, names) = images(&small, 16);
    let (large_images, _) = images(&small, 24);
    let questions: Vec<Question> = (0..10)
        .map(|index| question(index, &names[index % 6]))
        .collect();
    let (train, validation): (Vec<&Question>, Vec<&Question>) = (
        questions[..7].iter().collect(),
        questions[7..].iter().collect(),
    );

    // Steps are counted over both runs: the two stops are one and four steps into the second.
    let mut outcomes = Vec::new();
    for (name, stops) in [
        ("whole", vec![]),
        ("stopped", vec![1, 3]),
        ("between states", vec![5]),
    ] {
        let at = folder.path().join(name).join("pretrain");
        pretrained(&at, &small_images, &names, &stops);
        let tune = folder.path().join(name).join("finetune");
        fs::create_dir_all(&tune).unwrap();
        let run = |stop| {
            finetune(
                &model(),
                &finetune_config(),
                Some(Pretrained {
                    weights: &at.join("model.safetensors"),
                    image_size: 16,
                }),
                &train,
                &validation,
                &large_images,
                &Device::flex(),
                &tune,
                &mut StopAfter(stop),
            )
            .unwrap()
        };
        for stop in stops {
            assert_eq!(run(stop), Ended::Stopped);
        }
        assert_eq!(run(NEVER), Ended::Finished);
        // A finished run has nothing left to do.
        assert_eq!(run(NEVER), Ended::Finished);
        let config = PredictConfig {
            batch: 4,
            image_size: 24,
            beams: 3,
            max_length: 6,
            question_tokens: 20,
            mask_question_padding: true,
        };
        let rows: Vec<&Question> = questions.iter().collect();
        let answers = predict(
            &model(),
            &config,
            &tune.join("model.safetensors"),
            &rows,
            &large_images,
            &Device::flex(),
            &mut StopAfter(NEVER),
        )
        .unwrap()
        .unwrap();
        assert_eq!(answers.len(), 10);
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        assert!(!at.join("state").exists() && !tune.join("state").exists());
        outcomes.push((
            read(&at.join("losses.jsonl")),
            read(&tune.join("losses.jsonl")),
            read(&tune.join("validation.jsonl")),
            answers,
        ));
    }
    assert_eq!(outcomes[0].0.lines().count(), 6);
    assert_eq!(outcomes[0].1.lines().count(), 12);
    assert_eq!(outcomes[0].2.lines().count(), 4);
    assert_eq!(outcomes[0], outcomes[1]);
    assert_eq!(outcomes[0], outcomes[2]);
}

#[test]
fn a_missing_image_and_a_missing_caption_are_named() {
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let (images, names) = images(folder.path(), 16);
    let mut pairs = pairs(&names);
    let run = |pairs: &[Pair]| {
        let mut observer = StopAfter(NEVER);
        pretrain(
            &model(),
            &pretrain_config(),
            pairs,
            &images,
            &Device::flex(),
            folder.path(),
            &mut observer,
        )
        .unwrap_err()
        .to_string()
    };
    pairs[2].captions = Captions::Whole(Vec::new());
    assert_eq!(
        run(&pairs),
        "record 2.png: it has no caption; leave the image out or caption it"
    );
    pairs[3].image = "gone.png".to_string();
    assert!(run(&pairs).starts_with("record gone.png names image gone.png, which was not loaded"));
}

#[test]
fn a_loss_that_is_not_a_number_stops_the_run_and_names_its_records() {
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let (images, names) = images(folder.path(), 16);
    let config = PretrainConfig {
        learning_rate: 1e30,
        warmup_steps: 0,
        ..pretrain_config()
    };
    let mut observer = StopAfter(NEVER);
    let error = pretrain(
        &model(),
        &config,
        &pairs(&names),
        &images,
        &Device::flex(),
        folder.path(),
        &mut observer,
    )
    .unwrap_err()
    .to_string();
    assert!(
        error.starts_with(
            "the loss of step 2 is NaN; lower the learning rate. Records of the step: "
        ) && error.ends_with(".png"),
        "{error}"
    );
}
