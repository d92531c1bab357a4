//! The memory of a load, as stated before and as it was: in a process of its own.

use std::path::Path;
use std::process::Command;

use nearfield::{Collection, LoadOptions, Progress};
use nearfield_datasets::ReadOptions;

use crate::Outcome;
use crate::support::{Bench, config, data, line};

pub(crate) fn run(bench: &Bench) -> Outcome {
    let file = bench.path("memory")?.with_extension("npy");
    data(bench.million, 0).0.write_npy(&file)?;
    let path = bench.path("memory")?;
    let output = Command::new(std::env::current_exe()?)
        .arg("child-memory")
        .arg(&path)
        .arg(&file)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    let [stated, peak] = numbers[..] else { return Err(text.into()) };
    let what = format!(
        "memory of loading {}, stated {:.2} GiB",
        bench.million,
        stated / f64::from(1 << 30)
    );
    line(
        &what,
        format!("{:.2} GiB, {:.3}", peak / f64::from(1 << 30), peak / stated),
        "0.85 to 1.0",
    );
    std::fs::remove_file(&file)?;
    bench.path("memory")?;
    Ok(())
}

/// Loads the file; prints the stated bytes and those at the peak.
pub(crate) fn child(args: &[String]) -> Outcome {
    let [path, file] = args else { return Err("a path and a file".into()) };
    let collection = Collection::create(Path::new(path), config())?;
    let source = ReadOptions::default().open(file)?;
    let stated = collection.estimate_load(source.rows().ok_or("a number of rows")?, 0)?.needed;
    let options = LoadOptions { id: None, ..LoadOptions::default() };
    collection.load(source.batches(), &options, &Progress::new())?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("a peak")?;
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse()?;
    println!("{stated} {}", peak * 1024);
    Ok(())
}
