//! What it costs to judge a domain and to store its row.

use std::time::{Duration, SystemTime};

use divan::Bencher;
use divan::counter::ItemsCount;
use stscan::name::Domain;
use stscan::net::dns::{Answer, Lookup, Rrset, Security, Txt, Via};
use stscan::probe::record;
use stscan::scan::Tables;
use stscan::store::{Dataset, PartWriter};
use stscan::survey::{self, Domains, Survey};
use stscan::target::Target;

fn main() {
    divan::main();
}

/// Rows of one batch.
const ROWS: usize = 65_536;

/// What a survey saw at `_mta-sts.<domain>`.
#[derive(Clone, Copy, Debug)]
enum Sight {
    Nothing,
    Record,
}

#[divan::bench(args = [Sight::Nothing, Sight::Record])]
fn judge(bencher: Bencher<'_, '_>, sight: Sight) {
    let target = target(0);
    bencher
        .with_inputs(|| survey(sight))
        .bench_values(|survey| survey::judge(divan::black_box(survey), &target.domain).findings.len());
}

/// Rows as one Arrow batch. The time of an item is that of a row.
#[divan::bench(args = [Sight::Nothing, Sight::Record], sample_count = 10, sample_size = 1)]
fn columns(bencher: Bencher<'_, '_>, sight: Sight) {
    let (tables, rows) = (Tables::new(), rows(sight));
    bencher.counter(ItemsCount::new(ROWS)).bench(|| {
        tables.domains.batch("20240101T000000Z-000000", divan::black_box(&rows)).map(|batch| batch.num_rows())
    });
}

/// A batch as a part of Parquet on the disk. The time of an item is that of a row.
#[divan::bench(args = [Sight::Nothing, Sight::Record], sample_count = 10, sample_size = 1)]
fn part(bencher: Bencher<'_, '_>, sight: Sight) {
    let (tables, place) = (Tables::new(), tempfile::tempdir().expect("there is room for a dataset"));
    let scan_id = "20240101T000000Z-000000";
    let batch = tables.domains.batch(scan_id, &rows(sight)).expect("the columns fit the table");
    let dataset = Dataset::create(place.path(), scan_id).expect("there is room for a dataset");
    bencher
        .counter(ItemsCount::new(ROWS))
        .with_inputs(|| dataset.part_writer("domains", tables.domains.schema()).expect("there is room for a dataset"))
        .bench_values(|mut writer: PartWriter| {
            writer.write(&batch).and_then(|()| writer.finish()).map(|parts| parts.len())
        });
}

fn rows(sight: Sight) -> Vec<Domains> {
    (0..ROWS).map(|seq| Domains::new(target(seq), survey(sight))).collect()
}

fn target(seq: usize) -> Target {
    let domain = format!("name{}-of-a-list.{}", seq * 7_919 % 1_000_003, ["com", "co.uk", "de"][seq % 3]);
    let number = i64::try_from(seq).expect("a batch has few rows");
    Target {
        seq: number,
        domain: Domain::read(&domain).expect("the name is lawful").domain,
        rank: None,
        line: number + 1,
        original: None,
        mapped: false,
        duplicates: 0,
    }
}

fn survey(sight: Sight) -> Survey {
    let bytes = b"v=STSv1; id=20240101T000000;".to_vec();
    let lookup = match sight {
        Sight::Nothing => Lookup::NxDomain,
        Sight::Record => {
            let txt = Txt { length: bytes.len(), bytes, sha256: None };
            Lookup::Found(Rrset { records: vec![txt], ttl: 300 })
        }
    };
    let elapsed = Duration::from_millis(21);
    let answer = Answer {
        lookup,
        aliases: Vec::new(),
        security: Security::Insecure,
        ede: Vec::new(),
        via: Via::Udp,
        sent: 1,
        elapsed,
        case_changed: false,
        trailing: false,
    };
    Survey {
        observed_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        elapsed,
        attempts: 1,
        fresh: true,
        record: record::Seen { answer: Some(answer), sibling: None, apex: None, parent: None },
        policy: None,
        mx: None,
        hosts: None,
        tlsrpt: None,
        panicked: false,
    }
}
