//! Distinct tuples of attributes of all kinds, drawn with a seed.

use std::collections::HashSet;

use miss_transcap::attributes::{
    Attributes, Class, Convention, Finding, Location, Modality, Organ, Pathology, Plane, Shape,
    Side, Size, Structure, Third,
};
use miss_transcap::map::Labelled;

pub fn tuples(count: usize, seed: u64) -> Vec<Attributes> {
    let mut all = Vec::with_capacity(count);
    let mut seen = HashSet::new();
    for number in 0.. {
        let one = tuple(seed, number).normalised();
        if one.check().is_ok() && seen.insert(one.clone()) {
            all.push(one);
        }
        if all.len() == count {
            break;
        }
    }
    all
}

/// Each tuple is of one image.
pub fn labelled(count: usize, seed: u64) -> Vec<Labelled> {
    let image = |(number, attributes)| Labelled {
        image: format!("patient-{number:05}/image.png"),
        attributes,
    };
    tuples(count, seed)
        .into_iter()
        .enumerate()
        .map(image)
        .collect()
}

fn tuple(seed: u64, number: u64) -> Attributes {
    let draw = |what: u64| miss_data::mix(&[seed, number, what]) as usize;
    let of_image = draw(0) % 2 == 0;
    let (modality, planes) = match draw(1) % 4 {
        0 => (Modality::Xray, &Plane::ALL[3..]),
        1 => (Modality::Ct, &Plane::ALL[..3]),
        2 => (Modality::MriT2, &Plane::ALL[..3]),
        _ => (Modality::MriFlair, &Plane::ALL[..3]),
    };
    let organs: Vec<Organ> = Organ::all().collect();
    let pathologies: Vec<Pathology> = Pathology::all().collect();
    let mut findings: Vec<Finding> = Vec::new();
    for which in 0..draw(2) as u64 % 3 {
        let draw = |what: u64| draw(10 * (which + 1) + what);
        let mut finding = Finding::new(pathologies[draw(0) % pathologies.len()]);
        if findings
            .iter()
            .any(|one| one.pathology == finding.pathology)
        {
            continue;
        }
        let counted = finding.pathology.plural().is_some() && draw(1) % 3 > 0;
        finding.count = counted.then(|| 1 + (draw(2) % 4) as u8);
        if draw(3) % 2 == 0 {
            let places = usize::from(finding.count.unwrap_or(1));
            let place = |place: u64| Location {
                height: [
                    Some(Third::Upper),
                    Some(Third::Middle),
                    Some(Third::Lower),
                    None,
                ][draw(100 * (place + 1)) % 4],
                side: Some([Side::Left, Side::Right][draw(100 * (place + 1) + 1) % 2]),
            };
            finding.locations = (0..places as u64).map(place).collect();
        }
        let size = [Size::Small, Size::Moderate, Size::Large][draw(4) % 3];
        finding.size = (draw(5) % 3 == 0).then_some(size);
        let shape = [Shape::Round, Shape::Oval, Shape::Irregular][draw(6) % 3];
        finding.shape = (draw(7) % 3 == 0).then_some(shape);
        findings.push(finding);
    }
    let classes = [Class::Normal, Class::NoFinding, Class::Abnormal];
    let class = (findings.is_empty() && draw(3) % 2 == 0).then(|| classes[draw(4) % 3]);
    let organ = organs[draw(5) % organs.len()];
    let other = organs[draw(6) % organs.len()];
    let structures = match draw(7) % 4 {
        0 if other != organ => vec![Structure {
            organ: other,
            side: None,
        }],
        _ => Vec::new(),
    };
    let sided = findings.iter().any(|one| !one.locations.is_empty());
    let sides = match of_image {
        true => Convention::ImageSide,
        false => Convention::PatientSide,
    };
    Attributes {
        modality: Some(modality),
        plane: Some(planes[draw(8) % 3]),
        organ: Some(organ),
        structures,
        class,
        findings,
        sides: sided.then_some(sides),
    }
}
