//! Random calls with random outages.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use ttl_core::options::{Condition, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions};
use ttl_core::{ErrorKind, Expiry, Ttl, Value};

use super::{OUT, Stores};
use crate::recorder::{Fault, key, lasting, text};

/// A sequence of random calls with random outages, compared with what a caller may see: in an outage the last
/// value that was put in an outage and not written since, otherwise the value of the primary.
#[tokio::test]
async fn no_sequence_of_calls_and_outages_brings_a_value_back() {
    for seed in 0..300 {
        random_calls(seed).await.unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
    }
}

async fn random_calls(seed: u64) -> Result<(), String> {
    let mut random = StdRng::seed_from_u64(seed);
    let Stores { primary, store, .. } = Stores::new();
    let names = ["a", "b"];
    let mut outage_values: [Option<String>; 2] = [None, None];
    let mut log = Vec::new();
    for number in 0..40 {
        let at = random.random_range(0..names.len());
        let (name, key) = (names[at], key(names[at]));
        let fault = match random.random_range(0..5) {
            0 => Some(Fault::Fails(OUT)),
            1 => Some(Fault::Fails(ErrorKind::Timeout)),
            2 => Some(Fault::AppliedAndFails(ErrorKind::OutcomeUnknown)),
            _ => None,
        };
        primary.script([fault.clone()]);
        let call = random.random_range(0..8);
        log.push(format!("{call} on {name}, fault {fault:?}"));
        let new = format!("{number}");
        match call {
            0 | 1 => {
                let put = store.put(&key, new.clone().into(), lasting()).await;
                assert!(put.is_ok_and(|put| put.is_applied()));
                outage_values[at] = fault.is_some().then_some(new);
            }
            2 => {
                let absent = lasting().with_condition(Condition::IfAbsent);
                let _ = store.put(&key, new.into(), absent).await;
                outage_values[at] = None;
            }
            3 => {
                let _ = store.delete(&key, DeleteOptions::new()).await;
                outage_values[at] = None;
            }
            4 => {
                let longer = ExpiryChange::Set(Expiry::After(Ttl::hours(1)));
                let _ = store.expire(&key, longer, ExpireOptions::new()).await;
                // A refresh in an outage leaves the value readable.
                outage_values[at] = outage_values[at].take().filter(|_| fault.is_some());
            }
            5 => {
                let _ = store.delete_many(std::slice::from_ref(&key), DeleteOptions::new()).await;
                outage_values[at] = None;
            }
            _ => {
                // A read has no unknown outcome, and this fault is an outage like the others.
                let got = store.get(&key, GetOptions::new()).await;
                let seen = got.ok().map(|entry| entry.map(|entry| entry.value.unwrap()));
                let expected = match fault {
                    Some(_) => outage_values[at].clone().map(|value| Some(Value::from(value))),
                    None => Some(text(primary.memory(), name).await.map(Value::from)),
                };
                if seen != expected {
                    return Err(format!("expected {expected:?}, seen {seen:?}, after {log:#?}"));
                }
            }
        }
    }
    Ok(())
}
