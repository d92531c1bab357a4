//! A Parquet file that is written in parts, so that who writes it may be killed and go on later: each
//! part is a small Parquet file of its own beside the target, and the last step puts their row
//! groups together, without reading what is in them.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use crate::error::{Position, ReadError, Result};

/// Says in a part how many steps it stands for.
const STEPS: &str = "nearfield.steps";
/// Names the job that the parts belong to; held locked by who writes them.
const JOB: &str = "job";

/// A Parquet file on its way.
#[derive(Debug)]
pub struct Parts {
    target: PathBuf,
    directory: PathBuf,
    /// The job; locked as long as this is open.
    job: File,
    count: usize,
    steps: u64,
}

impl Parts {
    /// Begins to write `target`, or goes on where another process stopped that wrote it for the
    /// same `job`. What was begun for another job is removed.
    ///
    /// # Errors
    /// A directory that can't be written; another process that writes the same target.
    pub fn open(target: impl Into<PathBuf>, job: &str) -> Result<Self> {
        let target = target.into();
        let mut directory = target.clone().into_os_string();
        directory.push(".parts");
        let directory = PathBuf::from(directory);
        fs::create_dir_all(&directory).map_err(failed(&directory, "create the directory"))?;
        let path = directory.join(JOB);
        let fail = |operation| failed(&path, operation);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut lock = options.open(&path).map_err(fail("open"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let why = "another process writes the same file";
                return Err(fail("lock")(io::Error::new(io::ErrorKind::WouldBlock, why)));
            }
            Err(TryLockError::Error(error)) => return Err(fail("lock")(error)),
        }
        let mut before = Vec::new();
        lock.read_to_end(&mut before).map_err(fail("read"))?;
        let mut parts = Self { target, directory, job: lock, count: 0, steps: 0 };
        if before == job.as_bytes() {
            while let Some(steps) = parts.part(parts.count).ok().and_then(|part| part.steps()) {
                parts.count += 1;
                parts.steps += steps;
            }
        }
        parts.remove_rest()?;
        if before != job.as_bytes() {
            let lock = &mut parts.job;
            lock.set_len(0).and_then(|()| lock.rewind()).map_err(fail("write"))?;
            lock.write_all(job.as_bytes()).and_then(|()| lock.sync_all()).map_err(fail("write"))?;
        }
        Ok(parts)
    }

    /// Steps of the parts that are there.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Writes one part more, a row group if it isn't very large. It stands for so many steps.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&mut self, batch: &RecordBatch, steps: u64) -> Result<()> {
        let path = self.path(self.count);
        let temporary = path.with_extension("tmp");
        let fail = |operation| failed(&temporary, operation);
        let mut file = File::create(&temporary).map_err(fail("create"))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_key_value_metadata(Some(vec![KeyValue::new(STEPS.to_owned(), steps.to_string())]))
            .build();
        let written = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).and_then(
            |mut writer| {
                writer.write(batch)?;
                writer.close()
            },
        );
        written.map_err(|error| fail("write")(system(error)))?;
        file.sync_all().map_err(fail("sync"))?;
        fs::rename(&temporary, &path).map_err(failed(&path, "create"))?;
        self.count += 1;
        self.steps += steps;
        Ok(())
    }

    /// Puts the parts together in place of what may be at the target, and removes them.
    ///
    /// # Errors
    /// What the system says; the parts are kept then.
    pub fn finish(self) -> Result<()> {
        let whole = self.directory.join("whole");
        let fail = |operation| failed(&whole, operation);
        let file = File::create(&whole).map_err(fail("create"))?;
        self.join(file).map_err(|error| fail("write")(system(error)))?;
        fs::rename(&whole, &self.target).map_err(failed(&self.target, "create"))?;
        fs::remove_dir_all(&self.directory).map_err(failed(&self.directory, "remove"))
    }

    fn join(&self, file: File) -> std::result::Result<(), ParquetError> {
        let first = self.part(0)?;
        let of_file = first.metadata.file_metadata();
        let keep = |pairs: &Vec<KeyValue>| {
            pairs.iter().filter(|pair| pair.key != STEPS).cloned().collect::<Vec<_>>()
        };
        let properties = WriterProperties::builder()
            .set_key_value_metadata(of_file.key_value_metadata().map(keep))
            .build();
        let schema = of_file.schema_descr().root_schema_ptr();
        let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
        for number in 0..self.count {
            let part = self.part(number)?;
            for group in part.metadata.row_groups() {
                let mut out = writer.next_row_group()?;
                for column in group.columns() {
                    let close = ColumnCloseResult {
                        bytes_written: u64::try_from(column.compressed_size()).unwrap_or(0),
                        rows_written: u64::try_from(group.num_rows()).unwrap_or(0),
                        metadata: column.clone(),
                        bloom_filter: None,
                        column_index: None,
                        offset_index: None,
                    };
                    out.append_column(&part.file, close)?;
                }
                out.close()?;
            }
        }
        Ok(writer.into_inner()?.sync_all()?)
    }

    fn path(&self, number: usize) -> PathBuf {
        self.directory.join(format!("{number:06}.parquet"))
    }

    fn part(&self, number: usize) -> std::result::Result<Part, ParquetError> {
        let file = File::open(self.path(number))?;
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file)?;
        Ok(Part { file, metadata })
    }

    /// Removes whatever is no part that counts.
    fn remove_rest(&self) -> Result<()> {
        let fail = |operation| failed(&self.directory, operation);
        let count: HashSet<PathBuf> = (0..self.count).map(|number| self.path(number)).collect();
        for entry in fs::read_dir(&self.directory).map_err(fail("list"))? {
            let path = entry.map_err(fail("list"))?.path();
            if !count.contains(&path) && path.file_name().is_some_and(|name| name != JOB) {
                fs::remove_file(&path).map_err(failed(&path, "remove"))?;
            }
        }
        Ok(())
    }
}

/// A part that is there.
struct Part {
    file: File,
    metadata: ParquetMetaData,
}

impl Part {
    fn steps(&self) -> Option<u64> {
        let pairs = self.metadata.file_metadata().key_value_metadata()?;
        pairs.iter().find(|pair| pair.key == STEPS)?.value.as_ref()?.parse().ok()
    }
}

fn failed(path: &Path, operation: &'static str) -> impl FnOnce(io::Error) -> ReadError {
    let path = path.to_owned();
    move |source| ReadError::Io { path, at: Position::UNKNOWN, operation, source }
}

fn system(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        other => io::Error::other(other),
    }
}
