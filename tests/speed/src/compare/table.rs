//! The table: medians, and ratios run by run, because a machine is slower at one time than at another.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::json;

use super::client::MASSDNS;
use super::{Arguments, Expected, Run};
use crate::fault::Fault;

impl Run {
    /// Microseconds of CPU a domain.
    fn cost(&self) -> f64 {
        (self.user_s + self.sys_s) * 1e6 / self.domains()
    }

    fn domains(&self) -> f64 {
        self.outcome.domains.max(1) as f64
    }

    fn packets(&self) -> f64 {
        self.served.questions as f64 / self.domains()
    }

    fn megabytes(&self) -> f64 {
        self.peak_bytes as f64 / 1e6
    }
}

/// One run, in one line.
pub(super) fn line(run: &Run) -> String {
    let (found, failed) = (known(run.outcome.found), known(run.outcome.failed));
    let exit = run.exit.filter(|exit| *exit != 0).map(|exit| format!(", exit {exit}")).unwrap_or_default();
    format!(
        "{} {:.2} µs a domain (user {:.2} s, sys {:.2} s), {:.1} s, {:.3} packets, {:.0} MB, found {found}, failed {failed}{exit}",
        run.client,
        run.cost(),
        run.user_s,
        run.sys_s,
        run.wall_s,
        run.packets(),
        run.megabytes(),
    )
}

/// A count, if there is one.
fn known(count: Option<u64>) -> String {
    count.map_or_else(|| "-".to_owned(), |count| count.to_string())
}

/// Prints the table.
pub(super) fn print(clients: &[&str], runs: &[Run], expected: Expected, arguments: &Arguments) -> Result<(), Fault> {
    let text = text(clients, runs, expected, arguments);
    io::stdout().write_all(text.as_bytes()).map_err(Fault::while_doing("print the table"))
}

fn text(clients: &[&str], runs: &[Run], expected: Expected, arguments: &Arguments) -> String {
    let weather = &arguments.weather;
    let mut text = format!(
        "{}\n{} domains, {} with a record, {} % loss, {} to {} ms, {} runs each, in turn; medians\n\n",
        machine(),
        expected.domains,
        expected.found,
        weather.loss,
        weather.latency.least,
        weather.latency.most,
        arguments.runs,
    );
    text.push_str(
        "| client | µs CPU a domain | least-most | user | sys | of massdns | domains/s | packets a domain | peak MB \
         | found | failed |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for client in clients {
        let own: Vec<&Run> = runs.iter().filter(|run| run.client == *client).collect();
        let figure = |figure: &dyn Fn(&Run) -> f64| median(own.iter().map(|run| figure(run)).collect());
        let costs = || own.iter().map(|run| run.cost());
        let share = |seconds: &dyn Fn(&Run) -> f64| figure(&|run| seconds(run) * 1e6 / run.domains());
        let found = own.iter().map(|run| run.outcome.found).min().flatten();
        let written = writeln!(
            text,
            "| {client} | {:.2} | {:.2}-{:.2} | {:.2} | {:.2} | {} | {:.0} | {:.3} | {:.0} | {} | {} |",
            figure(&Run::cost),
            costs().fold(f64::INFINITY, f64::min),
            costs().fold(0.0, f64::max),
            share(&|run| run.user_s),
            share(&|run| run.sys_s),
            ratio(runs, client).map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}")),
            figure(&|run| run.domains() / run.wall_s),
            figure(&Run::packets),
            figure(&Run::megabytes),
            known(found),
            known(own.iter().map(|run| run.outcome.failed).max().flatten()),
        );
        // Into a String, which takes everything.
        debug_assert!(written.is_ok());
    }
    text
}

/// What a client costs by what massdns costs in the same round: the median of the rounds.
fn ratio(runs: &[Run], client: &str) -> Option<f64> {
    let of = |client: &str| runs.iter().filter(|run| run.client == client).map(Run::cost).collect::<Vec<_>>();
    let (own, other) = (of(client), of(MASSDNS));
    (!other.is_empty()).then(|| median(own.iter().zip(other).map(|(own, other)| own / other).collect()))
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => figures[middle],
        _ => f64::midpoint(figures[middle - 1], figures[middle]),
    }
}

/// Writes every run, and what the table says of them.
pub(super) fn write_json(path: &Path, runs: &[Run], expected: Expected, arguments: &Arguments) -> Result<(), Fault> {
    let mut clients: Vec<&str> = runs.iter().map(|run| run.client).collect();
    clients.dedup();
    clients.sort_unstable();
    clients.dedup();
    let medians = clients.iter().map(|client| {
        let costs = runs.iter().filter(|run| run.client == *client).map(Run::cost).collect();
        json!({ "client": client, "cpu_us": median(costs), "of_massdns": ratio(runs, client) })
    });
    let weather = &arguments.weather;
    let whole = json!({
        "machine": machine(),
        "expected": expected,
        "loss": weather.loss,
        "latency_ms": [weather.latency.least, weather.latency.most],
        "clients": medians.collect::<Vec<_>>(),
        "runs": runs,
    });
    let text = serde_json::to_string_pretty(&whole).map_err(Fault::while_doing("write JSON"))?;
    fs::write(path, text + "\n").map_err(Fault::while_doing(format!("write {}", path.display())))
}

/// The machine, in a line.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches([' ', '\t', ':']);
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{model}, {count} processors, Linux {}", read("/proc/sys/kernel/osrelease").trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::Outcome;
    use crate::responder::Counts;

    fn run(client: &'static str, user_s: f64) -> Run {
        let outcome = Outcome { domains: 1_000_000, found: Some(7), failed: Some(0), wrong: None };
        let served = Counts { questions: 1_010_000, ..Counts::default() };
        Run {
            client,
            user_s,
            sys_s: 1.0,
            wall_s: 10.0,
            peak_bytes: 50_000_000,
            exit: Some(0),
            outcome,
            served,
            responder_s: 1.0,
        }
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let runs = [
            run(MASSDNS, 4.0),
            run("other", 1.0),
            run(MASSDNS, 9.0),
            run("other", 3.0),
            run(MASSDNS, 3.0),
            run("other", 1.0),
        ];
        let ratio = ratio(&runs, "other").unwrap_or_default();
        assert!((ratio - 0.4).abs() < 1e-9, "{ratio}");
        assert!((runs[0].cost() - 5.0).abs() < 1e-9 && (runs[0].packets() - 1.01).abs() < 1e-9);
        assert!(median(Vec::new()).is_nan() && (median(vec![3.0, 1.0]) - 2.0).abs() < 1e-9);
    }
}
