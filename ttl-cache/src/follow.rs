//! Following the changes of a store: near copies and waiting calls learn of them without a look.

use std::sync::{Arc, Weak};

use futures_util::StreamExt;
use ttl_core::{ChangeStream, Result, StoreChange};

use crate::core::Core;
use crate::key::Subject;
use crate::runtime::runtime;

impl<V: Send + Sync + 'static> Core<V> {
    /// Follows the changes of the store while this cache exists.
    pub(crate) async fn follow_changes(self: &Arc<Self>) -> Result<()> {
        let runtime = runtime()?;
        let changes = self.store.changes().await?;
        // Copies that were made before the subscription may have missed a change.
        self.epochs.note_gap();
        let task = runtime.spawn(follow(Arc::downgrade(self), changes));
        self.follower.replace(Some(task.abort_handle()));
        Ok(())
    }

    fn note_change(&self, change: &StoreChange) {
        match change {
            StoreChange::Changed(key) => {
                match self.keys.subject(key) {
                    None => return,
                    Some(Subject::Entry) => self.epochs.change_key(key),
                    Some(Subject::Tag("")) => self.epochs.change_all(),
                    Some(Subject::Tag(tag)) => self.epochs.change_tag(tag),
                }
                self.watches.wake(key);
            }
            StoreChange::Cleared => {
                self.epochs.change_all();
                self.watches.wake_all();
            }
            StoreChange::Gap => {
                self.epochs.note_gap();
                self.watches.wake_all();
            }
        }
    }
}

async fn follow<V: Send + Sync + 'static>(core: Weak<Core<V>>, mut changes: ChangeStream) {
    while let Some(change) = changes.next().await {
        let Some(core) = core.upgrade() else { return };
        core.note_change(&change);
    }
    // The end of the stream is a gap for ever.
    if let Some(core) = core.upgrade() {
        core.epochs.note_gap();
    }
}
