//! Data files small enough to know by heart: four points in two dimensions, on the unit circle.

use std::convert::Infallible;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{FixedSizeListBuilder, Float32Builder};
use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_ipc::writer::FileWriter;
use nearfield::{
    AttributeType, Collection, CollectionConfig, IdType, LoadOptions, Metric, Progress, Schema,
};
use tempfile::TempDir;

/// Ids of the points, at 0, 10, 20 and 90 degrees.
pub const IDS: [&str; 4] = ["east", "near", "far", "north"];

/// 2013-08-19 14:15:23 in milliseconds; each point is a day older than the one before.
pub const NEWEST_MS: i64 = 1_376_921_723_000;

/// A directory that is removed when it is dropped.
pub struct Dir(TempDir);

impl Dir {
    /// A fresh one.
    pub fn new() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A path in it as text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("a UTF-8 path").to_owned()
    }

    /// Writes the four points as an Arrow file with string ids and attributes.
    pub fn points(&self, name: &str) -> String {
        let path = self.path(name);
        write_arrow(&path, &points(&[0.0, 10.0, 20.0, 90.0]));
        self.text(name)
    }

    /// Writes vectors as an `.npy` file of 32-bit floats.
    pub fn npy(&self, name: &str, rows: &[[f32; 2]]) -> String {
        let body = rows.iter().flatten().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
        fs::write(self.path(name), npy("<f4", &format!("({}, 2)", rows.len()), &body))
            .expect("written");
        self.text(name)
    }

    /// Writes ids as an `.npy` file of unsigned integers.
    pub fn ids(&self, name: &str, ids: &[u64]) -> String {
        let body = ids.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
        fs::write(self.path(name), npy("<u8", &format!("({},)", ids.len()), &body))
            .expect("written");
        self.text(name)
    }

    /// Writes vectors of any dimension as an `.fbin` file.
    pub fn fbin(&self, name: &str, dim: usize, components: &[f32]) -> String {
        let head = [components.len() / dim, dim].map(|n| (n as u32).to_le_bytes());
        let body = components.iter().map(|x| x.to_le_bytes());
        let bytes = head.into_iter().chain(body).flatten().collect::<Vec<_>>();
        fs::write(self.path(name), bytes).expect("written");
        self.text(name)
    }

    /// A collection of the four points, written through the library.
    pub fn collection(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        let columns = [
            ("group".to_owned(), AttributeType::Keyword),
            ("score".to_owned(), AttributeType::I64),
            ("created_utc".to_owned(), AttributeType::Timestamp),
        ];
        let config = CollectionConfig {
            id_type: IdType::Str,
            schema: Schema::new(columns).expect("a schema"),
            space: Some("compass@1".parse().expect("a space")),
            ..CollectionConfig::new(2, Metric::Cosine)
        };
        let collection = Collection::create(&path, config).expect("created");
        let batches = [Ok::<_, Infallible>(points(&[0.0, 10.0, 20.0, 90.0]))];
        let options = LoadOptions { vector: "embedding".into(), ..LoadOptions::default() };
        collection.load(batches.into_iter(), &options, &Progress::new()).expect("loaded");
        collection.close().expect("closed");
        path
    }

    /// Names of what is in the directory, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("a listing");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

/// Points at these angles, in degrees.
pub fn points(degrees: &[f32]) -> RecordBatch {
    let mut vectors = FixedSizeListBuilder::new(Float32Builder::new(), 2);
    for angle in degrees {
        let (y, x) = angle.to_radians().sin_cos();
        vectors.values().append_slice(&[x, y]);
        vectors.append(true);
    }
    let n = degrees.len();
    let created = (0..n as i64).map(|age| NEWEST_MS - age * 86_400_000).collect::<Vec<_>>();
    let columns: [(&str, ArrayRef); 5] = [
        ("id", Arc::new(StringArray::from(IDS[..n].to_vec()))),
        ("group", Arc::new(StringArray::from(["a", "a", "b", "b"][..n].to_vec()))),
        ("score", Arc::new(Int32Array::from([1, -2, 3, 4][..n].to_vec()))),
        ("created_utc", Arc::new(TimestampMillisecondArray::from(created))),
        ("embedding", Arc::new(vectors.finish())),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// Writes a batch as an Arrow file.
pub fn write_arrow(path: &Path, batch: &RecordBatch) {
    let file = File::create(path).expect("a file");
    let mut writer = FileWriter::try_new(file, &batch.schema()).expect("a writer");
    writer.write(batch).expect("written");
    writer.finish().expect("finished");
}

fn npy(descr: &str, shape: &str, body: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header.push_str(&" ".repeat(padded - header.len() - 1));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(body);
    bytes
}
