//! The manifest: which files are live. Swapping it is the one commit point.
//!
//! `MANIFEST-n` is written once; `CURRENT` names the live one and is replaced by a rename. A
//! manifest holds, for each segment, its length and the checksum of its footer, which in turn
//! covers its table and its block checksums: a file swapped for another is found at open.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use bincode::{Decode, Encode};

use crate::canary::sings;
use crate::codec;
use crate::config::CollectionConfig;
use crate::curve::Curve;
use crate::error::Result;
use crate::format::{Fault, FileKind, HEADER_BYTES, crc, decode_header, encode_header, u32_at};
use crate::metric::Metric;
use crate::types::{
    AttributeType, DIM_MAX, Dtype, Durability, IdType, IndexKind, MemoryMode, Profile, Schema,
};
use crate::wal::Mark;

/// The file that names the live manifest.
pub(crate) const CURRENT: &str = "CURRENT";
/// Where the next `CURRENT` is written before it is renamed.
pub(crate) const CURRENT_NEW: &str = "CURRENT.new";
/// Longest file that can be a manifest.
pub(crate) const MANIFEST_BYTES_MAX: u64 = codec::BYTES_MAX as u64 + 64;
/// Most attribute columns.
pub(crate) const COLUMNS_MAX: usize = 4_096;
const MANIFEST_PREFIX: &str = "MANIFEST-";

/// The state of a collection between two commits.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Manifest {
    /// Counts the commits; the `n` of `MANIFEST-n`.
    pub(crate) version: u64,
    pub(crate) config: ConfigRecord,
    /// Not used by any segment so far.
    pub(crate) next_segment: u64,
    /// Latest time of a commit, in microseconds since 1970: expiry never goes back before it.
    pub(crate) latest_us: i64,
    /// Not used by any unit of the log so far.
    pub(crate) next_unit: u64,
    /// Not used by any file of the log so far.
    pub(crate) next_wal: u64,
    /// Files of the write-ahead log, oldest first. All but the last end at their mark.
    pub(crate) wals: Vec<Mark>,
    /// Oldest first.
    pub(crate) segments: Vec<SegmentRecord>,
    /// Files of exclusion sets, oldest first. Their ids are of the same count as those of segments.
    pub(crate) exclusions: Vec<RunRecord>,
    /// Units of the log below this one are in these files.
    pub(crate) excluded: u64,
}

/// A live file of exclusion sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct RunRecord {
    pub(crate) id: u64,
    pub(crate) length: u64,
    /// CRC32C of its header, table and footer, which has those of its blocks.
    pub(crate) seal: u32,
}

impl RunRecord {
    /// The name of the file, below the collection's directory.
    pub(crate) fn file(&self) -> String {
        run_file(self.id)
    }
}

/// A live segment.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct SegmentRecord {
    pub(crate) id: u64,
    pub(crate) length: u64,
    /// CRC32C of the footer.
    pub(crate) seal: u32,
    pub(crate) rows: u32,
    /// Units of the log below this one are in the segment, its tombstones and its attributes.
    pub(crate) applied: u64,
    pub(crate) tombstones: Option<TombstoneRecord>,
    /// Values that replace those in the segment.
    pub(crate) attributes: Option<AttributesRecord>,
    /// What `calibrate` measured; replaces the curve in the segment.
    pub(crate) curve: Option<Curve>,
}

/// The live tombstones of a segment.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct TombstoneRecord {
    pub(crate) generation: u64,
    pub(crate) length: u64,
    /// CRC32C of the file but for its last four bytes, which hold it.
    pub(crate) seal: u32,
    pub(crate) dead: u32,
}

/// The live changes to a segment's attributes.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct AttributesRecord {
    pub(crate) generation: u64,
    pub(crate) length: u64,
    /// CRC32C of the file but for its last four bytes, which hold it.
    pub(crate) seal: u32,
}

impl SegmentRecord {
    /// A file that was just written, and nothing changed since.
    pub(crate) fn new(id: u64, length: u64, seal: u32, rows: usize) -> Self {
        let rows = rows as u32;
        Self { id, length, seal, rows, applied: 0, tombstones: None, attributes: None, curve: None }
    }

    /// The name of the file, below the collection's directory.
    pub(crate) fn file(&self) -> String {
        segment_file(self.id)
    }

    /// The name of the tombstones' file, if there are any.
    pub(crate) fn tombstones_file(&self) -> Option<String> {
        self.tombstones.as_ref().map(|t| tombstones_file(self.id, t.generation))
    }

    /// The name of the changed attributes' file, if there are any.
    pub(crate) fn attributes_file(&self) -> Option<String> {
        self.attributes.as_ref().map(|a| attributes_file(self.id, a.generation))
    }
}

pub(crate) fn segment_file(id: u64) -> String {
    format!("segments/{id}.seg")
}

pub(crate) fn tombstones_file(id: u64, generation: u64) -> String {
    format!("tombstones/{id}-{generation}.del")
}

pub(crate) fn attributes_file(id: u64, generation: u64) -> String {
    format!("attributes/{id}-{generation}.att")
}

pub(crate) fn run_file(id: u64) -> String {
    format!("exclusions/{id}.set")
}

pub(crate) fn manifest_file(version: u64) -> String {
    format!("{MANIFEST_PREFIX}{version}")
}

/// Whether a manifest could have this name.
pub(crate) fn is_manifest_file(name: &str) -> bool {
    name.strip_prefix(MANIFEST_PREFIX)
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// What points are: what a segment must agree on with its collection.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Shape {
    pub(crate) dim: u32,
    pub(crate) metric: u8,
    pub(crate) id_type: u8,
    pub(crate) dtype: u8,
    /// Names and types of the attribute columns.
    pub(crate) columns: Vec<(String, u8)>,
}

/// A [`CollectionConfig`]: enums are positions in their `ALL`.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct ConfigRecord {
    pub(crate) shape: Shape,
    pub(crate) space: Option<String>,
    pub(crate) profile: u8,
    pub(crate) index: u8,
    pub(crate) durability: u8,
    pub(crate) memory: u8,
    pub(crate) seed: u64,
}

fn code<T: PartialEq>(all: &[T], value: &T) -> u8 {
    all.iter().position(|v| v == value).unwrap_or_default() as u8
}

fn value<T: Copy>(what: &str, all: &[T], code: u8) -> std::result::Result<T, String> {
    all.get(usize::from(code)).copied().ok_or_else(|| format!("{what} {code}"))
}

impl Shape {
    pub(crate) fn of(config: &CollectionConfig) -> Self {
        let column =
            |(name, kind): &(String, AttributeType)| (name.clone(), code(AttributeType::ALL, kind));
        Self {
            dim: config.dim as u32,
            metric: code(&Metric::ALL, &config.metric),
            id_type: code(IdType::ALL, &config.id_type),
            dtype: code(Dtype::ALL, &config.dtype),
            columns: config.schema.columns().iter().map(column).collect(),
        }
    }
}

impl ConfigRecord {
    pub(crate) fn of(config: &CollectionConfig) -> Self {
        Self {
            shape: Shape::of(config),
            space: config.space.as_ref().map(|s| s.as_str().to_owned()),
            profile: code(Profile::ALL, &config.profile),
            index: code(IndexKind::ALL, &config.index),
            durability: code(Durability::ALL, &config.durability),
            memory: code(MemoryMode::ALL, &config.memory),
            seed: config.seed,
        }
    }

    /// The configuration; else which value is out of bounds.
    pub(crate) fn config(&self) -> std::result::Result<CollectionConfig, String> {
        let dim = self.shape.dim as usize;
        if !(1..=DIM_MAX).contains(&dim) {
            return Err(format!("dim {dim}"));
        }
        if self.shape.columns.len() > COLUMNS_MAX {
            return Err(format!("{} columns", self.shape.columns.len()));
        }
        let columns: std::result::Result<Vec<_>, String> = self
            .shape
            .columns
            .iter()
            .map(|(name, kind)| {
                Ok((name.clone(), value("column type", AttributeType::ALL, *kind)?))
            })
            .collect();
        let space = match &self.space {
            Some(text) => Some(text.parse().map_err(|_| format!("space {text:?}"))?),
            None => None,
        };
        Ok(CollectionConfig {
            dim,
            metric: value("metric", &Metric::ALL, self.shape.metric)?,
            id_type: value("id type", IdType::ALL, self.shape.id_type)?,
            schema: Schema::stored(columns?).map_err(|e| e.to_string())?,
            space,
            dtype: value("dtype", Dtype::ALL, self.shape.dtype)?,
            profile: value("profile", Profile::ALL, self.profile)?,
            index: value("index", IndexKind::ALL, self.index)?,
            durability: value("durability", Durability::ALL, self.durability)?,
            memory: value("memory", MemoryMode::ALL, self.memory)?,
            seed: self.seed,
        })
    }
}

impl Manifest {
    /// The manifest of a collection without points.
    pub(crate) fn empty(config: &CollectionConfig) -> Self {
        Self {
            version: 1,
            config: ConfigRecord::of(config),
            next_segment: 1,
            latest_us: 0,
            next_unit: 1,
            next_wal: 1,
            wals: Vec::new(),
            segments: Vec::new(),
            exclusions: Vec::new(),
            excluded: 0,
        }
    }

    /// The files that it names, but for itself.
    pub(crate) fn files(&self) -> Vec<String> {
        let of_segment =
            |s: &SegmentRecord| [Some(s.file()), s.tombstones_file(), s.attributes_file()];
        let segments = self.segments.iter().flat_map(of_segment).flatten();
        let runs = self.exclusions.iter().map(RunRecord::file);
        segments.chain(runs).chain(self.wals.iter().map(Mark::file)).collect()
    }

    /// The file: header, payload, CRC32C of both.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let payload = codec::encode("the manifest", self)?;
        let length = HEADER_BYTES + payload.len() + 4;
        let mut file = encode_header(FileKind::Manifest, length as u64).to_vec();
        file.extend_from_slice(&payload);
        file.extend_from_slice(&crc(&file).to_le_bytes());
        Ok(file)
    }

    /// Checks that what a writer counts up is above what is in use, and can be counted up; and
    /// that curves are such.
    fn check_values(&self) -> std::result::Result<(), String> {
        let endless = |n: u64| n < 1 << 62;
        let mut curves = self.segments.iter().filter_map(|s| s.curve.as_ref());
        let runs = self.exclusions.iter().map(|run| run.id);
        let mut ids: Vec<u64> = self.segments.iter().map(|s| s.id).chain(runs).collect();
        ids.sort_unstable();
        if !endless(self.version) || !endless(self.next_segment) {
            return Err(format!("version {}, next {}", self.version, self.next_segment));
        }
        if !ids.is_sorted_by(|a, b| a < b) || ids.last().is_some_and(|id| *id >= self.next_segment)
        {
            return Err(format!("segments and sets {ids:?}, next {}", self.next_segment));
        }
        if let Some(curve) = curves.find(|curve| !curve.is_sound()) {
            return Err(format!("calibration {curve:?}"));
        }
        let logs: Vec<u64> = self.wals.iter().map(|w| w.id).collect();
        let ascending = logs.is_sorted_by(|a, b| a < b);
        if !endless(self.next_wal)
            || !endless(self.next_unit)
            || !endless(self.excluded)
            || !ascending
            || logs.last().is_some_and(|id| *id >= self.next_wal)
        {
            return Err(format!("logs {logs:?}, next {}", self.next_wal));
        }
        let generations = self.segments.iter().flat_map(|s| {
            let tombstones = s.tombstones.as_ref().map(|t| t.generation);
            [tombstones, s.attributes.as_ref().map(|a| a.generation)]
        });
        match generations.flatten().find(|generation| !endless(*generation)) {
            Some(generation) => Err(format!("generation {generation}")),
            None => Ok(()),
        }
    }

    pub(crate) fn decode(file: &[u8]) -> std::result::Result<Self, Fault> {
        decode_header(FileKind::Manifest, file)?;
        let end = file.len().saturating_sub(4);
        let (body, stated) = (file.get(..end).unwrap_or_default(), u32_at(file, end));
        let sum = crc(body);
        if stated != Some(sum) && !sings("ignore the checksum of a manifest") {
            let expected = format!("crc {:08x}", stated.unwrap_or_default());
            return Err(Fault::damage(0, "manifest", expected, format!("crc {sum:08x}")));
        }
        let at = HEADER_BYTES as u64;
        let bad = |found: String| Fault::damage(at, "manifest", "what a writer wrote", found);
        let manifest: Self =
            codec::decode(body.get(HEADER_BYTES..).unwrap_or_default()).map_err(bad)?;
        manifest.config.config().map_err(bad)?;
        manifest.check_values().map_err(bad)?;
        Ok(manifest)
    }
}

/// The file `CURRENT`, naming the manifest of a version.
pub(crate) fn encode_current(version: u64) -> String {
    let name = manifest_file(version);
    let sum = crc(name.as_bytes());
    format!("{name} crc32c {sum:08x}\n")
}

/// The version that `CURRENT` names.
pub(crate) fn decode_current(file: &[u8]) -> std::result::Result<u64, Fault> {
    let text = String::from_utf8_lossy(file);
    text.strip_prefix(MANIFEST_PREFIX)
        .and_then(|rest| rest.split_once(' '))
        .and_then(|(version, _)| version.parse().ok())
        .filter(|version| encode_current(*version).as_bytes() == file)
        .ok_or_else(|| {
            let found: String = text.chars().take(48).collect();
            Fault::damage(0, "file", "a manifest's name and its checksum", format!("{found:?}"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::{Point, Points};

    fn manifest() -> Manifest {
        let mut config = CollectionConfig::new(7, Metric::L2);
        config.space = Some("words@2".parse().unwrap());
        config.schema = Schema::new([("tag".to_owned(), AttributeType::KeywordList)]).unwrap();
        let mut manifest = Manifest::empty(&config);
        manifest.next_segment = 11;
        manifest.exclusions.push(RunRecord { id: 10, length: 77, seal: 2 });
        manifest.excluded = 3;
        manifest.next_wal = 3;
        manifest.wals.push(Mark { id: 2, length: 64, chain: 7 });
        let tombstones = Some(TombstoneRecord { generation: 3, length: 64, seal: 5, dead: 2 });
        manifest.segments.push(SegmentRecord {
            id: 9,
            length: 4096,
            seal: 1,
            rows: 10,
            applied: 4,
            tombstones,
            attributes: Some(AttributesRecord { generation: 1, length: 99, seal: 3 }),
            curve: Some(Curve {
                sizes: vec![Points {
                    k: 10,
                    points: vec![Point { effort: 10, recall: 0.5, reach: 1.0 }],
                }],
            }),
        });
        manifest
    }

    #[test]
    fn a_manifest_comes_back() {
        let manifest = manifest();
        assert_eq!(Manifest::decode(&manifest.encode().unwrap()).unwrap(), manifest);
        let config = manifest.config.config().unwrap();
        assert_eq!(ConfigRecord::of(&config), manifest.config);
    }

    #[test]
    fn numbers_that_no_writer_writes_are_refused() {
        let wrong: [fn(&mut Manifest); 14] = [
            |m| m.excluded = u64::MAX,
            |m| m.exclusions[0].id = 9,
            |m| m.next_unit = u64::MAX,
            |m| m.version = u64::MAX,
            |m| m.next_wal = u64::MAX,
            |m| m.next_wal = 2,
            |m| m.wals.push(m.wals[0]),
            |m| m.segments[0].attributes.as_mut().unwrap().generation = u64::MAX,
            |m| m.next_segment = u64::MAX,
            |m| m.next_segment = 10,
            |m| m.segments.push(m.segments[0].clone()),
            |m| m.segments[0].tombstones.as_mut().unwrap().generation = u64::MAX,
            |m| m.segments[0].curve.as_mut().unwrap().sizes[0].k = 0,
            |m| m.segments[0].curve.as_mut().unwrap().sizes[0].points[0].effort = 0,
        ];
        for change in wrong {
            let mut manifest = manifest();
            change(&mut manifest);
            assert!(Manifest::decode(&manifest.encode().unwrap()).is_err(), "{manifest:?}");
        }
    }

    #[test]
    fn every_flip_and_truncation_of_a_manifest_is_found() {
        let good = manifest().encode().unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            assert!(matches!(Manifest::decode(&bad), Err(Fault::Damage { .. })), "byte {at}");
            assert!(Manifest::decode(&good[..at]).is_err(), "length {at}");
        }
    }

    #[test]
    fn every_flip_of_current_is_found() {
        let good = encode_current(120).into_bytes();
        assert_eq!(decode_current(&good).unwrap(), 120);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_current(&bad).is_err(), "bit {bit}");
        }
        assert!(decode_current(b"").is_err());
        assert!(decode_current(b"MANIFEST-").is_err());
    }
}
