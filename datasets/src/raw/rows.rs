//! Streams the rows of a raw file, a batch at a time, through one buffer.

use std::sync::Arc;

use arrow_array::{FixedSizeListArray, RecordBatch};
use arrow_schema::{DataType, SchemaRef};

use crate::error::Result;
use crate::options::ReadOptions;
use crate::raw::layout::{Layout, RawFile};

/// The batches of one raw file.
pub(crate) struct Rows {
    file: RawFile,
    layout: Layout,
    schema: SchemaRef,
    /// Most rows of a batch.
    most: usize,
    next: u64,
    /// The bytes of a batch; kept to be filled again.
    bytes: Vec<u8>,
}

impl Rows {
    pub(crate) fn new(
        mut file: RawFile,
        layout: Layout,
        schema: SchemaRef,
        options: &ReadOptions,
    ) -> Result<Self> {
        file.seek(layout.start)?;
        let most = options.rows_of(layout.record());
        Ok(Self { file, layout, schema, most, next: 0, bytes: Vec::new() })
    }

    fn read(&mut self, rows: usize) -> Result<RecordBatch> {
        let record = self.layout.record();
        self.bytes.resize(rows * record, 0);
        self.file.read(&mut self.bytes, self.layout.position(self.next))?;
        if self.layout.prefixed {
            self.drop_prefixes(record)?;
        }
        self.batch().map_err(|e| {
            let at = self.layout.position(self.next);
            self.file.blame.malformed(at, "vectors", e.to_string(), "report this as a bug")
        })
    }

    fn batch(&self) -> Result<RecordBatch, arrow_schema::ArrowError> {
        let values = self.layout.element.decode(&self.bytes);
        let field = self.schema.field(0);
        let DataType::FixedSizeList(item, size) = field.data_type() else {
            return Err(arrow_schema::ArrowError::SchemaError("not a list".into()));
        };
        let vectors = FixedSizeListArray::try_new(item.clone(), *size, values, None)?;
        RecordBatch::try_new(self.schema.clone(), vec![Arc::new(vectors)])
    }

    /// Checks the dimension in front of each row, and moves the rows together.
    fn drop_prefixes(&mut self, record: usize) -> Result<()> {
        let dim = self.layout.dim as i32;
        let mut packed = Vec::with_capacity(self.bytes.len());
        for (row, bytes) in (self.next..).zip(self.bytes.chunks_exact(record)) {
            let Some((prefix, components)) = bytes.split_first_chunk::<4>() else { continue };
            let found = i32::from_le_bytes(*prefix);
            if found != dim {
                return Err(self.file.blame.malformed(
                    self.layout.position(row),
                    format!("dimension {dim}, that of row 0"),
                    found.to_string(),
                    "all vectors of a file have one dimension; write the file again",
                ));
            }
            packed.extend_from_slice(components);
        }
        self.bytes = packed;
        Ok(())
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.layout.rows.saturating_sub(self.next);
        let rows = usize::try_from(left).unwrap_or(usize::MAX).min(self.most);
        if rows == 0 {
            return None;
        }
        let batch = self.read(rows);
        self.next += rows as u64;
        Some(batch)
    }
}
