//! A share of right answers with its uncertainty.

use serde::{Deserialize, Serialize};

/// The 97.5 % point of the standard normal distribution: a two-sided interval of 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// Right answers of `n`, with Wilson's 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// Right answers.
    pub correct: usize,
    /// Questions.
    pub n: usize,
    /// `correct / n`, from 0 to 1; 0 where there are no questions.
    pub accuracy: f64,
    /// Lower end of the interval. This and the other shares have twelve decimals.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Score {
    /// The score of `correct` right answers to `n` questions.
    ///
    /// The interval is E. B. Wilson's (JASA 22, 1927, p. 209): with p = correct/n and z = 1.96,
    /// (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n). It stays within 0 and 1 and keeps its
    /// coverage at small n, which the usual p ± z√(p(1-p)/n) does not. Without questions it is
    /// everything from 0 to 1. `correct` above `n` counts as `n`.
    pub fn new(correct: usize, n: usize) -> Self {
        let correct = correct.min(n);
        if n == 0 {
            return Self {
                correct,
                n,
                accuracy: 0.0,
                low: 0.0,
                high: 1.0,
            };
        }
        let count = n as f64;
        let p = correct as f64 / count;
        let shrink = 1.0 + Z * Z / count;
        let centre = (p + Z * Z / (2.0 * count)) / shrink;
        let half = Z / shrink * (p * (1.0 - p) / count + Z * Z / (4.0 * count * count)).sqrt();
        Self {
            correct,
            n,
            accuracy: twelve_decimals(p),
            // The ends are exactly 0 and 1 there; rounding must not say otherwise.
            low: if correct == 0 {
                0.0
            } else {
                twelve_decimals(centre - half)
            },
            high: if correct == n {
                1.0
            } else {
                twelve_decimals(centre + half)
            },
        }
    }
}

/// As many digits as any JSON reader gives back exactly: what is read from `metrics.json` equals what was
/// computed. (`serde_json` reads longer numbers to the last digit but one.)
fn twelve_decimals(value: f64) -> f64 {
    (value * 1e12).round() / 1e12
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(one: f64, two: f64) {
        assert!((one - two).abs() < 1e-9, "{one} and {two}");
    }

    #[test]
    fn ends_have_their_closed_forms() {
        // p = 0: high = z²/(n+z²); p = 1: low = n/(n+z²); p = 1/2: symmetric, half = z/(2√(n+z²)).
        for n in [1, 2, 10, 451, 1_000_000] {
            let count = n as f64;
            close(Score::new(0, n).high, Z * Z / (count + Z * Z));
            close(Score::new(n, n).low, count / (count + Z * Z));
            let middle = Score::new(n, 2 * n);
            let half = Z / (2.0 * (2.0 * count + Z * Z).sqrt());
            close(middle.low, 0.5 - half);
            close(middle.high, 0.5 + half);
        }
        assert!(Score::new(0, 7).low == 0.0 && Score::new(7, 7).high == 1.0);
    }

    #[test]
    fn newcombes_published_examples() {
        // R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3, to four digits.
        for (correct, n, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let score = Score::new(correct, n);
            assert!((score.low - low).abs() < 5e-5, "{score:?}");
            assert!((score.high - high).abs() < 5e-5, "{score:?}");
        }
    }

    #[test]
    fn the_interval_contains_the_estimate_and_shrinks() {
        for n in 1..200 {
            for correct in 0..=n {
                let score = Score::new(correct, n);
                assert!(0.0 <= score.low && score.high <= 1.0);
                assert!(score.low <= score.accuracy && score.accuracy <= score.high);
                let ten_times = Score::new(10 * correct, 10 * n);
                assert!(ten_times.high - ten_times.low < score.high - score.low);
            }
        }
        let nothing = Score::new(0, 0);
        assert_eq!((nothing.low, nothing.high), (0.0, 1.0));
    }

    /// The paper's printed percentages that are whole numbers of SLAKE's 355 yes/no, 706 other and
    /// 1,061 questions: the evidence for its partition.
    #[test]
    fn the_papers_percentages_are_whole_counts_under_the_yes_no_partition() {
        for (correct, n, printed) in [
            (181, 355, "50.99"),
            (27, 706, "3.82"),
            (208, 1061, "19.60"),
            (294, 355, "82.82"),
            (298, 355, "83.94"),
            (300, 355, "84.51"),
            (578, 706, "81.87"),
            (575, 706, "81.44"),
        ] {
            let percent = 100.0 * Score::new(correct, n).accuracy;
            assert_eq!(format!("{percent:.2}"), printed);
        }
        assert_eq!(181 + 27, 208);
    }
}
