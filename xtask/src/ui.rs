//! What people see while it runs: progress bars on a terminal, plain lines elsewhere, both on stderr.

use std::{
    io::IsTerminal,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use artifact::human_bytes;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The one place that writes progress.
#[derive(Debug, Clone)]
pub(crate) struct Ui {
    bars: Option<MultiProgress>,
    start: Instant,
}

impl Ui {
    pub(crate) fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bars = terminal.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Self { bars, start: Instant::now() }
    }

    /// Whether somebody watches.
    pub(crate) fn is_terminal(&self) -> bool {
        self.bars.is_some()
    }

    /// A phase of the work begins.
    pub(crate) fn phase(&self, name: &str) {
        self.line(&format!("[{:>5.1}s] {name}", self.start.elapsed().as_secs_f64()));
    }

    /// A line that stays.
    pub(crate) fn line(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// Something that the reader should know although it is no error.
    pub(crate) fn warning(&self, text: &str) {
        self.line(&format!("warning: {text}"));
    }

    /// Follows a transfer or a computation over `total` bytes.
    pub(crate) fn bytes(&self, what: &str, total: Option<u64>) -> Progress {
        let Some(bars) = &self.bars else {
            return Progress { bar: None, done: AtomicU64::new(0), what: what.to_owned(), ui: self.clone() };
        };
        let template = match total {
            Some(_) => "        {msg} [{bar:24}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            None => "        {msg} {spinner} {bytes} {bytes_per_sec}",
        };
        let style = ProgressStyle::with_template(template).expect("a constant template").progress_chars("=> ");
        let bar = bars.add(total.map_or_else(ProgressBar::new_spinner, ProgressBar::new));
        bar.set_style(style);
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Progress { bar: Some(bar), done: AtomicU64::new(0), what: what.to_owned(), ui: self.clone() }
    }
}

/// A running piece of work. Dropping it removes the bar.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    done: AtomicU64,
    what: String,
    ui: Ui,
}

impl Progress {
    pub(crate) fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }

    /// Leaves one line behind that says why nothing moves.
    pub(crate) fn waits(&self, reason: &str) {
        self.ui.line(&format!("        {}: {reason}", self.what));
    }

    /// Leaves one line behind that says how it ended.
    pub(crate) fn done(self, note: &str) {
        let bytes = human_bytes(self.done.load(Ordering::Relaxed));
        self.ui.line(&format!("        {}: {bytes}{note}", self.what));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
