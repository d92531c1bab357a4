//! Quantised codes of vectors, and queries prepared to be scored against them.
//!
//! Every metric becomes one form. A vector enters a *code space*: cosine normalises it, inner
//! product with unequal norms appends `sqrt(M^2 - |x|^2)` so that all norms are M, squared L2
//! takes it as it is. In code space `x = c + P'y`, with the centroid `c` and a rotation `P`; the
//! refine row keeps `y`. Then, with `z` the query in the place of `y`,
//! `score(q, x) = base + C * |y|^2 + A * <z, y>` with constants of the query and the metric.
//!
//! Low-bit codes keep what is left of `y` beside the mean `m` of its cluster, `r = y - m`, as an
//! estimate `e` of it. `<z, y> = <z, m> + <z - m, r> + <m, r>`; estimated as `<z, m> + <z, e> +
//! <m, r - e>`, whose last term the record keeps, it errs by `<z - m, e - r>` alone: little where
//! the query is in the same cluster.

pub(crate) mod layout;
pub(crate) mod means;
pub(crate) mod pairs;
pub(crate) mod quantizer;
pub(crate) mod query;
pub(crate) mod rotation;

pub(crate) use layout::Layout;
pub(crate) use means::Means;
pub(crate) use quantizer::{Quantizer, SpaceParams};
pub(crate) use query::Query;
