//! Animals whose puts return the wrong previous value, or none.

use ttl_core::options::{Condition, DeleteOptions, GetOptions, Projection, PutItem, PutOptions};
use ttl_core::results::PutResult;
use ttl_core::{Key, Outcome, Value};

use super::animal::{Written, animals};

fn telling(outcome: Outcome<PutResult>, change: impl Fn(&mut PutResult)) -> Outcome<PutResult> {
    match outcome {
        Outcome::Applied(mut meta) => {
            change(&mut meta);
            Outcome::Applied(meta)
        }
        Outcome::Refused(Some(mut meta)) => {
            change(&mut meta);
            Outcome::Refused(Some(meta))
        }
        other => other,
    }
}

animals! {
    /// A put returns no previous value.
    HandsNothingBack breaks C5 {
        forwards capabilities now get expire patch delete scan get_many delete_many;
        async fn put(&self, key: &Key, value: Value, mut options: PutOptions) -> Written {
            options.previous = false;
            self.right.put(key, value, options).await
        }
        async fn put_many(&self, mut items: Vec<PutItem>) -> Vec<Written> {
            items.iter_mut().for_each(|item| item.options.previous = false);
            self.right.put_many(items).await
        }
    }

    /// A batch returns no previous values.
    HandsNothingBackInBatches breaks C5 {
        forwards capabilities now get put expire patch delete scan get_many delete_many;
        async fn put_many(&self, mut items: Vec<PutItem>) -> Vec<Written> {
            items.iter_mut().for_each(|item| item.options.previous = false);
            self.right.put_many(items).await
        }
    }

    /// A put returns its own value as the previous one.
    HandsItsOwnBack breaks C5 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let asked = options.previous;
            let outcome = self.right.put(key, value.clone(), options).await?;
            Ok(telling(outcome, |meta| meta.previous = asked.then(|| value.clone())))
        }
    }

    /// A put returns the value of a ghost.
    HandsGhostsBack breaks C5 E1 E3 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let old = self.right.backend().peek(key).map(|stored| stored.value).filter(|_| options.previous);
            let outcome = self.right.put(key, value, options).await?;
            Ok(telling(outcome, |meta| meta.previous = old.clone()))
        }
    }

    /// A put returns the previous value without a request.
    HandsBackUnasked breaks C5 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, mut options: PutOptions) -> Written {
            options.previous = true;
            self.right.put(key, value, options).await
        }
    }

    /// A refused put has no report.
    RefusesInSilence breaks C5 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let outcome = self.right.put(key, value, options).await?;
            Ok(if outcome.is_refused() { Outcome::Refused(None) } else { outcome })
        }
    }

    /// A put reads the previous value before it writes, so two puts return the same one.
    HandsBackWhatItReadBefore breaks C5 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            if !options.previous || options.condition != Condition::Always {
                return self.right.put(key, value, options).await;
            }
            let read = GetOptions::new().with_projection(Projection::All);
            let old = self.right.get(key, read).await?.and_then(|entry| entry.value);
            tokio::task::yield_now().await;
            let outcome = self.right.put(key, value, options).await?;
            Ok(telling(outcome, |meta| meta.previous = old.clone()))
        }
    }

    /// A put that must return an unreadable value replaces it, but reports that it did not.
    ReplacesWhatItCannotHandBack breaks C5 V6 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, mut options: PutOptions) -> Written {
            let asked = std::mem::take(&mut options.previous);
            let old = match self.right.get(key, GetOptions::new()).await {
                Ok(old) => old.and_then(|entry| entry.value),
                Err(error) => {
                    let _ = self.right.delete(key, DeleteOptions::new()).await?;
                    let _ = self.right.put(key, value, options).await?;
                    return Err(error);
                }
            };
            options.previous = asked;
            let outcome = self.right.put(key, value, options).await?;
            Ok(telling(outcome, |meta| meta.previous = old.clone().filter(|_| asked)))
        }
    }
}
