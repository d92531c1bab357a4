//! Ids that are kept beside the vectors: a one-dimensional `.npy` of u64 or i64.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::error::{Blame, Position, Result};
use crate::raw::{RawFile, npy};
use crate::source::Source;

const ID: &str = "id";
const ID_BYTES: usize = 8;

/// Puts a column of ids in front of the columns of `source`.
pub(crate) fn attach(source: Source, path: &Path) -> Result<Source> {
    let ids = Ids::open(path)?;
    let schema = source.schema();
    if schema.column_with_name(ID).is_some() {
        return Err(ids.file.blame.unsupported(
            Position::UNKNOWN,
            "vectors without ids",
            "a column \"id\" beside the vectors",
            "leave the ids file out, or read without the column",
        ));
    }
    if let Some(rows) = source.rows().filter(|&rows| rows != ids.rows) {
        return Err(ids.count_differs(rows));
    }
    let mut fields = vec![Arc::new(Field::new(ID, DataType::UInt64, false))];
    fields.extend(schema.fields().iter().cloned());
    let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
    let rows = Some(ids.rows);
    Ok(Source::new(schema.clone(), rows, WithIds { source, ids, schema }))
}

struct WithIds {
    source: Source,
    ids: Ids,
    schema: SchemaRef,
}

impl WithIds {
    fn join(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let ids = self.ids.take(batch.num_rows())?;
        let mut columns: Vec<ArrayRef> = vec![Arc::new(ids)];
        columns.extend(batch.columns().iter().cloned());
        RecordBatch::try_new(self.schema.clone(), columns).map_err(|e| {
            self.ids.file.blame.malformed(
                self.ids.position(self.ids.next),
                "ids that fit the vectors",
                e.to_string(),
                "read the files one by one",
            )
        })
    }
}

impl Iterator for WithIds {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.source.next() {
            Some(Ok(batch)) => Some(self.join(&batch)),
            Some(Err(error)) => Some(Err(error)),
            None if self.ids.next < self.ids.rows => {
                let vectors = self.ids.next;
                self.ids.next = self.ids.rows;
                Some(Err(self.ids.count_differs(vectors)))
            }
            None => None,
        }
    }
}

/// The ids file, read along with the vectors.
struct Ids {
    file: RawFile,
    start: u64,
    rows: u64,
    next: u64,
    signed: bool,
}

impl Ids {
    fn open(path: &Path) -> Result<Self> {
        let mut file = RawFile::open(path)?;
        let header = npy::header(&mut file)?;
        let signed = match header.descr.as_str() {
            "<u8" => false,
            "<i8" => true,
            other => return Err(unsuitable(&file.blame, format!("dtype {other}"))),
        };
        let &[rows] = header.shape.as_slice() else {
            return Err(unsuitable(&file.blame, format!("shape {:?}", header.shape)));
        };
        let end = rows.checked_mul(ID_BYTES as u64).and_then(|b| b.checked_add(header.start));
        if end != Some(file.len) {
            let complete = file.len.saturating_sub(header.start) / ID_BYTES as u64;
            let start = header.start;
            let at = Position::row(complete.min(rows), start + complete.min(rows) * 8);
            let found = format!("a file of {} bytes with {complete} whole ids", file.len);
            let fix = "the file is cut off or damaged; copy it again";
            return Err(file.blame.malformed(at, format!("{rows} ids"), found, fix));
        }
        file.seek(header.start)?;
        Ok(Self { file, start: header.start, rows, next: 0, signed })
    }

    fn position(&self, row: u64) -> Position {
        Position::row(row, self.start + row * ID_BYTES as u64)
    }

    fn count_differs(&self, vectors: u64) -> crate::ReadError {
        self.file.blame.malformed(
            Position::UNKNOWN,
            format!("an id for each of the {vectors} vectors"),
            format!("{} ids", self.rows),
            "give the ids file that was written with these vectors",
        )
    }

    fn take(&mut self, count: usize) -> Result<UInt64Array> {
        if count as u64 > self.rows - self.next {
            return Err(self.count_differs(self.next + count as u64));
        }
        let mut bytes = vec![0; count * ID_BYTES];
        let at = self.position(self.next);
        self.file.read(&mut bytes, at)?;
        let ids: Vec<u64> =
            bytes.as_chunks().0.iter().map(|&bytes| u64::from_le_bytes(bytes)).collect();
        if self.signed
            && let Some(offset) = ids.iter().position(|id| id.cast_signed() < 0)
        {
            return Err(self.file.blame.unsupported(
                self.position(self.next + offset as u64),
                "ids of 0 or more",
                ids.get(offset).map_or_else(String::new, |id| id.cast_signed().to_string()),
                "number the points from 0",
            ));
        }
        self.next += count as u64;
        Ok(UInt64Array::from(ids))
    }
}

fn unsuitable(blame: &Blame, found: String) -> crate::ReadError {
    blame.unsupported(
        Position::byte(6),
        "ids as a one-dimensional array of u64 or i64",
        found,
        "save them with ids.astype(\"<u8\").ravel()",
    )
}
