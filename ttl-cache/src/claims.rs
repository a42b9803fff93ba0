//! Claims: who may load a key or refresh a value.

use std::time::Instant;

use futures_util::future::join_all;
use ttl_core::options::{Condition, DeleteOptions, GetOptions, PutItem, PutOptions, Returning};
use ttl_core::results::PutResult;
use ttl_core::{ErrorKind, Key, Outcome, Result, Value, Version};

use crate::core::Core;
use crate::envelope::{Content, Envelope, Nonce, nonce};
use crate::generations::unreported;
use crate::read::Found;

/// The result of claiming a refresh.
pub(crate) enum RefreshClaim {
    Won(Key, Claim),
    /// Another process has claimed it.
    Taken,
    /// Another process has failed a moment ago.
    Paused,
    /// The value has changed.
    Changed,
    /// The cache coordinates this process only.
    Needless,
}

/// A claim that this process holds.
#[derive(Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) version: Version,
    pub(crate) since: Instant,
}

impl<V: Send + Sync + 'static> Core<V> {
    /// Writes a claim. Returns `None` if the condition does not hold.
    pub(crate) async fn claim(
        &self,
        key: &Key,
        claim: &Envelope,
        condition: Condition,
    ) -> Result<Option<Claim>> {
        let since = Instant::now();
        let put = self.store.put(key, claim.encode().into(), self.claim_options(condition)).await;
        self.claim_of(key, claim.nonce, since, put).await
    }

    /// Writes many claims. Returns each with its key, or `None` if its condition does not hold.
    pub(crate) async fn claim_many(
        &self,
        claims: Vec<(Key, Envelope, Condition)>,
    ) -> Result<Vec<Option<(Key, Claim)>>> {
        let since = Instant::now();
        let item = |(key, claim, condition): &(Key, Envelope, Condition)| {
            PutItem::new(key.clone(), claim.encode(), self.claim_options(*condition))
        };
        let puts = match claims.is_empty() {
            true => Vec::new(),
            false => self.store.put_many(claims.iter().map(item).collect()).await,
        };
        let mut claimed = Vec::with_capacity(claims.len());
        let mut failed = None;
        for ((key, claim, _), put) in claims.into_iter().zip(puts) {
            match self.claim_of(&key, claim.nonce, since, put).await {
                Ok(claim) => claimed.push(claim.map(|claim| (key, claim))),
                Err(error) => failed = Some(error),
            }
        }
        let Some(error) = failed else { return Ok(claimed) };
        join_all(claimed.iter().flatten().map(|(key, claim)| self.release(key, claim.version))).await;
        Err(error)
    }

    fn claim_options(&self, condition: Condition) -> PutOptions {
        PutOptions::new(self.settings.load_timeout)
            .with_condition(condition)
            .with_returning(Returning::VERSION)
    }

    async fn claim_of(
        &self,
        key: &Key,
        nonce: Nonce,
        since: Instant,
        put: Result<Outcome<PutResult>>,
    ) -> Result<Option<Claim>> {
        match put {
            Ok(Outcome::Applied(put)) => {
                let version = put.version.ok_or_else(|| unreported("version"))?;
                Ok(Some(Claim { version, since }))
            }
            Ok(Outcome::Absent | Outcome::Refused(_)) => Ok(None),
            // Other writers were faster, so one of them may have a claim.
            Err(error) if error.kind() == ErrorKind::Contention => Ok(None),
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
                let version = self.version_of_claim(key, nonce).await?;
                Ok(version.map(|version| Claim { version, since }))
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the version of the claim if it is the present entry.
    async fn version_of_claim(&self, key: &Key, nonce: Nonce) -> Result<Option<Version>> {
        let entry = self.store.get(key, GetOptions::new().with_returning(Returning::VERSION)).await?;
        let Some(entry) = entry else { return Ok(None) };
        let Some(Value::Blob(bytes)) = entry.value else { return Ok(None) };
        Ok(entry.version.filter(|_| Envelope::decode(&bytes).is_some_and(|found| found.nonce == nonce)))
    }

    /// Claims the refresh of a value.
    pub(crate) async fn claim_refresh(&self, key: &Key, found: &Found<V>) -> Result<RefreshClaim> {
        let claim_key = self.keys.refresh(key)?;
        let claim = Envelope { nonce: nonce(), content: Content::Claim(Vec::new()) };
        let since = Instant::now();
        let options = self.claim_options(Condition::IfAbsent).with_previous();
        let put = self.store.put(&claim_key, claim.encode().into(), options).await;
        if let Ok(Outcome::Refused(Some(PutResult { previous: Some(Value::Blob(bytes)), .. }))) = &put
            && Envelope::decode(bytes).is_some_and(|present| present.content == Content::Pause)
        {
            return Ok(RefreshClaim::Paused);
        }
        let Some(claim) = self.claim_of(&claim_key, claim.nonce, since, put).await? else {
            return Ok(RefreshClaim::Taken);
        };
        // Another process may have refreshed the value before this claim.
        let present = self.store.get(key, GetOptions::nothing().with_returning(Returning::VERSION)).await;
        if present.is_ok_and(|entry| entry.is_some_and(|entry| entry.version == Some(found.version))) {
            return Ok(RefreshClaim::Won(claim_key, claim));
        }
        self.release(&claim_key, claim.version).await;
        Ok(RefreshClaim::Changed)
    }

    /// Returns the condition under which a new value replaces a stale one.
    pub(crate) fn refresh_condition(&self, found: &Found<V>) -> Condition {
        if self.settings.coordinates_processes() {
            return Condition::IfVersion(found.version);
        }
        // The write lock and the epochs replace it.
        Condition::Always
    }

    /// Replaces the claim of a refresh by a pause after a failure.
    pub(crate) async fn pause(&self, key: &Key, version: Version) {
        let pause = Envelope { nonce: nonce(), content: Content::Pause };
        let options =
            PutOptions::new(self.settings.retry_pause).with_condition(Condition::IfVersion(version));
        // If this fails, the claim ends at its own deadline.
        if let Err(error) = self.store.put(key, pause.encode().into(), options).await {
            tracing::debug!(%error, "the claim of a refresh could not be replaced by a pause");
        }
    }

    /// Deletes a claim, so that the next call can load at once. If this fails, the claim ends at its deadline.
    pub(crate) async fn release(&self, key: &Key, version: Version) {
        let released = self.store.delete(key, DeleteOptions::new().with_if_version(version)).await;
        if let Err(error) = released {
            tracing::debug!(%error, "a claim could not be deleted");
        }
    }
}
