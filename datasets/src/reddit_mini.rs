//! The bundled sample: 12,000 posts of 2013's "Reddit top 2.5 million" and 2,491 communities, with
//! embeddings of 384 components. Columns, licences and provenance are in `reddit-mini/README.md`.
//!
//! With the feature `bundled` the files are part of the binary, and `posts` and `communities` open
//! them from any directory.
//!
//! ```
//! let path = concat!(env!("CARGO_MANIFEST_DIR"), "/reddit-mini/posts.parquet");
//! let posts = nearfield_datasets::open(path)?;
//! assert_eq!(posts.rows(), Some(nearfield_datasets::reddit_mini::POSTS));
//! # Ok::<(), nearfield_datasets::ReadError>(())
//! ```

/// Number of posts.
pub const POSTS: u64 = 12_000;
/// Number of communities.
pub const COMMUNITIES: u64 = 2_491;
/// Components of an embedding.
pub const DIM: usize = 384;
/// The column of the embeddings, in both files.
pub const VECTOR: &str = "embedding";
/// The embedding space of both files.
pub const SPACE: &str = "all-MiniLM-L6-v2@1";

#[cfg(feature = "bundled")]
mod bundled {
    use bytes::Bytes;

    use crate::arrow_files::parquet;
    use crate::error::Result;
    use crate::options::ReadOptions;
    use crate::source::Source;

    static POSTS: &[u8] = include_bytes!("../reddit-mini/posts.parquet");
    static COMMUNITIES: &[u8] = include_bytes!("../reddit-mini/communities.parquet");

    /// The posts, from the binary itself.
    pub fn posts(options: &ReadOptions) -> Result<Source> {
        parquet::open_bytes("reddit-mini/posts.parquet", Bytes::from_static(POSTS), options)
    }

    /// The communities, from the binary itself.
    pub fn communities(options: &ReadOptions) -> Result<Source> {
        let bytes = Bytes::from_static(COMMUNITIES);
        parquet::open_bytes("reddit-mini/communities.parquet", bytes, options)
    }
}

#[cfg(feature = "bundled")]
pub use bundled::{communities, posts};
