//! Python objects to the types of core, and Arrow arrays to numpy.
//!
//! The Python package has normalised what it hands over: numpy arrays are contiguous and of
//! native byte order, other sequences are lists, the rest speaks the Arrow C interface. Nothing
//! here trusts that: every other object is an error.

mod arrow;
mod attributes;
mod ids;
mod lists;
mod to_numpy;
mod vectors;

pub use attributes::attributes;
pub use ids::ids;
pub use to_numpy::to_numpy;
pub use vectors::Matrix;
