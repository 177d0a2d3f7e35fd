//! Progress: what is written, and that nothing that standard error does holds up the scan.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use super::*;

/// Keeps what is written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A closed or full standard error.
struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

/// A terminal that was stopped with Ctrl-S: it says when a write has begun, and never ends it before it is let go.
struct Blocked(Sender<()>, Receiver<()>);

impl Write for Blocked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.send(());
        let _ = self.1.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn count(meter: &Meter) {
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let meter = meter.clone();
            thread::spawn(move || {
                for _ in 0..1_000 {
                    meter.done(1);
                    meter.asked(2);
                }
                meter.announced(3);
                meter.failed(1);
            })
        })
        .collect();
    tasks.into_iter().for_each(|task| task.join().unwrap());
}

#[test]
fn the_last_line_counts_everything() {
    let kept = Kept::default();
    let progress = Progress::start_on(Some(Canvas::Plain(Box::new(kept.clone()))), Some(4_000)).unwrap();
    count(&progress.meter());
    progress.finish();
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    let last = text.lines().last().unwrap();
    for part in ["4,000 of 4,000", "12 announced", "4 failed", "8,000 asked"] {
        assert!(last.contains(part), "{last}");
    }
}

#[test]
fn json_is_one_object_a_line_and_the_last_says_so() {
    let kept = Kept::default();
    let progress = Progress::start_on(Some(Canvas::Json(Box::new(kept.clone()))), None).unwrap();
    let meter = progress.meter();
    meter.expect(5_000);
    count(&meter);
    progress.finish();
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    let objects: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = objects.last().unwrap();
    assert_eq!((&last["done"], &last["total"], &last["finished"]), (&4_000.into(), &5_000.into(), &true.into()));
    assert!(objects.iter().rev().skip(1).all(|object| object["finished"] == false));
}

#[test]
fn a_closed_standard_error_stops_nothing() {
    for canvas in [Canvas::Plain(Box::new(Broken)), Canvas::Json(Box::new(Broken))] {
        let progress = Progress::start_on(Some(canvas), Some(1)).unwrap();
        progress.meter().done(1);
        progress.finish();
    }
}

#[test]
fn a_blocked_terminal_holds_up_neither_the_scan_nor_its_end() {
    let (begun, beginning) = channel();
    let (release, held) = channel();
    let progress = Progress::start_on(Some(Canvas::Json(Box::new(Blocked(begun, held)))), Some(4_000)).unwrap();
    beginning.recv_timeout(Duration::from_secs(10)).unwrap();
    let started = Instant::now();
    count(&progress.meter());
    progress.finish();
    assert!(started.elapsed() < LAST_DRAW * 5, "{:?}", started.elapsed());
    drop(release);
}

#[test]
fn a_bar_follows_the_counters() {
    let Canvas::Bar(bar) = Canvas::bar(ProgressDrawTarget::hidden()) else { unreachable!("a bar is a bar") };
    let progress = Progress::start_on(Some(Canvas::Bar(bar.clone())), None).unwrap();
    let meter = progress.meter();
    count(&meter);
    meter.expect(4_000);
    progress.finish();
    assert_eq!((bar.position(), bar.length()), (4_000, Some(4_000)));
    assert!(bar.is_finished() && bar.message().contains("4,000 of 4,000"), "{}", bar.message());
}

#[test]
fn without_a_display_there_is_only_the_count() {
    let progress = Progress::start(Mode::None, None).unwrap();
    assert!(progress.drawing.is_none());
    count(&progress.meter());
    progress.finish();
}

#[test]
fn modes_are_read_by_their_words() {
    for (word, mode) in Mode::WORDS {
        assert_eq!(word.parse::<Mode>().ok(), Some(mode));
    }
    assert_eq!("Bar".parse::<Mode>().err().map(|error| error.exit_status()), Some(2));
}
