//! How far a training or prediction stage is: a bar on a terminal, a line now and then elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use miss_engine::{Observer, StepEvent};

use crate::interrupt::Interrupt;
use crate::log::{Console, PROGRESS};
use crate::units;

/// Longest silence off a terminal.
const SILENCE: Duration = Duration::from_secs(10);

/// Shortest time between two lines.
const HASTE: Duration = Duration::from_secs(1);

/// Steps between two lines, as a share of all.
const SHARE: f64 = 0.05;

/// Watches one stage.
pub struct Progress<'a> {
    stage: &'static str,
    interrupt: &'a Interrupt,
    bar: Option<ProgressBar>,
    started: Option<Started>,
    told_at: Instant,
    told_share: f64,
    told_stop: bool,
}

/// Where this process began: after a resume that is not step zero.
struct Started {
    at: Instant,
    step: usize,
    samples: usize,
}

impl<'a> Progress<'a> {
    /// Watches `stage` until dropped.
    pub fn new(stage: &'static str, console: &Console, interrupt: &'a Interrupt) -> Self {
        let template = "{prefix:9} {bar:30} {pos}/{len}  {msg}";
        let bar = console.is_terminal.then(|| {
            let style = ProgressStyle::with_template(template);
            let bar = console.bars.add(ProgressBar::new(0).with_prefix(stage));
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self {
            stage,
            interrupt,
            bar,
            started: None,
            told_at: Instant::now(),
            told_share: 0.0,
            told_stop: false,
        }
    }
}

impl Observer for Progress<'_> {
    fn step(&mut self, event: &StepEvent) {
        // The first step also pays for warming up; the rate counts from its end.
        let started = self.started.get_or_insert_with(|| Started {
            at: Instant::now(),
            step: event.step,
            samples: 0,
        });
        if event.step > started.step {
            started.samples += event.samples;
        }
        let seconds = started.at.elapsed().as_secs_f64();
        let steps = event.step.saturating_sub(started.step);
        let rate = started.samples as f64 / seconds.max(1e-9);
        let left = event.steps.saturating_sub(event.step) as f64 * seconds / steps.max(1) as f64;
        let share = event.step as f64 / event.steps.max(1) as f64;

        let mut message = String::new();
        for (name, loss) in &event.losses {
            message.push_str(&format!("{name} {loss:.3}  "));
        }
        if steps > 0 {
            message.push_str(&format!("{rate:.1}/s  {} left", units::duration(left)));
        }
        if let Some(bar) = &self.bar {
            bar.set_length(event.steps as u64);
            bar.set_position(event.step as u64);
            bar.set_message(message.clone());
        }
        let last = event.step == event.steps;
        let silence = self.told_at.elapsed();
        let advanced = share - self.told_share >= SHARE && silence >= HASTE;
        if last || advanced || silence >= SILENCE {
            self.told_at = Instant::now();
            self.told_share = share;
            tracing::info!(
                target: PROGRESS,
                stage = self.stage,
                step = event.step,
                steps = event.steps,
                epoch = event.epoch,
                epochs = event.epochs,
                learning_rate = event.learning_rate,
                samples_per_second = rate,
                seconds_left = left,
                "{:9} {}/{} ({:.0} %)  {}",
                self.stage,
                event.step,
                event.steps,
                100.0 * share,
                message.trim_end()
            );
        }
    }

    fn stop(&mut self) -> bool {
        let stop = self.interrupt.asked();
        if stop && !self.told_stop {
            self.told_stop = true;
            tracing::warn!(
                "stopping after this step and saving the state; press Ctrl-C again to end at once"
            );
        }
        stop
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
