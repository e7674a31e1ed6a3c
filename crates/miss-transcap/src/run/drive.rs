//! Filling the journal: calls under way at once, each at most once, under the caps.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use tokio::task::JoinSet;

use super::settle::{Known, Step, settle};
use super::{Job, Outcome, Work};
use crate::journal::{Answered, Journal, JournalError, PromptName};
use crate::llm::{Answer, Client, Failure, Key, Request, SetUpError};
use crate::price::{Ledger, Reserved, Spent};

/// After so many failures in a row, without an answer between them, a run takes the server for dead.
const PATIENCE: usize = 20;

/// How a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Distinct tuples (or parts of them) with captions, verified or from templates.
    pub done: usize,
    /// Distinct tuples (or parts of them) in all.
    pub all: usize,
    /// Requests sent by this run.
    pub calls: usize,
    /// Requests under way.
    pub under_way: usize,
    /// Requests of this run that failed.
    pub failed: usize,
    /// What the journal's answers cost, this run's and earlier ones'.
    pub paid: Spent,
}

/// Why a run cannot go on. All that was synced to the journal is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Options that cannot be.
    #[error(transparent)]
    Options(#[from] super::OptionsError),
    /// The client.
    #[error(transparent)]
    Client(#[from] SetUpError),
    /// The runtime of a blocking run.
    #[error("cannot start the run: {0}; free file descriptors or memory")]
    Runtime(std::io::Error),
    /// A bug in what sends.
    #[error("a call ended in a panic: {0}; run again, what was answered is in the journal")]
    Panic(String),
}

/// A call that has ended.
struct Ended {
    request: Request,
    key: Key,
    at_most: Spent,
    seconds: f64,
    result: Result<Answer, Failure>,
}

impl Job<'_> {
    /// Does the job: with the model that the options name, keeping what it is paid for in the file `journal`, or from
    /// what is in that file and templates. For more say in it there are [`run`](Self::run) and
    /// [`replay`](Self::replay).
    ///
    /// # Errors
    /// [`RunError`].
    pub fn caption(&self, journal: &Path) -> Result<Outcome, RunError> {
        let Some(endpoint) = self
            .options
            .endpoint
            .as_ref()
            .filter(|_| !self.options.offline)
        else {
            let journal = journal
                .exists()
                .then(|| Journal::open(journal))
                .transpose()?;
            return Ok(self.replay(journal.as_ref()));
        };
        let client = Client::new(endpoint, &self.options.limits)?;
        let mut journal = Journal::open(journal)?;
        self.run_blocking(&mut journal, client.sender(), || false, |_| {})
    }

    /// Asks for what the journal lacks and returns the outcome. `send` sends one request, with its retries.
    ///
    /// A failure that would meet every request (no access, no quota, no such model, a cap, the time, `stop`), or 20 in
    /// a row, ends the run in order: nothing new is sent, what is under way is waited for and kept, and the outcome says why.
    ///
    /// # Errors
    /// [`RunError`]: the journal cannot be written, or the options cannot be. What was synced is kept.
    pub async fn run<Send, Sent>(
        &self,
        journal: &mut Journal,
        send: Send,
        stop: impl Fn() -> bool,
        progress: impl FnMut(&Progress),
    ) -> Result<Outcome, RunError>
    where
        Send: Fn(Request) -> Sent,
        Sent: Future<Output = Result<Answer, Failure>> + std::marker::Send + 'static,
    {
        self.options.check()?;
        let work = Work::of(self.labelled, self.options);
        let mut run = Run::new(self, &work, journal, progress);
        if !self.options.offline && self.options.parameters.is_some() {
            run.go(send, stop).await?;
        }
        let (stopped, calls) = (run.stopped.take(), run.shown.calls);
        Ok(Outcome::of(self, &work, Some(journal), stopped, calls))
    }

    /// The same for programs without a runtime.
    ///
    /// # Errors
    /// As of [`run`](Self::run), and [`RunError::Runtime`].
    pub fn run_blocking<Send, Sent>(
        &self,
        journal: &mut Journal,
        send: Send,
        stop: impl Fn() -> bool,
        progress: impl FnMut(&Progress),
    ) -> Result<Outcome, RunError>
    where
        Send: Fn(Request) -> Sent,
        Sent: Future<Output = Result<Answer, Failure>> + std::marker::Send + 'static,
    {
        tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(RunError::Runtime)?
            .block_on(self.run(journal, send, stop, progress))
    }
}

struct Run<'a, Show> {
    job: &'a Job<'a>,
    work: &'a Work,
    journal: &'a mut Journal,
    ledger: Ledger,
    queue: VecDeque<usize>,
    /// The items that wait for a request under way: two tuples may read alike.
    waiting: HashMap<Key, Vec<usize>>,
    /// Failed in this run: not asked again in it.
    failed: HashSet<Key>,
    failed_in_a_row: usize,
    tasks: JoinSet<Ended>,
    stopped: Option<Failure>,
    shown: Progress,
    show: Show,
}

impl<'a, Show: FnMut(&Progress)> Run<'a, Show> {
    fn new(job: &'a Job<'a>, work: &'a Work, journal: &'a mut Journal, show: Show) -> Self {
        let mut before = journal.paid();
        before += journal.maybe_paid();
        Self {
            job,
            work,
            ledger: Ledger::new(&job.options.caps, before),
            queue: (0..work.items.len()).collect(),
            waiting: HashMap::new(),
            failed: HashSet::new(),
            failed_in_a_row: 0,
            tasks: JoinSet::new(),
            stopped: None,
            shown: Progress {
                all: work.items.len(),
                paid: journal.paid(),
                ..Progress::default()
            },
            show,
            journal,
        }
    }

    async fn go<Send, Sent>(&mut self, send: Send, stop: impl Fn() -> bool) -> Result<(), RunError>
    where
        Send: Fn(Request) -> Sent,
        Sent: Future<Output = Result<Answer, Failure>> + std::marker::Send + 'static,
    {
        let options = self.job.options;
        let deadline = options
            .run_seconds
            .map(|seconds| tokio::time::Instant::now() + Duration::from_secs(seconds));
        let grace = Duration::from_secs(options.limits.timeout_seconds);
        loop {
            while self.stopped.is_none() && self.tasks.len() < options.limits.concurrency as usize {
                if stop() {
                    self.stopped = Some(Failure::Stopped);
                } else if deadline.is_some_and(|end| tokio::time::Instant::now() >= end) {
                    self.stopped = Some(Failure::RunTime);
                } else if !self.start_next(&send)? {
                    break;
                }
            }
            self.shown.under_way = self.tasks.len();
            (self.show)(&self.shown);
            let next = self.tasks.join_next();
            let first = match deadline {
                None => next.await,
                Some(end) => match tokio::time::timeout_at(end + grace, next).await {
                    Ok(first) => first,
                    Err(_) => {
                        // They may have been paid for, and the journal says so.
                        self.tasks.abort_all();
                        self.stopped.get_or_insert(Failure::RunTime);
                        return Ok(());
                    }
                },
            };
            let Some(first) = first else {
                return Ok(());
            };
            let mut ended = vec![first];
            while let Some(next) = self.tasks.try_join_next() {
                ended.push(next);
            }
            self.record(ended)?;
        }
    }

    /// Sends the next request, if one can be sent now.
    fn start_next<Send, Sent>(&mut self, send: &Send) -> Result<bool, RunError>
    where
        Send: Fn(Request) -> Sent,
        Sent: Future<Output = Result<Answer, Failure>> + std::marker::Send + 'static,
    {
        let Some(item) = self.queue.pop_front() else {
            return Ok(false);
        };
        let known = |key: &Key| match self.journal.get(key) {
            Some(answer) => Known::Answered(answer),
            None if self.failed.contains(key) => Known::Failed("failed in this run"),
            None => Known::Nothing,
        };
        let request = match settle(self.job, &self.work.items[item], &known, false) {
            Step::Made(_) => {
                self.shown.done += 1;
                return Ok(true);
            }
            Step::Ask(request) => request,
        };
        let key = request.key();
        if let Some(items) = self.waiting.get_mut(&key) {
            items.push(item);
            return Ok(true);
        }
        let at_most = self.job.options.prices.at_most(&request);
        match self.ledger.reserve(at_most) {
            Reserved::Yes => {}
            Reserved::Later => {
                self.queue.push_front(item);
                return Ok(false);
            }
            Reserved::Never(what) => {
                self.queue.push_front(item);
                self.stopped = Some(Failure::Cap(what));
                return Ok(false);
            }
        }
        self.journal.started(&key, at_most)?;
        self.waiting.insert(key.clone(), vec![item]);
        self.shown.calls += 1;
        let sent = send(request.clone());
        self.tasks.spawn(async move {
            let start = Instant::now();
            let result = sent.await;
            Ended {
                request,
                key,
                at_most,
                seconds: start.elapsed().as_secs_f64(),
                result,
            }
        });
        Ok(true)
    }

    /// Writes what has come to the journal, with one sync, and takes the items up again that waited for it.
    fn record(
        &mut self,
        ended: Vec<Result<Ended, tokio::task::JoinError>>,
    ) -> Result<(), RunError> {
        let mut keys = Vec::with_capacity(ended.len());
        for one in ended {
            let one = one.map_err(|error| RunError::Panic(error.to_string()))?;
            let options = self.job.options;
            match one.result {
                Ok(answer) => {
                    let paid = options.prices.of(answer.usage.input, answer.usage.output);
                    self.failed_in_a_row = 0;
                    self.ledger.settle(one.at_most, paid);
                    self.shown.paid += paid;
                    self.journal.answer(Answered {
                        request: one.request.body(),
                        key: one.key.clone(),
                        prompt: PromptName {
                            id: self.job.prompt.id.clone(),
                            version: self.job.prompt.version,
                            sha256: self.job.prompt.sha256.clone(),
                        },
                        answer,
                        seconds: one.seconds,
                        when: SystemTime::now()
                            .duration_since(SystemTime::UNIX_EPOCH)
                            .map_or(0, |since| since.as_secs()),
                        paid,
                    })?;
                }
                Err(failure) => {
                    // A status other than success was not paid for; of what broke off nobody knows.
                    let maybe_paid = !matches!(failure, Failure::Status { .. } | Failure::Quota(_));
                    let paid = match maybe_paid {
                        true => one.at_most,
                        false => Spent::default(),
                    };
                    self.ledger.settle(one.at_most, paid);
                    self.journal
                        .failed(&one.key, &failure.to_string(), maybe_paid)?;
                    self.failed.insert(one.key.clone());
                    self.shown.failed += 1;
                    self.failed_in_a_row += 1;
                    if failure.meets_all() || self.failed_in_a_row >= PATIENCE {
                        self.stopped.get_or_insert(failure);
                    }
                }
            }
            keys.push(one.key);
        }
        self.journal.sync()?;
        for item in keys
            .iter()
            .filter_map(|key| self.waiting.remove(key))
            .flatten()
        {
            self.queue.push_front(item);
        }
        Ok(())
    }
}
