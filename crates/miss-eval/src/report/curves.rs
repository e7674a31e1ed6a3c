//! Loss curves: every step faint, their moving average over it.

use maud::{Markup, html};

use super::LossSeries;
use super::units::thousands;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 210.0;
const LEFT: f64 = 42.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 34.0;
/// Up to so many points each is drawn as a dot, and none is averaged away.
const SHORT: usize = 60;
/// More columns than this cannot be told apart at the printed size.
const COLUMNS: usize = 300;

pub(super) fn section(losses: &[LossSeries]) -> Markup {
    html! {
        section #training {
            h2 { "Training" }
            @if losses.is_empty() { p { "No losses were recorded." } }
            @for stage in losses.chunk_by(|one, two| one.stage == two.stage) {
                h3 { (stage[0].stage) }
                div.curves { @for series in stage { (figure(series)) } }
            }
        }
    }
}

fn figure(series: &LossSeries) -> Markup {
    let points: Vec<(f64, f64)> = series
        .points
        .iter()
        .copied()
        .filter(|(x, y)| x.is_finite() && y.is_finite())
        .collect();
    let window = window(points.len());
    let smooth = moving_average(&points, window);
    html! {
        figure {
            figcaption {
                b { (series.name) }
                @if let (Some(first), Some(last)) = (smooth.first(), smooth.last()) {
                    span { (three_digits(first.1)) " → " (three_digits(last.1)) }
                }
            }
            @if points.is_empty() {
                p { "No finite values." }
            } @else {
                (chart(series, &points, &smooth))
                p.note {
                    @if window > 1 {
                        "line: mean of " (thousands(window)) " " (series.unit) "s; faint: every " (series.unit)
                    } @else {
                        "every " (series.unit)
                    }
                }
            }
        }
    }
}

fn chart(series: &LossSeries, points: &[(f64, f64)], smooth: &[(f64, f64)]) -> Markup {
    let xs = Axis::over(points.iter().map(|point| point.0), false);
    let ys = Axis::over(points.iter().map(|point| point.1), true);
    let x = |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * xs.share(value);
    let y = |value: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * ys.share(value);
    let path = |points: &[(f64, f64)]| {
        let corners: Vec<String> = points
            .iter()
            .map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1)))
            .collect();
        corners.join(" ")
    };
    let base = HEIGHT - BOTTOM;
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img"
            aria-label={ (series.name) " over " (series.unit) "s" } {
            @for tick in &ys.ticks {
                @let at = format!("{:.1}", y(*tick));
                line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(at) y2=(at) {}
                text x=(LEFT - 6.0) y={ (format!("{:.1}", y(*tick) + 3.5)) } text-anchor="end" { (ys.label(*tick)) }
            }
            line.axis x1=(LEFT) x2=(WIDTH - RIGHT) y1=(base) y2=(base) {}
            @for tick in &xs.ticks {
                @let at = format!("{:.1}", x(*tick));
                line.axis x1=(at) x2=(at) y1=(base) y2=(base + 4.0) {}
                text x=(at) y=(base + 15.0) text-anchor="middle" { (xs.label(*tick)) }
            }
            text.unit x=((LEFT + WIDTH - RIGHT) / 2.0) y=(HEIGHT - 5.0) text-anchor="middle" { (series.unit) }
            @if points.len() > SHORT {
                polyline.raw points=(path(&envelope(points))) {}
            }
            polyline.smooth points=(path(&thinned(smooth))) {}
            @if points.len() <= SHORT {
                @for point in smooth {
                    circle.smooth cx=(format!("{:.1}", x(point.0))) cy=(format!("{:.1}", y(point.1))) r="2.2" {}
                }
            }
        }
    }
}

/// Steps that are averaged: about a twentieth of the run, odd; a short series is shown as it is.
fn window(len: usize) -> usize {
    if len <= SHORT { 1 } else { (len / 20) | 1 }
}

/// Centred moving average; near the ends over the part of the window that exists.
fn moving_average(points: &[(f64, f64)], window: usize) -> Vec<(f64, f64)> {
    let mut sums = vec![0.0];
    for (_, value) in points {
        sums.push(sums[sums.len() - 1] + value);
    }
    let half = window / 2;
    let mean = |index: usize| {
        let from = index.saturating_sub(half);
        let to = (index + half + 1).min(points.len());
        (sums[to] - sums[from]) / (to - from) as f64
    };
    points
        .iter()
        .enumerate()
        .map(|(index, point)| (point.0, mean(index)))
        .collect()
}

/// The lowest and highest point of each column of a long series, so that no spike is lost.
fn envelope(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= 2 * COLUMNS {
        return points.to_vec();
    }
    let mut kept = Vec::new();
    for column in points.chunks(points.len().div_ceil(COLUMNS)) {
        let low = column
            .iter()
            .enumerate()
            .min_by(|one, two| one.1.1.total_cmp(&two.1.1));
        let high = column
            .iter()
            .enumerate()
            .max_by(|one, two| one.1.1.total_cmp(&two.1.1));
        let mut both: Vec<(usize, &(f64, f64))> = low.into_iter().chain(high).collect();
        both.sort_by_key(|(index, _)| *index);
        kept.extend(both.into_iter().map(|(_, point)| *point));
    }
    kept
}

/// Every n-th point and the last.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let stride = points.len().div_ceil(COLUMNS).max(1);
    let last = points.len().saturating_sub(1);
    let kept = points
        .iter()
        .enumerate()
        .filter(|(index, _)| index % stride == 0 || *index == last);
    kept.map(|(_, point)| *point).collect()
}

fn three_digits(value: f64) -> String {
    let decimals = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$}")
}

/// A range with about five round ticks.
struct Axis {
    low: f64,
    high: f64,
    step: f64,
    ticks: Vec<f64>,
}

impl Axis {
    /// `round_out` widens the range to whole ticks.
    fn over(values: impl Iterator<Item = f64>, round_out: bool) -> Self {
        let (mut low, mut high) = values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            });
        if high - low < 1e-9 * high.abs().max(1e-9) {
            // One value only: room around it.
            let room = high.abs().max(1.0) * 0.1;
            (low, high) = (low - room, high + room);
        }
        let rough = (high - low) / 4.5;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .find(|digit| digit * power >= rough)
            .unwrap_or(10.0)
            * power;
        if round_out {
            (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
        }
        let first = (low / step - 1e-9).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        let ticks = (first..=last).map(|tick| tick as f64 * step).collect();
        Self {
            low,
            high,
            step,
            ticks,
        }
    }

    fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    fn label(&self, tick: f64) -> String {
        let decimals = (-self.step.log10().floor()).clamp(0.0, 6.0) as usize;
        if decimals == 0 && tick >= 0.0 {
            thousands(tick.round() as usize)
        } else {
            format!("{tick:.decimals$}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noisy(len: usize) -> Vec<(f64, f64)> {
        let value = |step: usize| ((step * 7919) % 104_729) as f64 / 104_729.0;
        (0..len).map(|step| (step as f64, value(step))).collect()
    }

    #[test]
    fn the_average_equals_the_mean_of_each_window() {
        let points = noisy(500);
        let window = window(points.len());
        assert_eq!(window, 25);
        for (index, (x, mean)) in moving_average(&points, window).into_iter().enumerate() {
            let part = &points[index.saturating_sub(12)..(index + 13).min(500)];
            let expected = part.iter().map(|point| point.1).sum::<f64>() / part.len() as f64;
            assert!((mean - expected).abs() < 1e-9 && x == points[index].0);
        }
        assert!(moving_average(&[], 1).is_empty());
    }

    #[test]
    fn a_spike_of_one_step_stays_in_a_long_series() {
        let mut points = noisy(100_000);
        points[54_321].1 = 9.0;
        points[54_322].1 = -9.0;
        let kept = envelope(&points);
        assert!(kept.len() <= 2 * COLUMNS);
        assert!(kept.contains(&(54_321.0, 9.0)) && kept.contains(&(54_322.0, -9.0)));
        assert!(kept.is_sorted_by(|one, two| one.0 <= two.0));
        let thin = thinned(&points);
        assert!(thin.len() <= COLUMNS + 1 && thin.last() == points.last());
    }

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        for (values, low, high, labels) in [
            ([0.4, 6.8], 0.0, 8.0, vec!["0", "2", "4", "6", "8"]),
            ([0.42, 0.69], 0.4, 0.7, vec!["0.4", "0.5", "0.6", "0.7"]),
        ] {
            let axis = Axis::over(values.into_iter(), true);
            assert!((axis.low - low).abs() < 1e-9 && (axis.high - high).abs() < 1e-9);
            let written: Vec<String> = axis.ticks.iter().map(|tick| axis.label(*tick)).collect();
            assert_eq!(written, labels);
        }
        let steps = Axis::over([1.0, 4_000.0].into_iter(), false);
        assert_eq!((steps.low, steps.high), (1.0, 4_000.0));
        assert!(
            steps
                .ticks
                .iter()
                .all(|tick| (1.0..=4_000.0).contains(tick))
        );
        // One value: it stands in the middle.
        let flat = Axis::over([2.0, 2.0].into_iter(), true);
        assert!(flat.low < 2.0 && 2.0 < flat.high && flat.share(2.0).is_finite());
    }
}
