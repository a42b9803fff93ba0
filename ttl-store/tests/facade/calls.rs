//! Each method of a collection makes one call of the store, with the right options.

use ttl_store::options::{
    Condition, Create, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, Fields, GetOptions,
    Guard, PatchOptions, Projection, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_store::{Expiry, Kind, Lifespan, Patch, Raw, Record, RefreshPolicy, Ttl, Version};

use crate::support::{Call, Fixture, Session, TTL, session};

const KEY: &str = "@r:s:k";

/// A put of a collection with a TTL of [`TTL`], a cap of 1 h and the default policy.
fn put() -> PutOptions {
    PutOptions::new(Lifespan::from(TTL).with_max_lifetime(Ttl::hours(1)))
        .with_existing_deadline(ExistingDeadline::Refresh(Refresh::extend_only(TTL)))
}

fn records(fixture: &Fixture) -> ttl_store::Records<Session> {
    fixture.store.records("s", TTL).max_lifetime(Ttl::hours(1)).build().unwrap()
}

#[tokio::test]
async fn reads() {
    let fixture = Fixture::new();
    let records = records(&fixture);
    let get = GetOptions::new().with_kind(Kind::Record);

    records.get("k").await.unwrap();
    assert_eq!(fixture.call(), Call::Get(KEY.into(), get.clone()));
    records.peek("k").await.unwrap();
    assert_eq!(fixture.call(), Call::Get(KEY.into(), get.clone()));
    records.get_item("k", Returning::all()).await.unwrap();
    assert_eq!(fixture.call(), Call::Get(KEY.into(), get.with_returning(Returning::all())));
    records.get_fields("k", ["page"]).await.unwrap();
    let fields = Projection::Fields(Fields::new(["page"]).unwrap());
    assert_eq!(fixture.call(), Call::Get(KEY.into(), GetOptions::new().with_projection(fields)));
    records.contains("k").await.unwrap();
    assert_eq!(fixture.call(), Call::Get(KEY.into(), GetOptions::nothing()));
    records.deadline("k").await.unwrap();
    assert_eq!(
        fixture.call(),
        Call::Get(KEY.into(), GetOptions::nothing().with_returning(Returning::DEADLINE))
    );
    records.remaining("k").await.unwrap();
    assert_eq!(
        fixture.call(),
        Call::Get(KEY.into(), GetOptions::nothing().with_returning(Returning::DEADLINE))
    );
}

#[tokio::test]
async fn puts() {
    let fixture = Fixture::new();
    let records = records(&fixture);
    let version = Version::random();

    records.put("k", &session("/")).await.unwrap();
    assert_eq!(fixture.call(), Call::Put(KEY.into(), put()));
    records.put_with_expiry("k", &session("/"), Expiry::Never).await.unwrap();
    let replaced = PutOptions::new(Lifespan::persistent().with_max_lifetime(Ttl::hours(1)));
    assert_eq!(fixture.call(), Call::Put(KEY.into(), replaced));
    let _ = records.create("k", &session("/")).await.unwrap();
    assert_eq!(fixture.call(), Call::Put(KEY.into(), put().with_condition(Condition::IfAbsent)));
    let _ = records.replace("k", &session("/")).await.unwrap();
    assert_eq!(fixture.call(), Call::Put(KEY.into(), put().with_condition(Condition::IfPresent)));
    let _ = records.compare_and_swap("k", version, &session("/")).await.unwrap();
    let swap = put().with_condition(Condition::IfVersion(version)).with_returning(Returning::VERSION);
    assert_eq!(fixture.call(), Call::Put(KEY.into(), swap));
    let wanting = records.with_returning(Returning::DEADLINE);
    assert!(wanting.put("k", &session("/")).await.unwrap().deadline.is_some());
    assert_eq!(fixture.call(), Call::Put(KEY.into(), put().with_returning(Returning::DEADLINE)));
    let _ = wanting.compare_and_swap("k", version, &session("/")).await.unwrap();
    assert!(
        matches!(fixture.call(), Call::Put(_, options) if options.returning == Returning::DEADLINE | Returning::VERSION)
    );
}

#[tokio::test]
async fn puts_outside_the_policy_keep_the_deadline() {
    let fixture = Fixture::new();
    let records = fixture.store.records("s", TTL).refresh(RefreshPolicy::never()).build().unwrap();
    records.put("k", &session("/")).await.unwrap();
    assert_eq!(
        fixture.call(),
        Call::Put(KEY.into(), PutOptions::new(TTL).with_existing_deadline(ExistingDeadline::Keep))
    );
    records.put_with_expiry("k", &session("/"), Ttl::hours(1)).await.unwrap();
    let replaced = PutOptions::new(Ttl::hours(1)).with_existing_deadline(ExistingDeadline::Replace);
    assert_eq!(fixture.call(), Call::Put(KEY.into(), replaced));
}

#[tokio::test]
async fn deletes() {
    let fixture = Fixture::new();
    let (records, version) = (records(&fixture), Version::random());

    records.delete("k").await.unwrap();
    assert_eq!(fixture.call(), Call::Delete(KEY.into(), DeleteOptions::new()));
    let _ = records.delete_if("k", version).await.unwrap();
    assert_eq!(fixture.call(), Call::Delete(KEY.into(), DeleteOptions::new().with_if_version(version)));
    records.take("k").await.unwrap();
    assert_eq!(fixture.call(), Call::Delete(KEY.into(), DeleteOptions::take().with_kind(Kind::Record)));
    let pages = fixture.store.blobs::<String, _>("s", TTL, Raw).build().unwrap();
    pages.take("k").await.unwrap();
    assert_eq!(fixture.call(), Call::Delete("@b:s:k".into(), DeleteOptions::take().with_kind(Kind::Blob)));
}

#[tokio::test]
async fn expires() {
    let fixture = Fixture::new();
    let records = records(&fixture);
    let expire = |change, options| Call::Expire(KEY.into(), change, options);

    records.touch("k").await.unwrap();
    let later = ExpireOptions::new().with_guard(Guard::IfLater);
    assert_eq!(fixture.call(), expire(ExpiryChange::Set(TTL.into()), later));
    records.extend_by("k", Ttl::hours(2)).await.unwrap();
    assert_eq!(fixture.call(), expire(ExpiryChange::Extend(Ttl::hours(2)), ExpireOptions::new()));
    records.set_expiry("k", Ttl::MIN).await.unwrap();
    assert_eq!(fixture.call(), expire(ExpiryChange::Set(Ttl::MIN.into()), ExpireOptions::new()));
    records.persist("k").await.unwrap();
    assert_eq!(fixture.call(), expire(ExpiryChange::Set(Expiry::Never), ExpireOptions::new()));
}

#[tokio::test]
async fn patches() {
    let fixture = Fixture::new();
    let (records, version) = (records(&fixture), Version::random());
    let patch = || Patch::new().set("page", "/cart");
    let options = PatchOptions::new().with_refresh(Refresh::extend_only(TTL));

    records.patch("k", patch()).await.unwrap();
    assert_eq!(fixture.call(), Call::Patch(KEY.into(), options.clone()));
    let _ = records.with_returning(Returning::all()).patch_if("k", version, patch()).await.unwrap();
    let conditional = options.clone().with_if_version(version).with_returning(Returning::all());
    assert_eq!(fixture.call(), Call::Patch(KEY.into(), conditional));
    records.patch_or_create("k", patch(), &session("/")).await.unwrap();
    let initial = Record::new().with("page", "/").with("hits", 1);
    let create = Create::new(Lifespan::from(TTL).with_max_lifetime(Ttl::hours(1))).with_initial(initial);
    assert_eq!(fixture.call(), Call::Patch(KEY.into(), options.with_create(create)));
    let counters = fixture.store.counters("s", TTL).build().unwrap();
    counters.add("k", -3).await.unwrap();
    let options = PatchOptions::new().with_create(Create::new(TTL));
    assert_eq!(fixture.call(), Call::Patch("@n:s:k".into(), options));
}

#[tokio::test]
async fn batches_and_pages() {
    let fixture = Fixture::new();
    let records = records(&fixture);
    let stored = || vec!["@r:s:a".to_owned(), "@r:s:b".to_owned()];

    records.get_many(["a", "b"]).await.into_result().unwrap();
    assert_eq!(fixture.call(), Call::GetMany(stored(), GetOptions::new().with_kind(Kind::Record)));
    records.put_many([("a", session("/")), ("b", session("/"))]).await.into_result().unwrap();
    assert_eq!(fixture.call(), Call::PutMany(stored().into_iter().map(|key| (key, put())).collect()));
    records.delete_many(["a", "b"]).await.into_result().unwrap();
    assert_eq!(fixture.call(), Call::DeleteMany(stored(), DeleteOptions::new()));
    records.keys().with_prefix("x").next_page().await.unwrap();
    assert_eq!(fixture.call(), Call::Scan(ScanOptions::new("@r:s:x")));
}
