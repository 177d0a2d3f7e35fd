//! Downloads of lists from a server on loopback: what is stored, what is said of it, and what stops it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::thread::{self, JoinHandle};

use clap::Parser as _;
use stscan::cli::{self, list::ListArgs};
use stscan::error::Error;
use stscan::list::get::{Provenance, Request, download};
use stscan::list::known::{self, Access, Edition};

/// Serves one answer for each path that is asked, in this order, then ends; gives the request heads it saw.
fn serve(answers: Vec<(&'static str, String)>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let mut seen = Vec::new();
        for (path, answer) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> = lines.by_ref().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
            assert_eq!(head[0], format!("GET {path} HTTP/1.1"));
            seen.push(head.join("\n"));
            stream.write_all(answer.as_bytes()).unwrap();
        }
        seen
    });
    (base, served)
}

fn ok(extra: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n{extra}\r\n{body}", body.len())
}

fn request(base: &str, out: &Path) -> Request {
    Request::new("tranco", Some(&format!("{base}/list")), Some(out), |_| None).unwrap()
}

fn run(request: &Request) -> Result<Provenance, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut last = (0, None);
    let provenance = runtime.block_on(download(request, &mut |bytes, expected| last = (bytes, expected)))?;
    assert_eq!(last, (provenance.bytes, Some(provenance.bytes)));
    Ok(provenance)
}

#[test]
fn a_list_is_stored_with_its_provenance() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("tranco.csv");
    let moved = "HTTP/1.1 302 Found\r\nlocation: /moved\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned();
    let (base, served) = serve(vec![
        ("/id", ok("", "X4Y2N\n")),
        ("/list", moved),
        ("/moved", ok("etag: \"e\"\r\nlast-modified: Tue, 02 Jan 2024 00:00:00 GMT\r\n", "1,a.example\n")),
        ("/id", ok("", "X4Y2N")),
    ]);
    let mut request = request(&base, &out);
    let id_url: &'static str = format!("{base}/id").leak();
    request.edition = Some(Edition { id_url, page: "https://lists.example/" });
    let provenance = run(&request).unwrap();
    assert_eq!(fs::read(&out).unwrap(), b"1,a.example\n");
    assert_eq!(provenance.final_url, format!("{base}/moved"));
    assert_eq!(provenance.edition_url.as_deref(), Some("https://lists.example/X4Y2N"));
    assert_eq!(provenance.bytes, 12);
    let written: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.path().join("tranco.csv.provenance.json")).unwrap()).unwrap();
    assert_eq!(written, serde_json::to_value(&provenance).unwrap());
    for (field, value) in [
        ("name", "tranco"),
        ("edition", "X4Y2N"),
        ("etag", "\"e\""),
        ("last_modified", "Tue, 02 Jan 2024 00:00:00 GMT"),
        ("sha256", "62abceb893f5d60907cbf8b82d537ce7beed4857eb2280fce90564d2269a6a18"),
    ] {
        assert_eq!(written[field], value, "{field}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    let seen = served.join().unwrap();
    assert!(seen.iter().all(|head| head.to_ascii_lowercase().contains("user-agent: stscan/")));
}

#[derive(clap::Parser)]
struct CommandLine {
    #[command(flatten)]
    list: ListArgs,
}

#[test]
fn the_command_downloads_and_shows() {
    let run = |arguments: &[&str]| cli::list::run(CommandLine::try_parse_from(arguments).unwrap().list);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("mine.txt");
    let (base, served) = serve(vec![("/list", ok("", "a.example\n"))]);
    let url = format!("{base}/list");
    assert_eq!(run(&["list", "get", "mine", "--url", &url, "--out", out.to_str().unwrap()]).unwrap(), 0);
    assert_eq!(fs::read(&out).unwrap(), b"a.example\n");
    assert!(dir.path().join("mine.txt.provenance.json").is_file());
    served.join().unwrap();
    assert_eq!(run(&["list", "show", "--json"]).unwrap(), 0);
    assert_eq!(run(&["list", "get", "se"]).unwrap_err().exit_status(), 2);
}

#[test]
fn an_edition_that_changed_meanwhile_is_not_named() {
    let dir = tempfile::tempdir().unwrap();
    let (base, served) =
        serve(vec![("/id", ok("", "OLD")), ("/list", ok("", "1,a.example\n")), ("/id", ok("", "NEW"))]);
    let mut request = request(&base, &dir.path().join("list"));
    let id_url: &'static str = format!("{base}/id").leak();
    request.edition = Some(Edition { id_url, page: "https://lists.example/" });
    let provenance = run(&request).unwrap();
    assert_eq!((provenance.edition, provenance.edition_url), (None, None));
    served.join().unwrap();
}

#[test]
fn what_stops_a_download_leaves_nothing() {
    let long = "x".repeat(100);
    for (what, answer, status) in [
        ("not there", "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(), 65),
        ("not now", "HTTP/1.1 503 Later\r\ncontent-length: 0\r\n\r\n".to_owned(), 75),
        ("broken off", "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf".to_owned(), 75),
        ("no HTTP", "SSH-2.0-x\r\n\r\n".to_owned(), 75),
        ("a web page", ok("content-type: text/html; charset=utf-8\r\n", "<html>"), 65),
        ("too long, and says so", ok("", &long), 65),
        ("too long, and does not", format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{long}"), 65),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (base, served) = serve(vec![("/list", answer)]);
        let request = Request { max_bytes: 99, ..request(&base, &dir.path().join("list")) };
        assert_eq!(run(&request).map_err(|error| error.exit_status()), Err(status), "{what}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{what}");
        served.join().unwrap();
    }
}

#[test]
fn a_download_needs_a_place() {
    let request = request("http://127.0.0.1:9", Path::new("/nonexistent/list"));
    assert_eq!(run(&request).unwrap_err().exit_status(), 73);
}

#[test]
fn requests_by_name() {
    let status = |name: &str, token: Option<&str>| {
        let made = Request::new(name, None, None, |_| token.map(str::to_owned));
        made.map(|request| request.token.is_some()).map_err(|error| error.exit_status())
    };
    for list in known::ALL {
        let expected = match list.access {
            Access::Open { .. } => Ok(false),
            Access::Token { .. } => Ok(true),
            Access::Documented(_) => Err(2),
        };
        assert_eq!(status(list.name, Some("secret")), expected, "{}", list.name);
    }
    assert_eq!(status("radar", None), Err(2));
    assert_eq!(status("no such list", None), Err(2));
    // A token is for its own server alone.
    let elsewhere = Request::new("radar", Some("https://a.example/"), None, |_| Some("secret".to_owned())).unwrap();
    assert_eq!(elsewhere.token, None);
}
