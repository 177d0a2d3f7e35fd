//! `stscan lint`: records, policies and patterns judged without a network, for people or as JSON lines.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::output;
use crate::error::Error;
use crate::finding::Finding;
use crate::lint::{self, Answer};
use crate::sts::serve::BODY_MAX;
use crate::text;

/// Bytes read of a policy file: beyond [`BODY_MAX`] there is nothing to judge, and a file may be a device without end.
const FILE_MAX: u64 = BODY_MAX as u64 + 1;

/// Judges records, policies and patterns without a network.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub struct LintArgs {
    /// Read one JSON object a line from FILE, or standard input, and answer with one a line
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    jsonl: Option<PathBuf>,
    #[command(subcommand)]
    what: Option<What>,
}

/// What is judged.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// The TXT records at `_mta-sts.<domain>`, one an argument
    Record(Texts),
    /// A policy body
    Policy {
        /// The file, or '-' for standard input
        file: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// The TXT records at `_smtp._tls.<domain>`, one an argument
    Tlsrpt(Texts),
    /// Whether the mx of a policy cover an MX host
    Match {
        /// The MX host
        #[arg(long)]
        host: String,
        /// The mx
        #[arg(required = true)]
        patterns: Vec<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// TXT records on the command line.
#[derive(Debug, clap::Args)]
struct Texts {
    /// A TXT record, its character-strings joined
    #[arg(required = true, value_name = "TXT")]
    texts: Vec<OsString>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs `stscan lint`. The exit status is 0 if the input can be used, and 1 if not; `--jsonl` answers with 0.
///
/// # Errors
/// [`Error::Io`] where the input cannot be read or the answer not written, [`Error::Usage`] where nothing is to be
/// judged.
pub fn run(args: LintArgs) -> Result<u8, Error> {
    if let Some(file) = args.jsonl {
        return jsonl(&file);
    }
    let (answer, json) = match args.what {
        Some(What::Record(Texts { texts, json })) => (lint::record(&bytes(texts)), json),
        Some(What::Tlsrpt(Texts { texts, json })) => (lint::tlsrpt(&bytes(texts)), json),
        Some(What::Policy { file, json }) => (lint::policy(&read(&file)?), json),
        Some(What::Match { host, patterns, json }) => (lint::matching(&patterns, &host), json),
        None => return Err(Error::Usage("lint what? record, policy, tlsrpt, match, or --jsonl".into())),
    };
    output::print(&if json { text::shown_json(&answer.to_json().to_string()) + "\n" } else { explain(&answer) })?;
    Ok(u8::from(!answer.effective_ok))
}

fn bytes(texts: Vec<OsString>) -> Vec<Vec<u8>> {
    texts.into_iter().map(OsString::into_encoded_bytes).collect()
}

/// The file, or standard input for `-`.
fn open(path: &Path) -> Result<Box<dyn Read>, Error> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).map_err(Error::io(format!("cannot open {}", path.display())))?;
    Ok(Box::new(file))
}

/// A policy body, as much as a sender would read of it.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    let read = open(path)?.take(FILE_MAX).read_to_end(&mut body);
    read.map_err(Error::io(format!("cannot read {}", path.display())))?;
    Ok(body)
}

fn jsonl(path: &Path) -> Result<u8, Error> {
    match lint::stream(open(path)?, io::stdout().lock()) {
        // Whoever read the answers has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        other => other.map(|()| 0).map_err(Error::io(format!("cannot answer {}", path.display()))),
    }
}

/// The answer for people: verdicts, the value read, and each finding with where, why and how to mend it.
fn explain(answer: &Answer) -> String {
    let verdict = match (answer.strict_ok, answer.effective_ok) {
        (true, _) => "keeps the standard to the letter",
        (false, true) => "breaks the letter of the standard; senders can use it",
        (false, false) => "cannot be used",
    };
    let mut out = format!("{}: {verdict}\n", answer.kind);
    for (name, value) in &answer.values {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  {name}: {}", plain(value));
    }
    for finding in &answer.findings {
        explain_finding(&mut out, finding);
    }
    out
}

fn explain_finding(out: &mut String, finding: &Finding) {
    let entry = finding.code.entry();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "\n{} {}: {} ({})", finding.severity().word(), finding.code, entry.sentence, entry.source);
    if !finding.subject.is_empty() {
        let _ = writeln!(out, "  about: {}", text::shown(&finding.subject));
    }
    for (name, value) in finding.detail.fields() {
        let _ = writeln!(out, "  {name}: {}", plain(value));
    }
    if !entry.remedy.is_empty() {
        let _ = writeln!(out, "  mend: {}", entry.remedy);
    }
}

/// A value as people write it, with nothing active in it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "unreadable".into(),
        Value::String(text) => text::shown(text),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Command {
        #[command(flatten)]
        lint: LintArgs,
    }

    #[test]
    fn nothing_active_reaches_the_terminal() {
        let out = explain(&lint::record(&[b"v=STSv1; id=1; a=\x1b[31m\xe2\x80\xae".as_slice(), b"\x1b]0;x\x07"]));
        assert!(out.chars().all(|c| c == '\n' || !c.is_control()) && !out.contains('\u{202e}'), "{out}");
        let out = explain(&lint::matching(&["a\u{9b}b"], "\u{1b}"));
        assert!(out.chars().all(|c| c == '\n' || !c.is_control()), "{out}");
    }

    #[test]
    fn every_finding_is_explained() {
        let answer = lint::policy(b"version: STSv1\nmode: enforced\nmx: 192.0.2.1\nmax_age: x\n");
        let out = explain(&answer);
        assert!(answer.findings.len() >= 4);
        for finding in &answer.findings {
            assert!(out.contains(finding.code.as_str()), "{}", finding.code);
        }
    }

    #[test]
    fn the_command_line() {
        for (line, lawful) in [
            (&["x", "record", "v=STSv1; id=1;"][..], true),
            (&["x", "record", "--json", "a", "b"], true),
            (&["x", "record"], false),
            (&["x", "policy", "-"], true),
            (&["x", "policy"], false),
            (&["x", "match", "--host", "a.example", "*.example"], true),
            (&["x", "match", "*.example"], false),
            (&["x", "tlsrpt", "v=TLSRPTv1;"], true),
            (&["x", "--jsonl"], true),
            (&["x", "--jsonl", "cases.jsonl"], true),
            (&["x", "--jsonl", "-"], true),
            (&["x"], false),
        ] {
            assert_eq!(Command::try_parse_from(line).is_ok(), lawful, "{line:?}");
        }
    }

    #[test]
    fn the_status_says_whether_it_can_be_used() {
        let status = |line: &[&str]| run(Command::try_parse_from(line).unwrap().lint).unwrap();
        assert_eq!(status(&["x", "record", "--json", "v=STSv1; id=1 "]), 0);
        assert_eq!(status(&["x", "record", "--json", "v=STSv1; id=a-b"]), 1);
        assert_eq!(status(&["x", "match", "--json", "--host", "b.example", "a.example"]), 0);
    }
}
