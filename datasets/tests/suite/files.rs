//! Files written byte by byte, and small helpers to read them back.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Int32Type};
use arrow_array::{
    ArrayRef, DictionaryArray, FixedSizeListArray, Float32Array, RecordBatch, StringArray,
    UInt64Array,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_schema::{DataType, Field};
use nearfield_datasets::{ReadError, Source};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

/// A directory that goes away, and a path in it.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

pub(crate) fn npy(version: u8, dict: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((dict.len() as u16).to_le_bytes()),
        _ => bytes.extend((dict.len() as u32).to_le_bytes()),
    }
    bytes.extend(dict.as_bytes());
    bytes.extend(data);
    bytes
}

pub(crate) fn npy_of(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    npy(1, &dict, data)
}

pub(crate) fn le_f32(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

pub(crate) fn le_u64(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

pub(crate) fn bin(rows: u32, dim: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = [rows.to_le_bytes(), dim.to_le_bytes()].concat();
    bytes.extend(data);
    bytes
}

/// Rows of the `.*vecs` formats.
pub(crate) fn vecs(rows: &[&[u8]], dim: i32) -> Vec<u8> {
    rows.iter().flat_map(|row| [&dim.to_le_bytes()[..], row].concat()).collect()
}

/// Ids, labels through a dictionary, and vectors of three components, `rows` of them.
pub(crate) fn table(rows: usize) -> RecordBatch {
    let ids = UInt64Array::from_iter_values(0..rows as u64);
    let names: StringArray = (0..rows).map(|i| (i % 5 != 0).then(|| format!("n{i}"))).collect();
    let labels: DictionaryArray<Int32Type> = (0..rows).map(|i| ["a", "b", "c"][i % 3]).collect();
    let values: Vec<f32> = (0..rows * 3).map(|i| i as f32).collect();
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let vectors = FixedSizeListArray::new(item, 3, Arc::new(Float32Array::from(values)), None);
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(ids) as ArrayRef, false),
        ("name", Arc::new(names), true),
        ("label", Arc::new(labels), true),
        ("vector", Arc::new(vectors), true),
    ])
    .unwrap()
}

/// Parquet in row groups of `group` rows.
pub(crate) fn parquet(batch: &RecordBatch, group: usize, zstd: bool) -> Vec<u8> {
    let codec = if zstd { Compression::ZSTD(ZstdLevel::default()) } else { Compression::SNAPPY };
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group))
        .set_compression(codec)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn ipc_options(compression: Option<CompressionType>) -> IpcWriteOptions {
    IpcWriteOptions::default().try_with_compression(compression).unwrap()
}

pub(crate) fn ipc_file(batches: &[RecordBatch], compression: Option<CompressionType>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let options = ipc_options(compression);
    let schema = batches[0].schema();
    let mut writer = FileWriter::try_new_with_options(&mut bytes, &schema, options).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    drop(writer);
    bytes
}

pub(crate) fn ipc_stream(batches: &[RecordBatch], compression: Option<CompressionType>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let options = ipc_options(compression);
    let schema = batches[0].schema();
    let mut writer = StreamWriter::try_new_with_options(&mut bytes, &schema, options).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    drop(writer);
    bytes
}

/// Everything that a source delivers, up to its first error.
pub(crate) fn drain(source: Source) -> Result<Vec<RecordBatch>, ReadError> {
    source.collect()
}

/// The components of the column `vector`, all batches together.
pub(crate) fn components<T: ArrowPrimitiveType>(batches: &[RecordBatch]) -> Vec<T::Native> {
    let values = |batch: &RecordBatch| {
        let vectors = batch.column_by_name("vector").unwrap().as_fixed_size_list();
        vectors.values().as_primitive::<T>().values().to_vec()
    };
    batches.iter().flat_map(values).collect()
}

/// The error of opening and reading a file; its message must name the file.
pub(crate) fn failure(path: &std::path::Path) -> ReadError {
    let error = nearfield_datasets::open(path).and_then(drain).unwrap_err();
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(error.to_string().contains(name), "{error}");
    error
}
