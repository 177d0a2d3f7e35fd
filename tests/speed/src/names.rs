//! Names that look like those of a list of registered domains, as many as wanted, no two alike.

use std::io::{self, BufWriter, Write};

use clap::Args;

use crate::fault::Fault;
use crate::truth::mixed;

/// Print distinct domains, one a line
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// How many
    count: u64,
    /// Which: another seed gives others, most of them
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

const CONSONANTS: &[u8; 15] = b"bcdfghklmnprstv";
const VOWELS: &[u8; 5] = b"aeiou";
/// Syllables that there are.
const SYLLABLES: u64 = 75;
/// Syllables that begin every name and tell it from all others: 75^5 is more names than are registered.
const LENGTHS: [(u32, u64); 2] = [(4, SYLLABLES.pow(4)), (5, SYLLABLES.pow(5))];
/// What a name goes on with, so that names have 8 to 16 letters. Which, a hash says.
const ENDINGS: &[&str] = &[
    "", "", "", "", "", "", "", "", "s", "a", "o", "x", "er", "ly", "24", "io", "web", "net", "lab", "shop", "tech",
    "media", "group", "-shop", "online", "-berlin", "consult", "digital",
];
/// Top-level domains with their weight: about how registered names are spread.
const ENDS: &[(&str, u64)] = &[
    ("com", 46),
    ("net", 4),
    ("org", 4),
    ("de", 6),
    ("co.uk", 4),
    ("nl", 3),
    ("ru", 3),
    ("com.br", 2),
    ("fr", 2),
    ("it", 2),
    ("com.au", 2),
    ("pl", 2),
    ("eu", 2),
    ("info", 2),
    ("xyz", 3),
    ("top", 3),
    ("shop", 2),
    ("online", 2),
    ("io", 1),
    ("ch", 1),
    ("se", 1),
    ("es", 1),
    ("co", 1),
    ("us", 1),
];

/// Writes names to standard output.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Fault> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    write_names(arguments.count, arguments.seed, &mut out).map_err(Fault::while_doing("write the names"))
}

/// Writes `count` names, each with its line end.
pub(crate) fn write_names(count: u64, seed: u64, out: &mut impl Write) -> io::Result<()> {
    for number in 0..count {
        writeln!(out, "{}", name(number, count, seed))?;
    }
    out.flush()
}

/// The name of this number, of so many.
pub(crate) fn name(number: u64, count: u64, seed: u64) -> String {
    let (syllables, all) = LENGTHS.into_iter().find(|(_, all)| count <= *all).unwrap_or(LENGTHS[1]);
    // A multiplier that shares no factor with 75 leaves no two numbers alike, and none beside its neighbour.
    let mut rest = (number.wrapping_add(mixed(seed) % all) % all * 7_368_787) % all;
    let mut name = String::with_capacity(32);
    for _ in 0..syllables {
        let syllable = usize::try_from(rest % SYLLABLES).unwrap_or(0);
        name.push(char::from(CONSONANTS[syllable / VOWELS.len()]));
        name.push(char::from(VOWELS[syllable % VOWELS.len()]));
        rest /= SYLLABLES;
    }
    let draw = mixed(seed ^ mixed(number));
    name.push_str(ENDINGS[usize::try_from(draw >> 32).unwrap_or(0) % ENDINGS.len()]);
    name.push('.');
    name.push_str(end(draw & 0xffff_ffff));
    name
}

/// The top-level domain that a draw falls on.
fn end(draw: u64) -> &'static str {
    let mut rest = draw % ENDS.iter().map(|(_, weight)| weight).sum::<u64>();
    for (end, weight) in ENDS {
        if rest < *weight {
            return end;
        }
        rest -= weight;
    }
    ENDS[0].0
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_names_are_alike() {
        let names: HashSet<String> = (0..200_000).map(|number| name(number, 200_000, 7)).collect();
        assert_eq!(names.len(), 200_000);
        let mean = names.iter().map(String::len).sum::<usize>() / names.len();
        assert!((12..18).contains(&mean), "{mean} octets a name");
        assert_ne!(name(0, 10, 0), name(0, 10, 1));
    }
}
