//! `stscan list` (being written)
