//! Caps, decay, boosts and interests against brute force: heavy-tailed groups, nulls, duplicates,
//! deleted, updated and growing points, with filters. As many come back as there can be, each
//! once, no group above its cap, and nearly all of the best.

mod common;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use common::Numbers;
use nearfield::{
    AttributeType, Boost, Cap, Collection, CollectionConfig, Decay, Effort, Ids, Interests, Metric,
    Progress, Scale, Schema, SearchRequest, SearchResults, Vectors,
};

const DIM: usize = 24;
const SEALED: usize = 6_000;
const GROWING: usize = 500;
const QUERIES: usize = 8;
const DAY: i64 = 86_400_000_000;

#[derive(Debug, Clone)]
struct Point {
    vector: Vec<f32>,
    group: Option<String>,
    score: Option<f64>,
    time: Option<i64>,
    alive: bool,
}

struct World {
    collection: Collection,
    points: Vec<Point>,
    queries: Vec<Vec<f32>>,
}

fn batch(points: &[Point]) -> RecordBatch {
    let groups = points.iter().map(|p| p.group.clone()).collect::<StringArray>();
    let scores = points.iter().map(|p| p.score).collect::<Float64Array>();
    let times = points.iter().map(|p| p.time).collect::<TimestampMicrosecondArray>();
    let columns: [(&str, ArrayRef); 3] =
        [("group", Arc::new(groups)), ("score", Arc::new(scores)), ("time", Arc::new(times))];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true))).unwrap()
}

impl World {
    fn new() -> Self {
        let mut numbers = Numbers(7);
        let centres: Vec<Vec<f32>> =
            (0..40).map(|_| (0..DIM).map(|_| numbers.float()).collect()).collect();
        let around = |numbers: &mut Numbers| -> Vec<f32> {
            let centre = &centres[numbers.next() as usize % 40];
            centre.iter().map(|c| c + 0.5 * numbers.float()).collect()
        };
        let mut points: Vec<Point> = Vec::new();
        for _ in 0..SEALED + GROWING {
            let mut vector = around(&mut numbers);
            if numbers.next().is_multiple_of(6) && !points.is_empty() {
                vector.clone_from(&points[numbers.next() as usize % points.len().min(50)].vector);
            }
            // A third are in one group, the others in ever smaller ones.
            let group = match numbers.next() % 12 {
                0 => None,
                1..=4 => Some("g0".to_owned()),
                _ => Some(format!("g{}", (1.0 / (numbers.float().abs() + 0.005)) as u32)),
            };
            let score = (!numbers.next().is_multiple_of(5))
                .then(|| f64::from(numbers.float() + 1.0).powi(6));
            let time = (!numbers.next().is_multiple_of(7))
                .then(|| 1000 * DAY - (numbers.next() % 400) as i64 * DAY);
            points.push(Point { vector, group, score, time, alive: true });
        }
        let mut config = CollectionConfig::new(DIM, Metric::Cosine);
        config.schema = Schema::new([
            ("group".to_owned(), AttributeType::Keyword),
            ("score".to_owned(), AttributeType::F64),
            ("time".to_owned(), AttributeType::Timestamp),
        ])
        .unwrap();
        let collection = Collection::in_memory(config).unwrap();
        let queries = (0..QUERIES).map(|_| around(&mut numbers)).collect();
        let mut world = Self { collection, points, queries };
        world.upsert(0, SEALED);
        world.collection.optimize(&Progress::new()).unwrap();
        world.upsert(SEALED, SEALED + GROWING);
        let dead: Vec<u64> = (0..world.points.len() as u64).filter(|id| id % 11 == 3).collect();
        for id in &dead {
            world.points[*id as usize].alive = false;
        }
        world.collection.delete(&Ids::U64(dead)).unwrap();
        // Values that are replaced: known groups and new ones.
        let updated: Vec<u64> =
            (0..SEALED as u64).filter(|id| id % 97 == 5 && id % 11 != 3).collect();
        for (i, id) in updated.iter().enumerate() {
            let point = &mut world.points[*id as usize];
            point.group = Some(if i % 2 == 0 { "g0".to_owned() } else { format!("new{}", i % 5) });
            point.time = Some(1000 * DAY);
        }
        let changed: Vec<Point> =
            updated.iter().map(|id| world.points[*id as usize].clone()).collect();
        world.collection.update(&Ids::U64(updated), &batch(&changed)).unwrap();
        world
    }

    fn upsert(&self, from: usize, to: usize) {
        let points = &self.points[from..to];
        let data: Vec<f32> = points.iter().flat_map(|p| p.vector.clone()).collect();
        let vectors = Vectors::from_f32(DIM, &data).unwrap();
        let ids = Ids::U64((from as u64..to as u64).collect());
        self.collection.upsert(&ids, &vectors, Some(&batch(points)), &Progress::new()).unwrap();
    }

    fn search(&self, query: &[f32], request: &SearchRequest) -> SearchResults {
        self.collection.search(&Vectors::from_f32(DIM, query).unwrap(), request).unwrap()
    }

    fn bonus(&self, point: &Point, request: &SearchRequest) -> f64 {
        let mut bonus = 0.0;
        if let (Some(decay), Some(time)) = (&request.decay, point.time) {
            let age = (decay.origin_us.unwrap() - time).max(0) as f64;
            bonus += decay.weight * (-age / (decay.half_life.as_secs_f64() * 1e6)).exp2();
        }
        for boost in &request.boosts {
            let scaled = |x: f64| match boost.scale {
                Scale::Linear => x,
                Scale::Log1p => x.max(0.0).ln_1p(),
            };
            let alive = self.points.iter().filter(|p| p.alive);
            let largest = alive.filter_map(|p| p.score).fold(f64::MIN, f64::max);
            let share = point.score.map_or(0.0, |x| scaled(x) / scaled(largest));
            bonus += boost.weight * share.clamp(0.0, 1.0);
        }
        bonus
    }

    /// (score, id) of the best, and how many there can be.
    fn truth(&self, request: &SearchRequest, fit: impl Fn(&Point) -> f64) -> Vec<(f64, u64)> {
        let mut all: Vec<(f64, u64)> = Vec::new();
        for (id, point) in self.points.iter().enumerate().filter(|(_, p)| p.alive) {
            let passes = request.filter.is_none() || point.score.is_some_and(|s| s < 0.5);
            if passes {
                all.push((fit(point) + self.bonus(point, request), id as u64));
            }
        }
        all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut members: HashMap<&str, usize> = HashMap::new();
        let cap = request.cap.as_ref().map_or(usize::MAX, |cap| cap.max_per_group);
        all.retain(|(_, id)| {
            let Some(group) = &self.points[*id as usize].group else { return true };
            let members = members.entry(group).or_default();
            *members += 1;
            *members <= cap
        });
        all.truncate(request.k);
        all
    }

    /// The share of the truth that was found; everything else is checked.
    fn check(&self, request: &SearchRequest, found: &SearchResults, truth: &[(f64, u64)]) -> f64 {
        let Ids::U64(ids) = &found.ids else { panic!("string ids") };
        let count = found.counts[0];
        assert_eq!(count, truth.len(), "{request:?}");
        let distinct: HashSet<u64> = ids[..count].iter().copied().collect();
        assert_eq!(distinct.len(), count, "one twice: {request:?}");
        assert!(found.scores[..count].is_sorted_by(|a, b| a >= b));
        let mut members: HashMap<&str, usize> = HashMap::new();
        for id in &ids[..count] {
            let point = &self.points[*id as usize];
            assert!(point.alive);
            assert!(request.filter.is_none() || point.score.is_some_and(|s| s < 0.5));
            if let (Some(group), Some(cap)) = (&point.group, &request.cap) {
                let members = members.entry(group).or_default();
                *members += 1;
                assert!(*members <= cap.max_per_group, "{request:?}");
            }
        }
        let Some(last) = truth.last() else { return 1.0 };
        let hits = found.scores[..count].iter().filter(|s| **s >= last.0 - 1e-9).count();
        hits as f64 / count as f64
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn requests() -> Vec<SearchRequest> {
    let cap = |n| Some(Cap { group_by: "group".into(), max_per_group: n });
    let decay = |weight| {
        let half_life = Duration::from_secs(30 * 86_400);
        Some(Decay { column: "time".into(), half_life, origin_us: Some(1000 * DAY), weight })
    };
    let boost = |scale| vec![Boost { column: "score".into(), weight: 0.2, scale }];
    let mut all = Vec::new();
    for filter in [None, Some("score < 0.5".to_owned())] {
        for k in [1, 10, 60, 300] {
            let plain = SearchRequest { filter: filter.clone(), ..SearchRequest::new(k) };
            all.push(SearchRequest { cap: cap(1), ..plain.clone() });
            all.push(SearchRequest { cap: cap(3), ..plain.clone() });
            all.push(SearchRequest { decay: decay(0.3), ..plain.clone() });
            all.push(SearchRequest { boosts: boost(Scale::Log1p), ..plain.clone() });
            all.push(SearchRequest {
                cap: cap(2),
                decay: decay(1.0),
                boosts: boost(Scale::Linear),
                ..plain
            });
        }
    }
    all
}

#[test]
fn final_scores_order_and_caps_fill() {
    let world = World::new();
    for request in requests() {
        let mut recall = 0.0;
        for query in &world.queries {
            let truth = world.truth(&request, |point| cosine(query, &point.vector));
            let exact = SearchRequest { effort: Effort::Exact, ..request.clone() };
            let found = world.search(query, &exact);
            assert!(world.check(&exact, &found, &truth) > 0.999, "{request:?}");
            let Ids::U64(ids) = &found.ids else { panic!("string ids") };
            let pairs = ids.iter().zip(&found.scores).zip(&truth);
            pairs.for_each(|((id, score), truth)| {
                assert!((score - truth.0).abs() < 1e-9, "{id} {score} {truth:?} {request:?}");
            });
            recall += world.check(&request, &world.search(query, &request), &truth);
        }
        let recall = recall / QUERIES as f64;
        assert!(recall >= 0.9, "{recall}: {request:?}");
    }
}

#[test]
fn interests_share_one_list() {
    let world = World::new();
    for mut request in requests() {
        // A list of one interest is that of a search.
        for count in [1, 4] {
            let mut recall = 0.0;
            for first in 0..QUERIES - count {
                let vectors: Vec<f32> = world.queries[first..first + count].concat();
                let weights: Vec<f64> = (0..count).map(|i| 1.0 + i as f64 / 4.0).collect();
                let sum: f64 = weights.iter().sum();
                let fit = |point: &Point| {
                    let queries = world.queries[first..first + count].iter().zip(&weights);
                    let fits = queries.map(|(q, w)| w / sum * cosine(q, &point.vector));
                    fits.fold(f64::MIN, f64::max)
                };
                let truth = world.truth(&request, fit);
                let interests = Interests { weights: weights.clone(), quotas: Vec::new() };
                let vectors = Vectors::from_f32(DIM, &vectors).unwrap();
                request.effort = Effort::Exact;
                let found =
                    world.collection.search_interests(&vectors, &interests, &request).unwrap();
                assert!(world.check(&request, &found, &truth) > 0.999, "{request:?}");
                request.effort = Effort::default();
                let found =
                    world.collection.search_interests(&vectors, &interests, &request).unwrap();
                recall += world.check(&request, &found, &truth);
            }
            let recall = recall / (QUERIES - count) as f64;
            // Of one result each, a miss is a tenth.
            let least = if request.k == 1 { 0.7 } else { 0.9 };
            assert!(recall >= least, "{recall}: {count} {request:?}");
        }
    }
}

#[test]
fn quotas_are_filled_where_they_can_be() {
    let world = World::new();
    let vectors: Vec<f32> = world.queries[..3].concat();
    let vectors = Vectors::from_f32(DIM, &vectors).unwrap();
    let best = |id: u64| {
        let fits = world.queries[..3].iter().zip([8.0, 1.0, 1.0]);
        let fits: Vec<f64> =
            fits.map(|(q, w)| w * cosine(q, &world.points[id as usize].vector)).collect();
        (0..3).max_by(|a, b| fits[*a].total_cmp(&fits[*b])).unwrap()
    };
    for effort in [Effort::Exact, Effort::default()] {
        let request = SearchRequest { effort, ..SearchRequest::new(40) };
        let interests = Interests { weights: vec![8.0, 1.0, 1.0], quotas: vec![0, 10, 5] };
        let found = world.collection.search_interests(&vectors, &interests, &request).unwrap();
        let Ids::U64(ids) = &found.ids else { panic!("string ids") };
        assert_eq!(found.counts, [40]);
        let of = |interest| ids.iter().filter(|id| best(**id) == interest).count();
        assert!(of(1) >= 10 && of(2) >= 5, "{} {} {}", of(0), of(1), of(2));
    }
    for (weights, quotas) in
        [(vec![1.0], vec![]), (vec![1.0, 0.0, 1.0], vec![]), (vec![], vec![20, 20, 1])]
    {
        let interests = Interests { weights, quotas };
        let request = SearchRequest::new(40);
        world.collection.search_interests(&vectors, &interests, &request).unwrap_err();
    }
}
