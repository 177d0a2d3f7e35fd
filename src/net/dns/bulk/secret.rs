//! Secrets: what a blind forger has to guess of each question, its id and the case of its letters (RFC 5452 9.2).

use crate::error::Error;

/// Random octets drawn at a time: a call of the system for each question would cost more than the question.
const BLOCK: usize = 4096;
/// Octets of one secret: 16 bits of id, 48 of case.
const SECRET: usize = 8;

/// A source of secrets, from the generator of the operating system.
pub(super) struct Secrets {
    block: Box<[u8; BLOCK]>,
    used: usize,
}

impl Secrets {
    /// Draws the first block.
    pub(super) fn new() -> Result<Self, Error> {
        let mut secrets = Self { block: Box::new([0; BLOCK]), used: 0 };
        secrets.refill()?;
        Ok(secrets)
    }

    /// Makes sure that so many can be drawn without calling the system, at most a block of them.
    pub(super) fn refill(&mut self) -> Result<(), Error> {
        getrandom::fill(&mut self.block[..]).map_err(|error| Error::Internal(format!("no randomness: {error}")))?;
        self.used = 0;
        Ok(())
    }

    /// The next one.
    pub(super) fn draw(&mut self) -> Result<u64, Error> {
        if self.used == BLOCK {
            self.refill()?;
        }
        let octets = self.block[self.used..].first_chunk::<SECRET>().expect("a block is a whole number of secrets");
        let secret = u64::from_le_bytes(*octets);
        self.used += SECRET;
        Ok(secret)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_secret_comes_twice() {
        let mut secrets = Secrets::new().unwrap();
        let drawn: HashSet<u64> = (0..2000).map(|_| secrets.draw().unwrap()).collect();
        assert_eq!(drawn.len(), 2000);
    }
}
