//! The shape of a table: its requirements, its creation, and the errors for a table that does not fit.

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::CreateTableInput;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableInputBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ProvisionedThroughput, ScalarAttributeType,
    SseSpecification, SseType, TableDescription, TableStatus, Tag,
};
use ttl_core::{Error, ErrorKind, Result};

use crate::config::{Billing, DynamoConfig, Encryption};
use crate::error::{invalid, new};

/// Returns the request that creates the table.
pub(crate) fn new_table(config: &DynamoConfig) -> Result<CreateTableInputBuilder, BuildError> {
    let (new, key) = (&config.new_table, &config.key_attribute);
    let mut request = CreateTableInput::builder()
        .table_name(&config.table)
        .key_schema(KeySchemaElement::builder().attribute_name(key).key_type(KeyType::Hash).build()?)
        .attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name(key)
                .attribute_type(ScalarAttributeType::S)
                .build()?,
        );
    request = match new.billing {
        Billing::OnDemand => request.billing_mode(BillingMode::PayPerRequest),
        Billing::Provisioned { read_units, write_units } => {
            let units = ProvisionedThroughput::builder()
                .read_capacity_units(read_units.into())
                .write_capacity_units(write_units.into());
            request.billing_mode(BillingMode::Provisioned).provisioned_throughput(units.build()?)
        }
    };
    let encryption = SseSpecification::builder().enabled(true).sse_type(SseType::Kms);
    request = match &new.encryption {
        Encryption::Owned => request,
        Encryption::Managed => request.sse_specification(encryption.build()),
        Encryption::Key(key) => request.sse_specification(encryption.kms_master_key_id(key).build()),
    };
    for (name, value) in &new.tags {
        request = request.tags(Tag::builder().key(name).value(value).build()?);
    }
    if new.deletion_protection {
        request = request.deletion_protection_enabled(true);
    }
    Ok(request)
}

/// Returns all mismatches between the table and the driver's requirements, except TTL.
pub(crate) fn find_mismatches(table: &TableDescription, config: &DynamoConfig) -> Vec<String> {
    let mut mismatches = Vec::new();
    let key = &config.key_attribute;
    for element in table.key_schema() {
        let name = element.attribute_name();
        match element.key_type() {
            KeyType::Hash if name == key => {
                let defined =
                    table.attribute_definitions().iter().find(|defined| defined.attribute_name() == name);
                if let Some(defined) = defined
                    && *defined.attribute_type() != ScalarAttributeType::S
                {
                    let kind = defined.attribute_type();
                    mismatches.push(format!(
                        "its partition key {name:?} is of type {kind}, and must be a string (S)"
                    ));
                }
            }
            KeyType::Hash => mismatches.push(format!(
                "its partition key is {name:?} and not {key:?}; set key_attribute={name} if that is a string"
            )),
            _ => mismatches.push(format!("it has the sort key {name:?}, and must have none")),
        }
    }
    mismatches
}

/// Returns the mismatch of a table whose TTL has this attribute; `None` is a TTL that is off.
pub(crate) fn ttl_mismatch(attribute: Option<&str>, config: &DynamoConfig) -> Option<String> {
    let expected = &config.ttl_attribute;
    match attribute {
        Some(name) if name == expected => None,
        Some(name) => Some(format!(
            "its TTL attribute is {name:?} and not {expected:?}; set ttl_attribute={name} to use that attribute"
        )),
        None => Some(format!(
            "its TTL is off, so expired entries are never deleted; enable it for the attribute {expected:?}, or call ensure_table"
        )),
    }
}

/// Returns an error that lists all mismatches, if there are any.
pub(crate) fn check_mismatches(config: &DynamoConfig, mismatches: &[String]) -> Result<()> {
    if mismatches.is_empty() {
        return Ok(());
    }
    Err(invalid(format!("the table {:?} does not fit: {}", config.table, mismatches.join("; "))))
}

/// Returns the error for a table that exists but is not active.
pub(crate) fn not_ready(config: &DynamoConfig, status: Option<&TableStatus>) -> Error {
    let status = status.map_or("in an unknown state", TableStatus::as_str);
    new(
        ErrorKind::Unavailable,
        format!("the table {:?} is {status}, and must be ACTIVE; try again later", config.table),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(schema: &[(&str, KeyType)], types: &[(&str, ScalarAttributeType)]) -> TableDescription {
        let mut table = TableDescription::builder();
        for (name, kind) in schema {
            let element = KeySchemaElement::builder().attribute_name(*name).key_type(kind.clone());
            table = table.key_schema(element.build().unwrap());
        }
        for (name, kind) in types {
            let defined = AttributeDefinition::builder().attribute_name(*name).attribute_type(kind.clone());
            table = table.attribute_definitions(defined.build().unwrap());
        }
        table.build()
    }

    #[test]
    fn what_fits_is_not_complained_about() {
        let config = DynamoConfig::new("table");
        let fitting = table(&[("ttl:key", KeyType::Hash)], &[("ttl:key", ScalarAttributeType::S)]);
        assert!(find_mismatches(&fitting, &config).is_empty());
        // Attributes of indexes are defined too.
        let indexed = [("ttl:key", ScalarAttributeType::S), ("user", ScalarAttributeType::N)];
        assert!(find_mismatches(&table(&[("ttl:key", KeyType::Hash)], &indexed), &config).is_empty());
        let config = config.with_key_attribute("id");
        let fitting = table(&[("id", KeyType::Hash)], &[("id", ScalarAttributeType::S)]);
        assert!(find_mismatches(&fitting, &config).is_empty());
    }

    #[test]
    fn all_that_does_not_fit_is_said_at_once() {
        let config = DynamoConfig::new("orders");
        let other = table(
            &[("pk", KeyType::Hash), ("sk", KeyType::Range)],
            &[("pk", ScalarAttributeType::S), ("sk", ScalarAttributeType::S)],
        );
        let mismatches = find_mismatches(&other, &config);
        let text = check_mismatches(&config, &mismatches).unwrap_err().to_string();
        for word in ["\"orders\"", "\"pk\" and not \"ttl:key\"", "key_attribute=pk", "sort key \"sk\""] {
            assert!(text.contains(word), "{text}");
        }
        let number = table(&[("ttl:key", KeyType::Hash)], &[("ttl:key", ScalarAttributeType::N)]);
        assert_eq!(find_mismatches(&number, &config).len(), 1);
        assert!(find_mismatches(&number, &config)[0].contains("of type N"));
    }

    #[test]
    fn a_table_is_made_as_it_was_asked_for() {
        let new = crate::NewTable::new()
            .with_billing(Billing::Provisioned { read_units: 3, write_units: 2 })
            .with_encryption(Encryption::Key("alias/own".to_owned()))
            .with_tag("team", "shop")
            .with_deletion_protection();
        let config = DynamoConfig::new("orders").with_key_attribute("id").with_new_table(new);
        let request = new_table(&config).unwrap().build().unwrap();
        assert_eq!(request.table_name(), Some("orders"));
        assert_eq!(request.key_schema()[0].attribute_name(), "id");
        assert_eq!(request.billing_mode(), Some(&BillingMode::Provisioned));
        let units = request.provisioned_throughput().unwrap();
        assert_eq!((units.read_capacity_units(), units.write_capacity_units()), (3, 2));
        let encryption = request.sse_specification().unwrap();
        assert_eq!((encryption.enabled(), encryption.kms_master_key_id()), (Some(true), Some("alias/own")));
        assert_eq!((request.tags()[0].key(), request.tags()[0].value()), ("team", "shop"));
        assert_eq!(request.deletion_protection_enabled(), Some(true));

        let plain = new_table(&DynamoConfig::new("orders")).unwrap().build().unwrap();
        assert_eq!(plain.billing_mode(), Some(&BillingMode::PayPerRequest));
        assert!(plain.sse_specification().is_none() && plain.tags().is_empty());
    }
}
