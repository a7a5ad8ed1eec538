//! Reading many items by key.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};

use super::item::Item;
use super::{Store, StoreError, backoff};

/// Keys of one `BatchGetItem` call, the most that DynamoDB accepts.
const KEYS_MAX: usize = 100;
/// Consecutive rounds without a result, after which the store counts as throttling.
const FRUITLESS_ROUNDS: u32 = 5;
/// The deadline for all rounds of one call.
const DEADLINE: Duration = Duration::from_secs(10);

impl Store {
    /// Returns the items of distinct keys, consistently read, in no order, with these attributes, or all if none are named;
    /// absent items are left out. DynamoDB may answer in part: the rest is requested again.
    pub(super) async fn get_all(
        &self,
        table: &str,
        keys: Vec<Item>,
        attributes: &[&str],
    ) -> Result<Vec<Item>, StoreError> {
        let reading = async {
            let mut found = Vec::with_capacity(keys.len());
            for chunk in keys.chunks(KEYS_MAX) {
                self.get_chunk(table, chunk.to_vec(), attributes, &mut found).await?;
            }
            Ok(found)
        };
        tokio::time::timeout(DEADLINE, reading).await.unwrap_or(Err(StoreError::Throttled))
    }

    async fn get_chunk(
        &self,
        table: &str,
        keys: Vec<Item>,
        attributes: &[&str],
        found: &mut Vec<Item>,
    ) -> Result<(), StoreError> {
        let mut wanted = Some(wanted(keys, attributes)?);
        let mut fruitless = 0;
        while let Some(request) = wanted.take() {
            let reply = self.client.batch_get_item().request_items(table, request).send().await?;
            let items = reply.responses.and_then(|mut tables| tables.remove(table)).unwrap_or_default();
            fruitless = if items.is_empty() { fruitless + 1 } else { 0 };
            found.extend(items);
            wanted = reply.unprocessed_keys.and_then(|mut tables| tables.remove(table));
            if wanted.as_ref().is_none_or(|rest| rest.keys.is_empty()) {
                return Ok(());
            }
            if fruitless == FRUITLESS_ROUNDS {
                return Err(StoreError::Throttled);
            }
            tokio::time::sleep(backoff(fruitless)).await;
        }
        Ok(())
    }
}

fn wanted(keys: Vec<Item>, attributes: &[&str]) -> Result<KeysAndAttributes, StoreError> {
    let mut request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
    let mut projection = Vec::with_capacity(attributes.len());
    for (index, attribute) in attributes.iter().enumerate() {
        // Placeholders, because some names are reserved words.
        let placeholder = format!("#a{index}");
        request = request.expression_attribute_names(&placeholder, *attribute);
        projection.push(placeholder);
    }
    if !projection.is_empty() {
        request = request.projection_expression(projection.join(","));
    }
    request.build().map_err(|_| StoreError::Refused("ConstructionFailure".to_owned()))
}

/// Makes a key of two parts.
pub(super) fn key(pk: (&str, AttributeValue), sk: (&str, AttributeValue)) -> Item {
    HashMap::from([(pk.0.to_owned(), pk.1), (sk.0.to_owned(), sk.1)])
}
