//! A dump of the `hnsw_rs` crate, `Hnsw::file_dump`: `NAME.hnsw.graph` and `NAME.hnsw.data`.
//!
//! Read here and not by the crate's own loader, which ends the process or panics at damaged
//! files and reads past short vectors; the tests compare with it. Numbers are little-endian:
//! dumps are written in the order of the machine, and those of 64-bit little-endian machines are
//! the ones in use.
//!
//! ```text
//! graph: head, layers u8, per layer from the bottom: magic u32, points u64, points
//!        point: magic u32, id u64, layer u8, rank i32, per layer of the head: n u64, n neighbours
//!        neighbour: id u64, layer u8, rank i32, distance f32
//!        entry point: id u64, layer u8, rank i32
//! head:  magic u32, full u8, M u8, level scale f64 (from version 4), layers u8, ef u64,
//!        points u64, dim u64, distance (length u64, text), element (length u64, text)
//! data:  magic u32, dim u64, per point in the order of the graph: magic u32, id u64, bytes u64,
//!        components
//! ```
//! A layer lists the points that reach no higher; `layer` and `rank` are a point's place in it.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod bytes;
mod head;
mod points;
mod vectors;

use std::path::{Path, PathBuf};

pub(crate) use head::Head;
pub(crate) use vectors::Rows;

use crate::config::Progress;
use crate::error::{Error, Result};
use crate::graph::Given;
use bytes::Bytes;

const GRAPH: &str = ".hnsw.graph";
const DATA: &str = ".hnsw.data";

/// A dump whose head was read, and whose lengths fit it.
#[derive(Debug)]
pub(crate) struct Dump {
    pub(crate) head: Head,
    graph: Bytes,
    data: Bytes,
}

impl Dump {
    /// Opens the two files of a dump, from its name or from that of either file.
    pub(crate) fn open(name: &Path) -> Result<Self> {
        let [graph_path, data_path] = files(name)?;
        let missing = [&graph_path, &data_path].into_iter().find(|path| !path.exists());
        if let Some(missing) = missing {
            let names = format!("{} and {}", graph_path.display(), data_path.display());
            let found = format!("no {}", missing.display());
            let fix = "name a dump as Hnsw::file_dump wrote it: both files, side by side";
            return Err(Error::invalid("dump", names, found, fix));
        }
        let mut graph = Bytes::open(&graph_path)?;
        let head = Head::read(&mut graph)?;
        let mut data = Bytes::open(&data_path)?;
        vectors::check(&mut data, &head)?;
        Ok(Self { head, graph, data })
    }

    /// The ids and the edges of the bottom layer, in the order of the points; an error, too, for
    /// an id that is there twice.
    pub(crate) fn graph(&mut self, progress: &Progress) -> Result<(Vec<u64>, Given)> {
        points::read(&mut self.graph, &self.head, progress)
    }

    /// The vectors of these ids, in their order.
    pub(crate) fn vectors<'a>(&'a mut self, ids: &'a [u64]) -> Rows<'a> {
        Rows::new(&mut self.data, &self.head, ids)
    }
}

/// The graph file and the data file.
fn files(name: &Path) -> Result<[PathBuf; 2]> {
    let Some(text) = name.file_name().and_then(|n| n.to_str()) else {
        let found = format!("{:?}", name.display().to_string());
        return Err(Error::invalid("dump", "the name of a dump, as UTF-8", found, ""));
    };
    let base = [GRAPH, DATA].iter().find_map(|suffix| text.strip_suffix(suffix)).unwrap_or(text);
    Ok([GRAPH, DATA].map(|suffix| name.with_file_name(format!("{base}{suffix}"))))
}

#[cfg(test)]
mod tests {
    use hnsw_rs::prelude::{AnnT, DistL2, Hnsw, HnswIo};

    use super::*;
    use crate::types::VectorData;

    #[test]
    fn reads_what_the_loader_of_the_crate_reads() {
        const DIM: usize = 5;
        const ROWS: usize = 700;
        let mut state = 3_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
            (state >> 40) as f32 / (1 << 24) as f32
        };
        let hnsw = Hnsw::<f32, DistL2>::new(6, ROWS, 16, 40, DistL2 {});
        for row in 0..ROWS {
            let vector: Vec<f32> = (0..DIM).map(|_| next()).collect();
            hnsw.insert((&vector, row * 31 + 7));
        }
        let dir = tempfile::tempdir().unwrap();
        hnsw.file_dump(dir.path(), "d").unwrap();
        let mut io = HnswIo::new(dir.path(), "d");
        let loaded: Hnsw<'_, f32, DistL2> = io.load_hnsw().unwrap();

        let mut dump = Dump::open(&dir.path().join("d")).unwrap();
        let (ids, given) = dump.graph(&Progress::new()).unwrap();
        let mut vectors = Vec::new();
        let mut rows = dump.vectors(&ids);
        while let Some(batch) = rows.next_batch().unwrap() {
            let VectorData::F32(batch) = batch.data() else { panic!("f32") };
            vectors.extend_from_slice(batch);
        }
        let mut row = 0;
        let points = loaded.get_point_indexation();
        for layer in 0..16 {
            for point in points.get_layer_iterator(layer) {
                assert_eq!(ids[row], point.get_origin_id() as u64);
                assert_eq!(&vectors[row * DIM..][..DIM], point.get_v());
                let found = given.neighbours(row as u32).iter().map(|n| ids[*n as usize]);
                let mut found: Vec<u64> = found.collect();
                let lists = point.get_neighborhood_id();
                let mut expected: Vec<u64> = lists[0].iter().map(|n| n.d_id as u64).collect();
                found.sort_unstable();
                expected.sort_unstable();
                assert!(found == expected && !found.is_empty());
                row += 1;
            }
        }
        assert_eq!((row, ids.len(), given.degree()), (ROWS, ROWS, 16));
    }

    #[test]
    fn a_dump_is_named_by_itself_or_either_file() {
        let expected = ["d/a.hnsw.graph", "d/a.hnsw.data"].map(PathBuf::from);
        for name in ["d/a", "d/a.hnsw.graph", "d/a.hnsw.data"] {
            assert_eq!(files(Path::new(name)).unwrap(), expected);
        }
        files(Path::new("..")).unwrap_err();
    }
}
