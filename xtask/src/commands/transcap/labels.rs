//! Whose images are captioned, and what is left out.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use miss_data::audit::{Images, PairKind, audit_figures};
use miss_data::format::Kind;
use miss_data::location::Convention;
use miss_data::record::select;
use miss_data::{Format, Part, Question, SplitKind, split};
use miss_transcap::map::Labelled;
use miss_transcap::map::class_folders::ClassMap;
use miss_transcap::map::table::TableMap;

use crate::captioned;
use crate::commands::data::{Dataset, named};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::rows;

#[derive(clap::Args)]
pub struct Labels {
    #[command(flatten)]
    dataset: Dataset,
    /// Whose left and right captions mean: the image's, as the paper's do, or the patient's
    #[arg(long, value_enum, default_value_t = Sides::Image)]
    sides: Sides,
    /// For class folders: what all images have in common and what each class means (TOML)
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
    /// A table of your own (CSV, TSV, JSON, lines of JSON) in place of a dataset
    #[arg(long, value_name = "FILE", requires = "map", conflicts_with_all = ["name", "root", "classes", "split"])]
    table: Option<PathBuf>,
    /// What the columns of that table mean (TOML; crates/miss-transcap, map::table, says how)
    #[arg(long, value_name = "FILE", requires = "table")]
    map: Option<PathBuf>,
    /// Folder of that table's images [default: the table's]
    #[arg(long, value_name = "DIR", requires = "table")]
    images: Option<PathBuf>,
    /// For questions: the division whose training images are captioned [default: image-disjoint; SLAKE: en]
    #[arg(long, value_name = "KIND")]
    split: Option<SplitKind>,
    /// Seed of a division that draws
    #[arg(long, default_value_t = 0)]
    split_seed: u64,
    /// A dataset of questions: images of its test part are left out, found by their pixels
    #[arg(long, value_name = "NAME|FILE")]
    against: Option<String>,
    /// Folder of its files [default: data/NAME, or the folder of a manifest file]
    #[arg(long, value_name = "DIR", requires = "against")]
    against_root: Option<PathBuf>,
    /// Only the first images, to try things out
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Sides {
    /// Left is the image's left
    Image,
    /// Left is the patient's left, for frontal images shown as usual
    Patient,
}

impl From<Sides> for Convention {
    fn from(sides: Sides) -> Self {
        match sides {
            Sides::Image => Self::ImageSide,
            Sides::Patient => Self::PatientSide,
        }
    }
}

impl Labels {
    /// The name of the dataset or table, and its images with what is said of them.
    pub fn read(&self) -> Result<(String, Vec<Labelled>), Failure> {
        let (name, images, mut labelled) = match (&self.table, &self.map) {
            (Some(table), Some(map)) => self.table(table, map)?,
            _ => self.dataset()?,
        };
        if let Some(against) = &self.against {
            let seen = Images::load(&images, labelled.iter().map(|one| &*one.image));
            let leaks = self.leaks(against, &labelled, &seen)?;
            let before = labelled.len();
            labelled.retain(|one| !leaks.contains(&one.image));
            println!(
                "{} of {before} images left out: they are test images of {against}, or the same picture",
                before - labelled.len()
            );
        }
        labelled.truncate(self.limit.unwrap_or(usize::MAX));
        Ok((name, labelled))
    }

    /// Name, folder of images, and images of a table.
    fn table(&self, table: &Path, map: &Path) -> Result<(String, PathBuf, Vec<Labelled>), Failure> {
        let map =
            TableMap::read(map).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        let read = map.labelled(table).map_err(Failure::data)?;
        captioned::tell(&read);
        let stem = table.file_stem().unwrap_or(table.as_os_str());
        let images = match &self.images {
            Some(folder) => folder.clone(),
            None => table.parent().unwrap_or(Path::new("")).to_owned(),
        };
        Ok((stem.to_string_lossy().into_owned(), images, read.records))
    }

    /// Name, folder of images, and images of a dataset.
    fn dataset(&self) -> Result<(String, PathBuf, Vec<Labelled>), Failure> {
        let (manifest, root) = self.dataset.open()?;
        let format = manifest.format;
        let labelled = match format.kind() {
            Kind::Questions => {
                let questions = rows::questions(format, &root)?;
                let train = self.training(format, &questions)?;
                captioned::of_questions(format, &root, &train, self.sides.into())?
            }
            Kind::LabelledImages => {
                captioned::of_labels(format, &root, &self.class_map()?, self.sides.into())?
            }
            Kind::Figures => {
                let message = format!("the images of {} have captions already", manifest.name);
                return Err(Failure::new(Exit::Usage, message));
            }
        };
        Ok((manifest.name, root.join(format.images_dir()), labelled))
    }

    fn training<'a>(
        &self,
        format: Format,
        questions: &'a [Question],
    ) -> Result<Vec<&'a Question>, Failure> {
        let kind = self.split.unwrap_or(match format {
            Format::Slake => SplitKind::En,
            _ => SplitKind::ImageDisjoint,
        });
        let split = split::make(kind, questions, self.split_seed, 0.1, 0.2)
            .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        println!(
            "training images of the division {} {}",
            split.name,
            split.hash()
        );
        select(questions, &split.train).map_err(Failure::data)
    }

    fn class_map(&self) -> Result<ClassMap, Failure> {
        let Some(path) = &self.classes else {
            return Ok(ClassMap::default());
        };
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(
                Exit::Usage,
                format!("cannot read {}: {error}", path.display()),
            )
        })?;
        ClassMap::parse(&text)
            .map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", path.display())))
    }

    /// The images that are test images of the dataset `name`.
    fn leaks(
        &self,
        name: &str,
        labelled: &[Labelled],
        seen: &Images,
    ) -> Result<HashSet<String>, Failure> {
        let (manifest, folder) = named(name)?;
        let folder = self.against_root.clone().unwrap_or(folder);
        let questions = rows::questions(manifest.format, &folder)?;
        let test: Vec<&Question> = questions
            .iter()
            .filter(|row| row.part == Some(Part::Test))
            .collect();
        if test.is_empty() {
            let message = format!("{name} has no test part to leave out");
            return Err(Failure::new(Exit::Usage, message));
        }
        let images = folder.join(manifest.format.images_dir());
        let tested = Images::load(&images, test.iter().map(|row| &*row.image));
        let unread = seen.unread.iter().chain(&tested.unread).next();
        if let Some(error) = unread {
            let message = format!("{error}; an image that cannot be looked at may be a test image");
            return Err(Failure::new(Exit::Data, message));
        }
        let shown = labelled.iter().map(|one| (&*one.image, &*one.image));
        let audit = audit_figures(shown, seen, &test, &tested);
        Ok(audit
            .pairs
            .into_iter()
            .filter(|pair| is_same_picture(pair.kind))
            .map(|pair| pair.train)
            .collect())
    }
}

/// Similar pictures, as neighbouring slices, stay in: the audit tells of them.
fn is_same_picture(kind: PairKind) -> bool {
    matches!(
        kind,
        PairKind::ImageName | PairKind::ImageBytes | PairKind::NearIdenticalImage
    )
}
