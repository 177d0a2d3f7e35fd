//! The population: which domains the simulated Internet has, and of which world each is.
//!
//! Every world has one specimen, named after it; the rest of the names are drawn by weight. All of them stand under the
//! reserved top-level domains `test` and `example` (RFC 2606 2), so that a lost question reaches nobody. A member owns
//! `<label>.test` and, at any provider, `<label>.<provider>.example`: one label finds it again, whatever name is asked.
//! Policies that were found on the Internet name mail hosts there: a specimen may own such a name, in the lab alone.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::world::{Names, Truth, World};

/// Syllables of made-up names: 64 times 64 times the number of the member are names enough.
const FIRST: [&str; 16] = [
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "ivory", "jasper", "krill", "lumen",
    "maple", "north", "ocean", "prism",
];
/// What the made-up organisations do.
const SECOND: [&str; 16] = [
    "bakery",
    "bank",
    "clinic",
    "college",
    "council",
    "design",
    "energy",
    "freight",
    "games",
    "hotel",
    "insurance",
    "law",
    "media",
    "museum",
    "software",
    "travel",
];

/// The domains of a lab.
#[derive(Debug)]
pub struct Population {
    worlds: Arc<[World]>,
    members: Vec<Member>,
    by_label: HashMap<Box<str>, u32>,
    /// Names outside of the lab's domains that a specimen has records for.
    foreign: HashMap<Box<str>, u32>,
}

/// One domain of a population.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The domain, as a list names it.
    pub domain: String,
    /// The index of its world.
    pub world: usize,
}

impl Population {
    /// Every world once, then by weight until there are `size` domains, in an order by `seed`.
    #[must_use]
    pub fn new(worlds: Vec<World>, size: usize, seed: u64) -> Self {
        let mut random = SplitMix(seed);
        let mut drawn: Vec<(usize, bool)> = (0..worlds.len()).map(|world| (world, true)).collect();
        // Running sums of the weights: a number below the total falls to the first world whose sum is above it.
        let sums: Vec<u64> = worlds
            .iter()
            .scan(0, |sum, world| {
                *sum += u64::from(world.weight);
                Some(*sum)
            })
            .collect();
        let total = sums.last().copied().unwrap_or(0);
        if total > 0 {
            let more = size.saturating_sub(worlds.len());
            drawn.extend((0..more).map(|_| {
                let number = random.below(total);
                (sums.partition_point(|sum| *sum <= number), false)
            }));
        }
        for index in (1..drawn.len()).rev() {
            // The remainder of a number below index + 1 fits.
            let other = usize::try_from(random.below(index as u64 + 1)).unwrap_or(0);
            drawn.swap(index, other);
        }
        let mut members = Vec::with_capacity(drawn.len());
        let mut by_label = HashMap::with_capacity(drawn.len());
        let mut foreign = HashMap::new();
        for (number, (world, specimen)) in drawn.into_iter().enumerate() {
            let label = if specimen { worlds[world].name.clone() } else { made_up(&mut random, number) };
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let domain = domain_of(&worlds[world], &label, number);
            // What the index knows is the label below the top, which a world's own form of name may change.
            by_label.insert(owner_label(&domain).unwrap_or(&label).into(), number);
            if specimen {
                let names = worlds[world].records.iter().map(|record| record.owner.as_str());
                foreign.extend(names.filter(|name| is_foreign(name)).map(|name| (name.into(), number)));
            }
            members.push(Member { domain, world });
        }
        Self { worlds: worlds.into(), members, by_label, foreign }
    }

    /// All domains, in the order of their ranks.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The worlds that the members are of.
    #[must_use]
    pub fn worlds(&self) -> &[World] {
        &self.worlds
    }

    /// The world of a domain of the list.
    #[must_use]
    pub fn world(&self, domain: &str) -> Option<&World> {
        let (_, member, world) = self.find(domain)?;
        (member.domain == domain).then_some(world)
    }

    /// What a scan must make of a domain of the list.
    #[must_use]
    pub fn truth(&self, domain: &str) -> Option<&Truth> {
        self.world(domain).map(|world| &world.truth)
    }

    /// What a scan with `--deep` must make of a domain of the list.
    #[must_use]
    pub fn deep_truth(&self, domain: &str) -> Option<&Truth> {
        self.world(domain).map(|world| world.deep.as_ref().unwrap_or(&world.truth))
    }

    /// The member that owns a name of whatever depth.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(u32, &Member, &World)> {
        let number = match owner_label(name) {
            Some(label) => *self.by_label.get(label)?,
            None => *self.foreign.get(name)?,
        };
        let member = &self.members[number as usize];
        Some((number, member, &self.worlds[member.world]))
    }

    /// What stands for the placeholders of a member's world.
    #[must_use]
    pub fn names(number: u32, member: &Member) -> Names<'_> {
        Names { domain: &member.domain, label: owner_label(&member.domain).unwrap_or(&member.domain), number }
    }

    /// One domain a line.
    #[must_use]
    pub fn list(&self) -> String {
        self.members.iter().fold(String::new(), |mut list, member| {
            list.push_str(&member.domain);
            list.push('\n');
            list
        })
    }

    /// `rank,domain` a line, as the public top lists have it.
    #[must_use]
    pub fn ranked_list(&self) -> String {
        let mut list = String::new();
        for (index, member) in self.members.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = writeln!(list, "{},{}", index + 1, member.domain);
        }
        list
    }
}

fn domain_of(world: &World, label: &str, number: u32) -> String {
    let plain = format!("{label}.test");
    match &world.domain {
        None => plain,
        Some(template) => Names { domain: &plain, label, number }.expand(template),
    }
}

/// The label that tells members apart: below `test`, or below a provider below `example`.
fn owner_label(name: &str) -> Option<&str> {
    if let Some(rest) = name.strip_suffix(".test") {
        return rest.rsplit('.').next();
    }
    let mut labels = name.strip_suffix(".example")?.rsplit('.');
    labels.nth(1)
}

/// Whether the owner of a record is a name of the Internet and not of the lab.
fn is_foreign(owner: &str) -> bool {
    !owner.contains('$') && owner.contains('.') && owner_label(owner).is_none() && !owner.ends_with(".example")
}

/// A name as an organisation might have; the number keeps it unique.
fn made_up(random: &mut SplitMix, number: usize) -> String {
    let word = random.next();
    format!("{}-{}-{number}", FIRST[(word >> 8) as usize % FIRST.len()], SECOND[word as usize % SECOND.len()])
}

/// A small generator of random numbers with a seed (Steele, Lea and Flood 2014), so that a population can be had again.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`. The bias of the remainder is below 2^-32 for every limit here.
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

#[cfg(test)]
mod tests {
    use super::owner_label;

    #[test]
    fn one_label_finds_the_member_again() {
        for (name, label) in [
            ("a.test", Some("a")),
            ("_mta-sts.a.test", Some("a")),
            ("x.y.a.test", Some("a")),
            ("a.mailhost.example", Some("a")),
            ("_mta-sts.a.mailhost.example", Some("a")),
            ("mailhost.example", None),
            ("example", None),
            ("a.invalid", None),
        ] {
            assert_eq!(owner_label(name), label, "{name}");
        }
    }
}
