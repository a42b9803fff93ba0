//! Reads of one item, whole or in part.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use ttl_core::options::{Projection, Returning};
use ttl_core::{Key, Kind, Result};

use super::retry::Retries;
use crate::error::classify;
use crate::inner::Inner;
use crate::layout::Item;

/// The maximum number of fields in a projection. With more, the expression could exceed DynamoDB's limit.
const MAX_NAMED: usize = 300;

/// The part of an item that a read requests.
#[derive(Clone, Debug)]
pub(crate) struct Attributes {
    pub(crate) expression: String,
    pub(crate) names: HashMap<String, String>,
}

impl Inner {
    /// Returns the part of an item that a read needs; `None` is the whole item.
    pub(crate) fn attributes(
        &self,
        projection: &Projection,
        kind: Option<Kind>,
        returning: Returning,
    ) -> Option<Attributes> {
        let mut expression = "#k, #d, #m, #v".to_owned();
        if returning.contains(Returning::CREATED_AT) {
            expression.push_str(", #c");
        }
        let mut names = HashMap::new();
        match projection {
            Projection::All => return None,
            Projection::Fields(fields) if fields.len() > MAX_NAMED => return None,
            Projection::Fields(fields) => {
                // The bytes distinguish a blob from a record without any of the fields.
                expression.push_str(", #b");
                for (number, field) in fields.iter().enumerate() {
                    let placeholder = format!("#{number}");
                    expression.push_str(", #f.");
                    expression.push_str(&placeholder);
                    names.insert(placeholder, field.to_owned());
                }
            }
            Projection::Nothing if kind.is_some() => expression.push_str(", #b"),
            Projection::Nothing => {}
        }
        self.layout.add_names(&expression, &mut names);
        Some(Attributes { expression, names })
    }

    /// Reads an item, or the part of it in the expression.
    pub(crate) async fn read(
        &self,
        key: &Key,
        part: Option<&Attributes>,
        consistent: bool,
        retries: &mut Retries,
    ) -> Result<Option<Item>> {
        let client = self.client.get(&self.config).await?;
        loop {
            let mut request = client
                .get_item()
                .table_name(&self.config.table)
                .key(&self.layout.key, AttributeValue::S(self.stored_key(key)))
                .consistent_read(consistent);
            if let Some(part) = part {
                request = request
                    .projection_expression(&part.expression)
                    .set_expression_attribute_names(Some(part.names.clone()));
            }
            match request.send().await {
                Ok(response) => return Ok(response.item),
                Err(error) => self.retry(retries, classify(&error, "GetItem", &self.config)).await?,
            }
        }
    }
}
