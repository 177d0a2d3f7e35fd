//! Which addresses may be connected to.

/// The address guard.
#[derive(Clone, Debug, Default)]
pub struct Reach {}
