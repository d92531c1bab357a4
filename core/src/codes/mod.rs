//! Quantised codes of vectors, and queries prepared to be scored against them.
//!
//! Every metric becomes one form. A vector enters a *code space*: cosine normalises it, inner
//! product with unequal norms appends `sqrt(M^2 - |x|^2)` so that all norms are M, squared L2
//! takes it as it is. In code space `x = c + P'y`, with the centroid `c` and a rotation `P`; the
//! code keeps `y`. Then
//! `score(q, x) = base + C * |y|^2 + A * <Pq, y>` with constants of the query and the metric.

pub(crate) mod layout;
pub(crate) mod pairs;
pub(crate) mod quantizer;
pub(crate) mod query;
pub(crate) mod rotation;

pub(crate) use layout::Layout;
pub(crate) use quantizer::{Quantizer, SpaceParams};
pub(crate) use query::Query;
