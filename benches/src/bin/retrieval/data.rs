//! What is searched: vectors, a community each and a time each.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, TimeUnit};
use nearfield_datasets::generate::{Clusters, Groups, Shape, keywords};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Where the data are; all or none.
#[derive(Debug, Default)]
pub struct Files {
    pub base: Option<PathBuf>,
    pub queries: Option<PathBuf>,
    pub attributes: Option<PathBuf>,
}

/// Points and queries.
#[derive(Debug)]
pub struct Data {
    pub dim: usize,
    pub base: Vec<f32>,
    pub queries: Vec<f32>,
    pub communities: Vec<String>,
    /// Microseconds.
    pub times: Vec<i64>,
}

impl Data {
    pub fn read(files: &Files) -> Result<Self> {
        let (Some(base), Some(queries), Some(attributes)) =
            (&files.base, &files.queries, &files.attributes)
        else {
            return Ok(Self::generated());
        };
        let (dim, base) = vectors(base)?;
        let (_, queries) = vectors(queries)?;
        let (mut communities, mut times) = (Vec::new(), Vec::new());
        for batch in nearfield_datasets::open(attributes)? {
            let batch = batch?;
            let column = |name: &str| batch.column_by_name(name).ok_or(format!("no column {name}"));
            let names = arrow_cast::cast(column("subreddit")?, &DataType::Utf8)?;
            communities.extend(names.as_string::<i32>().iter().map(|n| n.unwrap_or("").to_owned()));
            let kind = DataType::Timestamp(TimeUnit::Microsecond, None);
            let created = match column("created_utc")? {
                // Seconds.
                whole if whole.data_type().is_integer() => {
                    let whole = arrow_cast::cast(whole, &DataType::Int64)?;
                    let seconds = whole.as_primitive::<Int64Type>();
                    times.extend(seconds.values().iter().map(|s| s * 1_000_000));
                    continue;
                }
                other => arrow_cast::cast(other, &kind)?,
            };
            times.extend(created.as_primitive::<TimestampMicrosecondType>().values());
        }
        Ok(Self { dim, base, queries, communities, times })
    }

    fn generated() -> Self {
        let shape = Shape { rows: 100_000, dim: 128, seed: 3 };
        let mixture = Clusters { shape, clusters: 1_000, intrinsic: 24, spread: 1.0 };
        let generated = mixture.generate();
        let groups = Groups { rows: shape.rows, groups: 1_000, seed: 3 };
        let _ = groups;
        Self {
            dim: shape.dim,
            base: generated.vectors,
            queries: mixture.queries(2_000).vectors,
            communities: keywords(&generated.clusters),
            times: (0..shape.rows as u64).map(|row| (hash(row) % (1 << 47)) as i64).collect(),
        }
    }

    pub fn rows(&self) -> usize {
        self.base.len() / self.dim
    }

    pub fn row(&self, row: usize) -> &[f32] {
        &self.base[row * self.dim..(row + 1) * self.dim]
    }

    /// The query at a position of as many queries as there are, round and round.
    pub fn query(&self, position: usize) -> &[f32] {
        let queries = self.queries.len() / self.dim;
        let at = position % queries * self.dim;
        &self.queries[at..at + self.dim]
    }

    /// The attributes as the collection takes them.
    pub fn attributes(&self) -> Result<RecordBatch> {
        let shuffled = (0..self.rows() as u64).map(|row| (hash(row) % MILLION as u64) as i64);
        let columns: [(&str, ArrayRef); 3] = [
            ("community", Arc::new(StringArray::from(self.communities.clone()))),
            ("shuffled", Arc::new(Int64Array::from_iter_values(shuffled))),
            ("created", Arc::new(TimestampMicrosecondArray::from(self.times.clone()))),
        ];
        Ok(RecordBatch::try_from_iter(columns)?)
    }
}

/// `shuffled` is below this, and evenly spread.
pub const MILLION: i64 = 1_000_000;

/// A number that looks random (splitmix64).
fn hash(x: u64) -> u64 {
    let mut z = x.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn vectors(path: &Path) -> Result<(usize, Vec<f32>)> {
    let (mut dim, mut out) = (0, Vec::new());
    for batch in nearfield_datasets::open(path)? {
        let batch = batch?;
        let lists = batch.column(0).as_fixed_size_list_opt().ok_or("a file of vectors")?;
        dim = lists.value_length() as usize;
        match lists.values().data_type() {
            DataType::Float16 => {
                out.extend(
                    lists
                        .values()
                        .as_primitive::<Float16Type>()
                        .values()
                        .iter()
                        .map(|v| v.to_f32()),
                );
            }
            _ => out.extend(lists.values().as_primitive::<Float32Type>().values()),
        }
    }
    Ok((dim, out))
}
