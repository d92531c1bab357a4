//! The private module behind the Python package `nearfield`.
