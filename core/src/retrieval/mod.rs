//! Answers a request over one view: which points are eligible, in what order, and how they are
//! found. Pure: it reads segments and knows no lock, no clock and no thread.

mod band;
pub(crate) mod cap;
mod eligible;
pub(crate) mod groups;
mod ranked;
mod ranking;
mod scan;
pub(crate) mod score;
mod seek;
mod top;
mod trace;
mod walk;
pub(crate) mod way;

pub(crate) use crate::graph::hop::Stop;
pub(crate) use band::Band;
pub(crate) use eligible::Eligible;
pub(crate) use groups::Groups;
pub(crate) use ranked::Order;
pub(crate) use ranking::Ranking;
pub(crate) use scan::scan;
pub(crate) use score::Scorer;
pub(crate) use top::{Hit, Top, better};
pub(crate) use trace::{Note, Trace};
pub(crate) use walk::{Asked, Walk, WalkScratch};
pub(crate) use way::{Target, Way};
