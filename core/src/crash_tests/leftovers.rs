//! What a load that was cut short left in `load/`, damaged in every way, or that of another load:
//! loading again gives what a load in one go gives.

use std::path::{Path, PathBuf};

use super::data::{self, Point};
use super::oracle::observe;
use super::world::{ROOT, State, open_at};
use super::{on_all, report};
use crate::collection::Collection;
use crate::config::{CollectionConfig, LoadOptions, Mode, Progress};
use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::vfs::fault::{Crash, FaultVfs, Image};

const ROWS: u64 = 100;
const BATCH: usize = 5;

/// Loads points of this version, from a source of this name; stops after so many rows.
fn load(collection: &Collection, version: u32, source: &str, until: u64) -> Result<()> {
    let kind = collection.config().id_type;
    let points: Vec<(u64, u32)> = (0..ROWS).map(|id| (id, version)).collect();
    let progress = Progress::new();
    let inside = progress.clone();
    let batches = points.chunks(BATCH).map(|points| {
        if inside.get().0 >= until {
            inside.cancel();
        }
        Ok::<_, std::convert::Infallible>(data::rows(kind, points, false))
    });
    let options = LoadOptions { source: Some(source.to_owned()), ..LoadOptions::default() };
    collection.load(batches, &options, &progress).map(drop)
}

fn parts(image: &Image) -> Vec<PathBuf> {
    let inside = Path::new(ROOT).join("load");
    image.names().into_iter().filter(|name| name.starts_with(&inside)).collect()
}

/// A disk with what is left of two loads, that of the second in place; and what the first left.
fn ready() -> (Image, Image) {
    let vfs = FaultVfs::default();
    let mut config = CollectionConfig::new(data::DIM, Metric::L2);
    config.schema = data::schema();
    let collection =
        Collection::create_on(std::sync::Arc::new(vfs.clone()), ROOT.as_ref(), config).unwrap();
    let cut = |version, source| {
        let error = load(&collection, version, source, 70).unwrap_err();
        assert!(matches!(error, Error::Interrupted { .. }), "{error}");
        vfs.image(Crash::Everything)
    };
    let first = cut(1, "first");
    let second = cut(2, "second");
    assert!(parts(&first).len() > 3 && parts(&second).len() > 3);
    vfs.kill();
    (first, second)
}

/// Goes on with the second load.
fn go_on(image: &Image) -> std::result::Result<(), String> {
    let vfs = FaultVfs::of(image);
    let done = open_at(&vfs, ROOT.as_ref(), Mode::Write).and_then(|collection| {
        load(&collection, 2, "second", u64::MAX)?;
        collection.verify()?;
        Ok(collection)
    });
    let collection = done.map_err(|e| e.to_string())?;
    let point = Point { vector: 2, attributes: 2, extra: None };
    let points = (0..ROWS).map(|id| (id, point)).collect();
    let found = observe(&collection, ROWS)?;
    if found != (State { points, ..State::default() }) {
        return Err(format!("found {found:?}"));
    }
    match parts(&vfs.image(Crash::Everything)).first() {
        Some(name) => Err(format!("{} is left", name.display())),
        None => Ok(()),
    }
}

/// Tries everything at so many places of each file; how many cases there were.
pub(super) fn run(places: usize) -> std::result::Result<usize, String> {
    let (first, second) = ready();
    let mut cases = vec![("as it is".to_owned(), second.clone())];
    let others: Vec<_> = [&first, &second].map(parts).concat();
    for path in parts(&second) {
        let good = second.get(&path).unwrap_or_default();
        let mut add = |what: String, bytes: Vec<u8>| {
            cases.push((format!("{}: {what}", path.display()), second.with(&path, bytes)));
        };
        for at in (0..good.len()).step_by((good.len() / places).max(1) | 1) {
            let mut bytes = good.to_vec();
            bytes[at] ^= 0x10;
            add(format!("a flip at {at}"), bytes);
            add(format!("cut at {at}"), good[..at].to_vec());
        }
        add("garbage".to_owned(), (0..999_u64).map(|n| data::mix(n) as u8).collect());
        for other in &others {
            for image in [&first, &second] {
                if let Some(bytes) = image.get(other) {
                    add(format!("as {}", other.display()), bytes.to_vec());
                }
            }
        }
    }
    // All of the first load, under its own names or beside the other's `SOURCE`.
    for path in parts(&first) {
        let bytes = first.get(&path).unwrap_or_default().to_vec();
        cases.push((format!("with the first's {}", path.display()), second.with(&path, bytes)));
    }
    on_all(&cases, |_, (what, image)| go_on(image).map_err(|e| format!("{what}: {e}")))?;
    Ok(cases.len())
}

#[test]
fn a_load_goes_on_whatever_became_of_what_it_had_read() {
    let cases = run(200).unwrap_or_else(|e| panic!("{e}"));
    report(format!("T6, of loads that were cut short: {cases} damaged files"));
    assert!(cases > 1_000, "{cases}");
}
