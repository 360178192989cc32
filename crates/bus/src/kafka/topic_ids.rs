//! The ids of topics. A topic that was deleted and made anew has the same name and another id; rdkafka has no safe call
//! for them, so this one file calls librdkafka itself.

#![allow(unsafe_code, reason = "rdkafka does not wrap DescribeTopics")]

use std::ffi::{CStr, CString, c_char};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::bindings as rd;
use rdkafka::client::Client;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};

/// A topic as the cluster has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) name: String,
    /// Random for each topic that is made; 0 if the broker is too old to have ids.
    pub(super) id: u128,
    pub(super) partitions: usize,
}

/// Calls the destructor of a librdkafka object at the end of a scope.
struct Owned<T>(*mut T, unsafe extern "C" fn(*mut T));

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the pointer came from the constructor that belongs to this destructor, and nobody else destroys it.
            unsafe { (self.1)(self.0) }
        }
    }
}

/// Asks the cluster for `names`, waiting at most `timeout`; topics that it does not have are left out.
pub(super) fn describe<C: ClientContext>(
    client: &Client<C>,
    names: &[String],
    timeout: Duration,
) -> KafkaResult<Vec<Described>> {
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let names: Vec<CString> = names.iter().filter_map(|name| CString::new(name.as_str()).ok()).collect();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let rk = client.native_ptr();
    let failed = |code: rd::rd_kafka_resp_err_t| KafkaError::AdminOp(RDKafkaErrorCode::from(code));
    let timed_out = || KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut);

    // SAFETY: `rk` lives as long as `client`, which outlives this call. Every object made here is destroyed here, the
    // event (which owns all that is read from it) last of those that are read; nothing read from it leaves the block
    // other than by copy. `pointers` and the strings that it points to live beyond the call that copies them.
    unsafe {
        let topics = Owned(
            rd::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()),
            rd::rd_kafka_TopicCollection_destroy,
        );
        let options = Owned(
            rd::rd_kafka_AdminOptions_new(rk, rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS),
            rd::rd_kafka_AdminOptions_destroy,
        );
        let mut text = [0 as c_char; 128];
        rd::rd_kafka_AdminOptions_set_request_timeout(options.0, millis, text.as_mut_ptr(), text.len());
        let queue = Owned(rd::rd_kafka_queue_new(rk), rd::rd_kafka_queue_destroy);
        rd::rd_kafka_DescribeTopics(rk, topics.0, options.0, queue.0);
        // The request's own time-out answers first.
        let event =
            Owned(rd::rd_kafka_queue_poll(queue.0, millis.saturating_add(500)), rd::rd_kafka_event_destroy);
        if event.0.is_null() {
            return Err(timed_out());
        }
        let code = rd::rd_kafka_event_error(event.0);
        if code != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(failed(code));
        }
        let result = rd::rd_kafka_event_DescribeTopics_result(event.0);
        if result.is_null() {
            return Err(timed_out());
        }
        let mut count = 0;
        let list = rd::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        let mut described = Vec::with_capacity(count);
        for at in 0..count {
            let topic = *list.add(at);
            let code = rd::rd_kafka_error_code(rd::rd_kafka_TopicDescription_error(topic));
            match code {
                rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => {}
                rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART => continue,
                _ => return Err(failed(code)),
            }
            let id = rd::rd_kafka_TopicDescription_topic_id(topic);
            let (high, low) = if id.is_null() {
                (0, 0)
            } else {
                (rd::rd_kafka_Uuid_most_significant_bits(id), rd::rd_kafka_Uuid_least_significant_bits(id))
            };
            let mut partitions = 0;
            rd::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
            described.push(Described {
                name: CStr::from_ptr(rd::rd_kafka_TopicDescription_name(topic))
                    .to_string_lossy()
                    .into_owned(),
                id: u128::from(high.cast_unsigned()) << 64 | u128::from(low.cast_unsigned()),
                partitions,
            });
        }
        Ok(described)
    }
}
