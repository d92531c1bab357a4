//! Import: an index of another program becomes a collection, its graph kept.

use std::path::Path;

use super::commit::write_sealed;
use super::input::Input;
use super::merge::make_live;
use super::{Collection, pool};
use crate::config::{CollectionConfig, ImportOptions, Progress};
use crate::error::{Error, Result};
use crate::graph::{self, BuildOptions, Ordered, Start};
use crate::import::hnsw_rs::Dump;
use crate::originals::Originals;
use crate::segment::{Index, IndexGraph};
use crate::types::{Ids, IndexKind};

/// Everything is read and built before the collection is created: what fails leaves nothing.
pub(super) fn hnsw_rs(
    dump: &Path,
    path: Option<&Path>,
    options: &ImportOptions,
    progress: &Progress,
) -> Result<Collection> {
    if let Some(path) = path.filter(|path| path.exists()) {
        return Err(Error::AlreadyExists { path: path.to_owned() });
    }
    let mut dump = Dump::open(dump)?;
    let points = dump.head.points as u64;
    let config = config(&dump, options)?;
    // A third is reading the graph, one reading the vectors, one making the index.
    progress.begin(3 * points);
    let (ids, given) = dump.graph(progress)?;
    let mut input = Input::new(&config);
    input.ids(&Ids::U64(ids.clone()))?;
    let mut batches = dump.vectors(&ids);
    while let Some(batch) = batches.next_batch()? {
        progress.check("import")?;
        input.vectors("vectors of the dump", &batch)?;
        progress.advance(batch.rows() as u64);
    }
    input.attributes(&vec![None; config.schema.len()], ids.len())?;
    drop(ids);
    let rows = input.finish();

    let pool = pool()?;
    let points = pool.install(|| rows.keep_last());
    let index = if points.len() < graph::ROWS_MIN {
        None
    } else {
        let originals = Originals::new(config.dtype, config.dim, points.vectors());
        let degree = given.degree();
        let options = BuildOptions {
            degree,
            ..BuildOptions::new(config.metric, config.profile, config.seed)
        };
        Some(pool.install(|| {
            let ordered = Ordered::new(&originals, &options, None, progress)?;
            let grown = ordered.grow(&originals, &options, Start::Given(&given), progress)?;
            Ok((ordered, grown))
        })?)
    };
    drop(given);
    progress.check("import")?;

    let collection = match path {
        Some(path) => Collection::create(path, config)?,
        None => Collection::in_memory(config)?,
    };
    let shared = &collection.shared;
    let (ordered, grown) = index.unzip();
    let graph = grown.map(IndexGraph::Grown);
    let index = ordered.as_ref().zip(graph).map(|(ordered, graph)| Index { ordered, graph });
    let filled = write_sealed(shared, &shared.config(), &points, index)
        .and_then(|handle| make_live(shared, &points, handle));
    if let Err(error) = filled {
        drop(collection);
        if let Some(path) = path {
            // Made above, by this call. The error that matters is the first.
            let _ = std::fs::remove_dir_all(path);
        }
        return Err(error);
    }
    let (done, total) = progress.get();
    progress.advance(total.saturating_sub(done));
    Ok(collection)
}

fn config(dump: &Dump, options: &ImportOptions) -> Result<CollectionConfig> {
    let ImportOptions { metric, schema, space, profile, durability, memory, seed } =
        options.clone();
    let head = &dump.head;
    let config = CollectionConfig {
        dtype: head.dtype,
        index: IndexKind::Hnsw,
        schema,
        space,
        profile,
        durability,
        memory,
        seed,
        ..CollectionConfig::new(head.dim, head.metric(metric)?)
    };
    config.validate()?;
    Ok(config)
}
