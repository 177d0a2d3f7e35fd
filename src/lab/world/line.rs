//! One line of a world file: its words, and records in the syntax of zone files (RFC 1035 5.1).

use super::escape::unescape;
use super::{Address, Association, Data, Tlsa, rtype};
use crate::lab::fault::SmtpFault;

/// The words of a line, one after the other; what is left is the rest.
pub(super) struct Words<'a>(pub(super) &'a str);

impl<'a> Words<'a> {
    pub(super) fn next(&mut self) -> Result<&'a str, String> {
        let (word, rest) = self.0.split_once(char::is_whitespace).unwrap_or((self.0, ""));
        self.0 = rest.trim_start();
        if word.is_empty() { Err("the line ends too early".to_owned()) } else { Ok(word) }
    }
}

/// A number of whatever type fits.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is no number that fits"))
}

/// The number of a record type that worlds can have.
pub(super) fn record_type(word: &str) -> Result<u16, String> {
    Ok(match word {
        "A" => rtype::A,
        "AAAA" => rtype::AAAA,
        "CNAME" => rtype::CNAME,
        "MX" => rtype::MX,
        "TXT" => rtype::TXT,
        "TLSA" => rtype::TLSA,
        _ => return Err(format!("unknown record type {word}")),
    })
}

/// The data of a record, behind the word of its type.
pub(super) fn data(word: &str, text: &str) -> Result<Data, String> {
    let name =
        |text: &str| text.strip_suffix('.').map(str::to_owned).ok_or_else(|| format!("{text} must end with a dot"));
    Ok(match record_type(word)? {
        rtype::A => Data::A(address(text)?),
        rtype::AAAA => Data::Aaaa(text.parse().map_err(|_| format!("{text} is no IPv6 address"))?),
        rtype::CNAME => Data::Cname(name(text)?),
        rtype::MX => {
            let (preference, host) = text.split_once(' ').ok_or("an MX record has a preference and a host")?;
            Data::Mx(number(preference)?, name(host)?)
        }
        rtype::TLSA => tlsa(text)?,
        _ => Data::Txt(strings(text)?),
    })
}

/// `$A`, `$A next`, `$A` and a fault of mail servers, or an IPv4 address.
fn address(text: &str) -> Result<Address, String> {
    let Some(kind) = text.strip_prefix("$A") else {
        return text.parse().map(Address::Fixed).map_err(|_| format!("{text} is no IPv4 address"));
    };
    match kind.trim_start() {
        "" => Ok(Address::Own),
        "next" => Ok(Address::Next),
        fault => SmtpFault::read(fault).map(Address::Faulty).ok_or_else(|| format!("unknown SMTP fault {fault}")),
    }
}

/// `USAGE SELECTOR MATCHING right|root|stale|HEX`, or quoted bytes that are the whole of the data.
fn tlsa(text: &str) -> Result<Data, String> {
    if text.starts_with('"') {
        return Ok(Data::Raw(rtype::TLSA, unescape(quoted(text)?)?));
    }
    let mut words = Words(text);
    let (usage, selector, matching) = (number(words.next()?)?, number(words.next()?)?, number(words.next()?)?);
    let association = match words.0 {
        "right" => Association::Right,
        "root" => Association::Root,
        "stale" => Association::Stale,
        digits => Association::Fixed(hexadecimal(digits)?),
    };
    Ok(Data::Tlsa(Tlsa { usage, selector, matching, association }))
}

fn hexadecimal(digits: &str) -> Result<Vec<u8>, String> {
    let bad = || format!("{digits:?} is neither right, root, stale nor hexadecimal");
    if digits.is_empty() || !digits.is_ascii() {
        return Err(bad());
    }
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or(""));
    pairs.map(|pair| u8::from_str_radix(pair, 16).ok().filter(|_| pair.len() == 2).ok_or_else(bad)).collect()
}

/// The quoted character-strings of a TXT record.
fn strings(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut strings = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = closing_quote(rest).ok_or_else(|| format!("{rest} is no quoted text"))?;
        strings.push(unescape(&rest[1..end])?);
        rest = rest[end + 1..].trim_start();
    }
    if strings.is_empty() { Err("a TXT record has a text".to_owned()) } else { Ok(strings) }
}

/// The text between quotation marks that are the whole of it.
pub(super) fn quoted(text: &str) -> Result<&str, String> {
    match closing_quote(text) {
        Some(end) if end + 1 == text.len() => Ok(&text[1..end]),
        _ => Err(format!("{text} is no quoted text")),
    }
}

/// Where the quotation mark stands that closes the one at the beginning.
fn closing_quote(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = if bytes.first() == Some(&b'"') { 1 } else { return None };
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}
