//! All tests that use stscan from outside, in one binary (one link).
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

mod addresses;
mod bulk;
mod check;
mod command;
mod dane;
mod dataset;
mod demo;
mod dns;
mod export;
mod fetch;
mod lab;
mod lint;
mod lists;
mod order;
mod policies;
mod queries;
mod scale;
mod servers;
mod shared_hosts;
mod smtp;
