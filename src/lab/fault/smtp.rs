//! What a mail server can get wrong on purpose (RFC 5321, RFC 3207), by the word that a `.world` file uses for it.

use std::net::Ipv4Addr;

use super::TlsFault;

/// What goes wrong in a conversation with a mail server. SMTP names nobody before TLS, so each fault has addresses of its
/// own, and so has each number that one takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SmtpFault {
    /// The connection, or the TLS handshake behind a good STARTTLS.
    Tls(TlsFault),
    /// This code in the greeting, such as 421, 450 or 554.
    Banner(u16),
    /// 421 to the first so many connections at the address.
    Flaky(u16),
    /// The greeting comes after so many milliseconds.
    Delay(u16),
    /// No greeting. The number gives those an address of their own that are not to be silent together.
    BannerSilence(u16),
    /// One byte of the greeting a second.
    BannerDrip,
    /// NUL, ESC and an 8-bit letter in the greeting.
    BannerBytes,
    /// A greeting that ends with LF alone.
    BannerBareLf,
    /// Line after line of a greeting for ever.
    BannerFlood,
    /// One line of a greeting for ever.
    BannerEndlessLine,
    /// A lawful greeting of several lines.
    BannerMultiline,
    /// The code changes inside the greeting.
    CodeChanges,
    /// HTTP in place of a greeting.
    NotSmtpHttp,
    /// An SSH banner in place of a greeting.
    NotSmtpSsh,
    /// TLS from the first byte.
    TlsFirst,
    /// Closed in place of a greeting.
    CloseOnConnect,
    /// Reset in place of a greeting.
    Reset,
    /// No STARTTLS.
    NoStarttls,
    /// The keyword in lower case, which is as good.
    LowerCase,
    /// Keyword after keyword for ever.
    EhloFlood,
    /// No answer to EHLO.
    EhloSilence,
    /// Closed in place of an answer to EHLO.
    EhloClose,
    /// 502 to EHLO; HELO works.
    EhloRefused,
    /// This code to EHLO and to HELO.
    EhloHeloRefused(u16),
    /// This code to STARTTLS, such as 454 or 501.
    StarttlsRefused(u16),
    /// 454 to STARTTLS on the first so many connections at the address.
    StarttlsFlaky(u16),
    /// Closed in place of an answer to STARTTLS.
    StarttlsClose,
    /// No answer to STARTTLS.
    StarttlsSilence,
    /// A second reply in the clear, in one segment with the one to STARTTLS.
    Injection,
    /// The reply to EHLO comes with the greeting, before it is asked for.
    Early,
    /// STARTTLS is offered again within TLS.
    StarttlsAgain,
    /// EHLO is refused within TLS.
    FailsWithinTls,
    /// Closed in place of an answer to EHLO within TLS.
    ClosesWithinTls,
}

/// The faults without a number: their words, and the order of their addresses.
const PLAIN: &[(&str, SmtpFault)] = &[
    ("banner-drip", SmtpFault::BannerDrip),
    ("banner-bytes", SmtpFault::BannerBytes),
    ("banner-bare-lf", SmtpFault::BannerBareLf),
    ("banner-flood", SmtpFault::BannerFlood),
    ("banner-endless-line", SmtpFault::BannerEndlessLine),
    ("banner-multiline", SmtpFault::BannerMultiline),
    ("code-changes", SmtpFault::CodeChanges),
    ("not-smtp-http", SmtpFault::NotSmtpHttp),
    ("not-smtp-ssh", SmtpFault::NotSmtpSsh),
    ("tls-first", SmtpFault::TlsFirst),
    ("close-on-connect", SmtpFault::CloseOnConnect),
    ("reset", SmtpFault::Reset),
    ("no-starttls", SmtpFault::NoStarttls),
    ("lower-case", SmtpFault::LowerCase),
    ("ehlo-flood", SmtpFault::EhloFlood),
    ("ehlo-silence", SmtpFault::EhloSilence),
    ("ehlo-close", SmtpFault::EhloClose),
    ("ehlo-refused", SmtpFault::EhloRefused),
    ("starttls-close", SmtpFault::StarttlsClose),
    ("starttls-silence", SmtpFault::StarttlsSilence),
    ("injection", SmtpFault::Injection),
    ("starttls-again", SmtpFault::StarttlsAgain),
    ("early", SmtpFault::Early),
    ("fails-within-tls", SmtpFault::FailsWithinTls),
    ("closes-within-tls", SmtpFault::ClosesWithinTls),
];

impl SmtpFault {
    /// Reads the words of a fault: its name and its number, or `tls` and those of a TLS fault.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (word, number) = text.split_once(' ').map_or((text, None), |(word, number)| (word, Some(number)));
        if word == "tls" {
            return Self::tls(number?);
        }
        let number = match number {
            Some(number) => Some(number.parse::<u16>().ok()?),
            None => None,
        };
        let code = || number.filter(|code| (200..600).contains(code));
        Some(match word {
            "banner" => Self::Banner(code()?),
            "banner-silence" => Self::BannerSilence(number?),
            "flaky" => Self::Flaky(number?),
            "delay" => Self::Delay(number?),
            "ehlo-helo-refused" => Self::EhloHeloRefused(code()?),
            "starttls-refused" => Self::StarttlsRefused(code()?),
            "starttls-flaky" => Self::StarttlsFlaky(number?),
            "refused" | "backlog" | "unreachable" => Self::Tls(TlsFault::read(word, number.map(u64::from))?),
            _ => PLAIN.iter().find(|(plain, _)| *plain == word && number.is_none())?.1,
        })
    }

    /// Reads the words of a TLS fault.
    #[must_use]
    pub fn tls(text: &str) -> Option<Self> {
        let (word, number) = text.split_once(' ').map_or((text, None), |(word, number)| (word, Some(number)));
        let number = match number {
            Some(number) => Some(number.parse().ok()?),
            None => None,
        };
        TlsFault::read(word, number).map(Self::Tls)
    }

    /// The address of the listener that has this fault: 127.12.0.x, or 127.(13 and up) with the number behind it.
    #[must_use]
    pub fn address(self) -> Ipv4Addr {
        let numbered = |second: u8, number: u16| {
            let [high, low] = number.to_be_bytes();
            Ipv4Addr::new(127, second, high, low)
        };
        match self {
            Self::Tls(fault) => fault.address(),
            Self::Banner(code) => numbered(13, code),
            Self::Flaky(times) => numbered(14, times),
            Self::Delay(ms) => numbered(15, ms),
            Self::EhloHeloRefused(code) => numbered(16, code),
            Self::StarttlsRefused(code) => numbered(17, code),
            Self::StarttlsFlaky(times) => numbered(18, times),
            Self::BannerSilence(number) => numbered(19, number),
            plain => {
                // Every fault without a number stands in the table, which a test holds, and the table is short.
                let place = PLAIN.iter().position(|(_, fault)| *fault == plain).unwrap_or_default();
                Ipv4Addr::new(127, 12, 0, u8::try_from(place + 1).unwrap_or(u8::MAX))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_fault_has_an_address_of_its_own() {
        let texts = [
            "banner 421",
            "banner 554",
            "flaky 1",
            "banner-silence 1",
            "banner-silence 2",
            "delay 500",
            "ehlo-helo-refused 502",
            "starttls-refused 454",
            "starttls-flaky 1",
            "tls old-only",
            "tls alert 40",
            "refused",
            "backlog",
            "unreachable",
        ];
        let texts: Vec<&str> = texts.into_iter().chain(PLAIN.iter().map(|(word, _)| *word)).collect();
        let faults: Vec<SmtpFault> =
            texts.iter().map(|text| SmtpFault::read(text).unwrap_or_else(|| panic!("{text}"))).collect();
        let addresses: BTreeSet<Ipv4Addr> = faults.iter().map(|fault| fault.address()).collect();
        assert_eq!(addresses.len(), faults.len());
        for text in
            ["", "banner", "banner 99", "no-starttls 1", "delay x", "tls", "tls nonsense", "refused 1", "injektion"]
        {
            assert_eq!(SmtpFault::read(text), None, "{text}");
        }
    }
}
