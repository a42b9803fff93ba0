//! Adds decimal numbers as DynamoDB does, to report the stored sum.

use serde_json::Number;

use super::field::parse_number;

/// Returns the sum of two numbers as DynamoDB writes them. `None` if it has more digits than this module
/// keeps.
pub(crate) fn sum(a: &str, b: &str) -> Option<Number> {
    let (a, b) = (Decimal::parse(a)?, Decimal::parse(b)?);
    let exponent = a.exponent.min(b.exponent).min(0);
    let digits = a.at(exponent)?.checked_add(b.at(exponent)?)?;
    // With an exponent the text would be read as a float, which rounds long integers.
    parse_number(&if exponent == 0 { digits.to_string() } else { format!("{digits}e{exponent}") })
}

/// `digits` times ten to the `exponent`.
struct Decimal {
    digits: i128,
    exponent: i32,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
            None => (text, 0),
        };
        let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = [whole, decimals].concat().parse().ok()?;
        Some(Self { digits, exponent: i32::checked_sub(exponent, decimals.len().try_into().ok()?)? })
    }

    fn at(&self, exponent: i32) -> Option<i128> {
        let shift = u32::try_from(self.exponent.checked_sub(exponent)?).ok()?;
        self.digits.checked_mul(10_i128.checked_pow(shift)?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sums_are_decimal() {
        for (a, b, expected) in [
            ("0.1", "0.2", json!(0.3)),
            ("1.5", "1", json!(2.5)),
            ("-0.75", "0.25", json!(-0.5)),
            ("1E+2", "0.5", json!(100.5)),
            ("1e-7", "1e-7", json!(2e-7)),
            ("9007199254740993", "-0.5", json!(9_007_199_254_740_992.5)),
            ("9007199254740992", "1", json!(9_007_199_254_740_993_u64)),
            ("9223372036854775808", "-1", json!(i64::MAX)),
            ("1E+2", "1E+1", json!(110)),
        ] {
            assert_eq!(serde_json::Value::from(sum(a, b).unwrap()), expected, "{a} + {b}");
        }
        assert!(sum("1e100", "1").is_none() && sum("", "1").is_none() && sum("x", "1").is_none());
    }
}
