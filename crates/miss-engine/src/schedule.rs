//! Learning rates.

use std::f64::consts::PI;

/// Linear warm-up, then a cosine down to the lowest rate at the last step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub highest: f64,
    pub lowest: f64,
    pub warmup: usize,
    pub steps: usize,
}

impl Schedule {
    /// The rate of `step`, counted from 0.
    pub(crate) fn rate(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.highest * (step + 1) as f64 / self.warmup as f64;
        }
        let length = self.steps.saturating_sub(self.warmup).max(1);
        let progress = (step - self.warmup) as f64 / length as f64;
        self.lowest + (self.highest - self.lowest) * 0.5 * (1.0 + (PI * progress).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_then_falls_to_the_lowest() {
        let schedule = Schedule {
            highest: 1.0,
            lowest: 0.1,
            warmup: 4,
            steps: 104,
        };
        assert_eq!([0, 1, 3].map(|step| schedule.rate(step)), [0.25, 0.5, 1.0]);
        assert_eq!(schedule.rate(4), 1.0);
        assert!(
            (schedule.rate(54) - 0.55).abs() < 1e-12,
            "half-way is the mean of both rates"
        );
        assert!((schedule.rate(104) - 0.1).abs() < 1e-12);
    }
}
