//! Stores that keep nothing: every read is a miss, every write is gone, and invalid input is refused.

use ttl_core::options::{
    Create, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions,
    ScanOptions,
};
use ttl_core::{Expiry, Lifespan, Patch, Record, Ttl, Value};

use crate::test::{LONG, applied, key, record};
use crate::{Check, Test, case_table, ensure, ensure_eq, ensure_kind};

case_table! {
    /// H1: On a store that denies `stores`, every write is applied and reports a new entry. Every read after it is a
    /// miss, and every change finds nothing.
    a_write_is_applied_and_gone: needs(no_storage),
    /// H1, B1: On a store that denies `stores`, each item of a batch is applied, and each read of one is a miss.
    a_batch_is_applied_and_gone: needs(no_storage),
    /// H1, E8, P3: On a store that denies `stores`, invalid input fails as on any other store.
    invalid_input_is_refused: needs(no_storage),
    /// H1: A store that denies `stores` denies conditions, because every one of several callers would win.
    conditions_are_denied: needs(no_storage),
}

async fn a_write_is_applied_and_gone(t: Test) -> Check {
    for value in [Value::from("blob"), record().into()] {
        for lifespan in [Lifespan::from(LONG), Lifespan::persistent()] {
            let put = applied(t.store.put(&key("k"), value.clone(), PutOptions::new(lifespan)).await?)?;
            ensure!(put.created, "a new entry", "{put:?}");
            t.expect_miss(&key("k"), "after the put").await?;
        }
    }
    let deleted = t.store.delete(&key("k"), DeleteOptions::new()).await?;
    ensure!(deleted.is_absent(), "Absent", "{deleted:?}");
    let expired = t.store.expire(&key("k"), ExpiryChange::Set(LONG.into()), ExpireOptions::new()).await?;
    ensure!(expired.is_absent(), "Absent", "{expired:?}");
    let patch = Patch::new().increment("n", 2);
    let patched = t.store.patch(&key("k"), &patch, PatchOptions::new()).await?;
    ensure!(patched.is_absent(), "Absent", "{patched:?}");
    for _ in 0..2 {
        let create = PatchOptions::new().with_create(Create::new(LONG));
        let patched = applied(t.store.patch(&key("k"), &patch, create).await?)?;
        ensure!(
            patched.created && patched.fields == Record::new().with("n", 2),
            "a new record",
            "{patched:?}"
        );
    }
    t.expect_miss(&key("k"), "after the patches").await?;
    let page = t.store.scan(ScanOptions::new("")).await?;
    ensure!(page.items.is_empty() && page.next.is_none(), "an empty page", "{page:?}");
    Ok(())
}

async fn a_batch_is_applied_and_gone(t: Test) -> Check {
    let names = ["a", "b", "a"].map(key);
    let items = names.iter().map(|name| PutItem::new(name.clone(), "v", PutOptions::new(LONG))).collect();
    for put in t.store.put_many(items).await {
        let put = applied(put?)?;
        ensure!(put.created, "a new entry", "{put:?}");
    }
    let mut count = 0;
    for got in t.store.get_many(&names, GetOptions::new()).await {
        ensure!(got?.is_none(), "a miss", "an entry");
        count += 1;
    }
    for deleted in t.store.delete_many(&names, DeleteOptions::new()).await {
        let deleted = deleted?;
        ensure!(deleted.is_absent(), "Absent", "{deleted:?}");
        count += 1;
    }
    ensure_eq!(count, 6, "the number of results");
    Ok(())
}

async fn invalid_input_is_refused(t: Test) -> Check {
    let far = Expiry::At(t.instant(Ttl::MAX) + Ttl::days(1).as_duration());
    let put = t.store.put(&key("k"), "v".into(), PutOptions::new(far)).await;
    ensure_kind!(put, InvalidExpiry, "a put");
    let expired = t.store.expire(&key("k"), ExpiryChange::Set(far), ExpireOptions::new()).await;
    ensure_kind!(expired, InvalidExpiry, "an expire");
    let create = PatchOptions::new().with_create(Create::new(far));
    let patched = t.store.patch(&key("k"), &Patch::new().set("n", 1), create).await;
    ensure_kind!(patched, InvalidExpiry, "a patch");
    let reserved = t.store.patch(&key("k"), &Patch::new().set("ttl:mine", 1), PatchOptions::new()).await;
    ensure_kind!(reserved, InvalidField, "a patch of a reserved field");
    let items = vec![PutItem::new(key("k"), "v", PutOptions::new(far))];
    ensure_kind!(t.store.put_many(items).await.remove(0), InvalidExpiry, "a put of a batch");
    Ok(())
}

async fn conditions_are_denied(t: Test) -> Check {
    ensure!(!t.capabilities().conditions, "no conditions", "conditions");
    Ok(())
}
