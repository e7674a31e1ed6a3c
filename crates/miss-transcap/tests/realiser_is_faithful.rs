//! The realiser and the verifier against each other: they share the lexicon and no rule.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use miss_data::mix;
use miss_transcap::attributes::{
    Attributes, Class, Convention, Finding, Location, Modality, Organ, Pathology, Plane, Shape,
    Side, Size, Structure, Third,
};
use miss_transcap::verify::verify;
use miss_transcap::{Sampler, realise};

/// Numbers that depend on a seed alone.
struct Draw(u64, u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.1 += 1;
        (mix(&[self.0, self.1]) % end as u64) as usize
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn maybe<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let known = self.below(3) > 0;
        known.then(|| self.one(of))
    }
}

const SIDES: [Side; 2] = [Side::Left, Side::Right];
const THIRDS: [Third; 3] = [Third::Upper, Third::Middle, Third::Lower];
const SIZES: [Size; 3] = [Size::Small, Size::Moderate, Size::Large];
const SHAPES: [Shape; 6] = [
    Shape::Round,
    Shape::Oval,
    Shape::Irregular,
    Shape::Lobulated,
    Shape::WedgeShaped,
    Shape::Linear,
];
const CLASSES: [Class; 4] = [
    Class::Normal,
    Class::NoFinding,
    Class::AbnormalWithoutOpacity,
    Class::Abnormal,
];

fn location(draw: &mut Draw) -> Location {
    let (height, side) = (draw.one(&THIRDS), draw.one(&SIDES));
    let known = draw.below(4);
    Location {
        height: (known != 0).then_some(height),
        side: (known != 1).then_some(side),
    }
}

fn finding(draw: &mut Draw, pathology: Pathology) -> Finding {
    let count = draw.maybe(&[1, 1, 2, 2, 3, 4, 7, 20]);
    let most = usize::from(count.unwrap_or(4)).min(4);
    let places = match draw.below(4) {
        0 => 0,
        1 => draw.below(most + 1),
        _ => usize::from(count.unwrap_or(2)).min(4),
    };
    Finding {
        pathology,
        count,
        locations: (0..places).map(|_| location(draw)).collect(),
        size: draw.maybe(&SIZES).filter(|_| draw.below(2) == 0),
        shape: draw.maybe(&SHAPES).filter(|_| draw.below(2) == 0),
    }
}

/// Organs of which there are two.
fn paired(organ: Organ) -> bool {
    organ.plural().is_some() && organ.id() != "tooth"
}

/// Any attributes that [`Attributes::check`] accepts, up to three findings and three organs.
fn attributes(draw: &mut Draw) -> Attributes {
    let organs: Vec<Organ> = Organ::all().collect();
    let pathologies: Vec<Pathology> = Pathology::all().collect();
    loop {
        let mut all = Attributes {
            modality: draw.maybe(&Modality::ALL),
            plane: draw.maybe(&Plane::ALL),
            organ: draw.maybe(&organs),
            class: draw.maybe(&CLASSES).filter(|_| draw.below(2) == 0),
            ..Attributes::default()
        };
        for _ in 0..draw.below(4).saturating_sub(1) {
            let organ = draw.one(&organs);
            let side = draw.maybe(&SIDES).filter(|_| paired(organ));
            if all.structures.iter().all(|known| known.organ != organ) && all.organ != Some(organ) {
                all.structures.push(Structure { organ, side });
                if side.is_some() && draw.below(2) == 0 {
                    let other = if side == Some(Side::Left) {
                        Side::Right
                    } else {
                        Side::Left
                    };
                    let side = Some(other);
                    all.structures.push(Structure { organ, side });
                }
            }
        }
        let found = match all.class {
            Some(Class::Normal | Class::NoFinding) => 0,
            _ => [0, 1, 1, 1, 2, 2, 3][draw.below(7)],
        };
        for _ in 0..found {
            let pathology = draw.one(&pathologies);
            let known = all.findings.iter().any(|one| one.pathology == pathology);
            let denied = all.class == Some(Class::AbnormalWithoutOpacity)
                && pathology.id() == "lung-opacity";
            if !known && !denied {
                all.findings.push(finding(draw, pathology));
            }
        }
        declare(
            &mut all,
            draw.one(&[Convention::ImageSide, Convention::PatientSide]),
        );
        if all.check().is_ok() {
            return all.normalised();
        }
    }
}

/// The convention, exactly if something has a side.
fn declare(all: &mut Attributes, sides: Convention) {
    let mut places = all.findings.iter().flat_map(|finding| &finding.locations);
    all.sides = places.any(|place| place.side.is_some()).then_some(sides);
}

fn other<T: Copy + PartialEq>(draw: &mut Draw, all: &[T], not: Option<T>) -> T {
    loop {
        let one = draw.one(all);
        if Some(one) != not {
            return one;
        }
    }
}

/// Attributes of which nothing that is true of `of` is true as a whole, by what was changed.
fn mutants(of: &Attributes, draw: &mut Draw) -> Vec<(&'static str, Attributes)> {
    let organs: Vec<Organ> = Organ::all().collect();
    let pathologies: Vec<Pathology> = Pathology::all().collect();
    let mut all: Vec<(&'static str, Attributes)> = Vec::new();
    let mut add = |name, change: &dyn Fn(&mut Attributes)| {
        let mut mutant = of.clone();
        change(&mut mutant);
        declare(&mut mutant, of.sides.unwrap_or(Convention::ImageSide));
        let mutant = mutant.normalised();
        if mutant != *of && mutant.check().is_ok() {
            all.push((name, mutant));
        }
    };
    let modality = other(draw, &Modality::ALL, of.modality);
    add("modality", &|one| one.modality = Some(modality));
    add("modality removed", &|one| one.modality = None);
    let plane = other(draw, &Plane::ALL, of.plane);
    add("plane", &|one| one.plane = Some(plane));
    add("plane removed", &|one| one.plane = None);
    let organ = other(draw, &organs, of.organ);
    if of.structures.iter().all(|known| known.organ != organ) {
        add("organ", &|one| one.organ = Some(organ));
    }
    for class in CLASSES {
        // What is named is abnormal, so that "abnormal" then says nothing.
        let same = !of.findings.is_empty()
            && class == Class::Abnormal
            && matches!(of.class, None | Some(Class::Abnormal));
        if !same {
            add("class", &|one| one.class = Some(class));
        }
    }
    if of.class != Some(Class::Abnormal) || of.findings.is_empty() {
        add("class removed", &|one| one.class = None);
    }
    for (index, structure) in of.structures.iter().enumerate() {
        // Named by the findings, too.
        let seat = matches!(
            structure.organ.id(),
            "brain" | "heart" | "kidney" | "liver" | "lung"
        );
        if seat && structure.side.is_none() && (!of.findings.is_empty() || of.class.is_some()) {
            continue;
        }
        add("structure removed", &|one| {
            one.structures.remove(index);
        });
        if let Some(side) = structure.side {
            let side = other(draw, &SIDES, Some(side));
            add("side of a structure", &|one| {
                one.structures[index].side = Some(side)
            });
        }
    }
    for (index, found) in of.findings.iter().enumerate() {
        let pathology = loop {
            let pathology = draw.one(&pathologies);
            if of.findings.iter().all(|one| one.pathology != pathology) {
                break pathology;
            }
        };
        add("pathology", &|one| {
            one.findings[index].pathology = pathology
        });
        add("finding removed", &|one| {
            one.findings.remove(index);
        });
        add("finding added", &|one| {
            one.findings.push(Finding::new(pathology))
        });
        if let Some(count) = found.count {
            add("count", &|one| one.findings[index].count = Some(count + 1));
            add("count", &|one| one.findings[index].count = Some(count - 1));
        }
        for place in 0..found.locations.len() {
            add("location removed", &|one| {
                one.findings[index].locations.remove(place);
            });
            if let Some(side) = found.locations[place].side {
                let side = other(draw, &SIDES, Some(side));
                add("side", &|one| {
                    one.findings[index].locations[place].side = Some(side)
                });
                add("side removed", &|one| {
                    one.findings[index].locations[place].side = None
                });
            }
            let height = other(draw, &THIRDS, found.locations[place].height);
            add("height", &|one| {
                one.findings[index].locations[place].height = Some(height)
            });
            add("height removed", &|one| {
                one.findings[index].locations[place].height = None
            });
        }
        let place = location(draw);
        add("location added", &|one| {
            one.findings[index].locations.push(place)
        });
        let size = other(draw, &SIZES, found.size);
        add("size", &|one| one.findings[index].size = Some(size));
        add("size removed", &|one| one.findings[index].size = None);
        let shape = other(draw, &SHAPES, found.shape);
        add("shape", &|one| one.findings[index].shape = Some(shape));
        add("shape removed", &|one| one.findings[index].shape = None);
    }
    if let Some(sides) = of.sides {
        let mut mutant = of.clone();
        mutant.sides = Some(other(
            draw,
            &[Convention::ImageSide, Convention::PatientSide],
            Some(sides),
        ));
        all.push(("sides", mutant));
    }
    all
}

/// Disagreements by what they are about, with examples; a test that fails shows them all.
#[derive(Default)]
struct Disagreements(BTreeMap<String, (usize, Vec<String>)>);

impl Disagreements {
    fn note(&mut self, kind: &str, text: impl FnOnce() -> String) {
        let (times, texts) = self.0.entry(kind.to_owned()).or_default();
        *times += 1;
        if texts.len() < 3 {
            texts.push(text());
        }
    }

    fn none(&self) {
        let lines: Vec<String> = self
            .0
            .iter()
            .map(|(kind, (times, texts))| format!("{times} × {kind}:\n  {}", texts.join("\n  ")))
            .collect();
        assert!(lines.is_empty(), "{}", lines.join("\n"));
    }

    fn accepted(&mut self, all: &Attributes, caption: &str) {
        let reasons = verify(all, caption);
        if !reasons.is_empty() {
            let texts: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            self.note(&texts.join("; "), || {
                format!("{caption}  {:?}", all.named())
            });
        }
    }
}

#[test]
fn every_caption_is_accepted() {
    let mut draw = Draw(1, 0);
    let mut wrong = Disagreements::default();
    let mut captions = 0;
    for seed in 0..1_500 {
        let all = attributes(&mut draw);
        for caption in realise(&all, 20, seed) {
            captions += 1;
            wrong.accepted(&all, &caption);
        }
    }
    wrong.none();
    assert!(captions >= 20_000, "only {captions} captions");
}

#[test]
fn every_caption_is_refused_for_other_attributes() {
    let mut draw = Draw(2, 0);
    let mut wrong = Disagreements::default();
    let mut pairs = 0;
    for seed in 0..1_500 {
        let all = attributes(&mut draw);
        let mut captions = realise(&all, 3, seed);
        let phrases = Sampler::PerAttribute.captions(&all, 5, seed);
        captions.push(phrases.draw(seed, 0, 0).into_owned());
        for (what, mutant) in mutants(&all, &mut draw) {
            for caption in &captions {
                pairs += 1;
                if verify(&mutant, caption).is_empty() {
                    wrong.note(what, || {
                        format!("{caption}  {:?} for {:?}", all.named(), mutant.named())
                    });
                }
            }
        }
    }
    wrong.none();
    assert!(pairs >= 50_000, "only {pairs} pairs");
}

#[test]
fn phrases_of_each_attribute_are_accepted_and_so_are_they_joined() {
    let mut draw = Draw(3, 0);
    let mut wrong = Disagreements::default();
    for seed in 0..1_000 {
        let all = attributes(&mut draw);
        for part in all.parts() {
            for caption in realise(&part, 5, seed) {
                wrong.accepted(&part, &caption);
            }
        }
        let phrases = Sampler::PerAttribute.captions(&all, 5, seed);
        for epoch in 0..5 {
            wrong.accepted(&all, &phrases.draw(seed, epoch, 0));
        }
    }
    wrong.none();
}
