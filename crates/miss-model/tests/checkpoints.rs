//! Loading checkpoints: formats, what a report says, what strict refuses, and what a damaged file does.
#![allow(clippy::unwrap_used)]

mod support;

use burn::tensor::Device;
use miss_model::{
    Checkpoint, Encoders, Family, LoadEntry, LoadOptions, PretrainModel, VqaModel, original_names,
};
use safetensors::Dtype;
use support::files::{
    LENIENT, assert_accounted, lenient, of_parameters, of_tensors, report_of, size, strict,
    tensors, values, vqa, write, write_as,
};
use support::{Fixture, config, export, folders, load, model_config};

#[test]
fn original_archive_and_hugging_face_files_give_one_model() {
    for folder in folders("vqa") {
        let device = Device::flex();
        let open = |name: &str| strict(&folder.join(name), vqa(&folder, &device)).unwrap();
        let (model, report) = open("model.safetensors");
        assert_accounted(&model, &report);
        assert_eq!(report.loaded.len(), original_names(&model).len());
        let ours = values(&model);
        let file = tensors(&folder.join("model.safetensors"));
        for (name, values) in &ours {
            assert_eq!(*values, file[name].1, "{name}");
        }
        for other in ["model.pth", "model_hf.safetensors"] {
            let (model, report) = open(other);
            assert_accounted(&model, &report);
            assert_eq!(values(&model), ours, "{other}");
        }
        // Beside the model the archive holds a training state.
        let report = open("model.pth").1;
        let ignored = of_tensors(&report.ignored);
        assert!(
            ignored.iter().any(|name| name.ends_with("position_ids")),
            "{ignored:?}"
        );
        let summary = report.to_string();
        assert!(summary.contains("0 mismatched"), "{summary}");
    }
}

#[test]
fn families_are_told_by_their_names() {
    let expected = [
        ("vqa", "model.pth", Family::Blip),
        ("vqa", "model.safetensors", Family::Blip),
        ("vqa", "model_hf.safetensors", Family::HuggingFaceBlip),
        ("pretrain", "model.safetensors", Family::Blip),
        ("albef_without_jtm", "model.safetensors", Family::Albef),
        ("albef_without_jtm", "model_vqa.safetensors", Family::Albef),
    ];
    for (kind, file, family) in expected {
        for folder in folders(kind) {
            let path = folder.join(file);
            assert_eq!(
                Checkpoint::open(&path).unwrap().family(),
                family,
                "{path:?}"
            );
        }
    }
}

#[test]
fn strict_refuses_what_lenient_reports() {
    let folder = tempfile::tempdir().unwrap();
    for fixture in folders("vqa") {
        let device = Device::flex();
        let path = folder.path().join("model.safetensors");
        let file = tensors(&fixture.join("model.safetensors"));

        // A tensor too few: the parameter keeps its value.
        let mut fewer = file.clone();
        fewer.remove("visual_encoder.norm.weight").unwrap();
        write(&path, &fewer);
        let report = report_of(strict(&path, vqa(&fixture, &device)).unwrap_err());
        assert_eq!(
            of_parameters(&report.initialised),
            ["image_encoder.norm.gamma"]
        );
        let (model, lenient_report) = lenient(&path, vqa(&fixture, &device));
        assert_eq!(report, lenient_report);
        assert!(
            values(&model)["visual_encoder.norm.weight"]
                .iter()
                .all(|v| *v == 1.0)
        );

        // A tensor too many.
        let mut more = file.clone();
        more.insert(
            "text_encoder.adapter.weight".into(),
            (vec![2], vec![0.0; 2]),
        );
        write(&path, &more);
        let error = strict(&path, vqa(&fixture, &device)).unwrap_err();
        assert!(
            error.to_string().contains("text_encoder.adapter.weight"),
            "{error}"
        );
        let problems = report_of(error);
        assert_eq!(problems.problems().count(), 1);

        // A deeper file: its layers are not cut off in silence.
        let mut shallow = model_config(&config(&fixture));
        shallow.image.depth -= 1;
        let model = VqaModel::new(&shallow, size(&fixture), &device);
        let report = report_of(strict(&fixture.join("model.safetensors"), model).unwrap_err());
        let block = format!("visual_encoder.blocks.{}.", shallow.image.depth);
        let cut: Vec<&LoadEntry> = report.problems().collect();
        assert_eq!(cut.len(), 12, "{report}");
        assert!(
            cut.iter()
                .all(|e| e.tensor.as_ref().unwrap().starts_with(&block))
        );

        // Another width.
        let mut wide = model_config(&config(&fixture));
        wide.projection += 1;
        wide.text.feed_forward += 1;
        let model = VqaModel::new(&wide, size(&fixture), &device);
        let before = values(&model);
        let error = strict(&fixture.join("model.safetensors"), model.clone()).unwrap_err();
        let report = report_of(error);
        // In each layer of encoder and decoder: weight and bias of the one, weight of the other.
        assert_eq!(report.mismatched.len(), 2 * 3 * wide.text.depth, "{report}");
        let (model, _) = lenient(&fixture.join("model.safetensors"), model);
        let name = "text_encoder.encoder.layer.0.intermediate.dense.weight";
        assert_eq!(values(&model)[name], before[name]);
    }
}

#[test]
fn copies_of_a_tied_tensor_may_be_absent_and_must_agree() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let head = "text_decoder.cls.predictions";
    let words = "text_decoder.bert.embeddings.word_embeddings.weight".to_string();
    for fixture in folders("vqa") {
        let device = Device::flex();
        let file = tensors(&fixture.join("model.safetensors"));
        let whole = values(&load(
            vqa(&fixture, &device),
            &Fixture::read(&fixture.join("model.safetensors")),
            false,
        ));
        let absences = [
            vec![format!("{head}.decoder.weight")],
            vec![format!("{head}.decoder.bias")],
            vec![format!("{head}.bias")],
            vec![words.clone()],
        ];
        for absent in absences {
            let mut partial = file.clone();
            for name in &absent {
                partial.remove(name).unwrap();
            }
            write(&path, &partial);
            let (model, _) = strict(&path, vqa(&fixture, &device)).unwrap();
            assert_eq!(values(&model), whole, "without {absent:?}");
        }
        for copy in ["decoder.weight", "decoder.bias"] {
            let copy = format!("{head}.{copy}");
            let mut untied = file.clone();
            untied.get_mut(&copy).unwrap().1[3] += 0.5;
            write(&path, &untied);
            let report = report_of(strict(&path, vqa(&fixture, &device)).unwrap_err());
            assert_eq!(of_tensors(&report.mismatched), [copy.as_str()]);
        }
    }
}

#[test]
fn other_float_types_become_fp32() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    for fixture in folders("vqa") {
        let file = tensors(&fixture.join("model.safetensors"));
        let name = "visual_encoder.blocks.0.mlp.fc1.weight";
        let exact = &file[name].1;
        let read = || {
            let (model, _) = strict(&path, vqa(&fixture, &Device::flex())).unwrap();
            values(&model)[name].clone()
        };
        write_as(&path, &file, Dtype::F64, |v| {
            f64::from(v).to_le_bytes().to_vec()
        });
        assert_eq!(read(), *exact);
        // The upper half of an fp32 number is the bf16 number below it.
        write_as(&path, &file, Dtype::BF16, |v| v.to_le_bytes()[2..].to_vec());
        let truncated = |v: &f32| f32::from_bits(v.to_bits() & 0xffff_0000);
        assert_eq!(read(), exact.iter().map(truncated).collect::<Vec<_>>());
        // fp16 by hand: numbers that it can hold. 0x3555 is 0.333251953125, 0xc100 is −2.5.
        write_as(&path, &file, Dtype::F16, |v| match v < 0.0 {
            true => 0xc100u16.to_le_bytes().to_vec(),
            false => 0x3555u16.to_le_bytes().to_vec(),
        });
        let halves = |v: &f32| if *v < 0.0 { -2.5 } else { 0.333_251_95 };
        assert_eq!(read(), exact.iter().map(halves).collect::<Vec<f32>>());
        // Integers are no weights.
        write_as(&path, &file, Dtype::I32, |v| {
            (v as i32).to_le_bytes().to_vec()
        });
        assert!(strict(&path, vqa(&fixture, &Device::flex())).is_err());
    }
}

#[test]
fn a_pretraining_file_fills_every_model() {
    for folder in folders("pretrain") {
        let device = Device::flex();
        let path = folder.join("model.safetensors");
        let file = tensors(&path);
        let (sizes, size) = (model_config(&config(&folder)), size(&folder));

        let fresh = PretrainModel::new(&sizes, size, &device);
        let (model, report) = strict(&path, fresh.clone()).unwrap();
        assert_accounted(&model, &report);
        assert!(of_parameters(&report.loaded).contains(&"temperature"));
        let tied = report.ignored.iter().filter(|e| e.reason.contains("tied"));
        // 36 shared tensors, and two names of the head's (the fixture's README).
        assert_eq!(tied.count(), 38);

        let momentum = LoadOptions {
            momentum: true,
            ..LoadOptions::default()
        };
        let checkpoint = Checkpoint::open(&path).unwrap();
        let (encoders, report): (Encoders, _) = checkpoint.load(fresh.encoders, &momentum).unwrap();
        assert_accounted(&encoders, &report);
        for (name, values) in export(&encoders, None, true) {
            assert_eq!(values, file[&name].1, "{name}");
        }

        let queues = checkpoint.queues(&device).unwrap().unwrap();
        assert_eq!(queues.pointer, 20);
        let text: Vec<f32> = queues.text.try_into_vec_as().unwrap();
        assert_eq!(text, file["text_queue"].1);

        // The decoder of pretraining attends to images, that of question answering to text.
        let (model, report) = lenient(&path, VqaModel::new(&sizes, size, &device));
        let problems: Vec<&str> = of_parameters(&report.mismatched);
        if sizes.image.width == sizes.text.width {
            assert_accounted(&model, &report);
        } else {
            assert_eq!(problems.len(), 2 * sizes.text.depth, "{report}");
            for problem in problems {
                let fits = problem.starts_with("text_decoder.layers.")
                    && (problem.ends_with("cross_attention.key.weight")
                        || problem.ends_with("cross_attention.value.weight"));
                assert!(fits, "{problem}");
            }
            assert!(strict(&path, VqaModel::new(&sizes, size, &device)).is_err());
        }
    }
}

#[test]
fn an_answering_file_has_no_queues_and_no_pretraining_heads() {
    for folder in folders("vqa") {
        let path = folder.join("model.safetensors");
        let device = Device::flex();
        let checkpoint = Checkpoint::open(&path).unwrap();
        assert!(checkpoint.queues(&device).unwrap().is_none());
        let sizes = model_config(&config(&folder));
        let model = PretrainModel::new(&sizes, size(&folder), &device);
        let report = report_of(strict(&path, model).unwrap_err());
        let missing = of_parameters(&report.initialised);
        assert!(missing.contains(&"temperature"), "{missing:?}");
        assert!(missing.contains(&"matching_head.weight"), "{missing:?}");
        // Fine-tuned decoders have diverged from the encoder that pretraining ties them to.
        assert!(!report.mismatched.is_empty());
    }
}

#[test]
fn damaged_and_hostile_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Checkpoint::open(&path)
    };
    for name in ["a.safetensors", "a.pth"] {
        assert!(open(name, b"").is_err());
        assert!(open(name, b"not a weights file, only text of some length").is_err());
        assert!(open(name, &[0xff; 64]).is_err());
    }
    assert!(open("a.npz", b"PK\x03\x04").is_err());
    assert!(Checkpoint::open(folder.path()).is_err());
    assert!(Checkpoint::open(&folder.path().join("absent.pth")).is_err());
    // A header that claims the whole address space.
    assert!(open("a.safetensors", &u64::MAX.to_le_bytes()).is_err());
    // Tensors outside the file, of overflowing sizes, and of sizes that are not theirs.
    for entry in [
        r#"{"dtype":"F32","shape":[4],"data_offsets":[0,16]}"#,
        r#"{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}"#,
        r#"{"dtype":"F32","shape":[1],"data_offsets":[8,4]}"#,
        r#"{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]}"#,
        r#"{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}"#,
    ] {
        let header = format!(r#"{{"visual_encoder.cls_token":{entry}}}"#);
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        assert!(open("a.safetensors", &bytes).is_err(), "{entry}");
    }
    // A pickle that would run a command where pickles are run.
    let trace = folder.path().join("trace");
    let pickle = format!("cposix\nsystem\n(Vtouch {}\ntR.", trace.display());
    assert!(open("a.pth", pickle.as_bytes()).is_err());
    assert!(!trace.exists());

    for fixture in folders("vqa") {
        for name in ["model.safetensors", "model.pth"] {
            let bytes = std::fs::read(fixture.join(name)).unwrap();
            // Cut off anywhere, the file is refused when it is opened or when it is read.
            for part in 0..40 {
                let cut = &bytes[..bytes.len() * part / 40];
                let refused = match open(name, cut) {
                    Err(_) => true,
                    Ok(file) => file.load(vqa(&fixture, &Device::flex()), &LENIENT).is_err(),
                };
                assert!(refused, "{name} cut to {} bytes", cut.len());
            }
            // Bytes changed at random: an error or other values, no panic.
            let mut state = 1u64;
            for _ in 0..200 {
                let mut damaged = bytes.clone();
                for _ in 0..4 {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
                    let place = (state >> 33) as usize % damaged.len().min(1 << 14);
                    damaged[place] = (state >> 56) as u8;
                }
                if let Ok(file) = open(name, &damaged) {
                    let _ = file.load(vqa(&fixture, &Device::flex()), &LENIENT);
                }
            }
        }
    }
}

#[test]
fn an_unknown_model_is_refused_with_some_of_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resnet.safetensors");
    let tensors = [("layer1.0.conv1.weight".to_string(), (vec![1], vec![0.0]))];
    write(&path, &tensors.into());
    let error = Checkpoint::open(&path).err().unwrap().to_string();
    assert!(error.contains("layer1.0.conv1.weight"), "{error}");
}
