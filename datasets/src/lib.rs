//! Readers of vector files and seeded generators.
