//! The zone of every member at once, derived from its world when a name is asked (RFC 1034 4.3.2, RFC 4592).

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::certificates::Certificates;
use super::fault::{CertKind, DnsFault, TlsFault};
use super::population::{Member, Population};
use super::wire::{self, Answer, CLASS_IN};
use super::world::{Address, Data, FaultyQuestion, Names, Record, Tlsa, World, rtype};

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

/// All zones, and the certificates that their TLSA records speak of.
#[derive(Debug)]
pub(super) struct Zones {
    pub(super) population: Arc<Population>,
    pub(super) certificates: Arc<Certificates>,
}

/// One step of an answer: the name, who owns it, and what stands there.
struct Step<'a> {
    name: &'a str,
    names: Names<'a>,
    world: &'a World,
}

impl Zones {
    /// The answer to a question, as a resolver gives it: with the aliases followed. It is secure where every step is.
    pub(super) fn answer(&self, name: &str, asked: u16) -> (Reply, Option<Owner<'_>>) {
        let mut reply = Reply { rcode: 0, answers: Vec::new(), secure: true };
        let found = self.population.find(name);
        let owner =
            found.map(|(number, member, world)| Owner { number, fault: fault(world, number, member, name, asked) });
        let mut current = name.to_owned();
        let mut seen = Vec::new();
        for _ in 0..CHAIN_MAX {
            let Some((number, member, world)) = self.population.find(&current) else {
                reply.rcode = if is_top(&current) { top(&current, asked, &mut reply.answers) } else { NXDOMAIN };
                // The root is signed, as on the Internet, by which a resolver that validates is known; nothing else is.
                reply.secure &= current.is_empty();
                break;
            };
            let names = Population::names(number, member);
            let step = Step { name: &current, names, world };
            reply.secure &= is_secure(&step);
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
                reply.answers.push(self.written(record, &step));
            }
            let alias = records.iter().find_map(|r| match &r.data {
                Data::Cname(target) => Some((r, target)),
                _ => None,
            });
            match alias {
                Some((record, target)) if reply.answers.len() == before => {
                    reply.answers.push(self.written(record, &step));
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

    fn written(&self, record: &Record, step: &Step<'_>) -> Answer {
        let association = |tlsa: &Tlsa| {
            // Below the port and the protocol (RFC 6698 3).
            let host = step.name.splitn(3, '.').nth(2).unwrap_or(step.name);
            let kind = mail_certificate(&self.population, host).unwrap_or_default();
            self.certificates.association(tlsa, host, kind)
        };
        Answer {
            owner: step.name.to_owned(),
            rtype: record.data.rtype(),
            class: CLASS_IN,
            ttl: record.ttl,
            data: wire::data(&record.data, &step.names, |of| address(of, step), association),
        }
    }
}

/// Whether the resolver could authenticate what stands at a name: as the nearest exception says, or the world.
fn is_secure(step: &Step<'_>) -> bool {
    let said = step.world.exceptions.iter().map(|(name, secure)| (step.names.expand(name), *secure));
    let here = said.filter(|(name, _)| name == step.name || below(step.name, name));
    here.max_by_key(|(name, _)| name.len()).map_or(step.world.secure, |(_, secure)| secure)
}

/// The certificate that a mail host shows, good where its world says nothing else; none where no host has that name.
pub(super) fn mail_certificate(population: &Population, host: &str) -> Option<CertKind> {
    let (number, member, world) = population.find(host)?;
    let names = Population::names(number, member);
    let said = world.mail.iter().find(|mail| names.expand(&mail.name) == host).map(|mail| mail.cert);
    said.or_else(|| matches!(at(world, &names, host), Found::Records(_)).then_some(CertKind::Valid))
}

/// The address that a record gives: that of a fault, or one of the pool.
fn address(of: &Address, step: &Step<'_>) -> Ipv4Addr {
    let here = |name: &str| step.names.expand(name) == step.name;
    match of {
        Address::Fixed(address) => *address,
        Address::Faulty(fault) => fault.address(),
        Address::Next => pool_address(place(step) + 1),
        Address::Own => {
            let web = step.world.hosts.iter().find(|host| host.tls.is_some() && here(&host.name));
            let mail = step.world.mail.iter().find(|host| host.fault.is_some() && here(&host.name));
            let fault = web.and_then(|host| host.tls).map(TlsFault::address);
            fault.or(mail.and_then(|host| host.fault).map(|fault| fault.address())).unwrap_or(pool_address(place(step)))
        }
    }
}

/// The place of a host in the pool: by its member, and by the number that its first label ends with, as in mx2.
fn place(step: &Step<'_>) -> u32 {
    let label = step.name.split('.').next().unwrap_or("");
    let digits = label.trim_start_matches(|c: char| !c.is_ascii_digit());
    step.names.number.wrapping_add(digits.parse().unwrap_or(0))
}

/// The address of this number in the pool, around and around.
pub(super) fn pool_address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 10, 0, 1)) + number % POOL)
}

fn fault<'a>(world: &'a World, number: u32, member: &Member, name: &str, asked: u16) -> Option<&'a DnsFault> {
    let names = Population::names(number, member);
    let hit = |f: &&FaultyQuestion| f.rtype == asked && names.expand(&f.owner) == name;
    world.faults.iter().find(hit).map(|f| &f.fault)
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
