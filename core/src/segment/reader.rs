//! A sealed segment, read in place.
//!
//! Opening checks structure in time proportional to the sections: header, table, footer and
//! metadata against their checksums, and the length of every section against the rows. Ids and
//! attributes are compared with their checksums and checked for sense at their first use. The
//! bulk (codes, edges, 8-bit rows, vectors) only by `verify`: a wrong byte there can change a
//! score, not more.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::attributes::{Column, ColumnParts, Ranked};
use super::checked::Checked;
use super::filter::IdFilter;
use super::ids::{IdColumn, IdRef, check_offsets};
use super::lookup::IdTable;
use super::meta::SegmentMeta;
use crate::codec;
use crate::codes::Quantizer;
use crate::config::CollectionConfig;
use crate::error::{Error, Result};
use crate::format::{Decoded, Fault, SectionKind, Table, crc};
use crate::graph::regions::Regions;
use crate::graph::{BuildOptions, Flat, IndexMeta, IndexView};
use crate::manifest::Shape;
use crate::memory::Room;
use crate::originals::Originals;
use crate::types::{Dtype, IdType, Ids, MemoryMode};
use crate::vfs::{Bytes, Expect};

/// A segment gets a table of its ids once so many of its rows were looked up: one in so many.
const TABLE_SHARE: usize = 32;
/// Fewer rows than this are compared one by one.
const FLAT_ROWS: u32 = 256;

/// An open segment; immutable.
#[derive(Debug)]
pub(crate) struct Segment {
    path: PathBuf,
    file: Bytes,
    /// Codes and edges, when they are kept apart in anonymous memory.
    pinned: Option<(Bytes, Bytes)>,
    /// Whether the file was larger than the memory left when it was opened.
    scarce: bool,
    table: Table,
    meta: SegmentMeta,
    /// Encodes queries for the index.
    quantizer: Option<Quantizer>,
    dim: usize,
    dtype: Dtype,
    codes: Range<usize>,
    edges: Range<usize>,
    refine: Range<usize>,
    vectors: Range<usize>,
    ids: IdParts,
    columns: Vec<ColumnParts>,
    /// Made when a writer first asks.
    filter: OnceLock<IdFilter>,
    /// Damage that reading all of it found.
    refused: OnceLock<Fault>,
    /// Made once so many ids were looked up that it pays; `None` where it can't be.
    lookup: OnceLock<Option<IdTable>>,
    looked_up: AtomicUsize,
    /// Of rows in memory: made beside searches, which compare every row until it is there.
    flat: OnceLock<Flat>,
    flat_wanted: AtomicBool,
    /// Made when a filtered search first asks.
    regions: OnceLock<Regions>,
}

#[derive(Debug)]
struct IdParts {
    ids: Checked,
    offsets: Option<Checked>,
    order: Checked,
    sound: AtomicBool,
}

/// Bytes of a segment by how often they are read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SegmentBytes {
    pub(crate) file: u64,
    pub(crate) hot: u64,
    pub(crate) warm: u64,
    pub(crate) cold: u64,
    pub(crate) resident: u64,
}

/// Finds ids in a segment; see [`Segment::finder`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finder<'a> {
    ids: IdColumn<'a>,
    order: &'a [[u8; 4]],
    rows: u32,
    filter: Option<&'a IdFilter>,
}

impl<'a> Finder<'a> {
    /// The slot of an id.
    pub(crate) fn find(&self, id: IdRef<'_>) -> Option<u32> {
        if self.filter.is_some_and(|filter| !filter.may_contain(id)) {
            return None;
        }
        let position = self.lower_bound(id);
        let slot = self.slot(position)?;
        (self.ids.get(slot) == id).then_some(slot)
    }

    /// The slot at a position in the order of ids.
    pub(crate) fn slot(&self, position: usize) -> Option<u32> {
        let slot = self.order.get(position).map(|s| u32::from_le_bytes(*s));
        slot.filter(|slot| *slot < self.rows)
    }

    /// The first position in the order of ids whose id is not below this one.
    pub(crate) fn lower_bound(&self, id: IdRef<'_>) -> usize {
        self.order.partition_point(|slot| self.ids.get(u32::from_le_bytes(*slot)) < id)
    }

    /// The id of a slot.
    pub(crate) fn id(&self, slot: u32) -> IdRef<'a> {
        self.ids.get(slot)
    }
}

/// Sections while a segment is put together.
struct Sections<'a> {
    table: &'a Table,
    used: usize,
}

impl Sections<'_> {
    fn optional(&mut self, kind: SectionKind, column: u32) -> Option<Checked> {
        let entry = self.table.entries.get(self.table.find(kind, column)?)?;
        self.used += 1;
        Some(Checked::new(entry.clone()))
    }

    fn required(
        &mut self,
        kind: SectionKind,
        column: u32,
        length: Option<u64>,
    ) -> Decoded<Checked> {
        let section = self.optional(kind, column).ok_or_else(|| {
            let expected = format!("a section {}", kind.name());
            Fault::damage(0, "table", expected, format!("none for column {column}"))
        })?;
        check_length(&section, length)?;
        Ok(section)
    }
}

fn check_length(section: &Checked, length: Option<u64>) -> Decoded<()> {
    match length {
        Some(length) if section.len() as u64 != length => {
            let entry = section.entry();
            let (at, found) = (entry.range.start as u64, format!("{} bytes", section.len()));
            Err(Fault::damage(at, entry.name(), format!("{length} bytes"), found))
        }
        _ => Ok(()),
    }
}

impl Segment {
    /// Opens the bytes of a file that must belong to a collection of this configuration.
    pub(crate) fn open(file: Bytes, path: &Path, config: &CollectionConfig) -> Result<Self> {
        let mut segment = Self::assemble(file, path, config).map_err(|f| f.at(path))?;
        segment.check_index().map_err(|f| f.at(path))?;
        // Not before: it relies on the metadata making sense.
        segment.quantizer = segment.meta.index.as_ref().map(IndexMeta::quantizer);
        segment.place(config.memory)?;
        Ok(segment)
    }

    fn assemble(file: Bytes, path: &Path, config: &CollectionConfig) -> Decoded<Self> {
        let table = Table::decode(&file)?;
        let sums = table.sums(&file);
        let mut sections = Sections { table: &table, used: 0 };
        let meta = sections.required(SectionKind::Meta, 0, None)?;
        let meta_at = meta.entry().range.start as u64;
        let bad_meta = |expected: &str, found: String| {
            Fault::damage(meta_at, SectionKind::Meta.name(), expected, found)
        };
        let meta: SegmentMeta = codec::decode_padded(meta.all(&file, sums)?)
            .map_err(|found| bad_meta("what a writer wrote", found))?;
        let mut shape = Shape::of(config);
        // Columns that were added later are missing.
        shape.columns.truncate(meta.shape.columns.len());
        if meta.shape != shape {
            return Err(bad_meta("a segment of this collection", format!("{:?}", meta.shape)));
        }
        let rows = u64::from(meta.rows);
        let row_bytes = (config.dim * config.dtype.bytes()) as u64;
        let vectors = sections.required(SectionKind::Vectors, 0, Some(rows * row_bytes))?;
        let ids = match config.id_type {
            IdType::U64 => IdParts {
                ids: sections.required(SectionKind::Ids, 0, Some(rows * 8))?,
                offsets: None,
                order: sections.required(SectionKind::IdOrder, 0, Some(rows * 4))?,
                sound: AtomicBool::new(false),
            },
            IdType::Str => IdParts {
                ids: sections.required(SectionKind::Ids, 0, None)?,
                offsets: Some(sections.required(
                    SectionKind::IdOffsets,
                    0,
                    Some((rows + 1) * 8),
                )?),
                order: sections.required(SectionKind::IdOrder, 0, Some(rows * 4))?,
                sound: AtomicBool::new(false),
            },
        };
        let mut bulk = |kind| match (&meta.index, sections.optional(kind, 0)) {
            (Some(_), Some(section)) => Ok(section.entry().range.clone()),
            (None, None) => Ok(0..0),
            (Some(_), None) => Err(bad_meta("an index", format!("no section {}", kind.name()))),
            (None, Some(_)) => Err(bad_meta("no index", format!("a section {}", kind.name()))),
        };
        let codes = bulk(SectionKind::Codes)?;
        let edges = bulk(SectionKind::Edges)?;
        let refine = bulk(SectionKind::Refine)?;
        let mut columns = Vec::with_capacity(shape.columns.len());
        let present = config.schema.columns().iter().take(shape.columns.len());
        for (position, (_, kind)) in present.enumerate() {
            let column = position as u32;
            let find = |kind| sections.optional(kind, column);
            columns.push(ColumnParts::new(*kind, meta.rows, find)?);
        }
        // The checksums are the one section that belongs to none of the above.
        if sections.used + 1 != table.entries.len() {
            let expected = format!("{} sections", sections.used + 1);
            return Err(Fault::damage(
                0,
                "table",
                expected,
                format!("{} sections", table.entries.len()),
            ));
        }
        let vectors = vectors.entry().range.clone();
        Ok(Self {
            path: path.to_owned(),
            pinned: None,
            scarce: false,
            quantizer: None,
            meta,
            dim: config.dim,
            dtype: config.dtype,
            codes,
            edges,
            refine,
            vectors,
            ids,
            columns,
            filter: OnceLock::new(),
            refused: OnceLock::new(),
            lookup: OnceLock::new(),
            looked_up: AtomicUsize::new(0),
            flat: OnceLock::new(),
            flat_wanted: AtomicBool::new(false),
            regions: OnceLock::new(),
            table,
            file,
        })
    }

    fn check_index(&self) -> Decoded<()> {
        let Some(meta) = &self.meta.index else { return Ok(()) };
        let (codes, edges, refine) = (self.codes.len(), self.edges.len(), self.refine.len());
        let found = meta.check(self.rows() as usize, self.dim, codes, edges, refine);
        found.map_err(|(what, expected, found)| {
            Fault::damage(0, format!("index, {what}"), expected, found)
        })
    }

    /// Brings the parts where the mode wants them, and tells the kernel what will be read.
    fn place(&mut self, memory: MemoryMode) -> Result<()> {
        if memory == MemoryMode::Pinned && self.meta.index.is_some() {
            let copy = |range: &Range<usize>| {
                Bytes::copy_of(self.file.get(range.clone()).unwrap_or_default())
                    .map_err(|e| Error::io(&self.path, "allocate memory for the file", e))
            };
            self.pinned = Some((copy(&self.codes)?, copy(&self.edges)?));
        } else {
            self.file.expect(&self.codes, Expect::Soon);
            self.file.expect(&self.edges, Expect::Soon);
        }
        // What is read here and there: in huge pages if all of it fits in memory many times over,
        // else as little at a time as the system can.
        let room = Room::now().ok().and_then(|room| room.available());
        let roomy = self.roomy(room);
        self.scarce = room.is_some_and(|room| self.file.len() as u64 > room);
        self.file.expect(&self.refine, if roomy { Expect::Soon } else { Expect::Random });
        self.file.expect(&self.vectors, if roomy { Expect::Soon } else { Expect::Random });
        Ok(())
    }

    /// Whether the file takes at most a quarter of the memory that is left.
    fn roomy(&self, room: Option<u64>) -> bool {
        const LARGE: usize = 4 << 20;
        self.file.len() >= LARGE && room.is_some_and(|room| self.file.len() as u64 <= room / 4)
    }

    /// Asks for the refine rows of slots, all at once, where the file does not fit in memory: one
    /// page fault after the other would wait for the disk each time.
    pub(crate) fn fetch_refined(&self, slots: impl Iterator<Item = u32>) {
        if let (true, Some(index)) = (self.scarce, &self.meta.index) {
            self.fetch(&self.refine, index.layout().refine_bytes(), slots);
        }
    }

    /// The same of the original vectors.
    pub(crate) fn fetch_originals(&self, slots: impl Iterator<Item = u32>) {
        if self.scarce {
            self.fetch(&self.vectors, self.dim * self.dtype.bytes(), slots);
        }
    }

    fn fetch(&self, of: &Range<usize>, bytes: usize, slots: impl Iterator<Item = u32>) {
        for slot in slots {
            let from = of.start + slot as usize * bytes;
            self.file.fetch(from..(from + bytes).min(of.end));
        }
    }

    /// Number of slots, dead ones included.
    pub(crate) fn rows(&self) -> u32 {
        self.meta.rows
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// The bytes of the whole file.
    pub(crate) fn file(&self) -> &Bytes {
        &self.file
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.file.get(range.clone()).unwrap_or_default()
    }

    fn sums(&self) -> &[u8] {
        self.table.sums(&self.file)
    }

    /// The CRC32C of the footer, which covers everything in the file.
    pub(crate) fn seal(&self) -> u32 {
        crc(self.file.get(self.table.footer_at..).unwrap_or_default())
    }

    /// The original vectors, by slot.
    pub(crate) fn originals(&self) -> Originals<'_> {
        Originals::new(self.dtype, self.dim, self.slice(&self.vectors))
    }

    /// What the index says about itself.
    pub(super) fn index_meta(&self) -> Option<&IndexMeta> {
        self.meta.index.as_ref()
    }

    /// The index; `None` when the rows are to be scanned.
    pub(crate) fn index(&self) -> Option<IndexView<'_>> {
        let meta = self.meta.index.as_ref()?;
        let (codes, edges) = match &self.pinned {
            Some((codes, edges)) => (&**codes, &**edges),
            None => (self.slice(&self.codes), self.slice(&self.edges)),
        };
        let quantizer = self.quantizer.as_ref()?;
        Some(IndexView { meta, quantizer, codes, edges, refine: self.slice(&self.refine) })
    }

    /// The codes of rows without an index, once they are made.
    pub(crate) fn flat(&self) -> Option<IndexView<'_>> {
        self.flat.get().map(Flat::view)
    }

    /// Whether its codes are still to be made; says so once.
    pub(crate) fn wants_flat(&self) -> bool {
        let wanted = self.rows() >= FLAT_ROWS && self.meta.index.is_none();
        wanted && !self.flat_wanted.swap(true, Ordering::Relaxed)
    }

    /// Makes the codes. Runs on the current rayon pool.
    pub(crate) fn make_flat(&self, options: &BuildOptions) {
        // Without them all rows are compared, as before.
        if let Ok(flat) = Flat::new(&self.originals(), options) {
            self.flat.get_or_init(|| flat);
        }
    }

    /// Remembers damage that was found in this file: whoever searches gets it as an error.
    pub(crate) fn refuse(&self, error: &Error) {
        let Error::Corruption { path, offset, section, expected, found } = error else { return };
        if *path == self.path {
            let fault = Fault::damage(*offset, section, expected, found);
            let _ = self.refused.set(fault);
        }
    }

    /// The damage for which it is refused.
    pub(crate) fn damage(&self) -> Option<Error> {
        self.refused.get().map(|fault| fault.clone().at(&self.path))
    }

    /// The regions of the index. Takes a while the first time.
    pub(crate) fn regions(&self) -> Option<&Regions> {
        if let Some(regions) = self.regions.get() {
            return Some(regions);
        }
        let index = self.index()?;
        let regions = index.regions(&index.walk()?);
        Some(self.regions.get_or_init(|| regions))
    }

    /// The ids, by slot.
    pub(crate) fn ids(&self) -> Result<IdColumn<'_>> {
        self.damage().map_or_else(|| self.sound_ids(), Err)
    }

    /// [`Self::ids`], also where damage was found elsewhere in the segment: what is written must
    /// be known to replace what is there.
    pub(crate) fn sound_ids(&self) -> Result<IdColumn<'_>> {
        self.checked_ids().map_err(|f| f.at(&self.path))
    }

    fn checked_ids(&self) -> Decoded<IdColumn<'_>> {
        let sums = self.sums();
        let bytes = self.ids.ids.all(&self.file, sums)?;
        let Some(offsets) = &self.ids.offsets else {
            return Ok(IdColumn::U64(bytes.as_chunks().0));
        };
        let section = offsets;
        let offsets = offsets.all(&self.file, sums)?.as_chunks().0;
        if !self.ids.sound.load(Ordering::Acquire) {
            check_offsets(section.entry(), offsets, bytes.len())?;
            self.ids.sound.store(true, Ordering::Release);
        }
        Ok(IdColumn::Str { offsets, bytes })
    }

    /// Finds ids.
    pub(crate) fn finder(&self) -> Result<Finder<'_>> {
        let order = self.id_order()?;
        Ok(Finder { ids: self.ids()?, order, rows: self.meta.rows, filter: self.filter.get() })
    }

    /// [`Self::finder`] for looking up many ids that mostly aren't there; with
    /// [`Self::sound_ids`]. What succeeds once does so always.
    pub(crate) fn filtered_finder(&self) -> Result<Finder<'_>> {
        let (ids, rows) = (self.sound_ids()?, self.meta.rows);
        let filter =
            self.filter.get_or_init(|| IdFilter::new((0..rows).map(|s| ids.get(s)), rows as usize));
        Ok(Finder { ids, order: self.id_order()?, rows, filter: Some(filter) })
    }

    /// Calls `each` with the slots of those of these ids that are there, dead or alive.
    pub(crate) fn find_all(&self, wanted: &Ids, mut each: impl FnMut(u32)) -> Result<()> {
        let ids = self.ids()?;
        let before = self.looked_up.fetch_add(wanted.len(), Ordering::Relaxed);
        let wanted = (0..wanted.len()).filter_map(|row| IdRef::at(wanted, row));
        if before.saturating_add(wanted.size_hint().1.unwrap_or_default())
            >= self.rows() as usize / TABLE_SHARE
            && let Some(table) = self.lookup.get_or_init(|| IdTable::new(ids, self.rows()))
        {
            table.find(ids, wanted, each);
            return Ok(());
        }
        let finder = self.finder()?;
        wanted.filter_map(|id| finder.find(id)).for_each(&mut each);
        Ok(())
    }

    /// Slots in ascending order of their ids.
    pub(super) fn id_order(&self) -> Result<&[[u8; 4]]> {
        let order = self.ids.order.all(&self.file, self.sums()).map_err(|f| f.at(&self.path))?;
        Ok(order.as_chunks().0)
    }

    /// The attribute column at a position of the schema; `None` where it was added later.
    pub(crate) fn attribute(&self, position: usize) -> Result<Option<Column<'_>>> {
        let Some(parts) = self.columns.get(position) else { return Ok(None) };
        parts.column(&self.file, self.sums(), &self.path).map(Some)
    }

    /// [`Self::attribute`] with its slots in order, as it is in the segment. Takes a while the first
    /// time.
    pub(crate) fn ranked(&self, position: usize) -> Result<Option<Ranked<'_>>> {
        let Some(column) = self.attribute(position)? else { return Ok(None) };
        Ok(self.columns.get(position).map(|parts| parts.ranked(column, self.meta.rows)))
    }

    /// Number of attribute columns.
    pub(super) fn columns(&self) -> usize {
        self.columns.len()
    }

    /// Bytes of the file.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.file.len() as u64
    }

    /// Bytes by how often they are read.
    pub(crate) fn bytes(&self) -> SegmentBytes {
        let hot = (self.codes.len() + self.edges.len()) as u64;
        let offsets = self.ids.offsets.as_ref().map_or(0, Checked::len);
        let ids = self.ids.ids.len() + offsets + self.ids.order.len();
        let warm = (self.refine.len() + ids) as u64;
        let file = self.file.len() as u64;
        let pinned = self.pinned.as_ref().map_or(0, |(c, e)| c.resident() + e.resident());
        let resident = self.file.resident() + pinned;
        SegmentBytes { file, hot, warm, cold: file.saturating_sub(hot + warm), resident }
    }
}
