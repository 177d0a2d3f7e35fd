//! `stscan list`: the public lists that are known by name, and their download.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::output;
use crate::error::Error;
use crate::list::get::{Provenance, Request, download};
use crate::list::known::{self, Access};

/// Arguments of `stscan list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Download a public list, with its provenance beside it
    Get(GetArgs),
    /// Show the lists that are known by name
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct GetArgs {
    /// The list, by a name that `stscan list show` prints (any name together with --url)
    name: String,
    /// The file to write; its provenance goes to FILE.provenance.json
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Download from here instead of the usual address
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// Runs `stscan list`.
///
/// # Errors
/// What kept the list from being downloaded or printed.
pub fn run(args: ListArgs) -> Result<u8, Error> {
    match args.command {
        Command::Get(args) => get(&args)?,
        Command::Show { json } => output::print(&if json { show_json()? } else { show() })?,
    }
    Ok(0)
}

fn get(args: &GetArgs) -> Result<(), Error> {
    let variable = |name: &str| std::env::var(name).ok();
    let request = Request::new(&args.name, args.url.as_deref(), args.out.as_deref(), variable)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::io("cannot start the async runtime"))?;
    let bar = bar();
    let provenance = runtime.block_on(async {
        let mut progress = |bytes, expected: Option<u64>| {
            expected.into_iter().for_each(|expected| bar.set_length(expected));
            bar.set_position(bytes);
        };
        tokio::select! {
            done = download(&request, &mut progress) => done,
            _ = tokio::signal::ctrl_c() => Err(Error::Signal(SIGINT)),
        }
    });
    bar.finish_and_clear();
    output::print(&summary(&request, &provenance?))
}

/// The number of the signal that Ctrl-C sends (POSIX).
const SIGINT: i32 = 2;

/// A bar on standard error; hidden where that is no terminal.
fn bar() -> ProgressBar {
    let bar = ProgressBar::no_length();
    // The template is the one thing that can be wrong here, and then the default will do.
    if let Ok(style) = ProgressStyle::with_template("{bytes}/{total_bytes} {wide_bar} {bytes_per_sec} {eta}") {
        bar.set_style(style);
    }
    bar
}

fn summary(request: &Request, provenance: &Provenance) -> String {
    let mut lines = vec![
        format!("{}: {} bytes, SHA-256 {}", request.out.display(), provenance.bytes, provenance.sha256),
        format!("provenance: {}", request.provenance_path().display()),
    ];
    for (what, value) in
        [("edition", &provenance.edition_url), ("licence", &provenance.licence), ("cite", &provenance.cite)]
    {
        lines.extend(value.as_ref().map(|value| format!("{what}: {value}")));
    }
    lines.join("\n") + "\n"
}

/// How to have a list, in one line: an address, or what to do by hand.
fn how(access: Access) -> String {
    match access {
        Access::Open { url, .. } => url.to_owned(),
        Access::Token { url, variable } => format!("{url} (needs a token in {variable})"),
        Access::Documented(how) => format!("by hand: {how}"),
    }
}

fn show() -> String {
    let entries = known::ALL.iter().map(|list| {
        let fields = [("from", how(list.access).as_str()), ("licence", list.licence), ("cite", list.cite)]
            .map(|(what, value)| format!("    {what}: {value}\n"))
            .concat();
        format!("{}\n    {}\n{fields}", list.name, list.sentence)
    });
    entries.collect()
}

fn show_json() -> Result<String, Error> {
    let entries: Vec<_> = known::ALL
        .iter()
        .map(|list| {
            let (url, token) = match list.access {
                Access::Open { url, .. } => (Some(url), None),
                Access::Token { url, variable } => (Some(url), Some(variable)),
                Access::Documented(_) => (None, None),
            };
            json!({
                "name": list.name, "sentence": list.sentence, "from": how(list.access), "url": url,
                "token_variable": token, "file": list.file, "licence": list.licence, "cite": list.cite,
            })
        })
        .collect();
    let text = serde_json::to_string_pretty(&entries).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_list_is_shown() {
        let shown = show();
        for list in known::ALL {
            assert!(shown.contains(list.licence) && shown.contains(list.cite), "{}", list.name);
        }
        let json: Vec<serde_json::Value> = serde_json::from_str(&show_json().unwrap_or_default()).unwrap_or_default();
        assert_eq!(json.len(), known::ALL.len());
    }
}
