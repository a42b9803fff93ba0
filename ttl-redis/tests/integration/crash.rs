//! A client that is killed during its writes leaves no entry without its deadline (E4).

use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;
use ttl_core::options::{Create, ExistingDeadline, GetOptions, PatchOptions, PutOptions, Refresh};
use ttl_core::{Lifespan, Patch, Record, Ttl, TtlStore};
use ttl_redis::{RedisConfig, RedisStore};

use crate::server::{OwnServer, with_own_servers};
use crate::support::{LONG, blob, eventually, key, raw};

/// This program, started again by its own trial to write until it is killed.
const CHILD: &str = "TTL_TEST_REDIS_WRITER";

pub(crate) fn trials() -> Vec<Trial> {
    vec![with_own_servers("crash::a_killed_client_leaves_no_entry_without_deadline", killed)]
}

/// The child's `main`, if this is the child.
pub(crate) fn child() -> Option<ExitCode> {
    let url = std::env::var(CHILD).ok()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().ok()?;
    runtime.block_on(async {
        let config = RedisConfig::from_url(&url).expect("the parent's URL");
        let store = RedisStore::connect(&config).await.expect("the parent's server");
        let writers: Vec<_> = (0..32).map(|n| tokio::spawn(write(store.clone(), n))).collect();
        for writer in writers {
            let _ = writer.await;
        }
    });
    Some(ExitCode::SUCCESS)
}

/// Performs every kind of write in an endless loop. Each entry has a deadline.
async fn write(store: RedisStore, writer: u32) {
    let capped = Lifespan::from(LONG).with_max_lifetime(Ttl::days(1));
    for n in 0_u64.. {
        let name = |what: &str| key(&format!("{what}-{writer}-{}", n % 200));
        let record = Record::new().with("n", n).with("list", [n]);
        let refresh = Refresh::reset(LONG);
        let put = PutOptions::new(LONG).with_existing_deadline(ExistingDeadline::Refresh(refresh));
        let _ = store.put(&name("blob"), blob("value"), PutOptions::new(LONG)).await;
        let _ = store.put(&name("capped"), blob("value"), PutOptions::new(capped)).await;
        let _ = store.put(&name("record"), record.clone().into(), put).await;
        let patch = Patch::new().increment("n", 1).append("list", n).set("s", "x");
        let create = PatchOptions::new().with_create(Create::new(LONG)).with_refresh(refresh);
        let _ = store.patch(&name("patched"), &patch, create).await;
        let _ = store.get(&name("record"), GetOptions::new().with_refresh(refresh)).await;
        let _ = store.delete(&name("patched"), ttl_core::options::DeleteOptions::new()).await;
    }
}

async fn killed() {
    let server = OwnServer::start::<&str>([]);
    let mut raw = raw(&server.url()).await;
    for round in 0..5 {
        redis::cmd("FLUSHALL").exec_async(&mut raw).await.unwrap();
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .env(CHILD, server.url())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let size = || {
            let mut raw = raw.clone();
            async move { redis::cmd("DBSIZE").query_async::<u64>(&mut raw).await.unwrap() > 3000 }
        };
        eventually("thousands of writes", size).await;
        tokio::time::sleep(Duration::from_millis(7 * round)).await;
        writer.kill().unwrap();
        writer.wait().unwrap();
        let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query_async(&mut raw).await.unwrap();
        let mut expiries = redis::pipe();
        for key in &keys {
            expiries.cmd("PTTL").arg(key);
        }
        let expiries: Vec<i64> = expiries.query_async(&mut raw).await.unwrap();
        assert!(keys.len() > 3000);
        let immortal = expiries.iter().filter(|expiry| **expiry == -1).count();
        assert_eq!(immortal, 0, "entries without a deadline, of {}", keys.len());
    }
}
