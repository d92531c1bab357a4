//! A join answers each query as a search does: alone or with exclusions of its own, users with all of
//! their interests wherever their rows are, from the start or from the middle, in the order of the file.

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type, UInt64Type};
use arrow_array::{
    ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray,
};
use arrow_schema::{DataType, Field};
use common::{Numbers, attributes, components};
use nearfield::{
    Cap, Collection, Conditions, Effort, Error, Ids, Interests, JoinOptions, JoinReport,
    JoinSource, Progress, Result, SearchRequest, Vectors,
};

const DIM: usize = 16;
const ROWS: u64 = 3_000;

fn collection() -> Collection {
    let posts = Collection::in_memory(common::config(DIM)).unwrap();
    let data = components(ROWS as usize, DIM, 1);
    let vectors = Vectors::from_f32(DIM, &data).unwrap();
    let ids = Ids::U64((0..ROWS).collect());
    posts.upsert(&ids, &vectors, Some(&attributes(0, ROWS)), &Progress::new()).unwrap();
    posts.optimize(&Progress::new()).unwrap();
    posts
}

fn vectors_column(data: &[f32]) -> ArrayRef {
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let values = Arc::new(Float32Array::from(data.to_vec()));
    Arc::new(FixedSizeListArray::try_new(item, DIM as i32, values, None).unwrap())
}

/// Queries with what belongs to each.
struct Queries {
    data: Vec<f32>,
    users: Vec<String>,
    weights: Vec<f64>,
    seen: Vec<Option<Vec<u64>>>,
    /// Rows of a batch.
    step: usize,
}

impl Queries {
    fn new(rows: usize) -> Self {
        let mut numbers = Numbers(11);
        let mut some = |most: u64| numbers.next() % most;
        Self {
            data: components(rows, DIM, 2),
            users: (0..rows).map(|_| format!("u{}", some(rows as u64 / 3))).collect(),
            weights: (0..rows).map(|_| 0.5 + some(4) as f64).collect(),
            seen: (0..rows)
                .map(|_| (some(3) > 0).then(|| (0..some(40)).map(|_| some(ROWS)).collect()))
                .collect(),
            step: 700,
        }
    }

    fn batch(&self) -> RecordBatch {
        let rows = self.users.len();
        let ids: ArrayRef = Arc::new((0..rows as i64).map(|id| id * 10).collect::<Int64Array>());
        let users: ArrayRef = Arc::new(StringArray::from(self.users.clone()));
        let weights: ArrayRef = Arc::new(Float64Array::from(self.weights.clone()));
        let seen =
            self.seen.iter().map(|ids| ids.as_ref().map(|ids| ids.iter().map(|id| Some(*id))));
        let seen: ArrayRef = Arc::new(ListArray::from_iter_primitive::<UInt64Type, _, _>(seen));
        let columns = [
            ("id", ids),
            ("embedding", vectors_column(&self.data)),
            ("user", users),
            ("weight", weights),
            ("seen", seen),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true))).unwrap()
    }

    fn open(&self, columns: &[String]) -> JoinSource<'static> {
        let all = self.batch();
        let wanted = columns.iter().map(|name| all.schema().index_of(name).unwrap());
        let all = all.project(&wanted.collect::<Vec<_>>()).unwrap();
        let (rows, step) = (all.num_rows(), self.step);
        let schema = all.schema();
        let starts = (0..rows).step_by(step);
        let batches = starts.map(move |from| Ok(all.slice(from, step.min(rows - from))));
        JoinSource { schema, rows: Some(rows as u64), batches: Box::new(batches) }
    }

    fn vector(&self, row: usize) -> &[f32] {
        &self.data[row * DIM..(row + 1) * DIM]
    }
}

type Lists = HashMap<String, Vec<(u64, f32)>>;

/// The lists by the text of whose they are, and the names in order.
fn join(
    posts: &Collection,
    queries: &Queries,
    options: &JoinOptions,
) -> Result<(Lists, Vec<String>, JoinReport)> {
    let (mut lists, mut order) = (Lists::new(), Vec::new());
    let sink = |batch: &RecordBatch, _| {
        let names = arrow_cast::cast(batch.column(0), &DataType::Utf8).unwrap();
        let names = names.as_string::<i32>();
        let ranks = batch.column(1).as_primitive::<Int32Type>();
        let ids = batch.column(2).as_primitive::<UInt64Type>();
        let scores = batch.column(3).as_primitive::<Float32Type>();
        for row in 0..batch.num_rows() {
            let name = names.value(row).to_owned();
            if ranks.value(row) == 0 {
                order.push(name.clone());
            }
            let list = lists.entry(name).or_default();
            assert_eq!(ranks.value(row) as usize, list.len());
            list.push((ids.value(row), scores.value(row)));
        }
        Ok(())
    };
    let report = posts.knn_join(|c| Ok(queries.open(c)), options, sink, &Progress::new())?;
    Ok((lists, order, report))
}

fn found(results: &nearfield::SearchResults) -> Vec<(u64, f32)> {
    let Ids::U64(ids) = &results.ids else { panic!("u64 ids") };
    ids.iter().zip(&results.scores).take(results.counts[0]).map(|(i, s)| (*i, *s as f32)).collect()
}

#[test]
fn each_query_is_answered_as_by_a_search() {
    let (posts, queries) = (collection(), Queries::new(1_500));
    posts.add_exclusions("q:20:seen", &Ids::U64((0..2_000).collect()), None).unwrap();
    let mut options = JoinOptions::new(7);
    options.request.filter = Some("score > 0".to_owned());
    options.request.exclude = Some(Ids::U64(vec![77, 78]));
    options.exclude_column = Some("seen".to_owned());
    options.exclude_set = Some("q:{id}:seen".to_owned());
    let (lists, order, report) = join(&posts, &queries, &options).unwrap();
    let all = JoinReport { lists: 1_500, hits: 7 * 1_500, resumed: 0 };
    assert_eq!((report, lists.len()), (all, 1_500));
    assert!(order.iter().map(|id| id.parse::<usize>().unwrap()).eq((0..1_500).map(|id| id * 10)));
    for row in (0..1_500).step_by(31).chain([2]) {
        let mut exclude = queries.seen[row].clone().unwrap_or_default();
        exclude.extend([77, 78]);
        let own = Conditions {
            exclude: Some(Ids::U64(exclude)),
            exclude_sets: vec![format!("q:{}:seen", row * 10)],
            ..Conditions::default()
        };
        let request = SearchRequest { per_query: vec![own], ..options.request.clone() };
        let vector = Vectors::from_f32(DIM, queries.vector(row)).unwrap();
        let alone = posts.search(&vector, &request).unwrap();
        assert_eq!(lists[&(row * 10).to_string()], found(&alone), "row {row}");
    }
    assert!(lists["20"].iter().all(|(id, _)| *id >= 2_000));
}

#[test]
fn a_join_goes_on_after_any_number_of_lists() {
    let (posts, queries) = (collection(), Queries::new(1_000));
    let mut options = JoinOptions::new(3);
    for group in [None, Some("user".to_owned())] {
        options.group = group;
        options.skip = 0;
        let (all, order, _) = join(&posts, &queries, &options).unwrap();
        for skip in [1, 300, order.len() - 1, order.len()] {
            options.skip = skip as u64;
            let (rest, found, report) = join(&posts, &queries, &options).unwrap();
            assert_eq!(found, order[skip..], "{skip}");
            assert_eq!((report.resumed, report.lists), (skip as u64, found.len() as u64));
            assert!(rest.iter().all(|(name, list)| all[name] == *list));
        }
    }
}

#[test]
fn a_user_has_one_list_for_all_interests() {
    let (posts, queries) = (collection(), Queries::new(900));
    let mut options = JoinOptions::new(12);
    options.request.effort = Effort::Exact;
    options.request.cap = Some(Cap { group_by: "tag".to_owned(), max_per_group: 3 });
    options.group = Some("user".to_owned());
    options.weight = Some("weight".to_owned());
    options.exclude_column = Some("seen".to_owned());
    let (lists, ..) = join(&posts, &queries, &options).unwrap();
    let mut users: HashMap<&str, Vec<usize>> = HashMap::new();
    for (row, user) in queries.users.iter().enumerate() {
        users.entry(user).or_default().push(row);
    }
    assert_eq!(lists.len(), users.len());
    for (user, rows) in users {
        let data: Vec<f32> = rows.iter().flat_map(|row| queries.vector(*row)).copied().collect();
        let weights = rows.iter().map(|row| queries.weights[*row]).collect();
        let seen = rows.iter().flat_map(|row| queries.seen[*row].iter().flatten()).copied();
        let request =
            SearchRequest { exclude: Some(Ids::U64(seen.collect())), ..options.request.clone() };
        let vectors = Vectors::from_f32(DIM, &data).unwrap();
        let interests = Interests { weights, quotas: Vec::new() };
        let alone = posts.search_interests(&vectors, &interests, &request).unwrap();
        assert_eq!(lists[user], found(&alone), "{user}");
    }
}

#[test]
fn what_can_not_be_joined_is_told_with_its_row() {
    let (posts, mut queries) = (collection(), Queries::new(1_000));
    let fails = |queries: &Queries, options: &JoinOptions| -> String {
        join(&posts, queries, options).expect_err("refused").to_string()
    };
    let plain = JoinOptions::new(5);
    let mut options = plain.clone();
    options.request.explain = true;
    assert!(fails(&queries, &options).starts_with("explain: expected none in a join"));
    options = JoinOptions { weight: Some("weight".to_owned()), ..plain.clone() };
    assert!(fails(&queries, &options).contains("a group as well"));
    options = JoinOptions { exclude_set: Some("user:{name}".to_owned()), ..plain.clone() };
    assert!(fails(&queries, &options).contains("user:{id}:seen"));
    options = JoinOptions { id: "seen".to_owned(), ..plain.clone() };
    assert!(fails(&queries, &options).contains("integers or strings"));
    options = plain.clone();
    options.request.filter = Some("scor > 1".to_owned());
    assert!(fails(&queries, &options).contains("did you mean"));
    options = JoinOptions {
        group: Some("user".to_owned()),
        weight: Some("weight".to_owned()),
        ..plain.clone()
    };
    queries.weights[801] = 0.0;
    assert!(fails(&queries, &options).contains("column \"weight\", row 801: expected a weight"));
    queries.data[950 * DIM + 3] = f32::NAN;
    assert!(fails(&queries, &plain).contains("column \"embedding\", row 950: expected finite"));
    queries.users = vec!["one".to_owned(); 1_000];
    options = JoinOptions { group: Some("user".to_owned()), ..plain.clone() };
    queries.data = components(1_000, DIM, 2);
    assert!(fails(&queries, &options).contains("user one, vectors: expected 1 to 64 interests"));
    let stop = |_: &RecordBatch, _| Err(Error::invalid("disk", "room", "none", ""));
    let error = posts.knn_join(|c| Ok(queries.open(c)), &plain, stop, &Progress::new());
    assert!(error.is_err(), "what the sink says is returned");
    let none = JoinOptions::new(5);
    let empty = Queries {
        data: Vec::new(),
        users: Vec::new(),
        weights: Vec::new(),
        seen: Vec::new(),
        step: 1,
    };
    let (lists, _, report) = join(&posts, &empty, &none).unwrap();
    assert!(lists.is_empty() && report == JoinReport::default());
}
