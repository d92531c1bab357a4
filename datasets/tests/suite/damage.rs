//! Whatever the bytes are, reading ends, in rows or in an error: no panic, no abort.

use std::cell::Cell;
use std::sync::{Once, OnceLock};

use arrow_ipc::CompressionType;
use nearfield_datasets::ReadOptions;
use proptest::prelude::*;

use crate::files::{Place, bin, ipc_file, ipc_stream, le_f32, npy_of, parquet, table, vecs};

/// A small sound file of every format.
fn samples() -> &'static [(&'static str, Vec<u8>)] {
    static SAMPLES: OnceLock<Vec<(&str, Vec<u8>)>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let values = le_f32(&[1., 2., 3., 4., 5., 6.]);
        let table = table(40);
        let parts = [table.slice(0, 25), table.slice(25, 15)];
        vec![
            ("a.npy", npy_of("<f4", "(2, 3)", &values)),
            ("a.fvecs", vecs(&[&values[..12], &values[12..]], 3)),
            ("a.bvecs", vecs(&[&[1, 2, 3], &[4, 5, 6]], 3)),
            ("a.ivecs", vecs(&[&values[..4], &values[4..8]], 1)),
            ("a.fbin", bin(2, 3, &values)),
            ("a.u8bin", bin(2, 3, &[1, 2, 3, 4, 5, 6])),
            ("a.i8bin", bin(2, 3, &[1, 2, 3, 4, 5, 6])),
            ("zstd.parquet", parquet(&table, 25, true)),
            ("snappy.parquet", parquet(&table, 40, false)),
            ("a.arrow", ipc_file(&parts, None)),
            ("lz4.feather", ipc_file(&parts, Some(CompressionType::LZ4_FRAME))),
            ("zstd.ipc", ipc_file(&parts, Some(CompressionType::ZSTD))),
            ("a.arrows", ipc_stream(&parts, None)),
            ("zstd.arrows", ipc_stream(&parts, Some(CompressionType::ZSTD))),
        ]
    })
}

/// Decoders panic on some damage, which the readers catch; printing a backtrace of each would take
/// most of the time. Panics of the tests themselves stay visible.
fn silence_decoders() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.location().is_none_or(|at| !at.file().contains("registry")) {
                shown(panic);
            }
        }));
    });
}

/// Reads a damaged file to its end; returns whether that was an error.
fn read(name: &str, bytes: &[u8]) -> bool {
    thread_local! {
        // One directory and no deletions until the end: file systems are slow at these.
        static PLACE: Place = Place::new();
        static FILES: Cell<usize> = const { Cell::new(0) };
    }
    silence_decoders();
    FILES.set(FILES.get() + 1);
    let path = PLACE.with(|place| place.write(&format!("{}-{name}", FILES.get()), bytes));
    let options = ReadOptions { batch_rows: 16, ..ReadOptions::default() };
    let source = match options.open(&path) {
        Ok(source) => source,
        Err(error) => {
            assert!(error.to_string().contains(name), "{error}");
            return true;
        }
    };
    let schema = source.schema();
    for batch in source {
        match batch {
            Ok(batch) => assert_eq!(batch.schema().fields(), schema.fields()),
            Err(error) => {
                assert!(error.to_string().contains(name), "{error}");
                return true;
            }
        }
    }
    false
}

#[test]
fn sound_files_are_read() {
    for (name, bytes) in samples() {
        assert!(!read(name, bytes), "{name}");
    }
}

/// Every cut of a raw file is noticed when it is opened or read; of the others, every cut but
/// those of a stream between two messages.
#[test]
fn truncation_is_noticed() {
    for (name, bytes) in samples() {
        let stream = name.ends_with("arrows");
        let record = if name.ends_with("vecs") { bytes.len() / 2 } else { usize::MAX };
        // Every length of a small file; of a larger one a few hundred, and the whole of its end.
        let step = 1 + bytes.len() / 200;
        let ends = bytes.len().saturating_sub(40)..bytes.len();
        for length in (0..bytes.len()).step_by(step).chain(ends) {
            let noticed = read(name, &bytes[..length]);
            assert!(noticed || stream || length == record, "{name} cut to {length} bytes");
        }
    }
}

/// `PROPTEST_CASES` asks for a longer run.
fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = asked.unwrap_or(500);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn flipped_bytes_never_panic(
        which in 0..samples().len(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let (name, bytes) = &samples()[which];
        let mut bytes = bytes.clone();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        read(name, &bytes);
    }

    #[test]
    fn replaced_words_never_panic(
        which in 0..samples().len(),
        at in any::<prop::sample::Index>(),
        word in prop::sample::select(vec![
            0u64, 1, 0x7f, 0xff, 0x7fff_ffff, 0xffff_ffff, 0x7fff_ffff_ffff_ffff, u64::MAX, 1 << 40,
        ]),
        width in prop::sample::select(vec![1usize, 2, 4, 8]),
    ) {
        let (name, bytes) = &samples()[which];
        let mut bytes = bytes.clone();
        let at = at.index(bytes.len());
        let end = (at + width).min(bytes.len());
        bytes[at..end].copy_from_slice(&word.to_le_bytes()[..end - at]);
        read(name, &bytes);
    }

    #[test]
    fn noise_is_refused(
        which in 0..samples().len(),
        noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        read(samples()[which].0, &noise);
    }
}
