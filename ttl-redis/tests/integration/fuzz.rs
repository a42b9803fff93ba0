//! Random patches have the same results in Lua as in the rules.

use libtest_mimic::Trial;
use serde_json::{Value as Json, json};
use ttl_conformance::servers::ServerUrl;
use ttl_core::driver::field_text;
use ttl_core::options::{Create, PatchOptions};
use ttl_core::{Bounds, ErrorKind, Outcome, Patch, Record, TtlStore, Value, rules};

use crate::support::{LONG, Namespace, key, value, with_server};

/// The default number of rounds; `TTL_TEST_ROUNDS` sets another one.
const ROUNDS: u64 = 1500;

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("patches_mean_what_the_rules_say", server, patches),
        with_server("sums_have_the_canonical_text", server, sums),
        with_server("long_lists_are_patched_from_here", server, long_lists),
    ]
}

/// `SplitMix64`: the same numbers every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }

    fn text(&mut self) -> String {
        let pieces = [
            "", "a", "\"", "\\", "\\\"", "]", "[", "{", "}", ",", ":", "\n", "\0", "é", "𝄞", "\\\\", "null",
            " ",
        ];
        (0..self.below(6)).map(|_| self.pick(&pieces)).collect()
    }

    fn number(&mut self) -> Json {
        match self.below(8) {
            0 => json!(self.pick(&[0_i64, 1, -1, i64::MAX, i64::MIN, i64::MAX - 1, 9_007_199_254_740_993])),
            1 => json!(self.pick(&[u64::MAX, 1 << 63, (1 << 63) + 1])),
            2 => json!(self.next() as i64),
            3 => json!(self.below(2000) as i64 - 1000),
            4 => json!(self.below(2000) as f64 / 8.0 - 100.0),
            5 => {
                json!(self.pick(&[0.1, 0.2, -0.1, 1e-7, 1e16, 1e300, -1e300, 1.5e20, 1e-5, 9.999e15, 5e-324]))
            }
            6 => {
                let float = f64::from_bits(self.next());
                json!(if float.is_finite() { float } else { 0.5 })
            }
            _ => json!(self.next() as i64 >> self.below(64)),
        }
    }

    fn value(&mut self, depth: u64) -> Json {
        match self.below(if depth == 0 { 5 } else { 8 }) {
            0 => json!(null),
            1 => json!(self.below(2) == 0),
            2 => self.number(),
            3 | 4 => json!(self.text()),
            5 | 6 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => (0..self.below(4))
                .map(|_| (self.text(), self.value(depth - 1)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }

    fn list(&mut self) -> Json {
        let few: Vec<Json> = (0..3).map(|_| self.value(2)).collect();
        (0..self.below(6)).map(|_| if self.below(2) == 0 { self.pick(&few) } else { self.value(2) }).collect()
    }

    fn field(&mut self) -> &'static str {
        self.pick(&["list", "number", "any", "a \"b\\c", "ttl"])
    }

    fn operation(&mut self, patch: Patch, known: &[Json]) -> Patch {
        let field = self.field();
        let list = self.pick(&["list", "list", "list", field]);
        let number = self.pick(&["number", "number", field]);
        let element = if known.is_empty() || self.below(3) == 0 { self.value(2) } else { self.pick(known) };
        match self.below(14) {
            0 => patch.set(field, self.value(3)),
            1 => patch.set("list", self.list()),
            2 => patch.append(list, element),
            3 => patch.prepend(list, element),
            4 => patch.pop_front(list),
            5 => patch.pop_back(list),
            6 | 7 => patch.remove_value(list, element),
            8 => patch.clear(list),
            9 => patch.unset(field),
            10 => {
                let near = self.pick(&[0, 1, -7, 1_000_000_000_000, Bounds::LARGEST, -Bounds::LARGEST]);
                let by = self.pick(&[0, 1, -1, near, -near, i64::MAX, i64::MIN]);
                match self.below(3) {
                    0 => patch.increment_within(number, by, ..=near),
                    1 => patch.increment_within(number, by, near..),
                    _ => patch.increment_within(number, self.pick(&[0.5, -1e-3, 1e15]), -7..=near.abs()),
                }
            }
            _ => match self.number() {
                Json::Number(by) if by.is_i64() => patch.increment(number, by.as_i64().unwrap()),
                by => patch.increment(number, by.as_f64().unwrap()),
            },
        }
    }
}

async fn patches(url: String) {
    let (space, key) = (Namespace::new(&url).await, key("k"));
    let rounds =
        std::env::var("TTL_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let mut random = Random(7);
    let mut model: Option<Record> = None;
    for round in 0..rounds {
        if random.below(20) == 0 {
            let _ = space.store.delete(&key, ttl_core::options::DeleteOptions::new()).await.unwrap();
            model = None;
        }
        let initial =
            Record::new().with("list", random.list()).with("number", random.number()).with("other", 1);
        let stored = model.clone().unwrap_or_else(|| initial.clone());
        let known = stored.get("list").and_then(Json::as_array).cloned().unwrap_or_default();
        let mut patch = Patch::new();
        for _ in 0..random.below(8) {
            patch = random.operation(patch, &known);
        }
        let mut expected = stored.clone();
        let rules = rules::apply(&mut expected, &patch);
        let options = PatchOptions::new().with_create(Create::new(LONG).with_initial(initial));
        let seen = space.store.patch(&key, &patch, options).await;
        let about = || format!("round {round}: {patch:?}\non {}", stored.to_json_text());
        match (rules, seen) {
            (Ok(None), Ok(Outcome::Refused(there))) => {
                let touched = stored.project(&patch.to_fields().unwrap());
                assert_eq!(there.is_some(), model.is_some(), "{}", about());
                assert!(
                    there.is_none_or(|there| there.fields == touched && there.effects.is_empty()),
                    "{}",
                    about()
                );
            }
            (Ok(Some(effects)), Ok(Outcome::Applied(outcome))) => {
                assert_eq!(outcome.effects, effects, "{}", about());
                let touched = expected.project(&patch.to_fields().unwrap());
                assert_eq!(outcome.fields.to_json_text(), touched.to_json_text(), "{}", about());
                model = Some(expected.clone());
            }
            (Err(rules), Err(seen)) => assert_eq!(seen.kind(), rules.kind(), "{}", about()),
            (rules, seen) => panic!("{}\nthe rules say {rules:?}\nthe store says {seen:?}", about()),
        }
        if let Some(model) = &model {
            assert_eq!(value(&space.store, &key).await, Value::from(model.clone()), "{}", about());
            let mark: String = redis::cmd("HGET")
                .arg(space.full("k"))
                .arg("ttl:version")
                .query_async(&mut space.raw.clone())
                .await
                .unwrap();
            let size: usize = mark.split_once('.').unwrap().1.parse().unwrap();
            let text = model.to_json_text().len();
            assert_eq!(if size == 0 { 2 } else { size + 1 }, text, "the size in {mark:?}; {}", about());
        }
    }
}

/// Lua prints sums of fractions. The texts equal those that this process would write.
async fn sums(url: String) {
    let (space, key) = (Namespace::new(&url).await, key("k"));
    let mut random = Random(11);
    let powers = (-1074..1024).step_by(7).map(|power| 2_f64.powi(power));
    let random_bits = (0..300).map(|_| f64::from_bits(random.next())).filter(|float| float.is_finite());
    let odd =
        [5.684_341_886_080_802e-14, 1e-4, 9.999e-5, 1e16, 1.0e15 + 0.5, 123_456.789, 1e22, 1e23, 5e-324];
    for float in powers.chain(random_bits).chain(odd) {
        for float in [float, -float] {
            let patch = Patch::new().unset("f").increment("f", float);
            let options = PatchOptions::new().with_create(Create::new(LONG));
            let outcome = space.store.patch(&key, &patch, options).await.unwrap().applied().unwrap();
            let expected = Record::new().with("f", float);
            assert_eq!(outcome.fields, expected, "{float:?}");
            let text: String = redis::cmd("HGET")
                .arg(space.full("k"))
                .arg("f")
                .query_async(&mut space.raw.clone())
                .await
                .unwrap();
            assert_eq!(text, field_text(expected.get("f").unwrap()), "{float:?}");
        }
    }
}

/// More than 64 KiB: the list is read, changed here, and swapped in.
async fn long_lists(url: String) {
    let (space, key) = (Namespace::new(&url).await, key("k"));
    let list: Vec<String> = (0..10_000).map(|n| format!("element {}", n % 100)).collect();
    let record = Record::new().with("list", &list).with("n", 1);
    let put = ttl_core::options::PutOptions::new(LONG).with_returning(ttl_core::options::Returning::DEADLINE);
    let before = crate::support::applied(space.store.put(&key, record.into(), put).await);
    let patch = Patch::new().increment("n", 1).remove_value("list", "element 7").pop_back("list");
    let options = PatchOptions::new().with_returning(ttl_core::options::Returning::DEADLINE);
    let outcome = space.store.patch(&key, &patch, options).await.unwrap().applied().unwrap();
    assert_eq!(outcome.effects[1], ttl_core::Effect::Removed(100));
    assert_eq!(outcome.effects[2], ttl_core::Effect::Popped(Some(json!("element 99"))));
    assert_eq!(outcome.fields.get("n"), Some(&json!(2)));
    assert_eq!(outcome.deadline, before.deadline);
    let Value::Record(record) = value(&space.store, &key).await else { panic!("a record") };
    assert_eq!(record.get("list").and_then(Json::as_array).map(Vec::len), Some(9_899));

    let absent = space.store.patch(&crate::support::key("none"), &patch, PatchOptions::new()).await.unwrap();
    assert_eq!(absent, Outcome::Absent);
    let wrong = Patch::new().remove_value("list", 1).increment("list", 1);
    let error = space.store.patch(&key, &wrong, PatchOptions::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::WrongFieldType, Some("patch")));
}
