//! T7: files changed at random and then given right checksums, so that what is behind the
//! checksums is reached. Opening, reading, writing and merging such a collection ends in a typed
//! error or some answer: never in a panic, never in a hang.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::data::{self, mix};
use super::world::{ROOT, SETS, Step, World, set_name};
use super::{on_all, report, seed, soak};
use crate::collection::Collection;
use crate::config::{Cap, CollectionConfig, Effort, Mode, SearchRequest};
use crate::error::{Error, Result};
use crate::format::{BLOCK, HEADER_BYTES, Table, crc, u32_at};
use crate::manifest::{Manifest, decode_current, manifest_file};
use crate::metric::Metric;
use crate::types::{IdType, Vectors};
use crate::vfs::fault::{Crash, FaultVfs, Image};

const CASES: u64 = 20_000;

/// Random numbers, the same for a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = mix(self.0);
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.roll() >> 16) as usize % n.max(1)
    }

    /// A number that breaks arithmetic.
    fn number(&mut self, near: usize) -> u64 {
        let near = near as u64;
        let odd = [0, 1, 7, 0x7F, 0xFF, 1 << 16, (1 << 31) - 1, 1 << 31, u64::from(u32::MAX)];
        let large = [1 << 32, 1 << 62, i64::MAX as u64, 1 << 63, u64::MAX - 1, u64::MAX];
        match self.below(4) {
            0 => odd[self.below(odd.len())],
            1 => large[self.below(large.len())],
            2 => near.wrapping_add(self.roll() % 9).wrapping_sub(4),
            _ => self.roll() % (near + 2),
        }
    }
}

/// Changes bytes between `from` and the end: a few, most of them near `from`.
fn change(bytes: &mut [u8], from: usize, dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        let room = bytes.len().saturating_sub(from);
        if room < 9 {
            return;
        }
        let reach = [64, 600, room][dice.below(3)].min(room - 8);
        let at = from + dice.below(reach);
        match dice.below(6) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at] = dice.roll() as u8,
            2 => {
                let number = dice.number(room) as u32;
                bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
            }
            3 => {
                let number = dice.number(room);
                bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
            }
            4 => {
                let (source, length) = (from + dice.below(room - 8), 1 + dice.below(8));
                bytes.copy_within(source..source + length, at);
            }
            _ => {
                let end = (at + 1 + dice.below(40)).min(bytes.len());
                let byte = [0x00, 0xFF, 0x80][dice.below(3)];
                bytes[at..end].fill(byte);
            }
        }
    }
}

/// A collection whose files are changed.
struct Sample {
    image: Image,
    manifest: Manifest,
    manifest_path: PathBuf,
}

impl Sample {
    fn new(config: &CollectionConfig, steps: &[Step]) -> Self {
        let vfs = FaultVfs::default();
        let mut world = World::create(&vfs, config).unwrap();
        for step in steps {
            world.run(step).unwrap();
        }
        vfs.kill();
        let image = vfs.image(Crash::Everything);
        let current = image.get(&Path::new(ROOT).join("CURRENT")).unwrap();
        let manifest_path = Path::new(ROOT).join(manifest_file(decode_current(current).unwrap()));
        let manifest = Manifest::decode(image.get(&manifest_path).unwrap()).unwrap();
        Self { image, manifest, manifest_path }
    }

    /// Bytes of all files.
    fn size(&self) -> usize {
        let names = self.image.names();
        names.iter().filter_map(|name| self.image.get(name)).map(<[u8]>::len).sum()
    }

    fn with_manifest(&self, image: &Image, manifest: &Manifest) -> Image {
        image.with(&self.manifest_path, manifest.encode().unwrap())
    }
}

fn samples() -> Vec<Sample> {
    let mut config = CollectionConfig::new(data::DIM, Metric::L2);
    config.schema = data::schema();
    let indexed = [
        Step::Load(0..1_002, 1, 999),
        Step::Upsert(3..9, 2),
        Step::Update(20..30, 3),
        Step::Exclude(0, 5..300),
        Step::Seal,
        Step::Upsert(2_000..2_003, 3),
        Step::Update(2_001..2_002, 4),
    ];
    let mut strings = config.clone();
    strings.id_type = IdType::Str;
    strings.metric = Metric::Cosine;
    let small = [
        Step::Upsert(0..30, 1),
        Step::Optimize,
        Step::Upsert(3..9, 2),
        Step::Delete(10..12),
        Step::Update(13..20, 3),
        Step::Exclude(0, 5..25),
        Step::Exclude(1, 40..90),
        Step::Seal,
        Step::Clear(1),
        Step::Exclude(2, 1..4),
        Step::Upsert(50..53, 3),
        Step::Update(2..5, 4),
        Step::Delete(51..52),
        Step::Upsert(51..52, 4),
        Step::Update(30..33, 6),
    ];
    vec![Sample::new(&strings, &small), Sample::new(&config, &indexed)]
}

/// Everything that can be done with a collection.
fn use_all(image: &Image, merge: bool) -> Result<()> {
    let vfs = FaultVfs::of(image);
    let reader = World::open(&vfs, Mode::Read)?;
    let results = read(reader.collection()?);
    drop(reader);
    let mut writer = World::open(&vfs, Mode::Write)?;
    let mut results: Vec<Result<()>> = results.into_iter().collect();
    results.push(writer.run(&Step::Upsert(4..6, 9)));
    if merge {
        results.push(writer.run(&Step::Optimize));
    }
    results.extend(read(writer.collection()?));
    results.push(writer.run(&Step::Reopen));
    for result in results {
        result?;
    }
    Ok(())
}

fn read(collection: &Collection) -> Vec<Result<()>> {
    let query = vec![1.0; collection.config().dim.min(64)];
    let Ok(queries) = Vectors::from_f32(query.len(), &query) else { return Vec::new() };
    let mut results = Vec::new();
    for effort in [Effort::Ef(40), Effort::Recall(0.9), Effort::Exact] {
        let mut request = SearchRequest::new(12);
        request.effort = effort;
        request.with_vectors = true;
        request.with_attributes = vec!["n".to_owned(), "tag".to_owned()];
        results.push(collection.search(&queries, &request).map(drop));
        request.exclude_sets = (0..SETS).map(set_name).collect();
        request.cap = Some(Cap { group_by: "tag".to_owned(), max_per_group: 1 });
        results.push(collection.search(&queries, &request).map(drop));
    }
    let ids = data::ids(collection.config().id_type, (0..60).chain(2_000..2_004));
    results.push(collection.get(&ids, true).map(drop));
    results.push(collection.stats().map(drop));
    results.push(collection.verify().map(drop));
    results
}

/// What an error from a strange file may be.
fn is_typed(error: &Error) -> bool {
    match error {
        Error::Corruption { path, expected, .. } => path.starts_with(ROOT) && !expected.is_empty(),
        Error::UnsupportedVersion { path, .. } => path.starts_with(ROOT),
        // Another configuration, as far as it can be told from what was asked.
        Error::InvalidArgument { .. }
        | Error::DimensionMismatch { .. }
        | Error::ResourceLimit { .. }
        | Error::NotFound { .. } => true,
        Error::Poisoned { cause } => !cause.contains("panic"),
        _ => false,
    }
}

/// Changes a sample; `None` if it has no such file.
type Make = fn(&Sample, &mut Dice) -> Option<Image>;

/// Which sample a seed changes: most the small one, which is fast; the large one has a graph to build
/// in a merge.
fn is_large(seed: u64) -> bool {
    seed.is_multiple_of(16)
}

/// The first so many seeds whose changes differ from each other and from none.
fn distinct(samples: &[Sample], cases: u64, make: Make) -> Vec<u64> {
    let first = seed().wrapping_mul(2 * cases);
    let seeds: Vec<u64> = (first..first + 2 * cases).collect();
    let sums = Mutex::new(Vec::with_capacity(seeds.len()));
    on_all(&seeds, |_, seed| {
        let sample = &samples[usize::from(is_large(*seed))];
        let sum = make(sample, &mut Dice(*seed)).map(|image| image.sum());
        let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.extend(sum.map(|sum| (*seed, sum)));
        Ok(())
    })
    .unwrap_or_else(|e| panic!("{e}"));
    let mut sums = sums.into_inner().unwrap_or_else(PoisonError::into_inner);
    sums.sort_unstable();
    let mut seen: HashSet<u64> = samples.iter().map(|sample| sample.image.sum()).collect();
    let fresh = sums.into_iter().filter(|(_, sum)| seen.insert(*sum));
    fresh.map(|(seed, _)| seed).take(cases as usize).collect()
}

/// Tries so many different changes; how many of them were refused.
fn fuzz(target: &str, cases: u64, make: Make) -> u64 {
    let samples = samples();
    let seeds = distinct(&samples, cases, make);
    assert_eq!(seeds.len() as u64, cases, "different changes of a {target}");
    try_all(target, &samples, &seeds, make)
}

/// Tries the changes of these seeds; how many were refused.
fn try_all(target: &str, samples: &[Sample], seeds: &[u64], make: Make) -> u64 {
    let refused = AtomicU64::new(0);
    on_all(seeds, |_, seed| {
        let large = is_large(*seed);
        let mut dice = Dice(*seed);
        let Some(image) = make(&samples[usize::from(large)], &mut dice) else { return Ok(()) };
        let started = Instant::now();
        let used =
            catch_unwind(AssertUnwindSafe(|| use_all(&image, !large || seed.is_multiple_of(512))));
        let what = format!("{target}, seed {seed}");
        let result = used.map_err(|_| format!("{what}: a panic"))?;
        if let Err(error) = &result {
            refused.fetch_add(1, Ordering::Relaxed);
            if !is_typed(error) {
                return Err(format!("{what}: {error:?}"));
            }
        }
        if started.elapsed() > Duration::from_secs(20) {
            return Err(format!("{what}: took {:?}", started.elapsed()));
        }
        Ok(())
    })
    .unwrap_or_else(|e| panic!("{e}"));
    let refused = refused.into_inner();
    report(format!("T7: {} {target}s, {refused} refused", seeds.len()));
    refused
}

/// Gives a file whose last four bytes are its checksum the right one.
fn seal(bytes: &mut [u8]) {
    if let Some(end) = bytes.len().checked_sub(4) {
        let sum = crc(&bytes[..end]);
        bytes[end..].copy_from_slice(&sum.to_le_bytes());
    }
}

fn strange_manifest(sample: &Sample, dice: &mut Dice) -> Option<Image> {
    let mut bytes = sample.image.get(&sample.manifest_path)?.to_vec();
    let end = bytes.len() - 4;
    let mut body = bytes[..end].to_vec();
    change(&mut body, HEADER_BYTES, dice);
    bytes[..end].copy_from_slice(&body);
    seal(&mut bytes);
    Some(sample.image.with(&sample.manifest_path, bytes))
}

#[test]
fn t7_strange_manifests() {
    let refused = fuzz("manifest", CASES * soak(), strange_manifest);
    assert!(refused > CASES / 4, "{refused} refused: nearly all of a manifest means something");
}

/// Changes a file that ends in its checksum, which a manifest knows too; its new seal.
fn change_sealed(bytes: &mut [u8], dice: &mut Dice) -> u32 {
    let end = bytes.len() - 4;
    change(&mut bytes[..end], HEADER_BYTES, dice);
    seal(bytes);
    crc(&bytes[..end])
}

fn strange_tombstones(sample: &Sample, dice: &mut Dice) -> Option<Image> {
    let mut manifest = sample.manifest.clone();
    let record = manifest.segments.iter_mut().find(|s| s.tombstones.is_some())?;
    let path = Path::new(ROOT).join(record.tombstones_file()?);
    let mut bytes = sample.image.get(&path)?.to_vec();
    let end = bytes.len() - 4;
    let tombstones = record.tombstones.as_mut()?;
    tombstones.seal = change_sealed(&mut bytes, dice);
    if dice.below(3) == 0 {
        let words = bytes[HEADER_BYTES + 16..end].iter();
        tombstones.dead = words.map(|b| b.count_ones()).sum();
        let dead = u64::from(tombstones.dead).to_le_bytes();
        bytes[HEADER_BYTES + 8..HEADER_BYTES + 16].copy_from_slice(&dead);
        seal(&mut bytes);
        tombstones.seal = crc(&bytes[..end]);
    }
    Some(sample.with_manifest(&sample.image.with(&path, bytes), &manifest))
}

#[test]
fn t7_strange_tombstones() {
    let refused = fuzz("tombstones file", CASES * soak(), strange_tombstones);
    assert!(refused > CASES / 4, "{refused} refused");
}

fn strange_values(sample: &Sample, dice: &mut Dice) -> Option<Image> {
    let mut manifest = sample.manifest.clone();
    let record = manifest.segments.iter_mut().find(|s| s.attributes.is_some())?;
    let path = Path::new(ROOT).join(record.attributes_file()?);
    let mut bytes = sample.image.get(&path)?.to_vec();
    record.attributes.as_mut()?.seal = change_sealed(&mut bytes, dice);
    Some(sample.with_manifest(&sample.image.with(&path, bytes), &manifest))
}

#[test]
fn t7_strange_values() {
    let refused = fuzz("attributes file", CASES * soak(), strange_values);
    assert!(refused > CASES / 4, "{refused} refused");
}

/// Changes a file of exclusion sets and gives it the right checksums.
fn strange_sets(sample: &Sample, dice: &mut Dice) -> Option<Image> {
    const ROW: usize = 12;
    let mut manifest = sample.manifest.clone();
    let record = manifest.exclusions.last_mut()?;
    let path = Path::new(ROOT).join(record.file());
    let mut bytes = sample.image.get(&path)?.to_vec();
    let footer = bytes.len() - 24;
    let blocks = u32_at(&bytes, footer + 8)? as usize;
    let table = footer - blocks * ROW;
    // The blocks, or the table and the footer.
    let range = if dice.below(3) == 0 { table..bytes.len() - 4 } else { HEADER_BYTES..table };
    let mut part = bytes[range.clone()].to_vec();
    change(&mut part, 0, dice);
    bytes[range].copy_from_slice(&part);
    let mut start = HEADER_BYTES;
    for row in (table..footer).step_by(ROW) {
        let end = HEADER_BYTES.saturating_add(u32_at(&bytes, row)? as usize).clamp(start, table);
        let sum = crc(&bytes[start..end]).to_le_bytes();
        bytes[row + 8..row + 12].copy_from_slice(&sum);
        start = end;
    }
    let covered = [&bytes[..HEADER_BYTES], &bytes[table..footer + 20]].concat();
    record.seal = crc(&covered);
    bytes[footer + 20..].copy_from_slice(&record.seal.to_le_bytes());
    Some(sample.with_manifest(&sample.image.with(&path, bytes), &manifest))
}

#[test]
fn t7_strange_exclusion_sets() {
    let refused = fuzz("file of exclusion set", CASES * soak(), strange_sets);
    assert!(refused > CASES / 4, "{refused} refused");
}

/// Chains the records of a log anew, as far as their lengths lead; see `wal`.
fn seal_log(bytes: &mut [u8]) {
    const FILE_HEAD: usize = HEADER_BYTES + 32;
    const HEAD: usize = 32;
    let mut chain = crc(&bytes[..FILE_HEAD - 4]);
    bytes[FILE_HEAD - 4..FILE_HEAD].copy_from_slice(&chain.to_le_bytes());
    let salt = bytes[HEADER_BYTES + 16..HEADER_BYTES + 24].to_vec();
    let mut at = FILE_HEAD;
    while let Some(length) = u32_at(bytes, at) {
        let (payload, end) = (at + HEAD, (at + HEAD).saturating_add(length as usize));
        if end > bytes.len() {
            return;
        }
        let sum = crc(&bytes[payload..end]);
        bytes[at + 16..at + 20].copy_from_slice(&chain.to_le_bytes());
        bytes[at + 20..at + 24].copy_from_slice(&sum.to_le_bytes());
        bytes[at + 24..at + 28].copy_from_slice(&salt[4..]);
        chain = crc(&[&bytes[at..at + 28], &salt].concat());
        bytes[at + 28..payload].copy_from_slice(&chain.to_le_bytes());
        at = end.next_multiple_of(8);
    }
}

fn strange_log(sample: &Sample, dice: &mut Dice) -> Option<Image> {
    let mut manifest = sample.manifest.clone();
    let mark = manifest.wals.last_mut()?;
    let path = Path::new(ROOT).join(mark.file());
    let mut bytes = sample.image.get(&path)?.to_vec();
    // Anywhere: the head of the file, of a record, a payload.
    let from = HEADER_BYTES + dice.below(bytes.len() - HEADER_BYTES);
    change(&mut bytes, from, dice);
    seal_log(&mut bytes);
    // The manifest vouches for nothing behind the head.
    mark.length = HEADER_BYTES as u64 + 32;
    mark.chain = u32_at(&bytes, HEADER_BYTES + 28)?;
    Some(sample.with_manifest(&sample.image.with(&path, bytes), &manifest))
}

#[test]
fn t7_strange_logs() {
    let refused = fuzz("log", CASES * soak(), strange_log);
    assert!(refused > CASES / 2, "{refused} refused");
}

/// Gives a changed segment the checksums of what it holds now; `None` if its table is none.
fn seal_segment(bytes: &mut [u8], table: &Table) -> Option<()> {
    let (sums, sections) = table.entries.split_last()?;
    for entry in sections {
        for (block, part) in
            bytes[entry.range.clone()].chunks(BLOCK).map(crc).collect::<Vec<_>>().iter().enumerate()
        {
            let at = sums.range.start + (entry.first_block + block) * 4;
            bytes[at..at + 4].copy_from_slice(&part.to_le_bytes());
        }
    }
    let (head, all) = (crc(&bytes[..table.head_end]), crc(&bytes[sums.range.clone()]));
    bytes[table.footer_at + 8..][..4].copy_from_slice(&head.to_le_bytes());
    bytes[table.footer_at + 12..][..4].copy_from_slice(&all.to_le_bytes());
    Some(())
}

fn strange_segment(sample: &Sample, dice: &mut Dice) -> Option<Image> {
    let mut manifest = sample.manifest.clone();
    let count = manifest.segments.len();
    let record = &mut manifest.segments[dice.below(count)];
    let path = Path::new(ROOT).join(record.file());
    let mut bytes = sample.image.get(&path)?.to_vec();
    let table = Table::decode(&bytes).ok()?;
    // One section, or the table itself.
    let choice = dice.below(table.entries.len());
    let section = table.entries[choice].range.clone();
    let range =
        if choice + 1 == table.entries.len() { HEADER_BYTES..table.head_end } else { section };
    let mut part = bytes[range.clone()].to_vec();
    change(&mut part, 0, dice);
    bytes[range].copy_from_slice(&part);
    seal_segment(&mut bytes, &table)?;
    record.seal = crc(&bytes[table.footer_at..]);
    Some(sample.with_manifest(&sample.image.with(&path, bytes), &manifest))
}

#[test]
fn t7_strange_segments() {
    let refused = fuzz("segment", CASES * soak(), strange_segment);
    assert!(refused > CASES / 2, "{refused} refused");
}

const PROCESS: &str = "NEARFIELD_TEST_FUZZ";

/// What the process needs to be that the test below starts: as it is, or with strange files.
#[test]
#[ignore = "the process that the test below starts"]
fn in_little_memory() {
    let Ok(what) = std::env::var(PROCESS) else { return };
    let targets: [(&str, Make); 6] = [
        ("manifest", strange_manifest),
        ("tombstones file", strange_tombstones),
        ("attributes file", strange_values),
        ("file of exclusion set", strange_sets),
        ("log", strange_log),
        ("segment", strange_segment),
    ];
    if what == "sound" {
        let seeds: Vec<u64> = (0..600).collect();
        try_all("sound collection", &samples(), &seeds, |sample, _| Some(sample.image.clone()));
    } else {
        for (target, make) in targets {
            fuzz(target, 1_000 * soak(), make);
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap_or_default();
    let size = samples().iter().map(Sample::size).max().unwrap_or_default();
    report(format!("{peak} size {size}"));
}

/// Strange lengths ask for no more memory than promised: four times the files and 16 MiB. A process
/// that asks for more ends there.
#[test]
#[cfg(target_os = "linux")]
fn t7_strange_files_in_little_memory() {
    let run = |what: &str, limit: &str| {
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("ulimit -v {limit} && exec \"$0\" \"$@\"")])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "crash_tests::fuzz::in_little_memory", "--ignored", "--nocapture"])
            .env(PROCESS, what)
            .env("MALLOC_ARENA_MAX", "1")
            // The promise is for one.
            .env("NEARFIELD_TEST_THREADS", "1")
            .env("NEARFIELD_THREADS", "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{what}, {limit} KiB: {}: {said}", output.status);
        said
    };
    let said = run("sound", "unlimited");
    let line = said.lines().find(|line| line.contains(" kB size ")).unwrap();
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let limit = numbers[0] + ((4 * numbers[1]) >> 10) + (16 << 10);
    run("strange", &limit.to_string());
    report(format!("T7: 6,000 strange files in {limit} KiB, {} without them", numbers[0]));
}
