//! The policy body (RFC 8461 3.2): lines of name and value, read by both readings.

mod html;
mod key;
mod line;

use std::borrow::Cow;
use std::collections::HashSet;

use crate::finding::{Code, Finding, Gather, Reading, policy};
use crate::sts::pattern::Pattern;
use line::Field;

/// The most seconds that a max_age may say (RFC 8461 3.2): a Julian year and a quarter of a day.
pub const MAX_AGE_MAX: u32 = 31_557_600;
/// The most digits of a max_age: `1*10(DIGIT)`.
pub const MAX_AGE_DIGITS: usize = 10;
/// Seconds under which a max_age hardly outlives one failed fetch: RFC 8461 10.2 speaks of weeks.
const MAX_AGE_SHORT: u32 = 86_400;
/// More mx than this are no list that somebody keeps by hand (HOSTILE.md 120).
const MX_MANY: usize = 100;

/// What a sender does with mail that cannot be delivered as the policy asks (RFC 8461 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Refuse.
    Enforce,
    /// Deliver, and report.
    Testing,
    /// Behave as without a policy.
    None,
}

impl Mode {
    /// The word of the policy.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Testing => "testing",
            Self::None => "none",
        }
    }

    /// `%s"testing" / %s"enforce" / %s"none"`: case-sensitive.
    fn parse(value: &str) -> Option<Self> {
        [Self::Enforce, Self::Testing, Self::None].into_iter().find(|mode| mode.word() == value)
    }
}

/// A policy that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What a sender does.
    pub mode: Mode,
    /// Seconds for which the policy may be kept, at most [`MAX_AGE_MAX`].
    pub max_age: u32,
    /// The usable mx, in the order of the policy.
    pub mx: Vec<Pattern>,
    /// The lawful unknown fields, in the order of the policy.
    pub extensions: Vec<(String, String)>,
}

/// Reads a policy body.
#[must_use]
pub fn read(body: &[u8]) -> Reading<Policy> {
    let mut gather = Gather::default();
    let text = match str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(error) => {
            let offset = error.valid_up_to();
            let text = String::from_utf8_lossy(body);
            let line = line::number(&text, offset);
            gather.add(policy::UTF8, |finding| finding.with("line", line).with("offset", offset));
            text
        }
    };
    let text = text.strip_prefix('\u{feff}').inspect(|_| gather.add(policy::BOM, on(1))).unwrap_or(&text);
    if text.trim().is_empty() {
        gather.add(policy::EMPTY, |finding| finding.with("bytes", body.len()));
        return Reading::new(None, gather.into_findings("line"));
    }
    // What else would be wrong with a web page, line by line, is no news.
    if let Some(line) = html::found(text) {
        gather.add(policy::HTML, on(line));
        return Reading::new(None, gather.into_findings("line"));
    }
    let mut reader = Reader::default();
    for field in line::fields(text, &mut gather) {
        reader.field(&field, &mut gather);
    }
    let value = reader.finish(&mut gather);
    Reading::new(value, gather.into_findings("line"))
}

/// Places a finding on a line, counted from 1.
fn on(line: usize) -> impl FnOnce(Finding) -> Finding {
    move |finding| finding.with("line", line)
}

/// A field that is required once: not there yet, there and malformed, or there.
type Once<T> = Option<Option<T>>;

/// What was read so far.
#[derive(Default)]
struct Reader<'a> {
    version: Once<()>,
    mode: Once<Mode>,
    /// Whether the mode is meant to be none, well written or not.
    means_none: bool,
    max_age: Once<u32>,
    mx: Vec<Pattern>,
    mx_lines: usize,
    /// The line of each of `mx`.
    mx_places: Vec<usize>,
    names: HashSet<&'a str>,
    extensions: Vec<(String, String)>,
}

impl<'a> Reader<'a> {
    fn field(&mut self, field: &Field<'a>, gather: &mut Gather) {
        // RFC 8461 3.2: of fields that stand twice, all but the first are ignored, unless they are mx.
        if field.name != "mx" && !self.names.insert(field.name) {
            gather.add(policy::FIELD_DUPLICATE, |finding| field.describe(finding));
            return;
        }
        if field.has_control() {
            gather.add(policy::NUL, |finding| field.describe(finding));
        }
        match field.name {
            "version" => self.version = Some(self.version(field, gather)),
            "mode" => self.mode = Some(self.mode(field, gather)),
            "max_age" => self.max_age = Some(max_age(field, gather)),
            "mx" => self.mx(field, gather),
            _ => self.extension(field, gather),
        }
    }

    /// `%s"STSv1"`: case-sensitive.
    fn version(&self, field: &Field<'a>, gather: &mut Gather) -> Option<()> {
        if !field.first {
            gather.add(policy::VERSION_NOT_FIRST, |finding| field.describe(finding));
        }
        let known = field.value == "STSv1";
        if !known {
            gather.add(policy::VERSION_VALUE, |finding| field.describe(finding));
        }
        known.then_some(())
    }

    fn mode(&mut self, field: &Field<'a>, gather: &mut Gather) -> Option<Mode> {
        let mode = Mode::parse(field.value);
        self.means_none = field.value.eq_ignore_ascii_case(Mode::None.word());
        if mode.is_none() {
            gather.add(policy::MODE_VALUE, |finding| field.describe(finding));
        }
        mode
    }

    fn mx(&mut self, field: &Field<'a>, gather: &mut Gather) {
        self.mx_lines += 1;
        let (pattern, findings) = Pattern::parse(field.value);
        for finding in findings {
            gather.push(finding.with("line", field.line));
        }
        if let Some(pattern) = pattern {
            self.mx.push(pattern);
            self.mx_places.push(field.line);
        }
    }

    /// The mx that stand twice.
    fn duplicates(&self, gather: &mut Gather) {
        let mut seen = HashSet::with_capacity(self.mx.len());
        for (pattern, line) in self.mx.iter().zip(&self.mx_places) {
            if !seen.insert(pattern.as_str()) {
                gather.add(policy::MX_DUPLICATE, |finding| finding.about(pattern.as_str()).with("line", *line));
            }
        }
    }

    fn extension(&mut self, field: &Field<'a>, gather: &mut Gather) {
        let lawful = field.is_extension();
        let near = key::near_miss(field.name);
        if !lawful {
            gather.add(policy::EXTENSION_SYNTAX, |finding| field.describe(finding));
        }
        // A near miss is named instead of the note that the field is unknown.
        if let Some((code, meant)) = near {
            gather.add(code, |finding| field.describe(finding).with("expected", meant));
        } else if lawful {
            gather.add(policy::EXTENSION, |finding| field.describe(finding));
        }
        if lawful {
            self.extensions.push((field.name.to_owned(), field.value.to_owned()));
        }
    }

    /// What the policy lacks, and the policy.
    fn finish(self, gather: &mut Gather) -> Option<Policy> {
        self.duplicates(gather);
        let mut missing = |missing: bool, code: Code| {
            if missing {
                gather.add(code, |finding| finding);
            }
        };
        missing(self.version.is_none(), policy::VERSION_MISSING);
        missing(self.mode.is_none(), policy::MODE_MISSING);
        missing(self.max_age.is_none(), policy::MAX_AGE_MISSING);
        // RFC 8461 3.2: mx stands once or more, unless the mode is none.
        missing(!self.means_none && self.mx_lines == 0, policy::MX_MISSING);
        missing(!self.means_none && self.mx_lines > 0 && self.mx.is_empty(), policy::MX_UNUSABLE);
        missing(self.means_none && self.mx_lines > 0, policy::MX_UNDER_NONE);
        if self.mx_lines > MX_MANY {
            gather.add(policy::MX_MANY, |finding| finding.with("mx", self.mx_lines));
        }
        let max_age = self.max_age.flatten()?;
        if max_age < MAX_AGE_SHORT && !self.means_none {
            gather.add(policy::MAX_AGE_SHORT, |finding| finding.with("max_age", max_age));
        }
        self.version.flatten()?;
        Some(Policy { mode: self.mode.flatten()?, max_age, mx: self.mx, extensions: self.extensions })
    }
}

/// `1*10(DIGIT)`. The prose of RFC 8461 3.2 has a maximum that the ABNF has not (erratum 7282): more is capped.
fn max_age(field: &Field<'_>, gather: &mut Gather) -> Option<u32> {
    let digits = field.value;
    let lawful = (1..=MAX_AGE_DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let Some(seconds) = digits.parse::<u64>().ok().filter(|_| lawful) else {
        gather.add(policy::MAX_AGE_VALUE, |finding| field.describe(finding));
        return None;
    };
    match u32::try_from(seconds) {
        Ok(seconds) if seconds <= MAX_AGE_MAX => Some(seconds),
        _ => {
            gather.add(policy::MAX_AGE_OVER, |finding| field.describe(finding));
            Some(MAX_AGE_MAX)
        }
    }
}

#[cfg(test)]
mod tests;
