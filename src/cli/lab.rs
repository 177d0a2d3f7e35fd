//! `stscan lab`: serves a simulated Internet until Ctrl-C or SIGTERM and says how to scan it.

use std::path::{Path, PathBuf};

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::output;
use crate::error::Error;
use crate::lab::{self, Lab, LabOptions, NETWORK, NETWORK_V6, Population, World, world};

/// What `stscan lab` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct LabArgs {
    /// World files to serve in place of the built-in worlds (which they may name in `like`)
    #[arg(value_name = "FILE.world")]
    pub files: Vec<PathBuf>,
    /// How many domains there are; every world has at least one
    #[arg(long, default_value_t = 2_000)]
    pub size: usize,
    /// Decides which domains there are
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Write the list of domains, with ranks, to this file in place of one in the current directory
    #[arg(long, value_name = "FILE", default_value = "lab.csv")]
    pub write_list: PathBuf,
    /// Write lab.pem and community.pem to this directory
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub write_roots: PathBuf,
    /// Write every request to this file
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Port of the resolver; 0 is any that is free
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub dns_port: u16,
    /// Port of the web servers, likewise
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub https_port: u16,
    /// Port of the mail servers, likewise
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub smtp_port: u16,
}

/// Serves until Ctrl-C or SIGTERM.
///
/// # Errors
/// What [`Lab::start`] and the files that it needs can fail with.
pub async fn run(args: LabArgs) -> Result<(), Error> {
    let population = Population::new(servable(worlds(&args.files)?), args.size, args.seed);
    write(&args.write_list, &population.ranked_list())?;
    let LabArgs { log, dns_port, https_port, smtp_port, .. } = args;
    let lab = Lab::start(population, LabOptions { dns_port, https_port, smtp_port, log, keep_lines: false }).await?;
    let (roots, community) = lab.write_roots(&args.write_roots)?;
    let domains = lab.population().members().len();
    let worlds = lab.population().worlds().len();
    // Without it the mail hosts are taken to be within reach, and the resolver to tell the truth.
    let canary = if lab.population().truth(lab::CANARY).is_some() { lab::CANARY } else { "none" };
    output::print(&format!(
        "{domains} domains of {worlds} worlds. Scan them so, and press Ctrl-C to end:\n\n\
         stscan scan {} --resolver {} --https-port {} --smtp-port {} --smtp-canary {canary} --dns-canary {canary} \
         --roots {} --roots {} --allow-network {NETWORK} --allow-network {NETWORK_V6} --no-contact --out DIR\n",
        args.write_list.display(),
        lab.resolver,
        lab.https_port,
        lab.smtp_port,
        roots.display(),
        community.display(),
    ))?;
    told_to_stop().await.map_err(Error::io("cannot wait for a signal"))?;
    let log = lab.stop().await?;
    output::print(&format!(
        "{} questions over UDP, {} over TCP, {} connections, {} HTTP requests, {} SMTP connections\n",
        log.dns_udp, log.dns_tcp, log.connections, log.requests, log.smtp_connections
    ))
}

/// The worlds that this machine can serve; says which it cannot.
pub(super) fn servable(worlds: Vec<World>) -> Vec<World> {
    let (served, left_out) = lab::servable(worlds);
    if !left_out.is_empty() {
        let names = left_out.join(" ");
        output::complain(&format!("this machine has no IPv6 on loopback, so these worlds are left out: {names}"));
    }
    served
}

async fn told_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

/// The worlds of the files, or the built-in ones where there is no file.
fn worlds(files: &[PathBuf]) -> Result<Vec<World>, Error> {
    let built_in = lab::worlds()?;
    if files.is_empty() {
        return Ok(built_in);
    }
    let mut known = built_in.clone();
    for file in files {
        let shown = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(Error::io(format!("cannot read {shown}")))?;
        let more = world::parse_more(&text, &shown, &known)?;
        known.extend(more);
    }
    Ok(known.split_off(built_in.len()))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|source| Error::Create { path: path.to_owned(), source })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use super::*;

    #[test]
    fn files_stand_in_place_of_the_built_in_worlds_and_know_them() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one.world"), folder.path().join("two.world"));
        std::fs::write(&one, "world mine\nabout x\nlike enforce\ntruth\n announced true\n outcome unknown a.b\n")
            .unwrap();
        std::fs::write(&two, "world ours\nabout x\nlike mine\ntruth\n announced true\n outcome unknown a.b\n").unwrap();
        let names =
            |files: &[PathBuf]| worlds(files).map(|worlds| worlds.into_iter().map(|w| w.name).collect::<Vec<_>>());
        assert_eq!(names(&[one.clone(), two.clone()]).unwrap(), ["mine", "ours"]);
        assert!(names(&[]).unwrap().contains(&"enforce".to_owned()));
        // `like` knows only what came before; a name stands once.
        assert_eq!(names(&[two, one.clone()]).unwrap_err().exit_status(), 65);
        assert_eq!(names(&[one.clone(), one]).unwrap_err().exit_status(), 65);
        assert_eq!(names(&[folder.path().join("none")]).unwrap_err().exit_status(), 74);
    }
}
