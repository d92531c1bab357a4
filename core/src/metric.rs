//! What "near" means.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// How two vectors are compared. The *similarity* is larger when nearer, the *distance* smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Similarity: the cosine of the angle. Distance: 1 - cosine. Zero vectors are refused.
    Cosine,
    /// Similarity: the inner product. Distance: minus the inner product.
    InnerProduct,
    /// Similarity: minus the squared Euclidean distance. Distance: the squared distance.
    L2,
}

impl Metric {
    /// Every metric, in the order of their codes in files.
    pub const ALL: [Self; 3] = [Self::Cosine, Self::InnerProduct, Self::L2];

    /// The name in every interface: `cosine`, `ip` or `l2`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::InnerProduct => "ip",
            Self::L2 => "l2",
        }
    }

    /// The distance that belongs to a similarity.
    pub fn distance(self, similarity: f64) -> f64 {
        match self {
            Self::Cosine => 1.0 - similarity,
            Self::InnerProduct | Self::L2 => 0.0 - similarity,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|m| m.name() == text).ok_or_else(|| {
            Error::invalid("metric", "\"cosine\", \"ip\" or \"l2\"", format!("{text:?}"), "")
        })
    }
}
