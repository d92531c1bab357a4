//! Filters against an oracle that reads row by row: random expressions over sealed, growing,
//! updated and deleted points, with nulls, duplicates, lists and a column that was added later.

mod common;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use common::Numbers;
use nearfield::{
    AttributeType, Collection, CollectionConfig, Effort, Ids, Metric, Progress, Schema,
    SearchRequest, Vectors,
};

/// What the oracle knows of a point.
#[derive(Debug, Clone, Default)]
struct Row {
    tag: Option<String>,
    flair: Option<Vec<String>>,
    score: Option<i64>,
    ratio: Option<f64>,
    over_18: Option<bool>,
    created: Option<i64>,
    late: Option<i64>,
}

const TAGS: [&str; 9] = ["aww", "cats", "", "it's", "Ünï", "ask", "askscience", "a_b", "100%"];
const SCORES: [i64; 8] = [i64::MIN, -5, 0, 1, 7, 42, 9_007_199_254_740_993, i64::MAX];
const RATIOS: [f64; 8] = [-1.5, -0.0, 0.0, 0.1, 0.5, 1.0, 9_007_199_254_740_992.0, 1e300];
/// 2013-08-19 14:15:23.
const DAY_0: i64 = 1_376_921_723_000_000;
const DAY: i64 = 86_400_000_000;

/// Choices that are the same every time.
struct Dice(Numbers);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        (self.0.next() >> 11) as usize % sides
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())].clone()
    }

    fn some<T>(&mut self, value: T) -> Option<T> {
        (self.roll(6) > 0).then_some(value)
    }

    fn row(&mut self) -> Row {
        let tag = self.pick(&TAGS).to_owned();
        let items = self.roll(4);
        let flair = (0..items).map(|_| self.pick(&TAGS).to_owned()).collect();
        let score =
            if self.roll(3) == 0 { self.pick(&SCORES) } else { self.roll(200) as i64 - 100 };
        let ratio = self.pick(&RATIOS);
        let over_18 = self.roll(3) == 0;
        let created = DAY_0 + self.roll(20) as i64 * DAY;
        Row {
            tag: self.some(tag),
            flair: self.some(flair),
            score: self.some(score),
            ratio: self.some(ratio),
            over_18: self.some(over_18),
            created: self.some(created),
            late: None,
        }
    }
}

type Truth = Option<bool>;

/// What the oracle makes of a point: its id and its values.
type Reading = dyn Fn(u64, &Row) -> Truth;

/// An expression, in words and as the oracle reads it.
struct Condition {
    text: String,
    truth: Box<Reading>,
}

fn condition(text: String, truth: impl Fn(u64, &Row) -> Truth + 'static) -> Condition {
    Condition { text, truth: Box::new(truth) }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn not(truth: Truth) -> Truth {
    truth.map(|truth| !truth)
}

/// AND of any number of truths: false wins over unknown.
fn and(truths: impl Iterator<Item = Truth>) -> Truth {
    let truths: Vec<Truth> = truths.collect();
    if truths.contains(&Some(false)) {
        Some(false)
    } else if truths.contains(&None) {
        None
    } else {
        Some(true)
    }
}

fn or(truths: impl Iterator<Item = Truth>) -> Truth {
    not(and(truths.map(not)))
}

const OPERATORS: [&str; 7] = ["=", "!=", "<>", "<", "<=", ">", ">="];

fn holds(operator: &str, ordering: Ordering) -> bool {
    match operator {
        "=" => ordering.is_eq(),
        "!=" | "<>" => ordering.is_ne(),
        "<" => ordering.is_lt(),
        "<=" => ordering.is_le(),
        ">" => ordering.is_gt(),
        _ => ordering.is_ge(),
    }
}

fn mirrored(operator: &str) -> &'static str {
    match operator {
        "=" => "=",
        "!=" | "<>" => "<>",
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        _ => "<=",
    }
}

/// An i64 against a literal that is a multiple of a half, slowly and plainly.
fn compare_integer(value: i64, literal: &str) -> Ordering {
    let halves = match literal.strip_suffix(".5") {
        Some(whole) if literal.starts_with('-') => whole.parse::<i128>().unwrap() * 2 - 1,
        Some(whole) => whole.parse::<i128>().unwrap() * 2 + 1,
        None => literal.parse::<i128>().unwrap() * 2,
    };
    (i128::from(value) * 2).cmp(&halves)
}

fn integers(dice: &mut Dice) -> String {
    match dice.roll(6) {
        0 => dice
            .pick(&["9223372036854775808", "-9223372036854775809", "99999999999999999999"])
            .into(),
        1 => format!("{}.5", dice.roll(200) as i64 - 100).replace("0.5", "7.5"),
        2 => dice.pick(&SCORES).to_string(),
        _ => (dice.roll(200) as i64 - 100).to_string(),
    }
}

fn on_score(dice: &mut Dice) -> Condition {
    let literal = integers(dice);
    let column = |row: &Row| row.score;
    match dice.roll(4) {
        0 => {
            let other = integers(dice);
            let negated = dice.roll(2) == 0;
            let word = if negated { "NOT BETWEEN" } else { "BETWEEN" };
            condition(format!("score {word} {literal} AND {other}"), move |_, row| {
                let value = column(row)?;
                let inside = compare_integer(value, &literal).is_ge()
                    && compare_integer(value, &other).is_le();
                Some(inside != negated)
            })
        }
        1 => {
            let count = 1 + dice.roll(4);
            let literals: Vec<String> = (0..count).map(|_| integers(dice)).collect();
            let with_null = dice.roll(4) == 0;
            let negated = dice.roll(2) == 0;
            let word = if negated { "NOT IN" } else { "IN" };
            let null = if with_null { ", NULL" } else { "" };
            let text = format!("score {word} ({}{null})", literals.join(", "));
            condition(text, move |_, row| {
                let value = column(row)?;
                let equal = literals.iter().any(|l| compare_integer(value, l).is_eq());
                let truth = if !equal && with_null { None } else { Some(equal) };
                if negated { not(truth) } else { truth }
            })
        }
        _ => {
            let operator = dice.pick(&OPERATORS);
            let swapped = dice.roll(2) == 0;
            let text = if swapped {
                format!("{literal} {} score", mirrored(operator))
            } else {
                format!("score {operator} {literal}")
            };
            condition(text, move |_, row| {
                Some(holds(operator, compare_integer(column(row)?, &literal)))
            })
        }
    }
}

fn on_ratio(dice: &mut Dice) -> Condition {
    let operator = dice.pick(&OPERATORS);
    if dice.roll(3) == 0 {
        // Beyond what a float tells apart: as integers, exactly.
        let literal =
            dice.pick(&[9_007_199_254_740_991_i128, 9_007_199_254_740_992, 9_007_199_254_740_993]);
        return condition(format!("ratio {operator} {literal}"), move |_, row| {
            let value = row.ratio?;
            let ordering =
                if value > 1e17 { Ordering::Greater } else { (value as i128).cmp(&literal) };
            Some(holds(operator, ordering))
        });
    }
    let literal = dice.pick(&RATIOS);
    let text = if literal > 1e200 { format!("{literal:e}") } else { format!("{literal}") };
    condition(format!("ratio {operator} {text}"), move |_, row| {
        Some(holds(operator, row.ratio?.partial_cmp(&literal)?))
    })
}

fn like(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('%', rest)) => (0..=text.len()).any(|skip| like(rest, &text[skip..])),
        Some((c, rest)) => {
            text.split_first().is_some_and(|(t, tail)| (*c == '_' || c == t) && like(rest, tail))
        }
    }
}

fn on_tag(dice: &mut Dice) -> Condition {
    let word = dice.pick(&TAGS).to_owned();
    match dice.roll(4) {
        0 => {
            let pattern =
                dice.pick(&["ask%", "%s", "_at_", "%", "", "a_b", "Ü%", "%'%", "%a%s%", "100%"]);
            let negated = dice.roll(2) == 0;
            let words = if negated { "NOT LIKE" } else { "LIKE" };
            condition(format!("tag {words} {}", quoted(pattern)), move |_, row| {
                let text: Vec<char> = row.tag.as_ref()?.chars().collect();
                Some(like(&pattern.chars().collect::<Vec<_>>(), &text) != negated)
            })
        }
        1 => {
            let other = dice.pick(&TAGS).to_owned();
            let negated = dice.roll(2) == 0;
            let words = if negated { "NOT IN" } else { "IN" };
            let text = format!("tag {words} ({}, {}, 'unknown')", quoted(&word), quoted(&other));
            condition(text, move |_, row| {
                let tag = row.tag.as_ref()?;
                Some((*tag == word || *tag == other) != negated)
            })
        }
        _ => {
            let operator = dice.pick(&OPERATORS);
            condition(format!("tag {operator} {}", quoted(&word)), move |_, row| {
                Some(holds(operator, row.tag.as_ref()?.as_bytes().cmp(word.as_bytes())))
            })
        }
    }
}

fn on_flair(dice: &mut Dice) -> Condition {
    let (a, b) = (dice.pick(&TAGS).to_owned(), dice.pick(&TAGS).to_owned());
    let negated = dice.roll(3) == 0;
    let not = if negated { "NOT " } else { "" };
    let (text, words) = if dice.roll(2) == 0 {
        (format!("flair {not}HAS {}", quoted(&a)), vec![a])
    } else {
        (format!("flair {not}HAS ANY ({}, {})", quoted(&a), quoted(&b)), vec![a, b])
    };
    condition(text, move |_, row| {
        Some(row.flair.as_ref()?.iter().any(|item| words.contains(item)) != negated)
    })
}

fn on_created(dice: &mut Dice) -> Condition {
    let operator = dice.pick(&OPERATORS);
    let day = dice.roll(20) as i64;
    let shift = dice.roll(3) as i64;
    let date = 19 + day;
    let date =
        if date > 31 { format!("2013-09-{:02}", date - 31) } else { format!("2013-08-{date}") };
    let (literal, half) = match dice.roll(4) {
        0 => (format!("'{date}T14:15:23Z'"), false),
        1 => (format!("TIMESTAMP '{date} 16:15:23+02:00'"), false),
        2 => (format!("TIMESTAMP '{date} 14:15:23.0000005'"), true),
        _ => {
            let text = format!(
                "TIMESTAMP '{date} 14:15:23' + INTERVAL '{shift} days' - INTERVAL '{} hours'",
                shift * 24
            );
            (text, false)
        }
    };
    let moment = DAY_0 + day * DAY;
    condition(format!("created {operator} {literal}"), move |_, row| {
        let value = i128::from(row.created?) * 2;
        Some(holds(operator, value.cmp(&(i128::from(moment) * 2 + i128::from(half)))))
    })
}

fn on_others(dice: &mut Dice) -> Condition {
    match dice.roll(7) {
        0 => condition("over_18".to_owned(), |_, row| row.over_18),
        1 => condition("over_18 = FALSE".to_owned(), |_, row| not(row.over_18)),
        2 => condition("over_18 <> TRUE".to_owned(), |_, row| not(row.over_18)),
        3 => condition("created > now() - INTERVAL '5 weeks'".to_owned(), |_, row| {
            row.created.map(|_| false)
        }),
        4 => condition("created < now()".to_owned(), |_, row| row.created.map(|_| true)),
        5 => {
            let (a, b) = (dice.roll(3_000) as u64, dice.roll(3_000) as u64);
            condition(format!("id IN ({a}, {b}, 99999999999999999999)"), move |id, _| {
                Some(id == a || id == b)
            })
        }
        _ => {
            let least = dice.roll(2) as i64;
            condition(format!("late >= {least}"), move |_, row| Some(row.late? >= least))
        }
    }
}

type IsNull = fn(&Row) -> bool;

fn on_null(dice: &mut Dice) -> Condition {
    let columns: [(&str, IsNull); 7] = [
        ("tag", |row| row.tag.is_none()),
        ("flair", |row| row.flair.is_none()),
        ("score", |row| row.score.is_none()),
        ("ratio", |row| row.ratio.is_none()),
        ("over_18", |row| row.over_18.is_none()),
        ("created", |row| row.created.is_none()),
        ("late", |row| row.late.is_none()),
    ];
    let (name, is_null) = dice.pick(&columns);
    match dice.roll(3) {
        0 => condition(format!("{name} IS NULL"), move |_, row| Some(is_null(row))),
        1 => condition(format!("\"{name}\" IS NOT NULL"), move |_, row| Some(!is_null(row))),
        _ => condition("score = NULL".to_owned(), |_, _| None),
    }
}

fn random(dice: &mut Dice, depth: usize) -> Condition {
    if depth == 0 || dice.roll(4) == 0 {
        return match dice.roll(8) {
            0 | 1 => on_score(dice),
            2 => on_ratio(dice),
            3 => on_tag(dice),
            4 => on_flair(dice),
            5 => on_created(dice),
            6 => on_others(dice),
            _ => on_null(dice),
        };
    }
    match dice.roll(5) {
        0 => {
            let inner = random(dice, depth - 1);
            condition(format!("NOT ({})", inner.text), move |id, row| not((inner.truth)(id, row)))
        }
        kind => {
            let count = 2 + dice.roll(2);
            let parts: Vec<Condition> = (0..count).map(|_| random(dice, depth - 1)).collect();
            let word = if kind < 3 { " AND " } else { " or " };
            let texts: Vec<String> = parts.iter().map(|p| format!("({})", p.text)).collect();
            condition(texts.join(word), move |id, row| {
                let truths = parts.iter().map(|p| (p.truth)(id, row));
                if kind < 3 { and(truths) } else { or(truths) }
            })
        }
    }
}

fn schema() -> Schema {
    let columns = [
        ("tag", AttributeType::Keyword),
        ("flair", AttributeType::KeywordList),
        ("score", AttributeType::I64),
        ("ratio", AttributeType::F64),
        ("over_18", AttributeType::Bool),
        ("created", AttributeType::Timestamp),
    ];
    Schema::new(columns.map(|(name, kind)| (name.to_owned(), kind))).unwrap()
}

fn columns(rows: &[Row], with_late: bool) -> RecordBatch {
    let mut flairs = ListBuilder::new(StringBuilder::new());
    for row in rows {
        row.flair.iter().flatten().for_each(|item| flairs.values().append_value(item));
        flairs.append(row.flair.is_some());
    }
    let times = rows.iter().map(|r| r.created).collect::<TimestampMicrosecondArray>();
    let mut columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("tag", Arc::new(rows.iter().map(|r| r.tag.clone()).collect::<StringArray>()), true),
        ("flair", Arc::new(flairs.finish()), true),
        ("score", Arc::new(rows.iter().map(|r| r.score).collect::<Int64Array>()), true),
        ("ratio", Arc::new(rows.iter().map(|r| r.ratio).collect::<Float64Array>()), true),
        ("over_18", Arc::new(rows.iter().map(|r| r.over_18).collect::<BooleanArray>()), true),
        ("created", Arc::new(times.with_timezone("UTC")), true),
    ];
    if with_late {
        let late = rows.iter().map(|r| r.late).collect::<Int64Array>();
        columns.push(("late", Arc::new(late), true));
    }
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// A collection and what the oracle knows of it.
struct World {
    collection: Collection,
    points: BTreeMap<u64, Row>,
    dice: Dice,
}

impl World {
    fn new() -> Self {
        let mut config = CollectionConfig::new(2, Metric::L2);
        config.schema = schema();
        let collection = Collection::in_memory(config).unwrap();
        Self { collection, points: BTreeMap::new(), dice: Dice(Numbers(5)) }
    }

    fn upsert(&mut self, ids: std::ops::Range<u64>, with_late: bool) {
        let rows: Vec<Row> = ids
            .clone()
            .map(|id| Row { late: with_late.then_some(id as i64 % 2), ..self.dice.row() })
            .collect();
        let data: Vec<f32> = ids.clone().flat_map(|id| [id as f32, 1.0]).collect();
        let vectors = Vectors::from_f32(2, &data).unwrap();
        let batch = columns(&rows, with_late);
        let list = Ids::U64(ids.clone().collect());
        self.collection.upsert(&list, &vectors, Some(&batch), &Progress::new()).unwrap();
        self.points.extend(ids.zip(rows));
    }

    /// New scores, tags and flairs.
    fn update(&mut self, ids: &[u64]) {
        let rows: Vec<Row> = ids.iter().map(|_| self.dice.row()).collect();
        let batch = columns(&rows, false).project(&[0, 1, 2]).unwrap();
        self.collection.update(&Ids::U64(ids.to_vec()), &batch).unwrap();
        for (id, row) in ids.iter().zip(rows) {
            let point = self.points.get_mut(id).unwrap();
            (point.tag, point.flair, point.score) = (row.tag, row.flair, row.score);
        }
    }

    fn passing(&self, condition: &Condition) -> Vec<u64> {
        let passes = |(id, row): &(&u64, &Row)| (condition.truth)(**id, row) == Some(true);
        self.points.iter().filter(passes).map(|(id, _)| *id).collect()
    }

    fn found(&self, text: &str) -> Vec<u64> {
        let request = SearchRequest {
            filter: Some(text.to_owned()),
            effort: Effort::Exact,
            ..SearchRequest::new(4_000)
        };
        let query = Vectors::from_f32(2, &[0.0, 1.0]).unwrap();
        let results = self.collection.search(&query, &request).unwrap_or_else(|e| panic!("{e}"));
        let Ids::U64(ids) = results.ids else { panic!("string ids") };
        let mut found = ids[..results.counts[0]].to_vec();
        found.sort_unstable();
        found
    }

    fn check(&mut self, conditions: usize) {
        let mut telling = 0;
        for i in 0..conditions {
            let condition = random(&mut self.dice, i % 4);
            let expected = self.passing(&condition);
            telling += usize::from(!expected.is_empty() && expected.len() < self.points.len());
            // Again, out of the cache.
            for _ in 0..2 {
                assert_eq!(self.found(&condition.text), expected, "{}", condition.text);
            }
        }
        assert!(telling * 2 > conditions, "{telling} of {conditions} tell something");
    }
}

#[test]
fn random_filters_find_what_the_oracle_finds() {
    let mut world = World::new();
    world.upsert(0..2_000, false);
    world.collection.optimize(&Progress::new()).unwrap();
    world.collection.add_column("late", AttributeType::I64).unwrap();
    world.check(400);
    // Another sealed segment's worth that grows, replaced points, and small pieces.
    world.upsert(2_000..2_700, true);
    world.upsert(100..150, true);
    world.upsert(2_700..2_710, true);
    world.check(400);
    let updated: Vec<u64> = (0..2_700).step_by(11).collect();
    world.update(&updated);
    let deleted: Vec<u64> = (0..2_700).step_by(13).collect();
    world.collection.delete(&Ids::U64(deleted.clone())).unwrap();
    for id in &deleted {
        assert!(world.points.remove(id).is_some());
    }
    world.check(1_000);
    world.collection.optimize(&Progress::new()).unwrap();
    world.check(400);
}

#[test]
fn delete_where_deletes_what_the_oracle_finds() {
    let mut world = World::new();
    world.upsert(0..1_500, false);
    world.collection.optimize(&Progress::new()).unwrap();
    world.collection.add_column("late", AttributeType::I64).unwrap();
    world.upsert(1_500..2_000, true);
    for i in 0..60 {
        let condition = random(&mut world.dice, 1 + i % 3);
        let passing = world.passing(&condition);
        if passing.len() > world.points.len() / 4 {
            continue;
        }
        let deleted = world.collection.delete_where(&condition.text).unwrap();
        assert_eq!(deleted, passing.len() as u64, "{}", condition.text);
        world.points.retain(|id, _| !passing.contains(id));
        assert_eq!(world.collection.len(), world.points.len() as u64);
        assert_eq!(world.found("id IS NOT NULL"), world.points.keys().copied().collect::<Vec<_>>());
    }
}
