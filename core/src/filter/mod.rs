//! Filters: SQL text, checked against the schema ([`compile`]), becomes a typed [`Plan`], which
//! becomes a set of slots of a segment ([`plan::Bound::evaluate`]).
//!
//! The crate `sqlparser` cuts the text into tokens and climbs the precedences of SQL; [`dialect`]
//! tells it what a filter is made of, so that nothing else gets through. Logic is three-valued:
//! what compares with null is unknown, and only what is true is kept. A plan has no negation but at
//! its leaves ([`plan`]), so that evaluating it needs the true rows of each part only.
//!
//! Pure: no lock, no clock. Plans and sets are cached by `collection`.

mod compare;
mod compile;
mod dialect;
mod evaluate;
mod fault;
mod like;
mod names;
mod number;
mod operand;
mod parse;
mod plan;
#[cfg(test)]
mod speed;
#[cfg(test)]
mod tests;
mod time;

pub(crate) use compile::compile;
pub(crate) use plan::Plan;

/// Longest text, in bytes.
pub(crate) const TEXT_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting of parentheses and NOTs.
pub(crate) const DEPTH_MAX: usize = 64;
/// Most words, values and operators, those in lists left out.
pub(crate) const WORDS_MAX: usize = 4_096;
/// Most intervals that are added to one time.
pub(crate) const INTERVALS_MAX: usize = 16;
/// Most values of one list.
pub(crate) const LIST_MAX: usize = 65_536;
