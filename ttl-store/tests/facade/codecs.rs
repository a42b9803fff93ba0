//! Codecs and types: values are read back unchanged, and types need to be neither Send nor Sync.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ttl_store::{Bytes, Codec, Error, ErrorKind, Json, Kind, Patch, Raw, Result};

use crate::support::{Call, Fixture, TTL};

/// A custom date, stored as whole seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Date(SystemTime);

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&format!("@{}", since.as_secs()))
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let seconds = text.strip_prefix('@').and_then(|seconds| seconds.parse().ok());
        let seconds = seconds.ok_or_else(|| serde::de::Error::custom("a date is @ and seconds"))?;
        Ok(Self(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Document {
    title: String,
    read: Option<Date>,
    size: u64,
    ratio: f64,
    tags: Vec<String>,
}

fn document() -> Document {
    let date = Date(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    Document { title: "é\0".into(), read: Some(date), size: u64::MAX, ratio: 0.1, tags: vec!["a".into()] }
}

#[tokio::test]
async fn dates_in_records_are_the_programs_own() {
    let fixture = Fixture::new();
    let documents = fixture.store.records("d", TTL).build().unwrap();
    documents.put("k", &document()).await.unwrap();
    assert_eq!(documents.get("k").await.unwrap(), Some(document()));
    let later = Date(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    documents.patch("k", Patch::new().set("read", later)).await.unwrap().unwrap();
    assert_eq!(documents.get("k").await.unwrap().unwrap().read, Some(later));
    let field = documents.get_fields("k", ["read"]).await.unwrap().unwrap();
    assert_eq!(field.get("read"), Some(&serde_json::json!("@1800000000")));
}

#[tokio::test]
async fn json_blobs() {
    let fixture = Fixture::new();
    let documents = fixture.store.blobs("d", TTL, Json).build().unwrap();
    documents.put("k", &document()).await.unwrap();
    assert_eq!(documents.get("k").await.unwrap(), Some(document()));
    assert_eq!(documents.take("k").await.unwrap(), Some(document()));
    assert_eq!(documents.take("k").await.unwrap(), None);
}

#[cfg(feature = "msgpack")]
#[tokio::test]
async fn message_pack_blobs_let_fields_come_and_go() {
    #[derive(Serialize, Deserialize)]
    struct Newer {
        #[serde(default)]
        added: u8,
        title: String,
    }

    let fixture = Fixture::new();
    let documents = fixture.store.blobs("d", TTL, ttl_store::MessagePack).build().unwrap();
    documents.put("k", &document()).await.unwrap();
    assert_eq!(documents.get("k").await.unwrap(), Some(document()));
    let newer = fixture.store.blobs::<Newer, _>("d", TTL, ttl_store::MessagePack).build().unwrap();
    let read = newer.get("k").await.unwrap().unwrap();
    assert_eq!((read.title, read.added), (document().title, 0));
    let numbers = fixture.store.blobs::<u8, _>("d", TTL, ttl_store::MessagePack).build().unwrap();
    assert_eq!(numbers.get("k").await.unwrap_err().kind(), ErrorKind::Codec);
}

#[tokio::test]
async fn raw_bytes_come_back_byte_for_byte() {
    let fixture = Fixture::new();
    let bytes: Vec<u8> = (0..=255).collect();
    let vectors = fixture.store.blobs::<Vec<u8>, _>("b", TTL, Raw).build().unwrap();
    vectors.put("k", &bytes).await.unwrap();
    assert_eq!(vectors.get("k").await.unwrap(), Some(bytes.clone()));
    let shared = fixture.store.blobs::<Bytes, _>("b", TTL, Raw).build().unwrap();
    assert_eq!(shared.get("k").await.unwrap(), Some(Bytes::from(bytes)));
    shared.put("empty", &Bytes::new()).await.unwrap();
    assert_eq!(shared.get("empty").await.unwrap(), Some(Bytes::new()));
}

/// Neither `Send` nor `Sync`.
#[derive(Clone, Debug, PartialEq)]
struct Local(Rc<RefCell<String>>);

#[derive(Clone, Copy)]
struct LocalCodec;

impl Codec<Local> for LocalCodec {
    fn encode(&self, value: &Local) -> Result<Bytes> {
        Ok(value.0.borrow().clone().into())
    }

    fn decode(&self, bytes: Bytes) -> Result<Local> {
        let text = String::from_utf8(bytes.into()).map_err(|_| Error::new(ErrorKind::Codec, "no text"))?;
        Ok(Local(Rc::new(RefCell::new(text))))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn types_need_be_neither_send_nor_sync() {
    let fixture = Fixture::new();
    let locals = fixture.store.blobs::<Local, _>("l", TTL, LocalCodec).build().unwrap();
    let version = ttl_store::Version::random();
    // A task may move between threads: it compiles only if no future holds a value.
    let task = tokio::spawn(async move {
        let local = |text: &str| Local(Rc::new(RefCell::new(text.to_owned())));
        let put = {
            let value = local("put");
            locals.put("k", &value)
        };
        put.await?;
        let created = {
            let value = local("create");
            locals.create("k", &value)
        };
        assert!(created.await?.is_refused());
        let swapped = {
            let value = local("swap");
            locals.compare_and_swap("k", version, &value)
        };
        assert!(swapped.await?.is_refused());
        let put_with_expiry = {
            let value = local("put_with_expiry");
            locals.put_with_expiry("k", &value, TTL)
        };
        put_with_expiry.await?;
        let text = locals.get("k").await?.map(|local| local.0.borrow().clone());
        let many = locals.get_many(["k"]).await.len();
        let taken = locals.take("k").await?.is_some();
        Ok::<_, Error>((text, many, taken))
    });
    let (text, many, taken) = task.await.unwrap().unwrap();
    assert_eq!((text.as_deref(), many, taken), (Some("put_with_expiry"), 1, true));
}

#[tokio::test]
async fn values_are_encoded_before_the_future_starts() {
    let fixture = Fixture::new();
    let locals = fixture.store.blobs::<Local, _>("l", TTL, LocalCodec).build().unwrap();
    let value = Local(Rc::new(RefCell::new("before".to_owned())));
    let put = locals.put("k", &value);
    assert_eq!(fixture.calls(), [], "nothing is sent before the future is polled");
    value.0.replace("after".to_owned());
    put.await.unwrap();
    assert!(matches!(fixture.call(), Call::Put(..)));
    assert_eq!(*locals.get("k").await.unwrap().unwrap().0.borrow(), "before");
}

#[tokio::test]
async fn kinds_are_those_of_the_format() {
    let fixture = Fixture::new();
    let records = fixture.store.records("d", TTL).build().unwrap();
    records.put("k", &document()).await.unwrap();
    let blobs = fixture.store.blobs("d", TTL, Json).build().unwrap();
    blobs.put("k", &document()).await.unwrap();
    for (key, kind) in [("@r:d:k", Kind::Record), ("@b:d:k", Kind::Blob)] {
        let key = ttl_store::Key::new(key).unwrap();
        let entry =
            fixture.store.driver().get(&key, ttl_store::options::GetOptions::new()).await.unwrap().unwrap();
        assert_eq!(entry.value.unwrap().kind(), kind);
    }
}

/// Two types that none of the values below fits.
#[derive(Debug, Serialize, Deserialize)]
enum Colour {
    Red,
}

#[derive(Debug, Serialize, Deserialize)]
struct Shelf {
    title: Colour,
}

/// Returns everything that an error can write to a log: itself and its causes, in both forms.
fn told<T: std::fmt::Debug>(result: Result<T>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Codec);
    let mut told = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        told += &format!(" {error} {error:?}");
        cause = error.source();
    }
    told
}

fn quotes_nothing<C>(codec: &C)
where
    C: Codec<Document> + Codec<String> + Codec<u64> + Codec<i64> + Codec<u8> + Codec<Colour> + Codec<Shelf>,
{
    let document = Document { title: "s3cret".into(), ..document() };
    let text: Bytes = codec.encode(&"s3cret `s3cret` \"s3cret".to_owned()).unwrap();
    for told in [
        told::<Shelf>(codec.decode(codec.encode(&document).unwrap())),
        told::<Shelf>(codec.decode(text.clone())),
        told::<Colour>(codec.decode(text.clone())),
        told::<u8>(codec.decode(text)),
    ] {
        assert!(!told.contains("s3cret"), "{told}");
    }
    for number in [73, 73_519] {
        let bytes: Bytes = Codec::<u64>::encode(codec, &number).unwrap();
        for told in [
            told::<String>(codec.decode(bytes.clone())),
            told::<Shelf>(codec.decode(bytes.clone())),
            told::<Colour>(codec.decode(bytes)),
        ] {
            assert!(!told.contains("73"), "{told}");
        }
        let bytes: Bytes = Codec::<i64>::encode(codec, &-number.cast_signed()).unwrap();
        let told = told::<u8>(codec.decode(bytes));
        assert!(!told.contains("73"), "{told}");
    }
    assert!(
        told::<Shelf>(codec.decode(Codec::<Colour>::encode(codec, &Colour::Red).unwrap())).contains("Shelf")
    );
}

#[test]
fn errors_quote_nothing_that_is_stored() {
    quotes_nothing(&Json);
    #[cfg(feature = "msgpack")]
    quotes_nothing(&ttl_store::MessagePack);
}

/// The format's error for this type would be the number itself.
#[cfg(feature = "msgpack")]
#[test]
fn errors_quote_no_marker() {
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(rename = "_ExtStruct")]
    struct Extension((i8, Vec<u8>));

    let codec = ttl_store::MessagePack;
    let told = told::<Extension>(codec.decode(Codec::<u8>::encode(&codec, &73).unwrap()));
    assert!(told.contains("another type") && !told.contains("73"), "{told}");
}

/// One level by its list, and one by its own name.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Nest(Vec<Nest>);

fn depth_is_bounded<C: Codec<Nest>>(codec: &C) {
    let nested = |nests: usize| (1..nests).fold(Nest(vec![]), |inner, _| Nest(vec![inner]));
    let deepest = nested(60);
    assert_eq!(codec.decode(codec.encode(&deepest).unwrap()).unwrap(), deepest);
    // The last one is far beyond what recursion on this thread's stack would survive, even to drop it.
    for nests in [61, 1_000, 100_000] {
        let endless = nested(nests);
        assert_eq!(codec.encode(&endless).unwrap_err().kind(), ErrorKind::Codec);
        std::mem::forget(endless);
    }
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    depth_is_bounded(&Json);
    #[cfg(feature = "msgpack")]
    depth_is_bounded(&ttl_store::MessagePack);
}

#[cfg(feature = "msgpack")]
#[test]
fn message_pack_keeps_what_json_cannot() {
    let codec = ttl_store::MessagePack;
    for float in [f64::INFINITY, f64::NEG_INFINITY, -0.0] {
        let read: f64 = codec.decode(codec.encode(&float).unwrap()).unwrap();
        assert_eq!(read.to_bits(), float.to_bits());
    }
    let wide = (u128::MAX, i128::MIN);
    assert_eq!(Codec::<(u128, i128)>::decode(&codec, codec.encode(&wide).unwrap()).unwrap(), wide);
}

/// A plan whose map has numbers as keys, beside other fields and under a tag.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Plan {
    name: String,
    #[serde(flatten)]
    days: std::collections::BTreeMap<u32, String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Shape {
    Days { days: std::collections::BTreeMap<u32, String> },
}

#[tokio::test]
async fn what_no_get_of_the_type_could_read_is_not_put() {
    let fixture = Fixture::new();
    let days: std::collections::BTreeMap<u32, String> = [(1, "one".to_owned())].into();
    let plan = Plan { name: "n".to_owned(), days: days.clone() };
    let shape = Shape::Days { days: days.clone() };
    let refused = |error: Error| {
        assert_eq!(error.kind(), ErrorKind::Codec);
        assert!(error.to_string().contains("use text keys"), "{error}");
    };
    refused(fixture.store.records::<Plan>("p", TTL).build().unwrap().put("k", &plan).await.unwrap_err());
    refused(fixture.store.records::<Shape>("p", TTL).build().unwrap().put("k", &shape).await.unwrap_err());
    refused(
        fixture.store.blobs::<Plan, _>("p", TTL, Json).build().unwrap().put("k", &plan).await.unwrap_err(),
    );
    let shapes = fixture.store.blobs::<Shape, _>("p", TTL, Json).build().unwrap();
    refused(shapes.put("k", &shape).await.unwrap_err());
    refused(shapes.put_many([("k", &shape)]).await.into_result().unwrap_err());
    assert_eq!(fixture.calls(), [Call::PutMany(vec![])], "no item was sent");

    // Without a tag serde remembers what the keys are.
    let plain = fixture.store.records::<std::collections::BTreeMap<u32, String>>("d", TTL).build().unwrap();
    plain.put("k", &days).await.unwrap();
    assert_eq!(plain.get("k").await.unwrap(), Some(days));
}
