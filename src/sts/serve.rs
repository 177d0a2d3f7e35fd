//! How the policy is served (RFC 8461 3.2, 3.3): status, media type, encoding, size.

/// Bytes of body that count (RFC 8461 3.3 suggests 64 KiB as the limit).
pub const BODY_MAX: usize = 65_536;

/// What the policy host answered, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Every `Content-Type` header, raw.
    pub content_types: Vec<Vec<u8>>,
    /// Every `Content-Encoding` header, raw.
    pub content_encodings: Vec<Vec<u8>>,
    /// The `Location` header, at most 2 KiB of it.
    pub location: Option<Vec<u8>>,
    /// The body, at most [`BODY_MAX`] bytes.
    pub body: Vec<u8>,
    /// Whether the body went on beyond [`BODY_MAX`].
    pub body_cut: bool,
}
