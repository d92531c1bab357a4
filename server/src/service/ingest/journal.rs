//! What is durable of a stream, in a file of its own in the directory of its collection: where it
//! stands, and under `PENDING` the points themselves.
//!
//! The file is records, one after the other; it counts as far as they are whole:
//!
//! ```text
//! u32 checksum (CRC32C of all that follows)  u8 kind  u64 sequence  u64 offset  u32 length  bytes
//! ```
//!
//! A record of kind `OPEN` is first, and its one byte is the mode; those of kind `BATCH` have the rows
//! under `PENDING` and nothing under `LIVE`; one of kind `COMMIT` is last. All numbers are
//! little-endian; the offset is the number of points after the record.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const OPEN: u8 = 1;
const BATCH: u8 = 2;
const COMMIT: u8 = 3;

const HEAD: usize = 4 + 1 + 8 + 8 + 4;
/// Largest record: larger than any message.
const LENGTH_MAX: u32 = 256 << 20;

/// Where a stream stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct State {
    /// The batch that is next.
    pub sequence: u64,
    /// Points before it.
    pub offset: u64,
    /// Whether it was committed.
    pub committed: bool,
}

/// The file of a stream, open at its end.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    mode: u8,
    state: State,
}

struct Record {
    kind: u8,
    sequence: u64,
    offset: u64,
    bytes: Vec<u8>,
}

impl Journal {
    /// Opens the file of a stream, or begins it in this mode. What is not whole at its end is cut
    /// off.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(path: &Path, mode: u8) -> io::Result<Self> {
        if let Some(parent) = path.parent()
            && !parent.is_dir()
        {
            fs::create_dir(parent)?;
            sync_directory(parent.parent())?;
        }
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut found = (mode, State::default());
        let mut whole = 0;
        let mut reader = BufReader::new(&mut file);
        let mut opened = false;
        while let Some(record) = read(&mut reader)? {
            match (opened, record.kind) {
                (false, OPEN) => found.0 = record.bytes.first().copied().unwrap_or_default(),
                (true, BATCH) => found.1.sequence = record.sequence + 1,
                (true, COMMIT) => found.1.committed = true,
                _ => break,
            }
            opened = true;
            found.1.offset = record.offset;
            whole += (HEAD + record.bytes.len()) as u64;
        }
        file.set_len(whole)?;
        file.seek(SeekFrom::End(0))?;
        let mut journal = Self { path: path.to_owned(), file, mode: found.0, state: found.1 };
        if !opened {
            journal.append(OPEN, 0, 0, &[mode])?;
            journal.file.sync_all()?;
            sync_directory(path.parent())?;
        }
        Ok(journal)
    }

    /// The mode in which it was begun.
    pub fn mode(&self) -> u8 {
        self.mode
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Makes a batch durable, with so many points.
    ///
    /// # Errors
    /// Those of the file system; the batch is not there then.
    pub fn batch(&mut self, points: u64, bytes: &[u8]) -> io::Result<()> {
        let (sequence, offset) = (self.state.sequence, self.state.offset + points);
        let before = self.file.stream_position()?;
        let written =
            self.append(BATCH, sequence, offset, bytes).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // The next one goes to the same place.
            self.file.set_len(before)?;
            self.file.seek(SeekFrom::Start(before))?;
            return Err(error);
        }
        self.state.sequence += 1;
        self.state.offset = offset;
        Ok(())
    }

    /// Says that the stream was committed, and lets go of the rows: in one step.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn commit(&mut self) -> io::Result<()> {
        let State { sequence, offset, .. } = self.state;
        let fresh = self.path.with_extension("new");
        let mut file = File::create(&fresh)?;
        let last = sequence.saturating_sub(1);
        let mut bytes = record(OPEN, 0, 0, &[self.mode]);
        if sequence > 0 {
            bytes.extend(record(BATCH, last, offset, &[]));
        }
        bytes.extend(record(COMMIT, sequence, offset, &[]));
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        sync_directory(self.path.parent())?;
        self.file = file;
        self.state.committed = true;
        Ok(())
    }

    /// The rows of each batch, in order.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn rows(&self) -> io::Result<impl Iterator<Item = io::Result<Vec<u8>>> + use<>> {
        let mut reader = BufReader::with_capacity(1 << 20, File::open(&self.path)?);
        let mut left = self.state.sequence;
        Ok(std::iter::from_fn(move || {
            while left > 0 {
                match read(&mut reader) {
                    Ok(Some(record)) if record.kind == BATCH => {
                        left -= 1;
                        return Some(Ok(record.bytes));
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => {
                        left = 0;
                        let damaged = "the file of the stream changed since it was opened";
                        return Some(Err(io::Error::new(io::ErrorKind::InvalidData, damaged)));
                    }
                    Err(error) => {
                        left = 0;
                        return Some(Err(error));
                    }
                }
            }
            None
        }))
    }

    fn append(&mut self, kind: u8, sequence: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let head = head(kind, sequence, offset, bytes);
        self.file.write_all(&head)?;
        self.file.write_all(bytes)
    }
}

fn head(kind: u8, sequence: u64, offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut head = vec![0; 4];
    head.push(kind);
    head.extend(sequence.to_le_bytes());
    head.extend(offset.to_le_bytes());
    head.extend((bytes.len() as u32).to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&head[4..]), bytes);
    head[..4].copy_from_slice(&checksum.to_le_bytes());
    head
}

fn record(kind: u8, sequence: u64, offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut record = head(kind, sequence, offset, bytes);
    record.extend_from_slice(bytes);
    record
}

/// The next record; `None` where there is none that is whole.
fn read(from: &mut impl Read) -> io::Result<Option<Record>> {
    let mut head = [0; HEAD];
    if !fill(from, &mut head)? {
        return Ok(None);
    }
    let (checksum, rest) = head.split_at(4);
    let word = |at: usize| -> u64 {
        rest.iter().skip(at).take(8).rev().fold(0, |n, byte| (n << 8) | u64::from(*byte))
    };
    let length = rest.iter().skip(17).rev().fold(0u32, |n, byte| (n << 8) | u32::from(*byte));
    if length > LENGTH_MAX {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    from.by_ref().take(u64::from(length)).read_to_end(&mut bytes)?;
    let whole = crc32c::crc32c_append(crc32c::crc32c(rest), &bytes).to_le_bytes();
    if bytes.len() < length as usize || whole != *checksum {
        return Ok(None);
    }
    let kind = rest.first().copied().unwrap_or_default();
    Ok(Some(Record { kind, sequence: word(1), offset: word(9), bytes }))
}

/// Whether there were so many bytes.
fn fill(from: &mut impl Read, out: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(out) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn sync_directory(path: Option<&Path>) -> io::Result<()> {
    path.map_or(Ok(()), |path| File::open(path)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(journal: &Journal) -> Vec<Vec<u8>> {
        let rows = journal.rows().expect("a file");
        rows.map(|row| row.expect("a record")).collect()
    }

    #[test]
    fn a_stream_goes_on_where_its_file_ends() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ingest").join("a.stream");
        let mut journal = Journal::open(&path, 2).expect("begun");
        assert_eq!(journal.state(), State::default());
        journal.batch(10, b"first").expect("written");
        journal.batch(5, b"second").expect("written");
        drop(journal);
        let mut journal = Journal::open(&path, 1).expect("opened");
        assert_eq!(journal.mode(), 2);
        assert_eq!(journal.state(), State { sequence: 2, offset: 15, committed: false });
        assert_eq!(rows(&journal), [b"first".to_vec(), b"second".to_vec()]);
        journal.commit().expect("committed");
        drop(journal);
        let journal = Journal::open(&path, 2).expect("opened");
        assert_eq!(journal.state(), State { sequence: 2, offset: 15, committed: true });
    }

    #[test]
    fn every_cut_and_every_flipped_byte_leaves_whole_records() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ingest").join("a.stream");
        let mut journal = Journal::open(&path, 2).expect("begun");
        for batch in 0..3u8 {
            journal.batch(1, &[batch; 7]).expect("written");
        }
        drop(journal);
        let bytes = fs::read(&path).expect("a file");
        let first = HEAD + 1;
        for cut in 0..bytes.len() {
            fs::write(&path, &bytes[..cut]).expect("written");
            let journal = Journal::open(&path, 2).expect("opened");
            let whole = cut.saturating_sub(first) / (HEAD + 7);
            assert_eq!(journal.state().sequence, whole as u64, "cut at {cut}");
            assert_eq!(rows(&journal).len(), whole);
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x40;
            fs::write(&path, &changed).expect("written");
            let journal = Journal::open(&path, 2).expect("opened");
            let whole = at.saturating_sub(first) / (HEAD + 7);
            assert_eq!(journal.state().sequence, whole as u64, "changed at {at}");
        }
    }
}
