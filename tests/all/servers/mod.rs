//! Real servers, as people run them, against what we say of them.

mod nginx;
mod openssl;
