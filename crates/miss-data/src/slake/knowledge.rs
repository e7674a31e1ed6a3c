//! SLAKE's knowledge graph.

use std::path::Path;

use crate::read::{Finding, Outcome, Place, Read, ReadError, read_capped};
use crate::record::Language;

/// The files of the graph below `KG/`, with their language: diseases, organs, and which organ belongs
/// to which.
pub const KNOWLEDGE_FILES: [(&str, Language); 6] = [
    ("en_disease.csv", Language::En),
    ("en_organ.csv", Language::En),
    ("en_organ_rel.csv", Language::En),
    ("disease.csv", Language::Zh),
    ("organ.csv", Language::Zh),
    ("organ_rel.csv", Language::Zh),
];
/// The folder of the graph, below the dataset's folder.
const KNOWLEDGE_DIR: &str = "KG";
/// The largest file has 0.3 MB. Each line may be a finding, which takes a hundred times its bytes.
const MAX_BYTES: u64 = 1 << 20;

/// One statement of the graph: `Joint`, `belong to`, `Motor System`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Triple {
    /// What is spoken of: a disease or an organ.
    pub head: String,
    /// What is said of it: `location`, `cause`, `function`.
    pub relation: String,
    /// The value: a name or a sentence.
    pub tail: String,
}

/// Reads the statements in `language` of the graph in the dataset's folder `root`, in file order.
///
/// # Errors
///
/// [`ReadError`] if a file cannot be read. A line that cannot be used is a finding.
pub fn read_knowledge(root: &Path, language: Language) -> Result<Read<Triple>, ReadError> {
    let mut all = Read {
        records: Vec::new(),
        findings: Vec::new(),
    };
    for (file, _) in KNOWLEDGE_FILES.iter().filter(|(_, of)| *of == language) {
        let path = root.join(KNOWLEDGE_DIR).join(file);
        let remedy = "the folder `KG` must hold the six tables of the knowledge graph";
        let read = parse_knowledge(&read_capped(&path, MAX_BYTES, remedy)?, &path)?;
        all.records.extend(read.records);
        all.findings.extend(read.findings);
    }
    Ok(all)
}

/// The statements of one table: a line with three names of columns, then lines of three fields. They
/// are separated by `#` where the first line has one, else by commas; there are no quotes, so that a
/// comma separates always and what follows the second one is the value. `path` names the bytes in
/// findings and errors.
///
/// # Errors
///
/// [`ReadError::Format`] for bytes that are no UTF-8 or whose first line has not three fields.
pub fn parse_knowledge(bytes: &[u8], path: &Path) -> Result<Read<Triple>, ReadError> {
    let format = |what: String| ReadError::Format {
        path: path.into(),
        expected: "a table of the knowledge graph",
        what,
    };
    let text = std::str::from_utf8(bytes).map_err(|source| format(source.to_string()))?;
    let mut lines = text.strip_prefix('\u{feff}').unwrap_or(text).lines();
    let heading = lines.next().unwrap_or_default();
    let separator = if heading.contains('#') { '#' } else { ',' };
    if heading.split(separator).count() != 3 {
        return Err(format(format!(
            "line 1 is {:?}, not three names of columns",
            heading.chars().take(80).collect::<String>()
        )));
    }
    let (mut records, mut findings) = (Vec::new(), Vec::new());
    for (index, line) in lines.enumerate() {
        let mut fields = line.splitn(3, separator).map(str::trim);
        let mut next = || fields.next().filter(|field| !field.is_empty());
        match (next(), next(), next()) {
            (Some(head), Some(relation), Some(tail)) => records.push(Triple {
                head: head.into(),
                relation: relation.into(),
                tail: tail.into(),
            }),
            _ if line.trim().is_empty() => {}
            _ => findings.push(Finding {
                file: path.into(),
                place: Place::Line(index + 2),
                outcome: Outcome::Dropped,
                what: format!(
                    "not three fields separated by `{separator}`; mend the line or fetch the file again"
                ),
            }),
        }
    }
    Ok(Read { records, findings })
}
