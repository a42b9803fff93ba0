//! The first request of a patch: its operations as one update expression, where DynamoDB supports them.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Number;
use ttl_core::driver::{Change, FieldOperation, Now};
use ttl_core::options::PatchOptions;
use ttl_core::{Deadline, RefreshMode, Result};

use crate::layout::{self, Layout, size};
use crate::wire::{LIST, MAP, Write, join};

/// DynamoDB accepts expressions of up to 4096 bytes with up to 300 operators. The other parts (liveness,
/// version, deadline) fit into the remainder.
const MAX_TEXT_BYTES: usize = 3_600;
const MAX_OPERATORS: usize = 260;
/// Larger values are added to the record by the driver before it is written. Smaller values can exceed the
/// declared limit only where the record's text is longer than DynamoDB's representation, which DynamoDB
/// limits.
const MAX_VALUE_BYTES: usize = 64 * 1024;
/// Fractions are added by the server only to numbers of at most this size, and must have at most this many
/// decimals: the sum then has no more digits than DynamoDB keeps.
const MAX_WHOLE: i64 = 1_000_000_000_000_000;
const MIN_FRACTION: f64 = 1e-6;

/// The part of a request that changes fields.
#[derive(Debug, Default)]
struct Fields {
    set: String,
    remove: String,
    conditions: Vec<String>,
    condition_bytes: usize,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
    operators: usize,
    value_bytes: usize,
}

/// A patch's operations as one request, if they fit into one: each field once, and no operation that must
/// read first.
#[derive(Debug)]
pub(crate) struct OneRequest(Fields);

/// The effect of the one request on the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeadlineEffect {
    /// The request moves the deadline according to the refresh, if there is one.
    Moves,
    /// The request leaves the deadline: the refresh would not extend it.
    Stays,
}

impl OneRequest {
    pub(crate) fn of(operations: &[FieldOperation]) -> Option<Self> {
        let mut seen = HashSet::with_capacity(operations.len());
        let mut fields = Fields::default();
        for (number, FieldOperation { field, change, .. }) in operations.iter().enumerate() {
            if !seen.insert(&**field) {
                return None;
            }
            fields.add(number, field, change)?;
            let texts = fields.set.len() + fields.remove.len();
            if texts > MAX_TEXT_BYTES
                || fields.condition_bytes > MAX_TEXT_BYTES
                || fields.operators > MAX_OPERATORS
                || fields.value_bytes > MAX_VALUE_BYTES
            {
                return None;
            }
        }
        Some(Self(fields))
    }

    /// Returns the request for a live record.
    pub(crate) fn request(
        &self,
        layout: &Layout,
        now: Now,
        token: &str,
        options: &PatchOptions,
        effect: DeadlineEffect,
    ) -> Result<Write> {
        let fields = &self.0;
        let mut write = Write::update().set_value("#v = :v", ":v", AttributeValue::S(token.to_owned()));
        write.fields.clone_from(&fields.names);
        write.values.extend(fields.values.iter().map(|(name, value)| (name.clone(), value.clone())));
        write = write.set(&fields.set).remove(&fields.remove);
        if let Some(refresh) = &options.refresh {
            let to = Deadline::after(now, refresh.ttl);
            write = match (effect, refresh.mode) {
                (DeadlineEffect::Stays, _) => write
                    .demand("attribute_not_exists(#d) OR #d >= :d")
                    .value(":d", layout::deadline_attribute(to)),
                (DeadlineEffect::Moves, RefreshMode::Reset) => write.set_deadline(layout, now, to),
                (DeadlineEffect::Moves, RefreshMode::ExtendOnly) => {
                    write.set_deadline(layout, now, to).demand("#d < :d")
                }
            };
        }
        write = write.demand_live(now, options.if_version.as_ref()).demand("attribute_type(#f, :map)");
        // A field that cannot be reported is not changed.
        write = write.demand_created_at(options.returning);
        for condition in &fields.conditions {
            write = write.demand(condition);
        }
        Ok(write.of_type(MAP))
    }
}

impl Fields {
    fn add(&mut self, number: usize, field: &str, change: &Change) -> Option<()> {
        self.names.insert(format!("#{number}"), field.to_owned());
        let path = format!("#f.#{number}");
        match change {
            Change::Set(value) => {
                self.value_bytes += size::json_bytes(value);
                self.set(&format!("{path} = :{number}"), 1);
                self.value(format!(":{number}"), layout::to_attribute(value));
            }
            Change::Append(element) | Change::Prepend(element) => {
                self.value_bytes += size::json_bytes(element);
                let old = format!("if_not_exists({path}, :none)");
                let list = match change {
                    Change::Append(_) => format!("{old}, :{number}"),
                    _ => format!(":{number}, {old}"),
                };
                self.set(&format!("{path} = list_append({list})"), 3);
                self.value(format!(":{number}"), AttributeValue::L(vec![layout::to_attribute(element)]));
                self.empty_list();
                self.demand(&format!("attribute_not_exists({path}) OR attribute_type({path}, :list)"), 4);
                self.list_type();
            }
            // The condition detects an empty or missing list, because removing from it is an error.
            Change::PopFront => {
                self.remove(&format!("{path}[0]"));
                self.demand(&format!("attribute_exists({path}[0]) AND attribute_type({path}, :list)"), 4);
                self.list_type();
            }
            Change::Clear => {
                self.set(&format!("{path} = :none"), 1);
                self.empty_list();
                self.demand(&format!("attribute_type({path}, :list)"), 2);
                self.list_type();
            }
            Change::Unset => self.remove(&path),
            Change::Increment(by) => {
                self.increment(number, &path, by, summand_bounds(by)?, true);
            }
            // The server's decimal sum of an integer is within the bounds only if that of the rules is. The
            // sums of two fractions can differ, and so fall on different sides of a bound.
            Change::IncrementWithin { by, bounds } => {
                let whole = i128::from(by.as_i64()?);
                let (low, high) = summand_bounds(by)?;
                let low = bounds.min().map_or(low, |min| low.max(i128::from(min) - whole));
                let high = bounds.max().map_or(high, |max| high.min(i128::from(max) - whole));
                self.increment(number, &path, by, (low, high), bounds.contain(by));
            }
            // No expression counts from the end of a list, or looks for an element.
            Change::PopBack | Change::RemoveValue(_) => return None,
        }
        Some(())
    }

    /// Adds to a field that is a number between these bounds, or creates it if it may be missing.
    fn increment(
        &mut self,
        number: usize,
        path: &str,
        by: &Number,
        within: (i128, i128),
        may_be_missing: bool,
    ) {
        self.set(&format!("{path} = if_not_exists({path}, :zero) + :{number}"), 3);
        self.value(format!(":{number}"), layout::number_attribute(by));
        self.value(":zero".to_owned(), AttributeValue::N("0".to_owned()));
        let missing =
            if may_be_missing { format!("attribute_not_exists({path}) OR ") } else { String::new() };
        self.demand(&format!("{missing}{path} BETWEEN :{number}a AND :{number}b"), 4);
        self.value(format!(":{number}a"), AttributeValue::N(within.0.to_string()));
        self.value(format!(":{number}b"), AttributeValue::N(within.1.to_string()));
    }

    fn set(&mut self, text: &str, operators: usize) {
        join(&mut self.set, text);
        self.operators += operators;
    }

    fn remove(&mut self, path: &str) {
        join(&mut self.remove, path);
        self.operators += 1;
    }

    fn demand(&mut self, text: &str, operators: usize) {
        // Each condition has its own parentheses: DynamoDB rejects nested pairs around another pair.
        self.condition_bytes += text.len() + "() AND ".len();
        self.conditions.push(text.to_owned());
        self.operators += operators;
    }

    fn value(&mut self, name: String, value: AttributeValue) {
        self.values.insert(name, value);
    }

    fn empty_list(&mut self) {
        self.value(":none".to_owned(), AttributeValue::L(Vec::new()));
    }

    fn list_type(&mut self) {
        self.value(LIST.0.to_owned(), AttributeValue::S(LIST.1.to_owned()));
    }
}

/// Returns the bounds of a field within which the server's sum equals that of the rules. `None` for amounts
/// that only the driver can add.
fn summand_bounds(by: &Number) -> Option<(i128, i128)> {
    if let Some(by) = by.as_i64() {
        let by = i128::from(by);
        return Some((i128::from(i64::MIN) - by, i128::from(i64::MAX) - by));
    }
    let by = by.as_f64()?.abs();
    // At most 15 digits before and 22 after the point.
    let fits = (MIN_FRACTION..MAX_WHOLE as f64).contains(&by);
    fits.then_some((-i128::from(MAX_WHOLE), i128::from(MAX_WHOLE)))
}
