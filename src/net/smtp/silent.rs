//! Addresses that did not answer several mail hosts in a row: whoever stands there is not waited for again and again.
//!
//! Thousands of tenants may have a mail host of their own name at one address. If nobody answers there, each of them would
//! hold its place at the address for the whole time of a greeting, and the scan with it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::finding::{Code, smtp, tcp, tls};

/// Conversations in a row that end in silence before the next is not begun: one may be chance.
const IN_A_ROW: u8 = 3;
/// How long nobody is asked at such an address; then one is let through to see.
const REST: Duration = Duration::from_secs(60);
/// Addresses that are remembered, at some 50 bytes each; beyond, those whose rest is over are forgotten.
const KEPT: usize = 65_536;

/// How silence ends a conversation.
const SILENCE: [Code; 4] = [tcp::TIMEOUT, smtp::BANNER_TIMEOUT, smtp::TIMEOUT, tls::TIMEOUT];

/// The addresses. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Silent(Arc<Mutex<HashMap<IpAddr, Silence>>>);

#[derive(Clone, Copy, Debug)]
struct Silence {
    in_a_row: u8,
    last: Instant,
}

impl Silent {
    /// Whether nobody is to be asked there now.
    pub(super) fn rests(&self, address: IpAddr, now: Instant) -> bool {
        let addresses = self.addresses();
        addresses.get(&address).is_some_and(|silence| silence.in_a_row >= IN_A_ROW && now < silence.last + REST)
    }

    /// Notes how a conversation ended: by this code, if it ended early.
    pub(super) fn note(&self, address: IpAddr, end: Option<Code>, now: Instant) {
        let mut addresses = self.addresses();
        if !end.is_some_and(|code| SILENCE.contains(&code)) {
            addresses.remove(&address);
            return;
        }
        if addresses.len() >= KEPT {
            addresses.retain(|_, silence| now < silence.last + REST);
        }
        if addresses.len() < KEPT || addresses.contains_key(&address) {
            let silence = addresses.entry(address).or_insert(Silence { in_a_row: 0, last: now });
            *silence = Silence { in_a_row: silence.in_a_row.saturating_add(1), last: now };
        }
    }

    fn addresses(&self) -> MutexGuard<'_, HashMap<IpAddr, Silence>> {
        // A panic while the lock was held can only have miscounted.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_rests_after_some_silence_and_is_tried_again() {
        let (silent, now) = (Silent::default(), Instant::now());
        let (here, there) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for _ in 0..IN_A_ROW {
            assert!(!silent.rests(here, now));
            silent.note(here, Some(smtp::BANNER_TIMEOUT), now);
        }
        assert!(silent.rests(here, now) && !silent.rests(there, now));
        assert!(!silent.rests(here, now + REST));
        silent.note(here, Some(tcp::TIMEOUT), now + REST);
        assert!(silent.rests(here, now + REST));
        for answer in [None, Some(tcp::REFUSED), Some(smtp::NO_STARTTLS), Some(smtp::BANNER_4XX)] {
            (0..IN_A_ROW).for_each(|_| silent.note(there, Some(tcp::TIMEOUT), now));
            silent.note(there, answer, now);
            assert!(!silent.rests(there, now), "{answer:?}");
        }
    }
}
