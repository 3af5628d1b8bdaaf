//! Permit counters, and the one transaction that exchanges a place for an admission.

use std::collections::BTreeMap;

use domain::{
    StoreError, Timestamp,
    hold::Tally,
    ids::{ShowId, UserId},
    queue::{ADMISSION_SHARDS, Admission, Permits, share},
    time::millis,
};

use crate::{
    Store, buyer,
    codec::{Item, PK, key_of, n},
    expression::Update,
    keys::Key,
    transact::{Ended, Transaction},
};

/// How many permits there are, and how many are taken.
const GRANTED: &str = "g";
const USED: &str = "u";
/// What the attribute of a bucket of expiry begins with.
const BUCKET: &str = "e";

/// How granting an admission ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// It is the buyer's.
    Yes,
    /// The buyer has it or a later one, or the counter has no permit left. Nothing was written: look again.
    No,
}

fn permits(item: &Item) -> Result<Permits, StoreError> {
    let mut permits = Permits { granted: 0, used: 0, by_expiry: BTreeMap::new() };
    for (name, value) in item {
        let number = || {
            let number = value.as_n().ok().and_then(|number| number.parse().ok());
            number.ok_or_else(|| StoreError::Corrupt(format!("{name} of a permit counter is no number")))
        };
        match name.as_str() {
            GRANTED => permits.granted = number()?,
            USED => permits.used = number()?,
            name => {
                if let Some(bucket) = name.strip_prefix(BUCKET).and_then(|bucket| bucket.parse().ok()) {
                    permits.by_expiry.insert(bucket, number()?);
                }
            }
        }
    }
    Ok(permits)
}

impl Store {
    /// The show's permit counters, each with its number; those that were never filled are left out.
    ///
    /// # Errors
    /// The table's.
    pub async fn permits(&self, show: ShowId) -> Result<Vec<(u16, Permits)>, StoreError> {
        let keys: Vec<Key> = (0..ADMISSION_SHARDS).map(|shard| Key::Permits(show, shard)).collect();
        let items = self.batch_get(&keys, true).await?;
        let counter = |item: &Item| match key_of(item)? {
            Key::Permits(_, shard) => Ok((shard, permits(item)?)),
            other => Err(StoreError::Corrupt(format!("{other:?} was not asked for"))),
        };
        items.iter().map(counter).collect()
    }

    /// What decides whether `user` is let in: what the table says of them, and the permit counters, as they are now.
    ///
    /// # Errors
    /// The table's.
    pub async fn gate(&self, show: ShowId, user: &UserId) -> Result<(Tally, Vec<(u16, Permits)>), StoreError> {
        let mut keys: Vec<Key> = (0..ADMISSION_SHARDS).map(|shard| Key::Permits(show, shard)).collect();
        keys.push(Key::Buyer(show, user.clone()));
        let (mut tally, mut counters) = (Tally::default(), Vec::new());
        for item in self.batch_get(&keys, true).await? {
            match key_of(&item)? {
                Key::Permits(_, shard) => counters.push((shard, permits(&item)?)),
                Key::Buyer(..) => tally = buyer::tally(&item)?,
                other => return Err(StoreError::Corrupt(format!("{other:?} was not asked for"))),
            }
        }
        Ok((tally, counters))
    }

    /// What the table says of a buyer at a show.
    ///
    /// # Errors
    /// The table's.
    pub async fn tally(&self, show: ShowId, user: &UserId) -> Result<Tally, StoreError> {
        let item = self.get_item(&Key::Buyer(show, user.clone()), true).await?;
        item.map_or_else(|| Ok(Tally::default()), |item| buyer::tally(&item))
    }

    /// Grants an admission with a permit of counter `shard`, in one transaction: the buyer has no later one, and the
    /// counter a permit left. When the answer is lost, the buyer's item tells.
    ///
    /// # Errors
    /// `Throttled` when others keep taking permits of this counter; the table's.
    pub async fn grant(
        &self,
        show: ShowId,
        user: &UserId,
        admission: &Admission,
        shard: u16,
    ) -> Result<Granted, StoreError> {
        let bucket = format!("{BUCKET}{}", admission.bucket());
        let take = Update::default()
            .require("attribute_exists(#g)", &[("#g", GRANTED)], [])
            .require("(attribute_not_exists(#u) OR #u < #g)", &[("#u", USED)], [])
            .add("#u :one", &[], [(":one", n(1))])
            .add("#e :one", &[("#e", &bucket)], []);
        let transaction = Transaction::default()
            .update(&Key::Buyer(show, user.clone()), buyer::admit(admission))?
            .update(&Key::Permits(show, shard), take)?;
        match self.transact(&transaction, crate::keys::buyer_shard(user)).await {
            Ok(Ended::Applied) => Ok(Granted::Yes),
            Ok(Ended::Refused(_) | Ended::Conflict) => Ok(Granted::No),
            Err(StoreError::Ambiguous(why)) => match self.tally(show, user).await?.admission {
                Some(has) if has == *admission => Ok(Granted::Yes),
                Some(has) if has.id >= admission.id => Ok(Granted::No),
                _ => Err(StoreError::Ambiguous(why)),
            },
            Err(error) => Err(error),
        }
    }

    /// Takes a buyer's newest admission away, by spending it: claims under it fail from now on, and its place is not
    /// exchanged again. Whether there was one. Twice is once.
    ///
    /// # Errors
    /// The table's; after `Ambiguous`, revoking again is harmless.
    pub async fn revoke_admission(&self, show: ShowId, user: &UserId) -> Result<bool, StoreError> {
        let Some(admission) = self.tally(show, user).await?.admission else { return Ok(false) };
        let there = Update::default().require("attribute_exists(#pk)", &[("#pk", PK)], []);
        self.update_if(&Key::Buyer(show, user.clone()), buyer::spend(there, admission.id)).await
    }

    /// Raises the show's permits to `granted` in all, and forgets what is over. `counters` is what was read; none is ever
    /// lowered, so that a late or repeated call takes nothing back and gives nothing twice.
    ///
    /// # Errors
    /// The table's. Counters that were raised before it stay so.
    pub async fn fill(
        &self,
        show: ShowId,
        granted: u64,
        counters: &[(u16, Permits)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for shard in 0..ADMISSION_SHARDS {
            let known = counters.iter().find(|(number, _)| *number == shard).map(|(_, permits)| permits);
            let has = known.map_or(0, |permits| permits.granted);
            let share = share(granted, shard);
            if share <= has {
                continue;
            }
            let mut raise = Update::default()
                .require("(attribute_not_exists(#g) OR #g < :g)", &[("#g", GRANTED)], [(":g", n(share))])
                .set("#g = :g", &[], []);
            for (index, bucket) in known.map(|permits| permits.over(millis(now))).into_iter().flatten().enumerate() {
                raise = raise.remove(&format!("#e{index}"), &[(&format!("#e{index}"), &format!("{BUCKET}{bucket}"))]);
            }
            // Refused: another has raised it further. Lost: raising it again is harmless, and the next tick does.
            self.update_if(&Key::Permits(show, shard), raise).await?;
        }
        Ok(())
    }
}
