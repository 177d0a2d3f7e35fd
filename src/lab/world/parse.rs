//! The format of `.world` files: strict, by line, with the line number in every error.

use std::collections::BTreeSet;

use super::escape::unescape;
use super::line::{Words, data, number, quoted, record_type};
use super::{FaultyQuestion, Host, MailHost, Record, Truth, World};
use crate::error::Error;
use crate::lab::fault::{CertKind, DnsFault, HttpFault, SmtpFault, TlsFault};

/// The most records that one line may stand for: enough for an MX set beyond any bound.
const REPEAT_MAX: usize = 2_000;

/// Reads the worlds of one file.
///
/// # Errors
/// [`Error::Input`] with file and line for the first line that makes no sense.
pub fn parse(text: &str, file: &str) -> Result<Vec<World>, Error> {
    parse_more(text, file, &[])
}

/// Reads the worlds of one more file: `like` may name the earlier worlds too, and no name may stand twice.
///
/// # Errors
/// [`Error::Input`] with file and line for the first line that makes no sense.
pub fn parse_more(text: &str, file: &str, earlier: &[World]) -> Result<Vec<World>, Error> {
    let mut parser = Parser { earlier, done: Vec::new(), draft: None };
    for (index, line) in text.lines().enumerate() {
        parser.line(line).map_err(|why| Error::Input(format!("{file}:{}: {why}", index + 1)))?;
    }
    parser.finish().map_err(|why| Error::Input(format!("{file}: at the end: {why}")))?;
    Ok(parser.done)
}

/// The part of a world that the next line belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Head,
    Dns,
    /// The host of this index; the body is being read, or not.
    Https(usize, Option<Body>),
    /// The mail host of this index.
    Smtp(usize),
    /// The truth, of a deep scan or not.
    Truth(bool),
}

/// How the lines of a body end.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Body {
    crlf: bool,
    /// Whether the last line has no end.
    open: bool,
}

/// A world in the making.
struct Draft {
    world: World,
    section: Section,
    has_truth: bool,
}

struct Parser<'a> {
    earlier: &'a [World],
    done: Vec<World>,
    draft: Option<Draft>,
}

impl Parser<'_> {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim_start();
        if let Some(text) = line.strip_prefix('|') {
            return self.draft()?.body_line(text.strip_prefix(' ').unwrap_or(text));
        }
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim_start();
        if word == "world" {
            self.finish()?;
            return self.begin(rest);
        }
        if word == "like" {
            return self.like(rest);
        }
        let draft = self.draft()?;
        match (draft.section, word) {
            (_, "dns") if rest.is_empty() => draft.section = Section::Dns,
            (_, "https") => draft.host(rest)?,
            (_, "smtp") => draft.mail_host(rest)?,
            (_, "truth") => draft.begin_truth(rest)?,
            (_, "fault") if rest.starts_with("dns ") => draft.dns_fault(&rest[4..])?,
            (Section::Head, _) => draft.head(word, rest)?,
            (Section::Dns, _) => draft.record(line)?,
            (Section::Https(index, _), _) => draft.https(index, word, rest)?,
            (Section::Smtp(index), _) => draft.smtp(index, word, rest)?,
            (Section::Truth(deep), _) => draft.truth(deep).line(word, rest)?,
        }
        Ok(())
    }

    fn draft(&mut self) -> Result<&mut Draft, String> {
        self.draft.as_mut().ok_or_else(|| "a line before the first world".to_owned())
    }

    fn begin(&mut self, name: &str) -> Result<(), String> {
        let lawful = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.is_empty() || name.len() > 50 || !name.bytes().all(lawful) {
            return Err(format!("{name:?} is no name of a world: up to 50 lower-case letters, digits and hyphens"));
        }
        if self.known(name).is_some() {
            return Err(format!("the world {name} stands twice"));
        }
        let world = World {
            name: name.to_owned(),
            about: String::new(),
            weight: 0,
            domain: None,
            secure: false,
            exceptions: Vec::new(),
            records: Vec::new(),
            faults: Vec::new(),
            hosts: Vec::new(),
            mail: Vec::new(),
            truth: Truth::default(),
            deep: None,
        };
        self.draft = Some(Draft { world, section: Section::Head, has_truth: false });
        Ok(())
    }

    /// Begins with the records, faults and hosts of an earlier world.
    fn like(&mut self, name: &str) -> Result<(), String> {
        let model = self.known(name).ok_or_else(|| format!("no earlier world is named {name}"))?.clone();
        let draft = self.draft()?;
        let World { records, hosts, mail, .. } = &draft.world;
        if !records.is_empty() || !hosts.is_empty() || !mail.is_empty() {
            return Err("like stands before dns, https and smtp".to_owned());
        }
        draft.world.secure = model.secure;
        draft.world.exceptions = model.exceptions;
        draft.world.records = model.records.into_iter().map(|r| Record { inherited: true, ..r }).collect();
        draft.world.faults = model.faults;
        draft.world.hosts = model.hosts;
        draft.world.mail = model.mail;
        Ok(())
    }

    fn known(&self, name: &str) -> Option<&World> {
        self.done.iter().chain(self.earlier).find(|world| world.name == name)
    }

    /// Ends the world in the making.
    fn finish(&mut self) -> Result<(), String> {
        let Some(draft) = self.draft.take() else { return Ok(()) };
        let world = draft.world;
        if !draft.has_truth || world.truth.outcome.is_empty() {
            return Err(format!("the world {} has no truth with an outcome", world.name));
        }
        if world.about.is_empty() {
            return Err(format!("the world {} has no about", world.name));
        }
        if world.weight > 0
            && world.domain.as_ref().is_some_and(|domain| !domain.contains("$M") && !domain.contains("$D"))
        {
            return Err(format!("the world {} has one domain and a weight for many", world.name));
        }
        self.done.push(world);
        Ok(())
    }
}

impl Draft {
    fn head(&mut self, word: &str, rest: &str) -> Result<(), String> {
        match word {
            "about" => rest.clone_into(&mut self.world.about),
            "weight" => self.world.weight = number(rest)?,
            "domain" => self.world.domain = Some(rest.to_owned()),
            _ => return Err(format!("unknown word {word}")),
        }
        Ok(())
    }

    /// `OWNER TTL TYPE DATA`, `repeat N OWNER …`, `without OWNER TYPE`, `secure [NAME]`, `insecure NAME`.
    fn record(&mut self, line: &str) -> Result<(), String> {
        let mut words = Words(line);
        let first = words.next()?;
        match first {
            "secure" if words.0.is_empty() => self.world.secure = true,
            "secure" | "insecure" => self.world.exceptions.push((words.next()?.to_owned(), first == "secure")),
            "without" => {
                let (owner, rtype) = (words.next()?, record_type(words.next()?)?);
                let before = self.world.records.len();
                self.world.records.retain(|r| !(r.owner == owner && r.data.rtype() == rtype));
                if self.world.records.len() == before {
                    return Err(format!("{owner} has no such record to go without"));
                }
            }
            "repeat" => {
                let times: usize = number(words.next()?)?;
                if times > REPEAT_MAX {
                    return Err(format!("{times} repetitions are more than {REPEAT_MAX}"));
                }
                for index in 1..=times {
                    self.record(&words.0.replace("$I", &index.to_string()))?;
                }
            }
            owner => {
                let ttl = number(words.next()?)?;
                let data = data(words.next()?, words.0)?;
                let rtype = data.rtype();
                self.world.records.retain(|r| !(r.inherited && r.owner == owner && r.data.rtype() == rtype));
                self.world.records.push(Record { owner: owner.to_owned(), ttl, data, inherited: false });
            }
        }
        Ok(())
    }

    /// `OWNER TYPE FAULT [NUMBER]`.
    fn dns_fault(&mut self, text: &str) -> Result<(), String> {
        let mut words = Words(text);
        let (owner, rtype, word) = (words.next()?.to_owned(), record_type(words.next()?)?, words.next()?);
        let argument = if words.0.is_empty() { None } else { Some(number(words.0)?) };
        let fault = DnsFault::read(word, argument).ok_or_else(|| format!("unknown DNS fault {text}"))?;
        self.world.faults.push(FaultyQuestion { owner, rtype, fault });
        Ok(())
    }

    /// Begins a host, or goes on with it where it stands already.
    fn host(&mut self, name: &str) -> Result<(), String> {
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(format!("{name:?} is no host name"));
        }
        let index = self.world.hosts.iter().position(|host| host.name == name).unwrap_or_else(|| {
            self.world.hosts.push(Host {
                name: name.to_owned(),
                cert: CertKind::Valid,
                tls: None,
                http2: false,
                status: "200 OK".to_owned(),
                headers: Vec::new(),
                body: Vec::new(),
                fault: None,
            });
            self.world.hosts.len() - 1
        });
        self.section = Section::Https(index, None);
        Ok(())
    }

    fn https(&mut self, index: usize, word: &str, rest: &str) -> Result<(), String> {
        let host = &mut self.world.hosts[index];
        match word {
            "cert" => host.cert = CertKind::read(rest).ok_or_else(|| format!("unknown kind of certificate {rest}"))?,
            "tls" => {
                let (kind, argument) = rest.split_once(' ').map_or((rest, None), |(kind, n)| (kind, Some(n)));
                let argument = argument.map(number).transpose()?;
                let fault = TlsFault::read(kind, argument).ok_or_else(|| format!("unknown TLS fault {rest}"))?;
                host.tls = Some(fault);
            }
            "http2" if rest.is_empty() => host.http2 = true,
            "status" => rest.clone_into(&mut host.status),
            "header" => {
                let (name, value) = rest.split_once(':').ok_or("a header needs a colon")?;
                host.headers.push((name.to_owned(), value.trim_start().to_owned()));
            }
            "without-header" => {
                let before = host.headers.len();
                host.headers.retain(|(name, _)| name != rest);
                if host.headers.len() == before {
                    return Err(format!("there is no header {rest} to go without"));
                }
            }
            "body" => {
                let flags: BTreeSet<&str> = rest.split_whitespace().collect();
                if let Some(flag) = flags.iter().find(|flag| !["crlf", "open"].contains(flag)) {
                    return Err(format!("unknown kind of body {flag}"));
                }
                host.body.clear();
                let body = Body { crlf: flags.contains("crlf"), open: flags.contains("open") };
                self.section = Section::Https(index, Some(body));
            }
            "body-bytes" => host.body = unescape(quoted(rest)?)?,
            "fault" => {
                let word = rest.strip_prefix("http ").ok_or("fault dns or fault http")?;
                host.fault = Some(HttpFault::read(word).ok_or_else(|| format!("unknown HTTP fault {word}"))?);
            }
            _ => return Err(format!("unknown word {word}")),
        }
        Ok(())
    }

    /// Begins a mail host, or goes on with it where it stands already.
    fn mail_host(&mut self, name: &str) -> Result<(), String> {
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(format!("{name:?} is no host name"));
        }
        let index = self.world.mail.iter().position(|host| host.name == name).unwrap_or_else(|| {
            self.world.mail.push(MailHost { name: name.to_owned(), cert: CertKind::Valid, fault: None });
            self.world.mail.len() - 1
        });
        self.section = Section::Smtp(index);
        Ok(())
    }

    fn smtp(&mut self, index: usize, word: &str, rest: &str) -> Result<(), String> {
        let host = &mut self.world.mail[index];
        let fault = match word {
            "cert" => {
                host.cert = CertKind::read(rest).ok_or_else(|| format!("unknown kind of certificate {rest}"))?;
                return Ok(());
            }
            "tls" => SmtpFault::tls(rest),
            "fault" => SmtpFault::read(rest.strip_prefix("smtp ").ok_or("fault dns or fault smtp")?),
            _ => return Err(format!("unknown word {word}")),
        };
        host.fault = Some(fault.ok_or_else(|| format!("unknown SMTP fault {rest}"))?);
        Ok(())
    }

    fn body_line(&mut self, text: &str) -> Result<(), String> {
        let Section::Https(index, Some(body)) = self.section else {
            return Err("a line of a body outside a body".to_owned());
        };
        let end: &[u8] = if body.crlf { b"\r\n" } else { b"\n" };
        let bytes = &mut self.world.hosts[index].body;
        if body.open {
            if !bytes.is_empty() {
                bytes.extend_from_slice(end);
            }
            bytes.extend_from_slice(text.as_bytes());
        } else {
            bytes.extend_from_slice(text.as_bytes());
            bytes.extend_from_slice(end);
        }
        Ok(())
    }

    fn begin_truth(&mut self, rest: &str) -> Result<(), String> {
        match rest {
            "" => self.has_truth = true,
            "deep" => self.world.deep = Some(Truth::default()),
            _ => return Err(format!("truth, or truth deep, not {rest}")),
        }
        self.section = Section::Truth(rest == "deep");
        Ok(())
    }

    fn truth(&mut self, deep: bool) -> &mut Truth {
        match (deep, &mut self.world.deep) {
            (true, Some(truth)) => truth,
            _ => &mut self.world.truth,
        }
    }
}
