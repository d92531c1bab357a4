//! Turns files of vectors into streams of Arrow record batches, makes seeded test data, and holds
//! a small sample of real posts. Knows nothing of collections: whoever loads joins the two.
//!
//! [`open`] chooses the reader by extension; [`open_all`] takes a glob; [`infer()`] proposes a
//! schema for what was opened; [`generate`] makes data of known shape.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//! let path = dir.path().join("two.fbin");
//! // Two vectors of three components: rows, dimension, then the components, little-endian.
//! let mut bytes: Vec<u8> = [2u32, 3].iter().flat_map(|n| n.to_le_bytes()).collect();
//! bytes.extend([1f32, 2., 3., 4., 5., 6.].iter().flat_map(|x| x.to_le_bytes()));
//! std::fs::write(&path, bytes)?;
//!
//! let source = nearfield_datasets::open(&path)?;
//! assert_eq!(source.rows(), Some(2));
//! for batch in source {
//!     assert_eq!(batch?.num_rows(), 2);
//! }
//! # Ok(())
//! # }
//! ```

mod arrow_files;
mod error;
pub mod generate;
mod ids;
mod infer;
mod many;
mod options;
mod parts;
mod raw;
pub mod reddit_mini;
mod source;

pub use error::{Position, Problem, ReadError, Result};
pub use infer::{InferError, InferOptions, Inferred, infer};
pub use many::{describe, open_all};
pub use options::{DIM_MAX, ReadOptions};
pub use parts::Parts;
pub use source::{EXTENSIONS, Source, open};
