//! hickory-resolver as good as it gets: one thread, many look-ups at a time, no cache, no hosts file, UDP alone.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use tokio::task::LocalSet;

use super::{Lines, Outcome};
use crate::fault::Fault;

/// Look-ups at a time, at most: each has a socket of its own, and a process has 1,024 files unless more were asked for.
const SOCKETS: usize = 500;

/// Asks for every domain of the list.
pub(super) fn run(server: SocketAddr, window: usize, list: &Path) -> Result<Outcome, Fault> {
    let shared =
        Rc::new(RefCell::new((Lines::open(list)?, Outcome { found: Some(0), failed: Some(0), ..Outcome::default() })));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Fault::while_doing("start"))?;
    let tasks = LocalSet::new();
    let resolver = resolver(server)?;
    let workers: Vec<_> =
        (0..window.clamp(1, SOCKETS)).map(|_| tasks.spawn_local(work(resolver.clone(), Rc::clone(&shared)))).collect();
    runtime.block_on(tasks.run_until(async {
        for worker in workers {
            worker.await.map_err(Fault::while_doing("ask"))??;
        }
        Ok(())
    }))?;
    let outcome = shared.borrow().1;
    Ok(outcome)
}

fn resolver(server: SocketAddr) -> Result<TokioResolver, Fault> {
    let mut connection = ConnectionConfig::udp();
    connection.port = server.port();
    let name_server = NameServerConfig::new(server.ip(), true, vec![connection]);
    let config = ResolverConfig::from_name_servers(vec![name_server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.cache_size = 0;
    options.ndots = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.num_concurrent_reqs = 1;
    options.max_active_requests = SOCKETS;
    options.os_port_selection = true;
    builder.build().map_err(Fault::while_doing("build the resolver"))
}

/// Takes domains from the list until there are none.
async fn work(resolver: TokioResolver, shared: Rc<RefCell<(Lines, Outcome)>>) -> Result<(), Fault> {
    loop {
        let name = match shared.borrow_mut().0.next()? {
            Some(domain) => format!("_mta-sts.{domain}."),
            None => return Ok(()),
        };
        let answer = resolver.txt_lookup(name).await;
        let outcome = &mut shared.borrow_mut().1;
        outcome.domains += 1;
        match answer {
            Ok(answer) => {
                let found = answer.answers().iter().any(|record| matches!(record.data, RData::TXT(_)));
                outcome.found = outcome.found.map(|count| count + u64::from(found));
            }
            Err(error) if error.is_no_records_found() => {}
            Err(_) => outcome.failed = outcome.failed.map(|count| count + 1),
        }
    }
}
