//! A progress bar beside a long call, and Ctrl-C that stops the call cleanly.

use std::io::{IsTerminal, stderr};
use std::process::exit;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nearfield::Progress;
use tokio::{runtime, signal};

const TICK: Duration = Duration::from_millis(100);

/// Runs `work` and shows how far it is, on standard error, if that is a terminal. Ctrl-C asks
/// `work` to stop and leave the old state; a second one ends the process.
pub fn watch<T>(label: &'static str, work: impl FnOnce(&Progress) -> T) -> T {
    let progress = Progress::new();
    cancel_on_interrupt(progress.clone());
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

/// Without a runtime for signals Ctrl-C simply ends the process, as it does by default.
fn cancel_on_interrupt(progress: Progress) {
    let Ok(runtime) = runtime::Builder::new_current_thread().enable_io().build() else { return };
    thread::spawn(move || {
        runtime.block_on(async {
            if signal::ctrl_c().await.is_ok() {
                progress.cancel();
            }
            if signal::ctrl_c().await.is_ok() {
                exit(1);
            }
        });
    });
}
