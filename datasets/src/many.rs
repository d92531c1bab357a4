//! Several files as one source: a glob, sorted by path.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};

use crate::error::{ReadError, Result};
use crate::options::ReadOptions;
use crate::source::{Source, open_with};

/// Opens every file that matches `pattern` (`*`, `?`, `[..]`, `**`), in the order of the paths,
/// as one source. A pattern that names an existing file opens that file.
///
/// All files must have the same columns of the same types, in the same order; whether a column
/// may be null, and metadata, may differ. One file is open at a time.
///
/// # Errors
/// No match, columns that differ, or what [`crate::open`] refuses.
///
/// ```no_run
/// use nearfield_datasets::{ReadOptions, open_all};
///
/// for batch in open_all("parts/*.parquet", &ReadOptions::default())? {
///     println!("{} rows", batch?.num_rows());
/// }
/// # Ok::<(), nearfield_datasets::ReadError>(())
/// ```
pub fn open_all(pattern: &str, options: &ReadOptions) -> Result<Source> {
    if Path::new(pattern).exists() {
        return open_with(Path::new(pattern), options);
    }
    let paths = expand(pattern)?;
    let (first, rest) = match paths.split_first() {
        // A plain name that isn't there is a missing file, not a pattern without a match.
        None if !pattern.contains(['*', '?', '[']) => return open_with(pattern.as_ref(), options),
        None => return Err(refuse(pattern, "at least one matching file", "none".into())),
        Some(split) => split,
    };
    let opened = open_with(first, options)?;
    let schema = opened.schema();
    let mut rows = opened.rows();
    for path in rest {
        let other = open_with(path, options)?;
        same_columns(&schema, first, &other.schema(), path)?;
        rows = rows.zip(other.rows()).and_then(|(a, b)| a.checked_add(b));
    }
    let mut waiting = rest.to_vec();
    waiting.reverse();
    let chain = Chain {
        current: Some(opened),
        waiting,
        first: first.clone(),
        schema: schema.clone(),
        options: options.clone(),
    };
    Ok(Source::new(schema, rows, chain))
}

/// The files that match these patterns, with their lengths and times: another text once one of
/// them has been changed. Files that can't be asked are left out.
#[must_use]
pub fn describe<'a>(patterns: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for pattern in patterns {
        let plain = Path::new(pattern).exists();
        let paths = if plain { vec![pattern.into()] } else { expand(pattern).unwrap_or_default() };
        for path in paths {
            let Ok(meta) = path.metadata() else { continue };
            let path = path.canonicalize().unwrap_or(path);
            let _ = writeln!(text, "{} {} {:?}", path.display(), meta.len(), meta.modified().ok());
        }
    }
    text
}

fn expand(pattern: &str) -> Result<Vec<PathBuf>> {
    let entries = glob::glob(pattern)
        .map_err(|e| refuse(pattern, "a glob", format!("{} at character {}", e.msg, e.pos)))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(|e| ReadError::Io {
            path: e.path().into(),
            at: crate::Position::UNKNOWN,
            operation: "list the directory",
            source: e.into(),
        })?);
    }
    paths.sort();
    Ok(paths)
}

fn refuse(pattern: &str, expected: &str, found: String) -> ReadError {
    ReadError::Pattern { pattern: pattern.into(), expected: expected.into(), found }
}

fn same_columns(expected: &Schema, first: &Path, found: &Schema, path: &Path) -> Result<()> {
    let columns = expected.fields().len().max(found.fields().len());
    for i in 0..columns {
        let (a, b) = (expected.fields().get(i), found.fields().get(i));
        let same = a.zip(b).is_some_and(|(a, b)| {
            a.name() == b.name() && a.data_type().equals_datatype(b.data_type())
        });
        if !same {
            let describe = |field: Option<&arrow_schema::FieldRef>| {
                field.map_or("no further column".into(), |field| {
                    format!("column {:?} of type {}", field.name(), field.data_type())
                })
            };
            return Err(ReadError::SchemaMismatch {
                path: path.into(),
                first: first.into(),
                expected: describe(a),
                found: describe(b),
            });
        }
    }
    Ok(())
}

struct Chain {
    current: Option<Source>,
    /// The files not opened yet, the next one last.
    waiting: Vec<PathBuf>,
    first: PathBuf,
    schema: SchemaRef,
    options: ReadOptions,
}

impl Chain {
    /// Opens the next file; it may have changed since its columns were compared.
    fn advance(&mut self) -> Option<Result<()>> {
        let path = self.waiting.pop()?;
        let opened = open_with(&path, &self.options).and_then(|source| {
            same_columns(&self.schema, &self.first, &source.schema(), &path).map(|()| source)
        });
        Some(opened.map(|source| self.current = Some(source)))
    }
}

impl Iterator for Chain {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(batch) = self.current.as_mut().and_then(Iterator::next) {
                return Some(batch);
            }
            self.current = None;
            if let Err(error) = self.advance()? {
                return Some(Err(error));
            }
        }
    }
}
