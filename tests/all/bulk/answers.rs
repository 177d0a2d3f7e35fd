//! What each answer comes to.

use super::*;

#[test]
fn plain_negatives_and_records_are_told_once_each() {
    let server = Server::start(Box::new(|ask| vec![honest(ask)]));
    let names = (0..600).map(|i| format!("{}{i}.{}.example", "x".repeat(i % 40), ["found", "nodata", "none"][i % 3]));
    let mut feed = Feed::new(names);
    assert_eq!(run(&config(&[&server]), Asking::default(), 100, &mut feed), Ended::Done);
    assert_eq!(
        census(&feed),
        [("NODATA", 200), ("NXDOMAIN", 200), ("found", 200)].map(|(w, n)| (w.to_owned(), n)).into()
    );
}
