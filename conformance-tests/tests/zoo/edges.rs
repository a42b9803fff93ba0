//! Animals with faults in edge cases: the last characters, the order of errors, different spellings of a
//! text, and errors that reveal too much.

use serde_json::Value as Json;
use ttl_core::driver::Stored;
use ttl_core::options::{Condition, GetOptions, PatchOptions, PutOptions, ScanOptions};
use ttl_core::results::PatchResult;
use ttl_core::{Error, ErrorKind, Key, Outcome, Page, Patch, Record, Result, Value, rules};

use super::animal::{Got, Patched, Written, animals};

/// Replaces a letter and its accent by one character.
fn compose(text: &str) -> String {
    text.replace("e\u{301}", "\u{e9}").replace("A\u{30a}", "\u{c5}")
}

fn composed(value: &Json) -> Json {
    match value {
        Json::String(text) => compose(text).into(),
        Json::Array(list) => list.iter().map(composed).collect(),
        Json::Object(fields) => fields.iter().map(|(name, value)| (compose(name), composed(value))).collect(),
        other => other.clone(),
    }
}

animals! {
    /// A prefix does not list keys that continue with the last characters of ASCII.
    PrefixEndsAtTilde breaks S1 S2 {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            let end = format!("{}\u{7f}", options.prefix);
            let mut page = self.right.scan(options).await?;
            page.items.retain(|item| item.key.as_str() <= end.as_str());
            Ok(page)
        }
    }

    /// On a page of more than fifty entries, all have the version of the first one.
    LargePagesShareAVersion breaks S1 {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            let mut page = self.right.scan(options).await?;
            if page.items.len() > 50 {
                let first = page.items[0].entry.as_ref().ok().and_then(|entry| entry.version);
                for entry in page.items.iter_mut().filter_map(|item| item.entry.as_mut().ok()) {
                    entry.version = entry.version.and(first);
                }
            }
            Ok(page)
        }
    }

    /// Texts in records are normalised.
    NormalisesTexts breaks V2 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let value = match value {
                Value::Record(record) => {
                    let fields = record.iter().map(|(name, value)| (name.to_owned(), composed(value)));
                    Value::Record(Record::from_fields(fields)?)
                }
                blob @ Value::Blob(_) => blob,
            };
            self.right.put(key, value, options).await
        }
    }

    /// A condition that does not hold hides that the value is too large.
    LooksAtTheConditionFirst breaks V4 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let live = self.right.backend().live(key);
            let too_large = value.size_bytes() as u64 > self.right.capabilities().max_value_bytes;
            match (options.condition, live) {
                (Condition::IfAbsent, Some(_)) if too_large => Ok(Outcome::Refused(None)),
                (Condition::IfPresent, None) if too_large => Ok(Outcome::Absent),
                _ => self.right.put(key, value, options).await,
            }
        }
    }

    /// A patch creates records of any size.
    CreatesTooMuch breaks V4 P2 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let outcome = self.right.patch(key, patch, options.clone()).await;
            let too_large = matches!(&outcome, Err(error) if error.kind() == ErrorKind::TooLarge);
            let (true, None, Some(create)) = (too_large, self.right.backend().live(key), options.create) else { return outcome };
            let mut record = create.initial.clone();
            let Some(effects) = rules::apply(&mut record, patch)? else { return outcome };
            let put = PutOptions::new(create.lifespan).with_returning(options.returning);
            let meta = self.right.put(key, Record::new().into(), put).await?;
            let value = Value::Record(record.clone());
            self.right.backend().meddle(key, |stored| {
                if let Some(stored) = stored { stored.value = value }
            });
            Ok(meta.map(|meta| PatchResult::new(&meta, record, effects)))
        }
    }

    /// An error about a field reveals the record.
    FieldErrorsShowValues breaks H5 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let old = self.right.backend().live(key);
            self.right.patch(key, patch, options).await.map_err(|error| match (error.kind(), old) {
                (kind @ (ErrorKind::WrongFieldType | ErrorKind::Overflow), Some(Stored { value: Value::Record(record), .. })) => {
                    Error::new(kind, format!("does not fit: {}", record.to_json_text()))
                }
                _ => error,
            })
        }
    }

    /// An error about a damaged entry reveals the key.
    DamageShowsKeys breaks H5 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            self.right.get(key, options).await.map_err(|error| match error.kind() {
                ErrorKind::Corrupt => Error::new(ErrorKind::Corrupt, format!("cannot decode {}", key.as_str())),
                _ => error,
            })
        }
    }

    /// An error about a cursor reveals the prefix.
    CursorErrorsShowPrefixes breaks H5 {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            let prefix = options.prefix.clone();
            self.right.scan(options).await.map_err(|error| match error.kind() {
                ErrorKind::InvalidCursor => Error::new(ErrorKind::InvalidCursor, format!("no cursor of {prefix}")),
                _ => error,
            })
        }
    }
}
