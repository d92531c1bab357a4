//! Updates of attributes only, durable, in batches.

use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use nearfield::{AttributeType, Collection, CollectionConfig, Ids, Progress, Schema};

use crate::Outcome;
use crate::support::{Bench, config, data, line};

/// Points of a call.
const CALL: usize = 1_000;
const CALLS: usize = 500;

fn values(call: usize) -> Result<RecordBatch, Box<dyn std::error::Error>> {
    let scores: ArrayRef =
        Arc::new(Int64Array::from_iter_values((0..CALL).map(|i| (call + i) as i64)));
    let flairs = (0..CALL).map(|i| format!("flair {}", (call * 7 + i) % 300));
    let flairs: ArrayRef = Arc::new(StringArray::from_iter_values(flairs));
    Ok(RecordBatch::try_from_iter([("score", scores), ("flair", flairs)])?)
}

pub(crate) fn run(bench: &Bench) -> Outcome {
    let (data, _) = data(bench.points, 0);
    let schema = [("score", AttributeType::I64), ("flair", AttributeType::Keyword)];
    let schema = Schema::new(schema.map(|(name, kind)| (name.to_owned(), kind)))?;
    let config = CollectionConfig { schema, ..config() };
    let path = bench.path("attributes")?;
    let collection = Collection::create(&path, config)?;
    let ids = Ids::U64((0..bench.points as u64).collect());
    collection.upsert(&ids, &data.vectors()?, None, &Progress::new())?;
    collection.optimize(&Progress::new())?;
    let batches: Vec<RecordBatch> = (0..CALLS).map(values).collect::<Result<_, _>>()?;
    let ids_of = |call: usize| {
        Ids::U64((0..CALL).map(|i| ((call * CALL + i * 31) % bench.points) as u64).collect())
    };
    let ids: Vec<Ids> = (0..CALLS).map(ids_of).collect();
    let begin = Instant::now();
    for (ids, batch) in ids.iter().zip(&batches) {
        collection.update(ids, batch)?;
    }
    let rate = (CALL * CALLS) as f64 / begin.elapsed().as_secs_f64();
    line("updates of two attributes, batches of 1,000", format!("{rate:.0}/s"), ">= 100,000/s");
    collection.close()?;
    bench.path("attributes")?;
    Ok(())
}
