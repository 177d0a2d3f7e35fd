//! stscan measures how the Internet deploys MTA-STS (RFC 8461).
//!
//! This page is the map. The modules stand in reading order, which is the order of dependency: a module names only
//! modules above it, and a test (`tests/all/order.rs`) holds that.

// words
pub mod text;

pub mod finding;

pub mod failure;

pub mod error;

pub mod name;

pub mod target;

pub mod column;

// rules: bytes and values in, readings out
pub mod cert;
pub mod dane;
pub mod smtp;
pub mod sts;
pub mod tlsrpt;

pub mod lint;

// network: the only door to the Internet
pub mod net;

// probes: one story a file
pub mod probe;

pub mod discover;
pub mod survey;

// run
pub mod list;
pub mod store;

pub mod progress;
pub mod scan;

// lab: the simulated Internet; knows nothing of the rules
pub mod lab;

// shell
pub mod cli;
