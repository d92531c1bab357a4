//! The three searches of the demo and how their hits are shown.

use std::time::{Duration, Instant};

use chrono::DateTime;
use nearfield::{Cap, Collection, Decay, Ids, SearchRequest, SearchResults, Space};
use nearfield_datasets::reddit_mini::SPACE;
use serde_json::{Value, json};

use super::Sample;
use crate::cell::Cell;
use crate::commands::search::duration;
use crate::commands::{Result, hits};
use crate::output::{Layout, Output};
use crate::vectors;

/// A post of r/EarthPorn: "Isle of Skye, Scotland".
pub const POST: &str = "t3_1b671h";
/// The community r/space.
const COMMUNITY: &str = "r_space";
/// Posts of r/Cooking that a user liked.
const LIKED: [&str; 3] = ["t3_w88iv", "t3_1313oo", "t3_wr3sh"];
/// The newest post of the sample, 2013-08-19 14:15:23 UTC, in microseconds since 1970. Age is
/// counted from here: by today's clock everything in the sample is equally old.
const NEWEST_US: i64 = 1_376_921_723_000_000;

const TITLE: (&str, Layout) = ("title", Layout::Flexible);
const COMMUNITY_COLUMN: (&str, Layout) = ("community", Layout::Left);
const SCORE: (&str, Layout) = ("score", Layout::Right);

/// Runs the three searches, shows them and returns them for machines.
pub fn run(sample: &Sample, out: &Output) -> Result<Vec<Value>> {
    Ok(vec![more_like_this(sample, out)?, communities(sample, out)?, interest(sample, out)?])
}

fn more_like_this(sample: &Sample, out: &Output) -> Result<Value> {
    let posts = &sample.posts;
    let [title, community] = text(posts, POST, ["title", "subreddit"])?;
    let request = SearchRequest {
        with_attributes: columns(&["subreddit", "title"]),
        ..leaving_out(&[POST], 6)
    };
    let found = search(posts, &[POST], &request)?;
    let heading = format!("1. More like this post: “{title}” in r/{community}");
    show(out, &heading, &[SCORE, COMMUNITY_COLUMN, TITLE], &found, |at| {
        let [community, title] = found.texts(at, ["subreddit", "title"]);
        vec![found.score(at), format!("r/{community}"), title]
    })
}

fn communities(sample: &Sample, out: &Output) -> Result<Value> {
    let communities = &sample.communities;
    let [name] = text(communities, COMMUNITY, ["name"])?;
    let request = SearchRequest {
        with_attributes: columns(&["name", "posts"]),
        ..leaving_out(&[COMMUNITY], 6)
    };
    let found = search(communities, &[COMMUNITY], &request)?;
    let heading = format!("2. Communities like r/{name}");
    let layout = [SCORE, COMMUNITY_COLUMN, ("posts", Layout::Right)];
    show(out, &heading, &layout, &found, |at| {
        let [name, posts] = found.texts(at, ["name", "posts"]);
        vec![found.score(at), format!("r/{name}"), posts]
    })
}

fn interest(sample: &Sample, out: &Output) -> Result<Value> {
    let request = SearchRequest {
        with_attributes: columns(&["subreddit", "title", "created_utc"]),
        cap: Some(Cap { group_by: "subreddit".into(), max_per_group: 2 }),
        decay: Some(Decay {
            column: "created_utc".into(),
            half_life: Duration::from_secs(180 * 86_400),
            origin_us: Some(NEWEST_US),
            weight: 0.2,
        }),
        ..leaving_out(&LIKED, 8)
    };
    let found = search(&sample.posts, &LIKED, &request)?;
    let mut heading =
        "3. A user's interest, newest first, at most 2 a community: the mean of".to_owned();
    for id in LIKED {
        let [title, community] = text(&sample.posts, id, ["title", "subreddit"])?;
        heading = format!("{heading}\n   “{title}” in r/{community}");
    }
    let layout =
        [SCORE, ("similarity", Layout::Right), ("posted", Layout::Left), COMMUNITY_COLUMN, TITLE];
    show(out, &heading, &layout, &found, |at| {
        let [community, title] = found.texts(at, ["subreddit", "title"]);
        let similarity = format!("{:.3}", found.results.similarities[at]);
        vec![found.score(at), similarity, found.day(at), format!("r/{community}"), title]
    })
}

/// What a search found and how long it took, the query's vector included.
struct Found {
    results: SearchResults,
    elapsed: Duration,
}

impl Found {
    fn cell(&self, at: usize, column: &str) -> Cell {
        let mut columns = self.results.attributes.iter();
        columns.find(|(name, _)| name == column).map_or(Cell::Null, |(_, c)| Cell::of(c, at))
    }

    fn texts<const N: usize>(&self, at: usize, columns: [&str; N]) -> [String; N] {
        columns.map(|column| self.cell(at, column).text())
    }

    fn score(&self, at: usize) -> String {
        format!("{:.3}", self.results.scores[at])
    }

    fn day(&self, at: usize) -> String {
        match self.cell(at, "created_utc") {
            Cell::Timestamp(us) => DateTime::from_timestamp_micros(us)
                .map_or_else(String::new, |moment| moment.format("%Y-%m-%d").to_string()),
            other => other.text(),
        }
    }
}

fn search(collection: &Collection, like: &[&str], request: &SearchRequest) -> Result<Found> {
    let start = Instant::now();
    let query = mean(&vectors::of_points(collection, &ids(like))?);
    let results = collection.search(&vectors::single(query)?, request)?;
    Ok(Found { results, elapsed: start.elapsed() })
}

fn leaving_out(these: &[&str], k: usize) -> SearchRequest {
    let space = SPACE.parse::<Space>().ok();
    SearchRequest { exclude: Some(ids(these)), space, ..SearchRequest::new(k) }
}

fn mean(rows: &[Vec<f32>]) -> Vec<f32> {
    let Some((first, rest)) = rows.split_first() else { return Vec::new() };
    let mut sum = first.clone();
    for row in rest {
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    for x in &mut sum {
        *x /= rows.len() as f32;
    }
    sum
}

fn ids(texts: &[&str]) -> Ids {
    Ids::Str(columns(texts))
}

fn columns(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn text<const N: usize>(
    collection: &Collection,
    id: &str,
    columns: [&str; N],
) -> Result<[String; N]> {
    let point = collection.get(&ids(&[id]), false)?.batch;
    Ok(columns.map(|name| {
        point.column_by_name(name).map_or_else(String::new, |column| Cell::of(column, 0).text())
    }))
}

/// Writes a heading, the hits as a table and the time.
fn show(
    out: &Output,
    heading: &str,
    layout: &[(&str, Layout)],
    found: &Found,
    row: impl Fn(usize) -> Vec<String>,
) -> Result<Value> {
    let hits = found.results.counts.first().copied().unwrap_or(0);
    if !out.is_json() {
        out.line(&format!("\n{heading}\n"))?;
        out.table(layout, (0..hits).map(row).collect())?;
        out.line(&format!("{hits} hits in {}", duration(found.elapsed)))?;
    }
    let mut value = hits::to_json(&found.results, found.elapsed);
    value["search"] = json!(heading);
    Ok(value)
}
