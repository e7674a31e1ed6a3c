//! What a run would ask for and cost, before the first call.

use std::collections::HashSet;
use std::fmt;

use crate::journal::Journal;
use crate::llm::Request;
use crate::price::Spent;
use crate::realise::Sampler;
use crate::run::{Job, Work};

/// What a run would ask for and cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Images.
    pub images: usize,
    /// Distinct tuples of attributes.
    pub tuples: usize,
    /// Distinct parts of them; `None` where whole captions are asked for.
    pub parts: Option<usize>,
    /// Tuples or parts that contradict themselves: for them templates are used.
    pub contradictions: usize,
    /// Distinct requests, repairs apart.
    pub requests: usize,
    /// Those of them that the journal has answered.
    pub answered: usize,
    /// Those that were sent and never answered.
    pub in_flight: usize,
    /// What the journal's answers cost.
    pub paid: Spent,
    /// What calls that broke off may have cost besides; it counts against the caps.
    pub maybe_paid: Spent,
    /// What the requests that are left are expected to cost, without repairs.
    pub expected: Spent,
    /// What they can cost at most, each with its repair.
    pub at_most: Spent,
    /// The caps: US dollars and tokens.
    pub caps: crate::price::Caps,
    /// Seconds that the limits take at least, for what is expected.
    pub seconds: f64,
}

impl Plan {
    pub(crate) fn of(job: &Job<'_>, journal: Option<&Journal>) -> Self {
        let options = job.options;
        let work = Work::of(job.labelled, options);
        let mut plan = Self {
            images: job.labelled.len(),
            tuples: work.tuples.len(),
            parts: (options.sampler == Sampler::PerAttribute).then_some(work.items.len()),
            paid: journal.map(Journal::paid).unwrap_or_default(),
            maybe_paid: journal.map(Journal::maybe_paid).unwrap_or_default(),
            in_flight: journal.map_or(0, |journal| journal.in_flight().len()),
            caps: options.caps,
            ..Self::default()
        };
        let (Some(parameters), false) = (&options.parameters, options.offline) else {
            return plan;
        };
        let mut keys = HashSet::new();
        // What a repair adds at most: the limits of `Request::repair` and of its reasons, in characters of four bytes.
        let longest = "\u{10000}".repeat(4_000);
        for attributes in &work.items {
            let Ok(request) = Request::new(job.prompt, parameters, attributes, options.captions)
            else {
                plan.contradictions += 1;
                continue;
            };
            let key = request.key();
            if journal.is_some_and(|journal| journal.get(&key).is_some()) {
                plan.answered += usize::from(keys.insert(key));
                continue;
            }
            if !keys.insert(key) {
                continue;
            }
            plan.expected += options.prices.expected(&request);
            plan.at_most += options.prices.at_most(&request);
            plan.at_most += options
                .prices
                .at_most(&request.repair(&longest, &longest[..2_400]));
        }
        plan.requests = keys.len();
        let left = (plan.requests - plan.answered) as f64;
        let minutes = |amount: f64, limit: Option<u32>| match limit {
            Some(limit) => amount / f64::from(limit.max(1)),
            None => 0.0,
        };
        let limits = &options.limits;
        let by_requests = minutes(left, limits.requests_per_minute);
        let by_tokens = minutes(plan.expected.tokens() as f64, limits.tokens_per_minute);
        plan.seconds = 60.0 * by_requests.max(by_tokens);
        plan
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |f: &mut fmt::Formatter<'_>, name: &str, value: String| {
            writeln!(f, "{name:<34}{value:>24}")
        };
        let tokens = |spent: &Spent| format!("{} + {}", spent.input, spent.output);
        row(f, "images", self.images.to_string())?;
        row(f, "distinct tuples of attributes", self.tuples.to_string())?;
        if let Some(parts) = self.parts {
            row(f, "distinct parts of them", parts.to_string())?;
        }
        if self.contradictions > 0 {
            row(f, "contradictory", self.contradictions.to_string())?;
        }
        row(f, "requests", self.requests.to_string())?;
        row(f, "answered in the journal", self.answered.to_string())?;
        row(f, "sent, never answered", self.in_flight.to_string())?;
        row(f, "tokens in + out, expected", tokens(&self.expected))?;
        row(f, "tokens in + out, at most", tokens(&self.at_most))?;
        row(f, "cost, expected", self.expected.pico_usd.to_string())?;
        row(f, "cost, at most", self.at_most.pico_usd.to_string())?;
        row(f, "paid before", self.paid.pico_usd.to_string())?;
        row(
            f,
            "perhaps paid besides",
            self.maybe_paid.pico_usd.to_string(),
        )?;
        let usd = self.caps.usd.map_or("none".into(), |cap| format!("${cap}"));
        row(f, "cap on money", usd)?;
        let cap = self
            .caps
            .tokens
            .map_or("none".into(), |cap| cap.to_string());
        row(f, "cap on tokens", cap)?;
        row(
            f,
            "time at the limits, at least",
            format!("{:.0} s", self.seconds.ceil()),
        )
    }
}
