//! Progress: how far a scan is, on standard error, without ever holding it up (HOSTILE.md 147, 148).
//!
//! The tasks of a scan only add to counters. One thread reads them and draws; if the terminal blocks, that thread waits
//! alone.

mod line;

use std::io::{self, IsTerminal as _, Write};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::Error;
use line::{Rate, Snapshot};

/// How often a bar is drawn: smooth to the eye, nothing to the processor.
const BAR_EVERY: Duration = Duration::from_millis(200);

/// How often a plain line is written: a log of a day has 8,640.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// How often a JSON object is written.
const JSON_EVERY: Duration = Duration::from_secs(1);

/// How long the end of a scan waits for a terminal that may be blocked.
const LAST_DRAW: Duration = Duration::from_secs(1);

/// How often a drawing may happen at the most.
const REDRAWS_PER_SECOND: u8 = 10;

/// Columns of the bar: with the line to the time left beside it they fit a terminal of 80.
const BAR_WIDTH: usize = 16;

/// `total` before the number of domains is known.
const UNKNOWN: u64 = u64::MAX;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A bar on a terminal, plain lines elsewhere.
    Auto,
    /// A bar; plain lines where standard error is no terminal, which has no place for one.
    Bar,
    /// A line every ten seconds.
    Plain,
    /// A JSON object every second.
    Json,
    /// Nothing.
    None,
}

impl Mode {
    /// Every mode with its word on the command line.
    pub const WORDS: [(&'static str, Self); 5] =
        [("auto", Self::Auto), ("bar", Self::Bar), ("plain", Self::Plain), ("json", Self::Json), ("none", Self::None)];
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::WORDS.iter().find(|(word, _)| *word == text);
        found.map(|(_, mode)| *mode).ok_or_else(|| {
            let words = Self::WORDS.map(|(word, _)| word).join(", ");
            Error::Usage(format!("progress cannot be shown as {text:?}, only as one of {words}"))
        })
    }
}

/// Adds to what is shown; cheap to clone, and to call from any task.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    total: AtomicU64,
    done: AtomicU64,
    announced: AtomicU64,
    failed: AtomicU64,
    asked: AtomicU64,
}

impl Meter {
    fn new(total: Option<u64>) -> Self {
        let zero = || AtomicU64::new(0);
        let total = AtomicU64::new(total.unwrap_or(UNKNOWN));
        Self(Arc::new(Counters { total, done: zero(), announced: zero(), failed: zero(), asked: zero() }))
    }

    /// Says how many domains there are, once that is known.
    pub fn expect(&self, total: u64) {
        self.0.total.store(total, Ordering::Relaxed);
    }

    /// Adds domains that have their row.
    pub fn done(&self, domains: u64) {
        self.0.done.fetch_add(domains, Ordering::Relaxed);
    }

    /// Adds domains that announce a policy.
    pub fn announced(&self, domains: u64) {
        self.0.announced.fetch_add(domains, Ordering::Relaxed);
    }

    /// Adds domains of which something could not be seen.
    pub fn failed(&self, domains: u64) {
        self.0.failed.fetch_add(domains, Ordering::Relaxed);
    }

    /// Adds questions that were asked.
    pub fn asked(&self, questions: u64) {
        self.0.asked.fetch_add(questions, Ordering::Relaxed);
    }

    fn snapshot(&self, elapsed: Duration, rate: f64) -> Snapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let total = Some(read(&self.0.total)).filter(|total| *total != UNKNOWN);
        Snapshot {
            total,
            done: read(&self.0.done),
            announced: read(&self.0.announced),
            failed: read(&self.0.failed),
            asked: read(&self.0.asked),
            elapsed,
            rate,
        }
    }
}

/// The progress of one scan: the counters, and the thread that draws them. Its owner calls [`Progress::finish`].
pub struct Progress {
    meter: Meter,
    drawing: Option<Drawing>,
}

struct Drawing {
    stop: SyncSender<()>,
    ended: Receiver<()>,
    thread: JoinHandle<()>,
}

impl Progress {
    /// Begins to draw.
    ///
    /// # Errors
    /// [`Error::Io`] where no thread can be started.
    pub fn start(mode: Mode, total: Option<u64>) -> Result<Self, Error> {
        let canvas = match mode {
            Mode::Auto | Mode::Bar if io::stderr().is_terminal() => {
                Some(Canvas::bar(ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND)))
            }
            Mode::Auto | Mode::Bar | Mode::Plain => Some(Canvas::Plain(Box::new(io::stderr()))),
            Mode::Json => Some(Canvas::Json(Box::new(io::stderr()))),
            Mode::None => None,
        };
        Self::start_on(canvas, total)
    }

    fn start_on(canvas: Option<Canvas>, total: Option<u64>) -> Result<Self, Error> {
        let meter = Meter::new(total);
        let drawing = match canvas {
            Some(canvas) => Some(Drawing::start(canvas, meter.clone())?),
            None => None,
        };
        Ok(Self { meter, drawing })
    }

    /// What the tasks of the scan add to.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// Draws a last time. A terminal that is blocked then is left alone after a second.
    pub fn finish(self) {
        let Some(drawing) = self.drawing else { return };
        drop(drawing.stop);
        // Ended, or dropped by a panic: either way there is something to join. Only a thread that is still caught in a
        // blocked write is not waited for; the end of the process takes it along.
        if drawing.ended.recv_timeout(LAST_DRAW) != Err(RecvTimeoutError::Timeout) {
            let _ = drawing.thread.join();
        }
    }
}

impl Drawing {
    fn start(mut canvas: Canvas, meter: Meter) -> Result<Self, Error> {
        let (stop, stopped) = sync_channel::<()>(0);
        let (end, ended) = sync_channel(1);
        let draw = move || {
            let started = Instant::now();
            let mut rate = Rate::default();
            let mut last = false;
            while !last {
                // The channel is never sent on: it closes when the scan ends.
                last = stopped.recv_timeout(canvas.interval()) != Err(RecvTimeoutError::Timeout);
                let elapsed = started.elapsed();
                let mut snapshot = meter.snapshot(elapsed, 0.0);
                snapshot.rate = rate.update(elapsed, snapshot.done);
                canvas.draw(&snapshot, last);
            }
            // The owner may have stopped waiting.
            let _ = end.try_send(());
        };
        let thread = thread::Builder::new()
            .name("progress".to_owned())
            .spawn(draw)
            .map_err(Error::io("cannot start the progress display"))?;
        Ok(Self { stop, ended, thread })
    }
}

/// What progress is drawn on.
enum Canvas {
    Bar(ProgressBar),
    Plain(Box<dyn Write + Send>),
    Json(Box<dyn Write + Send>),
}

impl Canvas {
    fn bar(target: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(ProgressStyle::default_spinner());
        Self::Bar(bar)
    }

    fn interval(&self) -> Duration {
        match self {
            Self::Bar(_) => BAR_EVERY,
            Self::Plain(_) => PLAIN_EVERY,
            Self::Json(_) => JSON_EVERY,
        }
    }

    fn draw(&mut self, snapshot: &Snapshot, last: bool) {
        // Where standard error is closed or full there is nobody left to tell, and the scan goes on.
        let _ = match self {
            Self::Bar(bar) => {
                draw_bar(bar, snapshot, last);
                Ok(())
            }
            Self::Plain(out) => writeln!(out, "{}", snapshot.line()),
            Self::Json(out) => writeln!(out, "{}", snapshot.json(last)),
        };
    }
}

/// A bar where the total is known, a spinner before.
fn draw_bar(bar: &ProgressBar, snapshot: &Snapshot, last: bool) {
    if let Some(total) = snapshot.total
        && bar.length().is_none()
        && let Ok(style) = ProgressStyle::with_template(&format!("{{bar:{BAR_WIDTH}}} {{wide_msg}}"))
    {
        bar.set_length(total);
        bar.set_style(style);
    }
    bar.set_position(snapshot.done);
    bar.set_message(snapshot.line());
    if last {
        bar.abandon();
    } else {
        bar.tick();
    }
}

#[cfg(test)]
mod tests;
