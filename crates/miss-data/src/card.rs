//! What people and catalogues are told about a dataset: a card in Markdown, and Croissant 1.0
//! (MLCommons) in JSON-LD.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::format::Format;
use crate::manifest::{Access, FileEntry, Manifest, Source, SourceKind, encoded};

/// The dataset card: what it is, its counts, licence and terms, what to beware of, how to have it,
/// and how to cite it.
#[must_use]
pub fn markdown(manifest: &Manifest) -> String {
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    let _ = write_card(&mut text, manifest);
    text
}

fn write_card(text: &mut String, manifest: &Manifest) -> std::fmt::Result {
    writeln!(text, "# {}\n", line(&manifest.title))?;
    writeln!(text, "| | |\n|---|---|")?;
    let mut row = |name: &str, value: &str| writeln!(text, "| {name} | {} |", cell(value));
    row("name", &format!("`{}`", manifest.name))?;
    row("version", &manifest.version)?;
    row("licence", &manifest.licence)?;
    row(
        "access",
        match manifest.access {
            Access::Open => "open to whoever accepts the licence",
            Access::Gated => "gated, see below",
        },
    )?;
    row("homepage", &manifest.homepage)?;
    let unhashed = unhashed(manifest);
    row(
        "files",
        &match (manifest.files.len(), unhashed) {
            (0, _) => "not known".to_owned(),
            (files, 0) => format!("{files}, {} bytes, all hashed", manifest.bytes()),
            (files, unhashed) => format!(
                "{files}, {} bytes known, {unhashed} without a hash (unverified)",
                manifest.bytes()
            ),
        },
    )?;
    row("content", &format!("`{}`", manifest.hash()))?;

    if !manifest.counts.is_empty() {
        let source = match manifest.counts_verified {
            true => "Found in the files.",
            false => "As published; not checked (unverified).",
        };
        writeln!(
            text,
            "\n## Counts\n\n{source}\n\n| what | number |\n|---|---:|"
        )?;
        for (name, count) in &manifest.counts {
            writeln!(text, "| {name} | {count} |")?;
        }
    }
    writeln!(text, "\n## Licence and terms\n")?;
    writeln!(
        text,
        "{}. {}",
        manifest.licence,
        line(&manifest.licence_note)
    )?;
    if !manifest.terms.is_empty() {
        writeln!(text, "\n{}", line(&manifest.terms))?;
    }
    if !manifest.notes.is_empty() {
        writeln!(text, "\n## Beware\n")?;
        for note in &manifest.notes {
            writeln!(text, "- {}", line(note))?;
        }
    }
    writeln!(text, "\n## How to get it\n")?;
    if manifest.access == Access::Open && manifest.sources.iter().any(is_fetched) {
        writeln!(text, "- `data fetch {} --accept-licence`", manifest.name)?;
    }
    if let Some(folder) = &manifest.mirror {
        writeln!(
            text,
            "- `data fetch {} --mirror PLACE --accept-licence` from the folder `{folder}` of a mirror",
            manifest.name
        )?;
    }
    for source in &manifest.sources {
        let state = if source.verified { "" } else { " (unverified)" };
        let address = manifest.address(source);
        writeln!(text, "- {address}{state}: {}", line(&source.note))?;
    }
    if !manifest.citation.is_empty() {
        writeln!(text, "\n## Citation\n\n{}", line(&manifest.citation))?;
    }
    Ok(())
}

/// The dataset in Croissant 1.0: every file whose hash is known as a `FileObject`, the folder of
/// images as a `FileSet`, and a `recordSet` for each table that readers of JSON or CSV can take
/// apart.
///
/// Files without a hash are left out, since the standard asks for one.
#[must_use]
pub fn croissant(manifest: &Manifest) -> Value {
    let mut distribution: Vec<Value> = manifest
        .files
        .iter()
        .filter_map(|entry| file_object(manifest, entry))
        .collect();
    distribution.extend(images(manifest));
    let record_sets: Vec<Value> = manifest
        .files
        .iter()
        .filter(|entry| entry.sha256.is_some())
        .filter_map(|entry| record_set(manifest.format, &entry.path))
        .collect();
    let mut dataset = json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": manifest.name,
        "description": description(manifest),
        "license": licence_address(&manifest.licence),
        "url": manifest.homepage,
        "citeAs": manifest.citation,
        "distribution": distribution,
        "recordSet": record_sets,
    });
    // The standard wants MAJOR.MINOR.PATCH; publishers of data have their own ideas.
    let semantic = manifest.version.split('.').count() == 3
        && manifest
            .version
            .split('.')
            .all(|part| part.parse::<u32>().is_ok());
    if semantic {
        dataset["version"] = json!(manifest.version);
    }
    dataset
}

fn description(manifest: &Manifest) -> String {
    let counts: Vec<String> = manifest
        .counts
        .iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    let state = match manifest.counts_verified {
        true => "",
        false => " (as published, unverified)",
    };
    let mut text = format!("{} ({}).", manifest.title, manifest.version);
    if !counts.is_empty() {
        let _ = write!(text, " Counts: {}{state}.", counts.join(", "));
    }
    for part in [&manifest.licence_note, &manifest.terms] {
        if !part.is_empty() {
            let _ = write!(text, " {part}");
        }
    }
    for note in &manifest.notes {
        let _ = write!(text, " {note}");
    }
    text
}

fn file_object(manifest: &Manifest, entry: &FileEntry) -> Option<Value> {
    let (hash, bytes) = (entry.sha256.as_ref()?, entry.bytes?);
    // Where a source gives the file by itself, its address; otherwise its place in the folder.
    let address = manifest
        .sources
        .iter()
        .filter(|source| source.kind == SourceKind::Files)
        .find_map(|source| {
            let base = manifest.address(source);
            let name = source.name_of(&entry.path)?;
            Some(format!("{}/{}", base.trim_end_matches('/'), encoded(&name)))
        });
    Some(json!({
        "@type": "cr:FileObject",
        // Identifiers are addresses: no spaces.
        "@id": encoded(&entry.path),
        "name": entry.path,
        "contentUrl": address.unwrap_or_else(|| entry.path.clone()),
        "contentSize": format!("{bytes} B"),
        "encodingFormat": media_type(&entry.path),
        "sha256": hash,
    }))
}

/// The folder of images as one set, of the kind of its first file.
fn images(manifest: &Manifest) -> Option<Value> {
    let folder = manifest.format.images_dir();
    let inside = |entry: &&FileEntry| {
        let below = entry.path.strip_prefix(folder);
        below.is_some_and(|path| path.starts_with('/'))
            && media_type(&entry.path).starts_with("image/")
    };
    let kind = media_type(&manifest.files.iter().find(inside)?.path);
    Some(json!({
        "@type": "cr:FileSet",
        "@id": "image-files",
        "name": "image-files",
        "description": format!("All images below `{folder}`."),
        "encodingFormat": kind,
        "includes": format!("{folder}/**/*.{}", if kind == "image/png" { "png" } else { "jpg" }),
    }))
}

/// The columns of a table that a generic reader can take apart.
fn record_set(format: Format, path: &str) -> Option<Value> {
    let columns: &[&str] = match (format, path) {
        (Format::VqaRad, crate::vqa_rad::QUESTIONS_FILE) => &[
            "image_name",
            "question",
            "answer",
            "answer_type",
            "phrase_type",
        ],
        (Format::VqaRadMevf, "trainset.json" | "testset.json") => {
            &["image_name", "question", "answer", "answer_type"]
        }
        (Format::Slake, "train.json" | "validate.json" | "test.json") => &[
            "qid",
            "img_name",
            "question",
            "answer",
            "q_lang",
            "answer_type",
        ],
        (Format::Medicat, path) if path.ends_with(".jsonl") => {
            &["pdf_hash", "fig_uri", "s2_caption"]
        }
        (Format::Rocov2, path) if path.ends_with("_captions.csv") => &["ID", "Caption"],
        (Format::Rocov2, path) if path.ends_with("_concepts.csv") => &["ID", "CUIs"],
        (Format::RsnaPneumonia, "stage_2_train_labels.csv") => {
            &["patientId", "x", "y", "width", "height", "Target"]
        }
        (Format::RsnaPneumonia, "stage_2_detailed_class_info.csv") => &["patientId", "class"],
        _ => return None,
    };
    let (stem, extension) = path.rsplit_once('.')?;
    let id = format!("records-{}", stem.to_lowercase().replace(' ', "-"));
    let fields: Vec<Value> = columns
        .iter()
        .map(|column| {
            let extract = match extension {
                "json" => json!({"jsonPath": format!("$[*].{column}")}),
                _ => json!({"column": column}),
            };
            let kind = match *column {
                "qid" | "Target" => "sc:Integer",
                "x" | "y" | "width" | "height" => "sc:Float",
                _ => "sc:Text",
            };
            json!({
                "@type": "cr:Field",
                "@id": format!("{id}/{column}"),
                "name": column,
                "dataType": kind,
                "source": {"fileObject": {"@id": encoded(path)}, "extract": extract},
            })
        })
        .collect();
    Some(json!({"@type": "cr:RecordSet", "@id": id, "name": id, "field": fields}))
}

/// What the words of the standard mean, as it prescribes.
fn context() -> Value {
    let mut words = json!({
        "@language": "en",
        "@vocab": "https://schema.org/",
        "sc": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "dct": "http://purl.org/dc/terms/",
        "conformsTo": "dct:conformsTo",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
    });
    for word in [
        "citeAs",
        "column",
        "equivalentProperty",
        "extract",
        "field",
        "fileProperty",
        "fileObject",
        "fileSet",
        "format",
        "includes",
        "isLiveDataset",
        "jsonPath",
        "key",
        "md5",
        "parentField",
        "path",
        "recordSet",
        "references",
        "regex",
        "repeated",
        "replace",
        "samplingRate",
        "separator",
        "source",
        "subField",
        "transform",
    ] {
        words[word] = json!(format!("cr:{word}"));
    }
    words
}

/// Where an SPDX licence is defined; another one is given as it is.
fn licence_address(licence: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.+".contains(&byte);
    if licence.starts_with("LicenseRef-") || !licence.bytes().all(plain) {
        return licence.to_owned();
    }
    format!("https://spdx.org/licenses/{licence}.html")
}

fn media_type(path: &str) -> &'static str {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "json" => "application/json",
        "jsonl" => "application/jsonlines",
        "csv" => "text/csv",
        "txt" => "text/plain",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "dcm" => "application/dicom",
        _ => "application/octet-stream",
    }
}

fn is_fetched(source: &Source) -> bool {
    !matches!(source.kind, SourceKind::ByHand | SourceKind::MadeFrom)
}

fn unhashed(manifest: &Manifest) -> usize {
    let files = manifest.files.iter();
    files.filter(|entry| entry.sha256.is_none()).count()
}

/// Text that cannot begin another paragraph.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text that cannot end its cell.
fn cell(text: &str) -> String {
    line(text).replace('|', "\\|")
}
