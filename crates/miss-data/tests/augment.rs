//! Training augmentations: each operation against Pillow and OpenCV, and what is drawn.

#![allow(clippy::unwrap_used)]

use miss_data::image::augment::{AugmentError, Augmentation, FILL, Operation, Plan};
use miss_data::image::{Region, RgbImage, stretch};
use rayon::prelude::*;

const WIDTH: usize = 20;
const HEIGHT: usize = 16;

/// The images of `augment_reference.py`.
fn reference() -> Vec<Vec<u8>> {
    let stack = image::load_from_memory(include_bytes!("augment.png")).unwrap();
    let bytes = stack.into_rgb8().into_raw();
    bytes
        .chunks(WIDTH * HEIGHT * 3)
        .map(<[u8]>::to_vec)
        .collect()
}

#[test]
fn every_operation_does_what_pillow_and_opencv_do() {
    // The levels that may lie between: OpenCV rounds the fractions of positions in two steps.
    let cases = [
        (Operation::AutoContrast, 0.0, 0),
        (Operation::Equalize, 0.0, 0),
        (Operation::Brightness, 1.36, 0),
        (Operation::Sharpness, 0.46, 0),
        (Operation::Sharpness, 1.9, 0),
        (Operation::ShearX, 0.15, 2),
        (Operation::ShearY, -0.3, 2),
        (Operation::TranslateX, 5.0, 0),
        (Operation::TranslateY, -2.5, 0),
        (Operation::Rotate, 15.0, 2),
        (Operation::Rotate, -30.0, 2),
    ];
    let reference = reference();
    assert_eq!(reference.len(), cases.len() + 1);
    for ((operation, amount, allowed), expected) in cases.into_iter().zip(&reference[1..]) {
        let found = operation.apply(amount, reference[0].clone(), WIDTH);
        assert_ne!(&found, &reference[0], "{operation:?} did nothing");
        let worst = found
            .iter()
            .zip(expected)
            .map(|(a, b)| a.abs_diff(*b))
            .max()
            .unwrap();
        assert!(worst <= allowed, "{operation:?} {amount}: off by {worst}");
    }
}

#[test]
fn what_changes_nothing_changes_nothing() {
    let pixels = &reference()[0];
    for (operation, amount) in [
        (Operation::Identity, 0.0),
        (Operation::Brightness, 1.0),
        (Operation::Sharpness, 1.0),
        (Operation::ShearX, 0.0),
        (Operation::ShearY, 0.0),
        (Operation::TranslateX, 0.0),
        (Operation::TranslateY, 0.0),
        (Operation::Rotate, 0.0),
        (Operation::Rotate, 360.0),
    ] {
        assert_eq!(
            &operation.apply(amount, pixels.clone(), WIDTH),
            pixels,
            "{operation:?}"
        );
    }
    // A single value has no contrast to spread and no histogram to flatten.
    for operation in [Operation::AutoContrast, Operation::Equalize] {
        assert_eq!(operation.apply(0.0, vec![77; 300], 10), [77; 300]);
    }
}

#[test]
fn moving_and_turning_are_exact_where_pixels_fall_on_pixels() {
    let pixels = &reference()[0];
    let at = |x: usize, y: usize| &pixels[(y * WIDTH + x) * 3..][..3];
    let left = Operation::TranslateX.apply(3.0, pixels.clone(), WIDTH);
    let down = Operation::TranslateY.apply(-2.0, pixels.clone(), WIDTH);
    let turned = Operation::Rotate.apply(180.0, pixels.clone(), WIDTH);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let found = |pixels: &[u8]| pixels[(y * WIDTH + x) * 3..][..3].to_vec();
            let fill = [FILL; 3].as_slice();
            let expected = if x + 3 < WIDTH { at(x + 3, y) } else { fill };
            assert_eq!(found(&left), expected);
            let expected = if y >= 2 { at(x, y - 2) } else { fill };
            assert_eq!(found(&down), expected);
            // About the middle as OpenCV counts it: pixel 0 has its centre at 0.
            let expected = if x > 0 && y > 0 {
                at(WIDTH - x, HEIGHT - y)
            } else {
                fill
            };
            assert_eq!(found(&turned), expected);
        }
    }
}

#[test]
fn amounts_are_those_of_the_published_scale() {
    for (operation, half, full) in [
        (Operation::Brightness, 1.0, 1.9),
        (Operation::Sharpness, 1.0, 1.9),
        (Operation::ShearX, 0.15, 0.3),
        (Operation::TranslateY, 5.0, 10.0),
        (Operation::Rotate, 15.0, 30.0),
    ] {
        assert!((operation.amount(0.5, false) - half).abs() < 1e-12);
        assert!((operation.amount(1.0, false) - full).abs() < 1e-12);
    }
    assert_eq!(Operation::Rotate.amount(0.5, true), -15.0);
    assert_eq!(Operation::Brightness.amount(0.5, true), 1.0);
}

fn plans(augmentation: &Augmentation, size: [u32; 2], n: u64) -> Vec<Plan> {
    (0..n)
        .map(|record| augmentation.plan(size, 5, 2, record))
        .collect()
}

/// Pearson's statistic against equal shares.
fn chi_square(counts: &[usize]) -> f64 {
    let expected = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
    counts
        .iter()
        .map(|&count| (count as f64 - expected).powi(2) / expected)
        .sum()
}

#[test]
fn operations_directions_and_mirrors_are_drawn_evenly() {
    let augmentation = Augmentation {
        flip: true,
        ..Augmentation::default()
    };
    let plans = plans(&augmentation, [300, 200], 20_000);
    let mut counts = [0; 10];
    let mut directions = [0; 2];
    for (operation, amount) in plans.iter().flat_map(|plan| &plan.operations) {
        counts[Operation::ALL
            .iter()
            .position(|known| known == operation)
            .unwrap()] += 1;
        if *operation == Operation::Rotate {
            directions[usize::from(*amount < 0.0)] += 1;
        }
    }
    // One in 100,000 for 9 degrees of freedom, and for 1.
    assert!(chi_square(&counts) < 39.3, "{counts:?}");
    assert!(chi_square(&directions) < 19.5, "{directions:?}");
    let flipped = plans.iter().filter(|plan| plan.flip).count();
    assert!(
        chi_square(&[flipped, plans.len() - flipped]) < 19.5,
        "{flipped}"
    );
    // None, one or two of two, each with one half: 1 : 2 : 1.
    let with = |n: usize| {
        plans
            .iter()
            .filter(|plan| plan.operations.len() == n)
            .count()
    };
    assert!(chi_square(&[with(0) + with(2), with(1)]) < 19.5);
    assert!(chi_square(&[with(0), with(2)]) < 19.5);
    assert!(
        self::plans(&Augmentation::default(), [30, 20], 999)
            .iter()
            .all(|plan| !plan.flip)
    );
}

#[test]
fn crops_have_the_areas_shapes_and_places_asked_for() {
    let (width, height) = (1000, 900);
    let plans = plans(&Augmentation::default(), [width, height], 20_000);
    let mut areas = [0; 4];
    let mut ratio_above_one = 0;
    for Plan { region, .. } in &plans {
        let Region {
            left,
            top,
            width: w,
            height: h,
        } = *region;
        assert!(left + w <= width && top + h <= height && w > 0 && h > 0);
        let area = f64::from(w) * f64::from(h) / 900_000.0;
        let ratio = f64::from(w) / f64::from(h);
        assert!((0.498..=1.0).contains(&area), "{area}");
        assert!((0.748..=1.337).contains(&ratio), "{ratio}");
        if area < 0.66 {
            // Up to here every shape fits into the image, so that nothing is drawn again.
            areas[(((area - 0.5) / 0.04) as usize).min(3)] += 1;
            ratio_above_one += usize::from(ratio > 1.0);
        }
    }
    let below: usize = areas.iter().sum();
    // Uniform in area, but for rounding to pixels; even in the logarithm of the ratio.
    assert!(chi_square(&areas) < 30.0, "{areas:?}");
    assert!(chi_square(&[ratio_above_one, below - ratio_above_one]) < 25.0);
    // The left edge is uniform over what is free: its mean share is one half.
    let shares: Vec<f64> = plans
        .iter()
        .filter(|plan| plan.region.width < width)
        .map(|plan| (f64::from(plan.region.left) + 0.5) / f64::from(width - plan.region.width + 1))
        .collect();
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    // Standard deviation of the mean: 0.289 / sqrt(20,000) = 0.002.
    assert!((mean - 0.5).abs() < 0.01, "{mean}");
}

#[test]
fn long_images_give_their_middle_and_none_is_too_small() {
    let plan = |size| Augmentation::default().plan(size, 0, 0, 0).region;
    let middle = Region {
        left: 4_933,
        top: 0,
        width: 133,
        height: 100,
    };
    assert_eq!(plan([10_000, 100]), middle);
    let middle = Region {
        left: 0,
        top: 4_933,
        width: 100,
        height: 133,
    };
    assert_eq!(plan([100, 10_000]), middle);
    assert_eq!(
        plan([1, 1]),
        Region {
            left: 0,
            top: 0,
            width: 1,
            height: 1
        }
    );
    assert_eq!(plan([0, 7]).width, 0);
    let wild = Augmentation {
        crop_ratio: [1e-300, 1e300],
        ..Augmentation::default()
    };
    for record in 0..100 {
        let region = wild.plan([7, 5], 0, 0, record).region;
        assert!(region.left + region.width <= 7 && region.top + region.height <= 5);
    }
}

fn noise() -> RgbImage {
    RgbImage::from_fn(64, 48, |x, y| {
        image::Rgb([(x * 4) as u8, (y * 5) as u8, (x * y) as u8])
    })
}

#[test]
fn a_plan_is_cropped_mirrored_and_changed_in_this_order() {
    let image = noise();
    let region = Region {
        left: 8,
        top: 4,
        width: 40,
        height: 40,
    };
    let plan = Plan {
        region,
        flip: true,
        operations: vec![(Operation::TranslateX, 5.0)],
    };
    let mut expected = image::imageops::crop_imm(&image, 8, 4, 40, 40).to_image();
    expected = RgbImage::from_raw(32, 32, stretch(&expected, 32, 32)).unwrap();
    image::imageops::flip_horizontal_in_place(&mut expected);
    let expected = Operation::TranslateX.apply(5.0, expected.into_raw(), 32);
    assert_eq!(plan.apply(&image, 32), expected);
    assert!(plan.apply(&image, 0).is_empty());
}

#[test]
fn what_is_drawn_depends_on_seed_epoch_and_record_alone() {
    let augmentation = Augmentation {
        magnitude: 9,
        probability: 1.0,
        ..Augmentation::default()
    };
    let image = noise();
    let pixels = |record: u32| {
        augmentation
            .plan([64, 48], 1, 3, u64::from(record))
            .apply(&image, 24)
    };
    let alone: Vec<_> = (0..64_u32).map(pixels).collect();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(4)
        .build()
        .unwrap();
    let together: Vec<_> = pool.install(|| (0..64_u32).into_par_iter().rev().map(pixels).collect());
    assert!(alone.iter().eq(together.iter().rev()));

    let plan = |seed, epoch, record| augmentation.plan([640, 480], seed, epoch, record);
    assert_ne!(plan(1, 3, 0), plan(2, 3, 0));
    assert_ne!(plan(1, 3, 0), plan(1, 4, 0));
    assert_ne!(plan(1, 3, 0), plan(1, 3, 1));
    // One option does not change what others draw.
    let more = Augmentation {
        operations: 5,
        ..augmentation.clone()
    };
    let more = more.plan([640, 480], 1, 3, 0);
    assert_eq!(more.region, plan(1, 3, 0).region);
    assert_eq!(more.operations[..2], plan(1, 3, 0).operations[..]);
}

#[test]
fn options_are_read_from_files_and_checked() {
    let read = |text: &str| toml::from_str::<Augmentation>(text);
    assert_eq!(read("").unwrap(), Augmentation::default());
    assert!(read("flip = true\ncrop-area = [0.2, 1.0]").unwrap().flip);
    assert!(read("flop = true").is_err());
    let told = |text: &str| read(text).unwrap().check().unwrap_err();
    assert_eq!(
        told("crop-area = [0.0, 1.0]"),
        AugmentError::Area([0.0, 1.0])
    );
    assert_eq!(
        told("crop-area = [0.9, 0.8]"),
        AugmentError::Area([0.9, 0.8])
    );
    assert_eq!(
        told("crop-area = [0.9, 1.1]"),
        AugmentError::Area([0.9, 1.1])
    );
    assert!(matches!(
        told("crop-area = [nan, 1.0]"),
        AugmentError::Area(_)
    ));
    assert!(matches!(
        told("crop-ratio = [1.0, inf]"),
        AugmentError::Ratio(_)
    ));
    assert_eq!(told("operations = 11"), AugmentError::Operations(11));
    assert_eq!(told("magnitude = 11"), AugmentError::Magnitude(11));
    assert_eq!(told("probability = 1.5"), AugmentError::Probability(1.5));
    assert!(told("magnitude = 11").to_string().contains("at most 10"));
    assert_eq!(Augmentation::default().check(), Ok(()));
}
