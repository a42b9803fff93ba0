//! The refresh matrix: every operation under every flag and every pair of flags, in both modes.

use ttl_core::options::{
    ExistingDeadline, Fields, GetOptions, PatchOptions, Projection, PutItem, PutOptions, Refresh, Returning,
};
use ttl_core::{Actions, Deadline, Entry, Key, Kind, Patch, Record, RefreshMode, RefreshPolicy, Value};

use super::support::{LATER, SOONER, ensure_ahead, reported};
use crate::test::{LONG, applied, key};
use crate::{Check, Failure, Test, case_table, ensure_eq};

/// Returns every set of flags in the matrix: the empty set, each flag, and each pair. No policy contains
/// DELETE.
fn policies() -> Vec<Actions> {
    let flags: Vec<Actions> = (Actions::all() - Actions::DELETE).iter().collect();
    let pairs = flags.iter().flat_map(|one| flags.iter().map(move |other| *one | *other));
    let mut sets = vec![Actions::empty()];
    for set in pairs {
        if !sets.contains(&set) {
            sets.push(set);
        }
    }
    sets
}

case_table! {
    /// R1: A get of the whole value refreshes under FETCH and under every pair that contains it.
    a_get_refreshes = |t| check(t, Operation::Get, true),
    /// R1: A get of the whole value does not refresh under a policy without FETCH.
    a_get_does_not_refresh = |t| check(t, Operation::Get, false),
    /// R1: A get of some fields refreshes under READ and under every pair that contains it.
    a_get_of_fields_refreshes = |t| check(t, Operation::GetFields, true),
    /// R1: A get of some fields does not refresh under a policy without READ.
    a_get_of_fields_does_not_refresh = |t| check(t, Operation::GetFields, false),
    /// R1: A get of nothing refreshes under READ and under every pair that contains it.
    a_contains_refreshes = |t| check(t, Operation::Contains, true),
    /// R1: A get of nothing does not refresh under a policy without READ.
    a_contains_does_not_refresh = |t| check(t, Operation::Contains, false),
    /// R1: A batch get of whole values refreshes under FETCH and under every pair that contains it.
    a_get_many_refreshes = |t| check(t, Operation::GetMany, true),
    /// R1: A batch get of whole values does not refresh under a policy without FETCH.
    a_get_many_does_not_refresh = |t| check(t, Operation::GetMany, false),
    /// R1: A batch get of some fields refreshes under READ and under every pair that contains it.
    a_get_many_of_fields_refreshes = |t| check(t, Operation::GetManyFields, true),
    /// R1: A batch get of some fields does not refresh under a policy without READ.
    a_get_many_of_fields_does_not_refresh = |t| check(t, Operation::GetManyFields, false),
    /// R1: A put over a live entry refreshes under UPDATE and under every pair that contains it.
    a_put_refreshes = |t| check(t, Operation::Put, true),
    /// R1, R8: A put over a live entry does not refresh under a policy without UPDATE.
    a_put_does_not_refresh = |t| check(t, Operation::Put, false),
    /// R1: A batch put over live entries refreshes under UPDATE and under every pair that contains it.
    a_put_many_refreshes = |t| check(t, Operation::PutMany, true),
    /// R1, R8: A batch put over live entries does not refresh under a policy without UPDATE.
    a_put_many_does_not_refresh = |t| check(t, Operation::PutMany, false),
    /// R1: A set of a field refreshes under UPDATE and under every pair that contains it.
    a_set_refreshes: needs(patch) = |t| check(t, Operation::Set, true),
    /// R1: A set of a field does not refresh under a policy without UPDATE.
    a_set_does_not_refresh: needs(patch) = |t| check(t, Operation::Set, false),
    /// R1: An append refreshes under APPEND and under every pair that contains it.
    an_append_refreshes: needs(patch) = |t| check(t, Operation::Append, true),
    /// R1: An append does not refresh under a policy without APPEND.
    an_append_does_not_refresh: needs(patch) = |t| check(t, Operation::Append, false),
    /// R1: A prepend refreshes under APPEND and under every pair that contains it.
    a_prepend_refreshes: needs(patch) = |t| check(t, Operation::Prepend, true),
    /// R1: A prepend does not refresh under a policy without APPEND.
    a_prepend_does_not_refresh: needs(patch) = |t| check(t, Operation::Prepend, false),
    /// R1: A pop at the front refreshes under ERASE and under every pair that contains it.
    a_pop_front_refreshes: needs(patch) = |t| check(t, Operation::PopFront, true),
    /// R1: A pop at the front does not refresh under a policy without ERASE.
    a_pop_front_does_not_refresh: needs(patch) = |t| check(t, Operation::PopFront, false),
    /// R1: A pop at the back refreshes under ERASE and under every pair that contains it.
    a_pop_back_refreshes: needs(patch) = |t| check(t, Operation::PopBack, true),
    /// R1: A pop at the back does not refresh under a policy without ERASE.
    a_pop_back_does_not_refresh: needs(patch) = |t| check(t, Operation::PopBack, false),
    /// R1: A removal of a value refreshes under ERASE and under every pair that contains it.
    a_remove_value_refreshes: needs(patch) = |t| check(t, Operation::RemoveValue, true),
    /// R1: A removal of a value does not refresh under a policy without ERASE.
    a_remove_value_does_not_refresh: needs(patch) = |t| check(t, Operation::RemoveValue, false),
    /// R1: A clear refreshes under ERASE and under every pair that contains it.
    a_clear_refreshes: needs(patch) = |t| check(t, Operation::Clear, true),
    /// R1: A clear does not refresh under a policy without ERASE.
    a_clear_does_not_refresh: needs(patch) = |t| check(t, Operation::Clear, false),
    /// R1: An unset refreshes under ERASE and under every pair that contains it.
    an_unset_refreshes: needs(patch) = |t| check(t, Operation::Unset, true),
    /// R1: An unset does not refresh under a policy without ERASE.
    an_unset_does_not_refresh: needs(patch) = |t| check(t, Operation::Unset, false),
    /// R1: An increment refreshes under ARITHMETIC and under every pair that contains it.
    an_increment_refreshes: needs(patch) = |t| check(t, Operation::Increment, true),
    /// R1: An increment does not refresh under a policy without ARITHMETIC.
    an_increment_does_not_refresh: needs(patch) = |t| check(t, Operation::Increment, false),
    /// R1: A patch of a set and an increment refreshes under UPDATE, ARITHMETIC and every pair with one
    /// of them.
    a_patch_of_two_actions_refreshes_under_either: needs(patch) = |t| check(t, Operation::SetAndIncrement, true),
    /// R1: A patch of a set and an increment does not refresh under a policy without UPDATE and
    /// ARITHMETIC.
    a_patch_of_two_actions_does_not_refresh_under_others: needs(patch) = |t| check(t, Operation::SetAndIncrement, false),
    /// R1: A patch of an append and a pop refreshes under APPEND, ERASE and every pair with one of them.
    a_patch_that_turns_a_list_refreshes_under_either: needs(patch) = |t| check(t, Operation::AppendAndPop, true),
    /// R1: A patch of an append and a pop does not refresh under a policy without APPEND and ERASE.
    a_patch_that_turns_a_list_does_not_refresh_under_others: needs(patch) = |t| check(t, Operation::AppendAndPop, false),
}

/// The operations of the matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Operation {
    Get,
    GetFields,
    Contains,
    GetMany,
    GetManyFields,
    Put,
    PutMany,
    Set,
    Append,
    Prepend,
    PopFront,
    PopBack,
    RemoveValue,
    Clear,
    Unset,
    Increment,
    SetAndIncrement,
    AppendAndPop,
}

/// Runs an operation under every policy for which [`Operation::moves`] equals `moves`, and checks the
/// deadline.
async fn check(t: Test, operation: Operation, moves: bool) -> Check {
    for flags in policies() {
        if operation.moves(flags) != moves {
            continue;
        }
        for (mode, ttl) in [(RefreshMode::ExtendOnly, LATER), (RefreshMode::Reset, SOONER)] {
            for kind in operation.kinds() {
                let about = format!("{operation:?} of a {kind} under on({flags}), {mode:?}");
                let key = key(&format!("{}-{mode:?}-{kind}", flags.bits()));
                t.put(&key, value(*kind), PutOptions::new(LONG)).await?;
                let before = t.deadline(&key).await?;
                // In the same way as a collection.
                let refresh = RefreshPolicy::on(flags)?.with_mode(mode).resolve(operation.actions(), ttl);
                let started = t.store.now();
                let told = operation.run(&t, &key, *kind, refresh).await?;
                let after = t.deadline(&key).await?;
                ensure_eq!(told, after, "{about}: the reported deadline");
                if moves {
                    ensure_ahead(&t, after, started, ttl, &about)?;
                } else {
                    ensure_eq!(after, before, "{about}: the deadline");
                }
            }
        }
    }
    Ok(())
}

fn value(kind: Kind) -> Value {
    match kind {
        Kind::Blob => "v".into(),
        Kind::Record => Record::new().with("n", 1).with("list", [1, 2, 3]).with("text", "x").into(),
    }
}

impl Operation {
    /// Returns the actions that the operation consists of.
    const fn actions(self) -> Actions {
        match self {
            Self::Get | Self::GetMany => Actions::FETCH,
            Self::GetFields | Self::Contains | Self::GetManyFields => Actions::READ,
            Self::Put | Self::PutMany | Self::Set => Actions::UPDATE,
            Self::Append | Self::Prepend => Actions::APPEND,
            Self::PopFront | Self::PopBack | Self::RemoveValue | Self::Clear | Self::Unset => Actions::ERASE,
            Self::Increment => Actions::ARITHMETIC,
            Self::SetAndIncrement => Actions::UPDATE.union(Actions::ARITHMETIC),
            Self::AppendAndPop => Actions::APPEND.union(Actions::ERASE),
        }
    }

    /// Returns whether the operation moves the deadline under a policy with these flags.
    const fn moves(self, flags: Actions) -> bool {
        self.actions().intersects(flags)
    }

    /// Returns the kinds of value that the operation works on.
    fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Get | Self::Contains | Self::GetMany | Self::Put | Self::PutMany => {
                &[Kind::Record, Kind::Blob]
            }
            _ => &[Kind::Record],
        }
    }

    /// Runs the operation and returns the deadline that it reported.
    async fn run(self, t: &Test, key: &Key, kind: Kind, refresh: Option<Refresh>) -> Check<Deadline> {
        match self {
            Self::Get => get(t, key, Projection::All, refresh).await,
            Self::GetFields => get(t, key, some_fields()?, refresh).await,
            Self::Contains => get(t, key, Projection::Nothing, refresh).await,
            Self::GetMany => get_many(t, key, Projection::All, refresh).await,
            Self::GetManyFields => get_many(t, key, some_fields()?, refresh).await,
            Self::Put => {
                let meta = applied(t.store.put(key, value(kind), put(refresh)).await?)?;
                reported(meta.deadline)
            }
            Self::PutMany => {
                let item = PutItem::new(key.clone(), value(kind), put(refresh));
                match t.store.put_many(vec![item]).await.pop() {
                    Some(result) => reported(applied(result?)?.deadline),
                    None => Err(Failure::new("one result", "none")),
                }
            }
            other => {
                let patch = other.patch();
                ensure_eq!(patch.actions(), other.actions(), "the actions of the patch");
                let options = PatchOptions::new().with_refresh(refresh).with_returning(Returning::DEADLINE);
                reported(applied(t.store.patch(key, &patch, options).await?)?.deadline)
            }
        }
    }

    fn patch(self) -> Patch {
        let patch = Patch::new();
        match self {
            Self::Set => patch.set("text", "y"),
            Self::Append => patch.append("list", 4),
            Self::Prepend => patch.prepend("list", 0),
            Self::PopFront => patch.pop_front("list"),
            Self::PopBack => patch.pop_back("list"),
            Self::RemoveValue => patch.remove_value("list", 2),
            Self::Clear => patch.clear("list"),
            Self::Unset => patch.unset("text"),
            Self::Increment => patch.increment("n", 1),
            Self::SetAndIncrement => patch.set("text", "y").increment("n", 1),
            Self::AppendAndPop => patch.append("list", 4).pop_front("list"),
            Self::Get | Self::GetFields | Self::Contains | Self::GetMany => patch,
            Self::GetManyFields | Self::Put | Self::PutMany => patch,
        }
    }
}

fn some_fields() -> Check<Projection> {
    Ok(Projection::Fields(Fields::new(["n", "missing"])?))
}

fn put(refresh: Option<Refresh>) -> PutOptions {
    let existing_deadline = refresh.map_or(ExistingDeadline::Keep, ExistingDeadline::Refresh);
    PutOptions::new(LONG).with_existing_deadline(existing_deadline).with_returning(Returning::DEADLINE)
}

fn get_options(projection: Projection, refresh: Option<Refresh>) -> GetOptions {
    GetOptions::new().with_projection(projection).with_refresh(refresh).with_returning(Returning::DEADLINE)
}

async fn get(t: &Test, key: &Key, projection: Projection, refresh: Option<Refresh>) -> Check<Deadline> {
    hit(t.store.get(key, get_options(projection, refresh)).await?)
}

async fn get_many(t: &Test, key: &Key, projection: Projection, refresh: Option<Refresh>) -> Check<Deadline> {
    match t.store.get_many(std::slice::from_ref(key), get_options(projection, refresh)).await.pop() {
        Some(result) => hit(result?),
        None => Err(Failure::new("one result", "none")),
    }
}

fn hit(entry: Option<Entry>) -> Check<Deadline> {
    let entry = entry.ok_or_else(|| Failure::new("a hit", "a miss"))?;
    match entry.refresh_error {
        Some(error) => Err(Failure::new("no refresh error", format!("{error:?}"))),
        None => reported(entry.deadline),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Actions that do not read or write a live entry.
    const WITHOUT_A_ROW: Actions = Actions::CREATE.union(Actions::DELETE);

    #[test]
    fn every_action_is_that_of_an_operation() {
        let patches = [Operation::Set, Operation::Append, Operation::Clear, Operation::Increment];
        let others = [Operation::Get, Operation::GetFields];
        let found = patches.iter().chain(&others).fold(Actions::empty(), |found, one| found | one.actions());
        assert_eq!(found, Actions::all() - WITHOUT_A_ROW);
    }

    #[test]
    fn the_policies_are_none_each_flag_and_each_pair() {
        assert_eq!(policies().len(), 1 + 7 + 21);
        assert!(policies().iter().all(|flags| RefreshPolicy::on(*flags).is_ok()));
    }
}
