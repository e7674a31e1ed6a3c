//! Laying one small copy over the other, so that a cropped copy is seen as what it is.
//!
//! Cropping shifts and stretches either axis. The four numbers of that are found by least squares
//! (Lucas and Kanade, IJCAI 1981), together with a gain and an offset of brightness, first on smooth
//! copies, whose slopes reach far, then on sharper ones.

use super::{REACH, SIDE};

/// Steps on smooth copies, and as many on sharper ones.
const STEPS: usize = 2;
/// Largest stretch and shift, as a share of half a side: crops of up to six percent a side.
const LIMIT: f64 = 0.12;
/// Pixels at the edges that are left out, as nothing may lie under them.
const MARGIN: usize = 4;
/// Keeps the equations solvable where an image has no slopes.
const RIDGE: f64 = 1e-3;

/// Scale less 1 and shift along x, then along y; 1 is half a side.
type Placement = [f64; 4];

/// The correlation of detail when `moved` is laid over `still`.
pub(super) fn aligned(still: &[u8], moved: &[u8]) -> f64 {
    let still: Vec<f64> = still.iter().map(|&value| f64::from(value)).collect();
    let moved: Vec<f64> = moved.iter().map(|&value| f64::from(value)).collect();
    let mut placement = [0.0; 4];
    let smooth = |image: &[f64]| mean_about(&mean_about(image, REACH), REACH);
    let sharper = |image: &[f64]| mean_about(image, 1);
    for (a, b) in [
        (smooth(&still), smooth(&moved)),
        (sharper(&still), sharper(&moved)),
    ] {
        for _ in 0..STEPS {
            let Some(change) = step(&a, &placed(&b, &placement)) else {
                return 0.0;
            };
            for (number, change) in placement.iter_mut().zip(change) {
                *number = (*number + change).clamp(-LIMIT, LIMIT);
            }
        }
    }
    correlation(&detail(&still), &detail(&placed(&moved, &placement)))
}

/// The middle of a pixel, from -1 to 1 over the side.
fn middle(place: usize) -> f64 {
    (place as f64 + 0.5) / (SIDE as f64 / 2.0) - 1.0
}

/// Two neighbouring pixels and how far the sought place is from the first to the second.
fn between(place: usize, stretch: f64, shift: f64) -> (usize, f64) {
    let half = SIDE as f64 / 2.0;
    let at = (middle(place) * (1.0 + stretch) + shift + 1.0) * half - 0.5;
    let at = at.clamp(0.0, (SIDE - 1) as f64);
    let first = (at as usize).min(SIDE - 2);
    (first, at - first as f64)
}

/// The image with its axes stretched and shifted, interpolated linearly, the edge's value going on.
fn placed(image: &[f64], placement: &Placement) -> Vec<f64> {
    let [stretch_x, shift_x, stretch_y, shift_y] = *placement;
    let along = |stretch, shift| -> Vec<(usize, f64)> {
        (0..SIDE).map(|at| between(at, stretch, shift)).collect()
    };
    let (xs, ys) = (along(stretch_x, shift_x), along(stretch_y, shift_y));
    let mut placed = Vec::with_capacity(image.len());
    for &(y, down) in &ys {
        for &(x, right) in &xs {
            let row = |y: usize| {
                let pixels = &image[y * SIDE + x..];
                pixels[0] * (1.0 - right) + pixels[1] * right
            };
            placed.push(row(y) * (1.0 - down) + row(y + 1) * down);
        }
    }
    placed
}

/// How the placement must change for `moved` to come closer to `still`; none if that cannot be said.
fn step(still: &[f64], moved: &[f64]) -> Option<Placement> {
    // The normal equations of six unknowns, the right side in the last column.
    let mut equations = [[0.0; 7]; 6];
    for (row, equation) in equations.iter_mut().enumerate() {
        equation[row] = RIDGE;
    }
    let half = SIDE as f64 / 2.0;
    for (place, (x, y)) in inner() {
        let slope_x = (moved[place + 1] - moved[place - 1]) / 2.0 * half;
        let slope_y = (moved[place + SIDE] - moved[place - SIDE]) / 2.0 * half;
        let line = [
            slope_x * middle(x),
            slope_x,
            slope_y * middle(y),
            slope_y,
            moved[place],
            1.0,
            still[place] - moved[place],
        ];
        for (equation, factor) in equations.iter_mut().zip(line) {
            for (sum, value) in equation.iter_mut().zip(line) {
                *sum += factor * value;
            }
        }
    }
    let solved = solve(equations)?;
    Some([solved[0], solved[1], solved[2], solved[3]])
}

/// Gauss's elimination with the largest pivot.
fn solve(mut equations: [[f64; 7]; 6]) -> Option<[f64; 6]> {
    for column in 0..6 {
        let size = |row: &usize| equations[*row][column].abs();
        let pivot = (column..6).max_by(|a, b| size(a).total_cmp(&size(b)))?;
        equations.swap(column, pivot);
        let leading = equations[column];
        if leading[column].abs() < f64::MIN_POSITIVE {
            return None;
        }
        for (row, equation) in equations.iter_mut().enumerate() {
            if row != column {
                let factor = equation[column] / leading[column];
                for (value, lead) in equation.iter_mut().zip(leading) {
                    *value -= factor * lead;
                }
            }
        }
    }
    let mut solution = [0.0; 6];
    for (row, value) in solution.iter_mut().enumerate() {
        *value = equations[row][6] / equations[row][row];
    }
    Some(solution)
}

/// Places away from the edges, with their x and y.
fn inner() -> impl Iterator<Item = (usize, (usize, usize))> {
    let inside = MARGIN..SIDE - MARGIN;
    inside
        .clone()
        .flat_map(move |y| inside.clone().map(move |x| (y * SIDE + x, (x, y))))
}

fn detail(image: &[f64]) -> Vec<f64> {
    let smooth = mean_about(image, REACH);
    image.iter().zip(smooth).map(|(a, b)| a - b).collect()
}

/// The mean of the square about each pixel, the edge's value going on.
fn mean_about(image: &[f64], reach: usize) -> Vec<f64> {
    let across = means_of_rows(image, reach);
    let down = means_of_rows(&transposed(&across), reach);
    transposed(&down)
}

fn means_of_rows(image: &[f64], reach: usize) -> Vec<f64> {
    let width = 2 * reach + 1;
    let mut means = Vec::with_capacity(image.len());
    for row in image.chunks_exact(SIDE) {
        let at = |place: usize| row[place.saturating_sub(reach).min(SIDE - 1)];
        means.extend((0..SIDE).map(|place| {
            let sum: f64 = (place..place + width).map(at).sum();
            sum / width as f64
        }));
    }
    means
}

fn transposed(image: &[f64]) -> Vec<f64> {
    (0..SIDE * SIDE)
        .map(|place| image[place % SIDE * SIDE + place / SIDE])
        .collect()
}

/// Pearson's, away from the edges; 0 where either is flat.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let count = inner().count() as f64;
    let mean = |of: &[f64]| inner().map(|(place, _)| of[place]).sum::<f64>() / count;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut products, mut squares_a, mut squares_b) = (0.0, 0.0, 0.0);
    for (place, _) in inner() {
        let (a, b) = (a[place] - mean_a, b[place] - mean_b);
        products += a * b;
        squares_a += a * a;
        squares_b += b * b;
    }
    let both = (squares_a * squares_b).sqrt();
    if both > f64::EPSILON {
        products / both
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_equations_are_solved() {
        // x1 = 1, .., x6 = 6, in equations that need their rows exchanged.
        let rows: [[f64; 6]; 6] = std::array::from_fn(|row| {
            std::array::from_fn(|column| match (row, column) {
                (0, 0) => 0.0,
                _ => 1.0 / (1.0 + ((row * 5 + column * 3) % 7) as f64),
            })
        });
        let equations = rows.map(|row| {
            let right = (0..6).map(|column| row[column] * (column + 1) as f64).sum();
            let mut equation = [0.0; 7];
            equation[..6].copy_from_slice(&row);
            equation[6] = right;
            equation
        });
        let solved = solve(equations).unwrap();
        for (place, value) in solved.into_iter().enumerate() {
            assert!((value - (place + 1) as f64).abs() < 1e-9, "{solved:?}");
        }
        assert_eq!(solve([[0.0; 7]; 6]), None);
    }

    /// Blurred spots, so that there are slopes.
    fn spots(seed: u64) -> Vec<u8> {
        let noise: Vec<f64> = (0..SIDE * SIDE)
            .map(|place| (crate::mix(&[seed, place as u64]) % 256) as f64)
            .collect();
        let smooth = mean_about(&mean_about(&noise, 2), 2);
        let stretched = smooth.iter().map(|value| (value - 127.5) * 5.0 + 127.5);
        stretched
            .map(|value| value.clamp(0.0, 255.0) as u8)
            .collect()
    }

    #[test]
    fn a_placement_is_found_again_and_other_images_do_not_fit() {
        let still = spots(1);
        let image: Vec<f64> = still.iter().map(|&value| f64::from(value)).collect();
        for placement in [
            [0.0; 4],
            [0.04, 0.0, 0.04, 0.0],
            [-0.03, 0.02, 0.02, -0.03],
            [0.0, -0.05, 0.0, 0.0],
        ] {
            let moved: Vec<u8> = placed(&image, &placement)
                .into_iter()
                .map(|value| (0.8 * value + 20.0).round() as u8)
                .collect();
            let fits = aligned(&moved, &still);
            assert!(fits > 0.95, "{placement:?}: {fits}");
        }
        for seed in 2..12 {
            let fits = aligned(&still, &spots(seed));
            assert!(fits < 0.6, "seed {seed}: {fits}");
        }
        assert_eq!(aligned(&still, &vec![7; SIDE * SIDE]), 0.0);
    }
}
