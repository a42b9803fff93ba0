//! The properties of a table that the driver creates.

use ttl_core::Result;

use crate::error::invalid;

/// The properties of a table that [`DynamoStore::ensure_table`](crate::DynamoStore::ensure_table) creates.
///
/// They do not affect an existing table.
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

/// The billing mode of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Billing {
    /// Billing per request.
    #[default]
    OnDemand,
    /// Billing for provisioned units, used or not. Each number is at least 1.
    Provisioned {
        /// Read units, of 4 KB per second each.
        read_units: u32,
        /// Write units, of 1 KB per second each.
        write_units: u32,
    },
}

/// The key that encrypts a table at rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encryption {
    /// A key that DynamoDB owns, at no charge.
    #[default]
    Owned,
    /// The account's key for DynamoDB, managed by AWS.
    Managed,
    /// A key of the account: its id, ARN or alias.
    Key(String),
}

impl NewTable {
    /// Creates the default properties: billing on demand, encryption with DynamoDB's own key, no tags and no
    /// deletion protection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the billing mode.
    pub const fn with_billing(mut self, billing: Billing) -> Self {
        self.billing = billing;
        self
    }

    /// Sets the encryption key.
    pub fn with_encryption(mut self, encryption: Encryption) -> Self {
        self.encryption = encryption;
        self
    }

    /// Sets one more tag.
    pub fn with_tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((name.into(), value.into()));
        self
    }

    /// Sets deletion protection: the table cannot be deleted until the protection is removed.
    pub const fn with_deletion_protection(mut self) -> Self {
        self.deletion_protection = true;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        if let Billing::Provisioned { read_units, write_units } = self.billing
            && (read_units == 0 || write_units == 0)
        {
            return Err(invalid(
                "invalid provisioned capacity: expected at least one read unit and one write unit",
            ));
        }
        if matches!(&self.encryption, Encryption::Key(key) if key.is_empty()) {
            return Err(invalid("invalid encryption key: expected an id, an ARN or an alias"));
        }
        let named = |(name, value): &(String, String)| {
            (1..=128).contains(&name.chars().count()) && value.chars().count() <= 256
        };
        if self.tags.len() > 50 || !self.tags.iter().all(named) {
            return Err(invalid(
                "invalid tags: expected at most 50, with names of 1 to 128 characters and values of at most 256",
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
