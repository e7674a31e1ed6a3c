//! What calls cost: whole pico-dollars, estimates that hold, and caps that are never passed.

use std::fmt;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::llm::Request;

/// Money in whole pico-dollars (10⁻¹² US dollars): a token at 0.15 dollars a million costs 150,000 of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usd(pub u64);

/// What a provider asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// US dollars for a million tokens read. Beyond six decimals it is rounded.
    #[serde(default)]
    pub input: f64,
    /// US dollars for a million tokens written.
    #[serde(default)]
    pub output: f64,
}

/// What may be spent in all runs that share a journal. Without a number there is no cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caps {
    /// US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
    /// Tokens, read and written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// Tokens and what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// Tokens read.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
    /// Pico-dollars.
    pub pico_usd: Usd,
}

/// May a call be sent?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// It is reserved.
    Yes,
    /// Not before a call under way has ended.
    Later,
    /// Never: the cap on this is reached.
    Never(&'static str),
}

/// The account of a run: what is spent, and what calls under way may cost at most.
#[derive(Clone, Debug)]
pub struct Ledger {
    max_usd: Option<Usd>,
    max_tokens: Option<u64>,
    spent: Spent,
    reserved: Spent,
    under_way: usize,
}

impl Usd {
    /// From US dollars, to the next pico-dollar; negative and absent numbers are none, and too many are the most.
    #[must_use]
    pub fn from_dollars(dollars: f64) -> Self {
        // A cast saturates, and makes 0 of what is no number.
        Self((dollars * 1e12).round() as u64)
    }
}

impl fmt::Display for Usd {
    /// US dollars with six decimals, rounded up.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micro = self.0.div_ceil(1_000_000);
        write!(f, "${}.{:06}", micro / 1_000_000, micro % 1_000_000)
    }
}

impl Spent {
    /// All tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    fn less(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_sub(other.input),
            output: self.output.saturating_sub(other.output),
            pico_usd: Usd(self.pico_usd.0.saturating_sub(other.pico_usd.0)),
        }
    }

    /// This many times.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self {
            input: self.input.saturating_mul(count),
            output: self.output.saturating_mul(count),
            pico_usd: Usd(self.pico_usd.0.saturating_mul(count)),
        }
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.pico_usd = Usd(self.pico_usd.0.saturating_add(other.pico_usd.0));
    }
}

impl Prices {
    /// What so many tokens cost, exactly.
    #[must_use]
    pub fn of(&self, input: u64, output: u64) -> Spent {
        let cost = |tokens: u64, price: f64| {
            // Dollars a million tokens are micro-dollars a token; a price that is there costs something.
            let pico = (price * 1e6).round() as u64;
            tokens.saturating_mul(pico.max(u64::from(price > 0.0)))
        };
        Spent {
            input,
            output,
            pico_usd: Usd(cost(input, self.input).saturating_add(cost(output, self.output))),
        }
    }

    /// The most a request can cost. A token of the usual tokenizers (byte-pair encoding over bytes, and those with
    /// bytes to fall back on) stands for one byte or more, so there are no more tokens than bytes in the messages and
    /// the schema, which some servers put into the prompt, and 32 for each message's frame; and none is written
    /// beyond the limit that is sent.
    #[must_use]
    pub fn at_most(&self, request: &Request) -> Spent {
        let (bytes, messages) = size(request);
        let schema = request.schema().to_string().len() as u64;
        let output = u64::from(request.parameters().max_tokens);
        self.of(bytes + schema + 32 * (messages + 1), output)
    }

    /// What a request is expected to cost: a token for four bytes and four for each message, as of English, and 30
    /// for each caption with 10 for the frame, or the limit if that is less.
    #[must_use]
    pub fn expected(&self, request: &Request) -> Spent {
        let (bytes, messages) = size(request);
        let output = 10 + 30 * request.captions() as u64;
        let limit = u64::from(request.parameters().max_tokens);
        self.of(bytes.div_ceil(4) + 4 * messages, output.min(limit))
    }
}

fn size(request: &Request) -> (u64, u64) {
    let messages = request.messages();
    let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
    (bytes as u64, messages.len() as u64)
}

impl Ledger {
    /// An account with `spent` on it already: what the journal says, and what it cannot rule out.
    #[must_use]
    pub fn new(caps: &Caps, spent: Spent) -> Self {
        Self {
            max_usd: caps.usd.map(Usd::from_dollars),
            max_tokens: caps.tokens,
            spent,
            reserved: Spent::default(),
            under_way: 0,
        }
    }

    /// Asks for leave to send what costs `at_most`. With it, [`settle`](Self::settle) must follow.
    pub fn reserve(&mut self, at_most: Spent) -> Reserved {
        let mut whole = self.spent;
        whole += self.reserved;
        whole += at_most;
        let passed = if self.max_usd.is_some_and(|cap| whole.pico_usd > cap) {
            "money"
        } else if self.max_tokens.is_some_and(|cap| whole.tokens() > cap) {
            "tokens"
        } else {
            self.reserved += at_most;
            self.under_way += 1;
            return Reserved::Yes;
        };
        match self.under_way {
            0 => Reserved::Never(passed),
            _ => Reserved::Later,
        }
    }

    /// A call has ended that was [reserved](Self::reserve): it cost `paid`.
    pub fn settle(&mut self, at_most: Spent, paid: Spent) {
        self.reserved = self.reserved.less(at_most);
        self.under_way = self.under_way.saturating_sub(1);
        self.spent += paid;
    }

    /// What is spent.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.spent
    }
}
