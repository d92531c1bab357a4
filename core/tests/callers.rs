//! Callers may be threads of a rayon pool of their own: while one waits for ours it takes up another
//! of its tasks, which calls us again. And callers may have little time.

mod common;

use std::time::Duration;

use common::{Numbers, components};
use nearfield::{
    Collection, CollectionConfig, Conditions, Effort, Error, Ids, Metric, Progress, SearchRequest,
    Vectors,
};
use rayon::prelude::*;

const DIM: usize = 8;
/// Enough for a scan, and the sorting of an upsert, to be shared among threads.
const ROWS: u64 = 20_000;

fn upsert(posts: &Collection, from: u64) {
    let data = components(ROWS as usize, DIM, from + 1);
    let vectors = Vectors::from_f32(DIM, &data).unwrap();
    let mut numbers = Numbers(from);
    let mut ids: Vec<u64> = (from..from + ROWS).collect();
    ids.sort_by_cached_key(|_| numbers.next());
    posts.upsert(&Ids::U64(ids), &vectors, None, &Progress::new()).unwrap();
}

#[test]
fn searches_and_writes_of_another_pool_end() {
    let posts = Collection::in_memory(CollectionConfig::new(DIM, Metric::L2)).unwrap();
    upsert(&posts, 0);
    let request = SearchRequest { effort: Effort::Exact, ..SearchRequest::new(5) };
    let queries = components(400, DIM, 3);
    let search = |query: &[f32]| {
        let found = posts.search(&Vectors::from_f32(DIM, query).unwrap(), &request).unwrap();
        assert_eq!(found.counts, [5]);
        found.ids
    };
    let theirs = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    let together: Vec<Ids> = theirs.install(|| queries.par_chunks(DIM).map(search).collect());
    let alone: Vec<Ids> = queries.chunks(DIM).map(search).collect();
    assert_eq!(together, alone);
    theirs.install(|| (1..9_u64).into_par_iter().for_each(|part| upsert(&posts, part * ROWS)));
    assert_eq!(posts.len(), 9 * ROWS);
}

#[test]
fn a_batch_has_one_time_limit_whoever_is_eligible_for_each_query() {
    let posts = Collection::in_memory(CollectionConfig::new(DIM, Metric::L2)).unwrap();
    upsert(&posts, 0);
    let count = 4_000;
    let queries = components(count, DIM, 3);
    let vectors = Vectors::from_f32(DIM, &queries).unwrap();
    let alone = |id: u64| Conditions { exclude: Some(Ids::U64(vec![id])), ..Default::default() };
    let request = SearchRequest {
        effort: Effort::Exact,
        per_query: (0..count as u64).map(alone).collect(),
        timeout: Some(Duration::from_millis(10)),
        ..SearchRequest::new(1)
    };
    // One of them takes a fraction of a millisecond, all of them far more than the limit.
    let found = posts.search(&vectors, &request);
    assert!(matches!(found, Err(Error::Deadline { allowed_ms: 10 })), "{found:?}");
}
