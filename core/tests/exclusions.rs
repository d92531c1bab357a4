//! Exclusion sets: kept across reopening, merging and copies, seen by readers once refreshed, gone
//! when their time has come; and that searches leave out exactly what they hold.

mod common;

use std::collections::HashSet;
use std::time::Duration;

use common::{Numbers, components, open};
use nearfield::{
    Collection, CollectionConfig, Conditions, Effort, Error, IdType, Ids, Metric, Mode, PointId,
    Progress, SearchRequest, Vectors,
};

const DIM: usize = 8;
const DAY: Option<Duration> = Some(Duration::from_secs(86_400));

fn ids(kind: IdType, ids: impl IntoIterator<Item = u64>) -> Ids {
    match kind {
        IdType::U64 => Ids::U64(ids.into_iter().collect()),
        IdType::Str => Ids::Str(ids.into_iter().map(|id| format!("t3_{id}")).collect()),
    }
}

fn fill(collection: &Collection, rows: u64) {
    let vectors = components(rows as usize, DIM, 7);
    let vectors = Vectors::from_f32(DIM, &vectors).unwrap();
    let ids = ids(collection.config().id_type, 0..rows);
    collection.upsert(&ids, &vectors, None, &Progress::new()).unwrap();
}

/// What an exact search for everything finds, ascending.
fn found(collection: &Collection, sets: &[&str]) -> Vec<u64> {
    let vector = components(1, DIM, 9);
    let request = SearchRequest {
        effort: Effort::Exact,
        exclude_sets: sets.iter().map(|set| (*set).to_owned()).collect(),
        ..SearchRequest::new(10_000)
    };
    let results = collection.search(&Vectors::from_f32(DIM, &vector).unwrap(), &request).unwrap();
    let number = |row| match results.ids.get(row) {
        PointId::U64(id) => id,
        PointId::Str(id) => id.trim_start_matches("t3_").parse().unwrap(),
    };
    let mut ids: Vec<u64> = (0..results.counts[0]).map(number).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn sets_outlive_the_process_and_are_copied() {
    for kind in [IdType::U64, IdType::Str] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.nf");
        let mut config = CollectionConfig::new(DIM, Metric::L2);
        config.id_type = kind;
        let collection = Collection::create(&path, config).unwrap();
        fill(&collection, 1_500);
        // Ids that are not there, yet.
        collection.add_exclusions("user:42:seen", &ids(kind, 1_000..3_000), DAY).unwrap();
        collection.add_exclusions("user:42:seen", &ids(kind, [3, 1, 4, 1, 5]), None).unwrap();
        collection.add_exclusions("user:43:seen", &ids(kind, 0..10), DAY).unwrap();
        collection.add_exclusions("user:43:seen", &ids(kind, []), DAY).unwrap();
        let wanted: Vec<u64> = (0..1_000).filter(|id| ![1, 3, 4, 5].contains(id)).collect();
        assert_eq!(found(&collection, &["user:42:seen"]), wanted);
        assert_eq!(found(&collection, &["nobody", "user:42:seen", "user:42:seen"]), wanted);
        let both: Vec<u64> = (10..1_000).collect();
        assert_eq!(found(&collection, &["user:43:seen", "user:42:seen"]), both);

        let reader = open(&path, Mode::Read).unwrap();
        assert_eq!(found(&reader, &["user:42:seen"]), wanted);
        collection.clear_exclusions("user:43:seen").unwrap();
        collection.add_exclusions("user:42:seen", &ids(kind, [0]), None).unwrap();
        assert_eq!(found(&reader, &["user:42:seen"]), wanted);
        reader.refresh().unwrap();
        assert_eq!(found(&reader, &["user:42:seen"]), wanted[1..]);
        assert_eq!(found(&reader, &["user:43:seen"]).len(), 1_500);
        let refused = reader.add_exclusions("user:42:seen", &ids(kind, [0]), None);
        assert!(matches!(refused, Err(Error::ReadOnly { .. })));

        collection.optimize(&Progress::new()).unwrap();
        assert_eq!(found(&collection, &["user:42:seen"]), wanted[1..]);
        let copy = dir.path().join("copy.nf");
        collection.snapshot(&copy).unwrap();
        collection.clear_exclusions("user:42:seen").unwrap();
        fill(&collection, 1_600);
        drop(collection);
        let again = open(&path, Mode::Write).unwrap();
        assert_eq!(found(&again, &["user:42:seen"]).len(), 1_600);
        again.verify().unwrap();
        drop(again);
        let copy = open(&copy, Mode::Read).unwrap();
        assert_eq!(found(&copy, &["user:42:seen", "user:43:seen"]), wanted[1..]);
        assert!(copy.verify().unwrap().points == 1_500);
    }
}

#[test]
fn ids_leave_a_set_when_their_time_has_come() {
    let collection = Collection::in_memory(CollectionConfig::new(DIM, Metric::L2)).unwrap();
    fill(&collection, 40);
    let soon = Some(Duration::from_millis(400));
    collection.add_exclusions("seen", &ids(IdType::U64, 0..20), soon).unwrap();
    collection.add_exclusions("seen", &ids(IdType::U64, 5..10), DAY).unwrap();
    collection.add_exclusions("seen", &ids(IdType::U64, 5..6), soon).unwrap();
    assert_eq!(found(&collection, &["seen"]), (20..40).collect::<Vec<_>>());
    std::thread::sleep(Duration::from_millis(450));
    let later: Vec<u64> = (0..5).chain(10..40).collect();
    assert_eq!(found(&collection, &["seen"]), later);
    collection.optimize(&Progress::new()).unwrap();
    assert_eq!(found(&collection, &["seen"]), later);
}

#[test]
fn names_and_ids_are_checked() {
    let collection = Collection::in_memory(CollectionConfig::new(DIM, Metric::L2)).unwrap();
    let text = |result: nearfield::Result<()>| result.unwrap_err().to_string();
    let some = ids(IdType::U64, [1]);
    assert!(text(collection.add_exclusions("", &some, None)).contains("1 to 512 bytes"));
    let long = "x".repeat(513);
    assert!(text(collection.clear_exclusions(&long)).contains("found 513 bytes"));
    let strings = ids(IdType::Str, [1]);
    assert!(text(collection.add_exclusions("s", &strings, None)).contains("ids"));
    let none = Ids::U64(vec![u64::MAX]);
    assert!(text(collection.add_exclusions("s", &none, None)).contains("row 0"));
}

/// Many exclusions, few, by a filter too: as an exact search that drops them afterwards.
#[test]
fn searches_find_the_nearest_of_the_rest() {
    for kind in [IdType::U64, IdType::Str] {
        let mut config = CollectionConfig::new(DIM, Metric::L2);
        config.id_type = kind;
        let collection = Collection::in_memory(config).unwrap();
        fill(&collection, 6_000);
        collection.optimize(&Progress::new()).unwrap();
        fill(&collection, 500);
        let mut numbers = Numbers(5);
        let queries = components(20, DIM, 33);
        let queries = Vectors::from_f32(DIM, &queries).unwrap();
        let all = SearchRequest { effort: Effort::Exact, ..SearchRequest::new(6_000) };
        let truth = collection.search(&queries, &all).unwrap();
        for share in [1, 100, 400, 700, 3_000, 5_995, 6_000] {
            let mut rest: Vec<u64> = (0..6_000).collect();
            let seen: Vec<u64> = (0..share)
                .map(|_| rest.swap_remove(numbers.next() as usize % rest.len()))
                .collect();
            let rest = ids(kind, rest);
            let rest: HashSet<PointId> = (0..rest.len()).map(|row| rest.get(row)).collect();
            let (half, other) = seen.split_at(seen.len() / 2);
            let set = format!("user:{share}");
            collection.add_exclusions(&set, &ids(kind, other.iter().copied()), None).unwrap();
            let mut request = SearchRequest::new(10);
            request.exclude = Some(ids(kind, half.iter().copied().chain([99_999])));
            request.exclude_sets = vec![set];
            let mut recall = 0;
            for effort in [Effort::Exact, Effort::Recall(0.95)] {
                request.effort = effort;
                let results = collection.search(&queries, &request).unwrap();
                for query in 0..20 {
                    let at = query * 6_000;
                    let wanted: Vec<_> = (at..at + 6_000)
                        .map(|place| truth.ids.get(place))
                        .filter(|id| rest.contains(id))
                        .take(10)
                        .collect();
                    assert_eq!(results.counts[query], wanted.len(), "{share} excluded");
                    let found: Vec<_> =
                        (0..wanted.len()).map(|rank| results.ids.get(query * 10 + rank)).collect();
                    if effort == Effort::Exact {
                        assert_eq!(found, wanted);
                    } else {
                        recall += found.iter().filter(|id| wanted.contains(id)).count();
                    }
                }
            }
            let most = 20 * 10.min(6_000 - share as usize);
            assert!(recall * 100 >= most * 90, "{recall} of {most} with {share} excluded");
        }
    }
}

#[test]
fn a_row_of_a_batch_equals_the_same_search_alone() {
    let collection = Collection::in_memory(CollectionConfig::new(DIM, Metric::L2)).unwrap();
    fill(&collection, 3_000);
    collection.optimize(&Progress::new()).unwrap();
    for user in 0..5 {
        let seen = ids(IdType::U64, (0..3_000).filter(|id| id % 7 == user));
        collection.add_exclusions(&format!("user:{user}"), &seen, None).unwrap();
    }
    let rows = 60;
    let queries = components(rows, DIM, 12);
    let conditions = |row: usize| Conditions {
        filter: (!row.is_multiple_of(3)).then(|| format!("id NOT IN ({}, 5, 9)", row % 3 * 500)),
        exclude: row.is_multiple_of(4).then(|| ids(IdType::U64, 0..row as u64 * 30)),
        exclude_sets: if row.is_multiple_of(2) {
            vec![format!("user:{}", row % 5)]
        } else {
            vec![]
        },
    };
    let mut request = SearchRequest::new(7);
    request.per_query = (0..rows).map(conditions).collect();
    for threads in [None, Some(1), Some(3)] {
        request.threads = threads;
        let batch =
            collection.search(&Vectors::from_f32(DIM, &queries).unwrap(), &request).unwrap();
        for row in 0..rows {
            let Conditions { filter, exclude, exclude_sets } = conditions(row);
            let one = SearchRequest { filter, exclude, exclude_sets, ..SearchRequest::new(7) };
            let query = &queries[row * DIM..(row + 1) * DIM];
            let one = collection.search(&Vectors::from_f32(DIM, query).unwrap(), &one).unwrap();
            let places = row * 7..row * 7 + 7;
            assert_eq!(one.scores, batch.scores[places.clone()], "row {row}");
            assert!(places.enumerate().all(|(n, at)| one.ids.get(n) == batch.ids.get(at)));
        }
    }
    request.per_query.pop();
    let refused = collection.search(&Vectors::from_f32(DIM, &queries).unwrap(), &request);
    assert!(refused.unwrap_err().to_string().contains("60 conditions, one a query"));
}
