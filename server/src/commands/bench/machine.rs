//! What the figures were measured on.

use std::{env, fs, thread};

use nearfield::bench::instruction_sets;

/// The machine and the build.
#[derive(Debug)]
pub struct Machine {
    /// Model of the processor.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Threads of a batch.
    pub threads: usize,
    /// The instruction set of the searches.
    pub isa: &'static str,
    /// Version of this program.
    pub version: &'static str,
}

impl Machine {
    /// This one; at most `asked` threads are used.
    pub fn new(asked: Option<usize>) -> Self {
        let cores = thread::available_parallelism().map_or(1, Into::into);
        let pool = pool(cores);
        Self {
            cpu: cpu(),
            cores,
            threads: asked.unwrap_or(pool).min(pool),
            isa: isa(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// The most bytes that this process had in memory, where the system says.
pub fn peak_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// As the library sizes its pool.
fn pool(cores: usize) -> usize {
    ["NEARFIELD_THREADS", "RAYON_NUM_THREADS"]
        .iter()
        .filter_map(|name| env::var(name).ok()?.trim().parse().ok())
        .find(|threads| (1..=1024).contains(threads))
        .unwrap_or(cores)
}

/// As the library chooses: the best, unless `NEARFIELD_ISA` names another that is there.
fn isa() -> &'static str {
    let sets = instruction_sets();
    let asked = env::var("NEARFIELD_ISA").unwrap_or_default();
    let found = sets.iter().find(|set| **set == asked).or(sets.last());
    found.copied().unwrap_or("scalar")
}
