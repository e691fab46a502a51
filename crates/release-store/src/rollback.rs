use crate::{
    Action, Conflicts, GenerationNumber, Outcome, PublishError, PublishId, ReadError, Store, Writers,
    lease::{Holder, now},
    publish::{Commit, Draft},
};

/// What a rollback did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolledBack {
    /// The generation that serves the old content.
    pub generation: GenerationNumber,
    /// Whether there is a new one.
    pub outcome: Outcome,
}

impl Store {
    /// Makes the content of generation `to` current again, as a new generation. It must be whole.
    pub async fn rollback(&self, to: GenerationNumber, writers: Writers) -> Result<RolledBack, PublishError> {
        let create = self.create_for(writers).await?;
        if self.latest(None).await?.is_none() {
            return Err(ReadError::Empty { store: self.url().clone() }.into());
        }
        let old = self.generation(to).await?;
        let id = PublishId::random();
        let blobs = old.blobs();
        self.take_lease(id, Holder::Publish, blobs.iter().map(|blob| blob.digest)).await?;
        let rolled_back = async {
            self.await_collections(id, &blobs).await?;
            // Under the lease, so that it stays whole.
            let old = self.validate(old).await?;
            let draft = Draft {
                id,
                created: now(),
                action: Action::Rollback { of: to },
                manifest: &old.manifest,
                conflicts: Conflicts::Allow,
            };
            let Commit { number, outcome } = self.commit(&draft, create).await?;
            self.validate(self.generation(number).await?).await?;
            Ok(RolledBack { generation: number, outcome })
        };
        let rolled_back = rolled_back.await;
        self.end_lease(id).await;
        rolled_back
    }
}
