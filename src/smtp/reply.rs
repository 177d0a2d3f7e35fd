//! Replies (RFC 5321 4.2): a code of three digits and lines of text.

/// A whole reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The code: 200 to 599.
    pub code: u16,
    /// The text of each line without code, separator and line end; raw, each cut to [`text::KEPT`](crate::text::KEPT).
    pub lines: Vec<Vec<u8>>,
}
