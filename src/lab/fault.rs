//! Faults: everything that a world can get wrong on purpose, by the word that a `.world` file uses for it.

mod smtp;

use std::net::Ipv4Addr;

pub use smtp::SmtpFault;

/// What goes wrong when a name is asked for a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsFault {
    /// No answer at all.
    Drop,
    /// This response code and no records; 16 and over travel in the OPT record (RFC 6891 6.1.3).
    Rcode(u16),
    /// Cut off over UDP, whole over TCP.
    Truncate,
    /// Cut off over UDP and over TCP.
    TruncateTwice,
    /// Cut off over UDP; TCP is closed without an answer.
    TruncateClose,
    /// Cut off over UDP; TCP stays silent.
    TruncateSilent,
    /// Cut off over UDP; half of the answer over TCP, then closed.
    TruncateHalf,
    /// The answer under another id.
    WrongId,
    /// The answer to another question.
    WrongQuestion,
    /// The answer without the question.
    NoQuestion,
    /// A lawful header and junk behind the question.
    Garbage,
    /// The answer without its second half, and no sign of it.
    Cut,
    /// A count of 65,535 answers over one.
    AnswerCount,
    /// An owner name that is a compression pointer to itself.
    PointerLoop,
    /// The records of another name.
    UnrelatedOwner,
    /// An address in place of what was asked.
    UnrelatedType,
    /// The records under response code NXDOMAIN.
    NxdomainWithAnswer,
    /// The records in class CH.
    ClassChaos,
    /// Two OPT records.
    TwoOpts,
    /// FORMERR as long as the question has an OPT record (a server from before EDNS).
    FormerrOnEdns,
    /// An OPT record with an option of 500 bytes.
    BigOption,
    /// Bytes behind the message.
    Trailing,
    /// The question echoed in another case over UDP.
    Case,
    /// The names of other servers in place of an answer.
    Referral,
    /// A record with no data where TXT needs at least one byte.
    EmptyRdata,
    /// The right answer after so many milliseconds.
    Delay(u64),
    /// SERVFAIL for the first so many questions, then the right answer.
    Flaky(u32),
    /// What a validating resolver says of a zone that fails validation: SERVFAIL, with this extended error (RFC 8914) if it
    /// gives one, and the records where the question switches validation off (CD, RFC 4035 3.2.2), with a signature where
    /// it asks for DNSSEC as well (DO, RFC 3225).
    Bogus(Option<u16>),
}

impl DnsFault {
    /// Reads the word of a fault and its number, if it takes one.
    #[must_use]
    pub fn read(word: &str, number: Option<u64>) -> Option<Self> {
        Some(match (word, number) {
            ("drop", None) => Self::Drop,
            ("rcode", Some(n)) => Self::Rcode(u16::try_from(n).ok().filter(|n| *n < 4096)?),
            ("truncate", None) => Self::Truncate,
            ("truncate-twice", None) => Self::TruncateTwice,
            ("truncate-close-tcp", None) => Self::TruncateClose,
            ("truncate-silent-tcp", None) => Self::TruncateSilent,
            ("truncate-half-tcp", None) => Self::TruncateHalf,
            ("wrong-id", None) => Self::WrongId,
            ("wrong-question", None) => Self::WrongQuestion,
            ("no-question", None) => Self::NoQuestion,
            ("garbage", None) => Self::Garbage,
            ("cut", None) => Self::Cut,
            ("answer-count", None) => Self::AnswerCount,
            ("pointer-loop", None) => Self::PointerLoop,
            ("unrelated-owner", None) => Self::UnrelatedOwner,
            ("unrelated-type", None) => Self::UnrelatedType,
            ("nxdomain-with-answer", None) => Self::NxdomainWithAnswer,
            ("class-ch", None) => Self::ClassChaos,
            ("two-opts", None) => Self::TwoOpts,
            ("formerr-on-edns", None) => Self::FormerrOnEdns,
            ("big-option", None) => Self::BigOption,
            ("trailing", None) => Self::Trailing,
            ("case", None) => Self::Case,
            ("referral", None) => Self::Referral,
            ("empty-rdata", None) => Self::EmptyRdata,
            ("delay", Some(n)) => Self::Delay(n),
            ("flaky", Some(n)) => Self::Flaky(u32::try_from(n).ok()?),
            ("bogus", None) => Self::Bogus(None),
            ("bogus", Some(n)) => Self::Bogus(Some(u16::try_from(n).ok()?)),
            _ => return None,
        })
    }
}

/// What goes wrong before TLS is up. Each has an address of its own, so that no name needs to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsFault {
    /// Nothing listens.
    Refused,
    /// Something listens and its queue is full: SYNs are dropped.
    Backlog,
    /// An address that the kernel has no way to.
    Unreachable,
    /// Reset after the ClientHello.
    Reset,
    /// Closed after the ClientHello.
    Close,
    /// Nothing after the ClientHello.
    Silence,
    /// One byte of a record header every second.
    Drip,
    /// A fatal alert of this number.
    Alert(u8),
    /// A ServerHello of TLS 1.1.
    OldOnly,
    /// An SSH banner.
    NotTls,
    /// HTTP without TLS.
    PlainHttp,
    /// A handshake message that has no business there.
    OutOfOrder,
    /// A record longer than a record can be.
    TooLarge,
}

impl TlsFault {
    /// Reads the word of a fault and its number, if it takes one.
    #[must_use]
    pub fn read(word: &str, number: Option<u64>) -> Option<Self> {
        Some(match (word, number) {
            ("refused", None) => Self::Refused,
            ("backlog", None) => Self::Backlog,
            ("unreachable", None) => Self::Unreachable,
            ("reset", None) => Self::Reset,
            ("close", None) => Self::Close,
            ("silence", None) => Self::Silence,
            ("drip", None) => Self::Drip,
            ("alert", Some(n)) => Self::Alert(u8::try_from(n).ok()?),
            ("old-only", None) => Self::OldOnly,
            ("not-tls", None) => Self::NotTls,
            ("plain-http", None) => Self::PlainHttp,
            ("out-of-order", None) => Self::OutOfOrder,
            ("too-large", None) => Self::TooLarge,
            _ => return None,
        })
    }

    /// The address of the listener that has this fault.
    #[must_use]
    pub fn address(self) -> Ipv4Addr {
        match self {
            // The broadcast address of the loopback network: the kernel refuses to connect to it.
            Self::Unreachable => Ipv4Addr::new(127, 255, 255, 255),
            Self::Refused => Ipv4Addr::new(127, 11, 0, 1),
            Self::Backlog => Ipv4Addr::new(127, 11, 0, 2),
            Self::Reset => Ipv4Addr::new(127, 11, 0, 3),
            Self::Close => Ipv4Addr::new(127, 11, 0, 4),
            Self::Silence => Ipv4Addr::new(127, 11, 0, 5),
            Self::Drip => Ipv4Addr::new(127, 11, 0, 6),
            Self::OldOnly => Ipv4Addr::new(127, 11, 0, 7),
            Self::NotTls => Ipv4Addr::new(127, 11, 0, 8),
            Self::PlainHttp => Ipv4Addr::new(127, 11, 0, 9),
            Self::OutOfOrder => Ipv4Addr::new(127, 11, 0, 10),
            Self::TooLarge => Ipv4Addr::new(127, 11, 0, 11),
            Self::Alert(number) => Ipv4Addr::new(127, 11, 1, number),
        }
    }
}

/// Which certificate a host shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum CertKind {
    /// Right in every way, with its intermediate.
    #[default]
    Valid,
    /// Right, by a wildcard in the place of `mta-sts`.
    Wildcard,
    /// Right, among 2,500 other names.
    ManyNames,
    /// Ran out a month ago.
    Expired,
    /// Begins in a month.
    NotYetValid,
    /// For another host.
    WrongName,
    /// A wildcard one label too high.
    DeepWildcard,
    /// An asterisk that is only part of a label.
    PartialWildcard,
    /// The host stands in the common name alone.
    NoSan,
    /// Signed by its own key.
    SelfSigned,
    /// For the domain above the host.
    ForDomain,
    /// Signed by its own key, and for another host.
    SelfSignedWrongName,
    /// By an authority that no store holds, with its whole chain.
    UnknownCa,
    /// By an authority that no store holds, and expired.
    UnknownCaExpired,
    /// By an authority that no store holds, for another host, and expired.
    UnknownCaExpiredWrongName,
    /// By an authority that only the community store holds.
    CommunityCa,
    /// Right, but sent without its intermediate.
    MissingIntermediate,
    /// With a signature that does not verify.
    BadSignature,
    /// For TLS clients only.
    ClientOnly,
    /// No certificate at all in its place.
    Garbage,
    /// With an RSA key of 1,024 bits.
    WeakKey,
    /// Behind more intermediates than anyone follows.
    LongChain,
    /// An authority's certificate in the place of a host's.
    Authority,
    /// Expired, and for another host.
    ExpiredWrongName,
}

impl CertKind {
    /// Reads the word of a kind.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        Some(match word {
            "valid" => Self::Valid,
            "wildcard" => Self::Wildcard,
            "many-names" => Self::ManyNames,
            "expired" => Self::Expired,
            "not-yet-valid" => Self::NotYetValid,
            "wrong-name" => Self::WrongName,
            "deep-wildcard" => Self::DeepWildcard,
            "partial-wildcard" => Self::PartialWildcard,
            "no-san" => Self::NoSan,
            "self-signed" => Self::SelfSigned,
            "for-domain" => Self::ForDomain,
            "self-signed+wrong-name" => Self::SelfSignedWrongName,
            "unknown-ca" => Self::UnknownCa,
            "expired+unknown-ca" => Self::UnknownCaExpired,
            "expired+wrong-name+unknown-ca" => Self::UnknownCaExpiredWrongName,
            "community-ca" => Self::CommunityCa,
            "missing-intermediate" => Self::MissingIntermediate,
            "bad-signature" => Self::BadSignature,
            "client-only" => Self::ClientOnly,
            "garbage" => Self::Garbage,
            "weak-key" => Self::WeakKey,
            "long-chain" => Self::LongChain,
            "authority" => Self::Authority,
            "expired+wrong-name" => Self::ExpiredWrongName,
            _ => return None,
        })
    }
}

/// What goes wrong in the HTTP answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpFault {
    /// Closed after the request.
    CloseBeforeAnswer,
    /// Reset after the head of the answer.
    Reset,
    /// Nothing after the request.
    Silence,
    /// One byte of the answer a second.
    Drip,
    /// Fewer bytes than announced, then closed.
    Truncate,
    /// No announced length, and the connection ends without close_notify.
    NoCloseNotify,
    /// An SSH banner in place of an answer.
    Garbage,
    /// Header after header for ever.
    EndlessHeaders,
    /// Body for ever, in lawful chunks.
    EndlessBody,
    /// Two lengths that differ.
    TwoLengths,
    /// A length that is no number.
    BadLength,
    /// A chunk size that is no number.
    BadChunk,
    /// Chunk by chunk of one byte, each in a TLS record of its own.
    TinyChunks,
    /// A header without a name.
    BadHeader,
    /// HTTP/2 agreed, HTTP/1.1 spoken.
    SpeaksHttp1,
    /// HTTP/2 agreed, and the connection ended by GOAWAY.
    GoAway,
    /// The right answer in lawful chunks.
    Chunked,
    /// The right answer after a 103.
    EarlyHints,
    /// The right answer, and junk behind it.
    TrailingJunk,
}

impl HttpFault {
    /// Reads the word of a fault.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        Some(match word {
            "close-before-answer" => Self::CloseBeforeAnswer,
            "reset" => Self::Reset,
            "silence" => Self::Silence,
            "drip" => Self::Drip,
            "truncate" => Self::Truncate,
            "no-close-notify" => Self::NoCloseNotify,
            "garbage" => Self::Garbage,
            "endless-headers" => Self::EndlessHeaders,
            "endless-body" => Self::EndlessBody,
            "two-lengths" => Self::TwoLengths,
            "bad-length" => Self::BadLength,
            "bad-chunk" => Self::BadChunk,
            "tiny-chunks" => Self::TinyChunks,
            "bad-header" => Self::BadHeader,
            "speaks-http1" => Self::SpeaksHttp1,
            "go-away" => Self::GoAway,
            "chunked" => Self::Chunked,
            "early-hints" => Self::EarlyHints,
            "trailing-junk" => Self::TrailingJunk,
            _ => return None,
        })
    }
}
