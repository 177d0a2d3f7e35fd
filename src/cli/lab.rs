//! `stscan lab` (being written)
