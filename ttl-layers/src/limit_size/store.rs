//! The store that `LimitSize` makes.

use std::sync::Arc;

use async_trait::async_trait;
use ttl_core::driver::Context;
use ttl_core::options::{PatchOptions, PutItem, PutOptions};
use ttl_core::results::{PatchResult, PutResult};
use ttl_core::{Capabilities, Key, Outcome, Patch, Result, TtlStore, Value, forward_ttl_store, rules};

use super::config::{GrowingPatches, LimitSize};
use super::growth::least_bytes;
use crate::batch::Checked;
use crate::layer::Layer;

#[derive(Debug)]
struct LimitSizeStore {
    inner: Arc<dyn TtlStore>,
    settings: LimitSize,
}

impl Layer for LimitSize {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        self.check()?;
        Ok(Arc::new(LimitSizeStore { inner, settings: *self }))
    }
}

impl LimitSizeStore {
    fn check_value(&self, key: &Key, value: &Value) -> Result<()> {
        let capabilities = self.capabilities();
        let checked = capabilities.check_size(value.size_bytes());
        Context::new(capabilities.backend).with_key("put", key, checked)
    }

    fn check_patch(&self, key: &Key, patch: &Patch, options: &PatchOptions) -> Result<()> {
        let capabilities = self.capabilities();
        let check = || {
            if self.settings.growing_patches == GrowingPatches::Denied {
                capabilities.check_patch(patch, options)?;
            }
            capabilities.check_size(least_bytes(patch))?;
            if let Some(create) = &options.create {
                let mut record = create.initial.clone();
                // The inner store reports operations that do not fit, if it creates the record.
                if let Ok(Some(_)) = rules::apply(&mut record, patch) {
                    capabilities.check_size(record.to_json_text().len())?;
                }
            }
            Ok(())
        };
        Context::new(capabilities.backend).with_key("patch", key, check())
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TtlStore for LimitSizeStore {
    fn capabilities(&self) -> Capabilities {
        let inner = self.inner.capabilities();
        inner
            .with_max_value_bytes(inner.max_value_bytes.min(self.settings.max_value_bytes))
            .with_patch(inner.patch && self.settings.growing_patches == GrowingPatches::Forwarded)
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.check_value(key, &value)?;
        self.inner.put(key, value, options).await
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        self.check_patch(key, patch, &options)?;
        self.inner.patch(key, patch, options).await
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let checked = |item: PutItem| self.check_value(&item.key, &item.value).map(|()| item);
        let Checked { passed, refused } = Checked::new(items.into_iter().map(checked));
        let results = if passed.is_empty() { Vec::new() } else { self.inner.put_many(passed).await };
        refused.merge(results)
    }

    forward_ttl_store!(self, self.inner => no_sync now get expire delete scan get_many delete_many changes);
}
