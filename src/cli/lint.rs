//! `stscan lint` (being written)
