//! Cases of reading along.

use super::{TOPICS, World, assert_in_order, assert_whole, follow, messages, number};
use crate::{BusError, TailFrom};

pub(super) async fn follows_from_now(world: &dyn World) {
    world.publish(messages(0..30)).await;
    let mut tail = world.bus().tail(TOPICS, TailFrom::Now).await.unwrap();
    let ((), records) = tokio::join!(world.publish(messages(30..90)), follow(&mut *tail, 60));
    assert_whole(&records, 30..90);
}

pub(super) async fn resumes_without_gap_or_repetition(world: &dyn World) {
    let mut tail = world.bus().tail(TOPICS, TailFrom::Now).await.unwrap();
    world.publish(messages(0..80)).await;
    let mut position = tail.position().clone();
    let records = follow(&mut *tail, 80).await;
    assert_whole(&records, 0..80);
    for (seen, record) in records.iter().enumerate() {
        assert!(position.step(record));
        assert!(!position.step(record), "a record is passed once");
        if seen % 9 == 0 {
            let token = position.to_string();
            let mut resumed = world.bus().tail(TOPICS, TailFrom::Token(&token)).await.unwrap();
            let mut all = records[..=seen].to_vec();
            all.extend(follow(&mut *resumed, 80 - all.len()).await);
            let mut numbers: Vec<u32> = all.iter().map(|r| number(r)).collect();
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..80));
            assert_in_order(&all);
        }
    }
    assert_eq!(position.to_string(), tail.position().to_string());
}

pub(super) async fn too_far_behind_is_said(world: &dyn World) {
    let tail = world.bus().tail(TOPICS, TailFrom::Now).await.unwrap();
    let token = tail.position().to_string();
    world.publish(messages(0..90)).await;
    world.forget_some().await;
    let late = world.bus().tail(TOPICS, TailFrom::Token(&token)).await;
    assert!(matches!(late.map(drop), Err(BusError::TooFarBehind)));
    for garbled in ["", "?", "0", "zz.1.2"] {
        let refused = world.bus().tail(TOPICS, TailFrom::Token(garbled)).await.map(drop);
        assert!(matches!(refused, Err(BusError::TooFarBehind | BusError::InvalidPosition)), "{garbled}");
    }
}

pub(super) async fn browse_shows_a_partition(world: &dyn World) {
    world.publish(messages(0..90)).await;
    let mut all = Vec::new();
    for bounds in world.bus().bounds(TOPICS).await.unwrap() {
        let records = world.bus().browse(bounds.partition, bounds.start, 1_000).await.unwrap();
        assert_eq!(records.len() as u64, bounds.end - bounds.start);
        if let Some(third) = records.get(2) {
            let page = world.bus().browse(bounds.partition, third.offset, 4).await.unwrap();
            assert_eq!(page, records[2..records.len().min(6)]);
        }
        all.extend(records);
    }
    assert_whole(&all, 0..90);
}
