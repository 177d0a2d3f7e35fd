//! stscan measures how the Internet deploys MTA-STS (RFC 8461).
//!
//! This page is the map. The modules stand in reading order, which is the order of dependency: a module names only
//! modules above it, and a test (`tests/all/order.rs`) holds that.
//!
//! # Glossary
//!
//! - **finding**: the world broke or bent a rule. **failure**: we could not see. **error**: we are broken. Never mixed.
//! - **strict**, **effective**: the two readings of every grammar; an effective reading is what a tolerant but safe sender uses.
//! - **announced**: a record is meant to announce a policy, well or badly. **usable**: a sender may use it.
//! - **policy host**: `mta-sts.<domain>`. **mail host**: what an MX record names, or the domain itself where there is none.
//! - **Seen**: the evidence of a probe. **Judged**: the evidence with what it says. **place**: whose server or record a finding
//!   is about, the domain's own or one of its mail hosts.
//! - **session**: one attempt at one address of a mail host. **sight**: what was seen of one thing: it passed, is broken, was
//!   unseen, or was not asked for.
//! - **outcome**: what mail to a domain comes to. **verdict** (of delivery): what a sender does with it; (of a certificate) what
//!   it is worth.
//! - **outlook**: whether mail hosts can be reached from here at all.
//! - **world**: one kind of deployment in the lab, with its **truth**; a **member** is a domain of it, a **specimen** the one
//!   that is named after it.

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
