//! MTA-STS itself (RFC 8461): record, policy, mx patterns, how the policy is served, and what a sender makes of it all.

pub(crate) mod txt;

pub mod pattern;
pub mod policy;
pub mod record;
pub mod sender;
pub mod serve;
