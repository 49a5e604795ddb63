//! All requests except inference, over gRPC: each on a connection of its own.

use super::call::{CallStages, call, frame, open};
use super::messages as m;
use crate::client::access::Access;
use crate::client::address::Address;
use crate::client::control::Question;
use bytes::Bytes;
use prost::Message;
use serde_json::{Value, json};
use std::time::Duration;

/// Sends a request to a server, and returns its answer as the JSON document that it would be over HTTP.
/// Blocks for at most `limit`.
///
/// # Errors
/// The reason why there is no answer.
pub(crate) fn ask(
    address: &Address,
    access: &Access,
    question: &Question<'_>,
    limit: Duration,
) -> Result<Value, String> {
    let (method, message) = encoded(question);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let answer = runtime.block_on(async {
        let asked = async {
            let (sender, connection) = open(address, access).await.map_err(|e| e.to_string())?;
            let driver = tokio::spawn(connection);
            let pieces = [Bytes::copy_from_slice(&frame(message.len())), message.into()];
            let answer =
                call(sender, (address, access), method, &pieces, &mut CallStages::now()).await;
            driver.abort();
            answer
        };
        tokio::time::timeout(limit, asked)
            .await
            .unwrap_or_else(|_| Err("no answer in time".to_owned()))
    })?;
    decoded(question, answer)
}

fn encoded(question: &Question<'_>) -> (&'static str, Vec<u8>) {
    let model = |name: &str| m::ModelRequest { name: name.to_owned() }.encode_to_vec();
    match question {
        Question::Ready => ("ServerReady", Vec::new()),
        Question::Server => ("ServerMetadata", Vec::new()),
        Question::Model(name) => ("ModelMetadata", model(name)),
        Question::Config(name) => ("ModelConfig", model(name)),
        Question::Statistics(name) => ("ModelStatistics", model(name)),
        Question::Register { name, key, bytes } => {
            let (name, key) = ((*name).to_owned(), (*key).to_owned());
            let request =
                m::SharedMemoryRegisterRequest { name, key, offset: 0, byte_size: *bytes };
            ("SystemSharedMemoryRegister", request.encode_to_vec())
        }
        Question::Unregister(name) => ("SystemSharedMemoryUnregister", model(name)),
    }
}

fn decoded(question: &Question<'_>, answer: Bytes) -> Result<Value, String> {
    fn read<M: Message + Default>(answer: Bytes) -> Result<M, String> {
        M::decode(answer).map_err(|error| error.to_string())
    }
    let document = match question {
        Question::Ready => {
            if read::<m::ServerReadyResponse>(answer)?.ready {
                return Ok(json!({}));
            }
            return Err("it says that it is not ready".to_owned());
        }
        Question::Server => serde_json::to_value(read::<m::ServerMetadataResponse>(answer)?),
        Question::Model(_) => serde_json::to_value(read::<m::ModelMetadataResponse>(answer)?),
        Question::Config(_) => serde_json::to_value(read::<m::ModelConfigResponse>(answer)?.config),
        Question::Statistics(_) => {
            serde_json::to_value(read::<m::ModelStatisticsResponse>(answer)?)
        }
        Question::Register { .. } | Question::Unregister(_) => {
            read::<m::Empty>(answer)?;
            Ok(json!({}))
        }
    };
    document.map_err(|error| error.to_string())
}
