//! Finds what a change would lose.

use serde_json::Value;

/// The kinds of things that hold what cannot be made again.
const KEEPERS: [&str; 4] =
    ["AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::S3::Bucket", "AWS::ElastiCache::ReplicationGroup"];

/// Returns a sentence for each table, queue, bucket or Redis that a change set removes or replaces, or may replace.
pub fn losses(changes: &[Value]) -> Vec<String> {
    changes.iter().filter_map(|change| loss(&change["ResourceChange"])).collect()
}

fn loss(change: &Value) -> Option<String> {
    let text = |field: &str| change[field].as_str().unwrap_or_default();
    if !KEEPERS.contains(&text("ResourceType")) {
        return None;
    }
    let fate = match (text("Action"), text("Replacement")) {
        ("Remove", _) => "would be removed",
        (_, "True") => "would be replaced by an empty one",
        (_, "Conditional") => "might be replaced by an empty one",
        _ => return None,
    };
    Some(format!("{} ({}) {fate}", text("LogicalResourceId"), text("ResourceType")))
}

/// Returns a line for each change.
pub fn lines(changes: &[Value]) -> Vec<String> {
    let line = |change: &Value| {
        let change = &change["ResourceChange"];
        let text = |field: &str| change[field].as_str().unwrap_or_default();
        let replaced = if text("Replacement") == "True" { ", replaced" } else { "" };
        format!("{} {} ({}{replaced})", text("Action").to_lowercase(), text("LogicalResourceId"), text("ResourceType"))
    };
    changes.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(action: &str, kind: &str, replacement: &str) -> Value {
        let change =
            json!({ "Action": action, "LogicalResourceId": "It", "ResourceType": kind, "Replacement": replacement });
        json!({ "Type": "Resource", "ResourceChange": change })
    }

    #[test]
    fn what_holds_data_is_neither_removed_nor_replaced() {
        for keeper in KEEPERS {
            assert_eq!(losses(&[change("Remove", keeper, "")]).len(), 1, "{keeper}");
            assert_eq!(losses(&[change("Modify", keeper, "True")]).len(), 1, "{keeper}");
            assert_eq!(losses(&[change("Modify", keeper, "Conditional")]).len(), 1, "{keeper}");
            assert!(losses(&[change("Modify", keeper, "False"), change("Add", keeper, "")]).is_empty(), "{keeper}");
        }
        assert!(losses(&[change("Remove", "AWS::Lambda::Function", "True")]).is_empty());
    }
}
