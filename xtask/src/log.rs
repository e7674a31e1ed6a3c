//! Logs: lines for a person on standard error, JSON lines for machines in the run folder.

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

use indicatif::MultiProgress;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Target of events that a progress bar shows already: on a terminal they go to the file only.
pub const PROGRESS: &str = "progress";

/// Target of events that the console gets in another way.
pub const FILE_ONLY: &str = "file";

/// Where a person reads, and whether it is a terminal.
#[derive(Clone)]
pub struct Console {
    /// Bars and lines share the screen through this.
    pub bars: MultiProgress,
    pub is_terminal: bool,
}

/// Starts logging to standard error and, when given, to `file`. `RUST_LOG` chooses what is told.
pub fn start(file: Option<File>) -> Console {
    let console = Console {
        bars: MultiProgress::new(),
        is_terminal: io::stderr().is_terminal(),
    };
    let hide_progress = console.is_terminal;
    let bars = console.bars.clone();
    let human = tracing_subscriber::fmt::layer()
        .with_ansi(console.is_terminal && std::env::var_os("NO_COLOR").is_none())
        .event_format(Sentence)
        .with_writer(move || AboveBars(bars.clone()))
        .with_filter(filter_fn(move |event| match event.target() {
            PROGRESS => !hide_progress,
            FILE_ONLY => false,
            _ => true,
        }));
    let machine = file.map(|file| {
        tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(Mutex::new(file))
    });
    // Libraries below ours speak up only when something is wrong.
    let ours =
        "warn,xtask=info,progress=info,file=info,miss_data=info,miss_model=info,miss_engine=info";
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(ours));
    tracing_subscriber::registry()
        .with(filter)
        .with(machine)
        .with(human)
        .init();
    console
}

/// Standard error, with the bars lifted out of the way while a line is written.
struct AboveBars(MultiProgress);

impl Write for AboveBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// One event as one line. Our own messages are whole sentences: their fields are for the JSON lines.
struct Sentence;

impl<S, N> FormatEvent<S, N> for Sentence
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (word, colour) = match *event.metadata().level() {
            Level::ERROR => ("error: ", "31"),
            Level::WARN => ("warning: ", "33"),
            Level::INFO => ("", "0"),
            _ => ("debug: ", "2"),
        };
        match writer.has_ansi_escapes() && !word.is_empty() {
            true => write!(writer, "\x1b[{colour}m{word}\x1b[0m")?,
            false => write!(writer, "{word}")?,
        }
        let target = event.metadata().target();
        if target.starts_with("xtask") || target == PROGRESS {
            let mut message = Message(String::new());
            event.record(&mut message);
            write!(writer, "{}", message.0)?;
        } else {
            context.format_fields(writer.by_ref(), event)?;
        }
        writeln!(writer)
    }
}

/// Keeps the message of an event.
struct Message(String);

impl tracing::field::Visit for Message {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
