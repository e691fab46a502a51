use std::time::Duration;

use artifact::{ReleaseManifest, ReleaseTime};
use bytes::Bytes;

use super::{CommitError, Conflicts, Outcome, PublishError, conflict::conflicts};
use crate::{
    Action, GENERATION_SCHEMA, Generation, GenerationNumber, PublishId, ReadError, Store, StoreError,
    backend::{Answer, Put},
    probe::Create,
};

/// As many publishers may be faster before one gives up.
const MAX_RACES: usize = 32;

/// How often one generation's creation is tried while the store's answers do not tell what became of it.
const MAX_TRIES: usize = 3;

/// A generation that has no number yet.
pub(crate) struct Draft<'a> {
    pub(crate) id: PublishId,
    pub(crate) created: ReleaseTime,
    pub(crate) action: Action,
    pub(crate) manifest: &'a ReleaseManifest,
    pub(crate) conflicts: Conflicts,
}

/// A draft that got its number, or was there already.
pub(crate) struct Commit {
    pub(crate) number: GenerationNumber,
    pub(crate) outcome: Outcome,
}

impl Draft<'_> {
    /// Later than `parent` whatever the clocks of two publishers say: it is what `If-Modified-Since` is compared with, and
    /// after a rollback, too, must tell the new content from the old.
    fn behind(&self, parent: Option<&Generation>) -> Generation {
        let after = parent.map(|parent| ReleaseTime::from_unix(parent.created.unix().saturating_add(1)));
        Generation {
            schema: GENERATION_SCHEMA,
            number: parent.map_or(GenerationNumber::FIRST, |parent| parent.number.next()),
            parent: parent.map(|parent| parent.number),
            publish_id: self.id,
            created: after.map_or(self.created, |after| after.max(self.created)),
            action: self.action,
            manifest: self.manifest.clone(),
        }
    }
}

/// Who created a generation.
enum Creator {
    We,
    Another,
    /// It is not there.
    Nobody,
}

impl Store {
    /// Creates the generation behind the newest one. Whoever loses a race looks at the winner and tries again behind it.
    pub(crate) async fn commit(&self, draft: &Draft<'_>, create: Create) -> Result<Commit, PublishError> {
        for attempt in 0..MAX_RACES {
            let parent = match self.latest(None).await? {
                Some(newest) => Some(self.generation(newest).await?),
                None => None,
            };
            if let Some(newest) = &parent {
                if newest.manifest.artifacts == draft.manifest.artifacts {
                    return Ok(Commit { number: newest.number, outcome: Outcome::Unchanged });
                }
                // What was published since the first look.
                if draft.conflicts == Conflicts::Refuse && draft.action == Action::Publish {
                    let conflicts = conflicts(draft.manifest, newest);
                    if !conflicts.is_empty() {
                        return Err(PublishError::Conflict { conflicts });
                    }
                }
            }
            let generation = draft.behind(parent.as_ref());
            if self.try_create(&generation, create).await? {
                self.hint_at(generation.number).await;
                return Ok(Commit { number: generation.number, outcome: Outcome::Committed });
            }
            tokio::time::sleep(pause(draft.id, attempt)).await;
        }
        Err(CommitError::LostRaces { store: self.url().clone(), attempts: MAX_RACES }.into())
    }

    /// Whether `generation` is in the store now; if not, another one has its number.
    async fn try_create(&self, generation: &Generation, create: Create) -> Result<bool, PublishError> {
        let json = Bytes::from(generation.to_json());
        let mut last = None;
        for attempt in 0..MAX_TRIES {
            let error = match self.put_generation(generation.number, json.clone(), create).await {
                Ok(true) => return Ok(true),
                Ok(false) => None,
                Err(error) => Some(error),
            };
            // "Already exists" may be the answer to the second copy of a request whose first one did it, and after an
            // error it may have been done as well. What is there tells.
            match self.creator(generation).await {
                Ok(Creator::We) => return Ok(true),
                Ok(Creator::Another) => return Ok(false),
                Ok(Creator::Nobody) => last = error.or(last),
                Err(ReadError::Store(error)) => last = Some(error),
                // Unreadable, so not what was written here.
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(pause(generation.publish_id, attempt)).await;
        }
        match last {
            Some(source) => {
                Err(CommitError::Unknown { store: self.url().clone(), number: generation.number, source }.into())
            }
            // "Already exists", and each time it was gone again.
            None => Ok(false),
        }
    }

    /// Whether the store says that it created the object.
    async fn put_generation(&self, number: GenerationNumber, json: Bytes, create: Create) -> Result<bool, StoreError> {
        let path = self.layout().generation(number);
        let put = match create {
            Create::Once => Put::Create,
            // There is a single writer: looking first is enough.
            Create::Overwrites | Create::Unknown => {
                if self.backend().head(&path).await?.is_some() {
                    return Ok(false);
                }
                Put::Overwrite
            }
        };
        match self.backend().put(&path, vec![json], put).await {
            Ok(()) => Ok(true),
            Err(error) if error.answer() == Answer::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn creator(&self, generation: &Generation) -> Result<Creator, ReadError> {
        match self.generation(generation.number).await {
            Ok(found) if found.publish_id == generation.publish_id => Ok(Creator::We),
            Ok(_) => Ok(Creator::Another),
            Err(ReadError::Missing { .. }) => Ok(Creator::Nobody),
            Err(error) => Err(error),
        }
    }

    /// Only a hint: readers find the generation without it, by a longer listing.
    async fn hint_at(&self, number: GenerationNumber) {
        let _ = self.backend().put(&self.layout().head(), vec![format!("{number}\n").into()], Put::Overwrite).await;
    }
}

/// Publishers that lost the same race must not meet again. The id is as good as any random number.
fn pause(id: PublishId, attempt: usize) -> Duration {
    let spread = 20 << attempt.min(4);
    Duration::from_millis(id.spread(attempt) % spread)
}
