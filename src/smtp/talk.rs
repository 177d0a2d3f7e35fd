//! The conversation as a state machine (RFC 5321 3.1, 4.1.1.1, RFC 3207 4): a reply goes in, an order comes out.
//!
//! The server speaks first. Nothing is ever said but EHLO, HELO, STARTTLS and QUIT.

use crate::failure::Failure;
use crate::finding::{Code, Finding, smtp};
use crate::smtp::reply::{Heard, Reply};
use crate::text;

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Send this and await the reply.
    Send(Vec<u8>),
    /// Shake hands, throw away what came before that, and go on with [`Talk::secured`].
    StartTls,
    /// Say [`QUIT`]: the conversation is over. With why it ended before TLS, where it did.
    Quit(Option<Failure>),
}

/// The farewell (RFC 5321 4.1.1.10).
pub const QUIT: &[u8] = b"QUIT\r\n";
/// The reply of a server that is about to close the connection, to whatever it is asked (RFC 5321 3.8).
const SHUTTING_DOWN: u16 = 421;

/// Why no reply came.
#[derive(Clone, Debug, PartialEq)]
pub enum Loss {
    /// The time was up.
    Late,
    /// The peer ended the connection.
    Closed,
    /// The peer, or somebody on the way, broke the connection off.
    Reset,
    /// What came is no reply, or too much.
    Broken(Failure),
}

/// Where a conversation is: what the reply that is awaited answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing: the greeting.
    Banner,
    /// EHLO.
    Ehlo,
    /// HELO, where EHLO was refused.
    Helo,
    /// STARTTLS.
    StartTls,
    /// EHLO within TLS (RFC 3207 4.2).
    SecureEhlo,
}

impl Stage {
    /// The stable lower-case word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Banner => "banner",
            Self::Ehlo => "ehlo",
            Self::Helo => "helo",
            Self::StartTls => "starttls",
            Self::SecureEhlo => "ehlo_within_tls",
        }
    }
}

/// What STARTTLS came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum StartTls {
    /// The conversation did not come so far.
    #[default]
    Unknown,
    /// EHLO did not offer it.
    NotOffered,
    /// It was offered, and refused when asked for.
    Refused,
    /// It was offered and accepted.
    Accepted,
}

impl StartTls {
    /// The stable lower-case word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::NotOffered => "not_offered",
            Self::Refused => "refused",
            Self::Accepted => "accepted",
        }
    }
}

/// What the mail host said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The greeting.
    pub banner: Option<Reply>,
    /// The reply to EHLO, or to HELO where EHLO was refused.
    pub ehlo: Option<Reply>,
    /// Whether HELO had to do.
    pub helo: bool,
    /// The keywords that EHLO offered, upper case, each with its parameters, in their order.
    pub keywords: Vec<String>,
    /// What STARTTLS came to.
    pub starttls: StartTls,
    /// The reply to STARTTLS.
    pub starttls_reply: Option<Reply>,
    /// The keywords that EHLO offered within TLS.
    pub secure_keywords: Vec<String>,
    /// What is wrong with the conversation, or worth knowing; what ended it stands elsewhere.
    pub findings: Vec<Finding>,
}

/// A conversation.
#[derive(Clone, Debug)]
pub struct Talk {
    /// What we call ourselves.
    helo: String,
    stage: Stage,
    facts: Facts,
}

impl Talk {
    /// A conversation that awaits the greeting; `helo` is a host name or an address literal (RFC 5321 4.1.3).
    #[must_use]
    pub fn new(helo: &str) -> Self {
        Self { helo: helo.to_owned(), stage: Stage::Banner, facts: Facts::default() }
    }

    /// Where it is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// What the mail host said.
    #[must_use]
    pub fn into_facts(self) -> Facts {
        self.facts
    }

    /// A reply came: what to do now.
    #[must_use]
    pub fn hear(&mut self, heard: Heard) -> Order {
        self.note_form(&heard);
        let Heard { reply, unread, .. } = heard;
        // RFC 5321 2.1: a reply answers a command. What is there before the command is anybody's.
        if unread > 0 && matches!(self.stage, Stage::Banner | Stage::Ehlo | Stage::Helo) {
            self.facts.findings.push(Finding::new(smtp::EARLY).with("stage", self.stage.word()).with("bytes", unread));
        }
        match self.stage {
            Stage::Banner => self.greeted(reply),
            Stage::Ehlo => self.answered(reply),
            Stage::Helo => self.answered_helo(reply),
            Stage::StartTls => self.started(reply, unread),
            Stage::SecureEhlo => self.answered_within_tls(reply),
        }
    }

    /// TLS is up: what was known is forgotten (RFC 3207 4.2), so EHLO is said again.
    #[must_use]
    pub fn secured(&mut self) -> Vec<u8> {
        self.say(Stage::SecureEhlo, "EHLO")
    }

    /// No reply came. Gives why the conversation ended, where that was before TLS.
    #[must_use]
    pub fn lost(&mut self, loss: Loss) -> Option<Failure> {
        let closed = loss == Loss::Closed;
        let failure = match loss {
            Loss::Late if self.stage == Stage::Banner => Failure::new(smtp::BANNER_TIMEOUT),
            Loss::Late => Failure::new(smtp::TIMEOUT),
            Loss::Closed => Failure::new(smtp::CLOSED),
            Loss::Reset => Failure::new(smtp::RESET),
            Loss::Broken(failure) => failure,
        };
        match self.stage {
            // The certificate has been seen: nothing that comes now takes that away, and losing sight is no finding.
            Stage::SecureEhlo => {
                let is_its_doing = closed || failure.code.severity().is_some();
                let finding = Finding::new(smtp::FAILS_WITHIN_TLS).with("cause", failure.code.as_str());
                self.facts.findings.extend(is_its_doing.then_some(finding));
                None
            }
            // Hanging up is an answer to STARTTLS, and a common one where the server has no key that it can read.
            Stage::StartTls if closed => {
                self.facts.starttls = StartTls::Refused;
                Some(Failure::new(smtp::STARTTLS_REFUSED).with("cause", failure.code.as_str()))
            }
            stage => Some(failure.with("stage", stage.word())),
        }
    }

    /// RFC 5321 3.1, 4.3.2: 220 greets. Other codes of success are taken as such, as senders do.
    fn greeted(&mut self, reply: Reply) -> Order {
        let order = match reply.code / 100 {
            2 => Order::Send(self.say(Stage::Ehlo, "EHLO")),
            // RFC 5321 3.8: 421 may answer anything. Whether we are refused or everybody is cannot be told from here.
            4 => refused(smtp::BANNER_4XX, &reply),
            5 => refused(smtp::BANNER_5XX, &reply),
            _ => refused(smtp::SYNTAX, &reply),
        };
        self.facts.banner = Some(reply);
        order
    }

    /// RFC 5321 4.1.1.1, 4.1.4: a server that does not know EHLO is asked by HELO.
    fn answered(&mut self, reply: Reply) -> Order {
        let order = match reply.code / 100 {
            2 => {
                self.facts.keywords = keywords(&reply);
                if offers_starttls(&self.facts.keywords) {
                    self.stage = Stage::StartTls;
                    Order::Send(b"STARTTLS\r\n".to_vec())
                } else {
                    self.facts.starttls = StartTls::NotOffered;
                    let names: Vec<&str> = self.facts.keywords.iter().map(|line| name(line)).collect();
                    let failure = Failure::new(smtp::NO_STARTTLS).with("keywords", names.join(" "));
                    Order::Quit(Some(failure.with("greeting", excerpt_of_first(&reply))))
                }
            }
            4 => refused(smtp::EHLO_4XX, &reply),
            _ => Order::Send(self.say(Stage::Helo, "HELO")),
        };
        self.facts.ehlo = Some(reply);
        order
    }

    /// Whoever knows HELO alone offers nothing, and so no STARTTLS (RFC 5321 2.2.1).
    fn answered_helo(&mut self, reply: Reply) -> Order {
        let order = match reply.code / 100 {
            2 => {
                let refusal = self.facts.ehlo.as_ref().map(|ehlo| ehlo.code);
                self.facts.findings.push(Finding::new(smtp::NO_EHLO).with("reply_code", refusal));
                self.facts.helo = true;
                self.facts.starttls = StartTls::NotOffered;
                let failure = Failure::new(smtp::NO_STARTTLS).with("keywords", "");
                Order::Quit(Some(failure.with("greeting", excerpt_of_first(&reply))))
            }
            4 => refused(smtp::EHLO_4XX, &reply),
            5 => refused(smtp::EHLO_5XX, &reply),
            _ => refused(smtp::SYNTAX, &reply),
        };
        self.facts.ehlo = Some(reply);
        order
    }

    /// RFC 3207 4: 220 alone lets TLS begin; behind anything else, what comes is not TLS.
    fn started(&mut self, reply: Reply, unread: usize) -> Order {
        let order = if reply.code == 220 {
            self.facts.starttls = StartTls::Accepted;
            // The server speaks second in TLS, so these bytes are nobody's who should be here (RFC 3207 6).
            if unread > 0 {
                self.facts.findings.push(Finding::new(smtp::INJECTION).with("bytes", unread));
            }
            Order::StartTls
        } else if reply.code == SHUTTING_DOWN {
            // RFC 5321 3.8: that is about the connection, and says nothing of STARTTLS.
            refused(smtp::CLOSED, &reply)
        } else {
            self.facts.starttls = StartTls::Refused;
            refused(smtp::STARTTLS_REFUSED, &reply)
        };
        self.facts.starttls_reply = Some(reply);
        order
    }

    fn answered_within_tls(&mut self, reply: Reply) -> Order {
        if reply.code / 100 == 2 {
            self.facts.secure_keywords = keywords(&reply);
            // RFC 3207 4.2: it must not be offered within TLS.
            if offers_starttls(&self.facts.secure_keywords) {
                self.facts.findings.push(Finding::new(smtp::STARTTLS_AGAIN));
            }
        } else if reply.code / 100 != 4 {
            let finding = Finding::new(smtp::FAILS_WITHIN_TLS).with("reply_code", reply.code);
            self.facts.findings.push(finding.with("reply", reply.excerpt()));
        }
        Order::Quit(None)
    }

    /// Goes on to a stage by a command that says who we are.
    fn say(&mut self, stage: Stage, command: &str) -> Vec<u8> {
        self.stage = stage;
        format!("{command} {}\r\n", self.helo).into_bytes()
    }

    /// What is wrong with the form of a reply, each only where it is first seen.
    fn note_form(&mut self, heard: &Heard) {
        for (seen, code) in [(heard.odd_bytes, smtp::BYTES), (heard.bare_lf, smtp::LINE_END)] {
            if seen && !self.facts.findings.iter().any(|finding| finding.code == code) {
                let finding = Finding::new(code).with("stage", self.stage.word());
                self.facts.findings.push(finding.with("reply", heard.reply.excerpt()));
            }
        }
    }
}

/// The end of a conversation by a reply.
fn refused(code: Code, reply: &Reply) -> Order {
    Order::Quit(Some(Failure::new(code).with("reply_code", reply.code).with("reply", reply.excerpt())))
}

/// The keywords in a reply to EHLO: one a line, behind the line that greets (RFC 5321 4.1.1.1). The lines and their
/// lengths are bounded by the reader.
fn keywords(reply: &Reply) -> Vec<String> {
    reply.lines.iter().skip(1).map(|line| text::excerpt(&line.trim_ascii().to_ascii_uppercase())).collect()
}

/// The keyword without its parameters.
fn name(line: &str) -> &str {
    line.split_ascii_whitespace().next().unwrap_or_default()
}

fn offers_starttls(keywords: &[String]) -> bool {
    keywords.iter().any(|line| name(line) == "STARTTLS")
}

fn excerpt_of_first(reply: &Reply) -> String {
    reply.lines.first().map(|line| text::excerpt(line)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
