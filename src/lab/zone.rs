//! The zone of every member at once, derived from its world when a name is asked (RFC 1034 4.3.2, RFC 4592).

use std::net::Ipv4Addr;

use super::fault::DnsFault;
use super::population::{Member, Population};
use super::wire::{self, Answer, CLASS_IN};
use super::world::{Data, FaultyQuestion, Names, Record, World, rtype};

/// Aliases that one answer follows: more than a scan may, so that its own bound is the one that counts.
const CHAIN_MAX: usize = 40;
/// NXDOMAIN (RFC 1035 4.1.1).
pub(super) const NXDOMAIN: u16 = 3;
/// Addresses that ordinary hosts share, as they share the servers of big providers on the Internet.
pub(super) const POOL: u32 = 64;

/// What a zone says to a question.
pub(super) struct Reply {
    pub(super) rcode: u16,
    pub(super) answers: Vec<Answer>,
    pub(super) secure: bool,
}

/// A member that owns the name asked, with the fault of the question, if it has one.
pub(super) struct Owner<'a> {
    pub(super) number: u32,
    pub(super) fault: Option<&'a DnsFault>,
}

/// The answer to a question, as a resolver gives it: with the aliases followed.
pub(super) fn answer<'a>(population: &'a Population, name: &str, asked: u16) -> (Reply, Option<Owner<'a>>) {
    let mut reply = Reply { rcode: 0, answers: Vec::new(), secure: false };
    let found = population.find(name);
    let owner = found.map(|(number, member, world)| Owner { number, fault: fault(world, number, member, name, asked) });
    // The root is signed, which tells a scan that this resolver validates.
    reply.secure = found.map_or(name.is_empty(), |(.., world)| world.secure);
    let mut current = name.to_owned();
    let mut seen = Vec::new();
    for _ in 0..CHAIN_MAX {
        let Some((number, member, world)) = population.find(&current) else {
            reply.rcode = if is_top(&current) { top(&current, asked, &mut reply.answers) } else { NXDOMAIN };
            break;
        };
        let names = Population::names(number, member);
        let records = match at(world, &names, &current) {
            Found::Records(records) => records,
            Found::Nothing => break,
            Found::NoName => {
                reply.rcode = NXDOMAIN;
                break;
            }
        };
        let before = reply.answers.len();
        for record in records.iter().filter(|r| r.data.rtype() == asked) {
            reply.answers.push(written(record, &current, &names, world, number));
        }
        let alias = records.iter().find_map(|r| match &r.data {
            Data::Cname(target) => Some((r, target)),
            _ => None,
        });
        match alias {
            Some((record, target)) if reply.answers.len() == before => {
                reply.answers.push(written(record, &current, &names, world, number));
                let target = names.expand(target).to_ascii_lowercase();
                seen.push(std::mem::replace(&mut current, target));
                // A loop is shown once around; a resolver has nothing more to say of it.
                if seen.contains(&current) {
                    break;
                }
            }
            _ => break,
        }
    }
    (reply, owner)
}

/// The address of a host: that of its fault, or one of the pool.
pub(super) fn address(world: &World, names: &Names<'_>, host: &str, number: u32) -> Ipv4Addr {
    let fault = world.hosts.iter().find(|h| h.tls.is_some() && names.expand(&h.name) == host).and_then(|h| h.tls);
    fault.map_or_else(|| pool_address(number % POOL), super::fault::TlsFault::address)
}

/// The address of this number in the pool.
pub(super) fn pool_address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 10, 0, 1)) + number)
}

fn fault<'a>(world: &'a World, number: u32, member: &Member, name: &str, asked: u16) -> Option<&'a DnsFault> {
    let names = Population::names(number, member);
    let hit = |f: &&FaultyQuestion| f.rtype == asked && names.expand(&f.owner) == name;
    world.faults.iter().find(hit).map(|f| &f.fault)
}

fn written(record: &Record, owner: &str, names: &Names<'_>, world: &World, number: u32) -> Answer {
    Answer {
        owner: owner.to_owned(),
        rtype: record.data.rtype(),
        class: CLASS_IN,
        ttl: record.ttl,
        data: wire::data(&record.data, names, address(world, names, owner, number)),
    }
}

/// What stands at a name.
enum Found<'a> {
    Records(Vec<&'a Record>),
    /// The name exists because another stands below it.
    Nothing,
    NoName,
}

fn at<'a>(world: &'a World, names: &Names<'_>, name: &str) -> Found<'a> {
    let mut here = Vec::new();
    let mut above = false;
    let mut wild: Vec<&Record> = Vec::new();
    for record in &world.records {
        let owner = names.expand(&record.owner);
        if owner == name {
            here.push(record);
        } else if below(&owner, name) {
            above = true;
        } else if let Some(parent) = owner.strip_prefix("*.")
            && below(name, parent)
        {
            wild.push(record);
        }
    }
    // A name that exists, if only by one below it, keeps the wildcard away (RFC 4592 2.2.1).
    match (here.is_empty(), above, wild.is_empty()) {
        (false, ..) => Found::Records(here),
        (true, true, _) => Found::Nothing,
        (true, false, false) => Found::Records(wild),
        (true, false, true) => Found::NoName,
    }
}

/// Whether a name stands below another.
fn below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'))
}

/// Whether a name is the root or one of the lab's top-level domains or providers, which exist.
fn is_top(name: &str) -> bool {
    matches!(name, "" | "test" | "example") || name.strip_suffix(".example").is_some_and(|label| !label.contains('.'))
}

/// The root has a name server, as a resolver's health check wants to see; the rest has nothing.
fn top(name: &str, asked: u16, answers: &mut Vec<Answer>) -> u16 {
    if name.is_empty() && asked == rtype::NS {
        let mut data = Vec::new();
        wire::push_name(&mut data, "ns.lab.test");
        answers.push(Answer { owner: String::new(), rtype: rtype::NS, class: CLASS_IN, ttl: 86_400, data });
    }
    0
}
