//! Limits: they are kept, and the evicted entries are those that are rarely used.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroUsize;

use ttl_core::options::{GetOptions, PutOptions};
use ttl_core::{ErrorKind, Key, Ttl, TtlStore, Value};
use ttl_memory::{MemoryConfig, MemoryStore, Reclaim};

const HOUR: Ttl = Ttl::hours(1);

fn config() -> MemoryConfig {
    MemoryConfig::new().with_reclaim(Reclaim::Manual)
}

fn entries(n: usize) -> MemoryStore {
    MemoryStore::new(&config().with_max_entries(NonZeroUsize::new(n).unwrap()))
}

fn key(n: u64) -> Key {
    Key::new(format!("key:{n}")).unwrap()
}

async fn put(store: &MemoryStore, n: u64, value: Vec<u8>) {
    assert!(store.put(&key(n), value.into(), PutOptions::new(HOUR)).await.unwrap().is_applied());
}

async fn hit(store: &MemoryStore, n: u64) -> bool {
    store.get(&key(n), GetOptions::new()).await.unwrap().is_some()
}

/// Pseudo-random numbers, the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Random keys by Zipf's law with exponent 1.
fn zipf(universe: u32, count: usize) -> Vec<u64> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=universe)
        .map(|rank| {
            sum += 1.0 / f64::from(rank);
            sum
        })
        .collect();
    let mut numbers = Numbers(0x5eed);
    (0..count)
        .map(|_| {
            let at = numbers.fraction() * sum;
            sums.partition_point(|below| *below < at) as u64
        })
        .collect()
}

#[tokio::test]
async fn the_limit_in_entries_is_never_passed_and_nearly_reached() {
    for limit in [1, 10, 1000, 10_000] {
        let store = entries(limit);
        for n in 0..3 * limit as u64 {
            put(&store, n, vec![0; 10]).await;
            assert!(store.len() <= limit);
        }
        assert!(store.len() * 100 >= limit * 95, "{} of {limit}", store.len());
    }
}

#[tokio::test]
async fn the_limit_in_bytes_is_never_passed() {
    let limit = 1 << 20;
    let store = MemoryStore::new(&config().with_max_bytes(NonZeroUsize::new(limit).unwrap()));
    let mut numbers = Numbers(1);
    for _ in 0..5_000 {
        let n = numbers.next() % 2_000;
        put(&store, n, vec![0; (numbers.next() % 4_096) as usize]).await;
        assert!(store.bytes() <= limit);
        hit(&store, numbers.next() % 2_000).await;
    }
    assert!(store.bytes() * 100 >= limit * 95, "{}", store.bytes());
}

#[tokio::test]
async fn what_cannot_fit_is_refused_and_the_old_value_stays() {
    let limit = 1 << 20;
    let store = MemoryStore::new(&config().with_max_bytes(NonZeroUsize::new(limit).unwrap()));
    let largest = usize::try_from(store.capabilities().max_value_bytes).unwrap();
    assert!(largest < limit && largest > limit * 99 / 100);
    put(&store, 1, vec![1; largest]).await;
    let over: Value = vec![2; limit].into();
    let error = store.put(&key(1), over, PutOptions::new(HOUR)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("max_bytes"), "{error}");
    let entry = store.get(&key(1), GetOptions::new()).await.unwrap().unwrap();
    assert_eq!(entry.value, Some(vec![1; largest].into()));
}

#[tokio::test]
async fn a_scan_through_many_keys_does_not_drive_out_what_is_used() {
    let store = entries(1000);
    for round in 0..3 {
        for n in 0..500 {
            if !hit(&store, n).await {
                put(&store, n, vec![0; 10]).await;
            }
        }
        assert!(round == 0 || store.len() >= 500);
    }
    // Ten times as many keys as fit, each used once.
    for n in 10_000..20_000 {
        put(&store, n, vec![0; 10]).await;
    }
    let mut left = 0;
    for n in 0..500 {
        left += usize::from(hit(&store, n).await);
    }
    assert!(left >= 490, "{left} of 500");
}

#[tokio::test]
async fn hits_are_as_many_as_a_plain_s3_fifo_gets_and_more_than_lru() {
    let keys = zipf(100_000, 400_000);
    for limit in [1_000, 5_000, 10_000] {
        let store = entries(limit);
        let (mut hits, mut model, mut lru) = (0, Model::new(limit), Lru::new(limit));
        for n in &keys {
            if hit(&store, *n).await {
                hits += 1;
            } else {
                put(&store, *n, vec![]).await;
            }
            model.access(*n);
            lru.access(*n);
        }
        let percent = |hits: usize| 100.0 * hits as f64 / keys.len() as f64;
        let (store, model, lru) = (percent(hits), percent(model.hits), percent(lru.hits));
        println!("{limit}: {store:.2} %, model {model:.2} %, LRU {lru:.2} %");
        assert!(store > model - 1.0, "{limit}: {store:.2} % against {model:.2} %");
        assert!(store > lru + 1.0, "{limit}: {store:.2} % against LRU's {lru:.2} %");
    }
}

#[tokio::test]
async fn a_key_that_comes_and_goes_leaves_no_trail() {
    let store = entries(1000);
    for n in 0..200_000 {
        put(&store, n % 3, vec![0; 10]).await;
        assert!(store.delete(&key(n % 3), Default::default()).await.unwrap().is_applied());
    }
    for n in 0..2000 {
        put(&store, n, vec![0; 10]).await;
    }
    assert!(store.len() >= 950 && store.len() <= 1000, "{}", store.len());
}

/// S3-FIFO as its authors describe it, with an exact list of ghosts.
struct Model {
    limit: usize,
    small: VecDeque<u64>,
    main: VecDeque<u64>,
    ghosts: VecDeque<u64>,
    /// The number of occurrences of each key in the list of ghosts.
    evicted: HashMap<u64, u32>,
    uses: HashMap<u64, u8>,
    hits: usize,
}

impl Model {
    fn new(limit: usize) -> Self {
        let (small, main, ghosts) = Default::default();
        Self { limit, small, main, ghosts, evicted: HashMap::new(), uses: HashMap::new(), hits: 0 }
    }

    fn access(&mut self, key: u64) {
        if let Some(uses) = self.uses.get_mut(&key) {
            *uses = (*uses + 1).min(3);
            self.hits += 1;
            return;
        }
        if self.uses.len() == self.limit {
            self.evict();
        }
        self.uses.insert(key, 0);
        if self.evicted.contains_key(&key) {
            self.main.push_back(key);
        } else {
            self.small.push_back(key);
        }
    }

    fn remember(&mut self, key: u64) {
        self.ghosts.push_back(key);
        *self.evicted.entry(key).or_default() += 1;
        if self.ghosts.len() > self.limit {
            let oldest = self.ghosts.pop_front().unwrap();
            let times = self.evicted.get_mut(&oldest).unwrap();
            *times -= 1;
            if *times == 0 {
                self.evicted.remove(&oldest);
            }
        }
    }

    fn evict(&mut self) {
        loop {
            if self.small.len() * 10 >= self.limit || self.main.is_empty() {
                let key = self.small.pop_front().unwrap();
                if self.uses[&key] == 0 {
                    self.uses.remove(&key);
                    self.remember(key);
                    return;
                }
                self.uses.insert(key, 0);
                self.main.push_back(key);
            } else {
                let key = self.main.pop_front().unwrap();
                let uses = self.uses[&key];
                if uses == 0 {
                    self.uses.remove(&key);
                    return;
                }
                self.uses.insert(key, uses - 1);
                self.main.push_back(key);
            }
        }
    }
}

/// Least recently used, by the time of the last use.
struct Lru {
    limit: usize,
    used: HashMap<u64, u64>,
    order: std::collections::BTreeMap<u64, u64>,
    time: u64,
    hits: usize,
}

impl Lru {
    fn new(limit: usize) -> Self {
        Self { limit, used: HashMap::new(), order: Default::default(), time: 0, hits: 0 }
    }

    fn access(&mut self, key: u64) {
        self.time += 1;
        if let Some(before) = self.used.insert(key, self.time) {
            self.hits += 1;
            self.order.remove(&before);
        } else if self.used.len() > self.limit {
            let (_, oldest) = self.order.pop_first().unwrap();
            self.used.remove(&oldest);
        }
        self.order.insert(self.time, key);
    }
}
