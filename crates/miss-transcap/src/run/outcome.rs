//! What a run comes to: captions for every image, and the explanation of every caption that is not there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use miss_data::Captions;

use super::Job;
use super::options::Unfinished;
use super::settle::{Known, Made, Step, settle};
use super::work::Work;
use crate::attributes::Attributes;
use crate::caption_set::{CaptionFile, CaptionSet, MadeBy};
use crate::journal::Journal;
use crate::llm::Failure;
use crate::price::Spent;
use crate::realise::{REALISER, Sampler};

/// What a run came to. But for `stopped` and `calls`, a pure function of images, options and journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The caption file.
    pub file: CaptionFile,
    /// The distinct tuples of attributes (their parts under the sampler per attribute), in the order of first
    /// appearance, with what was made for each.
    pub made: Vec<(Attributes, Made)>,
    /// Distinct tuples of images.
    pub tuples: usize,
    /// Images without captions, left for the next run.
    pub left: usize,
    /// Captions of the model, in all tuples.
    pub from_model: usize,
    /// Captions of templates, in all tuples.
    pub from_templates: usize,
    /// How many captions were not used, by kind of reason; one with two reasons counts twice.
    pub rejected: BTreeMap<String, usize>,
    /// How many requests have no usable answer, by reason.
    pub failed: BTreeMap<String, usize>,
    /// What the answers cost that captions come from or should have come from.
    pub paid: Spent,
    /// Why the run ended early.
    pub stopped: Option<Failure>,
    /// Requests sent by this run.
    pub calls: usize,
}

impl Outcome {
    /// What `journal` makes of a job, without a call.
    pub(super) fn of(
        job: &Job<'_>,
        work: &Work,
        journal: Option<&Journal>,
        stopped: Option<Failure>,
        calls: usize,
    ) -> Self {
        let leave = stopped.is_some() && job.options.unfinished == Unfinished::Leave;
        let known = |key: &_| {
            let journal = journal?;
            let answered = journal.get(key).map(Known::Answered);
            answered.or_else(|| journal.failure(key).map(Known::Failed))
        };
        let known = |key: &_| known(key).unwrap_or(Known::Nothing);
        let mut outcome = Self {
            file: CaptionFile::default(),
            made: Vec::with_capacity(work.items.len()),
            tuples: work.tuples.len(),
            left: 0,
            from_model: 0,
            from_templates: 0,
            rejected: BTreeMap::new(),
            failed: BTreeMap::new(),
            paid: Spent::default(),
            stopped,
            calls,
        };
        let mut seen = HashSet::new();
        for attributes in &work.items {
            // With `last` there is nothing to ask.
            if let Step::Made(made) = settle(job, attributes, &known, true) {
                outcome.count(job, &made, journal, &mut seen);
                outcome.made.push((attributes.clone(), made));
            }
        }
        let mut sets: HashMap<usize, CaptionSet> = HashMap::new();
        for (image, tuple) in job.labelled.iter().zip(&work.of_image) {
            let parts = &work.of_tuple[*tuple];
            let unasked = |part: &usize| outcome.made[*part].1.unasked;
            if leave && parts.iter().any(unasked) {
                outcome.left += 1;
                continue;
            }
            let set = sets
                .entry(*tuple)
                .or_insert_with(|| set_of(job, &work.tuples[*tuple], parts, &outcome.made));
            outcome.file.sets.push(CaptionSet {
                image: image.image.clone(),
                ..set.clone()
            });
        }
        outcome
    }

    fn count<'a>(
        &mut self,
        job: &Job<'_>,
        made: &Made,
        journal: Option<&'a Journal>,
        seen: &mut HashSet<&'a str>,
    ) {
        for caption in &made.captions {
            match caption.request {
                Some(_) => self.from_model += 1,
                None => self.from_templates += 1,
            }
        }
        let mut failed = |reason: &String| *self.failed.entry(reason.clone()).or_default() += 1;
        made.contradiction.iter().for_each(&mut failed);
        for asked in &made.asked {
            asked.failure.iter().for_each(&mut failed);
            for reason in asked.rejected.iter().flat_map(|one| &one.reasons) {
                let kind = reason.split(": ").next().unwrap_or(reason);
                *self.rejected.entry(kind.to_owned()).or_default() += 1;
            }
            let recorded = journal.and_then(|journal| journal.recorded_entry(&asked.key));
            let (Some((key, recorded)), Some(parameters)) = (recorded, &job.options.parameters)
            else {
                continue;
            };
            if !seen.insert(&key.0) {
                continue;
            }
            self.paid += recorded.paid;
            self.file.requests.push(MadeBy {
                key: key.0.clone(),
                prompt: recorded.prompt.id.clone(),
                version: recorded.prompt.version,
                prompt_sha256: recorded.prompt.sha256.clone(),
                // A struct of plain fields is always JSON.
                parameters: serde_json::to_value(parameters).unwrap_or_default(),
                model: recorded.answer.model.clone(),
                input: recorded.paid.input,
                output: recorded.paid.output,
                pico_usd: recorded.paid.pico_usd.0,
                failure: asked.failure.clone(),
                rejected: asked.rejected.clone(),
            });
        }
    }
}

/// The captions of a tuple, of all its parts, without an image.
fn set_of(
    job: &Job<'_>,
    attributes: &Attributes,
    parts: &[usize],
    made: &[(Attributes, Made)],
) -> CaptionSet {
    let all = || parts.iter().flat_map(|part| &made[*part].1.captions);
    let sources: Vec<String> = all()
        .map(|caption| match &caption.request {
            Some(key) => key.0.clone(),
            None => REALISER.to_owned(),
        })
        .collect();
    let texts = |part: &usize| -> Vec<String> {
        let captions = &made[*part].1.captions;
        captions
            .iter()
            .map(|caption| caption.text.clone())
            .collect()
    };
    let templates_only = all().all(|caption| caption.request.is_none());
    CaptionSet {
        image: String::new(),
        attributes: attributes.clone(),
        captions: match job.options.sampler {
            Sampler::WholeCaption => {
                Captions::Whole(all().map(|caption| caption.text.clone()).collect())
            }
            Sampler::PerAttribute => Captions::Parts(parts.iter().map(texts).collect()),
        },
        realiser: REALISER.to_owned(),
        sources: if templates_only { Vec::new() } else { sources },
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let images = self.file.sets.len();
        writeln!(f, "images with captions      {images}")?;
        writeln!(f, "images left               {}", self.left)?;
        writeln!(f, "distinct tuples           {}", self.tuples)?;
        writeln!(f, "requests sent             {}", self.calls)?;
        writeln!(f, "requests answered         {}", self.file.requests.len())?;
        writeln!(f, "captions from the model   {}", self.from_model)?;
        writeln!(f, "captions from templates   {}", self.from_templates)?;
        writeln!(
            f,
            "paid                      {} for {} + {} tokens",
            self.paid.pico_usd, self.paid.input, self.paid.output
        )?;
        for (reason, count) in &self.rejected {
            writeln!(f, "caption rejected  {count:>6} x {reason}")?;
        }
        for (reason, count) in &self.failed {
            writeln!(f, "request failed    {count:>6} x {reason}")?;
        }
        match &self.stopped {
            Some(why) => writeln!(f, "ended early: {why}"),
            None => Ok(()),
        }
    }
}
