//! The pauses of a thread that reads, while other entries of the same store expire and are reclaimed.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dashmap::DashMap;
use hdrhistogram::Histogram;
use ttl_core::options::GetOptions;
use ttl_core::{Key, TtlStore as _};
use ttl_memory::MemoryStore;

use crate::clock::thread_cpu;
use crate::switches::Switches;
use crate::wait::wait;

type Moka = moka::future::Cache<String, (Bytes, bool)>;

/// A store with entries that will expire, and what a program does with it.
pub struct Subject {
    name: &'static str,
    read: Box<dyn Fn(&Key) -> bool + Send + Sync>,
    /// The number of entries that are not reclaimed.
    held: Box<dyn Fn() -> usize + Send + Sync>,
    /// The task that another thread of the program repeats, and the time between.
    upkeep: Option<(Duration, Box<dyn Fn() + Send + Sync>)>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The lifetimes of a cache: entries with the mark end at one instant, and the others in an hour.
#[derive(Debug)]
pub struct Lifetimes(Instant);

impl moka::Expiry<String, (Bytes, bool)> for Lifetimes {
    fn expire_after_create(&self, _: &String, value: &(Bytes, bool), now: Instant) -> Option<Duration> {
        Some(if value.1 { self.0.saturating_duration_since(now) } else { Duration::from_secs(3_600) })
    }
}

impl Subject {
    /// Creates the memory driver, whose thread reclaims.
    #[must_use]
    pub fn ours(store: Arc<MemoryStore>) -> Self {
        let reading = Arc::clone(&store);
        let read = move |key: &Key| {
            black_box(wait(reading.get(key, GetOptions::new()))).is_ok_and(|entry| entry.is_some())
        };
        Self { name: "ttl-store", read: Box::new(read), held: Box::new(move || store.len()), upkeep: None }
    }

    /// Creates a cache that its callers maintain, or a thread of the program.
    #[must_use]
    pub fn moka(cache: Moka, own_thread: bool) -> Self {
        let (reading, kept) = (cache.clone(), cache.clone());
        let upkeep: Box<dyn Fn() + Send + Sync> = Box::new(move || wait(kept.run_pending_tasks()));
        Self {
            name: if own_thread { "moka::future, own thread" } else { "moka::future" },
            read: Box::new(move |key| black_box(wait(reading.get(key.as_str()))).is_some()),
            held: Box::new(move || usize::try_from(cache.entry_count()).unwrap_or(usize::MAX)),
            upkeep: own_thread.then_some((Duration::from_millis(100), upkeep)),
        }
    }

    /// Returns the lifetimes for a cache whose marked entries end at an instant.
    #[must_use]
    pub const fn lifetimes(end: Instant) -> Lifetimes {
        Lifetimes(end)
    }

    /// Creates a map, from which a thread removes expired entries each second.
    #[must_use]
    pub fn map(map: Arc<DashMap<String, (Bytes, Instant)>>) -> Self {
        let (reading, kept) = (Arc::clone(&map), Arc::clone(&map));
        let read = move |key: &Key| {
            let entry = reading.get(key.as_str()).filter(|entry| entry.1 > Instant::now());
            black_box(entry.map(|entry| entry.0.clone())).is_some()
        };
        let remove = move || {
            let now = Instant::now();
            kept.retain(|_, entry| entry.1 > now);
        };
        Self {
            name: "dashmap, retain",
            read: Box::new(read),
            held: Box::new(move || map.len()),
            upkeep: Some((Duration::from_secs(1), Box::new(remove))),
        }
    }

    /// Returns the name of the contestant.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// Durations of calls in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    /// The median.
    pub median: f64,
    /// All but a thousandth of the calls were shorter.
    pub high: f64,
    /// All but a hundred-thousandth of the calls were shorter.
    pub higher: f64,
    /// The longest.
    pub longest: f64,
}

/// Reads the live entries until the others have expired and are reclaimed.
///
/// # Panics
/// If a live entry is absent, or if a minute after the end there are still expired entries.
#[must_use]
pub fn read_while_expiring(subject: Subject, live: &[Key], end: Instant) -> Pauses {
    let Subject { read, held, upkeep, .. } = subject;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| observe(&read, live, &done));
        if let Some((interval, work)) = &upkeep {
            let done = &done;
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    thread::sleep(*interval);
                    work();
                }
            });
        }
        while Instant::now() < end || held() > live.len() {
            thread::sleep(Duration::from_millis(10));
            if Instant::now() > end + Duration::from_secs(60) {
                done.store(true, Ordering::Relaxed);
                panic!("{} expired entries are still held", held() - live.len());
            }
        }
        done.store(true, Ordering::Relaxed);
        reader.join().expect("the reader ends")
    })
}

fn observe(read: &(dyn Fn(&Key) -> bool + Send + Sync), live: &[Key], done: &AtomicBool) -> Pauses {
    const SLOW: Duration = Duration::from_micros(20);
    let mut histogram = Histogram::<u64>::new_with_max(60_000_000_000, 3).expect("the bounds are valid");
    let mut switches = Switches::of_this_thread();
    for key in live.iter().cycle() {
        if done.load(Ordering::Relaxed) {
            break;
        }
        switches.before_call();
        let (cpu, start) = (thread_cpu(), Instant::now());
        assert!(read(key), "an entry that lives is absent");
        let mut took = start.elapsed();
        if took > SLOW {
            let worked = thread_cpu().saturating_sub(cpu);
            // Others had the core for a part of the time. What the call did itself remains. A call that waited, such as for
            // a lock, counts in full.
            if switches.only_preempted() {
                took = worked;
            }
        }
        histogram.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
    let micros = |nanos: u64| nanos as f64 / 1_000.0;
    Pauses {
        median: micros(histogram.value_at_quantile(0.5)),
        high: micros(histogram.value_at_quantile(0.999)),
        higher: micros(histogram.value_at_quantile(0.99999)),
        longest: micros(histogram.max()),
    }
}
