//! The messages of `grpc_service.proto` and `model_config.proto`, limited to what is sent or read here. Field
//! numbers are those of Triton's files; every reader skips unknown fields.

use prost::bytes::Bytes;
use prost::{Enumeration, Message, Oneof};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Empty {}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ServerReadyResponse {
    #[prost(bool, tag = "1")]
    pub(super) ready: bool,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub(super) struct ServerMetadataResponse {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) version: String,
}

/// A request about a model: metadata, configuration and statistics have the same form.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ModelRequest {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub(super) struct ModelMetadataResponse {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "4")]
    pub(super) inputs: Vec<TensorMetadata>,
    #[prost(message, repeated, tag = "5")]
    pub(super) outputs: Vec<TensorMetadata>,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub(super) struct TensorMetadata {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) datatype: String,
    #[prost(int64, repeated, tag = "3")]
    pub(super) shape: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SharedMemoryRegisterRequest {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) key: String,
    #[prost(uint64, tag = "3")]
    pub(super) offset: u64,
    #[prost(uint64, tag = "4")]
    pub(super) byte_size: u64,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub(super) struct ModelStatisticsResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) model_stats: Vec<ModelStatistics>,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub(super) struct ModelStatistics {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(uint64, tag = "4")]
    pub(super) inference_count: u64,
    #[prost(uint64, tag = "5")]
    pub(super) execution_count: u64,
    #[prost(message, optional, tag = "6")]
    pub(super) inference_stats: Option<InferStatistics>,
    #[prost(message, repeated, tag = "7")]
    pub(super) batch_stats: Vec<InferBatchStatistics>,
}

#[derive(Clone, Copy, PartialEq, Message, Serialize)]
pub(super) struct StatisticDuration {
    #[prost(uint64, tag = "1")]
    pub(super) count: u64,
    #[prost(uint64, tag = "2")]
    pub(super) ns: u64,
}

#[derive(Clone, Copy, PartialEq, Message, Serialize)]
pub(super) struct InferStatistics {
    #[prost(message, optional, tag = "1")]
    pub(super) success: Option<StatisticDuration>,
    #[prost(message, optional, tag = "2")]
    pub(super) fail: Option<StatisticDuration>,
    #[prost(message, optional, tag = "3")]
    pub(super) queue: Option<StatisticDuration>,
    #[prost(message, optional, tag = "4")]
    pub(super) compute_input: Option<StatisticDuration>,
    #[prost(message, optional, tag = "5")]
    pub(super) compute_infer: Option<StatisticDuration>,
    #[prost(message, optional, tag = "6")]
    pub(super) compute_output: Option<StatisticDuration>,
}

#[derive(Clone, Copy, PartialEq, Message, Serialize)]
pub(super) struct InferBatchStatistics {
    #[prost(uint64, tag = "1")]
    pub(super) batch_size: u64,
    #[prost(message, optional, tag = "2")]
    pub(super) compute_input: Option<StatisticDuration>,
    #[prost(message, optional, tag = "3")]
    pub(super) compute_infer: Option<StatisticDuration>,
    #[prost(message, optional, tag = "4")]
    pub(super) compute_output: Option<StatisticDuration>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ModelConfigResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) config: Option<ModelConfig>,
}

/// The fields that affect batches and tensors. As JSON it reads like Triton's own, except that absent fields
/// are null.
#[derive(Clone, PartialEq, Message, Serialize)]
pub(super) struct ModelConfig {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(int32, tag = "4")]
    pub(super) max_batch_size: i32,
    #[prost(message, repeated, tag = "5")]
    pub(super) input: Vec<ModelInput>,
    #[prost(message, repeated, tag = "6")]
    pub(super) output: Vec<ModelOutput>,
    #[prost(message, repeated, tag = "7")]
    pub(super) instance_group: Vec<InstanceGroup>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[prost(message, optional, tag = "11")]
    pub(super) dynamic_batching: Option<DynamicBatching>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[prost(message, optional, tag = "12")]
    pub(super) optimization: Option<Optimization>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[prost(message, optional, tag = "13")]
    pub(super) sequence_batching: Option<Unread>,
    #[prost(btree_map = "string, message", tag = "14")]
    pub(super) parameters: BTreeMap<String, Unread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[prost(message, optional, tag = "15")]
    pub(super) ensemble_scheduling: Option<Unread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[prost(message, optional, tag = "19")]
    pub(super) model_transaction_policy: Option<TransactionPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[prost(message, optional, tag = "24")]
    pub(super) response_cache: Option<ResponseCache>,
}

/// A message of which only the presence matters.
#[derive(Clone, PartialEq, Message, Serialize)]
pub(super) struct Unread {}

#[derive(Clone, PartialEq, Message, Serialize)]
pub(super) struct ModelInput {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[serde(serialize_with = "data_type")]
    #[prost(enumeration = "DataType", tag = "2")]
    pub(super) data_type: i32,
    #[prost(int64, repeated, tag = "4")]
    pub(super) dims: Vec<i64>,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub(super) struct ModelOutput {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[serde(serialize_with = "data_type")]
    #[prost(enumeration = "DataType", tag = "2")]
    pub(super) data_type: i32,
    #[prost(int64, repeated, tag = "3")]
    pub(super) dims: Vec<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub(super) enum DataType {
    Invalid = 0,
    Bool = 1,
    Uint8 = 2,
    Uint16 = 3,
    Uint32 = 4,
    Uint64 = 5,
    Int8 = 6,
    Int16 = 7,
    Int32 = 8,
    Int64 = 9,
    Fp16 = 10,
    Fp32 = 11,
    Fp64 = 12,
    String = 13,
    Bf16 = 14,
}

fn data_type<S: serde::Serializer>(number: &i32, out: S) -> Result<S::Ok, S::Error> {
    let name =
        DataType::try_from(*number).map_or_else(|_| number.to_string(), |t| format!("{t:?}"));
    out.serialize_str(&format!("TYPE_{}", name.to_uppercase()))
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub(super) struct InstanceGroup {
    #[prost(int32, tag = "2")]
    pub(super) count: i32,
    #[prost(int32, repeated, tag = "3")]
    pub(super) gpus: Vec<i32>,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub(super) struct DynamicBatching {
    #[prost(int32, repeated, tag = "1")]
    pub(super) preferred_batch_size: Vec<i32>,
    #[prost(uint64, tag = "2")]
    pub(super) max_queue_delay_microseconds: u64,
    #[prost(uint64, tag = "4")]
    pub(super) priority_levels: u64,
    #[prost(message, optional, tag = "6")]
    pub(super) default_queue_policy: Option<QueuePolicy>,
    #[prost(btree_map = "uint64, message", tag = "7")]
    pub(super) priority_queue_policy: BTreeMap<u64, QueuePolicy>,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub(super) struct QueuePolicy {
    #[serde(serialize_with = "timeout_action")]
    #[prost(int32, tag = "1")]
    pub(super) timeout_action: i32,
    #[prost(uint64, tag = "2")]
    pub(super) default_timeout_microseconds: u64,
    #[prost(uint32, tag = "4")]
    pub(super) max_queue_size: u32,
}

fn timeout_action<S: serde::Serializer>(number: &i32, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(if *number == 0 { "REJECT" } else { "DELAY" })
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub(super) struct Optimization {
    #[prost(bool, tag = "8")]
    pub(super) eager_batching: bool,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub(super) struct TransactionPolicy {
    #[prost(bool, tag = "1")]
    pub(super) decoupled: bool,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub(super) struct ResponseCache {
    #[prost(bool, tag = "1")]
    pub(super) enable: bool,
}

/// A request without its identifier (3) and its tensors (7), which are added around it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ModelInferRequest {
    #[prost(string, tag = "1")]
    pub(super) model_name: String,
    #[prost(message, repeated, tag = "5")]
    pub(super) inputs: Vec<InferInput>,
    #[prost(message, repeated, tag = "6")]
    pub(super) outputs: Vec<InferRequestedOutput>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct InferInput {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) datatype: String,
    #[prost(int64, repeated, tag = "3")]
    pub(super) shape: Vec<i64>,
    #[prost(btree_map = "string, message", tag = "4")]
    pub(super) parameters: BTreeMap<String, InferParameter>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct InferRequestedOutput {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(btree_map = "string, message", tag = "2")]
    pub(super) parameters: BTreeMap<String, InferParameter>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct InferParameter {
    #[prost(oneof = "ParameterChoice", tags = "2, 3")]
    pub(super) choice: Option<ParameterChoice>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum ParameterChoice {
    #[prost(int64, tag = "2")]
    Number(i64),
    #[prost(string, tag = "3")]
    Text(String),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ModelInferResponse {
    #[prost(message, repeated, tag = "5")]
    pub(super) outputs: Vec<InferOutput>,
    #[prost(bytes = "bytes", repeated, tag = "6")]
    pub(super) raw_output_contents: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct InferOutput {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(int64, repeated, tag = "3")]
    pub(super) shape: Vec<i64>,
}
