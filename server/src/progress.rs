//! A progress bar beside long work, and Ctrl-C that stops the work cleanly.

use std::io::{IsTerminal, stderr};
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nearfield::Progress;
use tokio::{runtime, signal};

use crate::commands::Result;

const TICK: Duration = Duration::from_millis(100);

/// Runs `work` and shows how far it is, on standard error, if that is a terminal. Ctrl-C asks
/// `work` to stop and leave the old state; a second one ends the process.
pub fn watch<T>(label: &'static str, work: impl FnOnce(&Progress) -> T) -> T {
    let progress = Progress::new();
    let cancelled = progress.clone();
    on_interrupt(move || cancelled.cancel());
    if !stderr().is_terminal() {
        return work(&progress);
    }
    let watched = progress.clone();
    // Dropping the sender, also in a panic, ends the thread that draws.
    let (running, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let bar = bar(label);
            while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let (done, total) = watched.get();
                // While the number of steps is unknown the bar is empty.
                bar.set_length(total.max(1));
                bar.set_position(done.min(total));
            }
            bar.finish_and_clear();
        });
        let result = work(&progress);
        drop(running);
        result
    })
}

fn bar(label: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = "{msg} [{bar:32}] {percent:>3} %, {elapsed}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.with_message(label)
}

/// Work in steps: a bar on standard error, if that is a terminal, which is drawn between steps
/// only, and Ctrl-C that is heard between them. A second Ctrl-C ends the process.
#[derive(Debug)]
pub struct Steps {
    label: &'static str,
    bar: ProgressBar,
    interrupted: Arc<AtomicBool>,
}

impl Steps {
    /// `total` steps are ahead.
    pub fn new(label: &'static str, total: usize) -> Self {
        let interrupted = Arc::new(AtomicBool::new(false));
        let heard = Arc::clone(&interrupted);
        on_interrupt(move || heard.store(true, Ordering::Relaxed));
        let bar = bar(label);
        bar.set_length(total as u64);
        bar.tick();
        Self { label, bar, interrupted }
    }

    /// One step is done.
    ///
    /// # Errors
    /// As [`Steps::check`].
    pub fn advance(&self) -> Result<()> {
        self.bar.inc(1);
        self.check()
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// Ctrl-C.
    pub fn check(&self) -> Result<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(nearfield::Error::Interrupted { operation: self.label }.into());
        }
        Ok(())
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Calls `first` at the first Ctrl-C; a second one ends the process. Without a runtime for
/// signals Ctrl-C simply ends the process, as it does by default.
fn on_interrupt(first: impl FnOnce() + Send + 'static) {
    let Ok(runtime) = runtime::Builder::new_current_thread().enable_io().build() else { return };
    thread::spawn(move || {
        runtime.block_on(async {
            if signal::ctrl_c().await.is_ok() {
                first();
            }
            if signal::ctrl_c().await.is_ok() {
                exit(1);
            }
        });
    });
}
