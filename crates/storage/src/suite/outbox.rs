//! The conformance suite of [`Outbox`] and [`Claim`]: every back-end runs it whole.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_contract::Topic;
use holdfast_contract::topic::partition_of;
use rustc_hash::FxHashMap;

use super::outgoing;
use crate::{
    CLAIM_SECONDS, Claim, Incarnation, Outbox, Outgoing, Position, Sent, StoreError, TopicPartition, Unsent,
};

/// A database with an outbox.
#[async_trait]
pub trait Subject: Send + Sync {
    /// Commits changes that make these records. A back-end whose commit is about one key may take one commit for each,
    /// in this order.
    async fn append(&self, records: Vec<Outgoing>);
    /// Its outbox.
    fn outbox(&self) -> Arc<dyn Outbox>;
    /// Ends the claim of whoever has it as if its time had run out; `false` if claims of this back-end cannot end so.
    async fn lapse(&self, shard: u16) -> bool;
    /// Stops using the database, as a clean shutdown does.
    async fn close(&self);
}

/// Makes subjects.
#[async_trait]
pub trait Harness: Send + Sync {
    /// Opens database number `n`: the same one again for the same number, after it was closed.
    async fn open(&self, n: u32) -> Arc<dyn Subject>;
}

/// Runs every case.
pub async fn run(harness: &dyn Harness) {
    everything_is_given_once_in_order_per_key(&*harness.open(1).await).await;
    what_was_sent_is_not_given_again(harness, 2).await;
    rewinding_gives_again_what_was_not_recorded(&*harness.open(3).await).await;
    later_commits_follow(&*harness.open(4).await).await;
    a_shard_has_one_owner(&*harness.open(5).await).await;
    an_owner_that_lost_its_claim_records_nothing(&*harness.open(6).await).await;
    reached_is_after_the_last_that_was_recorded(harness, 7).await;
    keys_may_be_recorded_in_any_order(harness, 8).await;
    commits_wake(&*harness.open(9).await).await;
    an_outbox_keeps_its_name(harness, 10).await;
}

/// `per_key` records of each of `keys` keys in turn, over all topics of the outbox.
fn records(subject: &dyn Subject, keys: std::ops::Range<u16>, per_key: usize) -> Vec<Outgoing> {
    let outbox = subject.outbox();
    let topics: &[Topic] = outbox.topics();
    let mut records = Vec::new();
    for round in 0..per_key {
        for n in keys.clone() {
            let mut record = outgoing(topics[round % topics.len()], n);
            record.payload = Bytes::from(format!("{{\"eventId\":\"{n}-{round}\",\"round\":{round}}}"));
            records.push(record);
        }
    }
    records
}

/// Claims a shard, also if its last owner has just gone.
async fn claim(outbox: &dyn Outbox, shard: u16) -> Box<dyn Claim> {
    let patience = Duration::from_secs(2 * CLAIM_SECONDS);
    let claimed = async {
        loop {
            if let Some(claim) = outbox.claim(shard).await.unwrap() {
                return claim;
            }
            // Nothing tells of a claim that ends; it has to be asked for.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(patience, claimed).await.expect("a dropped claim ends in time")
}

async fn drain(claim: &mut dyn Claim) -> Vec<Unsent> {
    let mut all = Vec::new();
    loop {
        let page = claim.unsent(7).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// Everything unsent, shard after shard, with the shard.
async fn everything(outbox: &dyn Outbox) -> Vec<(u16, Unsent)> {
    let mut all = Vec::new();
    for shard in 0..outbox.shards() {
        let mut claim = claim(outbox, shard).await;
        all.extend(drain(&mut *claim).await.into_iter().map(|unsent| (shard, unsent)));
    }
    all
}

fn by_key(records: impl IntoIterator<Item = Outgoing>) -> FxHashMap<Bytes, Vec<Outgoing>> {
    let mut keys: FxHashMap<Bytes, Vec<Outgoing>> = FxHashMap::default();
    for record in records {
        keys.entry(record.key.clone()).or_default().push(record);
    }
    keys
}

/// A broker that only counts.
struct Broker {
    incarnation: Incarnation,
    ends: FxHashMap<TopicPartition, u64>,
}

impl Broker {
    fn new() -> Self {
        Self { incarnation: Incarnation(77), ends: FxHashMap::default() }
    }

    fn take(&mut self, unsent: &Unsent) -> Sent {
        let Outgoing { topic, key, .. } = &unsent.record;
        let partition = TopicPartition { topic: *topic, partition: partition_of(key, 3) };
        let end = self.ends.entry(partition).or_insert(100);
        *end += 1;
        Sent { id: unsent.id, partition, incarnation: self.incarnation, offset: *end - 1 }
    }

    fn take_all(&mut self, unsent: &[Unsent]) -> Vec<Sent> {
        unsent.iter().map(|unsent| self.take(unsent)).collect()
    }
}

async fn everything_is_given_once_in_order_per_key(subject: &dyn Subject) {
    let made = records(subject, 0..40, 5);
    for commit in made.chunks(13) {
        subject.append(commit.to_vec()).await;
    }
    let outbox = subject.outbox();
    let given = everything(&*outbox).await;
    let mut last: FxHashMap<Bytes, (u16, Unsent)> = FxHashMap::default();
    for (shard, unsent) in &given {
        if let Some((before_shard, before)) = last.insert(unsent.record.key.clone(), (*shard, unsent.clone()))
        {
            assert_eq!(before_shard, *shard, "a key is in one shard");
            assert!(before.id < unsent.id, "ids of a key grow");
        }
        for partitions in 1..=12 {
            let partition = partition_of(&unsent.record.key, partitions);
            assert!(
                outbox.goes_to(*shard, partition, partitions),
                "shard {shard}, {partition} of {partitions}"
            );
        }
    }
    let mut ids: Vec<_> = given.iter().map(|(_, unsent)| unsent.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), made.len(), "ids are unique");
    assert_eq!(by_key(given.into_iter().map(|(_, unsent)| unsent.record)), by_key(made));
    let mut claim = claim(&*outbox, 0).await;
    assert_eq!(claim.unsent(0).await.unwrap(), []);
    let page = claim.unsent(1).await.unwrap();
    assert!(!page.is_empty(), "a page of 0 is not a page");
}

async fn what_was_sent_is_not_given_again(harness: &dyn Harness, n: u32) {
    let subject = harness.open(n).await;
    let made = records(&*subject, 0..12, 4);
    subject.append(made.clone()).await;
    let (mut broker, mut left) = (Broker::new(), Vec::new());
    let outbox = subject.outbox();
    for shard in 0..outbox.shards() {
        let mut claim = claim(&*outbox, shard).await;
        let given = drain(&mut *claim).await;
        let (first, rest) = given.split_at(given.len() / 2);
        let sent = broker.take_all(first);
        claim.sent(&sent).await.unwrap();
        claim.sent(&sent).await.unwrap();
        claim.sent(&[]).await.unwrap();
        assert_eq!(claim.unsent(9).await.unwrap(), [], "each is given once");
        claim.rewind();
        assert_eq!(drain(&mut *claim).await, rest);
        left.extend(rest.iter().cloned().map(|unsent| (shard, unsent)));
    }
    drop(outbox);
    subject.close().await;
    let subject = harness.open(n).await;
    let outbox = subject.outbox();
    assert_eq!(everything(&*outbox).await, left, "what was recorded stays recorded");
    for (shard, unsent) in &left {
        // By an owner that was not given it.
        claim(&*outbox, *shard).await.sent(&[broker.take(unsent)]).await.unwrap();
    }
    assert_eq!(everything(&*outbox).await, []);
}

async fn rewinding_gives_again_what_was_not_recorded(subject: &dyn Subject) {
    subject.append(records(subject, 0..6, 3)).await;
    let outbox = subject.outbox();
    for shard in 0..outbox.shards() {
        let mut claim = claim(&*outbox, shard).await;
        let given = drain(&mut *claim).await;
        claim.rewind();
        assert_eq!(drain(&mut *claim).await, given);
        claim.rewind();
        let first = claim.unsent(2).await.unwrap();
        claim.rewind();
        assert_eq!(drain(&mut *claim).await, given, "also in the middle ({} given)", first.len());
    }
}

async fn later_commits_follow(subject: &dyn Subject) {
    let outbox = subject.outbox();
    let mut claims = Vec::new();
    for shard in 0..outbox.shards() {
        claims.push((claim(&*outbox, shard).await, Vec::new()));
    }
    let (mut given, mut made, mut broker) = (Vec::new(), Vec::new(), Broker::new());
    for round in 0..5u16 {
        // Old keys and new ones.
        let commit = records(subject, round * 2..round * 2 + 5, 2);
        subject.append(commit.clone()).await;
        made.extend(commit);
        for (claim, not_recorded) in &mut claims {
            let page = drain(&mut **claim).await;
            given.extend(page.iter().map(|unsent| unsent.record.clone()));
            not_recorded.extend(page);
            if round % 2 == 0 {
                claim.sent(&broker.take_all(not_recorded)).await.unwrap();
                not_recorded.clear();
            }
        }
    }
    assert_eq!(by_key(given), by_key(made));
}

async fn a_shard_has_one_owner(subject: &dyn Subject) {
    let outbox = subject.outbox();
    for shard in 0..outbox.shards() {
        let owner = claim(&*outbox, shard).await;
        assert!(outbox.claim(shard).await.unwrap().is_none(), "shard {shard} is claimed twice");
        drop(owner);
        drop(claim(&*outbox, shard).await);
    }
}

async fn an_owner_that_lost_its_claim_records_nothing(subject: &dyn Subject) {
    subject.append(records(subject, 0..9, 2)).await;
    let outbox = subject.outbox();
    let mut broker = Broker::new();
    for shard in 0..outbox.shards() {
        let mut old = claim(&*outbox, shard).await;
        let given = drain(&mut *old).await;
        if !subject.lapse(shard).await {
            return;
        }
        let mut new = claim(&*outbox, shard).await;
        if given.is_empty() {
            continue;
        }
        let refused = old.sent(&broker.take_all(&given)).await;
        assert!(matches!(refused, Err(StoreError::ClaimLost(s)) if s == shard), "{refused:?}");
        drop(old);
        assert_eq!(drain(&mut *new).await, given);
        new.sent(&broker.take_all(&given))
            .await
            .expect("the old owner's end does not touch the new one's claim");
    }
}

async fn reached_is_after_the_last_that_was_recorded(harness: &dyn Harness, n: u32) {
    let subject = harness.open(n).await;
    subject.append(records(&*subject, 0..30, 2)).await;
    let mut broker = Broker::new();
    let mut expected = Vec::new();
    let outbox = subject.outbox();
    for shard in 0..outbox.shards() {
        let mut claim = claim(&*outbox, shard).await;
        assert_eq!(claim.reached().await.unwrap(), [], "nothing was recorded yet");
        let mut ends: FxHashMap<TopicPartition, Position> = FxHashMap::default();
        let given = drain(&mut *claim).await;
        for part in given.chunks(11) {
            for sent in broker.take_all(part) {
                let position = Position { incarnation: sent.incarnation, next: sent.offset + 1 };
                ends.insert(sent.partition, position);
                claim.sent(&[sent]).await.unwrap();
            }
            let reached: FxHashMap<_, _> = claim.reached().await.unwrap().into_iter().collect();
            assert_eq!(reached, ends);
        }
        expected.push(ends);
    }
    drop(outbox);
    subject.close().await;
    let subject = harness.open(n).await;
    let outbox = subject.outbox();
    for (shard, ends) in (0..).zip(&expected) {
        let reached: FxHashMap<_, _> =
            claim(&*outbox, shard).await.reached().await.unwrap().into_iter().collect();
        assert_eq!(&reached, ends, "by any owner");
    }
    // The broker was wiped: places of the new log count from its start.
    broker = Broker { incarnation: Incarnation(78), ends: FxHashMap::default() };
    subject.append(records(&*subject, 0..1, 1)).await;
    for shard in 0..outbox.shards() {
        let mut claim = claim(&*outbox, shard).await;
        for sent in broker.take_all(&drain(&mut *claim).await) {
            claim.sent(&[sent]).await.unwrap();
            let position = Position { incarnation: Incarnation(78), next: sent.offset + 1 };
            assert!(claim.reached().await.unwrap().contains(&(sent.partition, position)));
        }
    }
}

async fn keys_may_be_recorded_in_any_order(harness: &dyn Harness, n: u32) {
    let subject = harness.open(n).await;
    subject.append(records(&*subject, 0..8, 3)).await;
    let outbox = subject.outbox();
    let (mut broker, mut left) = (Broker::new(), Vec::new());
    for shard in 0..outbox.shards() {
        let mut claim = claim(&*outbox, shard).await;
        let given = drain(&mut *claim).await;
        let Some(first) = given.first().map(|unsent| unsent.record.key.clone()) else { continue };
        let (stay, go): (Vec<_>, Vec<_>) = given.into_iter().partition(|unsent| unsent.record.key == first);
        claim.sent(&broker.take_all(&go)).await.unwrap();
        claim.sent(&broker.take_all(&stay[..1])).await.unwrap();
        left.extend(stay[1..].iter().cloned().map(|unsent| (shard, unsent)));
    }
    drop(outbox);
    subject.close().await;
    let subject = harness.open(n).await;
    assert_eq!(everything(&*subject.outbox()).await, left);
}

async fn commits_wake(subject: &dyn Subject) {
    let outbox = subject.outbox();
    let mut committed = outbox.committed();
    for n in 0..3 {
        committed.mark_unchanged();
        subject.append(records(subject, n..n + 1, 1)).await;
        let woken = tokio::time::timeout(Duration::from_secs(10), committed.changed()).await;
        woken.expect("a commit wakes").unwrap();
    }
}

async fn an_outbox_keeps_its_name(harness: &dyn Harness, n: u32) {
    let subject = harness.open(n).await;
    let name = subject.outbox().incarnation();
    subject.close().await;
    assert_eq!(harness.open(n).await.outbox().incarnation(), name);
    assert_ne!(harness.open(n + 1).await.outbox().incarnation(), name);
}
