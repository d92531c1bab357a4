//! What a search says of itself is what it did: the same counts as without being asked, the exact
//! numbers of points that can be results, the way that was gone.

mod common;

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use common::{Numbers, components};
use nearfield::{
    AttributeType, Cap, Collection, CollectionConfig, Effort, Explain, Ids, Interests, Metric,
    PlanKind, Progress, Schema, SearchCounters, SearchRequest, SearchResults, Stage, Vectors,
};

const DIM: usize = 64;
const ROWS: u64 = 8_000;
const QUERIES: usize = 20;

fn upsert(posts: &Collection, from: u64, to: u64) {
    let mut numbers = Numbers(from + 1);
    let centres = components(30, DIM, 5);
    let data: Vec<f32> = (from..to)
        .flat_map(|id| {
            let at = (id % 30) as usize * DIM;
            let centre = &centres[at..at + DIM];
            centre.iter().map(|c| c + 0.7 * numbers.float()).collect::<Vec<f32>>()
        })
        .collect();
    let column: ArrayRef = Arc::new((from..to).map(|id| id as i64).collect::<Int64Array>());
    let groups: ArrayRef = Arc::new((from..to).map(|id| (id % 5) as i64).collect::<Int64Array>());
    let columns = RecordBatch::try_from_iter([("number", column), ("group", groups)]).unwrap();
    let ids = Ids::U64((from..to).collect());
    let vectors = Vectors::from_f32(DIM, &data).unwrap();
    posts.upsert(&ids, &vectors, Some(&columns), &Progress::new()).unwrap();
}

/// `ROWS` points in a segment with a graph.
fn indexed() -> Collection {
    let mut config = CollectionConfig::new(DIM, Metric::Cosine);
    let kind = AttributeType::I64;
    config.schema = Schema::new([("number".to_owned(), kind), ("group".to_owned(), kind)]).unwrap();
    let posts = Collection::in_memory(config).unwrap();
    upsert(&posts, 0, ROWS);
    posts.optimize(&Progress::new()).unwrap();
    posts
}

fn queries() -> Vec<f32> {
    components(QUERIES, DIM, 5)
}

fn asked(k: usize, filter: Option<&str>) -> SearchRequest {
    let filter = filter.map(str::to_owned);
    SearchRequest { filter, explain: true, ..SearchRequest::new(k) }
}

fn sum(told: &[Explain]) -> SearchCounters {
    let add = |mut a: SearchCounters, b: &SearchCounters| {
        a.hops += b.hops;
        a.peeks += b.peeks;
        a.regions_scored += b.regions_scored;
        a.codes_scored += b.codes_scored;
        a.rows_refined += b.rows_refined;
        a.rows_rescored += b.rows_rescored;
        a.capped += b.capped;
        a
    };
    told.iter().map(|told| &told.counters).fold(SearchCounters::default(), add)
}

#[test]
fn to_be_asked_changes_neither_what_is_found_nor_what_is_counted() {
    let posts = indexed();
    upsert(&posts, ROWS, ROWS + 700);
    posts.delete(&Ids::U64((0..ROWS).step_by(50).collect())).unwrap();
    let data = queries();
    let vectors = Vectors::from_f32(DIM, &data).unwrap();
    let cap = Cap { group_by: "group".to_owned(), max_per_group: 2 };
    let narrow = ["number < 4000", "number < 60", "number < 5", "number < 0"];
    let mut requests: Vec<SearchRequest> =
        narrow.iter().map(|filter| asked(10, Some(filter))).collect();
    requests.push(asked(10, None));
    requests.push(SearchRequest { cap: Some(cap), ..asked(30, None) });
    // A thread encodes the growing points in its own time: until then they are compared exactly.
    let few = |found: SearchResults| found.counters.rows_rescored < 700 * QUERIES as u64;
    for _ in 0..600 {
        if requests.last().is_some_and(|last| few(posts.search(&vectors, last).unwrap())) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    requests.push(SearchRequest { effort: Effort::Exact, ..asked(10, None) });
    requests.push(SearchRequest { exclude: Some(Ids::U64(vec![1, 2, 9_999])), ..asked(10, None) });
    for request in requests {
        let told = posts.search(&vectors, &request).unwrap();
        let silent = SearchRequest { explain: false, ..request.clone() };
        let untold = posts.search(&vectors, &silent).unwrap();
        assert!(untold.explain.is_empty());
        assert_eq!((&told.ids, &told.scores), (&untold.ids, &untold.scores), "{request:?}");
        assert_eq!(told.counters, untold.counters, "{request:?}");
        assert_eq!(told.explain.len(), QUERIES);
        assert_eq!(sum(&told.explain), told.counters, "{request:?}");
        let passes = |id: &u64| match &request.filter {
            Some(text) => (*id as i64) < text.split(' ').next_back().unwrap().parse().unwrap(),
            None => true,
        };
        let alive = |id: &u64| *id >= ROWS || !id.is_multiple_of(50);
        let points = (0..ROWS + 700).filter(alive).count() as u64;
        let passing = (0..ROWS + 700).filter(alive).filter(passes).count() as u64;
        let excluded = if request.exclude.is_some() { 2 } else { 0 };
        for told in &told.explain {
            let eligible = told.eligible;
            assert_eq!((eligible.points, eligible.filtered), (points, points - passing));
            assert_eq!((eligible.excluded, eligible.cardinality()), (excluded, passing - excluded));
            assert_eq!(told.segments.len(), 2);
            let parts: u64 = told.segments.iter().map(|s| s.eligible.cardinality()).sum();
            assert_eq!(parts, eligible.cardinality());
            assert!(told.segments.iter().all(|s| !s.why.is_empty()), "{told:?}");
        }
    }
}

#[test]
fn every_way_says_its_name() {
    let posts = indexed();
    let data = queries();
    let vectors = Vectors::from_f32(DIM, &data[..DIM]).unwrap();
    let plan = |request: &SearchRequest| {
        let found = posts.search(&vectors, request).unwrap();
        found.explain.into_iter().next().unwrap()
    };
    let plain = plan(&asked(10, None));
    assert_eq!((plain.plan, plain.why.as_str()), (PlanKind::Graph, "every point is eligible"));
    assert!(plain.counters.hops > 0 && plain.counters.rows_rescored >= 10);
    assert!(plain.counters.codes_scored < ROWS, "{plain:?}");
    for stage in [Stage::Search, Stage::Refine, Stage::Rescore, Stage::Gather] {
        assert!(!plain.stages.get(stage).is_zero(), "{stage:?}");
    }
    let exact = plan(&SearchRequest { effort: Effort::Exact, ..asked(10, None) });
    assert_eq!((exact.plan, exact.why.as_str()), (PlanKind::Exact, "asked for"));
    assert_eq!((exact.counters.hops, exact.counters.codes_scored), (0, 0));
    let few = plan(&asked(10, Some("number < 20")));
    assert_eq!((few.plan, few.counters.rows_rescored), (PlanKind::Exact, 20));
    let some = plan(&asked(10, Some("number < 500")));
    assert_eq!((some.plan, some.counters.codes_scored), (PlanKind::Codes, 500));
    assert!((some.eligible.selectivity() - 500.0 / ROWS as f64).abs() < 1e-12);
    let many = plan(&asked(3, Some("number < 7900")));
    assert_eq!(many.plan, PlanKind::FilteredGraph, "{many:?}");
    assert!(many.counters.hops > 0);
    let none = plan(&asked(10, Some("number < 0")));
    assert_eq!((none.plan, none.eligible.selectivity()), (PlanKind::Nothing, 0.0));
    assert_eq!(none.counters, SearchCounters::default());
}

#[test]
fn the_cap_says_whom_it_passed_over() {
    let posts = indexed();
    let data = queries();
    let vectors = Vectors::from_f32(DIM, &data[..DIM]).unwrap();
    let cap = Cap { group_by: "group".to_owned(), max_per_group: 2 };
    let request = SearchRequest { effort: Effort::Exact, cap: Some(cap), ..asked(10, None) };
    let found = posts.search(&vectors, &request).unwrap();
    let (Ids::U64(ids), told) = (&found.ids, &found.explain[0]) else { panic!("u64 ids") };
    // Everything before the last hit is a hit or was passed over.
    let all = SearchRequest { effort: Effort::Exact, ..SearchRequest::new(8_000) };
    let Ids::U64(order) = posts.search(&vectors, &all).unwrap().ids else { panic!("u64 ids") };
    let last = order.iter().position(|id| *id == ids[9]).unwrap();
    assert_eq!(told.counters.capped, last as u64 + 1 - 10);
    assert_eq!(found.counts, [10]);
}

#[test]
fn several_segments_and_interests_are_told_apart() {
    let posts = indexed();
    upsert(&posts, ROWS, ROWS + 700);
    let data = queries();
    let vectors = Vectors::from_f32(DIM, &data[..3 * DIM]).unwrap();
    let found = posts.search_interests(&vectors, &Interests::default(), &asked(20, None)).unwrap();
    let [told] = &found.explain[..] else { panic!("one row") };
    assert_eq!(told.counters, found.counters);
    for interest in 0..3 {
        let of = told.segments.iter().filter(|s| s.interest == Some(interest));
        assert!(of.count() >= 2, "{told:?}");
    }
    let growing = told.segments.iter().find(|s| s.name == "(growing)").unwrap();
    assert_eq!((growing.rows, growing.eligible.points), (700, 700));
    let ids = Ids::U64(vec![5, 6]);
    let more = posts.search_ids(&ids, &asked(5, None)).unwrap();
    assert_eq!(more.explain.len(), 2);
    assert!(more.explain.iter().all(|told| told.eligible.excluded == 1));
}
