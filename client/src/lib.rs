//! The client of the nearfield service.
//!
//! [`Client`] connects, [`Collection`] does what the embedded `nearfield::Collection` does, over one
//! connection that any number of tasks share. Options and columns are the messages themselves
//! ([`v1`]), whose fields are documented where they are; the generated clients are there too, for
//! what this leaves out.
//!
//! ```no_run
//! # async fn run() -> Result<(), nearfield_client::Error> {
//! use nearfield_client::{Client, Ids, v1::SearchOptions};
//!
//! let client = Client::connect("http://127.0.0.1:50051").await?;
//! let posts = client.collection("posts");
//! let options = SearchOptions { k: Some(10), r#where: Some("NOT over_18".into()), ..Default::default() };
//! for hit in posts.search(&[0.1, 0.7, 0.2], options).await?.iter() {
//!     println!("{} {}", hit.id, hit.score);
//! }
//! # let _: Ids = vec![1u64].into();
//! # Ok(())
//! # }
//! ```

mod collection;
mod connect;
mod error;
mod hits;
mod ids;
mod ingest;
mod retry;

pub use collection::Collection;
pub use connect::{Client, Options};
pub use error::Error;
pub use hits::{Hit, Hits};
pub use ids::{Id, Ids};
pub use ingest::{Ingest, Loaded};
pub use retry::Retry;

/// The generated messages and clients of the package `nearfield.v1`.
#[expect(
    unused_qualifications,
    clippy::default_trait_access,
    clippy::doc_markdown,
    clippy::too_many_lines,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("nearfield.v1");
}

/// The package `nearfield.v1` and what it imports, with comments: a serialised `FileDescriptorSet`.
pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));

/// What a call comes to.
pub type Result<T> = std::result::Result<T, Error>;
