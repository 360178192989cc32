//! Positions and parked messages as documents of the service's database.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use holdfast_contract::{Partition, Timestamp, Topic};
use mongodb::ClientSession;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, doc, rawdoc};
use mongodb::error::Error;
use mongodb::options::ReturnDocument;

use super::{Mongo, NUMBERS, PARKED, POSITIONS, is_duplicate, unavailable};
use crate::error::StoreError;
use crate::inbox::{Inbox, ParkCause, Parked, ParkedFilter, ParkedId, ToPark};
use crate::position::{Advance, Group, Position, TopicPartition};
use crate::record::{Incarnation, Record, Seq};

impl Mongo {
    /// As part of a transaction: compares and sets a position.
    ///
    /// # Errors
    /// [`StoreError::StaleWorker`] as `F`, or the driver's.
    pub async fn advance<F: From<Error> + From<StoreError>>(
        &self,
        session: &mut ClientSession,
        advance: &Advance,
    ) -> Result<(), F> {
        let Advance { group, partition, from, to } = *advance;
        let positions = self.database.collection::<Document>(POSITIONS);
        let id = position_id(group, partition);
        let stale = || StoreError::StaleWorker { group, partition };
        let place = |position: Position| (signed(position.incarnation.0), signed(position.next));
        let (incarnation, next) = place(to);
        let Some(from) = from else {
            // Looked up first: an insert that fails would abort the transaction as if it had collided.
            if positions.find_one(doc! { "_id": &id }).session(&mut *session).await?.is_some() {
                return Err(stale().into());
            }
            let first = doc! {
                "_id": &id, "group": group, "topic": partition.topic.name(),
                "partition": i32::from(partition.partition.0), "incarnation": incarnation, "next": next,
            };
            return match positions.insert_one(first).session(session).await {
                Ok(_) => Ok(()),
                Err(error) if is_duplicate(&error) => Err(stale().into()),
                Err(error) => Err(error.into()),
            };
        };
        let (was, at) = place(from);
        let moved = positions
            .update_one(
                doc! { "_id": &id, "incarnation": was, "next": at },
                doc! { "$set": { "incarnation": incarnation, "next": next } },
            )
            .session(session)
            .await?;
        if moved.matched_count == 1 { Ok(()) } else { Err(stale().into()) }
    }

    /// As part of a transaction: compares and sets positions; those that are there already by one command.
    ///
    /// # Errors
    /// As [`Mongo::advance`].
    pub async fn advance_all<F: From<Error> + From<StoreError>>(
        &self,
        session: &mut ClientSession,
        advances: &[Advance],
    ) -> Result<(), F> {
        let mut moves = Vec::with_capacity(advances.len());
        for advance in advances {
            let Some(from) = advance.from else {
                self.advance::<F>(session, advance).await?;
                continue;
            };
            let (was, at) = (signed(from.incarnation.0), signed(from.next));
            let (incarnation, next) = (signed(advance.to.incarnation.0), signed(advance.to.next));
            moves.push(rawdoc! {
                "q": { "_id": position_id(advance.group, advance.partition), "incarnation": was, "next": at },
                "u": { "$set": { "incarnation": incarnation, "next": next } },
            });
        }
        let expected = moves.len();
        if self.update_each(session, POSITIONS, &moves).await? == expected {
            return Ok(());
        }
        // Those that were not stale have been moved by now; if all are where they are to be, they were there before.
        let mut stale = advances.iter().find(|advance| advance.from.is_some());
        let positions = self.database.collection::<Document>(POSITIONS);
        for advance in advances {
            let id = position_id(advance.group, advance.partition);
            let stored = positions.find_one(doc! { "_id": id }).session(&mut *session).await?;
            if stored.as_ref().and_then(read_position).is_none_or(|(_, position)| position != advance.to) {
                stale = Some(advance);
                break;
            }
        }
        match stale {
            Some(&Advance { group, partition, .. }) => {
                Err(StoreError::StaleWorker { group, partition }.into())
            }
            None => Ok(()),
        }
    }

    /// As part of a transaction: parks messages, in this order.
    ///
    /// # Errors
    /// [`StoreError::NothingBefore`] as `F`, or the driver's.
    pub async fn park<F: From<Error> + From<StoreError>>(
        &self,
        session: &mut ClientSession,
        messages: &[ToPark],
    ) -> Result<(), F> {
        if messages.is_empty() {
            return Ok(());
        }
        for (n, message) in messages.iter().enumerate() {
            let together = |one: &ToPark| {
                (one.group, &one.order, one.record.topic)
                    == (message.group, &message.order, message.record.topic)
            };
            let alone = message.cause == ParkCause::Behind
                && !messages[..n].iter().any(together)
                && !self.queue_behind_another(session, message).await?;
            if alone {
                let (group, partition) = (message.group, message.record.topic_partition());
                return Err(StoreError::NothingBefore { group, partition }.into());
            }
        }
        let count = i64::try_from(messages.len()).unwrap_or(i64::MAX);
        let numbers = self.database.collection::<Document>(NUMBERS);
        let taken = numbers
            .find_one_and_update(doc! { "_id": PARKED }, doc! { "$inc": { "last": count } })
            .upsert(true)
            .return_document(ReturnDocument::After)
            .session(&mut *session)
            .await?;
        let last = taken.and_then(|taken| taken.get_i64("last").ok()).unwrap_or(count);
        let documents = messages.iter().zip(last - count + 1..).map(|(message, id)| parked(message, id));
        let parked = self.database.collection::<Document>(PARKED);
        parked.insert_many(documents).session(session).await?;
        Ok(())
    }

    /// Whether there is a message that `message` has to wait for. The last of them is written to, not only read: so a
    /// transaction that removes it meanwhile collides with this one, and one of the two is run again.
    async fn queue_behind_another(
        &self,
        session: &mut ClientSession,
        message: &ToPark,
    ) -> Result<bool, Error> {
        let Some(order) = &message.order else { return Ok(false) };
        let of_order =
            doc! { "group": message.group, "topic": message.record.topic.name(), "order": binary(order) };
        let parked = self.database.collection::<Document>(PARKED);
        let last = parked
            .find_one_and_update(of_order, doc! { "$inc": { "behind": 1_i64 } })
            .sort(doc! { "_id": -1 })
            .session(session)
            .await?;
        Ok(last.is_some())
    }

    /// As part of a transaction: forgets a parked message that is replayed or discarded in it. Says whether it was still
    /// there: if not, somebody else was faster, and the transaction must change nothing.
    ///
    /// # Errors
    /// The driver's.
    pub async fn unpark(&self, session: &mut ClientSession, id: ParkedId) -> Result<bool, Error> {
        let parked = self.database.collection::<Document>(PARKED);
        Ok(parked.delete_one(doc! { "_id": id.0 }).session(session).await?.deleted_count == 1)
    }

    /// As part of a transaction: the replay of these messages has failed once more.
    ///
    /// # Errors
    /// The driver's.
    pub async fn attempted(&self, session: &mut ClientSession, ids: &[ParkedId]) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let parked = self.database.collection::<Document>(PARKED);
        let these = doc! { "_id": { "$in": ids } };
        parked.update_many(these, doc! { "$inc": { "attempts": 1_i64 } }).session(session).await.map(drop)
    }
}

#[async_trait]
impl Inbox for Mongo {
    async fn positions(&self, group: Group) -> Result<Vec<(TopicPartition, Position)>, StoreError> {
        let positions = self.database.collection::<Document>(POSITIONS);
        let found: Vec<Document> = positions
            .find(doc! { "group": group })
            .await
            .map_err(unavailable)?
            .try_collect()
            .await
            .map_err(unavailable)?;
        found
            .iter()
            .map(|stored| {
                read_position(stored).ok_or_else(|| {
                    StoreError::Inconsistent(format!("position {} cannot be read", name_of(stored)))
                })
            })
            .collect()
    }

    async fn parked(
        &self,
        group: Group,
        after: Option<ParkedId>,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        self.parked_like(group, &ParkedFilter::default(), after, limit).await
    }

    async fn parked_like(
        &self,
        group: Group,
        filter: &ParkedFilter,
        after: Option<ParkedId>,
        limit: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        let mut these = doc! { "group": group };
        if let Some(topic) = filter.topic {
            these.insert("topic", topic.name());
        }
        if let Some(order) = &filter.order {
            these.insert("order", binary(order));
        }
        these.insert("_id", doc! { "$gt": after.map_or(i64::MIN, |id| id.0) });
        let parked = self.database.collection::<Document>(PARKED);
        let found: Vec<Document> = parked
            .find(these)
            .sort(doc! { "_id": 1 })
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .await
            .map_err(unavailable)?
            .try_collect()
            .await
            .map_err(unavailable)?;
        found
            .iter()
            .map(|stored| {
                read_parked(stored).ok_or_else(|| {
                    StoreError::Inconsistent(format!("parked message {} cannot be read", name_of(stored)))
                })
            })
            .collect()
    }

    async fn parked_orders(
        &self,
        group: Group,
        orders: Vec<(Topic, Bytes)>,
    ) -> Result<Vec<(Topic, Bytes)>, StoreError> {
        let mut topics: Vec<Topic> = orders.iter().map(|(topic, _)| *topic).collect();
        topics.sort_unstable();
        topics.dedup();
        let of_topic = |topic: Topic| {
            let orders = orders.iter().filter(|(of, _)| *of == topic).map(|(_, order)| binary(order));
            doc! { "topic": topic.name(), "order": { "$in": orders.collect::<Vec<_>>() } }
        };
        let any: Vec<Document> = topics.into_iter().map(of_topic).collect();
        if any.is_empty() {
            return Ok(Vec::new());
        }
        let found: Vec<Document> = self
            .database
            .collection::<Document>(PARKED)
            .aggregate([
                doc! { "$match": { "group": group, "$or": any } },
                doc! { "$group": { "_id": { "topic": "$topic", "order": "$order" } } },
            ])
            .await
            .map_err(unavailable)?
            .try_collect()
            .await
            .map_err(unavailable)?;
        found
            .iter()
            .map(|found| {
                let of = found.get_document("_id").ok();
                let topic = of.and_then(|of| of.get_str("topic").ok()?.parse().ok());
                let order = of.and_then(|of| match of.get("order")? {
                    Bson::Binary(binary) => Some(Bytes::copy_from_slice(&binary.bytes)),
                    _ => None,
                });
                topic.zip(order).ok_or_else(|| {
                    StoreError::Inconsistent(format!("parked messages of {} cannot be read", name_of(found)))
                })
            })
            .collect()
    }

    async fn parked_counts(&self, group: Group) -> Result<Vec<(TopicPartition, u64)>, StoreError> {
        let parked = self.database.collection::<Document>(PARKED);
        let counts: Vec<Document> = parked
            .aggregate([
                doc! { "$match": { "group": group } },
                doc! { "$group": {
                    "_id": { "topic": "$topic", "partition": "$partition" }, "count": { "$sum": 1_i64 },
                } },
            ])
            .await
            .map_err(unavailable)?
            .try_collect()
            .await
            .map_err(unavailable)?;
        counts
            .iter()
            .map(|counted| {
                let count = counted.get_i64("count").ok().and_then(|count| u64::try_from(count).ok());
                let partition = counted.get_document("_id").ok().and_then(read_partition);
                partition.zip(count).ok_or_else(|| {
                    StoreError::Inconsistent(format!(
                        "parked messages of {} cannot be read",
                        name_of(counted)
                    ))
                })
            })
            .collect()
    }
}

fn position_id(group: Group, partition: TopicPartition) -> String {
    format!("{group}/{partition}")
}

fn name_of(stored: &Document) -> String {
    stored.get("_id").map(ToString::to_string).unwrap_or_default()
}

fn signed(number: u64) -> i64 {
    number.cast_signed()
}

fn read_partition(stored: &Document) -> Option<TopicPartition> {
    Some(TopicPartition {
        topic: stored.get_str("topic").ok()?.parse().ok()?,
        partition: Partition(u16::try_from(stored.get_i32("partition").ok()?).ok()?),
    })
}

fn read_position(stored: &Document) -> Option<(TopicPartition, Position)> {
    let incarnation = Incarnation(stored.get_i64("incarnation").ok()?.cast_unsigned());
    let next = u64::try_from(stored.get_i64("next").ok()?).ok()?;
    Some((read_partition(stored)?, Position { incarnation, next }))
}

fn binary(bytes: &[u8]) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() })
}

fn parked(message: &ToPark, id: i64) -> Document {
    let ToPark { group, record, order, cause, at } = message;
    doc! {
        "_id": id,
        "group": *group,
        "topic": record.topic.name(),
        "partition": i32::from(record.partition.0),
        "offset": signed(record.offset),
        "at": record.at.as_millis(),
        "key": binary(&record.key),
        "payload": binary(&record.payload),
        "traceparent": record.traceparent.as_deref().map_or(Bson::Null, binary),
        "order": order.as_deref().map_or(Bson::Null, binary),
        "poison": match cause {
            ParkCause::Poison(text) => Bson::String(text.clone()),
            ParkCause::Behind => Bson::Null,
        },
        "parkedAt": at.as_millis(),
        "attempts": 0_i64,
    }
}

fn read_parked(stored: &Document) -> Option<Parked> {
    let bytes = |name| match stored.get(name)? {
        Bson::Binary(binary) => Some(Some(Bytes::copy_from_slice(&binary.bytes))),
        Bson::Null => Some(None),
        _ => None,
    };
    let TopicPartition { topic, partition } = read_partition(stored)?;
    let record = Record {
        seq: Seq(0),
        topic,
        partition,
        offset: u64::try_from(stored.get_i64("offset").ok()?).ok()?,
        at: Timestamp::from_millis(stored.get_i64("at").ok()?),
        key: bytes("key")??,
        payload: bytes("payload")??,
        traceparent: bytes("traceparent")?,
    };
    Some(Parked {
        id: ParkedId(stored.get_i64("_id").ok()?),
        record: Arc::new(record),
        order: bytes("order")?,
        cause: match stored.get("poison")? {
            Bson::String(text) => ParkCause::Poison(text.clone()),
            Bson::Null => ParkCause::Behind,
            _ => return None,
        },
        parked_at: Timestamp::from_millis(stored.get_i64("parkedAt").ok()?),
        attempts: u32::try_from(stored.get_i64("attempts").ok()?).ok()?,
    })
}
