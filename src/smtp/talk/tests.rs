#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use proptest::prelude::*;

use super::*;
use crate::smtp::reply::Reader;

const EHLO: &str = "250-mx.example\r\n250-SIZE 1000\r\n250 STARTTLS\r\n";

/// What comes next from the peer.
enum Came<'a> {
    Says(&'a str),
    Goes(Loss),
}
use Came::{Goes, Says};

/// What a conversation came to.
struct Played {
    /// What we said, one word a command; `*` for the TLS handshake.
    said: String,
    failure: Option<Failure>,
    facts: Facts,
}

impl Played {
    fn codes(&self) -> Vec<&'static str> {
        self.facts.findings.iter().map(|finding| finding.code.as_str()).collect()
    }
}

/// Plays a conversation to its end.
fn play(script: &[Came]) -> Played {
    let mut talk = Talk::new("client.example");
    let mut reader = Reader::default();
    let mut said = Vec::new();
    let mut script = script.iter();
    let failure = loop {
        let order = match script.next().expect("the script is as long as the conversation") {
            Says(text) => {
                reader.push(text.as_bytes());
                talk.hear(reader.reply().unwrap().unwrap())
            }
            Goes(loss) => break talk.lost(loss.clone()),
        };
        let bytes = match order {
            Order::Send(bytes) => bytes,
            Order::StartTls => {
                said.push("*".to_owned());
                reader = Reader::default();
                talk.secured()
            }
            Order::Quit(failure) => {
                said.push("QUIT".to_owned());
                break failure;
            }
        };
        let line = String::from_utf8(bytes).unwrap();
        let (command, argument) = line.strip_suffix("\r\n").unwrap().split_once(' ').unwrap_or((line.trim_end(), ""));
        assert_eq!(argument, if command == "STARTTLS" { "" } else { "client.example" });
        said.push(command.to_owned());
    };
    assert!(script.next().is_none(), "the conversation is as long as the script");
    Played { said: said.join(" "), failure, facts: talk.into_facts() }
}

/// What comes; what we say; why it ends; what is found; what STARTTLS came to.
type Row<'a> = (&'a [Came<'a>], &'a str, Option<&'a str>, &'a [&'a str], StartTls);

#[test]
fn a_reply_goes_in_and_an_order_comes_out() {
    use StartTls::{Accepted, NotOffered, Refused, Unknown};
    let all = "EHLO STARTTLS * EHLO QUIT";
    let rows: &[Row] = &[
        (&[Says("220 a\r\n"), Says(EHLO), Says("220 go\r\n"), Says("250 a\r\n")], all, None, &[], Accepted),
        (
            &[Says("220 a\r\n"), Says("250-a\r\n250 starttls\r\n"), Says("220\r\n"), Says("250\r\n")],
            all,
            None,
            &[],
            Accepted,
        ),
        (&[Says("250 a\r\n"), Says(EHLO), Says("220 go\r\n"), Says("250 a\r\n")], all, None, &[], Accepted),
        // The greeting.
        (&[Says("421 busy\r\n")], "QUIT", Some("smtp.banner_4xx"), &[], Unknown),
        (&[Says("450 later\r\n")], "QUIT", Some("smtp.banner_4xx"), &[], Unknown),
        (&[Says("554-go\r\n554 away\r\n")], "QUIT", Some("smtp.banner_5xx"), &[], Unknown),
        (&[Says("354 data\r\n")], "QUIT", Some("smtp.syntax"), &[], Unknown),
        (&[Goes(Loss::Late)], "", Some("smtp.banner_timeout"), &[], Unknown),
        (&[Goes(Loss::Closed)], "", Some("smtp.closed"), &[], Unknown),
        (&[Goes(Loss::Reset)], "", Some("smtp.reset"), &[], Unknown),
        // EHLO and HELO.
        (&[Says("220 a\r\n"), Says("250 a\r\n")], "EHLO QUIT", Some("smtp.no_starttls"), &[], NotOffered),
        (&[Says("220 a\r\n"), Says("250 STARTTLS\r\n")], "EHLO QUIT", Some("smtp.no_starttls"), &[], NotOffered),
        (
            &[Says("220 a\r\n"), Says("250-a\r\n250 XSTARTTLS\r\n")],
            "EHLO QUIT",
            Some("smtp.no_starttls"),
            &[],
            NotOffered,
        ),
        (&[Says("220 a\r\n"), Says("421 a\r\n")], "EHLO QUIT", Some("smtp.ehlo_4xx"), &[], Unknown),
        (
            &[Says("220 a\r\n"), Says("502 what\r\n"), Says("250 a\r\n")],
            "EHLO HELO QUIT",
            Some("smtp.no_starttls"),
            &["smtp.no_ehlo"],
            NotOffered,
        ),
        (
            &[Says("220 a\r\n"), Says("550 a\r\n"), Says("451 a\r\n")],
            "EHLO HELO QUIT",
            Some("smtp.ehlo_4xx"),
            &[],
            Unknown,
        ),
        (
            &[Says("220 a\r\n"), Says("500 a\r\n"), Says("504 a\r\n")],
            "EHLO HELO QUIT",
            Some("smtp.ehlo_5xx"),
            &[],
            Unknown,
        ),
        (&[Says("220 a\r\n"), Goes(Loss::Late)], "EHLO", Some("smtp.timeout"), &[], Unknown),
        (&[Says("220 a\r\n"), Says("502 a\r\n"), Goes(Loss::Closed)], "EHLO HELO", Some("smtp.closed"), &[], Unknown),
        // STARTTLS.
        (
            &[Says("220 a\r\n"), Says(EHLO), Says("454 later\r\n")],
            "EHLO STARTTLS QUIT",
            Some("smtp.starttls_refused"),
            &[],
            Refused,
        ),
        (
            &[Says("220 a\r\n"), Says(EHLO), Says("250 what\r\n")],
            "EHLO STARTTLS QUIT",
            Some("smtp.starttls_refused"),
            &[],
            Refused,
        ),
        (
            &[Says("220 a\r\n"), Says(EHLO), Goes(Loss::Closed)],
            "EHLO STARTTLS",
            Some("smtp.starttls_refused"),
            &[],
            Refused,
        ),
        (&[Says("220 a\r\n"), Says(EHLO), Goes(Loss::Reset)], "EHLO STARTTLS", Some("smtp.reset"), &[], Unknown),
        (&[Says("220 a\r\n"), Says(EHLO), Goes(Loss::Late)], "EHLO STARTTLS", Some("smtp.timeout"), &[], Unknown),
        (
            &[Says("220 a\r\n"), Says(EHLO), Says("220 go\r\n250-x\r\n250 STARTTLS\r\n"), Says("250 a\r\n")],
            all,
            None,
            &["smtp.injection"],
            Accepted,
        ),
        // Within TLS nothing is a failure any more.
        (
            &[Says("220 a\r\n"), Says(EHLO), Says("220 go\r\n"), Says(EHLO)],
            all,
            None,
            &["smtp.starttls_again"],
            Accepted,
        ),
        (
            &[Says("220 a\r\n"), Says(EHLO), Says("220 go\r\n"), Says("503 no\r\n")],
            all,
            None,
            &["smtp.fails_within_tls"],
            Accepted,
        ),
        (
            &[Says("220 a\r\n"), Says(EHLO), Says("220 go\r\n"), Goes(Loss::Closed)],
            "EHLO STARTTLS * EHLO",
            None,
            &["smtp.fails_within_tls"],
            Accepted,
        ),
        // Losing sight is no finding, and what has been seen stays seen.
        (
            &[Says("220 a\r\n"), Says(EHLO), Says("220 go\r\n"), Goes(Loss::Reset)],
            "EHLO STARTTLS * EHLO",
            None,
            &[],
            Accepted,
        ),
        (
            &[Says("220 a\r\n"), Says(EHLO), Says("220 go\r\n"), Goes(Loss::Late)],
            "EHLO STARTTLS * EHLO",
            None,
            &[],
            Accepted,
        ),
        (
            &[Says("220 a\r\n"), Says(EHLO), Says("421 bye\r\n")],
            "EHLO STARTTLS QUIT",
            Some("smtp.closed"),
            &[],
            Unknown,
        ),
        // The form, once each.
        (
            &[Says("220 \x1b[2J\n"), Says("250 \0\n")],
            "EHLO QUIT",
            Some("smtp.no_starttls"),
            &["smtp.bytes", "smtp.line_end"],
            NotOffered,
        ),
    ];
    for (script, said, failure, findings, starttls) in rows {
        let played = play(script);
        let what = &played.said;
        assert_eq!((what.as_str(), played.codes().as_slice()), (*said, *findings), "{failure:?}");
        assert_eq!(played.failure.map(|failure| failure.code.as_str()), *failure, "{what}");
        assert_eq!(played.facts.starttls, *starttls, "{what}: {failure:?}");
    }
}

#[test]
fn what_was_said_is_kept() {
    let secure = "250-a\r\n250-Auth plain\r\n250 size\r\n";
    let facts = play(&[Says("220 a b\r\n"), Says(EHLO), Says("220 go\r\n"), Says(secure)]).facts;
    let reply =
        |code, lines: &[&str]| Some(Reply { code, lines: lines.iter().map(|line| line.as_bytes().to_vec()).collect() });
    assert_eq!(facts.banner, reply(220, &["a b"]));
    assert_eq!(facts.ehlo, reply(250, &["mx.example", "SIZE 1000", "STARTTLS"]));
    assert_eq!(facts.starttls_reply, reply(220, &["go"]));
    assert_eq!((facts.keywords, facts.helo), (vec!["SIZE 1000".to_owned(), "STARTTLS".to_owned()], false));
    assert_eq!(facts.secure_keywords, ["AUTH PLAIN", "SIZE"]);

    let facts = play(&[Says("220 a\r\n"), Says("500 a\r\n"), Says("250 b\r\n")]).facts;
    assert_eq!((facts.ehlo, facts.helo, facts.keywords), (reply(250, &["b"]), true, Vec::new()));
}

#[test]
fn a_row_explains_itself() {
    let rows: &[(&[Came], &str, serde_json::Value)] = &[
        (&[Says("554-go\r\n554 away\r\n")], "reply", "go / away".into()),
        (&[Says("554-go\r\n554 away\r\n")], "reply_code", 554.into()),
        (&[Says("220 a\r\n"), Says("250-a\r\n250-SIZE 1\r\n250 HELP\r\n")], "keywords", "SIZE HELP".into()),
        (&[Says("220 a\r\n"), Says("250 a\r\n")], "greeting", "a".into()),
        (&[Says("220 a\r\n"), Goes(Loss::Late)], "stage", "ehlo".into()),
        (&[Says("220 a\r\n"), Says("500 a\r\n"), Goes(Loss::Reset)], "stage", "helo".into()),
        (&[Says("220 a\r\n"), Goes(Loss::Broken(Failure::new(smtp::TOO_LONG)))], "stage", "ehlo".into()),
        // Whether a refusal passes is told by its code.
        (&[Says("220 a\r\n"), Says(EHLO), Says("454 later\r\n")], "reply_code", 454.into()),
        (&[Says("220 a\r\n"), Says(EHLO), Goes(Loss::Closed)], "cause", "smtp.closed".into()),
    ];
    for (script, field, value) in rows {
        let failure = play(script).failure.unwrap();
        assert_eq!(failure.detail.get(field), Some(value), "{failure:?}");
    }
    let finding = |end: Came| play(&[Says("220 a\r\n"), Says(EHLO), Says("220 go\r\nxyz"), end]).facts.findings;
    let found = finding(Goes(Loss::Closed));
    assert_eq!(found[0].detail.get("bytes"), Some(&3.into()));
    assert_eq!(found[1].detail.get("cause"), Some(&"smtp.closed".into()));
    assert_eq!(finding(Says("550 bye\r\n"))[1].detail.get("reply_code"), Some(&550.into()));
    assert_eq!(finding(Says("421 bye\r\n")).len(), 1, "it passes");
}

#[test]
fn what_is_kept_is_bounded() {
    let long = format!("250-a\r\n{}250 STARTTLS\r\n", format!("250-{}\r\n", "x".repeat(2000)).repeat(15));
    let facts = play(&[Says("220 a\r\n"), Says(&long), Goes(Loss::Late)]).facts;
    assert_eq!(facts.keywords.len(), 16);
    assert!(facts.keywords.iter().all(|keyword| keyword.len() <= text::KEPT));
}

proptest! {
    #[test]
    fn every_conversation_ends_and_says_nothing_else(
        replies in proptest::collection::vec((200_u16..600, any::<bool>(), 0_usize..2), 6),
    ) {
        let mut talk = Talk::new("client.example");
        let mut heard = 0;
        for (code, offers, unread) in replies {
            heard += 1;
            let lines = if offers { vec![b"a".to_vec(), b"StartTLS".to_vec()] } else { vec![b"a".to_vec()] };
            let said = match talk.hear(Heard { reply: Reply { code, lines }, unread, ..Heard::default() }) {
                Order::Send(said) => said,
                Order::StartTls => talk.secured(),
                Order::Quit(_) => break,
            };
            let lawful = [&b"EHLO client.example\r\n"[..], b"HELO client.example\r\n", b"STARTTLS\r\n"];
            prop_assert!(lawful.contains(&said.as_slice()));
        }
        prop_assert!(heard <= 4, "greeting, EHLO, STARTTLS, EHLO; or greeting, EHLO, HELO");
    }
}
