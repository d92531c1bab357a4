//! Seeded test data of known shape: the same bytes on every machine, thread count and release.
//!
//! Matrices are `Vec<f32>` of `rows * dim`, row after row; attributes are one value a row. Row `i`
//! depends on the seed and `i` alone, so a longer run begins with the shorter one. All arithmetic
//! is IEEE addition, multiplication, division and square root in a fixed order; no function of
//! the platform's mathematical library is used. Golden tests hold the values still.
//!
//! ```
//! use nearfield_datasets::generate::{Clusters, Shape, keywords};
//!
//! let shape = Shape { rows: 100, dim: 16, seed: 7 };
//! let mixture = Clusters { shape, clusters: 5, intrinsic: 4, spread: 0.5 };
//! let points = mixture.generate();
//! assert_eq!(points.vectors.len(), 100 * 16);
//! // An attribute that goes with the vector.
//! assert_eq!(keywords(&points.clusters).len(), 100);
//! ```

mod attributes;
mod clusters;
mod derived;
mod math;
mod queries;
mod rng;
mod simple;

pub use attributes::{Groups, flags, hashed_groups, heavy_tailed, keywords, timestamps};
pub use clusters::{Clustered, Clusters};
pub use derived::{Duplicates, Perturb, normalize, quantize_u8};
pub use queries::OffDistribution;
pub use rng::Rng;
pub use simple::{LowIntrinsic, Shape, gaussian, uniform};
