//! `stscan codes` (being written)
