//! The conversation with a mail host up to STARTTLS (RFC 5321, RFC 3207): replies in, orders out. No socket, no clock.

pub mod reply;
pub mod talk;
