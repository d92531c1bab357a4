//! What a dump says about itself: the head of the graph file.

use super::bytes::Bytes;
use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::types::{DIM_MAX, Dtype};

/// The words that versions 2, 3 and 4 begin with.
const VERSION_2: u32 = 0x002a_677f;
const VERSION_3: u32 = 0x002a_6771;
const VERSION_4: u32 = 0x002a_6779;
/// Layers that the crate always has lists for.
const LAYERS: u8 = 16;
/// Bytes of a point without neighbours.
const POINT_BYTES: u64 = 4 + 8 + 1 + 4 + 8 * LAYERS as u64;

/// The head, as far as it matters here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    pub(crate) points: usize,
    pub(crate) dim: usize,
    pub(crate) dtype: Dtype,
    /// The type of the crate's distance, without its path: `DistL2`.
    pub(crate) distance: String,
    /// Lists of neighbours that each point has.
    pub(super) lists: u8,
}

impl Head {
    pub(super) fn read(graph: &mut Bytes) -> Result<Self> {
        let version = graph.u32("the head")?;
        match version {
            VERSION_3 | VERSION_4 => {}
            VERSION_2 => {
                let fix = "load it with the version of hnsw_rs that wrote it, and dump it with 0.3";
                return Err(graph.unsuitable("a dump of hnsw_rs 0.2 or later", "format 2", fix));
            }
            other => {
                let expected = format!("{VERSION_4:08x} or {VERSION_3:08x}");
                return Err(graph.damaged("the head", expected, format!("{other:08x}")));
            }
        }
        let full = graph.u8("the head")?;
        if full != 1 {
            return Err(graph.damaged("the kind of the dump", "1, a full one", full.to_string()));
        }
        graph.u8("the largest number of neighbours")?;
        if version == VERSION_4 {
            graph.f64("the scale of the levels")?;
        }
        let lists = graph.u8("the number of layers")?;
        if lists != LAYERS {
            let (expected, found) = (LAYERS.to_string(), lists.to_string());
            return Err(graph.damaged("the number of layers", expected, found));
        }
        graph.u64("the effort of the build")?;
        let points = graph.u64("the number of points")?;
        let dim = graph.u64("the dimension")?;
        let distance = graph.text("the distance")?;
        let element = graph.text("the type of the components")?;
        if points == 0 {
            let fix = "create an empty collection instead";
            return Err(graph.unsuitable("points", "an empty dump", fix));
        }
        let most = graph.left() / POINT_BYTES;
        if points > most {
            let expected = format!("at most {most}, for which there is room");
            return Err(graph.damaged("the number of points", expected, points.to_string()));
        }
        if !(1..=DIM_MAX as u64).contains(&dim) {
            let expected = format!("vectors of 1 to {DIM_MAX} components");
            return Err(graph.unsuitable(&expected, dim.to_string(), ""));
        }
        let dtype = match element.as_str() {
            "f32" => Dtype::F32,
            "u8" => Dtype::U8,
            "i8" => Dtype::I8,
            other => {
                let fix = "build the index over one of these types and dump it again";
                return Err(graph.unsuitable("components of f32, u8 or i8", other, fix));
            }
        };
        let distance = short_name(&distance).to_owned();
        Ok(Self { points: points as usize, dim: dim as usize, dtype, distance, lists })
    }

    /// The metric of the dump's distance. `wanted` is what the caller says it is.
    pub(crate) fn metric(&self, wanted: Option<Metric>) -> Result<Metric> {
        let known = match self.distance.as_str() {
            "DistCosine" => Some(Metric::Cosine),
            "DistDot" => Some(Metric::InnerProduct),
            "DistL2" => Some(Metric::L2),
            "DistL1" | "DistHamming" | "DistJaccard" | "DistHellinger" | "DistJeffreys"
            | "DistJensenShannon" | "DistLevenshtein" => {
                let fix = "a collection compares by cosine, inner product or squared L2 distance: \
                           build an index with one of these";
                let expected = "DistCosine, DistDot or DistL2";
                return Err(Error::invalid("distance of the dump", expected, &self.distance, fix));
            }
            // A function or a type of the caller's: only the caller knows what it computes.
            _ => None,
        };
        wanted.or(known).ok_or_else(|| {
            let expected = "DistCosine, DistDot or DistL2";
            let fix = "say with metric which of cosine, ip and l2 it is";
            Error::invalid("distance of the dump", expected, &self.distance, fix)
        })
    }
}

/// `DistL2` of `anndists::dist::distances::DistL2`, `DistPtr` of `a::DistPtr<f32, f32>`.
fn short_name(path: &str) -> &str {
    let path = path.split('<').next().unwrap_or_default();
    path.rsplit("::").next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_become_metrics_or_are_refused() {
        let metric = |path: &str, wanted| {
            let distance = short_name(path).to_owned();
            Head { points: 1, dim: 1, dtype: Dtype::F32, distance, lists: 16 }.metric(wanted)
        };
        let known = [
            ("anndists::dist::distances::DistCosine", Metric::Cosine),
            ("hnsw_rs::dist::DistDot", Metric::InnerProduct),
            ("DistL2", Metric::L2),
        ];
        for (path, expected) in known {
            assert_eq!(metric(path, None).unwrap(), expected);
        }
        assert_eq!(metric("DistDot", Some(Metric::Cosine)).unwrap(), Metric::Cosine);
        let own = "anndists::dist::distances::DistPtr<f32, a::B>";
        assert!(metric(own, None).unwrap_err().to_string().contains("DistPtr; say with metric"));
        assert_eq!(metric(own, Some(Metric::L2)).unwrap(), Metric::L2);
        for wanted in [None, Some(Metric::L2)] {
            let error = metric("a::DistHamming", wanted).unwrap_err().to_string();
            assert!(error.contains("expected DistCosine") && error.contains("DistHamming"));
        }
    }
}
