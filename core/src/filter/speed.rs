//! How long a filter takes over a million rows: `cargo test --release -p nearfield --lib -- --ignored
//! --nocapture filter::speed`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::compile;
use crate::config::CollectionConfig;
use crate::metric::Metric;
use crate::segment::attributes::ValueRef;
use crate::segment::{Rows, SegmentHandle, build_segment};
use crate::types::{AttributeType, Ids, Schema};

const ROWS: u64 = 1_000_000;

fn mix(i: u64) -> u64 {
    let x = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32
}

fn handle(config: &CollectionConfig) -> SegmentHandle {
    let mut rows = Rows::new(config);
    rows.ids = Ids::U64((0..ROWS).collect());
    rows.vectors = vec![0; ROWS as usize * 4];
    let names: Vec<String> = (0..1_000).map(|i| format!("community {i}")).collect();
    for row in 0..ROWS {
        // Communities of very different sizes.
        let community = (mix(row) % 1_000 * (mix(row + ROWS) % 1_000)) / 1_000;
        rows.columns[0].push(ValueRef::Text(&names[community as usize]));
        rows.columns[1].push(ValueRef::Number(mix(row + 2 * ROWS) % 10_000));
        let time = 1_376_921_723_000_000 + (mix(row + 3 * ROWS) % 100_000_000) * 1_000;
        rows.columns[2].push(ValueRef::Number(time));
        let list = [&*names[mix(row + 4 * ROWS) as usize % 40], &names[mix(row) as usize % 1_000]];
        rows.columns[3].push(ValueRef::List(&list));
    }
    let points = rows.keep_last();
    let segment = build_segment(Path::new("(in memory)"), config, &points).unwrap();
    SegmentHandle::growing(0, Arc::new(segment))
}

#[test]
#[ignore = "a measurement"]
fn a_million_rows() {
    let mut config = CollectionConfig::new(1, Metric::L2);
    let columns = [
        ("a", AttributeType::Keyword),
        ("b", AttributeType::I64),
        ("t", AttributeType::Timestamp),
        ("flair", AttributeType::KeywordList),
    ];
    config.schema = Schema::new(columns.map(|(n, k)| (n.to_owned(), k))).unwrap();
    let handle = handle(&config);
    let texts = [
        "a IN ('community 1', 'community 20', 'community 300') AND b > 5000",
        "a = 'community 0' AND b > 9990",
        "a IN ('community 1', 'community 2', 'community 3', 'community 4', 'community 5') AND b > 1234",
        "b BETWEEN 1000 AND 8765",
        "t > TIMESTAMP '2013-08-20 00:00:00' AND t < '2013-08-20 12:00:00' OR b = 17",
        "flair HAS ANY ('community 3', 'community 500') AND NOT a LIKE '%9'",
    ];
    for text in texts {
        let start = Instant::now();
        let plan = compile(text, &config.schema, config.id_type).unwrap();
        let parsed = start.elapsed();
        let start = Instant::now();
        let count = plan.bind(0).evaluate(&handle).unwrap().count();
        let first = start.elapsed();
        let mut times: Vec<Duration> = (0..101)
            .map(|_| {
                let start = Instant::now();
                let found = plan.bind(0).evaluate(&handle).unwrap();
                assert_eq!(found.count(), count);
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        println!("{text}: {count} pass; parse {parsed:?}, first {first:?}, then {:?}", times[50]);
    }
}
