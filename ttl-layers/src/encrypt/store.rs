//! The layer: `TranslatedStore` with the translation of `Encrypt`.

use std::sync::Arc;

use ttl_core::{Result, TtlStore};

use super::config::Encrypt;
use crate::layer::{Layer, refuse_compression_below};
use crate::translate::TranslatedStore;

impl Layer for Encrypt {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        let encryption = self.encryption()?;
        let reason = "but encrypted values do not compress; put Compress around Encrypt";
        refuse_compression_below("Encrypt", reason, &*inner)?;
        Ok(Arc::new(TranslatedStore::new(inner, encryption)))
    }
}
