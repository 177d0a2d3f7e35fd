use super::*;

fn read(lines: &[&'static str]) -> Vec<Taken<'static>> {
    let Some(layout) = Layout::choose(lines, None) else { return Vec::new() };
    let mut rows = Rows::new(layout);
    lines.iter().map(|line| rows.take(line)).collect()
}

fn cell(text: &'static str, rank: Option<i64>) -> Taken<'static> {
    Taken::Cell { text: text.into(), rank }
}

#[test]
fn the_published_lists() {
    let tables: &[(&str, &[&str], &[Taken<'_>])] = &[
        (
            "Tranco, Umbrella: no header",
            &["1,google.example", "2,bad..name", "3,\"quoted.example\""],
            &[cell("google.example", Some(1)), cell("bad..name", Some(2)), cell("quoted.example", Some(3))],
        ),
        (
            "Majestic",
            &["GlobalRank,TldRank,Domain,TLD,RefSubNets", "1,7,a.example,example,99"],
            &[Taken::Skipped, cell("a.example", Some(1))],
        ),
        (
            "CrUX: an origin is unwrapped to its host, and nothing else is",
            &["origin,rank", "https://www.a.example,1000", "http://b.example,1000", "https://c.example:8443,5000"],
            &[
                Taken::Skipped,
                cell("www.a.example", Some(1000)),
                cell("b.example", Some(1000)),
                cell("c.example:8443", Some(5000)),
            ],
        ),
        ("Radar, unranked", &["domain", "a.example"], &[Taken::Skipped, cell("a.example", None)]),
        (
            "Radar, ranked, quoted commas",
            &["rank,domain,categories", "4,a.example,\"News, \"\"Media\"\"\""],
            &[Taken::Skipped, cell("a.example", Some(4))],
        ),
        ("by content", &["x;a.example;7", "y;b.example;9"], &[cell("a.example", Some(7)), cell("b.example", Some(9))]),
        (
            "an unknown header over domains",
            &["Some Word,Zone", "x,a.example", "", "# no row"],
            &[Taken::Skipped, cell("a.example", None), Taken::Blank, Taken::Blank],
        ),
        (
            "rows that break",
            &["rank,domain", "1", "2,", "3,\"open", "4,\"a\"b", "5,ok.example"],
            &[
                Taken::Skipped,
                Taken::Bad(list::NO_COLUMN),
                Taken::Bad(list::NO_COLUMN),
                Taken::Bad(list::BAD_CHAR),
                Taken::Bad(list::BAD_CHAR),
                cell("ok.example", Some(5)),
            ],
        ),
        (
            "a rank that is none",
            &["rank,domain", "first,a.example", "-1,b.example"],
            &[Taken::Skipped, cell("a.example", None), cell("b.example", None)],
        ),
    ];
    for (what, lines, expected) in tables {
        assert_eq!(read(lines), *expected, "{what}");
    }
}

#[test]
fn a_column_that_is_asked_for() {
    let lines = ["mail,web", "a.example,b.example"];
    let name = |name: &str| Layout::choose(&lines, Some(&Column::Name(name.to_owned()))).map(|l| (l.name, l.header));
    assert_eq!(name("WEB"), Some((1, true)));
    assert_eq!(name("ftp"), None);
    let number = |n| Layout::choose(&lines, Some(&Column::Number(n))).map(|l| (l.name, l.header));
    assert_eq!(number(2), Some((1, true)));
}

#[test]
fn lists_that_are_no_rows() {
    assert!(Layout::is_likely(&["1,a.example"]));
    assert!(Layout::is_likely(&["Domain", "a.example"]));
    assert!(!Layout::is_likely(&["a.example", "b.example", "c.example, d.example"]));
    assert!(!Layout::is_likely(&["# a, b", ""]));
    assert_eq!(Layout::choose(&["1,2", "3,4"], None), None);
}
