//! The order of the modules: one names only modules above it (DESIGN.md, "The modules"). One list holds it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Reading order, which is the order of dependency. A module not named here belongs to the nearest one above it in the tree.
const ORDER: &[&str] = &[
    "text",
    "finding",
    "failure",
    "error",
    "name",
    "target",
    "column",
    "cert",
    "dane",
    "smtp::reply",
    "smtp::talk",
    "smtp",
    "sts::pattern",
    "sts::policy",
    "sts::record",
    "sts::serve",
    "sts::sender",
    "sts",
    "tlsrpt",
    "tlsrpt::report",
    "lint",
    "net::task",
    "net::pace",
    "net::reach",
    "net::dns",
    "net::tls",
    "net::https",
    "net::smtp",
    "net",
    "probe",
    "discover",
    "survey",
    "list",
    "store",
    "progress",
    "scan",
    "lab",
    "cli",
];

/// Modules of `net` that need the one configuration, which stands at the head of their folder.
const SHARED_HEADS: &[(&str, &str)] = &[("net::", "net"), ("sts::", "sts")];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The place in the order of the longest listed module that `path` begins with.
fn place(path: &str) -> Option<usize> {
    ORDER
        .iter()
        .enumerate()
        .filter(|(_, module)| path == **module || path.starts_with(&format!("{module}::")))
        .max_by_key(|(_, module)| module.len())
        .map(|(place, _)| place)
}

fn module_of(file: &Path, root: &Path) -> String {
    let path = file.strip_prefix(root).unwrap().with_extension("");
    let parts: Vec<&str> = path.iter().map(|part| part.to_str().unwrap()).collect();
    let parts = if parts.last() == Some(&"mod") { &parts[..parts.len() - 1] } else { &parts[..] };
    parts.join("::")
}

/// Every path behind `crate::`, with braces unfolded one level deep.
fn named(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in source.match_indices("crate::") {
        let rest = &source[at + "crate::".len()..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':' || c == '{')).unwrap_or(rest.len());
        let path = &rest[..end];
        if let Some((head, _)) = path.split_once('{') {
            let inner = rest[head.len() + 1..].split('}').next().unwrap_or("");
            for item in inner.split(',') {
                let item = item.trim();
                found.insert(if item == "self" {
                    head.trim_end_matches("::").to_owned()
                } else {
                    format!("{head}{item}")
                });
            }
        } else {
            found.insert(path.trim_end_matches(':').to_owned());
        }
    }
    found
}

#[test]
fn a_module_names_only_modules_above_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 30, "the sources were found");
    let mut wrong = Vec::new();
    for file in files {
        let module = module_of(&file, &root);
        if module == "lib" || module == "main" {
            continue;
        }
        let own = place(&module).unwrap_or_else(|| panic!("{module} has no place in the order"));
        let source = fs::read_to_string(&file).unwrap();
        // Tests stand at the end of a file and may use what they like.
        let source = source.split("#[cfg(test)]").next().unwrap();
        let code: String =
            source.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        for path in named(&code) {
            let Some(other) = place(&path) else {
                wrong.push(format!("{module} names {path}, which has no place in the order"));
                continue;
            };
            let head = SHARED_HEADS.iter().any(|(below, head)| module.starts_with(below) && ORDER[other] == *head);
            if other > own && !head {
                wrong.push(format!("{module} names {path}, which stands below it"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_rules_see_no_socket_file_clock_or_log() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![root.join("tlsrpt.rs"), root.join("cert.rs")];
    files.retain(|file| file.exists());
    for folder in ["sts", "tlsrpt", "cert", "dane", "smtp"] {
        if root.join(folder).is_dir() {
            sources(&root.join(folder), &mut files);
        }
    }
    files.retain(|file| file.file_name().is_some_and(|name| name != "tests.rs"));
    assert!(files.len() >= 5);
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap();
        for forbidden in [
            "std::net::Tcp",
            "tokio::",
            "std::fs",
            "SystemTime::now",
            "Instant::now",
            "getrandom",
            "tracing::",
            "async fn",
        ] {
            assert!(!source.contains(forbidden), "{} names {forbidden}", file.display());
        }
    }
}

#[test]
fn no_file_is_over_450_lines_without_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for file in files {
        if file.file_name().is_some_and(|name| name == "tests.rs") {
            continue;
        }
        let source = fs::read_to_string(&file).unwrap();
        let lines = source.split("#[cfg(test)]\nmod tests").next().unwrap().lines().count();
        assert!(lines <= 450, "{} has {lines} lines", file.display());
    }
}
