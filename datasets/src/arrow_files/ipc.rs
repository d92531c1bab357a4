//! Arrow IPC: the file format (`ARROW1`, a footer with the offsets of the batches; Feather
//! version 2 is the same) and the stream format. The content decides which, not the extension.
//!
//! Both are sequences of messages, each a `FlatBuffer` and a body. Messages are framed and checked
//! here ([`message`]), their bodies decoded by the Arrow project's decoder.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::{RecordBatchDecoder, read_dictionary};
use arrow_ipc::{MessageHeader, MetadataVersion};
use arrow_schema::{ArrowError, Schema, SchemaRef};

mod footer;
mod message;

use message::Frame;

use crate::arrow_files::guard;
use crate::error::{Blame, Position, ReadError, Result};
use crate::options::{ReadOptions, fixed_row_bytes};
use crate::raw::RawFile;
use crate::source::{Source, projected};

const FIX: &str = "the file is cut off or damaged; write or copy it again";
const MAGIC: [u8; 6] = *b"ARROW1";

pub(crate) fn open(path: &Path, options: &ReadOptions) -> Result<Source> {
    let mut file = RawFile::open(path)?;
    let start: [u8; 6] = if file.len < 8 { [0; 6] } else { file.header(0)? };
    let (schema, rows, blocks) = if start == MAGIC {
        let footer = footer::read(&mut file)?;
        let rows = footer.rows(&mut file)?;
        (
            footer.schema,
            Some(rows),
            Blocks::Listed { dictionaries: footer.dictionaries, batches: footer.batches },
        )
    } else if start.starts_with(b"FEA1") {
        return Err(file.blame.unsupported(
            Position::byte(0),
            "Feather version 2",
            "Feather version 1",
            "write it again with pyarrow.feather.write_feather(table, path, version=2)",
        ));
    } else {
        let (schema, next) = stream_schema(&mut file)?;
        (schema, None, Blocks::Sequence { next })
    };
    let projection = options.project(&schema, &file.blame)?;
    let shown = match &projection {
        Some(indices) => Arc::new(projected(&schema, indices)),
        None => schema.clone(),
    };
    fixed_row_bytes(&schema, &file.blame)?;
    let batch_rows = options.rows_of(fixed_row_bytes(&shown, &file.blame)?);
    let batches = Batches {
        file,
        schema,
        projection,
        batch_rows,
        blocks,
        dictionaries: HashMap::new(),
        whole: None,
        row: 0,
    };
    Ok(Source::new(shown, rows, batches))
}

/// The first message of a stream, and where the second begins.
fn stream_schema(file: &mut RawFile) -> Result<(SchemaRef, u64)> {
    let frame = message::read(file, 0)?;
    let schema = frame.as_ref().and_then(|frame| frame.header().header_as_schema());
    let Some((frame, schema)) = frame.as_ref().zip(schema) else {
        return Err(file.blame.malformed(
            Position::byte(0),
            "\"ARROW1\" or a schema message",
            "neither",
            "write the table as Arrow IPC",
        ));
    };
    Ok((convert_schema(schema, &file.blame, 0)?, frame.end()))
}

fn convert_schema(schema: arrow_ipc::Schema<'_>, blame: &Blame, at: u64) -> Result<SchemaRef> {
    if schema.endianness() != arrow_ipc::Endianness::Little {
        let at = Position::byte(at);
        let fix = "write it on a little-endian machine";
        return Err(blame.unsupported(at, "little-endian data", "big-endian data", fix));
    }
    let converted = guard::decode(|| Ok::<Schema, ArrowError>(fb_to_schema(schema)));
    let converted =
        converted.map_err(|e| blame.malformed(Position::byte(at), "a schema", e, FIX))?;
    if converted.fields().is_empty() {
        let at = Position::byte(at);
        return Err(blame.unsupported(at, "at least one column", "none", "write the columns"));
    }
    Ok(Arc::new(converted))
}

/// Where the messages are.
enum Blocks {
    /// A file: offsets from its footer.
    Listed { dictionaries: VecDeque<u64>, batches: VecDeque<u64> },
    /// A stream: one after the other.
    Sequence { next: u64 },
}

struct Batches {
    file: RawFile,
    /// All columns of the file.
    schema: SchemaRef,
    projection: Option<Vec<usize>>,
    batch_rows: usize,
    blocks: Blocks,
    dictionaries: HashMap<i64, ArrayRef>,
    /// What is left of a batch that is longer than the batches to deliver.
    whole: Option<RecordBatch>,
    /// First row of the next message.
    row: u64,
}

impl Batches {
    fn place(&self, frame: &Frame) -> Position {
        Position::row(self.row, frame.at)
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        match &mut self.blocks {
            Blocks::Listed { dictionaries, batches } => {
                let Some(at) = dictionaries.pop_front().or_else(|| batches.pop_front()) else {
                    return Ok(None);
                };
                message::read(&mut self.file, at)?.map(Some).ok_or_else(|| {
                    let at = Position::row(self.row, at);
                    self.file.blame.malformed(at, "a message", "the end of the stream", FIX)
                })
            }
            Blocks::Sequence { next } => {
                let frame = message::read(&mut self.file, *next)?;
                *next = frame.as_ref().map_or(*next, Frame::end);
                Ok(frame)
            }
        }
    }

    /// The next batch as it was written; dictionaries on the way are kept.
    fn next_whole(&mut self) -> Result<Option<RecordBatch>> {
        while let Some(frame) = self.next_frame()? {
            let at = self.place(&frame);
            match frame.header().header_type() {
                MessageHeader::DictionaryBatch => self.dictionary(&frame, at)?,
                MessageHeader::RecordBatch => {
                    let batch = self.batch(&frame, at)?;
                    if batch.num_rows() > 0 {
                        return Ok(Some(batch));
                    }
                }
                MessageHeader::NONE => {}
                other => {
                    let found = format!("{other:?}");
                    let expected = "a record batch or a dictionary";
                    return Err(self.file.blame.malformed(at, expected, found, FIX));
                }
            }
        }
        Ok(None)
    }

    fn dictionary(&mut self, frame: &Frame, at: Position) -> Result<()> {
        let header = frame.header();
        let Some(dictionary) = header.header_as_dictionary_batch() else {
            return Err(self.malformed(at, "a dictionary", "no header".into()));
        };
        if let Some(data) = dictionary.data() {
            frame.check_buffers(&data, &self.file.blame, at)?;
        }
        let version = header.version();
        let read = guard::decode(|| {
            let body = &frame.body;
            read_dictionary(body, dictionary, &self.schema, &mut self.dictionaries, &version)
        });
        read.map_err(|e| self.malformed(at, "a dictionary", e))
    }

    fn batch(&self, frame: &Frame, at: Position) -> Result<RecordBatch> {
        let header = frame.header();
        let Some(batch) = header.header_as_record_batch() else {
            return Err(self.malformed(at, "a record batch", "no header".into()));
        };
        message::check_rows(batch.length(), &self.file.blame, at)?;
        frame.check_buffers(&batch, &self.file.blame, at)?;
        let version: MetadataVersion = header.version();
        let decoded = guard::decode(|| {
            let schema = self.schema.clone();
            RecordBatchDecoder::try_new(&frame.body, batch, schema, &self.dictionaries, &version)?
                .with_projection(self.projection.as_deref())
                .read_record_batch()
        });
        decoded.map_err(|e| self.malformed(at, "a record batch of the schema", e))
    }

    fn malformed(&self, at: Position, expected: &str, found: String) -> ReadError {
        self.file.blame.malformed(at, expected, found, FIX)
    }

    /// Cuts the next batch off the front of a longer one; nothing is copied.
    fn cut(&mut self, batch: &RecordBatch) -> RecordBatch {
        let rows = batch.num_rows().min(self.batch_rows);
        if rows < batch.num_rows() {
            self.whole = Some(batch.slice(rows, batch.num_rows() - rows));
        }
        self.row += rows as u64;
        batch.slice(0, rows)
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let whole = match self.whole.take() {
            Some(rest) => rest,
            None => match self.next_whole() {
                Ok(batch) => batch?,
                Err(error) => return Some(Err(error)),
            },
        };
        Some(Ok(self.cut(&whole)))
    }
}
