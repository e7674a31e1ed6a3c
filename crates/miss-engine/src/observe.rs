//! Watching a run, and stopping it.

/// What happened in a step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepEvent {
    /// The step, from 1.
    pub step: usize,
    /// Steps of the whole run.
    pub steps: usize,
    /// The epoch, from 1.
    pub epoch: usize,
    /// Epochs of the whole run.
    pub epochs: usize,
    /// Samples in the step.
    pub samples: usize,
    /// Losses by name.
    pub losses: Vec<(&'static str, f64)>,
    /// Learning rate of the step; none when nothing is learnt.
    pub learning_rate: Option<f64>,
}

/// Somebody who watches a run.
pub trait Observer {
    /// A step is done.
    fn step(&mut self, event: &StepEvent);

    /// Whether the run should stop. It is asked after every step; a run that stops saves its state
    /// first.
    fn stop(&mut self) -> bool;
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything is done and written.
    Finished,
    /// It was asked to stop. Its state is saved: the same call goes on from there.
    Stopped,
}
