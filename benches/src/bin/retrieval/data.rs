//! What is searched: vectors, and attributes that go with them more or less.

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, TimeUnit};
use nearfield_datasets::generate::{Clusters, Groups, Shape, heavy_tailed, keywords};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Where the data are; all or none.
#[derive(Debug, Default)]
pub struct Files {
    pub base: Option<PathBuf>,
    pub queries: Option<PathBuf>,
    pub attributes: Option<PathBuf>,
}

/// Points and queries.
#[derive(Debug, Default)]
pub struct Data {
    pub dim: usize,
    pub base: Vec<f32>,
    pub queries: Vec<f32>,
    pub communities: Vec<String>,
    /// Another keyword, of fewer points a value, that goes with the vector less.
    pub domains: Vec<String>,
    /// Most are small.
    pub scores: Vec<i64>,
    /// Microseconds.
    pub times: Vec<i64>,
    /// The product with a direction in which the points differ much.
    pub slope: Vec<f32>,
    pub direction: Vec<f32>,
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
        let (mut communities, mut domains) = (Vec::new(), Vec::new());
        let (mut scores, mut times) = (Vec::new(), Vec::new());
        for batch in nearfield_datasets::open(attributes)? {
            let batch = batch?;
            let column = |name: &str| batch.column_by_name(name).ok_or(format!("no column {name}"));
            for (name, out) in [("subreddit", &mut communities), ("domain", &mut domains)] {
                let names = arrow_cast::cast(column(name)?, &DataType::Utf8)?;
                out.extend(names.as_string::<i32>().iter().map(|n| n.unwrap_or("").to_owned()));
            }
            let numbers = arrow_cast::cast(column("score")?, &DataType::Int64)?;
            scores.extend(numbers.as_primitive::<Int64Type>().values());
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
        Ok(Self { dim, base, queries, communities, domains, scores, times, ..Self::default() }
            .sloped())
    }

    fn generated() -> Self {
        let shape = Shape { rows: 100_000, dim: 128, seed: 3 };
        let mixture = Clusters { shape, clusters: 1_000, intrinsic: 24, spread: 1.0 };
        let generated = mixture.generate();
        let groups = Groups { rows: shape.rows, groups: 1_000, seed: 3 };
        let communities = keywords(&generated.clusters);
        Self {
            dim: shape.dim,
            base: generated.vectors,
            queries: mixture.queries(2_000).vectors,
            communities,
            domains: keywords(&groups.zipf(1.0)),
            scores: heavy_tailed(shape.rows, 1.0, 3),
            times: (0..shape.rows as u64).map(|row| (hash(row) % (1 << 47)) as i64).collect(),
            ..Self::default()
        }
        .sloped()
    }

    /// With the direction from one of the two largest communities to the other.
    fn sloped(mut self) -> Self {
        let mut sizes: HashMap<&str, usize> = HashMap::new();
        self.communities.iter().for_each(|name| *sizes.entry(name).or_default() += 1);
        let mut names: Vec<(usize, &str)> = sizes.into_iter().map(|(name, n)| (n, name)).collect();
        names.sort_unstable_by(|a, b| b.cmp(a));
        let mut direction = vec![0.0_f32; self.dim];
        for (&(size, name), sign) in names.iter().zip([1.0, -1.0]) {
            let rows = self.base.chunks_exact(self.dim).zip(&self.communities);
            for (row, _) in rows.filter(|(_, of)| of.as_str() == name) {
                direction.iter_mut().zip(row).for_each(|(d, v)| *d += sign * v / size as f32);
            }
        }
        self.slope = self.base.chunks_exact(self.dim).map(|row| dot(row, &direction)).collect();
        self.direction = direction;
        self
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
        let slope = self.slope.iter().map(|v| f64::from(*v));
        let columns: [(&str, ArrayRef); 6] = [
            ("community", Arc::new(StringArray::from(self.communities.clone()))),
            ("shuffled", Arc::new(Int64Array::from_iter_values(shuffled))),
            ("created", Arc::new(TimestampMicrosecondArray::from(self.times.clone()))),
            ("domain", Arc::new(StringArray::from(self.domains.clone()))),
            ("score", Arc::new(Int64Array::from(self.scores.clone()))),
            ("slope", Arc::new(Float64Array::from_iter_values(slope))),
        ];
        Ok(RecordBatch::try_from_iter(columns)?)
    }
}

/// The sum of products.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `shuffled` is below this, and evenly spread.
pub const MILLION: i64 = 1_000_000;

/// A number that looks random (splitmix64).
pub fn hash(x: u64) -> u64 {
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
