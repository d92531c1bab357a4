//! A load from Parquet against its two parts: reading the file, and building from what is in
//! memory already.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use arrow_array::RecordBatch;
use nearfield::{Collection, LoadOptions, Progress};
use nearfield_bench::Data;
use nearfield_datasets::ReadOptions;
use parquet::arrow::ArrowWriter;

use crate::Outcome;
use crate::support::{Bench, config, given_data, line};

/// Rows of a batch.
const ROWS: usize = 8_192;

fn write(data: &Data, path: &Path) -> Outcome {
    let mut writer = None;
    for batch in data.batches(ROWS) {
        let batch: RecordBatch = batch?;
        let writer = match &mut writer {
            Some(writer) => writer,
            empty => empty.insert(ArrowWriter::try_new(File::create(path)?, batch.schema(), None)?),
        };
        writer.write(&batch)?;
    }
    writer.ok_or("no rows")?.close()?;
    Ok(())
}

pub(crate) fn run(bench: &Bench) -> Outcome {
    let (data, _) = given_data(bench, bench.points, 0)?;
    let file = bench.path("load")?.with_extension("parquet");
    write(&data, &file)?;
    let begin = Instant::now();
    let mut rows = 0;
    for batch in ReadOptions::default().open(&file)?.batches() {
        rows += batch?.num_rows();
    }
    let parsed = begin.elapsed().as_secs_f64();
    let path = bench.path("load")?;
    let collection = Collection::create(&path, config())?;
    let begin = Instant::now();
    let source = ReadOptions::default().open(&file)?;
    collection.load(source.batches(), &LoadOptions::default(), &Progress::new())?;
    let loaded = begin.elapsed().as_secs_f64();
    collection.close()?;
    let path = bench.path("load")?;
    let collection = Collection::create(&path, config())?;
    let begin = Instant::now();
    collection.load(data.batches(ROWS), &LoadOptions::default(), &Progress::new())?;
    let built = begin.elapsed().as_secs_f64();
    collection.close()?;
    line(
        &format!("load of {rows} from Parquet; from memory; parsing"),
        format!("{loaded:.1} s; {built:.1} s; {parsed:.2} s"),
        "the index bounds it",
    );
    std::fs::remove_file(&file)?;
    bench.path("load")?;
    Ok(())
}
