//! `stscan columns` (being written)
