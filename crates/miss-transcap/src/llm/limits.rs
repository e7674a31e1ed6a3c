//! How fast and how many at a time: limits on requests and tokens, and the common pause after a 429.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Limits of a client. All its requests share them, retries included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests a minute, spread over its seconds; `None` is no limit.
    pub requests_per_minute: Option<u32>,
    /// Tokens a minute, read and written; `None` is no limit.
    pub tokens_per_minute: Option<u32>,
    /// Requests under way at a time.
    pub concurrency: u32,
    /// Attempts at one request, the first included.
    pub attempts: u32,
    /// Longest time for one attempt, in seconds.
    pub timeout_seconds: u64,
    /// Longest silence of the server once its answer has begun, in seconds.
    pub read_timeout_seconds: u64,
    /// First bound of the back-off, in milliseconds; it doubles with each attempt.
    pub backoff_milliseconds: u64,
    /// Longest pause between attempts, whatever the server asks for, in seconds.
    pub longest_pause_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_minute: None,
            tokens_per_minute: None,
            concurrency: 4,
            attempts: 6,
            timeout_seconds: 180,
            read_timeout_seconds: 60,
            backoff_milliseconds: 500,
            longest_pause_seconds: 60,
        }
    }
}

/// One rate, by the generic cell rate algorithm.
///
/// With rate `r` and burst `b`, what is let through in any window of length `t` is at most `r·t + b`;
/// a single cost above `b` waits for an empty bucket and counts as the burst of its windows.
#[derive(Debug)]
struct Rate {
    per_minute: u64,
    /// Cost that may pass at once: what a second allows, at least 1.
    burst: u64,
    /// Nanoseconds since the origin at which all that was let through is worked off.
    clear: u64,
}

impl Rate {
    fn new(per_minute: u32) -> Self {
        let per_minute = u64::from(per_minute);
        Self {
            per_minute,
            burst: (per_minute / 60).max(1),
            clear: 0,
        }
    }

    /// Time that a cost takes, rounded up so that the bound holds.
    fn nanoseconds(&self, cost: u64) -> u64 {
        let whole = u128::from(cost) * 60_000_000_000;
        u64::try_from(whole.div_ceil(u128::from(self.per_minute))).unwrap_or(u64::MAX)
    }

    /// When the cost may pass.
    fn when(&self, cost: u64) -> u64 {
        let ahead = self.burst.saturating_sub(cost);
        // Rounded down for the same reason: never more burst than stated.
        let ahead = u128::from(ahead) * 60_000_000_000 / u128::from(self.per_minute);
        self.clear
            .saturating_sub(u64::try_from(ahead).unwrap_or(u64::MAX))
    }

    fn take(&mut self, now: u64, cost: u64) {
        self.clear = self.clear.max(now).saturating_add(self.nanoseconds(cost));
    }

    /// Puts right what was taken before the true cost was known.
    fn correct(&mut self, taken: u64, used: u64) {
        if used >= taken {
            self.clear = self.clear.saturating_add(self.nanoseconds(used - taken));
        } else {
            let back = u128::from(taken - used) * 60_000_000_000 / u128::from(self.per_minute);
            self.clear = self
                .clear
                .saturating_sub(u64::try_from(back).unwrap_or(u64::MAX));
        }
    }
}

#[derive(Debug)]
struct State {
    requests: Option<Rate>,
    tokens: Option<Rate>,
    /// No request starts before.
    pause: u64,
}

impl State {
    fn when(&self, tokens: u64) -> u64 {
        let requests = self.requests.as_ref().map_or(0, |rate| rate.when(1));
        let tokens = self.tokens.as_ref().map_or(0, |rate| rate.when(tokens));
        self.pause.max(requests).max(tokens)
    }
}

/// The gate before the server: one queue, first come first served.
#[derive(Debug)]
pub(crate) struct Gate {
    origin: Instant,
    state: Mutex<State>,
    /// Held by the one who waits at the head, so that a costly request is not overtaken for ever.
    queue: tokio::sync::Mutex<()>,
}

impl Gate {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            origin: Instant::now(),
            state: Mutex::new(State {
                requests: limits.requests_per_minute.map(Rate::new),
                tokens: limits.tokens_per_minute.map(Rate::new),
                pause: 0,
            }),
            queue: tokio::sync::Mutex::new(()),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        // A state is whole after each of its changes, so a panic elsewhere spoils nothing.
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until a request of about so many tokens may go, and counts it.
    pub(crate) async fn pass(&self, tokens: u64) {
        let _head = self.queue.lock().await;
        loop {
            let now = self.now();
            let wait = self.with(|state| {
                let when = state.when(tokens);
                if when > now {
                    return Some(when - now);
                }
                if let Some(rate) = &mut state.requests {
                    rate.take(now, 1);
                }
                if let Some(rate) = &mut state.tokens {
                    rate.take(now, tokens);
                }
                None
            });
            match wait {
                // The pause may grow meanwhile: looked at again.
                Some(wait) => tokio::time::sleep(Duration::from_nanos(wait)).await,
                None => return,
            }
        }
    }

    /// Tells what a request really cost.
    pub(crate) fn correct(&self, taken: u64, used: u64) {
        self.with(|state| {
            if let Some(rate) = &mut state.tokens {
                rate.correct(taken, used);
            }
        });
    }

    /// Holds all requests for a time from now.
    pub(crate) fn pause(&self, time: Duration) {
        let until = self
            .now()
            .saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        self.with(|state| state.pause = state.pause.max(until));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Brute force over all windows between two passes, ends included.
    fn worst_excess(passes: &[(f64, u64)], per_minute: f64, burst: f64) -> f64 {
        let mut worst = f64::MIN;
        for (first, &(start, _)) in passes.iter().enumerate() {
            let mut sum = 0.0;
            for &(end, cost) in &passes[first..] {
                sum += cost as f64;
                worst = worst.max(sum - (end - start) * per_minute / 60.0 - burst);
            }
        }
        worst
    }

    async fn passes(gate: std::sync::Arc<Gate>, costs: Vec<u64>) -> Vec<(f64, u64)> {
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for cost in costs {
            let gate = gate.clone();
            tasks.spawn(async move {
                gate.pass(cost).await;
                (start.elapsed().as_secs_f64(), cost)
            });
        }
        let mut all = tasks.join_all().await;
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all
    }

    #[tokio::test(start_paused = true)]
    async fn no_window_has_more_requests_than_the_rate_and_the_burst() {
        for (rate, burst) in [(7, 1.0), (60, 1.0), (600, 10.0)] {
            let gate = Gate::new(&Limits {
                requests_per_minute: Some(rate),
                ..Limits::default()
            });
            let all = passes(gate.into(), vec![1; 200]).await;
            assert!(worst_excess(&all, rate.into(), burst) < 1e-6, "{rate}");
            // Nor is it slower than the rate: 200 requests take (200 - burst) / rate, up to the timer's milliseconds.
            let least = (200.0 - burst) * 60.0 / f64::from(rate);
            let last = all.last().unwrap().0;
            assert!(
                last >= least - 1e-6 && last < least + 0.3,
                "{rate}: {last} {least}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_window_has_more_tokens_than_the_rate_and_the_burst() {
        let gate = Gate::new(&Limits {
            tokens_per_minute: Some(60_000),
            ..Limits::default()
        });
        let costs: Vec<u64> = (0..150).map(|n| 1 + (n * 7919) % 1_500).collect();
        let largest = *costs.iter().max().unwrap();
        let all = passes(gate.into(), costs).await;
        assert!(worst_excess(&all, 60_000.0, largest.max(1_000) as f64) < 1e-3);
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_that_were_not_used_are_given_back() {
        let gate = Gate::new(&Limits {
            tokens_per_minute: Some(60),
            ..Limits::default()
        });
        let start = Instant::now();
        gate.pass(100).await;
        gate.correct(100, 10);
        gate.pass(1).await;
        let waited = start.elapsed().as_secs_f64();
        assert!((9.9..10.1).contains(&waited), "{waited}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_those_who_wait_already() {
        let gate = std::sync::Arc::new(Gate::new(&Limits::default()));
        let start = Instant::now();
        gate.pause(Duration::from_secs(5));
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.pass(1).await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        gate.pause(Duration::from_secs(20));
        waiting.await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(21));
    }
}
