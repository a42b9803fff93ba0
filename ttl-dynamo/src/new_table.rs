//! What a table is like that the driver makes.

use ttl_core::Result;

use crate::config::invalid;

/// What [`DynamoStore::ensure_table`](crate::DynamoStore::ensure_table) makes of a table that is missing. It leaves
/// a table that is there as it is, but for its TTL.
///
/// ```
/// use ttl_dynamo::{Billing, DynamoConfig, NewTable};
///
/// let table = NewTable::new()
///     .with_billing(Billing::Provisioned { read_units: 10, write_units: 5 })
///     .with_tag("team", "shop")
///     .with_deletion_protection();
/// let config = DynamoConfig::new("sessions").with_new_table(table);
/// # let _ = config;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "it does nothing until it is part of a configuration"]
pub struct NewTable {
    pub(crate) billing: Billing,
    pub(crate) encryption: Encryption,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) deletion_protection: bool,
}

/// How a table is paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Billing {
    /// By the request.
    #[default]
    OnDemand,
    /// By units that are there whether they are used or not, each at least 1: of reads of 4 KB a second, and of
    /// writes of 1 KB a second.
    Provisioned {
        /// Units of reads.
        read_units: u32,
        /// Units of writes.
        write_units: u32,
    },
}

/// By whose key a table is encrypted at rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encryption {
    /// By a key of DynamoDB's own, at no charge.
    #[default]
    Owned,
    /// By the account's key for DynamoDB that AWS manages.
    Managed,
    /// By this key of the account: its id, ARN or alias.
    Key(String),
}

impl NewTable {
    /// Billed on demand, encrypted by DynamoDB's own key, without tags and without deletion protection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Billed like this.
    pub const fn with_billing(mut self, billing: Billing) -> Self {
        self.billing = billing;
        self
    }

    /// Encrypted by this key.
    pub fn with_encryption(mut self, encryption: Encryption) -> Self {
        self.encryption = encryption;
        self
    }

    /// With one more tag.
    pub fn with_tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((name.into(), value.into()));
        self
    }

    /// Not to be deleted before the protection is taken off.
    pub const fn with_deletion_protection(mut self) -> Self {
        self.deletion_protection = true;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        if let Billing::Provisioned { read_units, write_units } = self.billing
            && (read_units == 0 || write_units == 0)
        {
            return Err(invalid("provisioned capacity is at least one unit of reads and one of writes"));
        }
        if matches!(&self.encryption, Encryption::Key(key) if key.is_empty()) {
            return Err(invalid("the name of an encryption key is empty"));
        }
        let named = |(name, value): &(String, String)| {
            (1..=128).contains(&name.chars().count()) && value.chars().count() <= 256
        };
        if self.tags.len() > 50 || !self.tags.iter().all(named) {
            return Err(invalid(
                "a table has at most 50 tags, with names of 1 to 128 characters and values of at most 256",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ttl_core::ErrorKind;

    use super::*;

    #[test]
    fn what_cannot_work_is_refused() {
        NewTable::new().check().unwrap();
        let one = Billing::Provisioned { read_units: 1, write_units: 1 };
        NewTable::new().with_billing(one).with_tag("team", "").check().unwrap();
        for bad in [
            NewTable::new().with_billing(Billing::Provisioned { read_units: 0, write_units: 1 }),
            NewTable::new().with_billing(Billing::Provisioned { read_units: 1, write_units: 0 }),
            NewTable::new().with_encryption(Encryption::Key(String::new())),
            NewTable::new().with_tag("", "x"),
            NewTable::new().with_tag("x", "v".repeat(257)),
        ] {
            assert_eq!(bad.check().unwrap_err().kind(), ErrorKind::InvalidConfig, "{bad:?}");
        }
    }
}
